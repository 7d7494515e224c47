# Sourced by ./run: ansible-test, which wants the collection below a real directory ansible_collections.

sanity() {
  local copy="$TOP/.cache/ansible_collections/celebrum/redis_hardening" cache=~/.ansible/test/cache pip
  mkdir -p "$copy" "$cache"
  # Its own way to get pip is a download from outside of the package index, of the version that it names itself.
  pip=$(sed -n "s/^ *pip='\([0-9.]*\)',$/\1/p" "$VENV"/lib/python3.*/site-packages/ansible_test/_internal/python_requirements.py)
  cp -n "$TOP/scripts/get_pip.py" "$cache/get_pip_${pip//./_}.py" 2>/dev/null || true
  [ -d "$copy/.git" ] || git -C "$copy" init --quiet
  find "$copy" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
  git -C "$TOP" ls-files -z --cached --others --exclude-standard -- plugins meta tests/config.yml tests/sanity galaxy.yml changelogs LICENSE README.md |
    while IFS= read -r -d '' file; do [ -f "$file" ] && printf '%s\0' "$file"; done |
    tar --create --null --files-from - | tar --extract --directory "$copy"
  # The venv's own Python only: further ones on the path may be a version manager's shims, which are no interpreters.
  (cd "$copy" && ansible-test sanity --local --color no --python "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')") \
    > "$LAB/sanity.log" 2>&1 || { grep -E '^(ERROR|FATAL)' "$LAB/sanity.log"; return 1; }
}
