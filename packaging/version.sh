#!/bin/sh
# version.sh VERSION EPOCH   prints VERSION, of git describe, as packages have it
#
#   v1.2.3            1.2.3
#   v1.2.3-rc1        1.2.3~rc1, which comes before 1.2.3
#   v1.2.3-4-gabcdef  1.2.3+4.gabcdef
#   abcdef            0~20261128134144.abcdef, by the time of the change (EPOCH, seconds)
#
# -dirty becomes +dirty.
set -eu
dirty=
version=${1#v}
case $version in *-dirty) version=${version%-dirty} dirty=+dirty ;; esac
case $version in
    [0-9]*.*) version=$(echo "$version" | sed -E 's/-([0-9]+)-g([0-9a-f]+)$/+\1.g\2/; s/-/~/g') ;;
    *) version=0~$(date -u -d "@$2" +%Y%m%d%H%M%S).$version ;;
esac
echo "$version$dirty" | tr -c 'A-Za-z0-9.+~\n' .
