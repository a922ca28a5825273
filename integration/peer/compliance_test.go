package peer

import (
	"fmt"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// The compliance suite: what is known to go wrong in the peer, row by row of a
// list (A1 to A48 the filters and the configuration, B1 to B12 what surrounds the
// command), tried for real: against the peer first, against ironwrap second, and against
// ironwrap-call with a daemon third.
// Each row has its neighbours: requests of the same shape that are legitimate, and
// must pass.
//
// Whatever the two do differently stands in intendedDifferences, with the reason. A
// difference that does not stand there fails the suite, and so does one that stands
// there and cannot be seen any more.

// weakness is one row of the list.
type weakness struct {
	id         string
	attempts   []attempt
	neighbours []attempt
}

// attempt is one request to both programs. In its strings {dir} stands for the
// policy's directory, which is root's, {home} for one of the caller's, in which the
// caller works, and {pid} for the process that setup has started.
type attempt struct {
	name    string
	filters string       // the lines of section [Filters]
	conf    string       // more lines for section [DEFAULT] of rootwrap.conf
	setup   func(*stage) // what must be there before
	argv    []string     // the command that is asked for

	// How it is asked: by the caller through sudo, in {home}, if nothing is said.
	unit   bool       // by root itself instead, as a service's own unit does
	env    []string   // more variables
	under  []string   // a program that starts it, with its arguments
	netns  string     // in namespaces of its own, with network namespaces of these names
	syslog rig.DevLog // what is at /dev/log, in a mount namespace of its own
	stdin  string

	run   func(*stage) string             // in place of asking in one of these ways
	finds func(*stage, rig.Result) string // what came of it; nil for stage.outcome
	want  string                          // what must come of it from both, unless intendedDifferences says
}

// intendedDifference is what comes of an attempt where that is meant to differ.
type intendedDifference struct{ peer, ours, why string }

// weaknesses are all rows that have attempts.
func weaknesses() (list []weakness) {
	for _, part := range [][]weakness{chainRows, ipRows, pathRows, regexpRows, envRows, killRows, privsepRows, configRows, contextRows, terminalRows, auditRows} {
		list = append(list, part...)
	}
	return list
}

func TestCompliance(t *testing.T) {
	for _, w := range weaknesses() {
		t.Run(w.id, func(t *testing.T) {
			for _, a := range w.attempts {
				t.Run(a.name, func(t *testing.T) { compare(t, w.id+"/"+a.name, a) })
			}
			for _, a := range w.neighbours {
				t.Run("neighbour "+a.name, func(t *testing.T) { compare(t, w.id+"/"+a.name, a) })
			}
		})
	}
}

// compare makes one attempt with both programs, and holds what came of it against
// what should.
func compare(t *testing.T, name string, a attempt) {
	t.Parallel()
	want, listed := intendedDifferences[name]
	if !listed {
		want = intendedDifference{peer: a.want, ours: a.want}
	}
	check := func(who, program, want string) {
		t.Helper()
		s := newStage(t, program, a)
		if got := s.neutral(s.perform()); got != want {
			t.Errorf("%s: %s; not: %s\n%v", who, got, want, s.last)
		}
	}
	// What makes namespaces for the attempt cannot be had in the container.
	if contained := rig.InContainer(); !contained {
		check("the peer", rig.Peer, want.peer)
	} else if a.netns != "" || a.syslog != "" {
		t.Skip("CAP_SYS_ADMIN is missing here, which the attempt takes to make namespaces: it was not made")
	}
	check("ironwrap", rig.Ours, want.ours)
	through, differs := callDifferences[name]
	if !differs {
		through.got = want.ours
	}
	if through.got != notPlayed {
		check("ironwrap-call", rig.OursCall, through.got)
	}
	if t.Failed() && listed {
		t.Logf("this is listed as an intended difference: %s", want.why)
	}
}

// The tables agree with each other, and no row of the list is left out.
func TestComplianceTables(t *testing.T) {
	missing := map[string]bool{}
	for section, last := range map[string]int{"A": 48, "B": 12, "C": 10} {
		for n := 1; n <= last; n++ {
			missing[fmt.Sprint(section, n)] = true
		}
	}
	take := func(row string) {
		if !missing[row] {
			t.Errorf("row %s: there twice, or not of the list", row)
		}
		delete(missing, row)
	}

	names := map[string]bool{}
	for _, w := range weaknesses() {
		take(w.id)
		if len(w.attempts) == 0 || len(w.neighbours) == 0 {
			t.Errorf("row %s: needs an attempt, and a neighbour that is legitimate", w.id)
		}
		for _, a := range w.neighbours {
			if strings.HasPrefix(a.want, "refused") {
				t.Errorf("row %s: neighbour %q must pass", w.id, a.name)
			}
		}
		for _, a := range append(w.attempts[:len(w.attempts):len(w.attempts)], w.neighbours...) {
			name := w.id + "/" + a.name
			if names[name] {
				t.Errorf("%s: there twice", name)
			}
			names[name] = true
			if _, differs := intendedDifferences[name]; differs == (a.want != "") {
				t.Errorf("%s: must either be listed as a difference, or say what both must do", name)
			}
		}
	}
	for row := range testedElsewhere {
		take(row)
	}
	for row := range missing {
		t.Errorf("row %s: has neither attempts nor a reason to have none", row)
	}

	for name, d := range intendedDifferences {
		if !names[name] {
			t.Errorf("difference %s: no attempt has this name", name)
		}
		if d.peer == "" || d.ours == "" || d.peer == d.ours || d.why == "" {
			t.Errorf("difference %s: must say two different outcomes, and why", name)
		}
	}
	for name, d := range callDifferences {
		if !names[name] || d.got == "" || d.why == "" {
			t.Errorf("difference of ironwrap-call %s: must be of an attempt, and say what comes of it, and why", name)
		}
	}
	for name := range leftAlike {
		if _, differs := intendedDifferences[name]; differs || !names[name] {
			t.Errorf("%s: must be an attempt of which the same comes with both", name)
		}
	}
}
