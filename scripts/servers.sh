# Sourced by ./run: the servers for tests/integration, taken out of the droplet images into .lab/servers/NAME/run.

# export_server NAME OS SCRIPT: SCRIPT runs in the image of OS and must leave the server's binary in /server.
export_server() {
  local name=$1 image folder="$LAB/servers/$1"
  image=$(cat "$LAB/image-$2")
  [ "$(cat "$folder/image" 2>/dev/null)" = "$image" ] && return
  rm -rf "$folder" && mkdir -p "$folder"
  docker run --rm --volume "$folder:/out" "$image" \
    sh -euc "$3; /usr/local/lib/lab/export-server ${name%-*}-server /server /out"
  echo "$image" > "$folder/image"
}

ensure_servers() {
  ensure_images bookworm trixie
  say "Taking Redis 7.0, Redis 8.0 and Valkey 8.1 out of the images"
  export_server redis-7.0 bookworm 'cp /usr/bin/redis-check-rdb /server'
  export_server redis-8.0 trixie 'cp /usr/bin/redis-check-rdb /server'
  export_server valkey-8.1 trixie \
    'dpkg-deb -x /var/cache/apt/archives/valkey-tools_*.deb /tmp/v; cp /tmp/v/usr/bin/valkey-check-rdb /server'
}
