package exposure

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"ironwrap/policy"
)

// TestLarge: a policy of very many filters, each with words of its own, takes less than 20
// seconds of a processor, and 500 MB.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes its time")
	}
	forms := []string{"RegExpFilter, tee, root, tee, -a, /var/lib/x%d/[a-z]+", "RegExpFilter, dd, root, dd, if=/srv/%d/.*, of=.*", "RegExpFilter, cp, root, cp, -r, .*, /srv/y%d/.*", "CommandFilter, ip%d, root",
		"RegExpFilter, sh, root, sh, -c, echo %d [a-z]+", "RegExpFilter, tar, root, tar, -xf, .*, -C, /var/z%d/.*", "RegExpFilter, lvs, root, lvs, --noheadings, vg%d/[a-z0-9-]+", "PathFilter, chown, root, nova, /var/p%d",
		"RegExpFilter, curl, root, curl, -o, .*, http://x%d/.*", "EnvFilter, env, root, A=%d, LC_ALL=, haproxy, -f, .*"}
	p := &policy.Policy{}
	for i := range 10000 {
		p.Filters = append(p.Filters, *entry(t, fmt.Sprintf(forms[i%len(forms)], i)))
	}
	var m, n runtime.MemStats
	runtime.ReadMemStats(&m)
	before := processor()
	r := Assess(p, Machine{})
	if took := processor() - before; took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if runtime.ReadMemStats(&n); n.Sys-m.Sys > 500<<20 {
		t.Errorf("it took %d MB", (n.Sys-m.Sys)>>20)
	}
	for i, f := range r.Filters[:9000] {
		if later := r.Filters[i+1000]; f.Band != later.Band {
			t.Errorf("filter %d is %s, %d is %s", i, f.Band, i+1000, later.Band)
		}
	}
}

// processor is the time that the process has had.
func processor() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
