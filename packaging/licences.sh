#!/bin/sh
# licences.sh PACKAGE...   prints the licences of the modules that the programs
# PACKAGE... (./cmd/ironwrap) are made of, from where Go keeps them, and Go's own
#
# Environment: GO (go), GOARCH, CGO_ENABLED as for the build.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}

texts() {
    find "$1" -maxdepth 1 -type f \( -iname 'LICEN[CS]E*' -o -iname 'COPYING*' -o -iname 'NOTICE*' \) ! -name '*.go' | LC_ALL=C sort
}

part() { # MODULE VERSION DIRECTORY
    found=$(texts "$3")
    if [ -z "$found" ]; then
        echo "licences.sh: $1 $2 has no licence in $3" >&2
        exit 1
    fi
    printf '==== %s %s\n' "$1" "$2"
    echo "$found" | while read -r text; do
        printf '\n---- %s\n\n' "${text##*/}"
        cat "$text"
    done
    echo
}

part "Go (runtime and standard library)" "$("$GO" env GOVERSION)" "$("$GO" env GOROOT)"
modules=$("$GO" list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' "$@" | LC_ALL=C sort -u)
echo "$modules" | while read -r module version dir; do
    [ -z "$module" ] || part "$module" "$version" "$dir"
done
