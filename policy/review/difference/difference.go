// Package difference tells what one policy decides otherwise than another: which
// commands the new one allows that the old one did not, and the reverse, and which run
// in another way. It compares what filters mean, not how they are written.
//
// The lines of a filter are an automaton; what it decides is that without the lines of
// the filters before it. So "no command is decided differently" is a proof, but where a
// filter is not known exactly: that is said. Each difference has a command that shows
// it, which both policies were asked about with policy.Decide.
//
// Both are asked about the same machine, of which only programs are looked at: see
// world. Where the two configurations and their filters lie is no difference.
package difference

import (
	"reflect"
	"slices"

	"ironwrap/filters"
	"ironwrap/filters/pyre"
	"ironwrap/policy"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/language"
)

// The directions of a difference.
const (
	Wider    = "wider"    // NEW gives more away
	Narrower = "narrower" // NEW gives less away
	Other    = "other"    // neither, or nobody knows which: gates take it for wider
	Beside   = "beside"   // it is about no command's power: records, the daemon's limits
)

// NotFound is what an open question is called among accepted risks.
const NotFound = "not-settled"

// Directions are all that can be accepted.
var Directions = []string{Wider, Narrower, Other, Beside, NotFound}

// The verdicts of a report.
const (
	Same       = "same"
	Different  = "different"
	NotSettled = "not settled" // no difference was found, and some were not ruled out
)

// Report is what came of a comparison.
type Report struct {
	Old     filters.Untrusted `json:"old"` // paths of the configurations
	New     filters.Untrusted `json:"new"`
	Verdict string            `json:"verdict"`
	Wider   bool              `json:"wider"` // NEW may give more away: a difference that is wider or other, or an open question
	// Exact tells that there are no other differences than these between what filters
	// decide; else Open says where there may be.
	Exact       bool                `json:"exact"`
	Settings    []Setting           `json:"settings"`
	Differences []Difference        `json:"differences"`
	Open        []Question          `json:"open"`
	Absent      []filters.Untrusted `json:"absent"` // programs that can be run on neither side: taken for present
	Counts      Counts              `json:"counts"`
	Accepted    *Accepted           `json:"accepted"` // null where no file of accepted risks was read
}

// Counts are numbers of differences by direction.
type Counts struct {
	Wider    int `json:"wider"`
	Narrower int `json:"narrower"`
	Other    int `json:"other"`
	Settings int `json:"settings"`
	Open     int `json:"open"`
}

// Difference is one way in which commands are decided otherwise, with all the filters
// that it is due to.
type Difference struct {
	Direction string   `json:"direction"`
	Title     string   `json:"title"`
	Changes   []string `json:"changes"` // of commands that both allow: what is otherwise
	Items     []Item   `json:"items"`
}

// Item is what one filter of OLD, or none, decided, and one of NEW, or none, decides.
type Item struct {
	Witness []filters.Untrusted `json:"witness"` // a shortest command of them
	Given   string              `json:"given"`   // what has to be so for the witness; mostly empty
	Old     *Outcome            `json:"old"`     // nil where the witness is refused
	New     *Outcome            `json:"new"`
	Also    []Item              `json:"also"` // the same, behind prefixes

	Accepted *accepted.Mark `json:"accepted"` // null where nobody has accepted it
}

// Outcome is how a policy decides about a witness.
type Outcome struct {
	Filter  Filter              `json:"filter"`
	Leaf    *Filter             `json:"nested"` // that allows the command behind a prefix
	RunAs   filters.Untrusted   `json:"run_as"`
	Argv    []filters.Untrusted `json:"argv"`
	Env     []string            `json:"env"`     // besides the fixed environment
	Signal  bool                `json:"signal"`  // sent by ironwrap itself, nothing is executed
	Sandbox []string            `json:"sandbox"` // keys, as words
}

// Filter is a filter with what it gives away.
type Filter struct {
	Name  filters.Untrusted `json:"name"`
	Class filters.Untrusted `json:"class"`
	File  filters.Untrusted `json:"file"` // empty for the implicit filter
	Line  int               `json:"line"`
	Text  filters.Untrusted `json:"definition"` // as the file has it
	Score exposure.Score    `json:"score"`
	Band  string            `json:"band"`
}

// Question is what was not found out.
type Question struct {
	Old  *Filter           `json:"old"` // nil on both sides for what sandboxes name
	New  *Filter           `json:"new"`
	Text filters.Untrusted `json:"text"` // what may be different, and why that is not known

	Accepted *accepted.Mark `json:"accepted"`
}

// comparison is what is known while two policies are compared.
type comparison struct {
	worlds   [2]*world
	hard     int // questions that were too hard
	report   Report
	large    map[*policy.Entry]bool
	exposed  map[*policy.Entry]Filter
	exposure [2]exposure.Machine
	found    map[string]bool // differences, by what is otherwise and the filters
}

// steps is how many steps one question may take: a second or so.
const steps = language.DefaultSteps

// Compare compares two policies. seccomp tells whether a profile lets a system call
// pass, and uid is the id of a user, for the exposure; both may be nil.
func Compare(old, new *Side, m exposure.Machine) Report {
	c := &comparison{large: map[*policy.Entry]bool{}, exposed: map[*policy.Entry]Filter{}, found: map[string]bool{}}
	c.worlds = worlds(old, new)
	for i, side := range []*Side{old, new} {
		c.exposure[i] = m
		c.exposure[i].Find = side.path
		c.exposure[i].Callers = m.Callers.Of(side.Policy)
		if side.tree != nil {
			c.exposure[i].UID = side.tree.UID
		}
	}
	c.report = Report{
		Old: old.name(), New: new.name(), Exact: true,
		Settings: settings(old, new), Differences: []Difference{}, Open: []Question{}, Absent: []filters.Untrusted{},
	}
	c.outside()
	before, after := c.rules(0), c.rules(1)
	connect(before, after)
	for _, r := range before {
		c.lost(r)
	}
	for _, r := range after {
		c.gained(r)
	}
	c.finish()
	return c.report
}

// lost asks what a filter of OLD decided that NEW refuses, or decides otherwise.
func (c *comparison) lost(r *rule) {
	if r.settled() {
		return
	}
	c.ask([]*rule{r}, slices.Concat(r.earlier, r.across), r, nil)
	for _, other := range r.across {
		if other.outcome != r.outcome && !other.settled() {
			c.ask([]*rule{r, other}, slices.Concat(r.earlier, other.earlier), r, other)
		}
	}
}

// gained asks what a filter of NEW allows that OLD refused.
func (c *comparison) gained(r *rule) {
	if !r.settled() {
		c.ask([]*rule{r}, slices.Concat(r.earlier, r.across), nil, r)
	}
}

// samples is how many lines are tried where lines are not known exactly.
const samples = 16

// ask looks for a line that all of in match and none of out does, and tries it.
func (c *comparison) ask(in, out []*rule, old, new *rule) {
	for _, o := range out {
		if slices.ContainsFunc(in, func(r *rule) bool { return r.what == o.what }) {
			return
		}
	}
	exact := !slices.ContainsFunc(slices.Concat(in, out), func(r *rule) bool { return !r.exact() })
	lines, err := c.first(1, least(in), most(out))
	if c.any(lines) || err == nil && exact && len(lines) == 0 {
		return
	}
	if err == nil && !exact {
		if c.wherever(in, out) {
			return
		}
		if lines, err = c.first(samples, least(in), least(out)); c.any(lines) {
			return
		}
	}
	if err == nil && !exact {
		lines, err = c.first(samples, most(in), least(out))
		if c.any(lines) || err == nil && len(lines) == 0 {
			return
		}
	}
	if err != nil {
		c.tooLarge(in)
		if c.any(guesses(in)) {
			return
		}
	}
	c.open(old, new, why(err, in, out))
}

// tooLarge notes the filters of rules that are too much to ask about.
func (c *comparison) tooLarge(rules []*rule) {
	for _, r := range rules {
		c.large[r.own()] = true
	}
}

// any tells that one of lines shows a difference, which is written down.
func (c *comparison) any(lines [][]string) bool { return slices.ContainsFunc(lines, c.try) }

// patience is how many questions may be too hard. Those after them are cut short.
const patience = 4

// first are lines that all of in have and none of out.
func (c *comparison) first(n int, in, out []language.Lines) (lines [][]string, err error) {
	l := in[0]
	for _, k := range in[1:] {
		l = l.And(k)
	}
	steps := steps
	if c.hard >= patience {
		steps /= 16
	}
	l = l.Minus(language.Lines{}.Or(out...)).Within(steps)
	if n == 1 {
		words, ok, tooLarge := l.Shortest()
		if err = tooLarge; ok {
			lines = [][]string{words}
		}
	} else {
		lines, err = l.First(n)
	}
	if err != nil {
		c.hard++
	}
	return lines, err
}

func least(rules []*rule) (all []language.Lines) {
	for _, r := range rules {
		all = append(all, r.least)
	}
	return all
}

func most(rules []*rule) (all []language.Lines) {
	for _, r := range rules {
		all = append(all, r.most)
	}
	return all
}

// wherever tells that there is no such line whatever paths lead to: what a PathFilter
// compares are the places that paths lead to, which are lines of its least.
func (c *comparison) wherever(in, out []*rule) bool {
	var from, covered []*rule
	for _, r := range in {
		if r.resolves != "" {
			from = append(from, r)
		} else if !r.exact() {
			return false
		}
	}
	for _, r := range out {
		if len(from) > 0 && r.resolves == from[0].resolves {
			covered = append(covered, r)
		}
	}
	if len(from) == 0 || slices.ContainsFunc(from, func(r *rule) bool { return r.resolves != from[0].resolves }) {
		return false
	}
	lines, err := c.first(1, least(from), least(covered))
	return err == nil && len(lines) == 0
}

// guesses are a few lines of rules, from the patterns by themselves.
func guesses(rules []*rule) (lines [][]string) {
	for _, r := range rules {
		shape := filters.ShapeOf(r.entry.Filter)
		if r.leaf != nil || shape.Path || shape.Name == "" {
			continue
		}
		choices := [][]string{pyre.Words(shape.Name, "")}
		for _, p := range shape.Args {
			choices = append(choices, pyre.Words(p, ""))
		}
		for i := range samples {
			var line []string
			for _, words := range choices {
				if len(words) > 0 {
					line = append(line, words[i%len(words)])
				}
			}
			if len(line) == len(choices) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// why tells why nobody knows.
func why(err error, in, out []*rule) string {
	if err != nil {
		return "not compared: pattern too large"
	}
	for _, r := range slices.Concat(in, out) {
		if !r.exact() {
			return r.inexact
		}
	}
	return "a command that the patterns tell apart is decided alike"
}

// open writes down what was not found out.
func (c *comparison) open(old, new *rule, why string) {
	c.report.Exact = false
	q := Question{}
	var text string
	switch {
	case new == nil:
		q.Old, text = c.filter(old.own(), 0), "whether NEW refuses a command that "+old.String()+" of OLD allows"
	case old == nil:
		q.New, text = c.filter(new.own(), 1), "whether OLD refuses a command that "+new.String()+" of NEW allows"
	default:
		q.Old, q.New = c.filter(old.own(), 0), c.filter(new.own(), 1)
		text = "whether a command that " + old.String() + " of OLD allows is decided otherwise by " + new.String() + " of NEW"
	}
	q.Text = filters.Untrusted(text + ": " + why)
	if slices.ContainsFunc(c.report.Open, func(o Question) bool { return reflect.DeepEqual(o, q) }) {
		return // it is about another context of the same filter
	}
	c.report.Open = append(c.report.Open, q)
}
