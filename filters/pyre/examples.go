package pyre

import (
	"slices"
	"strings"
)

// Examples returns words that p matches, for those who want to see what a pattern
// lets through. Where it repeats a character, an example has as few as it may, but
// at least one; and for each of fills there are examples with that text in the
// place of such a repeat, one place at a time and in all, where the text fits.
// There may be none.
func (p *Pattern) Examples(fills ...string) []string {
	if p.engine == Literal {
		return []string{p.literal}
	}
	tree, err := parse(p.source)
	if err != nil {
		return nil
	}
	var found []string
	for _, fill := range append([]string{""}, fills...) {
		for place := range maxPlaces + 1 { // the last stands for all
			for choice := range maxChoices {
				w := writer{fill: []rune(fill), place: place, choice: choice}
				w.write(&tree.node)
				if word := w.b.String(); p.Match(word) && !slices.Contains(found, word) {
					found = append(found, word)
				}
			}
		}
	}
	return found
}

const (
	maxPlaces  = 4 // repeats that are filled by themselves
	maxChoices = 6 // alternatives that are tried
)

// writer writes one word. What it does not understand, look-arounds and anchors, it
// leaves to Match.
type writer struct {
	b      strings.Builder
	fill   []rune
	place  int // the repeat that is filled; maxPlaces for all
	seen   int // repeats met
	choice int
}

func (w *writer) write(n *node) {
	switch n.op {
	case opChar:
		w.b.WriteRune(n.r)
	case opSet:
		w.b.WriteRune(usual(n.set))
	case opConcat:
		for i := range n.subs {
			w.write(&n.subs[i])
		}
	case opAlternate:
		w.write(&n.subs[w.choice%len(n.subs)])
	case opRepeat:
		w.repeat(n)
	}
}

func (w *writer) repeat(n *node) {
	one := &n.subs[0]
	lo, hi := width(one)
	if lo == 1 && hi == 1 {
		here := w.place == maxPlaces || w.place == w.seen
		w.seen++
		fits := len(w.fill) > 0 && len(w.fill) >= n.lo && (n.hi < 0 || len(w.fill) <= n.hi)
		if here && fits && !slices.ContainsFunc(w.fill, func(r rune) bool { return !takes(one, r) }) {
			w.b.WriteString(string(w.fill))
			return
		}
	}
	// Odd choices leave out what may be left out.
	times := n.lo
	if times == 0 && n.hi != 0 && w.choice%2 == 0 {
		times = 1
	}
	for range min(times, 64) {
		w.write(one)
	}
}

// takes tells whether n, which is one character wide, may be r.
func takes(n *node, r rune) bool {
	switch n.op {
	case opChar:
		return n.r == r
	case opSet:
		return n.set.has(r)
	case opAlternate:
		return slices.ContainsFunc(n.subs, func(s node) bool { return takes(&s, r) })
	case opConcat: // one of its pieces has the width, the others are anchors
		return false
	}
	return false
}

// usual is a member of s such as people write.
func usual(s set) rune {
	for _, r := range "x1aA0_-/. " {
		if s.has(r) {
			return r
		}
	}
	if len(s) == 0 {
		return 'x'
	}
	return s[0]
}
