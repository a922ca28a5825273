package peer

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ironwrap/filters"
	"ironwrap/integration/rig"
	engine "ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/program"
	"ironwrap/policy/trust"
)

// TestDifferential puts thousands of commands before the peer's own code and
// before ours, both holding the same files. Ours may never allow more than the
// peer, and refuse only for a reason that is listed in differences; so is what
// little it does allow more. What both allow must come to the same program, with
// the same arguments and variables.
func TestDifferential(t *testing.T) {
	packages := rig.Download(t)
	seen := make(map[string]int) // by difference
	total := 0
	var mu sync.Mutex
	t.Run("policies", func(t *testing.T) {
		for _, s := range append(rig.Services, rig.Service{Name: "every class"}) {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				w := newWorkshop(t, packages, s.Packages)
				sum := w.compareAll()
				t.Log(sum)
				w.runSample()
				w.explainAgrees()
				mu.Lock()
				defer mu.Unlock()
				total += sum.commands
				for id, n := range sum.differ {
					seen[id] += n
				}
			})
		}
	})
	if t.Failed() {
		return
	}
	t.Logf("%d commands in all", total)
	if total < 5000 {
		t.Errorf("only %d commands were tried", total)
	}
	for _, d := range differences {
		if seen[d.id] == 0 {
			t.Errorf("difference %q did not occur: if it is gone, take it off the list", d.id)
		}
		t.Logf("%6d × %s: %s", seen[d.id], d.id, d.reason)
	}
}

// workshop is one policy, loaded in both programs, with everything that its
// filters speak of: programs, processes, files.
type workshop struct {
	t        *testing.T
	dir      string // of root's; holds rootwrap.conf
	conf     string
	bin, alt string // exec_dirs: stand-ins for the programs; targets of KillFilters
	peer     *rig.Oracle
	ours     *engine.Policy
	machine  *present
	pids     []int
	commands [][]string
	answers  []rig.PeerAnswer // the peer's, to each command
}

// present is the real machine, but that a program given by its absolute path
// counts as present, as it does for the peer.
type present struct{ *machine.Machine }

func (m *present) Find(name, runAs string) (program.Program, error) {
	if filepath.IsAbs(name) {
		return program.Program{Path: name}, nil
	}
	return m.Machine.Find(name, runAs)
}

// newWorkshop lays out the files of some packages, or everyClass without any.
func newWorkshop(t *testing.T, unpacked string, packages []string) *workshop {
	t.Helper()
	// Always of one length, so that the same places of a path are mutated.
	dir := fmt.Sprintf("/var/lib/ironwrap-test-%016x", rand.Uint64())
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &workshop{t: t, dir: dir, conf: dir + "/rootwrap.conf", bin: dir + "/bin", alt: dir + "/alt"}

	conf := rig.LayPackages(t, dir, unpacked, packages)
	if len(packages) == 0 {
		w.layFiles()
		rig.Write(t, dir+"/rootwrap.d/every.filters", strings.ReplaceAll(everyClass, "DIR", dir))
	}
	lines := strings.Split(conf, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "filters_path") {
			lines[i] = "filters_path=" + dir + "/rootwrap.d"
		}
		if strings.HasPrefix(line, "exec_dirs") {
			lines[i] = "exec_dirs=" + w.bin + "," + w.alt
		}
	}
	rig.Write(t, w.conf, strings.Join(lines, "\n"))
	for _, d := range []string{w.bin, w.alt} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}

	w.peer = rig.StartOracle(t, w.conf, "PATH="+w.bin+":"+w.alt, "LVM_SYSTEM_DIR=inherited", "PROCESS_TAG=inherited")
	var err error
	if w.ours, err = engine.Load(w.conf, trust.Parent, inifile.Parse); err != nil {
		t.Fatalf("ours cannot load what the peer can: %v", err)
	}
	for _, n := range w.ours.Notes {
		if n.Warning {
			t.Errorf("ours skips a filter of Debian's: %v", n)
		}
	}
	w.sameFilters()
	w.machine = &present{Machine: machine.New(w.ours.ExecDirs, trust.Parent)}
	w.standIns()
	w.processes()
	return w
}

// sameFilters compares what both read, filter by filter, in order.
func (w *workshop) sameFilters() {
	w.t.Helper()
	if len(w.ours.Filters) != len(w.peer.Filters) {
		w.t.Fatalf("ours has %d filters, the peer %d", len(w.ours.Filters), len(w.peer.Filters))
	}
	if !slices.Equal(w.ours.ExecDirs, w.peer.ExecDirs) {
		w.t.Fatalf("exec_dirs: ours %q, the peer's %q", w.ours.ExecDirs, w.peer.ExecDirs)
	}
	for i, p := range w.peer.Filters {
		o := w.ours.Filters[i]
		if o.Name != p.Name || o.Class != p.Class || o.Exec() != p.Exec || o.RunAs() != p.RunAs {
			w.t.Errorf("filter %d: ours is %s: %s, %s, %s; the peer's %s: %s, %s, %s", i,
				o.Name, o.Class, o.Exec(), o.RunAs(), p.Name, p.Class, p.Exec, p.RunAs)
		}
	}
}

// standIn prints how many words its argv has, these, and its environment, with a
// NUL byte behind each.
const standIn = `#!/bin/sh
printf '%s\0' $(($# + 1)) "$0" "$@"
exec /usr/bin/env -0
`

// standIns puts a script into exec_dirs for each program that the filters name
// without a path. One in twelve is left out, to be not executable.
func (w *workshop) standIns() {
	w.t.Helper()
	names := make(map[string]bool)
	for _, f := range w.peer.Filters {
		if !filepath.IsAbs(f.Exec) {
			names[f.Exec] = true
		}
	}
	for i, name := range slices.Sorted(maps.Keys(names)) {
		if i%12 == 11 {
			continue
		}
		path := w.bin + "/" + name
		rig.Write(w.t, path, standIn)
		if err := os.Chmod(path, 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
}

// summary counts the commands of one policy by outcome.
type summary struct {
	commands, allow, deny, absent int // both programs alike
	differ                        map[string]int
}

func (s summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d commands: both allow %d, deny %d, find no program for %d", s.commands, s.allow, s.deny, s.absent)
	for _, id := range slices.Sorted(maps.Keys(s.differ)) {
		fmt.Fprintf(&b, "; %s %d", id, s.differ[id])
	}
	return b.String()
}

// compareAll tries every command.
func (w *workshop) compareAll() summary {
	w.commands = makeCommands(w)
	w.answers = askAll(w.peer, w.commands)
	s := summary{commands: len(w.commands), differ: make(map[string]int)}
	for i, answer := range w.answers {
		outcome, ids := w.compare(w.commands[i], answer)
		switch outcome {
		case "allow":
			s.allow++
		case "deny":
			s.deny++
		case "not-executable":
			s.absent++
		}
		for _, id := range ids {
			s.differ[id]++
		}
	}
	return s
}

// compare decides about one command, and compares that with the peer's answer. It
// returns the verdict, where both have the same, and the differences.
func (w *workshop) compare(argv []string, peer rig.PeerAnswer) (verdict string, ids []string) {
	d := w.decide(argv)
	defer w.machine.Close()
	ours := verdictName(d.Verdict)
	if peer.Verdict == "crash" {
		peer.Verdict = "deny" // it runs nothing
	}

	fail := func(format string, args ...any) {
		w.t.Helper()
		w.t.Errorf("%q: %s\n  peer: %s by %s: %q %q\n  ours: %s by %s: %q %q", argv, fmt.Sprintf(format, args...),
			peer.Verdict, w.filterName(peer.Filter), peer.Command, peer.Env, ours, w.filterName(w.index(d.Filter)), d.Argv, d.Env)
	}
	note := func(k kind, what string, r refusal) {
		for _, diff := range differences {
			if diff.kind == k && diff.is(r) {
				ids = append(ids, diff.id)
				return
			}
		}
		fail("%s for no listed reason (%s %q, %q: %s)", what, r.class, r.args, r.words, r.why)
	}

	if rank[ours] > rank[peer.Verdict] {
		note(wider, "ours is wider", w.refused(*w.index(d.Filter), w.index(d.Leaf), argv))
	} else if peer.Filter != nil && (ours != peer.Verdict || *peer.Filter != *w.index(d.Filter)) {
		// Also where another filter of ours allows it in the end.
		r := w.refused(*peer.Filter, peer.Leaf, argv)
		if r.why == "" {
			fail("the peer's filter allows it here too")
			return "", nil
		}
		note(narrower, "ours is narrower", r)
	}
	if ours != peer.Verdict {
		return "", ids
	}
	if ours == "allow" {
		w.compareCommands(argv, peer, d, func(id string) { ids = append(ids, id) }, fail)
	}
	return ours, ids
}

var rank = map[string]int{"deny": 0, "not-executable": 1, "allow": 2}

// compareCommands compares what both would run.
func (w *workshop) compareCommands(argv []string, peer rig.PeerAnswer, d engine.Decision, note func(id string), fail func(string, ...any)) {
	w.t.Helper()
	if runAs := w.peer.Filters[*peer.Filter].RunAs; d.RunAs != runAs {
		fail("run as %s, not %s", d.RunAs, runAs)
	}
	got := raw(d.Argv)
	switch want := peer.Command; {
	case d.Signal != nil:
		// Nothing is executed: the words only name what was asked for.
		if !slices.Equal(got, argv) || fmt.Sprint(d.Signal.Process.PID) != argv[len(argv)-1] {
			fail("the signal goes to %d", d.Signal.Process.PID)
		}
		note("kill is a signal")
	case slices.Equal(got, want):
	case peer.Leaf != nil:
		// The peer runs the nested words as they were typed; ours what the
		// nested filter makes of them.
		own := len(argv) - len(nestedWords(&w.peer.Filters[*peer.Filter], argv))
		whole := append(slices.Clone(want[:own]), peer.LeafCommand...)
		if !slices.Equal(got, whole) {
			fail("the nested command is not what its filter makes of it, %q", whole)
		}
		note("A1 nested program")
	default:
		fail("another command")
	}
	silenced := 0
	for _, v := range d.Env {
		value, ok := peer.Env[v.Name.Raw()]
		switch {
		case strings.HasPrefix(v.Name.Raw(), "OS_DEFAULT__LOG_") && v.Value == "" && !ok:
			silenced++
		case v.Value == "":
			note("A30 empty value")
		case !ok || value != v.Value.Raw():
			fail("variable %s is not the peer's", v.Name)
		}
	}
	if helper := strings.Contains(filters.Line(d.Argv), "privsep-helper"); helper && silenced == 3 {
		note("A38 log options")
	} else if helper || silenced > 0 {
		fail("%d of the variables that turn off the log options of privsep-helper", silenced)
	}
}

// decide is our answer to one command.
func (w *workshop) decide(argv []string) engine.Decision {
	before := slices.Clone(argv)
	d := w.ours.Decide(engine.Request{Argv: filters.Words(argv), Machine: w.machine})
	if !slices.Equal(before, argv) {
		w.t.Fatalf("deciding changed the words to %q", argv)
	}
	return d
}

// refused tells why one filter of ours does not allow argv. Where the filter
// chains, and itself matches, leaf is what the nested command matched in the
// other program.
func (w *workshop) refused(filter int, leaf *int, argv []string) refusal {
	ask := func(i int, words []string) refusal {
		f := &w.peer.Filters[i]
		r := refusal{workshop: w, class: f.Class, args: f.Args, exec: f.Exec, runAs: f.RunAs, words: words}
		if m := w.ours.Filters[i].Match(filters.Words(words), w.machine); !m.Matched {
			r.why = m.Why.String()
		}
		return r
	}
	r := ask(filter, argv)
	if r.why != "" || leaf == nil || *leaf < 0 {
		return r
	}
	nested := nestedWords(&w.peer.Filters[filter], argv)
	typed := nested[0]
	nested[0] = typed[strings.LastIndex(typed, "/")+1:]
	r = ask(*leaf, nested)
	r.typed = typed
	if r.why == "" && nested[0] != typed {
		r.why = "the nested command is " + typed
	}
	return r
}

// nestedWords is the command that f prefixes.
func nestedWords(f *rig.PeerFilter, argv []string) []string {
	prefix := len(f.Args)
	if f.Class == "IpNetnsExecFilter" {
		prefix = 4
	}
	return slices.Clone(argv[min(prefix, len(argv)):])
}

// runSample runs some of the commands through the real programs, with stand-ins
// for what they execute. Ours must do what was decided in this process, and the
// peer what its own code said here.
func (w *workshop) runSample() {
	w.t.Helper()
	statuses := map[string]int{"allow": 0, "deny": 99, "not-executable": 96}
	ran, want := make(map[string]int), map[string]int{"allow": 4, "deny": 2, "not-executable": 1}
	for _, i := range rand.New(rand.NewPCG(2, 2)).Perm(len(w.commands)) {
		argv, answer := w.commands[i], w.answers[i]
		d := w.decide(argv)
		w.machine.Close()
		if d.Signal != nil || d.Verdict == engine.Allowed && filepath.Dir(d.Argv[0].Raw()) != w.bin || d.Leaf != nil && filepath.IsAbs(d.Leaf.Exec()) {
			continue // no stand-in: it would be the real thing
		}
		name := verdictName(d.Verdict)
		if ran[name]++; ran[name] > want[name] {
			continue
		}
		words, env := w.execute(rig.Ours, argv, statuses[name])
		if d.Verdict == engine.Allowed && !slices.Equal(words, raw(d.Argv)) {
			w.t.Errorf("%q: the program ran %q, not %q", argv, words, d.Argv)
		}
		for _, v := range d.Env {
			if !slices.Contains(env, v.Name.Raw()+"="+v.Value.Raw()) {
				w.t.Errorf("%q: the command's environment %q does not have %s", argv, env, v.Name)
			}
		}
		if slices.Contains(env, "IWTEST_CALLER=1") {
			w.t.Errorf("%q: the caller's environment reached the command", argv)
		}
		if answer.Verdict == name && ran[name] == 1 {
			words, _ := w.execute(rig.Peer, argv, statuses[name])
			if name == "allow" && !slices.Equal(words, answer.Command) {
				w.t.Errorf("%q: the peer's program ran %q, not %q as its code said", argv, words, answer.Command)
			}
		}
	}
	if ran["allow"] == 0 || ran["deny"] == 0 {
		w.t.Errorf("no command could be run through the programs: %v", ran)
	}
}

// execute runs argv through program, which must end with status. It returns the
// argv and environment of the stand-in that ran.
func (w *workshop) execute(program string, argv []string, status int) (words, env []string) {
	w.t.Helper()
	c := exec.Command(program, append([]string{w.conf}, argv...)...)
	c.Env = []string{"LANG=C.UTF-8", "IWTEST_CALLER=1"}
	r := rig.RunCmd(w.t, c)
	if r.Status != status {
		w.t.Errorf("%s: %q: %v; wanted status %d", program, argv, r, status)
	}
	if list := strings.Split(strings.TrimSuffix(r.Out, "\x00"), "\x00"); r.Out != "" {
		count, err := strconv.Atoi(list[0])
		if err != nil || count+1 > len(list) {
			w.t.Fatalf("%s: %q: the stand-in printed %q", program, argv, r.Out)
		}
		return list[1 : count+1], list[count+1:]
	}
	return nil, nil
}

func (w *workshop) index(e *engine.Entry) *int {
	none := -1
	if e == nil {
		return &none
	}
	for i := range w.ours.Filters {
		if e == &w.ours.Filters[i] {
			return &i
		}
	}
	w.t.Fatalf("filter %s is none of the policy", e.Name)
	return nil
}

func (w *workshop) filterName(i *int) string {
	if i == nil || *i < 0 {
		return "no filter"
	}
	return w.peer.Filters[*i].Name
}

func verdictName(v engine.Verdict) string {
	switch v {
	case engine.Allowed:
		return "allow"
	case engine.NotExecutable:
		return "not-executable"
	case engine.TooLong:
		return "too-long"
	}
	return "deny"
}

func raw(words []filters.Untrusted) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = w.Raw()
	}
	return list
}
