// Package language answers questions about the words and the command lines that filters
// allow: whether there is one of some kind, and which is the shortest. Patterns are not
// sampled: they become finite automata, so that "there is none" is a proof.
//
// A word is a string of bytes, as an argument is: it may be empty, and no NUL occurs. It
// is read as a pattern reads it: as characters of UTF-8, and where bytes are no UTF-8
// each is a character of its own, which Python writes U+DC80 to U+DCFF. So what two
// words make when they are put together has the characters of both: "\xc3" and "\xa9"
// cannot be put together, for what they would make is "é", one character.
//
// A line is a list of words, those of a command.
//
// What a pattern matches here is what pyre.Pattern matches, but for words so long that
// its engine gives up (there is no such pattern in use). Nothing here knows that the
// kernel takes no word above 128 KiB.
//
// A set of words or lines is made in no time. A question may be too hard, for there are
// patterns whose automata have more states than fit anywhere: then the answer is
// ErrTooLarge, and says nothing. What was found out is remembered, in the sets that were
// asked and those that they were made of: they are not for concurrent use.
package language

import (
	"errors"
	"math"
	"slices"

	"ironwrap/filters/pyre"
)

// ErrTooLarge tells that a question was given up.
var ErrTooLarge = errors.New("pattern too large: what it can match was not found out within bounds")

// DefaultSteps is how many steps a question may take. One is what is done for one place
// of a pattern and one kind of character. All of them take a second or so, and a
// hundred megabytes or so.
const DefaultSteps = 1 << 20

// Word is a set of words. The zero Word is the empty set.
type Word struct{ set }

// set is what Word and Lines have in common.
type set struct {
	a     automaton
	steps int
}

func (s set) automaton() automaton {
	if s.a == nil {
		return none{}
	}
	return s.a
}

// bound is how many steps a question about all of sets may take: the fewest.
func bound(sets ...set) int {
	steps := math.MaxInt
	for _, s := range sets {
		if s.steps > 0 {
			steps = min(steps, s.steps)
		}
	}
	if steps == math.MaxInt {
		return 0
	}
	return steps
}

func (s set) ask(question func(m *meter)) error {
	steps := s.steps
	if steps <= 0 {
		steps = DefaultSteps
	}
	return within(steps, question)
}

// none accepts nothing.
type none struct{}

func (none) classes() *classes                     { return one }
func (none) start(*meter) state                    { return dead }
func (none) next(_ *meter, s state, _ int32) state { return s }
func (none) accepts(_ *meter, s state) bool        { return s == every }
func (none) parts(_ *meter, s state) []state       { return []state{s} }

// Pattern is the set of the words that a pattern matches. The error is that of
// pyre.Compile, or ErrTooLarge.
func Pattern(source string) (Word, error) {
	p, err := pyre.Compile(source)
	if err != nil {
		return Word{}, err
	}
	a, ok := newPattern(p.Tree())
	if !ok {
		return Word{}, ErrTooLarge
	}
	return Word{set{a: a}}, nil
}

// Text is the set of these words. What holds a NUL is no word.
func Text(words ...string) Word {
	var list [][]rune
	for _, w := range words {
		list = append(list, decode(w))
	}
	slices.SortFunc(list, slices.Compare)
	return tree(branches(list))
}

// branches is one of a sorted list of words. What several begin with is read once: that is
// faster where they are many.
func branches(words [][]rune) pyre.Piece {
	any := pyre.Piece{Kind: pyre.Either}
	for len(words) > 0 {
		if len(words[0]) == 0 {
			any.Subs = append(any.Subs, pyre.Piece{Kind: pyre.Row})
			words = words[1:]
			continue
		}
		r, n := words[0][0], 0
		var rest [][]rune
		for ; n < len(words) && words[n][0] == r; n++ {
			rest = append(rest, words[n][1:])
		}
		any.Subs = append(any.Subs, pyre.Piece{Kind: pyre.Row, Subs: []pyre.Piece{{Kind: pyre.Char, Set: []rune{r, r}}, branches(rest)}})
		words = words[n:]
	}
	return any
}

// Chars is the set of the words of one character, out of those in chars.
func Chars(chars string) Word {
	any := pyre.Piece{Kind: pyre.Either}
	for _, r := range decode(chars) {
		any.Subs = append(any.Subs, pyre.Piece{Kind: pyre.Char, Set: []rune{r, r}})
	}
	return tree(any)
}

// AnyWord is the set of all words.
func AnyWord() Word { return Word{}.Not() }

// Prefix is the set of the words that begin with text.
func Prefix(text string) Word { return Text(text).Then(AnyWord()) }

// tree is the set of what is made of single characters.
func tree(p pyre.Piece) Word {
	a, _ := newPattern(p, false)
	return Word{set{a: a}}
}

// Within returns w, with another bound for the steps that a question may take. What is
// made of several sets has the smallest bound of theirs.
func (w Word) Within(steps int) Word {
	w.steps = steps
	return w
}

// Then is the set of the words that begin with one of w, and go on with one of v.
func (w Word) Then(v Word) Word { return Word{follow(w.set, v.set)} }

// Or is the set of the words of w and of others.
func (w Word) Or(others ...Word) Word {
	sets := []set{w.set}
	for _, v := range others {
		sets = append(sets, v.set)
	}
	return Word{union(sets)}
}

// Star is the set of the words that words of w make, any number of them, none too.
func (w Word) Star() Word { return Word{star(w.set)} }

// And is the set of the words that are in w and in v.
func (w Word) And(v Word) Word { return Word{intersection(w.set, v.set)} }

// Minus is the set of the words that are in w and not in v.
func (w Word) Minus(v Word) Word { return Word{difference(w.set, v.set)} }

// Not is the set of the words that are not in w.
func (w Word) Not() Word { return Word{set{not{w.automaton()}, w.steps}} }

func follow(a, b set) set {
	g := &graph{}
	start, middle, end := g.node(), g.node(), g.node()
	g.way(start, a.automaton(), false, middle)
	g.way(middle, b.automaton(), false, end)
	g.final[end] = true
	return set{g, bound(a, b)}
}

func union(sets []set) set {
	g := &graph{}
	start, end := g.node(), g.node()
	for _, s := range sets {
		g.way(start, s.automaton(), false, end)
	}
	g.final[end] = true
	return set{g, bound(sets...)}
}

func star(a set) set {
	g := &graph{}
	start := g.node()
	g.way(start, a.automaton(), false, start)
	g.final[start] = true
	return set{g, a.steps}
}

func intersection(a, b set) set { return set{newAnd(a.automaton(), b.automaton()), bound(a, b)} }

func difference(a, b set) set {
	return set{newAnd(a.automaton(), not{b.automaton()}), bound(a, b)}
}

// Empty tells that there is no word in w.
func (w Word) Empty() (bool, error) {
	_, ok, err := w.Shortest()
	return err == nil && !ok, err
}

// Contains tells whether a word is in w.
func (w Word) Contains(word string) (ok bool, err error) {
	err = w.ask(func(m *meter) { ok = proper(word) && member(m, w.automaton(), decode(word)) })
	return ok, err
}

// Shortest returns one of the shortest words in w, in characters that people like to
// read where there is a choice. It is false where there is none.
func (w Word) Shortest() (word string, ok bool, err error) {
	err = w.ask(func(m *meter) {
		var runes []rune
		runes, ok = shortest(m, w.automaton(), false)
		word = encode(runes)
	})
	return word, ok, err
}

// Subset tells whether all words in w are in v. A word that is not is the shortest in
// w.Minus(v).
func (w Word) Subset(v Word) (bool, error) { return w.Minus(v).Empty() }

// Equal tells whether the same words are in w and v.
func (w Word) Equal(v Word) (bool, error) {
	ok, err := w.Subset(v)
	if !ok || err != nil {
		return false, err
	}
	return v.Subset(w)
}

// Size returns how many words are in w; false where there is no end of them. From
// math.MaxInt on they are not counted.
func (w Word) Size() (n int, finite bool, err error) {
	err = w.ask(func(m *meter) { n, finite = draw(m, w.automaton(), false).count() })
	return n, finite, err
}

// First returns n words in w, or all if there are fewer: the shortest, and among those of
// one length first what people like to read.
func (w Word) First(n int) (words []string, err error) {
	err = w.ask(func(m *meter) {
		for _, runes := range draw(m, w.automaton(), false).some(m, n) {
			words = append(words, encode(runes))
		}
	})
	return words, err
}
