# What AppArmor refused ironwrap itself in all the scenarios before, under the profiles that
# packaging/apparmor has for it. One profile was asked for that is not loaded.
. "$(dirname "$0")/../lib.sh"

row 'profiles of ironwrap in enforce mode' ironwrap "$(sed -n 's/^\(ironwrap[a-z-]*\) (enforce)$/\1/p' /sys/kernel/security/apparmor/profiles | sort | tr '\n' ' ')"
refused() { cat /var/log/audit/audit.log /var/log/kern.log 2>/dev/null; dmesg; }
row 'what they refused ironwrap' ironwrap "$(refused | grep 'apparmor="DENIED"' | grep -v 'name="nowhere-loaded"' | grep -E 'profile="ironwrap(-launch|-daemon|-read)?"' |
    sed 's/.*apparmor="DENIED" //; s/ pid=[0-9]*//' | sort | uniq -c | head -n 12 | grep . || echo nothing)"
