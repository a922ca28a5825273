#!/bin/sh
# Draws the pictures of the documents: make pictures. Needs root, for the policy of the
# audit page must be root's.
#   road.svg   from road.dot, by graphviz
#   audit.png  the page of ironwrapctl audit for cinder's filters of Debian, by chromium
set -eu
cd "$(dirname "$0")"
ctl=$(cd ../.. && pwd)/bin/ironwrapctl
for program in dot:graphviz chromium:chromium; do
    command -v "${program%:*}" >/dev/null || packages="${packages:-} ${program#*:}"
done
if [ -n "${packages:-}" ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages fonts-dejavu-core
fi

dot -Tsvg road.dot >road.svg

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
(cd "$dir" && apt-get -o APT::Sandbox::User=root download -qq cinder-common && dpkg-deb -x cinder-common_*.deb root)
"$ctl" audit --root "$dir/root" --format html /etc/cinder/rootwrap.conf >"$dir/cinder.html"
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$dir/profile" \
    --window-size=1000,665 --screenshot="$PWD/audit.png" "file://$dir/cinder.html" >/dev/null 2>&1
[ "$(wc -c <audit.png)" -lt 150000 ] || { echo "audit.png is larger than 150 kB" >&2; exit 1; }
