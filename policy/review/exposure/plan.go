package exposure

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"ironwrap/filters"
	"ironwrap/policy"
)

// Plan is what to change first, and what is left of the ways to root then.
type Plan struct {
	Before  int      `json:"before"`  // filters that are root
	After   int      `json:"after"`   // with all changes
	Ways    int      `json:"ways"`    // to root, with all changes
	Unknown int      `json:"unknown"` // filters that are not assessed with all changes: any may be root
	Untried int      `json:"untried"` // filters for which no change was looked for, there being too many
	Changes []Change `json:"changes"` // the greatest effect first
}

// Remedy is what to write in the place of filters, or besides. They were rated with it.
type Remedy struct {
	Kind  string              `json:"kind"`  // Narrower, Section or Configuration
	Lines []filters.Untrusted `json:"lines"` // of a filters file; for Configuration of rootwrap.conf
	Check string              `json:"check"` // what a person has to look at: the engine does not know what a service calls
	Score Score               `json:"score"` // of the worst of the filters with it
	Band  string              `json:"band"`
}

// Change is the remedies of one kind for the filters of one program.
type Change struct {
	Filters []filters.Untrusted `json:"filters"` // their names
	Remedy
	Takes int `json:"takes"` // filters that are root no longer
	Left  int `json:"left"`  // filters that are root after this change and those before it

	of    []int    // places in Report.Filters
	with  []Filter // what they are then
	lines func(name string) []string
}

var checks = map[string]string{
	Narrower:      "it is one call of the program's: write a line for each that the service makes (ironwrapctl learn, or the log, has them)",
	Section:       "whether the program can do with it: ironwrapctl learn tells",
	Configuration: "where the service starts privsep-helper, a filter for its own contexts has to take its place",
}

// plan proposes changes for the filters of r, tries each, and puts those first that take
// most filters from root.
func (r *Report) plan(p *policy.Policy, m Machine) {
	service := serviceOf(p.Path)
	groups := slices.DeleteFunc(equal(r.Filters), func(g []int) bool {
		return rank(r.Filters[g[0]].Band) > rank("high") || r.Filters[g[0]].Band == Unknown
	})
	slices.SortStableFunc(groups, func(a, b []int) int { return r.Filters[b[0]].Score.compare(r.Filters[a[0]].Score) })
	var all []Change
	by := map[string]int{} // places in all: filters of one program that take the same kind of change
	untried := 0
	for i, group := range groups {
		first := group[0]
		if i >= maxTried {
			untried += len(group)
			continue
		}
		c, f, ok := bestChange(&p.Filters[first], r.Filters[first], service, m)
		if !ok {
			continue
		}
		c.of = group
		var lines []filters.Untrusted
		for _, i := range group {
			c.Filters, c.with = append(c.Filters, r.Filters[i].Name), append(c.with, f)
			own := c.Remedy
			own.Lines = filters.Words(c.lines(r.Filters[i].Name.Raw()))
			r.Filters[i].Remedy = &own
			lines = append(lines, own.Lines...)
		}
		c.Lines = lines
		if r.Filters[first].Band == "root" {
			c.Takes = len(group)
		}
		key := fmt.Sprint(c.Kind, " ", baseName(r.Filters[first].Program.Raw()), " ", c.Takes > 0)
		if at, ok := by[key]; ok {
			all[at].join(c)
			continue
		}
		by[key] = len(all)
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b Change) int {
		return cmp.Or(cmp.Compare(b.Takes, a.Takes), cmp.Compare(a.Score, b.Score))
	})
	r.apply(all)
	r.Plan.Untried = untried
}

// maxTried bounds for how many different filters changes are tried: each takes as long as
// some filters do.
const maxTried = 200

// apply rates the policy with one change after the other.
func (r *Report) apply(all []Change) {
	rated := slices.Clone(r.Filters)
	r.Plan = Plan{Before: r.Root.Filters, After: r.Root.Filters, Ways: r.Root.Ways, Unknown: r.Counts[Unknown], Changes: []Change{}}
	for _, c := range all {
		for n, i := range c.of {
			rated[i] = c.with[n]
		}
		root := rootOf(rated)
		c.Left = root.Filters
		if c.Takes > 0 {
			r.Plan.Changes = append(r.Plan.Changes, c)
			r.Plan.After, r.Plan.Ways = root.Filters, root.Ways
		}
	}
}

// bestChange is the change that leaves least of a filter; of those that leave as much
// the one that changes least.
func bestChange(e *policy.Entry, before Filter, service string, m Machine) (best Change, with Filter, ok bool) {
	if e.File == "" {
		return Change{Remedy: Remedy{Kind: Configuration, Check: checks[Configuration], Band: Band(0)},
			lines: func(string) []string { return []string{"[DEFAULT]", "privsep_contexts = none"} }}, Filter{Band: Band(0)}, true
	}
	for _, r := range remedies(e, service) {
		f := Of(&r.entry, m)
		if rank(f.Band) <= rank(before.Band) || f.Score == NotAssessed || ok && rank(f.Band) <= rank(best.Band) {
			continue
		}
		best, with, ok = Change{Remedy: Remedy{Kind: r.kind, Check: checks[r.kind], Score: f.Score, Band: f.Band}, lines: r.lines}, f, true
	}
	return best, with, ok
}

// join adds a change of the same kind.
func (c *Change) join(o Change) {
	c.Filters, c.Lines = append(c.Filters, o.Filters...), append(c.Lines, o.Lines...)
	c.of, c.with = append(c.of, o.of...), append(c.with, o.with...)
	c.Takes += o.Takes
	if o.Score > c.Score {
		c.Score, c.Band = o.Score, o.Band
	}
}

// rank is the place of a band, the worst being 0.
func rank(band string) int { return slices.Index(Bands, band) }

// equal are the places of filters that differ in name and place alone.
func equal(all []Filter) (groups [][]int) {
	at := map[string]int{}
	for i, f := range all {
		key := f.Key + f.marks()
		n, ok := at[key]
		if !ok {
			n = len(groups)
			at[key] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	return groups
}

// String is the plan in a sentence.
func (p Plan) String() string {
	var s string
	switch {
	case p.Before == 0:
		s = "No filter makes its callers root."
	case len(p.Changes) == 0:
		s = fmt.Sprintf("No change was found that takes this below %s.", Count(p.Before, "root filter"))
	case len(p.Changes) == 1:
		s = fmt.Sprintf("1 change takes this from %s to %d.", Count(p.Before, "root filter"), p.After)
	default:
		s = fmt.Sprintf("%d changes take this from %s to %d.", len(p.Changes), Count(p.Before, "root filter"), p.After)
	}
	switch {
	case p.Unknown == 1:
		s += " One more is not assessed, and may be root as well."
	case p.Unknown > 1:
		s += fmt.Sprintf(" %d more are not assessed, and may be root as well.", p.Unknown)
	}
	if p.Untried > 0 {
		s += fmt.Sprintf(" For %s no change was looked for, there being too many.", Count(p.Untried, "filter"))
	}
	return s
}

// Count is a number of things.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// Kinds are the first change of each kind, for what a person has to look at.
func (p Plan) Kinds() (all []Change) {
	for _, c := range p.Changes {
		if !slices.ContainsFunc(all, func(o Change) bool { return o.Kind == c.Kind }) {
			all = append(all, c)
		}
	}
	return all
}

// Group is filters that differ in name and place alone.
type Group struct {
	Filter          // the first
	Others []Filter // the rest
}

// Names are those of the filters, escaped.
func (g Group) Names() string {
	s := g.Name.String()
	for _, o := range g.Others {
		s += ", " + o.Name.String()
	}
	return s
}

// Groups puts equal filters together, in the order of the first of them.
func Groups(all []Filter) (groups []Group) {
	for _, places := range equal(all) {
		g := Group{Filter: all[places[0]]}
		for _, i := range places[1:] {
			g.Others = append(g.Others, all[i])
		}
		groups = append(groups, g)
	}
	return groups
}

// meaning is the same for filters that allow the same as the same user: a name, a place
// and a sandbox section do not matter. Reports of other versions are compared with it, so
// that what is written here stays as it is.
func meaning(e *policy.Entry) string {
	s := filters.ShapeOf(e.Filter)
	return fmt.Sprintf("%q %q %q %q %q %q %q %q %q %t", e.Class, e.Exec(), e.RunAs(), s.Name, s.Args, s.Vars, s.Target, s.Signals, s.File, s.More)
}

// fingerprint is the same for a meaning and the same words more.
func fingerprint(meaning string, more ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %q", meaning, more))
	return hex.EncodeToString(sum[:8])
}
