package pyre

import (
	"slices"
	"strings"
)

// maxWords bounds what Words makes of one piece of a pattern.
const maxWords = 48

// Words returns words that pattern matches, made out of its parse tree: one at
// least for each alternative, within bounds. Where the pattern takes any number of
// characters, and filler is made of such, filler stands; so the words tell what a
// caller may put there. There are none for a pattern that cannot be used, and may
// be none where a look-around is in the way.
//
// It is for those who look at patterns (ironwrapctl), not for deciding.
func Words(pattern, filler string) []string {
	return words(pattern, speller{filler: filler, dot: '.'})
}

// Examples returns the words of p without a filler, and then those with each of
// fills. There may be none.
func (p *Pattern) Examples(fills ...string) (found []string) {
	for _, fill := range append([]string{""}, fills...) {
		for _, w := range p.words(speller{filler: fill, dot: '.'}) {
			if !slices.Contains(found, w) {
				found = append(found, w)
			}
		}
	}
	return found
}

// Dotted returns two words that pattern matches and that differ in an unescaped
// dot between letters or digits, with a dot and with an X: "a.b" and "aXb". It is
// false for a pattern that has none.
func Dotted(pattern string) (meant, also string, ok bool) {
	with := words(pattern, speller{dot: '.', bare: true})
	without := words(pattern, speller{dot: 'X', bare: true})
	for i, w := range with {
		if i < len(without) && w != without[i] && sameButDots(w, without[i]) {
			return w, without[i], true
		}
	}
	return "", "", false
}

func sameButDots(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && (a[i] != '.' || b[i] != 'X') {
			return false
		}
	}
	return true
}

// Requires tells whether each word that pattern matches holds the character r.
func Requires(pattern string, r rune) bool {
	tree, err := parse(pattern)
	return err == nil && requires(&tree.node, r)
}

func requires(n *node, r rune) bool {
	switch n.op {
	case opChar:
		return n.r == r
	case opConcat:
		return slices.ContainsFunc(n.subs, func(sub node) bool { return requires(&sub, r) })
	case opAlternate:
		return !slices.ContainsFunc(n.subs, func(sub node) bool { return !requires(&sub, r) })
	case opRepeat:
		return n.lo > 0 && requires(&n.subs[0], r)
	}
	return false
}

func words(pattern string, s speller) []string {
	p, err := Compile(pattern)
	if err != nil {
		return nil
	}
	return p.words(s)
}

func (p *Pattern) words(s speller) []string {
	tree, err := parse(p.source)
	if err != nil {
		return nil
	}
	var list []string
	for _, w := range s.spell(&tree.node) {
		if !slices.Contains(list, w) && p.Match(w) {
			list = append(list, w)
		}
	}
	return list
}

// speller writes the words of a tree.
type speller struct {
	filler string
	dot    rune // for a dot that stands alone
	bare   bool // only a dot between letters or digits counts as one
}

func (s speller) spell(n *node) []string {
	switch n.op {
	case opChar:
		return []string{string(n.r)}
	case opSet:
		if slices.Equal(n.set, notNewline) && !s.bare {
			return []string{string(s.dot)}
		}
		return []string{string(n.set.pick())}
	case opConcat:
		return s.concat(n)
	case opAlternate:
		var all []string
		for i := range n.subs {
			all = append(all, s.spell(&n.subs[i])...)
		}
		return all[:min(len(all), maxWords)]
	case opRepeat:
		return s.repeat(n)
	}
	return []string{""} // a place, which takes no character
}

func (s speller) concat(n *node) []string {
	all := []string{""}
	for i := range n.subs {
		ends := s.spell(&n.subs[i])
		if s.bare && i > 0 && i < len(n.subs)-1 && slices.Equal(n.subs[i].set, notNewline) && n.subs[i].op == opSet &&
			letter(&n.subs[i-1]) && letter(&n.subs[i+1]) {
			ends = []string{string(s.dot)}
		}
		var next []string
		for _, begin := range all {
			for _, end := range ends {
				next = append(next, begin+end)
			}
		}
		all = next[:min(len(next), maxWords)]
	}
	return all
}

func letter(n *node) bool { return n.op == opChar && asciiWord.has(n.r) }

// repeat writes the filler where it fits, else the least that is something, and
// nothing where that is allowed.
func (s speller) repeat(n *node) []string {
	var all []string
	count := len([]rune(s.filler))
	fits := s.filler != "" && count >= n.lo && (n.hi < 0 || count <= n.hi)
	if any := one(&n.subs[0]); fits && any != nil && !strings.ContainsFunc(s.filler, func(r rune) bool { return !any.has(r) }) {
		all = append(all, s.filler)
	}
	// A dot here is one of many: it stands for any character.
	inner := s
	inner.dot = 'x'
	for _, w := range inner.spell(&n.subs[0]) {
		all = append(all, strings.Repeat(w, max(n.lo, 1)))
	}
	if n.lo == 0 {
		all = append(all, "")
	}
	return all
}

// one is the set of a piece that takes one character; nil for any other piece.
func one(n *node) set {
	switch n.op {
	case opChar:
		return set{n.r, n.r}
	case opSet:
		return n.set
	case opAlternate:
		var all set
		for i := range n.subs {
			s := one(&n.subs[i])
			if s == nil {
				return nil
			}
			all = append(all, s...)
		}
		return normalize(all)
	}
	return nil
}

// pick is a character of s, an inconspicuous one where there is one.
func (s set) pick() rune {
	for _, r := range "xa1X/-._ " {
		if s.has(r) {
			return r
		}
	}
	for i := 0; i < len(s); i += 2 {
		if s[i] > ' ' {
			return s[i]
		}
		if s[i+1] > ' ' {
			return s[i+1]
		}
	}
	if len(s) > 0 {
		return s[0]
	}
	return 'x'
}
