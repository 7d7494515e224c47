# Sourced by ./run: lint and tests.

# The long ones first, since two run at a time.
SCENARIOS=(cluster sentinel lockout tls container docker nftables default upgrade instances exposed notice quickstart ufw)

lint() {
  say "Lint"
  ruff check --quiet . && ruff format --check --quiet . &&
    shellcheck -x run scripts/*.sh molecule/shared/images/build.sh &&
    yamllint --strict . &&
    ansible-lint --offline -q &&
    antsibull-changelog lint &&
    python3 scripts/render_controls.py | diff -u docs/controls.md - &&
    antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck \
      "$VENV/collections/ansible_collections/celebrum/redis_hardening"
}

# count FILE: add the numbers of a junit file to PASSED and FAILED.
count() {
  local passed failed
  read -r passed failed < <(python3 - "$1" <<'EOF'
import sys
from xml.etree import ElementTree
try:
    suites = list(ElementTree.parse(sys.argv[1]).iter("testsuite"))
    total, bad, skipped = (sum(int(s.get(k, 0)) for s in suites for k in keys)
                           for keys in (["tests"], ["failures", "errors"], ["skipped"]))
    print(total - bad - skipped, bad)
except (OSError, ElementTree.ParseError):
    print(0, 1)
EOF
  )
  PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
}

# pytest_part NAME WORKERS
pytest_part() {
  local name=$1 since=$SECONDS report="$LAB/junit-$1.xml"
  rm -f "$report"
  say "Tests: $name"
  python3 -m pytest --quiet --numprocesses "$2" --junit-xml "$report" "tests/$name" || BROKEN+=("$name")
  count "$report"
  say "$name: $((SECONDS - since)) s"
}

scenario() {
  local log="$LAB/molecule-$1.log"
  # Molecule writes its own ansible.cfg from .config/molecule/config.yml.
  NO_COLOR=1 MOLECULE_GLOB='molecule/*/molecule.yml' env -u ANSIBLE_CONFIG molecule test --scenario-name "$1" > "$log" 2>&1 ||
    { tail -n 60 "$log"; return 1; }
  grep -E '^=+ .* (passed|failed)' "$log" || true
}

# whole NAME: a part that passes or fails as a whole; it writes .lab/sanity.log or .lab/molecule-NAME.log.
whole() {
  case $1 in
    lint | sanity) "$1" ;;
    *) scenario "$1" ;;
  esac
}

# wholes NAME...: two at a time; what each says is shown when it has ended.
wholes() {
  local name
  for name in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || true; done
    say "$name begins"
    {
      local since=$SECONDS code=0
      whole "$name" > "$LAB/said-$name" 2>&1 || code=$?
      say "$name: $((SECONDS - since)) s"
      cat "$LAB/said-$name"
      echo "$code" > "$LAB/code-$name"
    } &
  done
  wait
  for name in "$@"; do
    if [ "$(cat "$LAB/code-$name")" = 0 ]; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)) BROKEN+=("$name"); fi
    rm -f "$LAB/said-$name" "$LAB/code-$name"
  done
}

# flush: run the wholes that were named so far.
flush() {
  [ ${#WHOLES[@]} -eq 0 ] || wholes "${WHOLES[@]}"
  WHOLES=()
}

molecule_parts() {
  ensure_engine
  ensure_limits
  ensure_key
  ensure_images bookworm trixie
  # Of the clients that are tried, one is JavaScript.
  command -v npm >/dev/null || apt_install nodejs npm
  WHOLES+=("$@")
}

run_tests() {
  local parts=("$@") since=$SECONDS name
  [ ${#parts[@]} -gt 0 ] || parts=(lint sanity unit integration molecule)
  PASSED=0 FAILED=0 BROKEN=() WHOLES=()
  ensure_venv
  trap 'release_limits; release_engine' EXIT
  for name in "${parts[@]}"; do
    case $name in
      lint | sanity) WHOLES+=("$name") ;;
      unit)
        flush
        pytest_part unit 2 ;;
      integration)
        flush
        ensure_engine
        ensure_servers
        ensure_clients
        apt_install openssl iproute2 iptables nftables
        # Servers and packets are waited for, so more than there are cores.
        pytest_part integration 4 ;;
      molecule) molecule_parts "${SCENARIOS[@]}" ;;
      *) if [ -d "molecule/$name" ]; then molecule_parts "$name"; else die "test: there is no part '$name'"; fi ;;
    esac
  done
  flush
  [ ${#BROKEN[@]} -eq 0 ] || say "Failed: ${BROKEN[*]}"
  say "All of it took $((SECONDS - since)) s"
  echo "$PASSED passed, $FAILED failed"
  [ ${#BROKEN[@]} -eq 0 ] && [ "$FAILED" -eq 0 ]
}
