#!/bin/sh
# old_packages.sh VERSION: repack the newest Redis packages as this version, in a repository that apt knows.
set -eu
old=$1
export DEBIAN_FRONTEND=noninteractive
mkdir -p /opt/lab/old
cd /opt/lab/old
# The image brings the newest one for other scenarios.
apt-get -qy purge redis-tools
apt-get -q update
apt-get -q download redis-server redis-tools redis-sentinel
new=$(dpkg-deb -f redis-server_*.deb Version)
for deb in *.deb; do
  name=$(dpkg-deb -f "$deb" Package)
  dpkg-deb -R "$deb" tree
  # Also in the dependencies, which name the exact version.
  sed -i "s/$new/$old/" tree/DEBIAN/control
  # Another program, so that the one that runs can be told from the one that is installed.
  [ "$name" != redis-tools ] || printf 'old' >> tree/usr/bin/redis-check-rdb
  rm tree/DEBIAN/md5sums "$deb"
  dpkg-deb -Znone -b tree "$name.deb"
  rm -r tree
  dpkg-deb -f "$name.deb"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' \
    "$name.deb" "$(stat -c %s "$name.deb")" "$(sha256sum "$name.deb" | cut -d ' ' -f 1)"
done > Packages.new
# dpkg-deb tells what it does on the same output.
grep -v '^dpkg-deb: ' Packages.new > Packages
echo 'deb [trusted=yes] file:/opt/lab/old ./' > /etc/apt/sources.list.d/old.list
apt-get -q update
apt-cache madison redis-server | grep -F "$old"
