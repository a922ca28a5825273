package exposure

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"ironwrap/policy"
)

var large = []string{
	"RegExpFilter, tee, root, tee, -a, /var/lib/x%d/[a-z]+", "RegExpFilter, dd, root, dd, if=/srv/%d/.*, of=.*", "RegExpFilter, cp, root, cp, -r, .*, /srv/y%d/.*", "CommandFilter, ip%d, root",
	"RegExpFilter, sh, root, sh, -c, echo %d [a-z]+", "RegExpFilter, tar, root, tar, -xf, .*, -C, /var/z%d/.*", "RegExpFilter, lvs, root, lvs, --noheadings, vg%d/[a-z0-9-]+", "PathFilter, chown, root, nova, /var/p%d",
	"RegExpFilter, curl, root, curl, -o, .*, http://x%d/.*", "EnvFilter, env, root, A=%d, LC_ALL=, haproxy, -f, .*",
}

// many is a policy of n filters, each with words of its own.
func many(t testing.TB, n int) *policy.Policy {
	p := &policy.Policy{}
	for i := range n {
		p.Filters = append(p.Filters, *entry(t, fmt.Sprintf(large[i%len(large)], i)))
	}
	return p
}

// BenchmarkLarge is how long a policy of 10,000 filters takes.
func BenchmarkLarge(b *testing.B) {
	p := many(b, 10000)
	for b.Loop() {
		Assess(p, Machine{})
	}
}

// TestLarge: 10,000 filters take as long for each as 1,000 do, and less than 500 MB.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes its time")
	}
	few, p := many(t, 1000), many(t, 10000)
	before := processor()
	Assess(few, Machine{})
	tenth := processor() - before
	var m, n runtime.MemStats
	runtime.ReadMemStats(&m)
	before = processor()
	r := Assess(p, Machine{})
	if took := processor() - before; took > 20*tenth {
		t.Errorf("it took %v, and a tenth %v", took, tenth)
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
