package programs

import (
	"slices"
	"strings"

	"ironwrap/policy/review/language"
)

// Graph is a set of command lines, without the program's own name: places, and the words
// that lead from one to another. A line begins at place 0.
type Graph struct {
	Edges [][]Edge // by place
	Final []bool   // a line may end there
}

// Edge is a step of one word.
type Edge struct {
	Words *Value
	To    int
}

// Lines is the set of the graph's lines.
func (g *Graph) Lines() language.Lines {
	var out language.Grammar
	for len(g.Edges) > out.Place()+1 {
	}
	var final []int
	for from, edges := range g.Edges {
		for _, e := range edges {
			out.Word(from, e.Words.Word, e.To)
		}
		if g.Final[from] {
			final = append(final, from)
		}
	}
	return out.Lines(final...)
}

// Graph is the set of the command lines in which a way stands, however its options are
// spelled and ordered, with any other options of the program in between. A bare one has
// no other options and no abbreviations, and values stand by themselves: so they are
// written for people.
func (p *Program) Graph(w Way, bare bool) *Graph {
	b := &builder{p: p, w: w, bare: bare, t: p.table(), at: map[place]int{}}
	b.begin()
	if p.Old {
		b.old()
	}
	for i := 0; i < len(b.queue); i++ {
		b.step(b.queue[i])
	}
	b.accept()
	if p.Old {
		b.dashed(b.place(place{}))
	}
	return &b.g
}

// maxOptions bounds how many options can be asked for at once: their sets are counted.
const maxOptions = 6

// place is how far a command line was read.
type place struct {
	seen     int // a bit for each option that was there
	operands int // how many of the way's
	read     int // how many words, up to the program's Lead
	phase    phase
	half     int // one more than the number of a word's set that has begun, of two words
	to       int // where that leads: what will have been seen
}

type phase int

const (
	options  phase = iota // and operands, where they are permuted
	assigned              // NAME=VALUE, no options any more
	operands              // and nothing else
	bundled               // nothing was read, and the first word may be old options
	tests                 // of an Expression, behind its operands
	running               // a command in them that nobody asked for
)

type builder struct {
	p    *Program
	w    Way
	t    *table
	bare bool
	g    Graph

	needed []need
	out    []*option // must not be there
	flags  string    // short options that take nothing
	optional
	values []*Value
	turn   bool // an option ends the operands

	at    map[place]int
	queue []place
}

// optional are the options that need not be there.
type optional struct {
	whole *Value // in one word
	half  *Value // with their values in the next
}

// need is an option that must be there.
type need struct {
	*option
	Option
}

func (b *builder) begin() {
	for _, o := range b.w.Options {
		n := need{Option: o}
		if !o.Assigns {
			n.option = b.t.of(o.Name)
		}
		b.needed = append(b.needed, n)
	}
	if len(b.needed) > maxOptions {
		panic("too many options in a way of " + b.p.Names)
	}
	b.w.Without = slices.Concat(b.w.Without, b.apart())
	b.may()
	if b.p.Old {
		b.place(place{phase: bundled})
	}
	b.place(place{})
}

// apart are the options that the program does not take beside those that must be there.
func (b *builder) apart() (names []string) {
	for group := range strings.SplitSeq(b.p.Apart, ",") {
		group := strings.Fields(group)
		for _, n := range b.needed {
			same := func(name string) bool { return n.option != nil && b.t.of(name) == n.option }
			if slices.ContainsFunc(group, same) {
				if len(group) > 1 {
					group = slices.DeleteFunc(group, same)
				}
				names = append(names, group...)
				break
			}
		}
	}
	return names
}

// may finds out what else may be there.
func (b *builder) may() {
	for _, name := range b.w.Without {
		if o := b.t.of(name); o != nil {
			b.out = append(b.out, o)
		}
	}
	for _, o := range b.t.options {
		if o.takes == nothing && b.keeps(o) {
			b.flags += string(o.short)
		}
	}
	if b.bare {
		return
	}
	key := strings.Join(b.w.Without, " ")
	known, ok := b.p.others[key]
	if !ok {
		known = b.all()
		if b.p.others == nil {
			b.p.others = map[string]optional{}
		}
		b.p.others[key] = known
	}
	b.optional = known
}

func (b *builder) keeps(o *option) bool {
	if b.bare {
		return slices.ContainsFunc(b.needed, func(n need) bool { return n.option == o })
	}
	return !slices.Contains(b.out, o)
}

func (b *builder) all() optional {
	var short [perhaps + 1]string
	var long, single [perhaps + 1][]string
	for _, o := range b.t.options {
		if !b.keeps(o) {
			continue
		}
		short[o.takes] += string(o.short)
		for _, name := range o.single {
			single[o.takes] = append(single[o.takes], "-"+name)
		}
		for _, name := range o.long {
			long[o.takes] = append(long[o.takes], b.spelled(name)...)
		}
	}
	bundle := dash.Then(language.Chars(b.flags).Star())
	half := language.Text(slices.Concat(long[value], single[value])...).Or(bundle.Then(language.Chars(short[value])))
	one := bundle.Minus(dash).Or(
		language.Text(slices.Concat(long[nothing], single[nothing], long[perhaps])...),
		language.Text(slices.Concat(long[value], long[perhaps])...).Then(language.Prefix("=")),
		bundle.Then(language.Chars(short[value])).Then(some),
		bundle.Then(language.Chars(short[perhaps])).Then(language.AnyWord()),
		language.Text(single[perhaps]...).Then(language.AnyWord()))
	return optional{&Value{Word: one, Like: b.some(nothing), Kind: "option"}, &Value{Word: half, Like: b.some(value), Kind: "option"}}
}

// some are options of a kind as people write them.
func (b *builder) some(kind takes) (list []string) {
	for _, o := range b.t.options {
		if o.takes != kind || !b.keeps(o) || len(list) > 3 {
			continue
		}
		for _, r := range o.short {
			list = append(list, "-"+string(r))
		}
		for _, name := range o.single {
			list = append(list, "-"+name)
		}
		for _, name := range o.long {
			list = append(list, "--"+name)
		}
	}
	return list
}

var (
	dashes    = Text("--")
	lone      = Text("-")
	dash      = language.Text("-")
	some      = language.AnyWord().Minus(language.Text(""))
	notOption = language.Prefix("-").Not().Or(dash)
	noEquals  = language.AnyWord().Then(language.Text("=")).Then(language.AnyWord()).Not()
	assign    = pattern("[^=]+=.*")
)

func pattern(source string) language.Word {
	w, err := language.Pattern("(?s)" + source)
	if err != nil {
		panic(err)
	}
	return w
}

// long is how an option is written with two dashes, without a value.
func (b *builder) long(o *option) language.Word {
	var names []string
	for _, name := range o.long {
		names = append(names, b.spelled(name)...)
	}
	return language.Text(names...)
}

// spelled is how a long name is written.
func (b *builder) spelled(name string) (list []string) {
	if b.bare {
		return []string{"--" + name}
	}
	for _, s := range b.p.spelled(b.t, name) {
		list = append(list, "--"+s)
	}
	return list
}

// place is the number of a place.
func (b *builder) place(p place) int {
	n, ok := b.at[p]
	if !ok {
		n = len(b.queue)
		b.at[p] = n
		b.queue = append(b.queue, p)
		b.g.Edges = append(b.g.Edges, nil)
		b.g.Final = append(b.g.Final, false)
	}
	return n
}

func (b *builder) edge(from place, w *Value, to place) {
	if b.turn && to.phase == options {
		to.phase = tests
	}
	n := b.place(to)
	f := b.place(from)
	b.g.Edges[f] = append(b.g.Edges[f], Edge{w, n})
}

// value is the place between the two words of an option.
func (b *builder) value(at place, v *Value, seen int) place {
	b.values = append(b.values, v)
	at.half, at.to = len(b.values), seen
	return at
}

// old adds first words in which all of a set of options are, without a dash.
func (b *builder) old() {
	from := place{phase: bundled}
	var others string // options that take a value which nobody asked for
	for _, o := range b.t.options {
		if o.takes == value && !b.bare && b.keeps(o) {
			others += string(o.short)
		}
	}
	for set := range 1 << len(b.needed) {
		text, valued, ok := b.letters(set)
		if !ok {
			continue
		}
		if valued != nil {
			b.edge(from, &Value{Word: b.lettered(string(valued.short), set), Like: []string{text}}, b.value(place{}, valued.value(), set))
			continue
		}
		bundle := &Value{Word: b.lettered("", set).Minus(language.Text(""))}
		if text != "" {
			bundle.Like = []string{text}
		}
		b.edge(from, bundle, place{seen: set})
		if others != "" {
			b.edge(from, &Value{Word: b.lettered(others, set)}, b.value(place{}, &Any, set))
		}
	}
}

// dashed lets a line begin as it may at from, if its first word is no old bundle.
func (b *builder) dashed(from int) {
	b.g.Final[0] = b.g.Final[from]
	for _, e := range b.g.Edges[from] {
		v := &Value{Word: e.Words.Word.And(language.Prefix("-").Or(language.Text(""))), Kind: e.Words.Kind}
		for _, like := range e.Words.Like {
			if like == "" || like[0] == '-' {
				v.Like = append(v.Like, like)
			}
		}
		b.g.Edges[0] = append(b.g.Edges[0], Edge{v, e.To})
	}
}

// letters are the short options of a set, and the one of them that takes a value.
func (b *builder) letters(set int) (text string, valued *need, ok bool) {
	for i, n := range b.needed {
		switch {
		case set&(1<<i) == 0:
			continue
		case n.option == nil || len(n.short) == 0 || n.takes == perhaps || n.takes == value && valued != nil:
			return "", nil, false
		case n.takes == value:
			valued = &b.needed[i]
		}
		text += string(n.short[0])
	}
	return text, valued, true
}

// lettered are the words of short options, all of a set and one of those that take a
// value.
func (b *builder) lettered(valued string, set int) language.Word {
	word := language.Chars(b.flags).Star()
	if valued != "" {
		word = word.Then(language.Chars(valued)).Then(word)
	}
	for i, n := range b.needed {
		if set&(1<<i) != 0 {
			word = word.And(language.AnyWord().Then(language.Chars(string(n.short))).Then(language.AnyWord()))
		}
	}
	return word
}

// value is what an option is given.
func (n need) value() *Value {
	if n.Given {
		return n.Value
	}
	return &Any
}

func (b *builder) step(at place) {
	if at.phase == bundled {
		return
	}
	if at.half > 0 {
		v := b.values[at.half-1]
		to := at
		to.half, to.to, to.seen = 0, 0, at.to
		b.edge(at, v, to)
		return
	}
	switch b.p.Style {
	case Plain:
	case Assignments:
		b.assignments(at)
	case Expression:
		b.expression(at)
	default:
		if at.phase == options {
			b.options(at)
		}
		if b.p.Style == Environment && at.phase <= assigned && at.operands == 0 {
			b.assignments(at)
		}
	}
	if at.phase != tests && at.phase != running {
		b.operands(at, at.operands)
	}
}

var (
	ending  = Text(";", "+")
	within  = Value{Word: ending.Word.Not(), Like: []string{"{}"}}
	logical = Text("!", "(", ")", ",")
)

// expression adds the tests and actions of an Expression.
func (b *builder) expression(at place) {
	to := at
	switch to.phase = tests; at.phase {
	case operands:
		return
	case running:
		b.edge(at, &within, at)
		b.edge(at, &ending, to)
		return
	case options:
		if at.operands == 0 && !b.bare {
			b.edge(at, &Value{Word: dash.Then(language.Chars(b.flags)), Kind: "option"}, at)
		}
	}
	b.turn = true
	b.options(at)
	b.turn = false
	if !b.bare {
		b.edge(at, &logical, to)
		runs := Text(strings.Fields(b.p.Runs)...)
		to.phase = running
		b.edge(at, &runs, to)
	}
	for i := at.operands; i < len(b.w.Operands); i++ {
		if o := b.w.Operands[i]; o.Runs {
			to.operands, to.phase = i+1, operands
			b.edge(at, o.Value, to)
		} else if o.Any {
			continue
		}
		break
	}
}

func (b *builder) options(at place) {
	if !b.bare {
		b.edge(at, b.optional.whole, at)
		b.edge(at, b.optional.half, b.value(at, &Any, at.seen))
	}
	if b.p.Style == Environment && !b.bare {
		b.edge(at, &lone, at) // as -i (env(1))
	}
	if b.p.Style != Single && b.p.Style != Expression {
		to := at
		to.phase = operands
		if b.p.Style == Environment {
			to.phase = assigned
		}
		b.edge(at, &dashes, to)
	}
	for set := 1; set < 1<<len(b.needed); set++ {
		if set&at.seen == 0 {
			b.require(at, set)
		}
	}
}

// require adds the words in which all of a set of options are.
func (b *builder) require(at place, set int) {
	var list []need
	for i, n := range b.needed {
		if set&(1<<i) != 0 {
			list = append(list, n)
		}
	}
	to := at
	to.seen |= set
	if slices.ContainsFunc(list, func(n need) bool { return n.option == nil }) { // an assignment
		return
	}
	b.bundle(at, list, to)
	if len(list) == 1 {
		b.alone(at, list[0], to)
	}
}

// alone are the words in which an option stands by itself, with one dash or two.
func (b *builder) alone(at place, n need, to place) {
	var single []string
	for _, name := range n.single {
		single = append(single, "-"+name)
	}
	var long []string
	for _, name := range n.long {
		long = append(long, "--"+name)
	}
	names := slices.Concat(single, long)
	if len(names) == 0 {
		return
	}
	word := language.Text(single...)
	spelled := language.Word{}
	if len(n.long) > 0 {
		spelled = b.long(n.option)
	}
	switch {
	case n.takes == nothing:
		b.edge(at, &Value{Word: word.Or(spelled), Like: names}, to)
	case n.takes == perhaps && !n.Given:
		b.edge(at, &Value{Word: word.Then(language.AnyWord()).Or(spelled, spelled.Then(language.Prefix("="))), Like: names}, to)
	case n.takes == value:
		b.edge(at, &Value{Word: word.Or(spelled), Like: names}, b.value(at, n.value(), to.seen))
	}
	if n.takes == perhaps && n.Given && len(single) > 0 {
		b.edge(at, attached(word, single[0], *n.Value), to)
	}
	if (n.takes == perhaps || n.takes == value && !b.bare) && n.Given && len(long) > 0 {
		b.edge(at, attached(spelled.Then(language.Text("=")), long[0]+"=", *n.Value), to)
	}
}

func attached(before language.Word, text string, v Value) *Value {
	out := &Value{Word: before.Then(v.Word), Kind: v.Kind}
	for _, like := range v.Like {
		out.Like = append(out.Like, text+like)
	}
	return out
}

// bundle are the words with one dash in which all of list are, short.
func (b *builder) bundle(at place, list []need, to place) {
	var last *need
	word := dash.Then(language.Chars(b.flags).Star())
	text := "-"
	for i, n := range list {
		switch {
		case len(n.short) == 0:
			return
		case n.takes != nothing && last != nil:
			return
		case n.takes != nothing:
			last = &list[i]
		default:
			word = word.And(language.AnyWord().Then(language.Chars(string(n.short))).Then(language.AnyWord()))
			text += string(n.short[0])
		}
	}
	if last == nil {
		b.edge(at, &Value{Word: word, Like: []string{text}}, to)
		b.valued(at, word, to)
		return
	}
	word = word.Then(language.Chars(string(last.short)))
	text += string(last.short[0])
	switch {
	case !last.Given && last.takes == perhaps:
		b.edge(at, &Value{Word: word.Then(language.AnyWord()), Like: []string{text}}, to)
	case last.takes == value:
		b.edge(at, &Value{Word: word, Like: []string{text}}, b.value(at, last.value(), to.seen))
	}
	if last.Given && (last.takes == perhaps || !b.bare) {
		v := *last.Value
		v.Word = v.Word.Minus(language.Text(""))
		v.Like = slices.DeleteFunc(slices.Clone(v.Like), func(s string) bool { return s == "" })
		b.edge(at, attached(word, text, v), to)
	}
}

// valued adds words that go on with another option, which has a value.
func (b *builder) valued(at place, word language.Word, to place) {
	if b.bare {
		return
	}
	var needs, may []rune
	for _, o := range b.t.options {
		if slices.Contains(b.out, o) {
			continue
		}
		switch o.takes {
		case value:
			needs = append(needs, o.short...)
		case perhaps:
			may = append(may, o.short...)
		}
	}
	if len(needs) > 0 {
		w := word.Then(language.Chars(string(needs)))
		b.edge(at, &Value{Word: w.Then(some)}, to)
		b.edge(at, &Value{Word: w}, b.value(at, &Any, to.seen))
	}
	if len(may) > 0 {
		b.edge(at, &Value{Word: word.Then(language.Chars(string(may))).Then(language.AnyWord())}, to)
	}
}

// assignments adds key=value words. Of one key the last counts: a key that is asked for
// does not come again.
func (b *builder) assignments(at place) {
	to := at
	if b.p.Style == Environment {
		to.phase = assigned
	}
	set := map[string]bool{}
	for i, n := range b.needed {
		if n.option != nil {
			continue
		}
		if at.seen&(1<<i) != 0 {
			set[n.Name] = true
			continue
		}
		next := to
		next.seen |= 1 << i
		b.edge(at, attached(language.Text(n.Name+"="), n.Name+"=", *n.Value), next)
	}
	if b.bare {
		return
	}
	keys := b.keys(set)
	if b.p.Style == Environment && at.phase == options {
		keys = keys.And(notOption)
	}
	b.edge(at, &Value{Word: keys}, to)
}

// keys are the words that assign, but for those to keys of set.
func (b *builder) keys(set map[string]bool) language.Word {
	without := language.Word{}
	for key := range set {
		without = without.Or(language.Prefix(key + "="))
	}
	all := assign
	if b.p.Style == Assignments && b.p.Long != "" {
		all = language.Word{}
		for _, field := range strings.Fields(b.p.Long) {
			all = all.Or(language.Prefix(strings.TrimRight(field, "=") + "="))
		}
	}
	return all.Minus(without)
}

// operands adds the words that are the operand number i, or may follow on it.
func (b *builder) operands(at place, i int) {
	if i == len(b.w.Operands) {
		return
	}
	o := b.w.Operands[i]
	if b.p.Style == Assignments && o.Any {
		b.operands(at, i+1)
		return
	}
	if o.Runs {
		return // see expression
	}
	to := at
	if b.p.ends(at.read) {
		to.phase = operands
	}
	to.read = min(at.read+1, b.p.Lead)
	v := b.w.Operands[i].word(b.restricted(at))
	if !o.Any {
		to.operands = i + 1
		b.edge(at, v, to)
		return
	}
	to.operands = i
	b.edge(at, v, to)
	b.operands(at, i+1)
}

// restriction is what an operand may not be.
type restriction int

const (
	anything   restriction = iota
	noOption               // nothing that would be an option
	noEqual                // nothing that would be an assignment
	noneOfThem             // neither
)

// restricted tells what operands may not be in a place.
func (b *builder) restricted(at place) restriction {
	switch {
	case at.phase == operands || b.p.Style == Plain:
		return anything
	case b.p.Style == Environment && at.phase == options:
		return noneOfThem
	case b.p.Style == Environment || b.p.Style == Assignments:
		return noEqual
	}
	return noOption
}

var restrictions = map[restriction]language.Word{noOption: notOption, noEqual: noEquals, noneOfThem: notOption.Minus(dash).And(noEquals)}

// narrowed is v without what an operand may not be. It is the same for the same.
func (v *Value) narrowed(r restriction) *Value {
	if r == anything {
		return v
	}
	if v.narrow[r] == nil {
		v.narrow[r] = &Value{Word: v.Word.And(restrictions[r]), Like: v.Like, Kind: v.Kind, Few: v.Few}
	}
	return v.narrow[r]
}

func (o Operand) word(r restriction) *Value {
	if o.Any {
		return Any.narrowed(r)
	}
	return o.Value.narrowed(r)
}

// accept finds where a line may end: all options were there, and all operands.
func (b *builder) accept() {
	all := 1<<len(b.needed) - 1
	for i, p := range b.queue {
		rest := true
		for _, o := range b.w.Operands[p.operands:] {
			rest = rest && o.Any
		}
		b.g.Final[i] = p.half == 0 && p.phase != running && p.seen == all && rest
	}
}
