package rig

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	engine "ironwrap/policy"
	"ironwrap/policy/compiled"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/store"
	"ironwrap/policy/trust"
)

// Before each call of ironwrap, runCmd puts what is kept of its configuration into
// another state, in turn: no test may see a difference. IRONWRAP_TEST_STORE=present, or
// another, has that one before every call.

// State is what a call finds where its compiled policy is kept.
type State string

const (
	Kept       State = "present"    // compiled just now
	Absent     State = "absent"     // none
	stale      State = "stale"      // one source was another
	Damaged    State = "damaged"    // a bit is another, or the end is missing
	foreign    State = "foreign"    // of another configuration or another build, by this name
	Unwritable State = "unwritable" // none, and none can be put there
)

// AsIs is for pin: what there is.
const AsIs State = "as it is"

var States = []State{Kept, Absent, stale, Damaged, foreign, Unwritable}

// Keeping tells that this process has a directory in memory for compiled policies.
var Keeping bool

var (
	programs sync.Map     // builds of ironwrap that are called
	Pinned   sync.Map     // state by configuration
	turn     atomic.Int64 // which state is the next
	found    sync.Map     // by test: *history
)

// history is what the last calls of a test found.
type history struct {
	sync.Mutex
	calls []string
}

// Another makes runCmd know one more build of ironwrap, until the test ends.
func Another(t testing.TB, program string) {
	programs.Store(program, true)
	t.Cleanup(func() { programs.Delete(program) })
}

// Pin has all calls with a configuration find the same, until the test ends: for a test
// that counts system calls.
func Pin(t testing.TB, conf string, s State) {
	Pinned.Store(conf, s)
	t.Cleanup(func() { Pinned.Delete(conf) })
}

// confOf is the configuration of a call of ironwrap: "" where argv is none.
func confOf(argv []string) string {
	i := slices.IndexFunc(argv, func(word string) bool {
		_, known := programs.Load(word)
		return known || Ours != "" && word == Ours
	})
	if i < 0 || i+2 >= len(argv) || !filepath.IsAbs(argv[i+1]) {
		return ""
	}
	return argv[i+1]
}

// next puts what is kept for the configuration of a call into a state, and remembers it
// for the case that the test fails.
func next(t testing.TB, argv []string) {
	t.Helper()
	conf := confOf(argv)
	if conf == "" || !Keeping {
		return
	}
	n := int(turn.Add(1))
	s := States[n%len(States)]
	if forced := os.Getenv("IRONWRAP_TEST_STORE"); forced != "" {
		if s = State(forced); !slices.Contains(States, s) {
			t.Fatalf("IRONWRAP_TEST_STORE=%s: not one of %v", forced, States)
		}
	}
	if p, ok := Pinned.Load(conf); ok {
		s = p.(State)
	}
	what := Put(conf, s, n/len(States))
	h, old := found.LoadOrStore(t, &history{})
	if !old {
		t.Cleanup(func() {
			found.Delete(t)
			if t.Failed() {
				t.Logf("the compiled policy, call by call:\n%s", strings.Join(h.(*history).calls, "\n"))
			}
		})
	}
	h.(*history).Lock()
	defer h.(*history).Unlock()
	const most = 50
	calls := append(h.(*history).calls, fmt.Sprintf("%.200s: %s", strings.Join(argv, " "), what))
	h.(*history).calls = calls[max(0, len(calls)-most):]
}

// Put puts what is kept for a configuration into a state, of which n chooses one of many.
// It says what there is. For a configuration that cannot be compiled that is what was
// there.
func Put(conf string, s State, n int) string {
	path := store.Path(conf)
	switch s {
	case AsIs:
		return string(s)
	case Absent:
		os.Remove(path)
		return string(s)
	case Unwritable: // its name cannot be taken
		if info, err := os.Lstat(path); err != nil || !info.IsDir() {
			os.Remove(path)
			os.Mkdir(path, 0o700)
		}
		return string(s)
	}
	p, err := CompiledOf(conf)
	if err != nil { // what an earlier call has found may still be there
		return fmt.Sprintf("%s, but: %v", s, err)
	}
	what := ""
	switch s {
	case stale:
		what = disturb(&p.Sources[n%len(p.Sources)], n)
		poison(p, n)
	case foreign:
		if what = "another build"; n%2 == 0 {
			p.Build += "x"
		} else {
			what, p.Path = "another configuration", p.Path+"x"
		}
		poison(p, n)
	}
	data, err := compiled.Encode(p)
	if err != nil {
		return err.Error()
	}
	if s == Damaged {
		at := n * 7919 % len(data) // a prime: it comes through all places
		if n%4 == 3 {
			what, data = fmt.Sprintf("cut at %d of %d", at, len(data)), data[:at]
		} else {
			what = fmt.Sprintf("bit %d of byte %d of %d", n%8, at, len(data))
			data[at] ^= 1 << (n % 8)
		}
	}
	if err := Keep(path, data); err != nil {
		return fmt.Sprintf("%s, but: %v", s, err)
	}
	return strings.TrimSuffix(string(s)+", "+what, ", ")
}

// CompiledOf reads a configuration as ironwrap-read does.
func CompiledOf(conf string) (*compiled.Policy, error) {
	type answer struct {
		text *compiled.Policy
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		for range 5 {
			_, text, err := engine.Read(conf, trust.Object, inifile.Parse)
			if err == nil {
				err = keepable(text)
			}
			if err != nil || settle(text) {
				done <- answer{text, err}
				return
			}
		}
		done <- answer{nil, fmt.Errorf("not kept: it changes all the time")}
	}()
	select {
	case a := <-done:
		return a.text, a.err
	case <-time.After(5 * time.Second):
		return nil, fmt.Errorf("not kept: a file does not answer")
	}
}

// keepable returns nil for what store.Keep keeps at some time.
func keepable(p *compiled.Policy) error {
	if p.Passing != "" {
		return fmt.Errorf("not kept: %s", p.Passing)
	}
	for _, s := range p.Sources {
		if s.Kind != compiled.Absent && !s.Identity.Local {
			return fmt.Errorf("not kept: %s is on a file system that is not local", s.Path)
		}
	}
	return nil
}

// settle tells that no source can have changed since it was read and look the same: that
// none had changed for longer than the clock of time stamps stands still (a tick, on the
// file systems of these tests). Else it waits so long.
func settle(p *compiled.Policy) bool {
	const tick = 20 * time.Millisecond
	now := time.Now()
	for _, s := range p.Sources {
		if age := now.Sub(s.Identity.Changed()); s.Kind != compiled.Absent && age < tick+tick/2 {
			time.Sleep(2 * tick)
			return false
		}
	}
	return true
}

// disturb makes a source another in one respect, as if it had changed and been changed
// back. One that did not exist has been a file.
func disturb(s *compiled.Source, n int) string {
	if s.Kind == compiled.Absent {
		s.Kind = compiled.Dir
		return s.Path + " existed"
	}
	id := &s.Identity
	for _, field := range []struct {
		name  string
		value any
	}{
		{"ctime", &id.Ctime}, {"mtime", &id.Mtime}, {"inode", &id.Ino}, {"device", &id.Dev}, {"size", &id.Size}, {"links", &id.Nlink},
		{"mode", &id.Mode}, {"owner", &id.UID}, {"group", &id.GID},
	}[n%9:] {
		switch v := field.value.(type) {
		case *int64:
			*v--
		case *uint64:
			*v ^= 1
		case *uint32:
			*v ^= 1
		}
		return field.name + " of " + s.Path
	}
	return ""
}

// poison makes another policy of one that must not be obeyed: with no filters at all, or
// with none of its sandboxes.
func poison(p *compiled.Policy, n int) {
	if n%2 == 0 {
		p.Lines = nil
		return
	}
	p.Lines = slices.Clone(p.Lines)
	for i := range p.Lines {
		p.Lines[i].Own = nil
	}
	p.Conf = &document.Document{Defaults: p.Conf.Defaults, Sections: slices.DeleteFunc(slices.Clone(p.Conf.Sections), func(s *document.Section) bool {
		return strings.HasPrefix(s.Name, "Sandbox")
	})}
}

// Keep puts a compiled policy in place as store.Keep does.
func Keep(path string, data []byte) error {
	made, err := os.CreateTemp(store.Dir, "test-")
	if err != nil {
		return err
	}
	defer made.Close()
	if _, err := made.Write(data); err != nil {
		return err
	}
	if os.Rename(made.Name(), path) == nil {
		return nil
	}
	os.Remove(path) // a directory
	return os.Rename(made.Name(), path)
}

// What is kept of a policy between two calls saves work, and decides nothing: the states
// of states_test.go, one by one.

// NeedStore skips a test that says nothing where nothing can be kept.
func NeedStore(t *testing.T) {
	t.Helper()
	if !Keeping {
		t.Skip("no tmpfs can be mounted here: what is kept of a policy was not looked at")
	}
}

// Old waits until a policy may be kept.
func Old(t *testing.T, conf string) {
	t.Helper()
	p, err := CompiledOf(conf)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Sources {
		time.Sleep(time.Until(s.Identity.Changed().Add(2100 * time.Millisecond)))
	}
}

// IsKept tells that a file is there which the next call will find.
func IsKept(conf string) bool {
	data, err := os.ReadFile(store.Path(conf))
	if err != nil {
		return false
	}
	book, err := compiled.Open(bytes.NewReader(data), int64(len(data)))
	return err == nil && book.Path == conf
}

// Finds has the next call find a state, and complains where that was not made.
func Finds(t *testing.T, conf string, s State, n int) {
	t.Helper()
	Pin(t, conf, s)
	if what := Put(conf, s, n); strings.Contains(what, "but: ") {
		t.Fatal(what)
	}
}
