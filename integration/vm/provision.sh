#!/bin/sh
# Makes the machine one with two services as their packages make them, with ironwrap
# (from ./tree) in the place of their rootwrap and the peer beside it. Run as root.
set -eu
cd "$(dirname "$0")"

cp -r --remove-destination tree/. / # programs may run, from a time before
chmod 4755 /opt/ironwrap/bin/ironwrap # cp -r keeps no set-user-id bit

# Labels, as dpkg gives them.
if selinuxenabled 2>/dev/null; then restorecon -RF /usr/bin /usr/lib/ironwrap /opt; fi

# All scenarios are played under the profiles for ironwrap, in both places.
if aa-enabled --quiet 2>/dev/null; then
    sed 's|^@{IRONWRAP}=.*|@{IRONWRAP}=/usr /opt/ironwrap|' /usr/share/ironwrap/apparmor/ironwrap >/etc/apparmor.d/ironwrap
    apparmor_parser --replace /etc/apparmor.d/ironwrap
fi

# sudo wants to find the machine's name, and a scenario shows it.
hostname ironwrap
echo ironwrap >/etc/hostname
grep -qw ironwrap /etc/hosts || echo 127.0.1.1 ironwrap >>/etc/hosts

for user in nova:64055 neutron:64060 mallory:64070; do
    name=${user%:*} id=${user#*:}
    groupadd --force --gid "$id" "$name"
    id "$name" >/dev/null 2>&1 || useradd --key UID_MAX=70000 --uid "$id" --gid "$id" --no-create-home --home-dir "/var/lib/$name" --shell /bin/sh "$name"
    install -d -m 755 -o "$name" -g "$name" "/var/lib/$name" # SELinux lets useradd make none there
done
groupadd --force --gid 64080 images
usermod --append --groups images nova

# A directory of the service's, as Debian's packages make it, and the sudoers line
# that they ship, once for each program.
for service in nova neutron; do
    mkdir -p "/etc/$service"
    chown "$service:$service" "/etc/$service"
    chmod 750 "/etc/$service"
    ln -sf ironwrap "/usr/bin/$service-rootwrap"
    cp /usr/bin/oslo-rootwrap "/usr/bin/peer-$service-rootwrap"
    ln -sf ironwrap-daemon "/usr/bin/$service-rootwrap-daemon"
    cp /usr/bin/oslo-rootwrap-daemon "/usr/bin/peer-$service-rootwrap-daemon"
    cat >"/etc/sudoers.d/$service" <<EOF
Defaults:$service !requiretty
$service ALL = (root) NOPASSWD: /usr/bin/$service-rootwrap /etc/$service/rootwrap.conf *
$service ALL = (root) NOPASSWD: /usr/bin/peer-$service-rootwrap /etc/$service/rootwrap.conf *
$service ALL = (root) NOPASSWD: /usr/bin/$service-rootwrap-daemon /etc/$service/rootwrap.conf
$service ALL = (root) NOPASSWD: /usr/bin/peer-$service-rootwrap-daemon /etc/$service/rootwrap.conf
EOF
    chmod 440 "/etc/sudoers.d/$service"
done

# Users of a name service: libnss-extrausers takes files for one.
sed -i -E 's/^(passwd|group):.*/\1: files extrausers/' /etc/nsswitch.conf
mkdir -p /var/lib/extrausers
echo 'remote:x:70000:70001:Remote:/nonexistent:/bin/sh' >/var/lib/extrausers/passwd
printf 'remote:x:70001:\nremoteops:x:70003:remote\n' >/var/lib/extrausers/group
