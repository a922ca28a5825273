# AppArmor: the command comes into the profile of its program, as from a shell.
. "$(dirname "$0")/../lib.sh"

cp /usr/bin/cat /usr/bin/confined-cat
cat >"$scratch/profile" <<'EOF'
abi <abi/3.0>,
profile confined-cat /usr/bin/confined-cat {
  /usr/bin/confined-cat mr,
  /{usr/,}lib/** mr,
  /etc/ld.so.cache r,
  /proc/*/attr/current r,
  /etc/hostname r,
}
EOF
apparmor_parser --replace "$scratch/profile"
configure /etc/nova 'cat: CommandFilter, /usr/bin/confined-cat, root'
through_sudo 'the profile of the command' nova /usr/bin/confined-cat /proc/self/attr/current
through_sudo 'what the profile allows' nova /usr/bin/confined-cat /etc/hostname
through_sudo 'what it does not allow, though root may' nova /usr/bin/confined-cat /etc/shadow
apparmor_parser --remove "$scratch/profile"
rm /usr/bin/confined-cat
