// Package pyre decides whether an argument is matched by a Python regular
// expression, the way rootwrap's RegExpFilter asks Python:
//
//	re.match(pattern + '$', argument)
//
// where the argument's bytes are decoded as UTF-8 and every byte that is not
// UTF-8 becomes a lone surrogate (PEP 383).
//
// Whatever matches here matches there. These do not match here though they do
// there, and nothing else:
//
//   - Anchoring. The whole argument has to match. Python binds the added $ to
//     the last of the alternatives of a|b, so that "a --evil" passes; it lets a
//     newline follow at the end, for the added $ as for one in the pattern; and
//     under (?m) it is content with the first line.
//   - ASCII. \d, \w and \s, and the case that (?i) ignores, are those of ASCII.
//     Their complements \D, \W and \S, and [^\d] and so on, match only what is
//     in none of the Unicode that Python may know; a character that our Unicode
//     does not know is in none of them. A pattern with a \b matches no argument
//     that has anything outside of ASCII.
//   - The engine gave up: see Bounded.
//   - Compile refused the pattern, saying "is not supported": back-references;
//     possessive repeats and atomic groups (new in 3.11), conditional groups,
//     \N{name}, \B, the flag t, group names outside of ASCII; what is outside of
//     ASCII, in a negation under (?i); a pattern that is not UTF-8; repeats above
//     65535, nesting above 100, what is too large with its counts written out. A
//     backslash at the very end is refused as well: Python would escape its own
//     $ with it.
//
// Patterns are read by our own parser, for the grammar of CPython 3.11, and
// evaluated by our own engine. Go's regexp knows neither look-arounds nor bytes that
// are not UTF-8, and linking it costs each call the time in which its tables are
// built. What Python refuses to compile is refused.
package pyre

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Engine is how a pattern is evaluated.
type Engine string

const (
	// Literal compares bytes.
	Literal Engine = "literal"
	// Bounded takes time linear in the argument's length. It gives up, and does
	// not match, after maxSteps: no pattern in use comes near to that with the
	// longest argument that execve(2) takes.
	Bounded Engine = "bounded"
)

// Pattern is a compiled pattern. It is safe for concurrent use. The zero
// Pattern matches nothing.
type Pattern struct {
	source   string
	engine   Engine
	literal  string  // what the argument begins with, or all of it
	rest     bounded // what follows on literal
	min, max int64   // width in characters
	ascii    bool    // only arguments in ASCII are matched
	open     bool    // see OpenAlternation
}

// Compile reads a pattern as Python 3.11 does. The error names what is wrong
// or not supported, and its offset in bytes.
func Compile(pattern string) (*Pattern, error) {
	if !utf8.ValidString(pattern) {
		return nil, errors.New("a pattern that is not UTF-8 is not supported")
	}
	p := &Pattern{source: pattern}
	if text, ok := PlainText(pattern); ok {
		p.engine, p.literal = Literal, text
		return p, nil
	}
	tree, err := parse(pattern)
	if err != nil {
		return nil, err
	}
	p.open, p.ascii = tree.open, tree.boundary
	p.min, p.max = width(&tree.node)
	text, rest := leading(flat(&tree.node, make([]*node, 0, 1+len(tree.subs))))
	p.literal = text
	if len(rest) == 0 {
		p.engine = Literal
		return p, nil
	}
	if !p.rest.build(rest, 2+len(pattern)-len(text)) {
		return nil, errors.New("a pattern this large, with its counts written out, is not supported: write it with smaller counts")
	}
	p.engine = Bounded
	return p, nil
}

// flat lists the pieces of n that follow one another.
func flat(n *node, pieces []*node) []*node {
	if n.op != opConcat {
		return append(pieces, n)
	}
	for i := range n.subs {
		pieces = flat(&n.subs[i], pieces)
	}
	return pieces
}

// leading is the text that pieces begin with, and what follows on it.
func leading(pieces []*node) (text string, rest []*node) {
	b := make([]byte, 0, len(pieces))
	n := 0
	for ; n < len(pieces) && pieces[n].op == opChar && utf8.ValidRune(pieces[n].r); n++ {
		b = utf8.AppendRune(b, pieces[n].r)
	}
	return string(b), pieces[n:]
}

// PlainText returns the text of a pattern that is nothing else, but perhaps escaped
// punctuation: the one argument that it can match. It takes no time to speak of.
func PlainText(pattern string) (string, bool) {
	special := strings.IndexAny(pattern, `.\[{()*+?^$|`)
	if special < 0 {
		return pattern, true
	}
	text := append(make([]byte, 0, len(pattern)), pattern[:special]...)
	for i := special; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern) && strings.IndexByte(`.\[]{}()*+?^$|/-`, pattern[i+1]) >= 0:
			i++
			text = append(text, pattern[i])
		case strings.IndexByte(`.\[{()*+?^$|`, c) >= 0:
			return "", false
		default:
			text = append(text, c)
		}
	}
	return string(text), true
}

// Match reports whether the whole of arg, bytes as they came, is matched.
func (p *Pattern) Match(arg string) bool {
	ok, _ := p.match(arg)
	return ok
}

// match also tells whether the engine gave up.
func (p *Pattern) match(arg string) (ok, gaveUp bool) {
	switch p.engine {
	case Literal:
		return arg == p.literal, false
	case Bounded:
		size := int64(len(arg))
		if size < p.min || size > utf8.UTFMax*p.max || p.ascii && !isASCII(arg) || !strings.HasPrefix(arg, p.literal) {
			return false, false
		}
		ok, steps := p.rest.match(arg, len(p.literal))
		return ok, steps > maxSteps
	}
	return false, false
}

// Engine tells how p is evaluated.
func (p *Pattern) Engine() Engine { return p.engine }

// OpenAlternation reports whether the pattern is an alternation a|b without a
// group around it. Here it is anchored as a whole; by rootwrap only its last
// alternative is, so that what begins with any other passes.
func (p *Pattern) OpenAlternation() bool { return p.open }

// String returns the pattern as it was given to Compile.
func (p *Pattern) String() string { return p.source }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
