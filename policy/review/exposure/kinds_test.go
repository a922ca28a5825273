package exposure

import (
	"strings"
	"testing"
)

// TestKinds: one option more, another order, an attached value change nothing; and what
// stands beside a dangerous line is not dangerous for that.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		band       string // one of those that are separated by /
		definition string
	}{
		{"root", "RegExpFilter, dd, root, dd, bs=.*, if=.*, of=.*"},
		{"root", "RegExpFilter, dd, root, dd, bs=\\d+, of=/dev/[a-z]+, if=/tmp/.*"},
		{"little", "RegExpFilter, dd, root, dd, bs=\\d+, if=/dev/zero, of=/dev/null"},
		{"root", "RegExpFilter, env, root, env, [A-Z_]+=.*, ls"},
		{"root", "RegExpFilter, env, root, env, -i, [A-Z_]+=.*, [A-Z]+=[a-z]*, ls, .*"},
		{"low/little", "RegExpFilter, env, root, env, LC_ALL=[A-Z.]+, ls"},
		{"root", "RegExpFilter, bash, root, bash, -xc, .*"},
		{"root", "RegExpFilter, sh, root, sh, -ec, .*"},
		{"root", "RegExpFilter, sh, root, sh, -e, /tmp/run\\.sh"},
		{"root", "RegExpFilter, sh, root, sh, /tmp/run\\.sh"},
		{"not assessed", "RegExpFilter, sh, root, sh, -e, /usr/lib/run\\.sh"},
		{"little", "RegExpFilter, sh, root, sh, -ec, exec /usr/bin/true [a-z]+"},
		{"little/low", "RegExpFilter, sed, root, sed, -n, -e, s/a/[a-z]+/p, /etc/hostname"},
		{"root", "RegExpFilter, nice, root, nice, -19, .*"},
		{"root", "RegExpFilter, timeout, root, timeout, -s, 9, \\d+, .*"},
		{"root", "RegExpFilter, timeout, root, timeout, --signal=9, \\d+, .*"},
		{"low/little", "RegExpFilter, timeout, root, timeout, -s, 9, \\d+, ls"},
		{"root", "RegExpFilter, xargs, root, xargs, -n, 1, .*"},
		{"root", "RegExpFilter, sudo, root, sudo, -u, .*, .*"},
		{"root", "RegExpFilter, cp, root, cp, -r, .*, .*"},
		{"root", "RegExpFilter, cp, root, cp, -r, /tmp/[a-z]+, /etc/[a-z]+"},
		{"little", "RegExpFilter, cp, root, cp, -r, /etc/[a-z]+, /dev/null"},
		{"root", "RegExpFilter, ln, root, ln, -sfn, .*, .*"},
		{"root", "RegExpFilter, ln, root, ln, -s, /var/lib/nova/x, /etc/systemd/system/x\\.service"},
		{"root", "RegExpFilter, tee, root, tee, --append, .*"},
		{"root", "RegExpFilter, tee, root, tee, /etc/cron\\.d/[a-z]+"},
		{"little", "RegExpFilter, tee, root, tee, /dev/null"},
		{"root", "RegExpFilter, tar, root, tar, -xzf, .*, -C, .*"},
		{"root", "RegExpFilter, tar, root, tar, -C, /etc, -xf, /var/lib/nova/[a-z]+"},
		{"high/root", "RegExpFilter, rm, root, rm, -fr, .*"},
		{"high/root", "RegExpFilter, rm, root, rm, -rf, .*/ipsec/[0-9a-z-]+"},
		{"low", "RegExpFilter, rm, root, rm, -f, .*/ipsec.secrets"},
		{"root", "RegExpFilter, chown, root, chown, --from=.*, root.root, .*/ipsec/[0-9a-z-]+/log"}, // chown --from= root.root --reference=x/ipsec/x/log: root.root is a file then
		{"low", "RegExpFilter, rm, root, rm, -rf, /srv/ipsec/[0-9a-z-]+"},
		{"root", "RegExpFilter, rsync, root, rsync, -a, .*, .*"},
		{"root", "RegExpFilter, sed, root, sed, -i, -e, .*, .*"},
		{"root", "RegExpFilter, qemu-img, root, qemu-img, convert, -f, raw, -O, raw, .*, .*"},
		{"root", "RegExpFilter, haproxy, root, haproxy, -f, .*, -p, .*, -D"},
		{"root", "RegExpFilter, docker, root, docker, run, .*, .*, .*"},
		{"root", "RegExpFilter, docker, root, docker, run, -d, --rm, -e, X=.*, -v, .*:/x, --name, [a-z]+, [a-z]+"},
		{"root", "RegExpFilter, podman, root, podman, run, --volume=.*, [a-z]+"},
		{"root", "RegExpFilter, podman, root, podman, run, -it, --device, /dev/sd.*, [a-z]+"},
		{"medium", "RegExpFilter, docker, root, docker, run, -v, /srv/x:/x, [a-z]+, ls, .*"},
		{"root", "RegExpFilter, qemu-img, root, qemu-img, convert, -f, qcow2, -O, raw, .*, .*"},
		{"root", "RegExpFilter, tar, root, tar, xzf, .*, -C, .*"},
		{"root", "RegExpFilter, tar, root, tar, xfz, /tmp/.*, --directory=/etc"},
		{"low/little", "RegExpFilter, tar, root, tar, tf, /tmp/[a-z]+\\.tar"},
		{"root", "RegExpFilter, setarch, root, setarch, linux32, -R, .*"},
		{"root", "RegExpFilter, curl, root, curl, -s, -L, -o, .*, .*"},
		{"root", "RegExpFilter, lvs, root, lvs, --noheadings, --config, .*"},
		{"root", "RegExpFilter, nsenter, root, nsenter, -t, \\d+, -n"},
		{"root", "RegExpFilter, nsenter, root, nsenter, -t, \\d+, -n, .*"},
		{"high", "ReadFileFilter, /root/.ssh/id_rsa"},
		{"little", "ReadFileFilter, /etc/hostname"},
		{"root", "RegExpFilter, usermod, root, usermod, -aG, sudo, [a-z]+"},
		{"root", "RegExpFilter, insmod, root, insmod, /var/lib/nova/x\\.ko"},
		{"high", "RegExpFilter, cat, root, cat, (/var|/usr)?/tmp/openstack-vfs-localfs[^/]+/etc/shadow"},
		{"root", "RegExpFilter, chown, root, chown, \\d+, /dev/(?!.*/\\.\\.).*"},
		{"root", "ChainingRegExpFilter, chroot, root, chroot, .*"},
		{"root", "ChainingRegExpFilter, env, root, env, [A-Z_]+=.*"},
		{"little", "ChainingRegExpFilter, env, root, env, LC_ALL=[A-Z]+"},
		{"root", "ChainingRegExpFilter, strace, root, strace, -o, .*"},
		{"root", "ChainingRegExpFilter, env, root, env, -S, .*"},
		{"root", "ChainingRegExpFilter, nsenter, root, nsenter, --mount=.*"},
		{"not assessed", "ChainingRegExpFilter, xargs, root, xargs, -0"},
		{"root", "RegExpFilter, crontab, root, crontab, -u, root, .*"},
		{"medium", "RegExpFilter, chown, root, chown, root, /.*"},
		{"little", "ChainingRegExpFilter, nice, root, nice, -n, \\d+"},
		{"high", "RegExpFilter, chmod, root, chmod, 0644, /.*"},
		{"low/little", "RegExpFilter, chmod, root, chmod, 0600, /.*"},
		{"root", "RegExpFilter, chmod, root, chmod, -R, [0-7]+, /.*"},
		{"low/little", "RegExpFilter, modprobe, root, modprobe, nbd"},
		{"low/little", "RegExpFilter, systemctl, root, systemctl, restart, nova-compute"},
		{"low/little", "RegExpFilter, nft, root, nft, list, ruleset"},
		{"low/little", "RegExpFilter, ipset, root, ipset, list"},
		{"low/little", "RegExpFilter, radvd, root, radvd, --version"},
		{"little", "RegExpFilter, sh, root, sh, -c, id"},
		{"little", "RegExpFilter, python3, root, python3, -c, import os; os\\.system\\(\"id\"\\)"},
		{"not assessed", "RegExpFilter, tee, root, tee, /srv/(?!([ab/]*a[ab/]{30}c)*$)[abc/]*"},
		{"not assessed", "RegExpFilter, supervisord, root, supervisord, -x, .*"},
		{"not assessed", "CommandFilter, iw-nobody-knows, root"},
		{"not assessed", "RegExpFilter, iw-nobody-knows, root, iw-nobody-knows, --now"},
		{"not assessed", "RegExpFilter, tee, root, tee, --no-such-option, .*"},
	} {
		f := Of(entry(t, c.definition), Machine{})
		if ok := strings.Contains("/"+c.band+"/", "/"+f.Band+"/"); !ok {
			text := ""
			if len(f.Cells) > 0 {
				text = f.Cells[0].How + ": " + Command(f.Cells[0].Example)
			}
			t.Errorf("%s: %s, want %s: %s", c.definition, f.Band, c.band, text)
		}
	}
}
