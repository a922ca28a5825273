#!/bin/sh
# payload.sh FILE [short|long]
#
# Makes FILE, a tar of all that a machine needs for the scenarios: the scripts,
# ironwrap as make install installs it, and setuid in a place of its own, the table
# that must come of it, and who compares. Compressed if its name says so. A long one has
# two versions of the packages too.
set -eu
file=$(realpath "$1")
cd "$(dirname "$0")"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
make -s -C ../.. install DESTDIR="$dir/tree" PREFIX=/usr
make -s -C ../.. install DESTDIR="$dir/tree" PREFIX=/opt/ironwrap SETUID=1
make -s -C ../.. build # bin/ as it is for everybody else
CGO_ENABLED=0 go test -c -trimpath -ldflags '-s -w' -o "$dir/compare" .
versions=
if [ "${2-}" = long ]; then
    versions='1.0.0 1.0.1'
    mkdir "$dir/source" # programs of another version are not left in bin/
    tar -C ../.. --exclude=./bin --exclude=./dist --exclude=./.git -c . | tar -C "$dir/source" -x
    [ ! -d ../../bin/tools ] || (mkdir "$dir/source/bin" && cp -a ../../bin/tools "$dir/source/bin/")
    for version in $versions; do
        make -s -C "$dir/source" packages ARCHES=amd64 VERSION=v$version
        mkdir "$dir/$version"
        mv "$dir"/source/dist/ironwrap_*.deb "$dir"/source/dist/ironwrapctl_*.deb "$dir"/source/dist/ironwrap-neutron_*.deb "$dir/$version"
    done
fi
tar -caf "$file" debian.sh packages.sh provision.sh run.sh lib.sh attempts.py client.py nfs-server.sh scenarios long \
    -C ../../docs scenarios.md sandbox-keys.md packages.md -C "$dir" compare tree $versions
