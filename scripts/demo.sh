# Sourced by ./run: an exposed droplet is made safe, with the proof on screen.

DEMO_PLATFORMS='[
  {"name": "droplet1", "os": "bookworm", "role": "droplet", "octet": 11},
  {"name": "outsider", "os": "bookworm", "role": "neighbour", "octet": 200},
  {"name": "app", "os": "bookworm", "role": "neighbour", "octet": 100}]'

demo() {
  case ${1:-up} in
    up) demo_up ;;
    down) demo_down ;;
    *) usage >&2; exit 2 ;;
  esac
}

demo_lab() {
  ansible-playbook -i localhost, "$TOP/molecule/shared/$1.yml" -e lab_prefix=rh-demo -e lab_subnet=9 \
    -e "{\"lab_platforms\": $DEMO_PLATFORMS}" > "$LAB/demo/$1.log" 2>&1 ||
    { tail -n 40 "$LAB/demo/$1.log" >&2; die "see $LAB/demo/$1.log"; }
}

# demo_play NAME PLAYBOOK [OPTION...]: run it quietly; on failure show the end of its output.
demo_play() {
  local name=$1 playbook=$2
  shift 2
  ansible-playbook -i "$TOP/inventories/demo" "$playbook" "$@" > "$LAB/demo/$name.log" 2>&1 ||
    { tail -n 40 "$LAB/demo/$name.log" >&2; die "$playbook failed; all of its output is in $LAB/demo/$name.log"; }
}

# from WHO COMMAND...: show the command, run it in the neighbour, show what it prints.
from() {
  local who=$1 answer
  shift
  printf '  %s$ %s\n' "$who" "$*"
  answer=$(docker exec "rh-demo-$who" timeout 3 "$@" 2>&1) || true
  sed 's/^/      /' <<< "${answer:-(no answer)}"
}

# Reading a key again and again for four seconds, until it succeeds, while UFW is reloaded.
attack_during_reload() {
  local answer loop='for i in $(seq 40); do timeout 0.1 redis-cli -h 10.77.9.11 -p 6379 GET customer:7 && exit; done'
  printf '  outsider$ redis-cli -h 10.77.9.11 -p 6379 GET customer:7     (again and again, during an ufw reload)\n'
  # Over SSH: the kernel lets no `docker exec` into a container whose nested engine has made cgroups of its own.
  droplet 10.77.9.11 'sleep 0.5; ufw reload' > /dev/null &
  answer=$(docker exec rh-demo-outsider sh -c "$loop" 2>&1) || true
  wait $! || true
  sed 's/^/      /' <<< "${answer:-(no answer)}"
}

attacks() {
  from outsider redis-cli -h 10.77.9.11 -p 6380 GET session:1
  from outsider redis-cli -h 10.77.9.11 -p 6379 GET customer:7
  attack_during_reload
}

as_app() {
  local command=(redis-cli --no-auth-warning --user app -h 10.77.9.11 GET customer:7)
  printf '  app$ %s\n' "${command[*]}"
  # The password goes by the environment, where no process list shows it.
  REDISCLI_AUTH=$(cat "$LAB/demo/credentials/droplet1/app") docker exec --env REDISCLI_AUTH rh-demo-app \
    timeout 3 "${command[@]}" 2>&1 | sed 's/^/      /'
}

demo_up() {
  local started=$SECONDS
  mkdir -p "$LAB/demo"
  ensure_venv
  ensure_engine
  ensure_limits
  ensure_key
  ensure_images bookworm
  say "Starting a droplet, an outsider and an app"
  demo_lab destroy
  rm -rf "$LAB/demo/credentials" "$LAB/demo/report" "$LAB/demo/report-before"
  demo_lab create
  say "Exposing it: Redis on all addresses without a password, one more in a container, UFW on"
  demo_play expose molecule/shared/expose.yml

  say "Before. UFW is on and denies 6379 and 6380. From outside:"
  attacks
  demo_play verify-before playbooks/verify.yml -e audit_fail=false -e "audit_report_dir=$LAB/demo/report-before"

  say "Running playbooks/site.yml"
  demo_play site playbooks/site.yml
  grep -A 5 'PLAY RECAP' "$LAB/demo/site.log" | grep droplet1 || true

  say "After. The same from outside:"
  attacks
  say "The allowed client, with its own user and the data that was there before:"
  as_app

  say "Running playbooks/verify.yml"
  demo_play verify playbooks/verify.yml
  python3 "$TOP/scripts/compare_reports.py" "$LAB/demo/report-before/report.json" "$LAB/demo/report/report.json"
  cat <<EOF

Took $((SECONDS - started)) s. Where things are:
  policy       inventories/demo/group_vars/redis_servers.yml
  report       .lab/demo/report/report.txt   (before: .lab/demo/report-before)
  passwords    .lab/demo/credentials/droplet1/
  droplet      ssh -i .lab/ssh/id_ed25519 root@10.77.9.11
  as the app   export REDISCLI_AUTH=\$(cat .lab/demo/credentials/droplet1/app)
               docker exec -it -e REDISCLI_AUTH rh-demo-app redis-cli --user app -h 10.77.9.11
  again        ansible-playbook -i inventories/demo playbooks/site.yml     (in ./run shell)
  clean up     ./run demo down
EOF
}

demo_down() {
  ensure_venv
  ensure_engine
  mkdir -p "$LAB/demo"
  demo_lab destroy
  rm -rf "$LAB/demo"
  release_limits
  release_engine
  say "The demo is gone"
}
