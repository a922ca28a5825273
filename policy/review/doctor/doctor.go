// Package doctor tells whether a service is really behind ironwrap on this machine: who
// answers its root helper, what leads past it, and whether what the policy asks for is
// there. It asks a Host, and decides nothing about commands.
//
// What is read belongs in part to those who are to be kept in: the service's own
// configuration, arguments of processes, records. Nothing of it is executed, all of it is
// quoted where it is shown, and none of it stands in a command that somebody is told to
// run.
package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/lint"
)

// State is what an answer comes to. The zero State is that nobody knows.
type State int

const (
	Unknown State = iota // not assessed
	Fine
	Note    // worth knowing, and no fault
	Warning // it protects less than it could, or not for long
	Problem // ironwrap is not in the way, or does not work
)

var states = []string{"unknown", "ok", "note", "warning", "problem"}

func (s State) String() string { return states[s] }

// Answer is what was found out about one thing.
type Answer struct {
	Topic string // one of Topics
	ID    string // stays the same for scripts
	State State
	Text  string // one line, what it quotes is escaped
	Do    string // what to do about it; "" for nothing
}

// Topics are what is asked about, in this order. Each has an answer.
var Topics = []string{"root helper", "sudo", "policy", "sandbox", "installation", "daemon", "records"}

// Report is all answers about one service.
type Report struct {
	Service string
	Config  string // the path of its rootwrap.conf
	Answers []Answer
}

// Count is how many answers are of a state.
func (r Report) Count(s State) (n int) {
	for _, a := range r.Answers {
		if a.State == s {
			n++
		}
	}
	return n
}

// Verdict is what all answers come to. Its number is the exit status, as monitoring takes
// it (Monitoring Plugins Development Guidelines: OK, WARNING, CRITICAL, UNKNOWN).
type Verdict int

const (
	Protected    Verdict = iota
	Weak                 // ironwrap answers, but there are warnings
	NotProtected         // some answer is a problem
	CannotTell           // there is no problem among what could be assessed
)

func (v Verdict) String() string {
	return []string{"protected", "weak", "not protected", "cannot tell"}[v]
}

// Verdict is the gravest of what is known. Something that is not known hides less than a
// problem, and more than a warning.
func (r Report) Verdict() Verdict {
	switch {
	case r.Count(Problem) > 0:
		return NotProtected
	case r.Count(Unknown) > 0:
		return CannotTell
	case r.Count(Warning) > 0:
		return Weak
	}
	return Protected
}

// Examine asks everything about a service whose rootwrap.conf is at config, an absolute
// path.
func Examine(h Host, service, config string) Report {
	e := &examination{host: h, report: Report{Service: service, Config: config}, originals: map[string]bool{}}
	e.sudo = h.Sudo(config)
	e.helpers()
	e.sudoers()
	e.policies()
	e.sandboxes()
	e.installation()
	e.daemons()
	e.records()
	e.report.Answers = complete(e.report.Answers)
	return e.report
}

// complete orders answers by topic. A topic without an answer was not assessed.
func complete(answers []Answer) (all []Answer) {
	for _, topic := range Topics {
		before := len(all)
		for _, a := range answers {
			if a.Topic == topic {
				all = append(all, a)
			}
		}
		if len(all) == before {
			all = append(all, Answer{Topic: topic, ID: "none", Text: "not assessed"})
		}
	}
	return all
}

// examination is the state of Examine.
type examination struct {
	host   Host
	report Report
	sudo   Sudo
	calls  []call         // what the service calls to become root
	policy *policy.Policy // nil where it cannot be used

	checked   *lint.Report    // what findings has asked
	originals map[string]bool // lines of sudoers, FILE:LINE, that are told of as the original's
}

func (e *examination) say(topic, id string, s State, do, format string, args ...any) {
	e.report.Answers = append(e.report.Answers, Answer{topic, id, s, filters.Prose(fmt.Sprintf(format, args...)), filters.Prose(do)})
}

// unknown says what could not be assessed, and why.
func (e *examination) unknown(topic, id, what string, err error) {
	do := ""
	if errors.Is(err, fs.ErrPermission) {
		do = "run this as root"
	}
	e.say(topic, id, Unknown, do, "not assessed: %s: %v", what, err)
}

// plainWord is what a shell takes as it stands.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+-]+$`)

// command is a line for a shell; "" where a word of it would be more than a word there.
func command(format string, words ...any) string {
	for _, w := range words {
		if s := fmt.Sprint(w); !plainWord.MatchString(s) || strings.HasPrefix(s, "-") {
			return ""
		}
	}
	return fmt.Sprintf(format, words...)
}

// many is a number of things.
func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
