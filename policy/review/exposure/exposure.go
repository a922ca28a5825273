// Package exposure tells what a policy gives away: which powers over the machine
// each filter hands to whoever may call ironwrap, by which command, and how much
// the sandbox sections take back.
//
// A power is claimed only with a command that shows it: one that the filter itself,
// asked with Match, allows, and that does what the table says. What the table does
// not know counts as arguments of an unknown program.
package exposure

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/accepted"
)

// Report is what a policy gives away.
type Report struct {
	Config   filters.Untrusted `json:"config"`
	About    About             `json:"about"`
	Score    Score             `json:"score"` // that of the worst filter which was assessed
	Band     string            `json:"band"`  // the score in one word: see Bands
	Reasons  []string          `json:"reasons"`
	Counts   map[string]int    `json:"counts"` // filters by band
	Root     Root              `json:"root"`
	Plan     Plan              `json:"plan"`
	Compared bool              `json:"compared"` // with a baseline
	New      []New             `json:"new"`      // what the baseline has not got, worst first
	Accepted *Accepted         `json:"accepted"` // null where no file of accepted risks was read
	Powers   []Power           `json:"powers"`   // the columns, in order
	Filters  []Filter          `json:"filters"`
	Notes    []string          `json:"notes"` // what the loader passed over
}

// About is when, where and of what a report was made. Whoever asks for the report fills
// it in.
type About struct {
	Date    string   `json:"date"` // RFC 3339, UTC
	Host    string   `json:"host"`
	Version string   `json:"version"` // of ironwrapctl
	Digest  string   `json:"sha256"`  // of the lines that sha256sum(1) prints for Files
	Files   []File   `json:"files"`   // all that were read, in that order
	Callers []string `json:"callers"` // who may call, and what says so
}

// File is one that the policy was read from.
type File struct {
	Path   filters.Untrusted `json:"path"`
	Digest string            `json:"sha256"`
}

// Root is how many filters make their callers root, and by what.
type Root struct {
	Filters  int            `json:"filters"`
	Ways     int            `json:"ways"`     // a filter with two powers is two
	Share    float64        `json:"share"`    // of all filters, from 0 to 1
	Powers   map[string]int `json:"powers"`   // filters by Power.ID; a filter may have several
	Programs map[string]int `json:"programs"` // filters by the name of their program, escaped
}

// Filter is what one filter gives away: a row.
type Filter struct {
	Name    filters.Untrusted `json:"name"`
	Class   filters.Untrusted `json:"class"`
	File    filters.Untrusted `json:"file"` // "" for the implicit filter
	Line    int               `json:"line"`
	Text    filters.Untrusted `json:"definition"` // as it stands in the file; "" where nobody filled it in
	Key     string            `json:"key"`        // the same for filters that differ in name and place alone
	Program filters.Untrusted `json:"program"`    // as the filter names it
	Found   filters.Untrusted `json:"found"`      // where it lies; "" where there is none to run
	RunAs   filters.Untrusted `json:"run_as"`
	Sandbox []string          `json:"sandbox"` // keys of its section, as words
	Score   Score             `json:"score"`   // that of its worst power
	Band    string            `json:"band"`
	Cells   []Cell            `json:"powers"` // worst first; what is not in here it does not give away
	Notes   []string          `json:"notes"`
	Remedy  *Remedy           `json:"remedy"` // nil where none was found that helps

	builtIn string // the text of the implicit filter
}

// Cell is one power that a filter gives away.
type Cell struct {
	ID       string              `json:"id"`       // the same as long as a filter allows the same: for baselines
	Power    string              `json:"power"`    // Power.ID
	Score    Score               `json:"score"`    // 0 where the sandbox takes all of it back
	Extent   string              `json:"extent"`   // whole; part: what a pattern says; implied: by a program of the caller's; confined, blocked: by the sandbox or the run-as user
	How      string              `json:"how"`      // what does it
	Example  []filters.Untrusted `json:"example"`  // a command that the filter allows, and that does it
	Limits   []string            `json:"limits"`   // what keeps it down
	Accepted *accepted.Mark      `json:"accepted"` // null where nobody has accepted it
	Free     bool                `json:"-"`        // by its arguments, and to what it is done the caller chooses
}

// The extents of a cell.
const (
	Whole    = "whole"
	Part     = "part"
	Implied  = "implied"
	Confined = "confined"
	Blocked  = "blocked"
)

// Assess looks at each filter of p. The policy's score is that of its worst filter:
// a caller needs no second one.
func Assess(p *policy.Policy, m Machine) Report {
	impatience()
	r := Report{
		Config: filters.Untrusted(p.Path), Powers: powers,
		Reasons: []string{}, Counts: map[string]int{}, Filters: []Filter{}, Notes: []string{}, New: []New{},
		About: About{Files: []File{}, Callers: []string{}},
	}
	m.Callers = m.Callers.Of(p)
	for i := range p.Filters {
		m.Programs = append(m.Programs, p.Filters[i].Exec())
	}
	for i := range p.Filters {
		f := Of(&p.Filters[i], m)
		if p.Filters[i].File == "" {
			f.builtIn = builtIn(p)
		}
		r.Filters = append(r.Filters, f)
		r.Counts[f.Band]++
		r.Score = max(r.Score, f.Score)
	}
	if len(r.Filters) > 0 && r.Counts[Unknown] == len(r.Filters) {
		r.Score = NotAssessed
	}
	r.Band = Band(r.Score)
	r.Root = rootOf(r.Filters)
	r.plan(p, m)
	r.Reasons = append(r.Reasons, topReasons(r.Filters)...)
	for _, n := range p.Notes {
		r.Notes = append(r.Notes, filters.Prose(n.String()))
	}
	return r
}

// rootOf counts the filters that make their callers root. What a program could do
// besides is not counted: running it is enough.
func rootOf(all []Filter) Root {
	root := Root{Powers: map[string]int{}, Programs: map[string]int{}}
	for _, f := range all {
		if Band(f.Score) != "root" {
			continue
		}
		root.Filters++
		root.Programs[filters.Untrusted(baseName(f.Program.Raw())).String()]++
		for _, c := range f.Cells {
			if c.Extent != Implied && Band(c.Score) == "root" {
				root.Powers[c.Power]++
				root.Ways++
			}
		}
	}
	if root.Filters > 0 {
		root.Share = math.Round(100*float64(root.Filters)/float64(len(all))) / 100
	}
	return root
}

// Gate is the score for those who let nothing pass that could be above a limit: a filter
// that was not assessed counts as the most it could be. What is accepted does not count.
func (r Report) Gate() (worst float64) {
	for _, f := range r.Filters {
		worst = max(worst, f.Open().Gate())
	}
	return worst
}

// Of tells what one filter gives away.
func Of(e *policy.Entry, m Machine) Filter {
	f := Filter{
		Name: filters.Untrusted(e.Name), Class: filters.Untrusted(e.Class), File: filters.Untrusted(e.File), Line: e.Line,
		Program: filters.Untrusted(e.Exec()), RunAs: filters.Untrusted(e.RunAs()), Sandbox: []string{}, Notes: []string{},
	}
	if m.Find != nil {
		if path, err := m.Find(e.Exec(), e.RunAs()); err == nil {
			f.Found = filters.Untrusted(path)
		} else {
			f.Notes = append(f.Notes, "the program cannot be run here: "+err.Error())
		}
	}
	c := newConfinement(e, m)
	f.Sandbox = append(f.Sandbox, sections(e.Sandbox)...)
	f.Notes = append(f.Notes, c.notes...)
	b := board{confinement: c, program: e.Exec(), others: m.Programs}
	s := newSubject(e)
	s.who = c.who
	b.class(s)
	b.ways(s)
	b.chains(s)
	b.devices(s)
	b.environment(s)
	b.inner(s)
	b.imply()
	confined, notes := b.helper(e, s, m)
	f.Sandbox, f.Notes = append(f.Sandbox, confined...), append(f.Notes, notes...)
	b.arguments(s)
	f.Cells = b.sorted()
	allowed := meaning(e)
	f.Key = fingerprint(allowed, f.Sandbox...)
	for i, c := range f.Cells {
		more := []string{c.Power}
		if e.File == "" { // what the implicit filter gives away depends on its contexts, which the example names
			more = append(more, Command(c.Example))
		}
		f.Cells[i].ID = fingerprint(allowed, more...)
	}
	if b.dead {
		f.Notes = append(f.Notes, "no command can match this filter: a pattern that cannot be used, or a PathFilter's directory that is written as one")
	}
	if len(f.Cells) > 0 {
		f.Score = f.Cells[0].Score
	}
	f.Band = Band(f.Score)
	return f
}

// board collects the cells of one filter, the worst for each power.
type board struct {
	confinement
	besides *confinement // that holds as well; nil for none
	program string
	others  []string // see Machine
	cells   []Cell
	dead    bool // no command can match
}

// give adds a cell, confined as it is. l says to what the caller may do it.
func (b *board) give(w way, example []filters.Untrusted, l level, only string) {
	b.show(b.need(w), w.how, example, l, only)
}

func (b *board) need(w way) need {
	return need{power: w.power, caps: w.caps, deeds: w.deeds(b.program), asks: asks(b.program)}
}

func (b *board) show(n need, how string, example []filters.Untrusted, l level, only string) {
	c := b.cell(power(n.power).Weight, n, l, only)
	c.How, c.Example, c.Free = how, example, l == toAll
	b.put(c)
}

func (b *board) cell(weight Score, n need, l level, only string) Cell {
	c := Cell{Power: n.power, Score: weight, Extent: Whole, Example: []filters.Untrusted{}, Limits: []string{}}
	if l != toAll {
		c.Score, c.Extent = weight*partOf, Part
		c.Limits = append(c.Limits, only)
	}
	if l == toLittle {
		c.Score = little
	}
	limits := b.limits(n)
	if b.besides != nil {
		limits = append(limits, b.besides.limits(n)...)
	}
	c.confine(limits)
	return c
}

func (c *Cell) confine(all []limit) {
	worst := 1.0
	for _, l := range all {
		if worst = min(worst, l.factor); !slices.Contains(c.Limits, l.why) {
			c.Limits = append(c.Limits, l.why)
		}
	}
	switch c.Score = round(c.Score * Score(worst)); {
	case worst == 0:
		c.Extent = Blocked
	case worst < 1:
		c.Extent = Confined
	}
}

// put keeps the worst cell of each power, and of equals the first that is not implied.
func (b *board) put(c Cell) {
	i := slices.IndexFunc(b.cells, func(o Cell) bool { return o.Power == c.Power })
	switch {
	case i < 0:
		b.cells = append(b.cells, c)
	case c.Score.Gate() > b.cells[i].Score.Gate(), c.Score == b.cells[i].Score && b.cells[i].Extent == Implied && c.Extent != Implied:
		b.cells[i] = c
	}
}

// imply adds to a filter that runs what its caller wants whatever such a program can
// do, which is also what that power then is worth. One that makes its caller root by any
// of the powers gives all of them: root outside of the sandbox does the rest.
func (b *board) imply() {
	for _, by := range []string{Run, Code} {
		i := slices.IndexFunc(b.cells, func(c Cell) bool { return c.Power == by })
		if i < 0 || b.cells[i].Extent == Blocked {
			continue
		}
		example, rules := b.cells[i].Example, b.rules() != "" && (b.besides == nil || b.besides.rules() != "")
		best := round(Score(floor * b.share(by)))
		for _, p := range powers {
			if p.ID == Run || p.ID == Code || p.ID == Arguments {
				continue
			}
			c := b.implied(p.ID, rules)
			c.Example = example
			best = max(best, c.Score)
			b.put(c)
		}
		i = slices.IndexFunc(b.cells, func(c Cell) bool { return c.Power == by })
		b.cells[i].Score = best
		if best < power(by).Weight && b.cells[i].Extent == Whole {
			b.cells[i].Extent = Confined
			b.cells[i].Limits = append(b.cells[i].Limits, "what such a program can still do is in the other columns")
		}
	}
}

// implied is a power that any program has. rules tells that it makes its caller root.
func (b *board) implied(p string, rules bool) Cell {
	c := b.cell(power(p).Weight, need{power: p, any: true}, toAll, "")
	switch c.How = "any program could do it, and the caller chooses the program"; {
	case c.Extent == Whole:
		c.Extent = Implied
	case rules:
		c.Score, c.Extent, c.Limits = power(p).Weight, Implied, []string{}
		c.How = "the program does not do it by itself, but makes its caller root, by another of the powers"
	}
	return c
}

// little is what a power is worth over what nobody misses.
const little = 0.2

// floor is what running a program is worth when every other power is gone: it has
// the machine's processors and memory, and the kernel to attack.
const floor = 2

func (b *board) share(p string) float64 {
	if b.root {
		return 1
	}
	return 0.5
}

// sorted are the cells, worst first, in the order of the columns where they are as
// bad.
func (b *board) sorted() []Cell {
	column := func(c Cell) int { return slices.IndexFunc(powers, func(p Power) bool { return p.ID == c.Power }) }
	slices.SortStableFunc(b.cells, func(x, y Cell) int {
		if n := y.Score.compare(x.Score); n != 0 {
			return n
		}
		return cmp.Compare(column(x), column(y))
	})
	return append([]Cell{}, b.cells...)
}

func round(s Score) Score { return Score(math.Round(float64(s)*10) / 10) }

// WorstFirst returns filters in the order of their scores; of equals, in the order
// in which they are asked.
func WorstFirst(all []Filter) []Filter {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(x, y Filter) int { return y.Score.compare(x.Score) })
	return sorted
}

// Command is an example for people: each word as a shell would take it, where that
// can be said without quotes, else in Go's.
func Command(words []filters.Untrusted) string {
	parts := make([]string, len(words))
	for i, w := range words {
		if parts[i] = w.Quote(); parts[i] != w.Raw() && plainWord.MatchString(w.Raw()) {
			parts[i] = w.Raw()
		}
	}
	return strings.Join(parts, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)
