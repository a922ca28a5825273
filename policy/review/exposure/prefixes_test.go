package exposure

import (
	"strings"
	"testing"

	"ironwrap/policy"
)

// TestChains: what a prefix to commands of other filters gives away by itself.
func TestChains(t *testing.T) {
	for _, c := range []struct{ band, words string }{
		{"root", "chroot, .*"},
		{"root", "chroot, --userspec=root, /tmp/[a-z]+"},
		{"root", "chroot, /var/lib/nova/x"},
		{"root", "chroot, /srv/.*"},
		{"little", "chroot, /srv/jail"},
		{"little", "chroot, /srv/[a-z]+"},
		{"root", "unshare, -R, /var/lib/nova/[a-z]+"},
		{"root", "unshare, -m, --root=.*"},
		{"little", "unshare, -R, /srv/jail"},
		{"little", "unshare, -m"},
		{"root", "nsenter, -t, \\d+, -m"},
		{"root", "nsenter, -mn, -t\\d+"},
		{"root", "nsenter, -at, \\d+"},
		{"root", "nsenter, --mount=.*"},
		{"root", "nsenter, -t, \\d+, -r"},
		{"root", "nsenter, -t, \\d+, --root"},
		{"root", "nsenter, --root=/tmp/.*"},
		{"little", "nsenter, --root=/srv/jail"},
		{"medium", "nsenter, -t, \\d+, -n"},
		{"root", "env, -S, .*"},
		{"root", "env, --split-string=.*"},
		{"root", "env, -vS, .*"},
		{"root", "env, -S, LD_[A-Z]+=.*"},
		{"root", "env, [A-Z_]+=.*"},
		{"root", "env, -i, LD_LIBRARY_PATH=/tmp/[a-z]+"},
		{"root", "env, PYTHONPATH=.*"},
		{"little", "env, PYTHONPATH=/usr/lib/[a-z]+"},
		{"little", "env, -i, LANG=[a-z]+"},
		{"little", "env, LC_ALL=C"},
		{"root", "strace, -o, .*"},
		{"root", "strace, -f, -o, /etc/[a-z.]+"},
		{"root", "strace, -o\\|[a-z]+"},
		{"root", "strace, -E, .*"},
		{"root", "strace, -e, .*"},
		{"root", "strace, --inject=.*"},
		{"low/little", "strace, -e, trace=.*"},
		{"little", "strace, -f"},
		{"high", "time, -o, /[a-z/]+"},
		{"root", "time, -f, .*, -o, /[a-z/]+"},
		{"little", "time, -p"},
		{"root", "watch"},
		{"root/not assessed", "watch, -n, \\d+"},
		{"root", "systemd-run, -p, .*"},
		{"medium", "flock, /[a-z/]+"},
		{"medium", "ip, netns, exec, .*"},
		{"root", "ip, netns, exec, [a-z]+, /tmp/.*"},
		{"low", "nohup"},
		{"little", "nice, -n, \\d+"},
		{"little", "timeout, -s, KILL, \\d+"},
		{"little", "ionice, -c, [1-3]"},
		{"little", "stdbuf, -o0"},
		{"little", "setsid"},
		{"root", "setsid, .*"},
		{"root", "nice, -n, \\d+, .*"},
		{"root", "timeout, \\d+, /tmp/[a-z]+"},
		{"not assessed", "iw-nobody-knows"},
		{"not assessed", "iw-nobody-knows, -x, .*"},
		{"not assessed", "xargs, -0"},
	} {
		name, _, _ := strings.Cut(c.words, ",")
		f := Of(entry(t, "ChainingRegExpFilter, "+name+", root, "+c.words), Machine{})
		if !strings.Contains("/"+c.band+"/", "/"+f.Band+"/") {
			t.Errorf("%s: %s, want %s: %+v", c.words, f.Band, c.band, f.Cells)
		}
	}
}

// TestChainedPrograms: what a variable does to the programs behind a prefix is a matter of
// which other filters there are.
func TestChainedPrograms(t *testing.T) {
	prefix := "ChainingRegExpFilter, env, root, env, PERL[0-9A-Z]+=.*"
	for others, want := range map[string]string{"CommandFilter, ls, root": "little", "CommandFilter, /usr/bin/perl5.36, root": "root", "CommandFilter, python3, root": "little"} {
		p := &policy.Policy{}
		for i, d := range []string{prefix, others} {
			e := entry(t, d)
			e.Line = i + 1
			p.Filters = append(p.Filters, *e)
		}
		if f := Assess(p, Machine{}).Filters[0]; f.Band != want {
			t.Errorf("before %s: %s, want %s: %+v", others, f.Band, want, f.Cells)
		}
	}
}

// TestNamedPrefixes: the same with the program in the pattern.
func TestNamedPrefixes(t *testing.T) {
	for definition, band := range map[string]string{
		"RegExpFilter, env, root, env, PYTHONPATH=.*, python3, /usr/lib/x\\.py": "root",
		"RegExpFilter, env, root, env, PYTHONPATH=.*, ls":                       "little",
		"RegExpFilter, env, root, env, PATH=.*, ls":                             "root",
		"RegExpFilter, env, root, env, PATH=/usr/[a-z]+, ls":                    "little",
		"RegExpFilter, chroot, root, chroot, /tmp/[a-z]+, ls":                   "root",
		"RegExpFilter, nsenter, root, nsenter, -t, \\d+, -m, ls":                "root",
		"RegExpFilter, nsenter, root, nsenter, -t, \\d+, -n, ls":                "medium",
		"RegExpFilter, watch, root, watch, ls":                                  "little",
		"RegExpFilter, strace, root, strace, -o, .*, ls":                        "root",
	} {
		if f := Of(entry(t, definition), Machine{}); f.Band != band {
			t.Errorf("%s: %s, want %s: %+v", definition, f.Band, band, f.Cells)
		}
	}
}
