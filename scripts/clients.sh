# Sourced by ./run: the clients that tests/integration/test_clients.py works with, in .lab/clients and an image of their own.

# client NAME RECIPE COMMAND...: unless NAME is there and was made from this very recipe, COMMAND makes it.
client() {
  local name=$1 wanted folder="$LAB/clients"
  wanted=$(sha256sum < "$2")
  [ "$(cat "$folder/$name.made" 2>/dev/null)" = "$wanted" ] && return
  shift 2
  rm -rf "${folder:?}/$name"
  "$@" > "$folder/$name.log" 2>&1 || { tail -n 20 "$folder/$name.log" >&2; die "no $name clients (see above)"; }
  echo "$wanted" > "$folder/$name.made"
}

npm_clients() {
  mkdir -p "$LAB/clients/node"
  cp "$TOP/tests/integration/clients/package.json" "$LAB/clients/node/"
  (cd "$LAB/clients/node" && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --silent)
}

ensure_clients() {
  local from="$TOP/tests/integration/clients" base image
  mkdir -p "$LAB/clients"
  command -v npm >/dev/null || apt_install nodejs npm
  client python "$from/requirements.txt" python3 -m pip install --disable-pip-version-check --target "$LAB/clients/python" \
    -r "$from/requirements.txt"
  client node "$from/package.json" npm_clients
  base=$(cat "$LAB/image-trixie")
  image=redis-hardening-lab-clients:$({ cat "$from/Dockerfile"; echo "$base"; } | sha256sum | cut -c1-12)
  echo "$image" > "$LAB/clients/image"
  docker image inspect "$image" >/dev/null 2>&1 ||
    docker build --build-arg "BASE=$base" --tag "$image" - < "$from/Dockerfile" > "$LAB/clients/image.log" 2>&1 ||
    { tail -n 20 "$LAB/clients/image.log" >&2; die "no image with clients (see above)"; }
}
