# Sourced by ./run: what the collection costs.

# fastest COMMAND...: the seconds of the fastest of five runs.
fastest() {
  python3 - "$@" <<'EOF'
import subprocess, sys, time
def run():
    start = time.perf_counter()
    subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
print(f"{min(run() for _ in range(5)):.2f}")
EOF
}

benchmark() {
  local floor site
  ensure_venv
  ensure_engine
  ensure_servers
  python3 benchmarks/modules.py "$LAB"/servers/*/run || die "a verify module takes more than 1 s"
  HOSTS=1 lab_up
  local play=(ansible-playbook -i "$LAB/inventory.yml" -e "redis_credentials_dir=$LAB/credentials")
  say "Hardening the lab's droplet, then measuring a run with nothing to change"
  "${play[@]}" playbooks/site.yml > "$LAB/benchmark.log"
  floor=$(fastest "${play[@]}" benchmarks/facts_and_ping.yml)
  site=$(fastest "${play[@]}" playbooks/site.yml)
  python3 - "$floor" "$site" <<'EOF'
import sys
floor, site = map(float, sys.argv[1:])
print(f"facts and ping {floor:.2f} s; site.yml with nothing to change {site:.2f} s: {site / floor:.1f} times (at most 4)")
sys.exit(site > 4 * floor)
EOF
}
