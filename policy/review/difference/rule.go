package difference

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/language"
)

// rule is a filter, or one that prefixes commands with one that allows what stands
// behind: in the order of a policy the first that matches a line decides about it.
type rule struct {
	entry, leaf *policy.Entry // leaf is nil but behind a prefix
	what        string        // what it matches: where it is the same, the same lines
	does        string        // outcome without the sandbox
	context     string        // what confines it besides: a privsep context
	outcome     string        // what comes of its lines: where it is the same, the same
	least, most language.Lines
	inexact     string // why least is not most; empty where it is
	resolves    string // of a PathFilter: as whom, and which words; empty for none
	first       words  // what its lines can begin with
	behind      words  // and their command behind the prefix
	prefix      string // what of the filter that prefixes; empty for none
	count       int    // of words in each line; 0 where it varies

	earlier []*rule // of the same policy, which have lines in common with it
	across  []*rule // of the other policy
	twin    *rule   // of the other policy, that decides the same lines to the same end
}

func (r *rule) exact() bool   { return r.inexact == "" }
func (r *rule) settled() bool { return r.twin != nil }

// own is the filter that people look at: that of the command behind a prefix.
func (r *rule) own() *policy.Entry {
	if r.leaf != nil {
		return r.leaf
	}
	return r.entry
}

func (r *rule) String() string {
	if r.leaf != nil {
		return "filter " + filters.Show(r.leaf.Name) + " behind " + filters.Show(r.entry.Name)
	}
	return "filter " + filters.Show(r.entry.Name)
}

// rules are those of a policy, in the order in which they are asked. Those whose program
// is not there decide nothing.
func (c *comparison) rules(side int) (all []*rule) {
	w := c.worlds[side]
	p := w.side.Policy
	plain := map[*policy.Entry]*rule{}
	for i := range p.Filters {
		if e := &p.Filters[i]; !filters.Chaining(e.Filter) {
			plain[e] = w.plain(e)
		}
	}
	for i := range p.Filters {
		e := &p.Filters[i]
		if r := plain[e]; r != nil {
			all = append(all, c.byContext(w, r)...)
		}
		if !filters.Chaining(e.Filter) {
			continue
		}
		for j := range p.Filters {
			leaf := plain[&p.Filters[j]]
			if leaf == nil || leaf.entry.RunAs() != e.RunAs() {
				continue
			}
			for _, leaf := range c.byContext(w, leaf) {
				if r := w.chained(e, leaf); r != nil {
					all = append(all, r)
				}
			}
		}
	}
	return all
}

// plain is the rule of a filter that prefixes nothing; nil where its program is not there.
func (w *world) plain(e *policy.Entry) *rule {
	shape := filters.ShapeOf(e.Filter)
	r := &rule{entry: e, first: beginnings(e.Filter, shape)}
	if len(shape.Args) > 0 && len(shape.Vars) == 0 && !shape.More {
		r.count = 1 + len(shape.Args)
	}
	r.what, r.least, r.most, r.inexact = w.lines(e, shape)
	if r.inexact != "" && shape.Path {
		r.resolves = fmt.Sprintf("%s as %q", kind(shape), e.RunAs())
	}
	r.does = fmt.Sprintf("%s as %q", kind(shape), e.RunAs())
	if shape.Target == "" {
		found, err := w.Find(e.Exec(), e.RunAs())
		if err != nil {
			return nil
		}
		r.does += fmt.Sprintf(" runs %q", found.Path)
	}
	if e.File != "" && policy.StartsHelper(e.Filter) {
		r.context = w.helpers(e)
	}
	r.outcome = r.does + w.within(e) + r.context
	return r
}

// byContext are the rules of the implicit filter where a policy confines contexts: one for
// those that both policies confine to the same. Any other filter is one rule.
func (c *comparison) byContext(w *world, r *rule) (all []*rule) {
	if r.entry.File != "" || !c.confineContexts() {
		return []*rule{r}
	}
	for _, names := range c.alike() {
		h, err := r.entry.Context(names[0])
		if err != nil || !slices.Contains(w.contexts(), names[0]) {
			continue
		}
		one := *r
		one.what, one.least, one.most, one.inexact = w.privsepLines(names)
		if h != nil {
			one.context = " in " + w.canonical(h.Sandbox)
			one.outcome = r.does + one.context
		}
		all = append(all, &one)
	}
	return all
}

// alike are the contexts of both policies, those together that each confines to the same.
func (c *comparison) alike() (groups [][]string) {
	at := map[string]int{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(append(c.worlds[0].contexts(), c.worlds[1].contexts()...)))) {
		key := ""
		for _, w := range c.worlds {
			h, err := w.side.Policy.Context(name)
			switch {
			case err != nil || !slices.Contains(w.contexts(), name):
				key += " refused"
			case h == nil:
				key += " as any"
			default:
				key += " " + w.canonical(h.Sandbox)
			}
		}
		i, ok := at[key]
		if !ok {
			i = len(groups)
			at[key], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], name)
	}
	return groups
}

// helpers is what confines the contexts of a filter, which of them it accepts or not.
func (w *world) helpers(e *policy.Entry) (text string) {
	for _, name := range w.side.Policy.NamedContexts() {
		switch h, err := e.Context(name); {
		case err != nil:
			text += " without " + name
		case h != nil:
			text += " with " + name + " in " + w.canonical(h.Sandbox)
		}
	}
	return text
}

// confineContexts tells that one of the policies confines privsep contexts.
func (c *comparison) confineContexts() bool {
	for _, w := range c.worlds {
		p := w.side.Policy
		if p.PrivsepConfine || slices.ContainsFunc(p.NamedContexts(), func(name string) bool { h, _ := p.Context(name); return h != nil }) {
			return true
		}
	}
	return false
}

// contexts are those that the implicit filter lets be asked for.
func (w *world) contexts() []string {
	return slices.Compact(slices.Sorted(slices.Values(w.side.Policy.Contexts())))
}

// privsepLines are what the implicit filter matches for some of its contexts.
func (w *world) privsepLines(contexts []string) (what string, least, most language.Lines, inexact string) {
	return fmt.Sprintf("privsep %q %v", contexts, w.side.Policy.StrictPaths), privsep(contexts, language.Lines{}),
		privsep(contexts, language.Line(language.Text("--config-file", "--config-dir"), language.Prefix("/"))),
		"the implicit filter goes by who can write a file of configuration"
}

// within is what confines a command that these filters allow: a section holds for what
// stands behind a prefix, whichever of the two filters it is of.
func (w *world) within(entries ...*policy.Entry) (text string) {
	for _, e := range entries {
		if c := w.canonical(e.Sandbox); c != w.canonical(nil) {
			text += " in " + c
		}
	}
	return text
}

// kind is what a class does with the words that it matches.
func kind(shape filters.Shape) string {
	switch {
	case shape.Target != "":
		return "signals"
	case len(shape.Vars) > 0:
		return "sets variables"
	case shape.Path:
		var places []int
		for i, constraint := range shape.Args {
			if strings.HasPrefix(constraint, "/") {
				places = append(places, i)
			}
		}
		if len(places) > 0 {
			return fmt.Sprint("resolves ", places)
		}
	}
	return "passes"
}

// chained is the rule of a filter with another one behind it; nil where there is no
// program for the prefix.
func (w *world) chained(e *policy.Entry, leaf *rule) *rule {
	shape := filters.ShapeOf(e.Filter)
	before, _ := language.Before(e.Filter)
	tooLarge := tooLarge(shape)
	r := &rule{
		entry: e, leaf: leaf.entry, first: beginnings(e.Filter, shape), behind: leaf.first,
		prefix:  fmt.Sprintf("%T %s %q %q", e.Filter, shape.Name, shape.Args, e.RunAs()),
		inexact: leaf.inexact,
	}
	if leaf.resolves != "" {
		r.resolves = r.prefix + " before " + leaf.resolves
	}
	if leaf.count > 0 {
		r.count = filters.Prefix(e.Filter) + leaf.count
	}
	at := leaf.entry.Exec()
	if leaf.signals() {
		r.does = "a prefix before " + leaf.does
	} else {
		program, err := w.Find(e.Exec(), e.RunAs())
		if err != nil {
			return nil
		}
		found, _ := w.Find(leaf.entry.Exec(), leaf.entry.RunAs())
		at = found.Path
		r.does = fmt.Sprintf("a prefix of %d by %q before %s", filters.Prefix(e.Filter), program.Path, leaf.does)
	}
	r.outcome = r.does + w.within(e, leaf.entry) + leaf.context
	r.what = fmt.Sprintf("%s before %s called %q or %q", r.prefix, leaf.what, leaf.entry.Exec(), at)
	r.least = before.Then(named(leaf.least, leaf.entry.Exec(), at))
	r.most = before.Then(named(leaf.most, leaf.entry.Exec(), at))
	if tooLarge {
		r.least, r.most, r.inexact = language.Lines{}, language.AnyLine(), largeText
	}
	return r
}

func (r *rule) signals() bool { return filters.ShapeOf(r.entry.Filter).Target != "" }

// named are lines of a filter as they may stand behind a prefix: the program is called by
// a name, or by one of paths, which then is asked for by its name.
func named(l language.Lines, paths ...string) language.Lines {
	slash := language.AnyWord().Then(language.Text("/")).Then(language.AnyWord())
	all := l.And(language.Line(slash.Not()).Then(language.AnyLine()))
	slices.Sort(paths)
	for _, p := range slices.Compact(paths) {
		if strings.Contains(p, "/") {
			_, base := path.Split(p)
			all = all.Or(language.Line(language.Text(p)).Then(l.After(base)))
		}
	}
	return all
}

const largeText = "not compared: pattern too large"

// tooLarge tells that a pattern of a filter is more than can be asked about.
func tooLarge(shape filters.Shape) bool {
	sources := shape.Args
	if shape.Path {
		return false
	}
	if shape.Name != "" {
		sources = append([]string{shape.Name}, sources...)
	}
	return slices.ContainsFunc(sources, func(source string) bool {
		_, err := language.Pattern(source)
		return errors.Is(err, language.ErrTooLarge)
	})
}

// lines are those that a filter matches: what names them, the least and the most that
// they can be, and why these are not the same.
func (w *world) lines(e *policy.Entry, shape filters.Shape) (what string, least, most language.Lines, inexact string) {
	f := e.Filter
	called := ""
	if shape.Name == "" {
		called = f.Exec()
	}
	what = fmt.Sprintf("%T %q %#v", f, called, shape)
	l, exact := language.Of(f)
	switch {
	case tooLarge(shape):
		return what, language.Lines{}, language.AnyLine(), largeText
	case shape.Target != "":
		l = w.kills(f, shape)
		return fmt.Sprintf("%s %q", what, w.running(shape.Target)), l, l, ""
	case exact:
		return what, l, l, ""
	case shape.Path:
		return what + f.RunAs(), l, anywhere(f, shape), "a PathFilter goes by where a path leads, and here were only paths without links and dots"
	case e.Class == "IpFilter":
		return what, ipLeast(f), ipMost(f), "an IpFilter has rules of its own, which are not known as patterns"
	case e.File == "": // the implicit one
		return w.privsepLines(w.contexts())
	}
	return what, language.Lines{}, l, "the filter has rules of its own, which are not known as patterns"
}

// running are the ids of the processes that run a program.
func (w *world) running(target string) (pids []string) {
	places := w.side.places(target)
	for i, p := range w.processes {
		if slices.Contains(places, p) {
			pids = append(pids, fmt.Sprint(firstProcess+i))
		}
	}
	return pids
}

// kills are the lines of a KillFilter with the processes that there are.
func (w *world) kills(f filters.Filter, shape filters.Shape) language.Lines {
	pids := w.running(shape.Target)
	if len(pids) == 0 {
		return language.Lines{}
	}
	if len(shape.Signals) == 0 {
		return language.Line(language.Text("kill"), language.Text(pids...))
	}
	var known []string
	for _, signal := range shape.Signals { // not every word is one
		if f.Match(filters.Words([]string{"kill", signal, pids[0]}), w).Matched {
			known = append(known, signal)
		}
	}
	return language.Line(language.Text("kill"), language.Text(known...), language.Text(pids...))
}

// anywhere are the lines of a PathFilter of which nobody knows where their paths lead.
func anywhere(f filters.Filter, shape filters.Shape) language.Lines {
	_, base := path.Split(f.Exec())
	line := []language.Word{language.Text(f.Exec(), base)}
	for _, constraint := range shape.Args {
		switch {
		case constraint == "pass":
			line = append(line, language.AnyWord())
		case strings.HasPrefix(constraint, "/"):
			line = append(line, language.Prefix("/"))
		default:
			line = append(line, language.Text(constraint))
		}
	}
	return language.Line(line...)
}

// privsep are command lines of oslo.privsep's helper: one context and one socket, and
// options of configuration in between.
func privsep(contexts []string, configuration language.Lines) language.Lines {
	var g language.Grammar
	program := g.Place()
	both := [4]int{program, g.Place(), g.Place(), g.Place()} // read: nothing, a context, a socket, both
	g.Word(0, language.Text("privsep-helper"), program)
	context := language.Line(language.Text("--privsep_context"), language.Text(contexts...))
	socket := language.Line(language.Text("--privsep_sock_path"), language.Prefix("/"))
	g.Line(both[0], context, both[1])
	g.Line(both[2], context, both[3])
	g.Line(both[0], socket, both[2])
	g.Line(both[1], socket, both[3])
	for _, at := range both {
		g.Line(at, configuration, at)
	}
	return g.Lines(both[3])
}

// words are what lines can begin with.
type words struct {
	texts   []string // as text has them
	any     bool     // besides, what pattern matches
	pattern language.Word
	program string // of an EnvFilter: that which the variables are for
	vars    string // of an EnvFilter: their names
}

// beginnings are the first words of the lines of a filter.
func beginnings(f filters.Filter, shape filters.Shape) words {
	if len(shape.Vars) > 0 {
		w := words{texts: []string{"env"}}
		names := map[string]bool{}
		for _, v := range shape.Vars {
			names[v.Name.Raw()] = true
		}
		sorted := slices.Sorted(maps.Keys(names))
		for _, name := range sorted {
			w.texts = append(w.texts, name+"=")
		}
		_, w.program = path.Split(f.Exec())
		w.vars = strings.Join(sorted, "=")
		return w
	}
	names, any := filters.Names(f)
	w := words{any: any}
	for _, name := range names {
		w.texts = append(w.texts, text(name))
	}
	if any {
		var err error
		if w.pattern, err = language.Pattern(shape.Name); errors.Is(err, language.ErrTooLarge) {
			w.pattern = language.AnyWord()
		}
	}
	return w
}

// text is a word, or of one that sets a variable its name.
func text(word string) string {
	if name, _, ok := strings.Cut(word, "="); ok {
		return name + "="
	}
	return word
}

// meet tells whether lines that begin so may be the same.
func (w words) meet(v words) bool {
	switch {
	case w.program != "" && v.program != "":
		return w.program == v.program && w.vars == v.vars
	case w.any && v.any:
		return true
	case v.any:
		return v.meet(w)
	case w.any:
		return slices.ContainsFunc(v.texts, func(t string) bool {
			ok, err := w.pattern.Contains(t)
			return ok || err != nil || strings.HasSuffix(t, "=")
		})
	}
	return slices.ContainsFunc(w.texts, func(t string) bool { return slices.Contains(v.texts, t) })
}

// meets tells whether two rules may have lines in common. It never says no where they do.
func (r *rule) meets(o *rule) bool {
	if r.count > 0 && o.count > 0 && r.count != o.count || !r.first.meet(o.first) {
		return false
	}
	return r.prefix == "" || r.prefix != o.prefix || r.behind.meet(o.behind) || r.behind.any || o.behind.any
}

// connect tells the rules of two policies about one another.
func connect(before, after []*rule) {
	for _, list := range [][]*rule{before, after} {
		for i, r := range list {
			for _, e := range list[:i] {
				if e.meets(r) {
					r.earlier = append(r.earlier, e)
				}
			}
		}
	}
	for _, r := range before {
		for _, o := range after {
			if r.meets(o) {
				r.across, o.across = append(r.across, o), append(o.across, r)
			}
		}
	}
	for _, r := range before {
		for _, o := range r.across {
			if o.twin == nil && o.what == r.what && o.outcome == r.outcome && slices.Equal(r.others(), o.others()) {
				r.twin, o.twin = o, r
				break
			}
		}
	}
}

// others names the rules that decide before r.
func (r *rule) others() (list []string) {
	for _, e := range r.earlier {
		list = append(list, e.what)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
