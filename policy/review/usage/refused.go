package usage

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/lint"
)

// RefusedGroup is refused commands for which the same would have to change.
type RefusedGroup struct {
	Change   string              `json:"change"`
	Count    int                 `json:"count"`
	By       []Count             `json:"by"`
	Examples []filters.Untrusted `json:"examples"`
	// Different is how many commands there were, of which none equals another.
	Different int `json:"different_commands"`
}

// mostLooks is how many forms of refused commands are looked at for near misses.
const mostLooks = 500

// refusals groups refused commands.
func (s *session) refusals(r *Report, list []*called) {
	groups := map[string]*RefusedGroup{}
	people := map[string]counts{}
	forms := map[string]string{} // what would have to change
	for _, k := range list {
		key := k.What + "\x00" + k.Why + "\x00" + k.Filter + "\x00" + groupOf(k.Words, 1).key(-1)
		change, ok := forms[key]
		if !ok {
			if len(forms) < mostLooks {
				change = s.change(k)
			} else {
				change = "not assessed: there are too many kinds of refused commands"
			}
			if len(forms) < mostCommands {
				forms[key] = change
			}
		}
		g := groups[change]
		if g == nil {
			g = &RefusedGroup{Change: change}
			groups[change], people[change] = g, counts{}
		}
		g.Count += k.count
		g.Different++
		for who, n := range k.by {
			people[change].add(who, n)
		}
		if len(g.Examples) < examples {
			g.Examples = append(g.Examples, filters.Untrusted(filters.Line(k.Words)))
		}
	}
	for change, g := range groups {
		g.By = people[change].sorted()
		r.Refused = append(r.Refused, *g)
	}
	slices.SortFunc(r.Refused, func(a, b RefusedGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Change, b.Change))
	})
}

// change is what would have to change for a refused command to run.
func (s *session) change(k *called) string {
	switch {
	case k.What == NotAllowed:
		return "allow_users or allow_groups would have to name the caller"
	case k.What == BadConfig, k.What == NotRun:
		return "nothing in the filters: " + filters.Prose(filters.Untrusted(k.Why).Short(200))
	case k.Cut || len(k.Words) == 0:
		return "not known: the record does not have all words"
	}
	d := s.Policy.Decide(policy.Request{Argv: k.Words, Machine: s.Machine})
	switch d.Verdict {
	case policy.Allowed:
		return "nothing: it is allowed today, by " + placeOf(d.Filter).String()
	case policy.NotExecutable:
		return "the program of filter " + placeOf(d.Filter).String() + " would have to be there"
	}
	if k.What == NotFound {
		return fmt.Sprintf("the program of filter %s would have to be there", filters.Show(k.Filter))
	}
	if s.guide == nil {
		s.guide = lint.NewGuide(s.Policy)
	}
	if near := s.guide.Near(k.Words, s.Machine); len(near) > 0 {
		at := "not a word: as whom it runs"
		if n := near[0].Argument; n >= 0 {
			at = fmt.Sprintf("word %d", n)
		}
		return fmt.Sprintf("filter %s would have to take another word: %s", placeOf(&near[0].Filter), at)
	}
	name := path.Base(k.Words[0].Raw())
	if slices.ContainsFunc(s.Policy.Filters, func(e policy.Entry) bool { return path.Base(e.Exec()) == name }) {
		return fmt.Sprintf("a filter for %s that takes other words", filters.Show(name))
	}
	return fmt.Sprintf("a filter for %s, which has none", filters.Show(name))
}
