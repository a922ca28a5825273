#!/bin/sh
# Makes a stock Debian 12 what image.sh makes from nothing. Run as root.
set -eu
cd "$(dirname "$0")"
. ./debian.sh
if ! dpkg -s $packages >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $packages
fi
for unit in $unwanted; do
    systemctl --quiet disable --now "$unit" 2>/dev/null || true
done
