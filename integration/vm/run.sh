#!/bin/sh
# Provisions the machine and plays all scenarios. The rows that they leave in
# $OUT/rows are compared with docs/scenarios.md by whoever started this.
set -eu
cd "$(dirname "$0")"
export OUT="${OUT:-/run/out}"
mkdir -p "$OUT"
: >"$OUT/rows"
./provision.sh
status=0
for script in scenarios/*.sh; do
    start=$(cut -d' ' -f1 /proc/uptime)
    sh "$script" || { echo "$script ended with $?"; status=1; }
    echo "$script: from $start to $(cut -d' ' -f1 /proc/uptime)"
done
exit $status
