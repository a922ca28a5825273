// Package lint finds what is wrong, dangerous or dead in a configuration: static
// rules over what policy.Load has read, and over the files themselves. Only
// ironwrapctl links it.
//
// A rule says nothing that it has not tried: what a filter accepts is asked of the
// filter, what a pattern matches of the pattern, who can write a file of the check
// that the executor makes.
package lint

import (
	"cmp"
	"slices"

	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/collected"
)

// Severity is how bad a finding is. The zero Severity is none.
type Severity int

const (
	Note    Severity = iota + 1 // worth knowing; often right as it is
	Warning                     // gives away more than it says, or does not what it says
	Error                       // cannot work, or gives away everything to whoever asks
)

var severities = []string{"", "note", "warning", "error"}

func (s Severity) String() string { return severities[s] }

// ParseSeverity reads "note", "warning" or "error".
func ParseSeverity(name string) (Severity, bool) {
	i := slices.Index(severities, name)
	return Severity(i), i > 0
}

// Rule is one kind of finding.
type Rule struct {
	ID       string // stable; lower case, with hyphens
	Severity Severity
	Title    string // what is found, in a few words
	Help     string // why that matters, and what to do
	check    func(*config) []Finding

	// Here tells that the rule asks the machine on which the configuration is in force: who
	// owns files, what is installed, which users there are, what sudo allows. It says
	// nothing about a tree.
	Here bool

	// Score is how much an intruder gets out of it, from 0 to 10, as audit counts it; 0
	// where nobody knows.
	Score float64

	// What the rule must find and what it must not, held by the tests.
	finds, passes []example
}

// Finding is one place where a rule applies.
type Finding struct {
	Rule    *Rule
	Path    string
	Line    int    // from 1; 0 for the file as a whole
	Column  int    // in characters, from 1; 0 for the line as a whole
	Width   int    // in characters
	Cited   string // the line
	Message string // one line, what it quotes is escaped
	Hint    string // what to do here; empty where the rule's help says all

	Witness []string // of a filter that allows too much: a command that it accepts

	Filter   string          // the name of the filter that it is about; "" for none
	Tree     *collected.Tree // that it is in; nil for this machine
	Hosts    []string        // more than one where it was merged with others
	ID       string          // stays when lines come and go; whoever asks for the report fills it in
	Accepted *accepted.Mark  // nil where nobody has accepted it
	Known    bool            // a baseline has it
	text     string          // what an entry of the accepted risks has to say of it
}

// Risk is a finding as somebody may accept it.
func (f Finding) Risk() accepted.Risk {
	return accepted.Risk{Rule: f.Rule.ID, Filter: f.Filter, File: f.Path, Text: f.text, Score: f.Rule.Score}
}

// saying is what tells findings apart.
type saying struct {
	rule         *Rule
	path         string
	line, column int
	message      string
}

func (f Finding) saying() saying { return saying{f.Rule, f.Path, f.Line, f.Column, f.Message} }

// Report is what came of one or more configurations.
type Report struct {
	Findings []Finding // by configuration, file and line
	Unusable int       // configurations of which nothing could be read
	Beside   []string  // for each configuration, whose sudoers lines were checked
}

// Worst is the gravest severity among the findings that are neither accepted nor known
// from a baseline; 0 without any.
func (r Report) Worst() (worst Severity) {
	for _, f := range r.Findings {
		if f.Accepted == nil && !f.Known {
			worst = max(worst, f.Rule.Severity)
		}
	}
	return worst
}

// Count is how many findings are of a severity, and not accepted.
func (r Report) Count(s Severity) (n int) {
	for _, f := range r.Findings {
		if f.Rule.Severity == s && f.Accepted == nil {
			n++
		}
	}
	return n
}

// Check applies all rules to each rootwrap.conf of paths, which are absolute.
func Check(paths []string, facts Facts) Report {
	var targets []Target
	for _, path := range paths {
		targets = append(targets, Target{Path: path})
	}
	return CheckAll(targets, facts)
}

// CheckAll applies to each target all rules that can say something of it.
func CheckAll(targets []Target, facts Facts) Report {
	var report Report
	var here []string
	said := map[saying]bool{}
	for _, t := range targets {
		if t.Tree == nil {
			here = append(here, t.Path)
		}
	}
	for _, t := range targets {
		c := read(t, facts)
		c.checked = here
		if c.conf == nil {
			report.Unusable++
		}
		var found []Finding
		for _, rule := range rules {
			if rule.Here && t.Tree != nil {
				continue
			}
			for _, f := range rule.check(c) {
				f.Rule, f.Tree = rule, t.Tree
				c.describe(&f)
				f.Path = c.real(f.Path)
				if s := f.saying(); !said[s] {
					said[s] = true
					found = append(found, f)
				}
			}
		}
		slices.SortStableFunc(found, func(a, b Finding) int {
			return cmp.Or(
				cmp.Compare(c.rank(a.Path), c.rank(b.Path)), cmp.Compare(a.Path, b.Path),
				cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
				cmp.Compare(b.Rule.Severity, a.Rule.Severity), cmp.Compare(a.Rule.ID, b.Rule.ID))
		})
		report.Findings = append(report.Findings, found...)
		if text := c.besides(); text != "" && t.Tree == nil {
			report.Beside = append(report.Beside, text)
		}
	}
	report.accept(facts.Accepted())
	return report
}

// Rules lists all rules, in the order of the documentation.
func Rules() []*Rule { return slices.Clone(rules) }
