package exposure

import (
	"fmt"
	"testing"

	"ironwrap/policy"
)

// BenchmarkAssess is a policy of very many filters.
func BenchmarkAssess(b *testing.B) {
	forms := []string{"RegExpFilter, tee, root, tee, -a, /var/lib/x%d/[a-z]+", "RegExpFilter, dd, root, dd, if=/srv/%d/.*, of=.*", "RegExpFilter, cp, root, cp, -r, .*, /srv/y%d/.*", "CommandFilter, ip%d, root",
		"RegExpFilter, sh, root, sh, -c, echo %d [a-z]+", "RegExpFilter, tar, root, tar, -xf, .*, -C, /var/z%d/.*", "RegExpFilter, lvs, root, lvs, --noheadings, vg%d/[a-z0-9-]+", "PathFilter, chown, root, nova, /var/p%d",
		"RegExpFilter, curl, root, curl, -o, .*, http://x%d/.*", "EnvFilter, env, root, A=%d, LC_ALL=, haproxy, -f, .*"}
	p := &policy.Policy{}
	for i := range 10000 {
		p.Filters = append(p.Filters, *entry(b, fmt.Sprintf(forms[i%len(forms)], i)))
	}
	for b.Loop() {
		Assess(p, Machine{})
	}
}
