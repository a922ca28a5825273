package lint

import (
	"strings"

	"ironwrap/policy/review/accepted"
)

// acceptedRules are about the file of accepted risks, which is looked at when all other
// rules have spoken.
var acceptedRules = []*Rule{expiredRule, unusedRule}

var expiredRule = &Rule{
	ID: "accepted-expired", Severity: Warning,
	Title: "a risk was accepted for a time that is over",
	Help:  "What was accepted counts again. Look at it anew: take it out of the policy, or accept it for another while.",
	check: later,
	finds: []example{{filters: "sh: CommandFilter, sh, root", accepts: `- rules: [open-shell]
  filter: sh
  text: CommandFilter, sh, root
  reason: the next release does without
  who: jane@example.org
  until: 2020-06-30
`, at: "accepted.yaml:2", says: "it was accepted until 2020-06-30, by jane@example.org"}},
	passes: []example{{filters: "sh: CommandFilter, sh, root", accepts: `- rules: [open-shell]
  filter: sh
  text: CommandFilter, sh, root
  reason: the next release does without
  who: jane@example.org
  until: 9999-06-30
`}},
}

var unusedRule = &Rule{
	ID: "accepted-unused", Severity: Warning,
	Title: "a risk was accepted that is not there, or not so",
	Help:  "An entry holds for one rule, one filter and one text, up to its score. Where that has changed look at it anew, and where it is gone take the entry out: it would accept the same if it came back.",
	check: later,
	finds: []example{{filters: "sh: CommandFilter, sh, root", accepts: `- rules: [open-shell]
  filter: sh
  text: RegExpFilter, sh, root, sh, -c, id
  reason: it runs id alone
  who: jane@example.org
  until: 9999-06-30
`, at: "accepted.yaml:2", says: `open-shell of filter sh: it reads "CommandFilter, sh, root" now`}},
	passes: []example{{filters: "sh: CommandFilter, sh, root", accepts: `- rules: [open-shell]
  filter: a.filters/sh
  text: CommandFilter,  sh,  root
  reason: the next release does without
  who: jane@example.org
  until: 9999-06-30
`}},
}

// later finds nothing in a configuration by itself: accept does.
func later(*config) []Finding { return nil }

// Acceptable are the ids of the rules whose findings can be accepted.
func Acceptable() (ids []string) {
	for _, r := range rules {
		if r != expiredRule && r != unusedRule {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// accept marks what a list accepts, and finds what of the list does not hold.
func (r *Report) accept(l *accepted.List) {
	for i, f := range r.Findings {
		r.Findings[i].Accepted = l.For(f.Risk())
	}
	known := map[string]bool{}
	for _, id := range Acceptable() {
		known[id] = true
	}
	for _, s := range l.Stale(func(rule string) bool { return known[rule] }) {
		f := Finding{Rule: unusedRule, Path: l.Path, Line: s.Entry.Line, Message: s.Why}
		if s.Expired {
			f.Rule = expiredRule
		}
		f.Cited = strings.Join(s.Entry.Rules, ", ") + " " + s.Entry.Filter + ": " + s.Entry.Text
		r.Findings = append(r.Findings, f)
	}
}

// describe says of a finding which filter it is about, and what stands there.
func (c *config) describe(f *Finding) {
	switch f.text = f.Cited; {
	case f.Line == 0:
		f.text = f.Message
	default:
		for _, list := range [][]*filter{c.filters, c.skipped} {
			for _, l := range list {
				if l.file != nil && l.file.path == f.Path && l.holds(f.Line) {
					f.Filter, f.text = l.Name, l.value
				}
			}
		}
	}
}

// holds tells whether a line of its file belongs to a filter: its own, or one that goes
// on with it, which is indented (configparser).
func (f *filter) holds(line int) bool {
	if line < f.Line {
		return false
	}
	for n := f.Line + 1; n <= line; n++ {
		if text := f.file.line(n); text == "" || indent(text) == 0 {
			return false
		}
	}
	return true
}
