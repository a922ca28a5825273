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
//   - The Bounded engine gave up: see Engine.
//   - Compile refused the pattern, saying "is not supported": back-references;
//     possessive repeats and atomic groups (new in 3.11), conditional groups,
//     \N{name}, \B, the flag t, group names outside of ASCII; what is outside of
//     ASCII, in a negation under (?i); a pattern that is not UTF-8; repeats above
//     65535, nesting above 100, what is too large with its counts written out. A
//     backslash at the very end is refused as well: Python would escape its own
//     $ with it.
//
// Patterns are read by our own parser, for the grammar of CPython 3.11; no
// engine ever reads a pattern's own text. What Python refuses to compile is
// refused.
package pyre

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Engine is how a pattern is evaluated.
type Engine string

const (
	// Literal compares bytes.
	Literal Engine = "literal"
	// Linear takes time linear in the argument's length, with Go's regexp.
	Linear Engine = "linear"
	// Bounded is our own, for what Go's regexp cannot say: a look-around in the
	// middle, a count above 1000, a byte that is not UTF-8. It takes time linear
	// in the argument's length as well, but more of it, and gives up, and does
	// not match, after maxSteps.
	Bounded Engine = "bounded"
)

// Pattern is a compiled pattern. It is safe for concurrent use. The zero
// Pattern matches nothing.
type Pattern struct {
	source   string
	engine   Engine
	literal  string
	whole    *regexp.Regexp
	aheads   []ahead
	bounded  *bounded
	min, max int64 // width in characters
	ascii    bool  // only arguments in ASCII are matched
	open     bool  // see OpenAlternation
}

// ahead is a look-ahead taken out of a pattern: what must, or must not, match
// from the argument's start.
type ahead struct {
	re     *regexp.Regexp
	negate bool
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
	pieces := flat(&tree.node, nil)
	if p.compileLiteral(pieces) || p.compileLinear(pieces) {
		return p, nil
	}
	if p.bounded = newBounded(&tree.node); p.bounded == nil {
		return nil, errors.New("a pattern this large, with its counts written out, is not supported: write it with smaller counts")
	}
	p.engine = Bounded
	return p, nil
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

func (p *Pattern) compileLiteral(pieces []*node) bool {
	var text strings.Builder
	for _, n := range pieces {
		if n.op != opChar || !utf8.ValidRune(n.r) {
			return false
		}
		text.WriteRune(n.r)
	}
	p.engine, p.literal = Literal, text.String()
	return true
}

// compileLinear gives a pattern to Go's regexp, if that can say the same.
//
// It has no look-aheads, but P(?!Y)S can be asked as two questions: PS matches
// the whole argument, and PY does not match from its start. That is the same if
// P ends in one place only, which is so if it has a fixed width: then the Y of
// the second question stands where the first one's P ended.
func (p *Pattern) compileLinear(pieces []*node) bool {
	var aheads []ahead
	w := printer{}
	w.text(`\A`)
	fixed := true
	for _, n := range pieces {
		if n.op == opLook && !n.behind && fixed {
			y := printer{out: append([]byte(nil), w.out...)}
			if y.print(&n.subs[0], true); y.foreign {
				return false
			}
			re, err := regexp.Compile(string(y.out))
			if err != nil {
				return false
			}
			aheads = append(aheads, ahead{re, n.negate})
			continue
		}
		if w.print(n, false); w.foreign {
			return false
		}
		lo, hi := width(n)
		fixed = fixed && lo == hi
	}
	w.text(`\z`)
	re, err := regexp.Compile(string(w.out)) // fails for counts above 1000
	if err != nil {
		return false
	}
	p.engine, p.whole, p.aheads = Linear, re, aheads
	return true
}

// Match reports whether the whole of arg, bytes as they came, is matched.
func (p *Pattern) Match(arg string) bool {
	ok, _ := p.match(arg)
	return ok
}

// match also tells whether the engine gave up.
func (p *Pattern) match(arg string) (ok, gaveUp bool) {
	if p.engine == Literal {
		return arg == p.literal, false
	}
	size := int64(len(arg))
	if size < p.min || size > utf8.UTFMax*p.max || p.ascii && !isASCII(arg) {
		return false, false
	}
	switch p.engine {
	case Linear:
		if !p.whole.MatchString(arg) {
			return false, false
		}
		for _, a := range p.aheads {
			if a.re.MatchString(arg) == a.negate {
				return false, false
			}
		}
		return true, false
	case Bounded:
		ok, steps := p.bounded.match(decode(arg))
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

// decode reads bytes as Python does: what is not UTF-8 becomes, byte for byte,
// a lone surrogate.
func decode(arg string) []rune {
	runes := make([]rune, 0, len(arg))
	for i := 0; i < len(arg); {
		r, size := utf8.DecodeRuneInString(arg[i:])
		if r == utf8.RuneError && size == 1 {
			r = 0xdc00 + rune(arg[i])
		}
		runes = append(runes, r)
		i += size
	}
	return runes
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
