#!/bin/sh
# payload.sh FILE
#
# Makes FILE, a tar of all that a machine needs for the scenarios: the scripts,
# ironwrap as make install installs it, and setuid in a place of its own, the table
# that must come of it, and who compares. Compressed if its name says so.
set -eu
file=$(realpath "$1")
cd "$(dirname "$0")"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
make -s -C ../.. install DESTDIR="$dir/tree" PREFIX=/usr
make -s -C ../.. install DESTDIR="$dir/tree" PREFIX=/opt/ironwrap SETUID=1
make -s -C ../.. build # bin/ as it is for everybody else
CGO_ENABLED=0 go test -c -trimpath -ldflags '-s -w' -o "$dir/compare" .
tar -caf "$file" debian.sh packages.sh provision.sh run.sh lib.sh attempts.py client.py nfs-server.sh scenarios \
    -C ../../docs scenarios.md -C "$dir" compare tree
