package services

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ironwrap/policy/privsep"
	"ironwrap/sandbox"
)

// row is a line of calls.py: a call, or what the kernel says of a helper.
type row struct {
	Service string
	Number  int
	Context string
	Call    string
	Result  string
	Failed  bool // it raised something, or its command ended with another status than 0

	Helper string
	Status map[string]string
}

// line is the row as testdata has it.
func (r row) line() string { return r.Context + " " + strings.ReplaceAll(r.Call, "\n", " ") }

func (r row) name() string {
	return fmt.Sprintf("%s %d: %s", r.Service, r.Number, strings.ReplaceAll(r.Call, "\n", " "))
}

// What the services' contexts do for them through ironwrap they do as through the peer, to
// the letter. The calls of testdata/failing fail through both: they are refusals, or want
// what the stage has not got. All others do what they are for.
func TestCalls(t *testing.T) {
	ready(t)
	theirs, mine := calls(t, peer), byDefault(t)
	contexts := map[string]bool{}
	var failing []string
	for i, r := range theirs.calls {
		contexts[r.Context] = true
		if r.Failed {
			failing = append(failing, r.line())
		}
		if got := mine.at(t, i, r); got.Result != r.Result {
			t.Errorf("%s\n%s\nby the peer: %s", r.name(), got.Result, r.Result)
		}
	}
	t.Logf("%d calls of %d contexts, %d of them fail", len(theirs.calls), len(contexts), len(failing))
	written(t, "testdata/failing", failing)
	if len(theirs.calls) < 170 || len(contexts) < 13 {
		t.Errorf("%d calls of %d contexts: %v", len(theirs.calls), len(contexts), contexts)
	}
	// One that does not start gives the same answer to everything, through both.
	for context := range contexts {
		if theirs.helpers[context] == nil {
			t.Errorf("the helper of %s does not run by the peer", context)
		}
	}
	for context, status := range theirs.helpers {
		if got := mine.helpers[context]; fmt.Sprint(got) != fmt.Sprint(status) {
			t.Errorf("the helper of %s: %v; by the peer: %v", context, got, status)
		}
	}
}

var (
	asked sync.Once
	plain played
)

// byDefault is what comes through ironwrap where nothing is confined.
func byDefault(t *testing.T) played {
	t.Helper()
	asked.Do(func() { plain = calls(t, wrapped) })
	return plain
}

func wrapped(string) string { return ours }

// played is what came of all services' calls.
type played struct {
	calls   []row
	helpers map[string]map[string]string // of contexts, as /proc/PID/status has it
}

func (p played) at(t *testing.T, i int, like row) row {
	t.Helper()
	if i >= len(p.calls) || p.calls[i].Call != like.Call {
		t.Fatalf("%s was not made", like.name())
	}
	return p.calls[i]
}

// calls makes all calls through the programs that the services are given, those of all
// services at once.
func calls(t *testing.T, program func(service string) string, trees ...string) (p played) {
	t.Helper()
	p.helpers = map[string]map[string]string{}
	outs := make([][]byte, len(services))
	var each sync.WaitGroup
	for i, service := range services {
		each.Go(func() { outs[i] = play(t, service, trees, nil, "python3", "/opt/calls.py", service, program(service)) })
	}
	each.Wait()
	for _, out := range outs {
		lines := json.NewDecoder(bytes.NewReader(out))
		for lines.More() {
			var r row
			if err := lines.Decode(&r); err != nil {
				t.Fatal(err)
			}
			if r.Helper == "" {
				p.calls = append(p.calls, r)
			} else {
				p.helpers[r.Helper] = r.Status
			}
		}
	}
	return p
}

// With privsep_confine = declared the same, but for the calls of testdata/confined: what is
// written there does not work, and nothing else. The helper and what it executes have the
// bounding set of the context's profile.
func TestConfined(t *testing.T) {
	ready(t)
	open, mine := byDefault(t), calls(t, wrapped, confining(t))
	var lost []string
	made, work := map[string]int{}, map[string]int{}
	for i, r := range open.calls {
		got := mine.at(t, i, r)
		made[r.Context]++
		work[r.Context]++
		if executed(t, r) != nil {
			if e, want := executed(t, got), profiled(t, r.Context); e["CapBnd"] != want || e["CapEff"]&^want != 0 || executed(t, r)["CapBnd"] == want {
				t.Errorf("%s: bounding set %x, effective %x, of %x; unconfined %x", r.name(), e["CapBnd"], e["CapEff"], want, executed(t, r)["CapBnd"])
			}
			continue
		}
		if got.Result != r.Result {
			t.Logf("%s\n%s\nunconfined: %s", r.name(), got.Result, r.Result)
			lost = append(lost, r.line())
			work[r.Context]--
		}
	}
	written(t, "testdata/confined", lost)
	for _, c := range privsep.All() {
		if c.Calls != made[c.Name] || c.Work != work[c.Name] {
			t.Errorf("%s: %d calls were made, and %d of them work as without; the table has %d, and %d", c.Name, made[c.Name], work[c.Name], c.Calls, c.Work)
		}
	}
	for context, status := range mine.helpers {
		if bits(t, status["CapBnd"]) != profiled(t, context) {
			t.Errorf("the helper of %s has the bounding set %s, not %x", context, status["CapBnd"], profiled(t, context))
		}
		for key, is := range map[string]bool{"seccomp=": status["Seccomp"] == "2", "no_new_privs=yes": status["NoNewPrivs"] == "1"} {
			if want := strings.Contains(privsep.Find(context).Keys, key); is != want {
				t.Errorf("the helper of %s: %s %t, its profile says %t: %v", context, key, is, want, status)
			}
		}
	}
	if len(mine.helpers) != len(open.helpers) {
		t.Errorf("%d helpers of %d run", len(mine.helpers), len(open.helpers))
	}
}

// written holds calls against those of a file, which is about each once and sorted.
func written(t *testing.T, file string, calls []string) {
	t.Helper()
	slices.Sort(calls)
	calls = slices.Compact(calls)
	if now := strings.Join(calls, "\n") + "\n"; now != read(t, file) {
		t.Errorf("%s is not what was found:\n%s", file, now)
	}
}

// confining is a tree with the services' rootwrap.conf, and the key in it.
func confining(t *testing.T) string {
	t.Helper()
	const text = "[DEFAULT]\nprivsep_confine = declared\n"
	tree := t.TempDir()
	for _, service := range services {
		dir := "/etc/" + service
		conf := strings.Replace(read(t, debian+dir+"/rootwrap.conf"), "[DEFAULT]\n", text, 1)
		if !strings.Contains(conf, text) {
			t.Fatalf("%s has no [DEFAULT]", dir)
		}
		if err := os.MkdirAll(tree+dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(tree+dir+"/rootwrap.conf", []byte(conf), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// executed are the capabilities that a program which a context executed found itself with;
// nil where the call was no such question.
func executed(t *testing.T, r row) map[string]uint64 {
	t.Helper()
	var sets map[string]uint64
	for _, set := range []string{"CapBnd", "CapEff"} {
		if _, text, ok := strings.Cut(r.Result, set+`:\t`); ok {
			if sets == nil {
				sets = map[string]uint64{}
			}
			sets[set] = bits(t, text[:16])
		}
	}
	return sets
}

func bits(t *testing.T, hex string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// profiled is the bounding set of a context's profile.
func profiled(t *testing.T, context string) (set uint64) {
	t.Helper()
	for _, name := range privsep.Find(context).Capabilities() {
		one, err := sandbox.Capability(name)
		if err != nil {
			t.Fatal(err)
		}
		set |= one.Set
	}
	return set
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
