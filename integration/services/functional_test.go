package services

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const tests = "neutron.tests.functional."

// A minute of them.
var selection = []string{"agent.linux.test_ipset", "agent.linux.test_netlink_lib"}

// At least so many pass through the peer. The first is all of the selection. The second was
// counted before all modules had been run: the peer passes more, and a full run may raise it.
const (
	leastSelected = 9
	leastOfAll    = 91
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

// compare runs tests by a way, through both programs. Many wait for a moment that a busy
// machine does not keep: what one of them fails is run up to three times.
func compare(t *testing.T, w way, names []string, theirs map[string]outcomes, least int) {
	peers, mine := theirs[w.daemon], outcomes{}
	for round := 1; len(names) > 0 && round <= 3; round++ {
		if peers == nil || round > 1 {
			peers = peers.and(run(t, peer("neutron"), way{daemon: w.daemon}, names))
		}
		mine = mine.and(run(t, ours, w, names))
		var open []string
		for _, test := range sorted(peers, mine) {
			if !peers[test].done() || !mine[test].done() {
				open = append(open, test)
			}
		}
		t.Logf("run %d: %s through the peer; %s through ironwrap; to be run again: %q", round, peers, mine, open)
		names = open
	}
	theirs[w.daemon] = peers
	for _, test := range sorted(peers, mine) {
		switch o := mine[test]; {
		case peers[test].Outcome == "ok" && o.Outcome != "ok":
			t.Errorf("%s passes through the peer: %q: %s", test, o.Outcome, o.Why)
		case peers[test].Outcome != "ok":
			t.Logf("%s: %q through the peer, %q through ironwrap: %s", test, peers[test].Outcome, o.Outcome, last(peers[test].Why))
		}
	}
	if passed := peers.count()["ok"]; passed < least {
		t.Errorf("%d tests pass through the peer, at least %d did", passed, least)
	}
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

func sorted(a, b outcomes) []string {
	return slices.Sorted(maps.Keys(a.and(b)))
}

func last(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

var class = regexp.MustCompile(`\.[A-Z].*`)

// run runs tests, by what stands behind "sudo": each module on a stage of its own, some of
// them at once.
func run(t *testing.T, program string, w way, names []string) outcomes {
	t.Helper()
	env := []string{"OS_SUDO_TESTING=1", "OS_LOG_PATH=/tmp/logs", "OS_ROOTWRAP_CMD=sudo -n " + program + " /etc/neutron/rootwrap.conf"}
	if w.daemon != "" {
		env = append(env, "OS_ROOTWRAP_DAEMON_CMD=sudo -n "+program+w.daemon+" /etc/neutron/rootwrap.conf")
	}
	stages := map[string][]string{}
	for _, name := range names {
		name, _, _ = strings.Cut(name, "(") // a scenario is run with its test
		module := class.ReplaceAllString(name, "")
		stages[module] = append(stages[module], tests+name)
	}
	list := outcomes{}
	var mu sync.Mutex
	var each sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, module := range slices.Sorted(maps.Keys(stages)) {
		slots <- struct{}{}
		each.Go(func() {
			defer func() { <-slots }()
			slices.Sort(stages[module])
			argv := append([]string{"python3", "/opt/functional.py"}, slices.Compact(stages[module])...)
			out := play(t, "neutron", w.trees, env, argv...)
			mu.Lock()
			defer mu.Unlock()
			lines := json.NewDecoder(bytes.NewReader(out))
			for lines.More() {
				var o outcome
				if err := lines.Decode(&o); err != nil {
					t.Errorf("%s: %v", module, err)
					return
				}
				list[strings.TrimPrefix(o.Test, tests)] = o
			}
		})
	}
	each.Wait()
	return list
}
