# Sourced by ./run: lint and tests.

AT_A_TIME=$(nproc)

# parts WHEN...: the names that scripts/parts has for these, and scenarios that it does not name, the longest first.
parts() {
  local known=scripts/parts name
  {
    grep -v '^#' "$known"
    for name in molecule/*/molecule.yml; do
      name=$(basename "$(dirname "$name")")
      grep -q "^$name " "$known" || echo "$name 300 normal"
    done
  } | sort -k2,2nr | awk -v wanted=" $* " 'index(wanted, " " $3 " ") { print $1 }'
}

lint() {
  say "Lint"
  ruff check --quiet . && ruff format --check --quiet . &&
    shellcheck -x run scripts/*.sh molecule/shared/images/build.sh &&
    yamllint --strict . &&
    ansible-lint --offline -q &&
    antsibull-changelog lint &&
    imports_between_packages &&
    types_of_plugins &&
    python3 scripts/render_controls.py | diff -u docs/controls.md - &&
    antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck \
      "$VENV/collections/ansible_collections/celebrum/redis_hardening"
}

# The rules are in .importlinter. Its answer is shown where one is broken.
imports_between_packages() {
  lint-imports --no-cache > "$LAB/imports.log" || { cat "$LAB/imports.log"; return 1; }
}

# From where the collection has its full name. Functions without annotations are not looked into.
types_of_plugins() {
  local config=$PWD/mypy.ini
  (cd "$VENV/collections" && mypy --config-file "$config" --cache-dir "$LAB/mypy" --no-error-summary \
    -p ansible_collections.celebrum.redis_hardening.plugins)
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

# pytest_part NAME WORKERS load|loadfile
pytest_part() {
  rm -f "$LAB/junit-$1.xml"
  # A file stays with one worker, so that what its tests share is made once.
  python3 -m pytest --quiet --numprocesses "$2" --dist "$3" --junit-xml "$LAB/junit-$1.xml" "tests/$1"
}

# failures FILE: the lines of Molecule's log that say what failed. A task's result goes on until an empty line.
failures() {
  awk '/^(fatal|failed): / { on = 1 } /^$/ { on = 0 } on || /^(E  |FAILED|ERROR)/' "$1" | tail -n 60
}

scenario() {
  local log="$LAB/molecule-$1.log"
  # Molecule writes its own ansible.cfg from .config/molecule/config.yml.
  NO_COLOR=1 MOLECULE_GLOB='molecule/*/molecule.yml' env -u ANSIBLE_CONFIG molecule test --scenario-name "$1" > "$log" 2>&1 ||
    { failures "$log"; tail -n 40 "$log"; return 1; }
  grep -E '^=+ .* (passed|failed)' "$log" || true
}

part() {
  case $1 in
    lint | sanity) "$1" ;;
    unit) pytest_part unit 2 loadfile ;;
    # Servers and packets are waited for, so more than there are cores.
    integration) pytest_part integration 4 load ;;
    *) scenario "$1" ;;
  esac
}

# run_parts NAME...: so many at a time; what each says is shown when it has ended.
run_parts() {
  local name
  for name in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "$AT_A_TIME" ]; do wait -n || true; done
    say "$name begins"
    {
      local since=$SECONDS code=0
      (part "$name") > "$LAB/said-$name" 2>&1 || code=$?
      say "$name: $((SECONDS - since)) s"
      cat "$LAB/said-$name"
      echo "$code" > "$LAB/code-$name"
    } &
  done
  wait
  for name in "$@"; do
    [ "$(cat "$LAB/code-$name")" = 0 ] || BROKEN+=("$name")
    case $name in
      unit | integration) count "$LAB/junit-$name.xml" ;;
      *) if [ "$(cat "$LAB/code-$name")" = 0 ]; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); fi ;;
    esac
    rm -f "$LAB/said-$name" "$LAB/code-$name"
  done
}

# prepare NAME...: what these parts need of the machine, before any of them begins.
prepare() {
  local name engine=
  ensure_venv
  for name in "$@"; do
    case $name in
      lint | sanity | unit) ;;
      integration)
        ensure_engine
        ensure_servers
        ensure_clients
        apt_install openssl iproute2 iptables nftables ;;
      *) engine=wanted ;;
    esac
  done
  [ "$engine" ] || return 0
  ensure_engine
  ensure_limits
  ensure_key
  ensure_images bookworm trixie
  # Of the clients that are tried, one is JavaScript.
  command -v npm >/dev/null || apt_install nodejs npm
}

run_tests() {
  local words=("$@") since=$SECONDS word wanted=() early=() others=()
  [ ${#words[@]} -gt 0 ] || words=(normal)
  PASSED=0 FAILED=0 BROKEN=()
  for word in "${words[@]}"; do
    case $word in
      quick) mapfile -t words < <(parts quick) ;;
      normal) mapfile -t words < <(parts quick normal) ;;
      all) mapfile -t words < <(parts quick normal rare) ;;
      molecule) mapfile -t words < <(parts quick normal rare | while read -r name; do [ ! -d "molecule/$name" ] || echo "$name"; done) ;;
      *)
        [[ " lint sanity unit integration " = *" $word "* ]] || [ -f "molecule/$word/molecule.yml" ] ||
          die "test: there is no part '$word'"
        words=("$word") ;;
    esac
    wanted+=("${words[@]}")
  done
  trap 'release_limits; release_engine' EXIT
  prepare "${wanted[@]}"
  # Its servers have timeouts of seconds, so beside it there is only what keeps to a single core.
  if [[ " ${wanted[*]} " = *" integration "* ]]; then
    for word in "${wanted[@]}"; do
      case $word in integration | lint | sanity) early+=("$word") ;; *) others+=("$word") ;; esac
    done
    run_parts "${early[@]}"
  else
    others=("${wanted[@]}")
  fi
  [ ${#others[@]} -eq 0 ] || run_parts "${others[@]}"
  [ ${#BROKEN[@]} -eq 0 ] || say "Failed: ${BROKEN[*]}"
  say "All of it took $((SECONDS - since)) s"
  echo "$PASSED passed, $FAILED failed"
  [ ${#BROKEN[@]} -eq 0 ] && [ "$FAILED" -eq 0 ]
}
