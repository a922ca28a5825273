package language

import (
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"

	"ironwrap/filters/pyre"
)

// pattern is a regular expression as an automaton. What is left of an expression when a
// character was read is an expression again (Brzozowski, Derivatives of Regular
// Expressions, 1964). A place is such a rest: pieces that follow one another. A state is
// a formula over places, for there are look-arounds.
//
// A look-ahead starts out at a place of its own, which what follows has to match too, or
// must not. A look-behind is matched from everywhere, and it is remembered how far that
// has come: it is of fixed width, so that this comes to an end.
type pattern struct {
	whole  *piece
	ascii  bool // nothing outside of ASCII
	behind []*piece
	tells  uint8 // which before there is to remember: see before
	all    *classes
	wide   []bool // by class: outside of ASCII
	breaks int32  // class of the newline
	letter []bool // by class: in \w

	algebra *algebra
	rests   numbers[rest]
	counted map[count]*piece
	derived map[derivation]formula
	tracks  list[int32] // see config.track

	states  numbers[config]
	memory  memory
	accept  map[state]bool
	started state
}

// piece is one of a pyre.Piece, with its classes.
type piece struct {
	kind           pyre.Kind
	set            []rune
	class          int32  // of Char: that of its only character, or else
	in             []bool // by class
	subs           []*piece
	min, max       int
	behind, negate bool
	number         int  // of a look-behind, in pattern.behind
	void           bool // it can match nothing, wherever it is
}

// rest is a place: a piece, and the place behind it.
type rest struct {
	piece *piece
	then  int32
}

// Two places have no piece.
const (
	placeEnd int32 = 0 // here the word ends
	placeAny int32 = 1 // here anything may follow
)

// count is a repeat that has been begun.
type count struct {
	piece    *piece
	min, max int
}

// config is a state.
type config struct {
	f      formula
	before before
	track  int32 // how far the look-behinds have come: [number, place, formula]...
}

// before is what stands before a position, as far as the pattern has to know.
type before uint8

const (
	beforeOther   before = iota
	beforeNone           // it is the start
	beforeNewline        // it is a newline
	beforeLetter         // it is in \w
)

// derivation is a place where a character is read.
type derivation struct {
	at
	place int32
}

// at is a position: what stands before it, and the class of what follows on it.
type at struct {
	before before
	track  int32
	class  int32 // finish where nothing follows
}

const finish int32 = -1

// newPattern is false where a pattern has too many sets of characters.
func newPattern(tree pyre.Piece, ascii bool) (p *pattern, ok bool) {
	p = &pattern{ascii: ascii, algebra: newAlgebra(), counted: make(map[count]*piece), derived: make(map[derivation]formula), accept: make(map[state]bool)}
	p.whole = p.piece(tree)
	if p.all, ok = p.sort(); !ok {
		return nil, false
	}
	p.memory.width = p.all.n
	p.wide, p.letter = make([]bool, p.all.n), make([]bool, p.all.n)
	for i, from := range p.all.from {
		p.wide[p.all.in[i]] = from >= utf8.RuneSelf
		p.letter[p.all.in[i]] = has(word, from)
	}
	p.breaks = p.all.of('\n')
	p.fill(p.whole, make(map[string][]bool))
	return p, true
}

var word = []rune{'0', '9', 'A', 'Z', '_', '_', 'a', 'z'} // \w, of ASCII

// piece copies a tree.
func (p *pattern) piece(tree pyre.Piece) *piece {
	n := &piece{kind: tree.Kind, set: tree.Set, min: tree.Min, max: tree.Max, behind: tree.Behind, negate: tree.Negate}
	for _, sub := range tree.Subs {
		n.subs = append(n.subs, p.piece(sub))
	}
	void := func(sub *piece) bool { return sub.void }
	switch n.kind {
	case pyre.Row:
		n.void = !slices.ContainsFunc(n.subs, func(sub *piece) bool { return !sub.void })
	case pyre.Either:
		n.void = slices.ContainsFunc(n.subs, void)
	case pyre.Repeat:
		n.void = n.min == 0 || n.subs[0].void
	case pyre.Look:
		if n.behind { // inner ones come before those around them
			n.number = len(p.behind)
			p.behind = append(p.behind, n)
		}
	case pyre.Begin:
		p.tells |= 1 << beforeNone
	case pyre.LineBegin:
		p.tells |= 1<<beforeNone | 1<<beforeNewline
	case pyre.Boundary:
		p.tells |= 1 << beforeLetter
	}
	return n
}

// sort finds the classes. It is false where to find them would take too long.
func (p *pattern) sort() (all *classes, ok bool) {
	var chars []rune
	parts := map[string]*classes{"": one}
	apart := func(set []rune) {
		if key := bytesOf(set); parts[key] == nil {
			parts[key] = split(set)
		}
	}
	var visit func(n *piece)
	visit = func(n *piece) {
		switch n.kind {
		case pyre.Char:
			if single(n.set) {
				chars = append(chars, n.set[0])
			} else {
				apart(n.set)
			}
		case pyre.EndOrLF, pyre.LineBegin, pyre.LineEnd:
			chars = append(chars, '\n')
		case pyre.Boundary:
			apart(word)
		}
		for _, sub := range n.subs {
			visit(sub)
		}
	}
	visit(p.whole)
	if p.ascii {
		apart([]rune{utf8.RuneSelf, unicode.MaxRune})
	}
	slices.Sort(chars)
	all = each(slices.Compact(chars))
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		all = all.both(parts[key])
		if len(parts)*all.n > maxClasses {
			return nil, false
		}
	}
	return all, true
}

// maxClasses is how many classes all sets of a pattern may have, taken together.
const maxClasses = 1 << 20

// fill tells the pieces their classes. Those of equal sets are the same.
func (p *pattern) fill(n *piece, known map[string][]bool) {
	switch {
	case n.kind != pyre.Char:
	case single(n.set):
		if n.set[0] != ends { // no character at all
			n.class = p.all.of(n.set[0])
		} else {
			n.class = impossible
		}
	default:
		n.class, n.in = impossible, known[bytesOf(n.set)]
		if n.in == nil {
			n.in = make([]bool, p.all.n)
			for i, from := range p.all.from {
				n.in[p.all.in[i]] = from != ends && has(n.set, from)
			}
			known[bytesOf(n.set)] = n.in
		}
	}
	for _, sub := range n.subs {
		p.fill(sub, known)
	}
}

// impossible is no class.
const impossible int32 = -2

// single tells that a set is one character.
func single(set []rune) bool { return len(set) == 2 && set[0] == set[1] }

func (p *pattern) classes() *classes { return p.all }

func (p *pattern) start(m *meter) state {
	if p.started == 0 {
		c := config{f: p.algebra.single(match(p.place(p.whole, placeEnd))), before: p.told(beforeNone)}
		c.track = p.tracked(m, nil)
		p.started = p.states.of(c)
	}
	return p.started
}

// told is b, or what stands for it where the pattern need not know.
func (p *pattern) told(b before) before {
	if p.tells&(1<<b) == 0 {
		return beforeOther
	}
	return b
}

func (p *pattern) next(m *meter, s state, class int32) state {
	if s < first {
		return s
	}
	if to := *p.memory.at(m, s, class); to != unknown {
		return to
	}
	c := p.states.value(s)
	here := at{c.before, c.track, class}
	to := dead
	if !p.ascii || !p.wide[class] {
		then := config{f: p.after(m, here, c.f), before: beforeOther}
		switch {
		case class == p.breaks && p.tells&(1<<beforeNewline) != 0:
			then.before = beforeNewline
		case p.letter[class]:
			then.before = p.told(beforeLetter)
		}
		if then.f != no {
			then.track = p.advance(m, here)
			to = p.states.of(then)
		}
	}
	m.spend(1)
	*p.memory.at(m, s, class) = to
	return to
}

func (p *pattern) accepts(m *meter, s state) bool {
	if s < first {
		return s == every
	}
	ok, known := p.accept[s]
	if !known {
		c := p.states.value(s)
		ok = p.after(m, at{c.before, c.track, finish}, c.f) == yes
		p.accept[s] = ok
	}
	return ok
}

func (p *pattern) parts(m *meter, s state) (list []state) {
	if s < first {
		return []state{s}
	}
	c := p.states.value(s)
	terms := p.algebra.formulas.all[c.f]
	if len(terms) == 1 {
		return []state{s}
	}
	for _, t := range terms {
		m.spend(1)
		c.f = formula(p.algebra.formulas.of([]int32{t}))
		list = append(list, p.states.of(c))
	}
	return list
}

// place is where n is to be matched, and then what follows at a place.
func (p *pattern) place(n *piece, then int32) int32 {
	switch {
	case n.void && then == placeAny: // it need not match anything
		return placeAny
	case n.kind == pyre.Row:
		for i := len(n.subs) - 1; i >= 0; i-- {
			then = p.place(n.subs[i], then)
		}
		return then
	}
	return int32(p.rests.of(rest{n, then}))
}

// after is what has to hold of the rest, for f to hold here, when the character that
// follows was read. At the end it is yes or no.
func (p *pattern) after(m *meter, here at, f formula) formula {
	var any []formula
	for _, t := range p.algebra.formulas.all[f] {
		all := yes
		for _, l := range p.algebra.terms.all[t] {
			g := p.derive(m, here, l.place())
			if l.negated() {
				g = p.algebra.not(m, g)
			}
			if all = p.algebra.and(m, all, g); all == no {
				break
			}
		}
		if all == yes {
			return yes
		}
		any = append(any, all)
	}
	return p.algebra.or(m, any...)
}

// derive is after for a place.
func (p *pattern) derive(m *meter, here at, place int32) formula {
	key := derivation{here, place}
	f, known := p.derived[key]
	if known {
		return f
	}
	if here.class == finish {
		f = p.over(m, here, place)
	} else {
		var any []formula
		for _, w := range p.ways(m, here, place) {
			g := yes
			if w.place != placeAny {
				g = p.algebra.single(match(w.place))
			}
			any = append(any, p.algebra.and(m, w.cond, g))
		}
		f = p.algebra.or(m, any...)
	}
	p.derived[key] = f
	return f
}

// over tells what has to hold for nothing but places without a character to be between
// here and the end of a place.
func (p *pattern) over(m *meter, here at, place int32) formula {
	f := yes
	for place > placeAny && f != no {
		r := p.rests.value(state(place))
		f = p.algebra.and(m, f, p.empty(m, here, r.piece))
		place = r.then
	}
	return f
}

// way is a place that reading a character leads to, if something holds of the rest.
type way struct {
	place int32
	cond  formula
}

// ways are those that the character which follows opens.
func (p *pattern) ways(m *meter, here at, place int32) []way {
	var list []way
	f := yes
	for f != no {
		switch place {
		case placeEnd:
			return list
		case placeAny:
			return append(list, way{placeAny, f})
		}
		r := p.rests.value(state(place))
		list = p.read(m, here, r.piece, r.then, f, list)
		f = p.algebra.and(m, f, p.empty(m, here, r.piece))
		place = r.then
	}
	return list
}

// read appends the ways in which n takes the character which follows, to go on behind n
// at a place, if f holds.
func (p *pattern) read(m *meter, here at, n *piece, then int32, f formula, list []way) []way {
	m.spend(1)
	switch n.kind {
	case pyre.Char:
		if n.class == here.class || n.in != nil && n.in[here.class] {
			list = append(list, way{then, f})
		}
	case pyre.Row:
		places := make([]int32, len(n.subs)+1)
		places[len(n.subs)] = then
		for i := len(n.subs) - 1; i >= 0; i-- {
			places[i] = p.place(n.subs[i], places[i+1])
		}
		for i, sub := range n.subs {
			if f == no {
				break
			}
			list = p.read(m, here, sub, places[i+1], f, list)
			f = p.algebra.and(m, f, p.empty(m, here, sub))
		}
	case pyre.Either:
		for _, sub := range n.subs {
			list = p.read(m, here, sub, then, f, list)
		}
	case pyre.Repeat:
		if n.max == 0 {
			break
		}
		list = p.read(m, here, n.subs[0], p.repeated(n, max(n.min-1, 0), then), f, list)
		// Where nothing is taken by some rounds, those that must be are soon done.
		if n.min > 1 {
			if f = p.algebra.and(m, f, p.empty(m, here, n.subs[0])); f != no {
				list = p.read(m, here, n.subs[0], p.repeated(n, 0, then), f, list)
			}
		}
	}
	return list
}

// repeated is the place behind one round of n, when so many more must come.
func (p *pattern) repeated(n *piece, must int, then int32) int32 {
	most := n.max
	if most > 0 {
		most--
	}
	switch {
	case most == 0:
		return then
	case most == n.max && must == n.min:
		return p.place(n, then)
	}
	// All repeats of one piece are told apart by their counts alone.
	key := count{n.subs[0], must, most}
	if p.counted[key] == nil {
		p.counted[key] = &piece{kind: pyre.Repeat, subs: n.subs, min: must, max: most, void: must == 0 || n.subs[0].void}
	}
	return p.place(p.counted[key], then)
}

// empty is what has to hold of the rest, for n to match without a character here, when
// the character that follows was read.
func (p *pattern) empty(m *meter, here at, n *piece) formula {
	if n.void {
		return yes
	}
	m.spend(1)
	switch n.kind {
	case pyre.Row:
		f := yes
		for _, sub := range n.subs {
			if f = p.algebra.and(m, f, p.empty(m, here, sub)); f == no {
				break
			}
		}
		return f
	case pyre.Either:
		var any []formula
		for _, sub := range n.subs {
			any = append(any, p.empty(m, here, sub))
		}
		return p.algebra.or(m, any...)
	case pyre.Repeat:
		return p.empty(m, here, n.subs[0])
	case pyre.Look:
		var f formula
		if n.behind {
			f = p.seen(m, here, n)
		} else {
			f = p.derive(m, here, p.place(n.subs[0], placeAny))
		}
		if n.negate {
			f = p.algebra.not(m, f)
		}
		return f
	case pyre.Begin:
		return sure(here.before == beforeNone)
	case pyre.End:
		return sure(here.class == finish)
	case pyre.EndOrLF:
		if here.class == p.breaks {
			return p.algebra.single(match(placeEnd))
		}
		return sure(here.class == finish)
	case pyre.LineBegin:
		return sure(here.before == beforeNone || here.before == beforeNewline)
	case pyre.LineEnd:
		return sure(here.class == finish || here.class == p.breaks)
	case pyre.Boundary:
		return sure((here.before == beforeLetter) != (here.class != finish && p.letter[here.class]))
	}
	return no
}

func sure(holds bool) formula {
	if holds {
		return yes
	}
	return no
}

// seen tells what has to hold of the rest, for a look-behind to hold here, when the
// character that follows was read.
func (p *pattern) seen(m *meter, here at, n *piece) formula {
	track := p.tracks.all[here.track]
	var any []formula
	for i := 0; i < len(track); i += 3 {
		if int(track[i]) != n.number {
			continue
		}
		f := p.over(m, here, track[i+1])
		if f != no {
			f = p.algebra.and(m, f, p.after(m, here, formula(track[i+2])))
		}
		any = append(any, f)
	}
	return p.algebra.or(m, any...)
}

// advance is the track when the character that follows was read.
func (p *pattern) advance(m *meter, here at) int32 {
	track := p.tracks.all[here.track]
	come := make(map[[2]int32]formula)
	for i := 0; i < len(track); i += 3 {
		f := p.after(m, here, formula(track[i+2]))
		if f == no {
			continue
		}
		for _, w := range p.ways(m, here, track[i+1]) {
			key := [2]int32{track[i], w.place}
			come[key] = p.algebra.or(m, come[key], p.algebra.and(m, f, w.cond))
		}
	}
	return p.tracked(m, come)
}

// tracked is the track of what has come so far; and all look-behinds begin anew.
func (p *pattern) tracked(m *meter, come map[[2]int32]formula) int32 {
	if len(p.behind) == 0 {
		return p.tracks.of(nil)
	}
	if come == nil {
		come = make(map[[2]int32]formula)
	}
	for i, n := range p.behind {
		come[[2]int32{int32(i), p.place(n.subs[0], placeEnd)}] = yes
	}
	keys := make([][2]int32, 0, len(come))
	for key, f := range come {
		if f != no {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b [2]int32) int { return slices.Compare(a[:], b[:]) })
	var track []int32
	for _, key := range keys {
		track = append(track, key[0], key[1], int32(come[key]))
	}
	m.spend(len(keys))
	return p.tracks.of(track)
}
