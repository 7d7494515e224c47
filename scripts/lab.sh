# Sourced by ./run: the lab of droplets, an outsider and an app.

# The platforms of molecule/shared/create.yml as JSON: HOSTS droplets, the attacker and the allowed client.
lab_platforms() {
  local n
  printf '['
  for n in $(seq "$HOSTS"); do
    printf '{"name":"droplet%d","os":"%s","role":"droplet","octet":%d},' "$n" "$OS" $((10 + n))
  done
  printf '{"name":"outsider","os":"%s","role":"neighbour","octet":200},' "$OS"
  printf '{"name":"app","os":"%s","role":"neighbour","octet":100}]' "$OS"
}

lab_inventory() {
  local n
  cat <<EOF
# Written by ./run lab. Droplets are reached over SSH as root; -e ansible_user=ops -b is the sudo user.
all:
  children:
    redis_servers:
      hosts:
EOF
  for n in $(seq "$HOSTS"); do
    cat <<EOF
        droplet$n:
          ansible_host: 10.77.0.$((10 + n))
          lab_ipv6: fd77:0::$((10 + n))
EOF
  done
  cat <<EOF
      vars:
        ansible_user: root
        ansible_ssh_private_key_file: $LAB/ssh/id_ed25519
        # Host keys are made anew with each droplet.
        ansible_ssh_common_args: -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
    neighbours:
      hosts:
        outsider: {lab_ipv4: 10.77.0.200, lab_ipv6: "fd77:0::200", ansible_host: rh-lab-outsider}
        app: {lab_ipv4: 10.77.0.100, lab_ipv6: "fd77:0::100", ansible_host: rh-lab-app}
      vars:
        ansible_connection: community.docker.docker
EOF
}

# droplet ADDRESS COMMAND: run it there as root.
droplet() {
  ssh -i "$LAB/ssh/id_ed25519" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
    -o LogLevel=ERROR "root@$1" "$2"
}

lab_play() {
  ansible-playbook -i localhost, "$TOP/molecule/shared/$1.yml" -e lab_prefix=rh-lab -e lab_subnet=0 \
    -e "{\"lab_platforms\": $2}" > "$LAB/$1.log" 2>&1 ||
    { tail -n 40 "$LAB/$1.log" >&2; die "the lab's $1 failed; all of it is in $LAB/$1.log"; }
}

lab_up() {
  HOSTS=${HOSTS:-1} OS=${OS:-bookworm}
  [[ $HOSTS =~ ^[1-9][0-9]?$ && $HOSTS -le 80 ]] || die "HOSTS=$HOSTS: a number from 1 to 80 is wanted"
  [[ $OS =~ ^(bookworm|trixie)$ ]] || die "OS=$OS: bookworm or trixie is wanted"
  ensure_venv
  ensure_engine
  ensure_limits
  ensure_key
  ensure_images "$OS"
  lab_down_quietly
  say "Starting $HOSTS droplet(s) with Debian $OS, an outsider and an app"
  lab_platforms > "$LAB/platforms.json"
  lab_play create "$(cat "$LAB/platforms.json")"
  lab_inventory > "$LAB/inventory.yml"
}

# Remove what the last lab_up made, known by its own list.
lab_down_quietly() {
  [ -f "$LAB/platforms.json" ] || return 0
  ensure_venv
  ensure_engine
  lab_play destroy "$(cat "$LAB/platforms.json")"
  rm -f "$LAB/platforms.json" "$LAB/inventory.yml"
}

lab_down() {
  lab_down_quietly
  release_limits
  release_engine
  say "The lab is gone"
}
