package difference

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/exposure"
)

// try puts a line before both policies, and writes down a difference.
func (c *comparison) try(line []string) bool {
	argv := filters.Words(line)
	if len(argv) == 0 {
		return false
	}
	var decided [2]policy.Decision
	for i, w := range c.worlds {
		decided[i] = w.side.Policy.Decide(policy.Request{Argv: argv, Machine: w})
	}
	before, after := decided[0], decided[1]
	old, new := before.Verdict == policy.Allowed, after.Verdict == policy.Allowed
	switch {
	case !old && !new || old && new && len(c.changes(before, after)) == 0:
		return false
	case !old:
		c.add(Wider, "allowed by NEW only", nil, argv, decided)
	case !new:
		c.add(Narrower, "allowed by OLD only", nil, argv, decided)
	default:
		c.add(c.direction(before, after), "allowed by both, and run otherwise", c.changes(before, after), argv, decided)
	}
	return true
}

// changes are what is otherwise with a command that both policies allow.
func (c *comparison) changes(a, b policy.Decision) (list []string) {
	note := func(what string, old, new string) {
		if old != new {
			list = append(list, fmt.Sprintf("%s: %s → %s", what, old, new))
		}
	}
	note("run-as", filters.Show(a.RunAs), filters.Show(b.RunAs))
	if a.Signal == nil && b.Signal == nil && !slices.Equal(a.Argv, b.Argv) {
		switch {
		case len(a.Argv) > 0 && len(b.Argv) > 0 && a.Argv[0] != b.Argv[0]:
			note("program", a.Argv[0].Show(), b.Argv[0].Show())
		default:
			note("command", filters.Line(a.Argv), filters.Line(b.Argv))
		}
	}
	if (a.Signal == nil) != (b.Signal == nil) {
		note("done by", doer(a), doer(b))
	}
	if !slices.Equal(a.Env, b.Env) {
		note("environment", orNone(variables(a.Env)), orNone(variables(b.Env)))
	}
	if !slices.Equal(a.Paths, b.Paths) {
		note("paths that are resolved before", paths(a), paths(b))
	}
	if old, new := c.worlds[0].confinements(a), c.worlds[1].confinements(b); !reflect.DeepEqual(old, new) {
		list = append(list, sandboxChanges(old, new)...)
	}
	return list
}

func doer(d policy.Decision) string {
	if d.Signal != nil {
		return "ironwrap, which sends the signal itself"
	}
	return "a program"
}

func paths(d policy.Decision) string {
	var words []string
	for _, i := range d.Paths {
		words = append(words, fmt.Sprintf("word %d", i))
	}
	return orNone(words)
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

func variables(env []filters.Var) (list []string) {
	for _, v := range env {
		list = append(list, (v.Name + "=" + v.Value).Quote())
	}
	return list
}

// direction tells which way a command that both allow has changed.
func (c *comparison) direction(a, b policy.Decision) string {
	ways := map[string]bool{}
	rest := a.Signal == nil && b.Signal == nil && !slices.Equal(a.Argv, b.Argv) || (a.Signal == nil) != (b.Signal == nil) ||
		!slices.Equal(a.Env, b.Env)
	if rest {
		ways[Other] = true
	}
	switch {
	case a.RunAs == b.RunAs:
	case b.RunAs == "root":
		ways[Wider] = true
	case a.RunAs == "root":
		ways[Narrower] = true
	default:
		ways[Other] = true
	}
	// Where a path is resolved before the command runs, it gets the file that it would have
	// come to, and no link can be put in its place.
	switch more, less := contains(b.Paths, a.Paths), contains(a.Paths, b.Paths); {
	case more && less:
	case more:
		ways[Narrower] = true
	case less:
		ways[Wider] = true
	default:
		ways[Other] = true
	}
	looser, tighter := loosens(c.worlds[0].confinements(a), c.worlds[1].confinements(b))
	ways[Wider] = ways[Wider] || looser
	ways[Narrower] = ways[Narrower] || tighter
	switch {
	case ways[Other] || ways[Wider] && ways[Narrower]:
		return Other
	case ways[Wider]:
		return Wider
	case ways[Narrower]:
		return Narrower
	}
	return Other
}

// contains tells whether all of some are in all.
func contains(all, some []int) bool {
	return !slices.ContainsFunc(some, func(i int) bool { return !slices.Contains(all, i) })
}

// add writes a difference down, unless the same filters have shown it before.
func (c *comparison) add(direction, title string, changes []string, argv []filters.Untrusted, decided [2]policy.Decision) {
	item := Item{Witness: argv, Also: []Item{}, Old: c.outcome(decided[0], 0), New: c.outcome(decided[1], 1)}
	item.Given = cmp.Or(c.worlds[0].given(decided[0]), c.worlds[1].given(decided[1]))
	group := title + "\x00" + strings.Join(changes, "\x00")
	key := fmt.Sprintf("%s\x00%p %p %p %p", group, decided[0].Filter, decided[0].Leaf, decided[1].Filter, decided[1].Leaf)
	if c.found[key] {
		return
	}
	c.found[key] = true
	for i, d := range c.report.Differences {
		if d.Direction == direction && d.Title+"\x00"+strings.Join(d.Changes, "\x00") == group {
			c.report.Differences[i].Items = append(d.Items, item)
			return
		}
	}
	if changes == nil {
		changes = []string{}
	}
	c.report.Differences = append(c.report.Differences, Difference{direction, title, changes, []Item{item}})
}

func (c *comparison) outcome(d policy.Decision, side int) *Outcome {
	if d.Verdict != policy.Allowed {
		return nil
	}
	o := &Outcome{Filter: *c.filter(d.Filter, side), RunAs: filters.Untrusted(d.RunAs), Argv: d.Argv, Signal: d.Signal != nil, Env: variables(d.Env), Sandbox: []string{}}
	if o.Env == nil {
		o.Env = []string{}
	}
	if d.Leaf != nil {
		o.Leaf = c.filter(d.Leaf, side)
	}
	for _, s := range c.worlds[side].confinements(d) {
		o.Sandbox = append(o.Sandbox, described(s)...)
	}
	return o
}

// filter is a filter for a report. One whose patterns are too much to ask about is not
// assessed: that would take as long once more.
func (c *comparison) filter(e *policy.Entry, side int) *Filter {
	f, ok := c.exposed[e]
	switch {
	case ok:
	case c.large[e]:
		f = c.named(e, side, exposure.NotAssessed)
	default:
		f = c.named(e, side, exposure.Of(e, c.exposure[side]).Score)
		c.exposed[e] = f
	}
	return &f
}

func (c *comparison) named(e *policy.Entry, side int, score exposure.Score) Filter {
	return Filter{
		filters.Untrusted(e.Name), filters.Untrusted(e.Class), filters.Untrusted(e.File), e.Line,
		filters.Untrusted(c.worlds[side].side.definition(e)), score, exposure.Band(score),
	}
}

// finish counts, and comes to a verdict.
func (c *comparison) finish() {
	r := &c.report
	rank := []string{Wider, Other, Narrower}
	slices.SortStableFunc(r.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(slices.Index(rank, a.Direction), slices.Index(rank, b.Direction)), cmp.Compare(min(len(a.Changes), 1), min(len(b.Changes), 1)))
	})
	for i, d := range r.Differences {
		d.Items = folded(d.Items)
		r.Differences[i] = d
		switch d.Direction {
		case Wider:
			r.Counts.Wider += len(d.Items)
		case Narrower:
			r.Counts.Narrower += len(d.Items)
		default:
			r.Counts.Other += len(d.Items)
		}
	}
	r.Counts.Settings, r.Counts.Open = len(r.Settings), len(r.Open)
	r.Wider = r.Counts.Wider+r.Counts.Other+r.Counts.Open > 0 || slices.ContainsFunc(r.Settings, func(s Setting) bool { return s.Direction == Wider || s.Direction == Other })
	switch {
	case len(r.Differences)+len(r.Settings) > 0:
		r.Verdict = Different
	case len(r.Open) > 0:
		r.Verdict = NotSettled
	default:
		r.Verdict = Same
	}
	for name := range c.worlds[0].absent {
		r.Absent = append(r.Absent, filters.Untrusted(name))
	}
	slices.Sort(r.Absent)
}

// folded are items, with those of commands behind a prefix in those of the commands by
// themselves, where the same filters decide.
func folded(items []Item) (all []Item) {
	for _, item := range items {
		if item.leaves() == ([2]Filter{}) {
			all = append(all, item)
		}
	}
	for _, item := range items {
		leaves := item.leaves()
		if leaves == ([2]Filter{}) {
			continue
		}
		i := slices.IndexFunc(all, func(direct Item) bool { return direct.leaves() == [2]Filter{} && direct.deciders() == leaves })
		if i < 0 {
			all = append(all, item)
		} else {
			all[i].Also = append(all[i].Also, item)
		}
	}
	return all
}

// leaves are the filters that decide behind a prefix, and none where there is none.
func (i Item) leaves() (list [2]Filter) {
	for n, o := range []*Outcome{i.Old, i.New} {
		if o != nil && o.Leaf != nil {
			list[n] = *o.Leaf
		}
	}
	return list
}

// deciders are the filters that decide.
func (i Item) deciders() (list [2]Filter) {
	for n, o := range []*Outcome{i.Old, i.New} {
		if o != nil {
			list[n] = o.Filter
		}
	}
	return list
}
