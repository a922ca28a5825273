#!/bin/sh
# root.sh DIRECTORY
#
# Makes DIRECTORY/root, a Debian 12 with OpenStack's services. Its packages are unpacked
# and not configured, which would take ten minutes; what their scripts do and the tests
# need is done here.
set -eu
services="neutron nova cinder manila ceilometer"
packages="base-files base-passwd bash coreutils dash debianutils diffutils findutils grep hostname libc-bin login mawk
    mount passwd sed util-linux python3-neutron python3-nova python3-cinder python3-os-brick python3-os-vif python3-ceilometer
    python3-manila python3-oslo.rootwrap neutron-common nova-common cinder-common manila-common ceilometer-common
    sudo iproute2 iptables ipset conntrack dnsmasq-base dnsmasq-utils qemu-utils open-iscsi keepalived iputils-ping
    iputils-arping ncat procps psmisc haproxy radvd openvswitch-switch lvm2 e2fsprogs bridge-utils netcat-openbsd ethtool net-tools
    python3-oslotest python3-testtools python3-ddt python3-testscenarios python3-testresources"
# They define contexts too. What they depend on is not there: these are read only.
alone="python3-masakari-monitors python3-networking-bagpipe"
cd "$1"

cat >configure.sh <<'CONFIGURE'
set -eu
root=$1
for file in passwd group; do cp "$root/usr/share/base-passwd/$file.master" "$root/etc/$file"; done
cp "$root/usr/share/libc-bin/nsswitch.conf" "$root/etc/nsswitch.conf"
echo '127.0.0.1 localhost' >"$root/etc/hosts"
chroot "$root" ldconfig
for program in iptables ip6tables ebtables arptables; do
    for end in "" -save -restore; do ln -sf xtables-nft-multi "$root/usr/sbin/$program$end"; done
done
mkdir -p "$root/proc" "$root/sys" "$root/run" "$root/srv" "$root/root"
# pyroute2 has its namespaces below /var/run, iproute2 below /run.
rmdir "$root/var/run" "$root/var/lock"
ln -s /run "$root/var/run"
ln -s /run/lock "$root/var/lock"
ln -sf mawk "$root/usr/bin/awk"
ln -sf nc.openbsd "$root/usr/bin/nc"
ln -sf python3 "$root/usr/bin/python"
printf 'Defaults !requiretty, !lecture\nDefaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"\n' >"$root/etc/sudoers"
# PAM reads other too, which includes files that only pam-auth-update makes.
for kind in auth account session; do echo "$kind required pam_permit.so"; done | tee "$root/etc/pam.d/other" >"$root/etc/pam.d/sudo"
for package in $alone; do
    (cd "$root/tmp" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get download -q $package && dpkg-deb --extract "$package"_*.deb "$root" && rm "$package"_*.deb)
done
id=900
for service in $services; do
    echo "$service:x:$id:$id::/var/lib/$service:/bin/sh" >>"$root/etc/passwd"
    echo "$service:x:$id:" >>"$root/etc/group"
    echo "$service ALL = (root) NOPASSWD: /usr/bin/$service-rootwrap, /usr/bin/$service-rootwrap-daemon, /usr/bin/ironwrap, /usr/bin/ironwrap-daemon" >>"$root/etc/sudoers"
    mkdir -p "$root/etc/$service" "$root/var/lib/$service"
    [ -e "$root/etc/$service/rootwrap.conf" ] || cp -r "$root/usr/share/$service-common"/rootwrap.* "$root/etc/$service"
    printf '[DEFAULT]\n' >"$root/etc/$service/$service.conf"
    chown $id:$id "$root/var/lib/$service" "$root/etc/$service"
    chmod 750 "$root/etc/$service"
    id=$((id + 1))
done
chmod 440 "$root/etc/sudoers"
# What neutron's functional tests ask for besides its agents.
tests=$root/usr/lib/python3/dist-packages/neutron/tests
cp "$tests/contrib/testing.filters" "$root/etc/neutron/rootwrap.d"
chmod 755 "$tests"/functional/agent/linux/bin/*.py "$tests/functional/agent/linux/simple_daemon.py"
chmod u+s "$root/usr/bin/ping" # as its package does where there is no setcap(8)
# The services' users cannot keep what Python compiles.
unshare --mount --propagation private sh -euc 'mount -t proc proc "$0/proc"
for module; do PYTHONDONTWRITEBYTECODE= chroot "$0" python3 -c "import $module"; done' "$root" \
    neutron.tests.functional.base nova.privsep.fs nova.privsep.qemu nova.privsep.linux_net cinder.privsep.path \
    cinder.privsep.lvm os_brick.privileged.rootwrap os_brick.privileged.rbd manila.privsep.os ceilometer.privsep.ipmitool \
    vif_plug_ovs.ovsdb.impl_vsctl vif_plug_linux_bridge.linux_net oslo_rootwrap.cmd oslo_rootwrap.daemon
CONFIGURE
services=$services alone=$alone mmdebstrap --quiet --mode=root --variant=extract --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --include="$(echo $packages | tr ' ' ,)" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --extract-hook='sh configure.sh "$1"' bookworm root # the variant runs no later hook
rm configure.sh
