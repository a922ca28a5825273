#!/bin/sh
# as-it-will-be.sh STAGE COMMAND...
#
# Runs COMMAND on this host as it will be with the files of STAGE/new: these are laid
# over the host's own in a mount namespace, which nobody else sees and which ends with
# the command. The host as it is stands at STAGE/host.
set -eu
stage=$1
if [ "${2-}" != inside ]; then
    shift
    exec unshare --mount --propagation private -- /bin/sh "$0" "$stage" inside "$@"
fi
shift 2
mount --rbind / "$stage/host"
(cd "$stage/new" && find . -mindepth 1 -type d) | while read -r dir; do
    if [ -d "/$dir" ]; then
        chown --reference="/$dir" "$stage/new/$dir"
        chmod --reference="/$dir" "$stage/new/$dir"
    fi
done
# A mount below hides behind a layer over its top, so each has a layer of its own.
for dir in "$stage"/new/*; do
    top=/${dir##*/}
    mounts=$(awk -v top="$top/" 'index($5, top) == 1 { print $5 }' /proc/self/mountinfo)
    for at in "$top" $mounts; do
        if [ -d "$stage/new$at" ]; then
            mount -t overlay -o "ro,lowerdir=$stage/new$at:$stage/host$at" overlay "$at"
        elif [ -e "$stage/new$at" ]; then
            echo "cannot show $at as it will be: it is a mount of its own" >&2
            exit 1
        else
            mount --bind "$stage/host$at" "$at"
        fi
    done
done
exec "$@"
