# Sourced by ./run: what a fresh Debian or Ubuntu machine lacks for the lab and the tests, installed once and said so.

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'run: %s\n' "$*" >&2; exit 1; }

apt_install() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  [ "$(id -u)" = 0 ] || die "these packages are missing, and installing them takes root: ${missing[*]}"
  say "Installing packages: ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends "${missing[@]}" > "$LAB/apt.log" 2>&1 ||
    { tail -n 20 "$LAB/apt.log" >&2; die "apt-get could not install them (see above)"; }
}

# The venv with ansible-core, its collections and the test tools; made again when requirements.txt has changed.
ensure_venv() {
  local stamp="$VENV/.requirements" python=python3 wanted
  wanted=$(sha256sum < "$TOP/requirements-dev.txt")
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
      die "Python 3.11 or later is needed; this is $("$python" --version 2>&1)"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      apt_install python3-venv
      python=/usr/bin/python3
    fi
    say "Making the Python environment .venv (about a minute)"
    "$python" -m venv --clear "$VENV"
    "$VENV/bin/python" -m pip install --disable-pip-version-check -r "$TOP/requirements-dev.txt" > "$LAB/pip.log" 2>&1 ||
      { tail -n 20 "$LAB/pip.log" >&2; die "pip could not install requirements-dev.txt (see above)"; }
    echo "$wanted" > "$stamp"
  fi
  # Ansible finds a collection by its name below a directory ansible_collections.
  mkdir -p "$VENV/collections/ansible_collections/celebrum"
  ln -sfn "$TOP" "$VENV/collections/ansible_collections/celebrum/redis_hardening"
  export PATH="$VENV/bin:$PATH" ANSIBLE_COLLECTIONS_PATH="$VENV/collections" ANSIBLE_CONFIG="$TOP/ansible.cfg"
  export PYTHONPATH="$VENV/collections"
}

# A Docker engine: the one that runs, or Debian's, started by systemd or, where there is none, by hand.
ensure_engine() {
  apt_install mmdebstrap debian-archive-keyring openssh-client
  docker info >/dev/null 2>&1 && return
  command -v dockerd >/dev/null || apt_install docker.io iptables
  command -v docker >/dev/null || apt_install docker-cli
  if [ -d /run/systemd/system ]; then
    say "Starting the Docker engine"
    systemctl start docker
  else
    say "Starting a Docker engine (no systemd here); it is stopped at the end"
    rm -f /var/run/docker.pid
    setsid dockerd > "$LAB/dockerd.log" 2>&1 < /dev/null &
    echo $! > "$LAB/dockerd.pid"
    # Whoever waits for all jobs does not wait for this one.
    disown
  fi
  local _
  for _ in $(seq 60); do docker info >/dev/null 2>&1 && return; sleep 0.5; done
  die "the Docker engine does not start; see $LAB/dockerd.log"
}

# Stop the engine when it was started by ensure_engine and carries nothing.
release_engine() {
  local pid
  pid=$(cat "$LAB/dockerd.pid" 2>/dev/null) || return 0
  [ -z "$(docker ps --quiet 2>/dev/null)" ] || return 0
  say "Stopping the Docker engine"
  kill "$pid" 2>/dev/null || true
  local _
  for _ in $(seq 60); do kill -0 "$pid" 2>/dev/null || break; sleep 0.5; done
  rm -f "$LAB/dockerd.pid"
}

# systemd needs inotify instances; the usual 128 carry about 15 droplets. Restored by release_limits.
ensure_limits() {
  local now limit=/proc/sys/fs/inotify/max_user_instances
  now=$(cat "$limit")
  [ "$now" -ge 1024 ] && return
  say "Raising fs.inotify.max_user_instances from $now to 1024 while the lab is up"
  echo 1024 > "$limit" && echo "$now" > "$LAB/inotify"
}

release_limits() {
  [ -f "$LAB/inotify" ] || return 0
  cat "$LAB/inotify" > /proc/sys/fs/inotify/max_user_instances && rm -f "$LAB/inotify"
}

ensure_key() {
  [ -f "$LAB/ssh/id_ed25519" ] && return
  mkdir -p "$LAB/ssh"
  ssh-keygen -q -t ed25519 -N '' -C redis-hardening-lab -f "$LAB/ssh/id_ed25519"
  cp "$LAB/ssh/id_ed25519.pub" "$LAB/ssh/authorized_keys"
}

ensure_images() {
  local os
  for os in "$@"; do "$TOP/molecule/shared/images/build.sh" "$os" > "$LAB/image-$os"; done
}
