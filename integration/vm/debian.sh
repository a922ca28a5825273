# What the machine of the scenarios has of Debian. Read by image.sh, and by
# packages.sh in a machine that somebody else made.
packages='systemd-sysv dbus udev kmod netbase procps iproute2 libcap2-bin util-linux acl
sudo opendoas python3-oslo.rootwrap libnss-extrausers
dnsmasq-base haproxy qemu-utils
rsyslog auditd apparmor
nfs-kernel-server nfs-common'

# What the machines of make vm-test-long have besides.
packages_long='selinux-policy-default selinux-utils policycoreutils'

# What packages start by themselves, and no scenario wants running.
unwanted='haproxy nfs-server nfs-client.target rpcbind.socket rpcbind nfs-blkmap nfs-idmapd
apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap fstrim.timer dpkg-db-backup.timer'
