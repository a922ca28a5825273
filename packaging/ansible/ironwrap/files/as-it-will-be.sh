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
for dir in "$stage"/new/*; do
    top=/${dir##*/}
    mount -t overlay -o "ro,lowerdir=$dir:$top" overlay "$top"
done
exec "$@"
