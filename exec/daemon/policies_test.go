package daemon

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"ironwrap/policy"
)

// told counts what a policies reports.
type told struct {
	mu     sync.Mutex
	loaded int
	errs   []string
}

func (r *told) tell(_ *policy.Policy, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errs = append(r.errs, err.Error())
	} else {
		r.loaded++
	}
}

func (r *told) check(t *testing.T, when string, loaded int, errs ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	same := r.loaded == loaded && len(r.errs) == len(errs)
	for i := range errs {
		same = same && strings.Contains(r.errs[i], errs[i])
	}
	if !same {
		t.Errorf("%s: told of %d loads, want %d, and of %q, want %q", when, r.loaded, loaded, r.errs, errs)
	}
}

func filterNames(p *policy.Policy) string {
	var names []string
	for _, f := range p.Filters {
		if f.File != "" {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, " ")
}

// settled waits until the files have not changed for long enough for their times to
// show every change to come.
func settled(h *policies) *policy.Policy {
	time.Sleep(2 * moment)
	h.current()
	return h.current()
}

const one, two = "a: CommandFilter, true, root", "b: CommandFilter, true, root"

func TestPoliciesChange(t *testing.T) {
	c := newConf(t, one)
	r := &told{}
	h := newPolicies(c.load(t), r.tell)
	p := settled(h)
	if h.current() != p || h.loaded() != p {
		t.Error("a policy was loaded again for nothing")
	}
	r.check(t, "unchanged", 0)

	c.write(t, c.filters, "[Filters]\n"+two+"\n")
	if got := filterNames(h.current()); got != "b" {
		t.Errorf("changed: %s", got)
	}
	r.check(t, "changed", 1)

	more := c.dir + "/filters.d/more.filters"
	c.write(t, more, "[Filters]\nc: CommandFilter, true, root\n")
	if got := filterNames(h.current()); got != "c b" {
		t.Errorf("another file: %s", got)
	}
	settled(h)
	c.write(t, more, "[Filters]\nd: CommandFilter, true, root\n")
	if got := filterNames(h.current()); got != "d b" {
		t.Errorf("the other file changed: %s", got)
	}
	settled(h)
	os.Rename(more, more+".off")
	if got := filterNames(h.current()); got != "b" {
		t.Errorf("renamed: %s", got)
	}
	settled(h)
	c.write(t, c.dir+"/new", c.config("max_children = 7"))
	os.Rename(c.dir+"/new", c.path)
	if got := h.current().MaxChildren; got != 7 {
		t.Errorf("replaced rootwrap.conf: max_children %d", got)
	}

	// Another directory, in which files change then.
	settled(h)
	os.Mkdir(c.dir+"/other.d", 0o755)
	other := c.dir + "/other.d/x.filters"
	c.write(t, other, "[Filters]\n"+one+"\n")
	c.write(t, c.path, strings.Replace(c.config(), "filters.d", "other.d", 1))
	if got := filterNames(h.current()); got != "a" {
		t.Errorf("another directory: %s", got)
	}
	settled(h)
	c.write(t, other, "[Filters]\n"+two+"\n")
	if got := filterNames(h.current()); got != "b" {
		t.Errorf("changed in another directory: %s", got)
	}
	if len(r.errs) > 0 {
		t.Error(r.errs)
	}
}

// What has changed between the reading of the policy and the first request counts.
func TestPoliciesFirst(t *testing.T) {
	c := newConf(t, one)
	p := c.load(t)
	c.write(t, c.filters, "[Filters]\n"+two+"\n")
	h := newPolicies(p, (&told{}).tell)
	if got := filterNames(h.current()); got != "b" {
		t.Errorf("in force: %s", got)
	}
}

// Changes that come so fast that the time of the file does not move between them,
// of equal length. Each must be in force with the next request.
func TestPoliciesSameTick(t *testing.T) {
	c := newConf(t, "f0000: CommandFilter, true, root")
	r := &told{}
	h := newPolicies(c.load(t), r.tell)
	f, err := os.OpenFile(c.filters, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range 1000 {
		name := fmt.Sprintf("f%04d", i)
		if _, err := f.WriteAt([]byte(name), int64(len("[Filters]\n"))); err != nil {
			t.Fatal(err)
		}
		if got := filterNames(h.current()); got != name {
			t.Fatalf("in force: %s, and the file has %s", got, name)
		}
	}
	if len(r.errs) > 0 {
		t.Error(r.errs)
	}
}

func TestPoliciesBroken(t *testing.T) {
	c := newConf(t, one)
	r := &told{}
	h := newPolicies(c.load(t), r.tell)
	p := settled(h)

	c.write(t, c.path, c.config("max_children = none"))
	for range 50 {
		if h.current() != p {
			t.Fatal("a broken policy took effect")
		}
	}
	settled(h)
	r.check(t, "broken", 0, "max_children")

	c.write(t, c.path, c.config("max_children = 7"))
	if got := h.current().MaxChildren; got != 7 {
		t.Errorf("mended: max_children %d", got)
	}
	r.check(t, "mended", 1, "max_children")

	// Not root's any more: that is broken, too.
	settled(h)
	os.Chmod(c.filters, 0o666)
	h.current()
	r.check(t, "writable", 1, "max_children", c.filters)
	os.Chmod(c.filters, 0o644)
	h.current()
	settled(h)
	if h.current().MaxChildren != 7 || len(r.errs) != 2 {
		t.Errorf("mended: %q", r.errs)
	}

	// Gone.
	p = h.current()
	os.Rename(c.path, c.path+".off")
	if h.current() != p || len(r.errs) != 3 {
		t.Errorf("without rootwrap.conf: %q", r.errs)
	}
	os.Rename(c.path+".off", c.path)
	if h.current(); len(r.errs) != 3 {
		t.Errorf("with it again: %q", r.errs)
	}
}

// A fault in a file that the policy in force does not come from, or above all of
// them: when it is mended, nothing that is watched changes.
func TestPoliciesMendedElsewhere(t *testing.T) {
	c := newConf(t, one)
	r := &told{}
	h := newPolicies(c.load(t), r.tell)
	p := settled(h)

	added := c.dir + "/filters.d/added.filters"
	c.write(t, added, "no section\n")
	h.current()
	if settled(h) != p {
		t.Fatal("a broken file took effect")
	}
	c.write(t, added, "[Filters]\n"+two+"\n")
	until(t, "the new file, mended, is in force", func() bool { return filterNames(h.current()) == "b a" })
	r.check(t, "mended", 1, added)

	settled(h)
	c.write(t, c.path, c.config("strict_paths = yes"))
	os.Chmod(c.dir, 0o777)
	h.current()
	settled(h)
	os.Chmod(c.dir, 0o755)
	until(t, "the directory above, mended, counts", func() bool { return h.current().StrictPaths })
}

// SIGHUP: always loaded, and always told.
func TestPoliciesReload(t *testing.T) {
	c := newConf(t, one)
	r := &told{}
	h := newPolicies(c.load(t), r.tell)
	p := settled(h)
	h.reload()
	if h.loaded() == p {
		t.Error("not loaded again")
	}
	r.check(t, "unchanged", 1)
	c.write(t, c.path, "broken")
	h.reload()
	h.reload()
	r.check(t, "broken", 1, c.path, c.path)
	c.write(t, c.path, c.config())
	h.reload()
	r.check(t, "mended", 2, c.path, c.path)
}

// Many requests while the policy changes: each has a whole one, of the two. For the
// race detector.
func TestPoliciesCrowd(t *testing.T) {
	c := newConf(t, one)
	h := newPolicies(c.load(t), (&told{}).tell)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				if n := filterNames(h.current()); n != "a" && n != "b" {
					t.Errorf("in force: %q", n)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 100 {
		c.write(t, c.dir+"/new", "[Filters]\n"+[]string{one, two}[i%2]+"\n")
		os.Rename(c.dir+"/new", c.filters)
		time.Sleep(time.Millisecond)
	}
	close(stop)
	all.Wait()
	if got := filterNames(h.current()); got != "b" {
		t.Errorf("in the end: %s", got)
	}
}

// The file systems that tests run on have stamps of some milliseconds.
func init() { moment = 50 * time.Millisecond }
