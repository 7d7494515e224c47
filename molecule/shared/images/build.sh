#!/usr/bin/env bash
# build.sh bookworm|trixie: make the droplet image, unless one from this very recipe exists; print its name.
# The tag carries the recipe's hash and is set when the build has succeeded, so an interrupted one is done again.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
os=$1
base=${LAB_IMAGE:-}
recipe=$({ cat "$here/Dockerfile" "$here"/files/*; echo "$base"; } | sha256sum | cut -c1-12)
image=redis-hardening-lab:$os-$recipe

if ! docker image inspect "$image" >/dev/null 2>&1; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  if [ -z "$base" ]; then
    base=redis-hardening-lab-base:$os
    if ! docker image inspect "$base" >/dev/null 2>&1; then
      echo "Making a Debian $os root file system (about 20 s)" >&2
      mmdebstrap --quiet --mode=root --variant=minbase "$os" "$work/base.tar" >&2
      printf 'FROM scratch\nADD base.tar /\n' > "$work/Dockerfile"
      docker build --quiet --tag "$base" "$work" >/dev/null
    fi
  fi
  echo "Building the droplet image $image (about 40 s)" >&2
  docker build --build-arg "BASE=$base" --tag "$image" "$here" > "$work/log" 2>&1 ||
    { tail -n 40 "$work/log" >&2; exit 1; }
fi
echo "$image"
