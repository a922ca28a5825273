package language

import (
	"slices"
	"strings"
)

// Lines is a set of lines: of lists of words, such as the words of a command. The zero
// Lines is the empty set.
//
// It is an automaton like that of a Word. It reads the characters of a line's words, and
// a NUL, which is in no word, at the end of each.
type Lines struct{ set }

// Line is the set of the lines that have a word of each of words, and no more. Without
// any it is the line that has no word.
func Line(words ...Word) Lines {
	g := &graph{}
	at := g.node()
	steps := 0
	for _, w := range words {
		next := g.node()
		g.way(at, w.automaton(), true, next)
		at, steps = next, bound(set{steps: steps}, w.set)
	}
	g.final[at] = true
	return Lines{set{g, steps}}
}

// AnyLine is the set of all lines, that without a word among them.
func AnyLine() Lines { return Line(AnyWord()).Star() }

// Within returns l, with another bound for the steps that a question may take. What is
// made of several sets has the smallest bound of theirs.
func (l Lines) Within(steps int) Lines {
	l.steps = steps
	return l
}

// Then is the set of the lines that begin with one of l, and go on with one of k.
func (l Lines) Then(k Lines) Lines { return Lines{follow(l.set, k.set)} }

// Or is the set of the lines of l and of others.
func (l Lines) Or(others ...Lines) Lines {
	sets := []set{l.set}
	for _, k := range others {
		sets = append(sets, k.set)
	}
	return Lines{union(sets)}
}

// Star is the set of the lines that lines of l make, any number of them, none too.
func (l Lines) Star() Lines { return Lines{star(l.set)} }

// And is the set of the lines that are in l and in k.
func (l Lines) And(k Lines) Lines { return Lines{intersection(l.set, k.set)} }

// Minus is the set of the lines that are in l and not in k.
func (l Lines) Minus(k Lines) Lines { return Lines{difference(l.set, k.set)} }

// Options is the set of the lines in which lines of option, in any order and any number,
// stand before a line of operands, as getopt(3) of POSIX reads them. Then -- may stand
// before the operands; without it the first of them must not begin with a dash, unless
// it is "-".
func Options(option, operands Lines) Lines {
	return Lines{set{newOptions(option.automaton(), operands.automaton(), false), bound(option.set, operands.set)}}
}

// Permuted is Options with options among the operands too, as getopt(3) of GNU takes
// them. No operand before -- may begin with a dash, unless it is "-".
func Permuted(option, operands Lines) Lines {
	return Lines{set{newOptions(option.automaton(), operands.automaton(), true), bound(option.set, operands.set)}}
}

// Grammar is the words of a program's command line, as ways from place to place. The zero
// Grammar has the place 0, where a line begins.
type Grammar struct {
	g     graph
	steps int
}

// Place makes another place, and returns its number.
func (g *Grammar) Place() int {
	g.begin()
	return g.g.node()
}

func (g *Grammar) begin() {
	if len(g.g.from) == 0 {
		g.g.node()
	}
}

// Word is a way from one place to another: one word out of w.
func (g *Grammar) Word(from int, w Word, to int) {
	g.begin()
	g.g.way(from, w.automaton(), true, to)
	g.steps = bound(set{steps: g.steps}, w.set)
}

// Line is a way from one place to another: the words of a line of l. With that of no
// word, Line(), it is gone for nothing.
func (g *Grammar) Line(from int, l Lines, to int) {
	g.begin()
	g.g.way(from, l.automaton(), false, to)
	g.steps = bound(set{steps: g.steps}, l.set)
}

// Lines is the set of the lines that lead from place 0 to one of these.
func (g *Grammar) Lines(places ...int) Lines {
	g.begin()
	c := &graph{ways: append([]edge(nil), g.g.ways...), final: make([]bool, len(g.g.from))}
	for _, ways := range g.g.from {
		c.from = append(c.from, append([]int(nil), ways...))
	}
	for _, p := range places {
		c.final[p] = true
	}
	return Lines{set{c, g.steps}}
}

// After is the set of what can follow on these words in a line of l.
func (l Lines) After(words ...string) Lines {
	if !slices.ContainsFunc(words, func(w string) bool { return !proper(w) }) {
		l.a = &after{a: l.automaton(), read: closed(words)}
		return l
	}
	return Lines{}
}

// after begins where a has read something already.
type after struct {
	a    automaton
	read []rune
}

func (f *after) classes() *classes                         { return f.a.classes() }
func (f *after) next(m *meter, s state, class int32) state { return f.a.next(m, s, class) }
func (f *after) accepts(m *meter, s state) bool            { return f.a.accepts(m, s) }
func (f *after) parts(m *meter, s state) []state           { return f.a.parts(m, s) }
func (f *after) start(m *meter) state {
	s := f.a.start(m)
	for _, r := range f.read {
		m.spend(1)
		s = f.a.next(m, s, f.a.classes().of(r))
	}
	return s
}

// proper tells that a string can be a word.
func proper(word string) bool { return strings.IndexByte(word, 0) < 0 }

// closed is the words of a line, each with its end.
func closed(words []string) (runes []rune) {
	for _, w := range words {
		runes = append(append(runes, decode(w)...), ends)
	}
	return runes
}

// opened is closed's reverse.
func opened(runes []rune) []string {
	words := []string{}
	for len(runes) > 0 {
		end := 0
		for runes[end] != ends {
			end++
		}
		words = append(words, encode(runes[:end]))
		runes = runes[end+1:]
	}
	return words
}

// Empty tells that there is no line in l.
func (l Lines) Empty() (bool, error) {
	_, ok, err := l.Shortest()
	return err == nil && !ok, err
}

// Contains tells whether a line is in l.
func (l Lines) Contains(words ...string) (ok bool, err error) {
	if slices.ContainsFunc(words, func(w string) bool { return !proper(w) }) {
		return false, nil
	}
	err = l.ask(func(m *meter) { ok = member(m, l.automaton(), closed(words)) })
	return ok, err
}

// Shortest returns the words of a line in l: one of those that have the fewest words and
// characters, taken together, in characters that people like to read where there is a
// choice. It is false where there is none.
func (l Lines) Shortest() (words []string, ok bool, err error) {
	err = l.ask(func(m *meter) {
		var runes []rune
		if runes, ok = shortest(m, l.automaton(), true); ok {
			words = opened(runes)
		}
	})
	return words, ok, err
}

// Subset tells whether all lines in l are in k. A line that is not is the shortest in
// l.Minus(k).
func (l Lines) Subset(k Lines) (bool, error) { return l.Minus(k).Empty() }

// Equal tells whether the same lines are in l and k.
func (l Lines) Equal(k Lines) (bool, error) {
	ok, err := l.Subset(k)
	if !ok || err != nil {
		return false, err
	}
	return k.Subset(l)
}

// First returns n lines in l, or all if there are fewer: the shortest, as Shortest has
// it, and among those first what people like to read.
func (l Lines) First(n int) (lines [][]string, err error) {
	err = l.ask(func(m *meter) {
		for _, runes := range draw(m, l.automaton(), true).some(m, n) {
			lines = append(lines, opened(runes))
		}
	})
	return lines, err
}
