#!/bin/sh
# tree.sh put STAGE DESTDIR LIST   copies what is below STAGE to DESTDIR, and keeps in
#                                  LIST (a path below DESTDIR) what it put and made there
# tree.sh take DESTDIR LIST        removes what is in LIST, and nothing else
#
# LIST has a path a line, from DESTDIR. Directories, which end with a slash, are those
# that were not there before, and go when nothing is left in them.

set -eu

fail() {
    echo "tree.sh: $1" >&2
    exit 1
}

put() {
    stage=$1 dest=$2 list=$2$3
    new=$(mktemp)
    trap 'rm -f "$new"' EXIT
    [ ! -f "$list" ] || cat "$list" >"$new"
    (cd "$stage" && find . -mindepth 1 -printf '%P %y %m\n' | LC_ALL=C sort) | while read -r path type mode; do
        case $type in
            d)
                [ -d "$dest/$path" ] && continue
                install -d -m "$mode" "$dest/$path"
                echo "$path/"
                ;;
            f)
                install -m "$mode" "$stage/$path" "$dest/$path"
                echo "$path"
                ;;
            *) fail "$stage/$path is neither a file nor a directory" ;;
        esac
    done >>"$new"
    # A path that an older installation made, and this one too, is there once.
    LC_ALL=C sort -u "$new" | install -m 0644 /dev/stdin "$list"
}

take() {
    dest=$1 list=$1$2
    [ -f "$list" ] || fail "there is no $list: nothing that make install put is known here (the same DESTDIR and PREFIX?)"
    paths=$(LC_ALL=C sort -r "$list")
    rm -f "$list"
    # In this order what is in a directory comes before the directory.
    printf '%s\n' "$paths" | while read -r path; do
        case $path in
            */) [ ! -d "$dest/$path" ] || rmdir --ignore-fail-on-non-empty "$dest/$path" ;;
            *) rm -f "$dest/$path" ;;
        esac
    done
    links "$dest" "$paths"
}

# Links to what is gone were made by hand, in place of a service's own program.
links() {
    printf '%s\n' "$2" | grep '/bin/ironwrap\(-daemon\)\?$' | while read -r program; do
        find "$1/${program%/*}" -maxdepth 1 -xtype l \( -lname "${program##*/}" -o -lname "/$program" \) \
            -printf 'tree.sh: %p leads to what is gone now: have the package of the service installed again\n' >&2
    done
}

case ${1:-}:$# in
    put:4) put "$2" "$3" "$4" ;;
    take:3) take "$2" "$3" ;;
    *) fail "usage: tree.sh put STAGE DESTDIR LIST | take DESTDIR LIST" ;;
esac
