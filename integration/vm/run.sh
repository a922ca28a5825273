#!/bin/sh
# Provisions the machine and plays the scenarios that the kernel's command line names,
# or all. The rows that they leave in $OUT/rows are compared with docs/scenarios.md by
# whoever started this.
set -eu
cd "$(dirname "$0")"
export OUT="${OUT:-/run/out}"
mkdir -p "$OUT"
: >"$OUT/rows"
scripts=$(sed -n 's/.*ironwrap\.scenarios=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' ')
[ "$scripts" = packages ] || ./provision.sh # packages.sh installs ironwrap itself
status=0
for script in ${scripts:-$(basename -s .sh scenarios/*.sh)}; do
    if [ -e "scenarios/$script.sh" ]; then script=scenarios/$script.sh; else script=long/$script.sh; fi
    start=$(cut -d' ' -f1 /proc/uptime)
    sh "$script" || { echo "$script ended with $?"; status=1; }
    echo "$script: from $start to $(cut -d' ' -f1 /proc/uptime)"
done
exit $status
