package pyre

// Piece is one piece of a pattern, for those who ask what patterns can match and what
// they have in common. Deciding is for Match.
type Piece struct {
	Kind Kind
	// Set is of Char: pairs of first and last code point, sorted, apart from one
	// another. A byte b that is not UTF-8 is U+DC00+b.
	Set  []rune
	Subs []Piece // of Row, Either, Repeat and Look; the latter two have one
	// Of Repeat: how often. Max is negative where there is no limit.
	Min, Max int
	// Of Look: what is looked for ends here, instead of beginning here; it must not be
	// there.
	Behind, Negate bool
}

// Kind tells what a Piece matches.
type Kind uint8

const (
	Char      Kind = iota // one character out of Set
	Row                   // all of Subs, one after another
	Either                // one of Subs
	Repeat                // Subs[0], Min to Max times, each time something else if need be
	Look                  // nothing, where Subs[0] matches ahead of here or behind
	Begin                 // nothing, at the argument's start
	End                   // nothing, at its end
	EndOrLF               // nothing, at its end or before a newline there
	LineBegin             // nothing, at its start or behind a newline
	LineEnd               // nothing, at its end or before a newline
	Boundary              // nothing, where one of the characters on both sides is in [0-9A-Za-z_] and the other is not, or is none
)

// Tree returns p in pieces. The argument has to be matched from its start to its end.
// With ascii no argument is matched that has anything outside of ASCII.
func (p *Pattern) Tree() (whole Piece, ascii bool) {
	tree, err := parse(p.source)
	if err != nil || p.engine == "" { // the zero Pattern
		return Piece{Kind: Either}, false
	}
	return piece(&tree.node), tree.boundary
}

func piece(n *node) Piece {
	p := Piece{Kind: kinds[n.op], Min: n.lo, Max: n.hi, Behind: n.behind, Negate: n.negate}
	switch n.op {
	case opChar:
		p.Set = []rune{n.r, n.r}
	case opSet:
		p.Set = append([]rune(nil), n.set...)
	}
	for i := range n.subs {
		p.Subs = append(p.Subs, piece(&n.subs[i]))
	}
	return p
}

var kinds = [...]Kind{
	opChar: Char, opSet: Char, opConcat: Row, opAlternate: Either, opRepeat: Repeat, opLook: Look,
	opBegin: Begin, opEnd: End, opEndOrLF: EndOrLF, opLineBegin: LineBegin, opLineEnd: LineEnd, opBoundary: Boundary,
}
