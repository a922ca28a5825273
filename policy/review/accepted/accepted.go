// Package accepted reads a file of risks that somebody has accepted, and tells which
// findings are among them. An entry holds for one text, such as the definition of a
// filter, and up to a score: what becomes worse is not accepted any more.
package accepted

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"ironwrap/filters"
	"ironwrap/policy/review/plainyaml"
)

// Risk is what can be accepted: a finding of check, a power of audit, a difference of
// diff.
type Risk struct {
	Rule   string  // the id of a rule or a power, or a direction
	Filter string  // its name; "" where it is about none
	File   string  // the path of the file that it is in; "" for the built-in filter
	Text   string  // what stands there
	Score  float64 // how bad it is, from 0 to 10; 10 where nobody knows
}

// Entry is one entry of the file: whoever is responsible for a risk, and until when.
type Entry struct {
	Line   int // in the file
	Rules  []string
	Filter string // NAME or FILE/NAME; "" for what is about no filter
	Text   string
	Score  float64 // what is worse is not accepted
	Reason string
	Who    string
	Until  time.Time // the last day, at 0:00 UTC

	expired bool
	used    map[string]bool   // rules of findings that it accepted
	near    map[string]string // by rule: why it did not accept a finding
}

// List is a file of accepted risks. A nil List accepts nothing.
type List struct {
	Path    string
	Entries []*Entry
}

// Mark says that a finding is accepted, and why, in the shape that scripts rely on.
type Mark struct {
	Reason string `json:"reason"`
	Who    string `json:"who"`
	Until  string `json:"until"` // the last day, as 2026-12-31
}

// String is a mark in a line.
func (m Mark) String() string {
	return fmt.Sprintf("accepted by %s until %s: %s", filters.Prose(m.Who), m.Until, filters.Prose(m.Reason))
}

// Read reads the file at path. rules are all that there are, scored those of which the
// score is not the rule's own; now tells what has expired. The error says where in the
// file what is wrong.
func Read(path string, rules, scored []string, now time.Time) (*List, error) {
	l := &List{Path: path}
	return l, plainyaml.Read(path, func(top *yaml.Node) error {
		if top == nil {
			return fmt.Errorf("it is empty: a list of nothing is written as \"accepted: []\"")
		}
		return plainyaml.Each(top, map[string]func(*yaml.Node) error{
			"accepted": func(n *yaml.Node) error {
				if n.Kind != yaml.SequenceNode {
					return plainyaml.At(n, "accepted is a list of entries")
				}
				for _, item := range n.Content {
					e, err := parse(item, rules, scored)
					if err != nil {
						return err
					}
					e.expired = !now.Before(e.Until.AddDate(0, 0, 1))
					l.Entries = append(l.Entries, e)
				}
				return nil
			},
		})
	})
}

func parse(n *yaml.Node, rules, scored []string) (*Entry, error) {
	e := &Entry{Line: n.Line, Score: -1, used: map[string]bool{}, near: map[string]string{}}
	var until string
	err := plainyaml.Each(n, map[string]func(*yaml.Node) error{
		"rules": plainyaml.Decode(&e.Rules), "filter": line(&e.Filter), "text": line(&e.Text),
		"score": plainyaml.Decode(&e.Score), "reason": line(&e.Reason), "who": line(&e.Who), "until": line(&until),
	})
	if err != nil {
		return nil, err
	}
	for _, need := range []struct{ key, value string }{{"text", e.Text}, {"reason", e.Reason}, {"who", e.Who}, {"until", until}} {
		if strings.TrimSpace(need.value) == "" {
			return nil, plainyaml.At(n, "%s is missing: an entry has rules, text, reason, who and until", need.key)
		}
	}
	if len(e.Rules) == 0 {
		return nil, plainyaml.At(n, "rules is missing: it lists what is accepted, such as [open-shell, run]")
	}
	for _, rule := range e.Rules {
		if !slices.Contains(rules, rule) {
			return nil, plainyaml.At(n, "%s is no rule of check, no power of audit, and no direction of diff", filters.Show(rule))
		}
		if slices.Contains(scored, rule) && e.Score < 0 {
			return nil, plainyaml.At(n, "score is missing: up to which score, from 0 to 10, is %s accepted?", rule)
		}
	}
	if e.Score > 10 || e.Score != e.Score {
		return nil, plainyaml.At(n, "score is a number from 0 to 10")
	}
	if e.Until, err = time.Parse(time.DateOnly, until); err != nil {
		return nil, plainyaml.At(n, "until is a day such as 2026-12-31")
	}
	return e, nil
}

// line reads one value; one that nobody has filled in is empty.
func line(to *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode {
			return plainyaml.At(n, "not one value")
		}
		if n.Tag != "!!null" {
			*to = n.Value
		}
		return nil
	}
}

// For returns what accepts a risk; nil where nothing does.
func (l *List) For(r Risk) *Mark {
	if l == nil {
		return nil
	}
	var mark *Mark
	for _, e := range l.Entries {
		if e.accepts(r) && mark == nil {
			mark = &Mark{e.Reason, e.Who, e.Until.Format(time.DateOnly)}
		}
	}
	return mark
}

// accepts tells whether an entry holds for a risk, and notes why one that nearly does
// does not.
func (e *Entry) accepts(r Risk) bool {
	if !slices.Contains(e.Rules, r.Rule) || !e.about(r) {
		return false
	}
	switch {
	case words(e.Text) != words(r.Text) && e.Filter == "":
		return false
	case words(e.Text) != words(r.Text):
		e.near[r.Rule] = "it reads " + filters.Show(words(r.Text)) + " now"
		return false
	case e.Score >= 0 && r.Score > e.Score:
		e.near[r.Rule] = fmt.Sprintf("its score is %.1f now", r.Score)
		return false
	}
	e.used[r.Rule] = true
	return !e.expired
}

func (e *Entry) about(r Risk) bool {
	return e.Filter == r.Filter || r.Filter != "" && r.File != "" && e.Filter == path.Base(r.File)+"/"+r.Filter
}

// words is a text without regard to how many blanks and line breaks stand in it, and with
// what YAML cannot say escaped.
func words(text string) string { return filters.Prose(strings.Join(strings.Fields(text), " ")) }

// Stale is an entry that does not hold any more.
type Stale struct {
	Entry   *Entry
	Expired bool   // else unused
	Why     string // in a line
}

// Stale lists what has expired, and what accepted nothing, of entries for known rules: of
// others nothing is known. It is for when all findings have been asked about.
func (l *List) Stale(known func(rule string) bool) (list []Stale) {
	if l == nil {
		return nil
	}
	for _, e := range l.Entries {
		rules := slices.DeleteFunc(slices.Clone(e.Rules), func(rule string) bool { return !known(rule) })
		if len(rules) == 0 {
			continue
		}
		if e.expired {
			list = append(list, Stale{e, true, fmt.Sprintf("it was accepted until %s, by %s", e.Until.Format(time.DateOnly), filters.Prose(e.Who))})
			continue
		}
		for _, rule := range rules {
			if e.used[rule] {
				continue
			}
			why := "nothing that was looked at has it"
			if e.near[rule] != "" {
				why = e.near[rule]
			}
			list = append(list, Stale{e, false, rule + e.where() + ": " + why})
		}
	}
	return list
}

func (e *Entry) where() string {
	if e.Filter == "" {
		return ""
	}
	return " of filter " + filters.Show(e.Filter)
}

// Propose writes entries for risks. Reason, who and until are left out: Read refuses the
// file until somebody has filled them in.
func Propose(w io.Writer, risks []Risk) error {
	list := []*proposal{}
	for _, r := range risks {
		r.Text = words(r.Text)
		i := slices.IndexFunc(list, func(p *proposal) bool { return p.Filter == r.Filter && p.Text == r.Text })
		if i < 0 {
			i = len(list)
			list = append(list, &proposal{Filter: r.Filter, Text: r.Text})
		}
		if p := list[i]; !slices.Contains(p.Rules, r.Rule) {
			p.Rules = append(p.Rules, r.Rule)
		}
		list[i].Score = max(list[i].Score, r.Score)
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	return errors.Join(e.Encode(map[string]any{"accepted": list}), e.Close())
}

// proposal is an entry as it is written.
type proposal struct {
	Rules  []string `yaml:"rules,flow"`
	Filter string   `yaml:"filter,omitempty"`
	Text   string   `yaml:"text"`
	Score  float64  `yaml:"score"`
	Reason string   `yaml:"reason"`
	Who    string   `yaml:"who"`
	Until  string   `yaml:"until"`
}
