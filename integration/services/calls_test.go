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

	Helper string
	Status map[string]string
}

func (r row) name() string {
	return fmt.Sprintf("%s %d: %s", r.Service, r.Number, strings.ReplaceAll(r.Call, "\n", " "))
}

// What the services' contexts do for them through ironwrap they do as through the peer, to
// the letter.
func TestCalls(t *testing.T) {
	ready(t)
	theirs, mine := calls(t, peer), byDefault(t)
	contexts := map[string]bool{}
	for i, r := range theirs.calls {
		contexts[r.Context] = true
		if got := mine.at(t, i, r); got.Result != r.Result {
			t.Errorf("%s\n%s\nby the peer: %s", r.name(), got.Result, r.Result)
		}
	}
	t.Logf("%d calls of %d contexts", len(theirs.calls), len(contexts))
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
	for i, r := range open.calls {
		got := mine.at(t, i, r)
		if executed(t, r) != nil {
			if e, want := executed(t, got), profiled(t, r.Context); e["CapBnd"] != want || e["CapEff"]&^want != 0 || executed(t, r)["CapBnd"] == want {
				t.Errorf("%s: bounding set %x, effective %x, of %x; unconfined %x", r.name(), e["CapBnd"], e["CapEff"], want, executed(t, r)["CapBnd"])
			}
			continue
		}
		if got.Result != r.Result {
			t.Logf("%s\n%s\nunconfined: %s", r.name(), got.Result, r.Result)
			lost = append(lost, r.Context+" "+strings.ReplaceAll(r.Call, "\n", " "))
		}
	}
	slices.Sort(lost)
	lost = slices.Compact(lost)
	written := strings.Split(strings.TrimSuffix(read(t, "testdata/confined"), "\n"), "\n")
	if !slices.Equal(lost, written) {
		t.Errorf("these calls do not work confined:\n%s", strings.Join(lost, "\n"))
	}
	for context, status := range mine.helpers {
		if bits(t, status["CapBnd"]) != profiled(t, context) {
			t.Errorf("the helper of %s has the bounding set %s, not %x", context, status["CapBnd"], profiled(t, context))
		}
	}
	if len(mine.helpers) != len(open.helpers) {
		t.Errorf("%d helpers of %d run", len(mine.helpers), len(open.helpers))
	}
}

// confining is a tree with the services' rootwrap.conf, and the key in it. A context that
// has no profile gets a section with what it declares.
func confining(t *testing.T) string {
	t.Helper()
	text := "[DEFAULT]\nprivsep_confine = declared\n"
	for _, c := range privsep.All() {
		if !c.Profiled() && c.Declared != "" {
			text = fmt.Sprintf("[Privsep:%s]\ncapabilities = %s\n\n", c.Name, strings.ReplaceAll(c.Declared, " ", ",")) + text
		}
	}
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
