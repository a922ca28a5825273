package services

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

const tests = "neutron.tests.functional."

// Modules, whose tests take a minute.
var selection = []string{"agent.linux.test_ipset", "agent.linux.test_netlink_lib"}

// At least so many pass through the peer. The first is all of the selection. Of all 279 the
// peer passes 132 where the kernel has no VXLAN, no VLAN and no qdiscs.
const (
	leastSelected = 9
	leastOfAll    = 130
)

// Every functional test of neutron's that passes through the peer passes through ironwrap,
// where an agent asks for one command at a time, and where it asks the daemon; and with
// privsep_confine = declared. Its privsep helpers come by the one-shot program in all.
func TestFunctional(t *testing.T) {
	ready(t)
	names, least := selection, leastSelected
	ways := []way{{"rootwrap-daemon", "-daemon", nil}}
	if *all {
		names, least = strings.Fields(read(t, "testdata/functional")), leastOfAll
		ways = []way{{"rootwrap", "", nil}, ways[0], {"confined", "", []string{confining(t)}}}
	}
	names = of(t, names)
	theirs := map[string]outcomes{}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) { compare(t, w, names, theirs, least) })
	}
}

// way is how an agent comes to its commands.
type way struct {
	name   string
	daemon string // the end of a daemon's name
	trees  []string
}

// compare runs tests by a way through the peer, and those that pass through ironwrap. Many
// wait for a moment that a busy machine does not keep: what fails is run again.
func compare(t *testing.T, w way, names []string, theirs map[string]outcomes, least int) {
	peers := theirs[w.daemon]
	if peers == nil {
		peers = persist(t, peer("neutron"), way{daemon: w.daemon}, names, 2)
		theirs[w.daemon] = peers
	}
	var passed []string
	for _, test := range peers.sorted() {
		if o := peers[test]; o.Outcome == "ok" {
			passed = append(passed, test)
		} else {
			t.Logf("%s: %q through the peer: %s", test, o.Outcome, last(o.Why))
		}
	}
	if len(passed) < least {
		t.Errorf("%d tests pass through the peer, at least %d did", len(passed), least)
	}
	mine := persist(t, ours, w, passed, 3)
	for _, test := range passed {
		if o := mine[test]; o.Outcome != "ok" {
			t.Errorf("%s passes through the peer: %q: %s", test, o.Outcome, o.Why)
		}
	}
}

// persist runs tests, and those that fail again and again.
func persist(t *testing.T, program string, w way, names []string, rounds int) outcomes {
	t.Helper()
	found := outcomes{}
	for round := range rounds {
		if len(names) == 0 {
			break
		}
		found = found.and(run(t, program, w, names))
		names = slices.DeleteFunc(slices.Clone(names), func(test string) bool { return found[test].done() })
		t.Logf("run %d through %s: %s; failed: %q", round+1, program, found, names)
	}
	return found
}

// outcome is what came of a test; the zero one is of a test that was not run.
type outcome struct{ Test, Outcome, Why string }

func (o outcome) done() bool { return o.Outcome != "" && o.Outcome != "failed" }

type outcomes map[string]outcome

// and is what came of the tests in the end: one that has passed once does pass.
func (o outcomes) and(later outcomes) outcomes {
	both := outcomes{}
	maps.Copy(both, o)
	for test, l := range later {
		if !both[test].done() {
			both[test] = l
		}
	}
	return both
}

func (o outcomes) count() map[string]int {
	n := map[string]int{}
	for _, one := range o {
		n[one.Outcome]++
	}
	return n
}

func (o outcomes) String() string {
	text, _ := json.Marshal(o.count())
	return string(text)
}

func (o outcomes) sorted() []string { return slices.Sorted(maps.Keys(o)) }

func last(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// run runs tests, by what stands behind "sudo": a few on each stage, some stages at once.
func run(t *testing.T, program string, w way, names []string) outcomes {
	t.Helper()
	env := []string{"OS_SUDO_TESTING=1", "OS_LOG_PATH=/tmp/logs", "OS_ROOTWRAP_CMD=sudo -n " + program + " /etc/neutron/rootwrap.conf"}
	if w.daemon != "" {
		env = append(env, "OS_ROOTWRAP_DAEMON_CMD=sudo -n "+program+w.daemon+" /etc/neutron/rootwrap.conf")
	}
	list := outcomes{}
	var mu sync.Mutex
	var each sync.WaitGroup
	slots := make(chan struct{}, 4)
	for few := range slices.Chunk(unscened(names), 6) {
		slots <- struct{}{}
		each.Go(func() {
			defer func() { <-slots }()
			out := play(t, "neutron", w.trees, env, append([]string{"python3", "/opt/functional.py"}, few...)...)
			mu.Lock()
			defer mu.Unlock()
			lines := json.NewDecoder(bytes.NewReader(out))
			for lines.More() {
				var o outcome
				if err := lines.Decode(&o); err != nil {
					t.Errorf("%q: %v", few, err)
					return
				}
				list[strings.TrimPrefix(o.Test, tests)] = o
			}
		})
	}
	each.Wait()
	return list
}

// unscened are the names of tests as a loader knows them: a scenario is run with its test.
func unscened(names []string) (list []string) {
	for _, name := range names {
		name, _, _ = strings.Cut(name, "(")
		list = append(list, tests+name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// of are the tests of modules.
func of(t *testing.T, modules []string) (names []string) {
	t.Helper()
	argv := []string{"python3", "/opt/functional.py", "--list"}
	for _, module := range modules {
		argv = append(argv, tests+module)
	}
	for name := range strings.Lines(string(play(t, "neutron", nil, nil, argv...))) { // a scenario's has spaces
		names = append(names, strings.TrimSpace(strings.TrimPrefix(name, tests)))
	}
	return names
}
