#!/bin/sh
# vagrant.sh BOX
#
# vagrant up with libvirt, which plays the scenarios, and vagrant destroy. With the
# machine's libvirtd, or where none runs with one that is started here, in namespaces
# of its own, and ends with them.
set -eu
box=$(realpath "$1")
cd "$(dirname "$0")/../.."
state=$PWD/bin/vagrant/state

libvirt() { timeout 30 virsh -q -c qemu:///system "$@"; }

if [ "${2-}" = inside ]; then
    mount --make-rprivate /
    ip link set lo up
    mount -t sysfs sysfs /sys
    # Nothing may be asked of systemd, of cgroups or of users that are not root.
    for dir in /etc/libvirt /var/lib/libvirt; do
        mkdir -p "$state$dir"
        cp -a "$dir/." "$state$dir/"
        mount --bind "$state$dir" "$dir"
    done
    mount -t tmpfs -o mode=755 tmpfs /run
    cat >/etc/libvirt/qemu.conf <<'END'
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
END
    printf 'auth_unix_rw = "none"\nauth_unix_ro = "none"\n' >/etc/libvirt/libvirtd.conf
    virtlogd -d
    libvirtd -d
    tries=30
    until libvirt version >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo 'vagrant.sh: libvirtd does not answer' >&2; exit 1; }
        sleep 1
    done
elif ! libvirt version >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { echo 'vagrant.sh: no libvirtd answers, and only root can start one' >&2; exit 1; }
    status=0
    unshare --net --mount --pid --fork --kill-child --mount-proc "$0" "$box" inside || status=$?
    rm -rf "$state"
    exit $status
fi

# Nothing of the caller's own Vagrant is used or changed.
export VAGRANT_HOME="$state/home" VAGRANT_DOTFILE_PATH="$state/dot" VAGRANT_CHECKPOINT_DISABLE=1 IRONWRAP_BOX="$box"
mkdir -p "$state"
clean() {
    vagrant destroy --force
    for volume in $(libvirt vol-list default | awk '/ironwrap-vm_vagrant_box/ { print $1 }'); do
        libvirt vol-delete --pool default "$volume"
    done
    rm -rf "$VAGRANT_HOME" "$VAGRANT_DOTFILE_PATH"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
vagrant --version
libvirt version
vagrant up --provider=libvirt
