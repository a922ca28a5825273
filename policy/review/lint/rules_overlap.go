package lint

import (
	"reflect"
	"slices"
	"strings"

	"ironwrap/filters/pyre"
	"ironwrap/policy"
	"ironwrap/policy/review/language"
)

// overlapRules are about filters that stand in the way of one another.
var overlapRules = []*Rule{
	{
		ID: "dead-filter", Severity: Note,
		Title: "a filter is never reached, because an earlier one allows all that it allows",
		Help:  "It has no effect: the first filter that matches decides. Remove it, or put it first if it was meant to decide.",
		check: deadFilters,
		finds: []example{
			{filters: "a: CommandFilter, ls, root\nb: CommandFilter, ls, root", at: "a.filters:3:1", says: "filter a (DIR/d/a.filters:2) decides"},
			{filters: "a: CommandFilter, /bin/ls, root\nb: RegExpFilter, ls, root, ls, /etc", here: true, at: "a.filters:3:1"},
			{filters: "a: IpFilter, ip, root", also: "b: IpFilter, ip, root", at: "b.filters:2:1"},
			{filters: "a: RegExpFilter, ls, root, ls, .*\nb: RegExpFilter, ls, root, ls, /etc", at: "a.filters:3:1"},
			{filters: "a: RegExpFilter, ls, root, ls, /(etc|srv)/.*\nb: RegExpFilter, ls, root, ls, /srv/[a-z]+", at: "a.filters:3:1"},
		},
		passes: []example{
			{filters: "a: RegExpFilter, ls, root, ls, /etc\nb: CommandFilter, ls, root"},
			{filters: "a: CommandFilter, ls, root\nb: CommandFilter, ls, nobody"},
			{filters: "a: CommandFilter, ls, root\nb: CommandFilter, /bin/ls, root"},
			{filters: "a: CommandFilter, nosuch, root\nb: CommandFilter, /opt/nosuch, root"},
			{filters: "a: EnvFilter, env, root, A=, ls\nb: EnvFilter, env, root, B=, ls"},
			{filters: "a: RegExpFilter, ls, root, ls, /etc\nb: RegExpFilter, ls, root, ls, .*"},
			{filters: "a: RegExpFilter, ls, root, ls, [a-y]+\nb: RegExpFilter, ls, root, ls, [a-z]+"},
		},
	},
	{
		ID: "overlap-not-assessed", Severity: Note,
		Title: "whether a filter is ever reached was not found out",
		Help:  "The automaton of a pattern of this filter, or of an earlier one, has too many states. Nobody knows whether the earlier one decides: write the pattern simpler.",
		check: unclear,
		finds: []example{
			{filters: `a: RegExpFilter, ls, root, ls, .*a.{40}
b: RegExpFilter, ls, root, ls, .*a.{40}b?`, at: "a.filters:3:1", says: "not assessed: pattern too large"},
		},
		passes: []example{
			{filters: "a: RegExpFilter, ls, root, ls, /(?!etc).*\nb: RegExpFilter, ls, root, ls, /srv/[a-z]+"},
		},
	},
	{
		ID: "pointless-restriction", Severity: Warning,
		Title: "a filter restricts arguments that another filter allows",
		Help:  "What this filter refuses goes through the other one. Remove the open filter, if nothing needs it. Otherwise the restriction only looks like one.",
		check: pointless,
		finds: []example{
			{filters: "a: RegExpFilter, cat, root, cat, /etc/hostname\nb: CommandFilter, cat, root", at: "a.filters:2:1", says: "filter b (DIR/d/a.filters:3) allows cat with any arguments"},
			{conf: "exec_dirs=/bin", filters: "a: CommandFilter, /bin/cat, root", also: "b: PathFilter, cat, root, /srv", here: true, at: "b.filters:2:1"},
			{filters: "a: CommandFilter, ip, root\nb: IpFilter, ip, root", at: "a.filters:3:1"},
		},
		passes: []example{
			{filters: "a: RegExpFilter, cat, root, cat, /etc/hostname\nb: CommandFilter, cat, nobody"},
			{filters: "a: RegExpFilter, cat, root, cat, /etc/hostname\nb: CommandFilter, cat, root\n[Sandbox:b]\nno_new_privs=yes"},
			{filters: "a: CommandFilter, cat, root\nb: CommandFilter, cat, root"},
			{filters: "a: EnvFilter, env, root, A=, cat\nb: CommandFilter, cat, root"},
			{filters: "a: CommandFilter, /opt/nosuch/cat, root\nb: PathFilter, cat, root, /srv"},
		},
	},
	{
		ID: "conflicting-filters", Severity: Warning,
		Title: "two filters allow the same command as different users, or confined differently",
		Help:  "Their order decides, and the names of their files; oslo.rootwrap reads files in the order in which the directory has them. Let one filter allow the command.",
		check: conflicts,
		finds: []example{
			{filters: "a: CommandFilter, ls, nobody", also: "b: CommandFilter, ls, root", at: "b.filters:2:23", says: "filter a (DIR/d/a.filters:2) allows ls too, as nobody"},
			{filters: "a: RegExpFilter, ls, root, ls, /etc\nb: CommandFilter, ls, nobody", at: "a.filters:3:23", says: "allows ls /etc too, as root"},
			{filters: "a: RegExpFilter, ls, root, ls, [a-m]+x\nb: RegExpFilter, ls, nobody, ls, [h-z]+", at: "a.filters:3:22", says: "allows ls hx too, as root"},
			{filters: "a: CommandFilter, ls, root\nb: CommandFilter, ls, root\n[Sandbox:b]\numask=077", at: "a.filters:3:1", says: "in another sandbox"},
		},
		passes: []example{
			{filters: "a: CommandFilter, ls, root", also: "b: CommandFilter, ls, root"},
			{filters: "a: CommandFilter, ls, root\nb: CommandFilter, cat, nobody"},
			{filters: "a: RegExpFilter, ls, root, ls, /etc\nb: RegExpFilter, ls, nobody, ls, /srv"},
		},
	},
}

// unclear finds the filters of which nobody knows whether an earlier one decides.
func unclear(c *config) (found []Finding) {
	for i, f := range c.filters {
		if c.near().cut[i] {
			found = append(found, f.at(-1, "not assessed: too many filters before it could allow the same", ""))
			continue
		}
		for _, earlier := range c.before(i) {
			if f.Class != "RegExpFilter" || earlier.Class != f.Class || earlier.Exec() != f.Exec() {
				continue
			}
			if _, known := c.subset(f, earlier); !known {
				found = append(found, f.at(-1, "not assessed: pattern too large to tell whether "+earlier.where()+" allows all of it", ""))
				break
			}
		}
	}
	return found
}

func deadFilters(c *config) (found []Finding) {
	for i, f := range c.filters {
		if f.file == nil {
			continue
		}
		for _, earlier := range c.before(i) {
			if c.covers(earlier, f) && earlier.RunAs() == f.RunAs() && sameSandbox(earlier.Sandbox, f.Sandbox) {
				found = append(found, f.at(-1, "filter "+quote(f.Name)+" is never reached: "+earlier.where()+" decides", ""))
				break
			}
		}
	}
	return found
}

// covers tells whether a, which comes first, allows whatever b would allow. It may
// say no where that is so, and never yes where it is not.
func (c *config) covers(a, b *filter) bool {
	if a.file == nil || a.chain() != b.chain() {
		return false
	}
	// A filter whose program is missing passes a command on to the next, unless
	// that has the same program. So it does behind a chain, where the command is
	// called by a path that is not its program's.
	if a.Exec() != b.Exec() && (c.machine == nil || !c.found(a) || c.chains(b.RunAs())) {
		return false
	}
	if a.sameAs(b) {
		return a.Class != "KillFilter"
	}
	names := []string{a.Exec(), base(a.Exec())}
	in := func(word string) bool { return word == names[0] || word == names[1] }
	switch {
	case a.Class == "CommandFilter":
		switch b.Class {
		case "CommandFilter", "PathFilter", "IpFilter":
			return in(b.Exec()) && in(base(b.Exec()))
		case "RegExpFilter":
			p := b.patterns()
			return len(p) > 0 && (literal(p[0].text, names[0]) || literal(p[0].text, names[1]))
		}
	case a.Class == "RegExpFilter" && b.Class == "RegExpFilter" && a.Exec() == b.Exec():
		all, _ := c.subset(b, a)
		return all
	}
	return false
}

// chains tells whether a filter may prefix commands of this user.
func (c *config) chains(runAs string) bool {
	known, ok := c.prefixes[runAs]
	if !ok {
		known = slices.ContainsFunc(c.filters, func(f *filter) bool { return f.chain() && f.RunAs() == runAs })
		c.prefixes[runAs] = known
	}
	return known
}

// nearness is which filters could allow what an earlier one allows.
type nearness struct {
	before [][]int32    // by filter, of those before it
	cut    map[int]bool // filters of which there were too many
}

// maxNear bounds how many pairs of filters are compared.
const maxNear = 1 << 21

// near looks at all pairs once, without an automaton: of most pairs of a large policy that
// is all there is to know.
func (c *config) near() *nearness {
	if c.nearby != nil {
		return c.nearby
	}
	n := &nearness{before: make([][]int32, len(c.filters)), cut: map[int]bool{}}
	names, all := map[string][]int32{}, 0
	for i, f := range c.filters {
		f.means = c.means(f)
		name := f.name()
		lists := [][]int32{names[name]}
		if name != "" {
			lists = append(lists, names[""])
		} else {
			lists = lists[:0]
			for _, list := range names {
				lists = append(lists, list)
			}
		}
		for _, list := range lists {
			for _, j := range list {
				if !apart(c.filters[j].means, f.means) {
					n.before[i] = append(n.before[i], j)
				}
			}
		}
		if all += len(n.before[i]); all > maxNear {
			all -= len(n.before[i])
			n.before[i], n.cut[i] = nil, true
		}
		slices.Sort(n.before[i])
		names[name] = append(names[name], int32(i))
	}
	c.nearby = n
	return n
}

// before lists the filters before number i that could allow the same.
func (c *config) before(i int) []*filter {
	var all []*filter
	for _, j := range c.near().before[i] {
		all = append(all, c.filters[j])
	}
	return all
}

// means are the patterns of a RegExpFilter; nil of another, or where one is no pattern.
func (c *config) means(f *filter) (all []*meaning) {
	if f.Class != "RegExpFilter" {
		return nil
	}
	for _, p := range f.patterns() {
		m := c.meaning(p.text)
		if m.err != nil {
			return nil
		}
		all = append(all, m)
	}
	return all
}

// apart tells that two lists of patterns have no line in common.
func apart(p, q []*meaning) bool {
	if p == nil || q == nil {
		return false
	}
	if len(p) != len(q) {
		return true
	}
	for i, x := range p {
		y := q[i]
		switch {
		case x == y:
		case !strings.HasPrefix(x.begin, y.begin) && !strings.HasPrefix(y.begin, x.begin),
			x.exactly && !y.re.Match(x.literal), y.exactly && !x.re.Match(y.literal):
			return true
		}
	}
	return false
}

// sameProgram tells whether two filters run the same program when they are called
// by its name.
func (c *config) sameProgram(a, b *filter) bool {
	if a.Exec() == b.Exec() {
		return true
	}
	if c.machine == nil || base(a.Exec()) != base(b.Exec()) {
		return false
	}
	p, err := c.find(a)
	q, err2 := c.find(b)
	return err == nil && err2 == nil && p.Path == q.Path
}

func (c *config) found(f *filter) bool {
	_, err := c.find(f)
	return err == nil
}

// literal tells whether a pattern matches this word and no other.
func literal(pattern, word string) bool {
	p, err := pyre.Compile(pattern)
	return err == nil && p.Engine() == pyre.Literal && p.Match(word)
}

// overlapSteps bounds one question about two patterns: a fraction of a second.
const overlapSteps = 1 << 16

// meaning is what a pattern matches.
type meaning struct {
	word    language.Word
	re      *pyre.Pattern
	begin   string // of all words
	example string // one of them, once it was asked for
	asked   bool
	literal string // where it is the only word
	exactly bool
	err     error
}

// some is a word that the pattern matches; false where none is known.
func (m *meaning) some() (word string, ok bool) {
	if !m.asked {
		m.example, _, _ = m.word.Shortest()
		m.asked = true
	}
	return m.example, m.re.Match(m.example)
}

func (c *config) meaning(pattern string) *meaning {
	if m, ok := c.meanings[pattern]; ok {
		return m
	}
	m := &meaning{}
	if m.word, m.err = language.Pattern(pattern); m.err == nil {
		m.word = m.word.Within(overlapSteps)
		m.begin = language.Begin(pattern)
		if m.re, m.err = pyre.Compile(pattern); m.err == nil && m.re.Engine() == pyre.Literal {
			if words := pyre.Words(pattern, ""); len(words) == 1 {
				m.literal, m.begin, m.exactly = words[0], words[0], true
			}
		}
	}
	c.meanings[pattern] = m
	return m
}

// subset tells whether b matches all command lines that a matches, word by word; known
// is false where that was not found out.
func (c *config) subset(a, b *filter) (all, known bool) {
	p, q := a.patterns(), b.patterns()
	if len(p) != len(q) || len(p) == 0 {
		return false, true
	}
	known = true
	for i := range p {
		if p[i].text == q[i].text {
			continue
		}
		x, y := c.meaning(p[i].text), c.meaning(q[i].text)
		if x.err != nil || y.err != nil { // bad-pattern has the word
			return false, true
		}
		if x.exactly {
			if !y.re.Match(x.literal) {
				return false, true
			}
			continue
		}
		if word, ok := x.some(); ok && !y.re.Match(word) {
			return false, true
		}
		within, err := x.word.Subset(y.word)
		switch {
		case err != nil:
			known = false
		case !within:
			return false, true
		}
	}
	return known, known
}

func pointless(c *config) (found []Finding) {
	for _, f := range c.filters {
		if f.file == nil || f.open() || f.chain() || f.Class != "RegExpFilter" && f.Class != "PathFilter" && f.Class != "IpFilter" {
			continue
		}
		for _, wide := range c.filters {
			if wide.Class != "CommandFilter" || wide.file == nil || wide.RunAs() != f.RunAs() ||
				!c.sameProgram(wide, f) || !sameSandbox(wide.Sandbox, f.Sandbox) {
				continue
			}
			found = append(found, f.at(-1, "filter "+quote(f.Name)+" restricts nothing: "+wide.where()+" allows "+quote(base(wide.Exec()))+" with any arguments", ""))
			break
		}
	}
	return found
}

func conflicts(c *config) (found []Finding) {
	for i, f := range c.filters {
		if f.file == nil || f.chain() {
			continue
		}
		for _, earlier := range c.before(i) {
			as := earlier.RunAs() != f.RunAs()
			if earlier.file == nil || earlier.chain() || !as && sameSandbox(earlier.Sandbox, f.Sandbox) {
				continue
			}
			argv := c.common(earlier, f)
			if argv == nil {
				continue
			}
			if as {
				found = append(found, f.at(2, earlier.where()+" allows "+line(argv)+" too, as "+quote(earlier.RunAs()), ""))
			} else {
				found = append(found, f.at(-1, earlier.where()+" allows "+line(argv)+" too, in another sandbox", ""))
			}
			break
		}
	}
	return found
}

// common is the shortest command that both filters accept; nil if there is none, or
// none was found.
func (c *config) common(a, b *filter) []string {
	if a.name() != "" && b.name() != "" && a.name() != b.name() {
		return nil
	}
	var argv []string
	if a.Class == "RegExpFilter" && b.Class == a.Class {
		argv = c.meet(a.patterns(), b.patterns())
	} else {
		x, _ := language.Of(a.Filter)
		y, _ := language.Of(b.Filter)
		argv, _, _ = x.And(y).Within(overlapSteps).Shortest() // nil with an error
	}
	if !a.accepts(argv) || !b.accepts(argv) {
		return nil
	}
	return argv
}

// meet is the shortest line of words that two lists of patterns match; nil if none is
// known.
func (c *config) meet(p, q []field) (argv []string) {
	if len(p) != len(q) {
		return nil
	}
	for i := range p {
		x, y := c.meaning(p[i].text), c.meaning(q[i].text)
		if x.err != nil || y.err != nil {
			return nil
		}
		if y.exactly {
			x, y = y, x
		}
		if x.exactly && !y.re.Match(x.literal) {
			return nil
		}
		word, ok := x.literal, true
		if !x.exactly {
			word, ok, _ = x.word.And(y.word).Shortest() // false with an error
		}
		if !ok {
			return nil
		}
		argv = append(argv, word)
	}
	return argv
}

// name is the base name of the only program that f is called by; "" where a pattern
// may stand for others.
func (f *filter) name() string {
	name := base(f.Exec())
	if p := f.patterns(); f.Class == "RegExpFilter" && (len(p) == 0 || p[0].text != name) {
		return ""
	}
	if f.Class == "ReadFileFilter" {
		return "cat"
	}
	if f.Class == "KillFilter" {
		return "kill"
	}
	return name
}

// sameSandbox compares what two filters are confined to.
func sameSandbox(a, b *policy.Sandbox) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.DeepEqual(a, b)
}
