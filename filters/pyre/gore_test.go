package pyre

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"unicode"
	"unicode/utf8"
)

// gore is a pattern as Go's regexp evaluates it: what the engine has to agree with.
type gore struct {
	whole  *regexp.Regexp
	aheads []ahead
}

// ahead is a look-ahead taken out of a pattern: what must, or must not, match
// from the argument's start.
type ahead struct {
	re     *regexp.Regexp
	negate bool
}

// newGore gives a pattern to Go's regexp, or returns nil if that cannot say the same.
//
// It has no look-aheads, but P(?!Y)S can be asked as two questions: PS matches
// the whole argument, and PY does not match from its start. That is the same if
// P ends in one place only, which is so if it has a fixed width: then the Y of
// the second question stands where the first one's P ended.
func newGore(pattern string) *gore {
	tree, err := parse(pattern)
	if err != nil {
		return nil
	}
	g := &gore{}
	w := printer{}
	w.text(`\A`)
	fixed := true
	for _, n := range flat(&tree.node, nil) {
		if n.op == opLook && !n.behind && fixed {
			y := printer{out: append([]byte(nil), w.out...)}
			if y.print(&n.subs[0], true); y.foreign {
				return nil
			}
			re, err := regexp.Compile(string(y.out))
			if err != nil {
				return nil
			}
			g.aheads = append(g.aheads, ahead{re, n.negate})
			continue
		}
		if w.print(n, false); w.foreign {
			return nil
		}
		lo, hi := width(n)
		fixed = fixed && lo == hi
	}
	w.text(`\z`)
	if g.whole, err = regexp.Compile(string(w.out)); err != nil { // counts above 1000
		return nil
	}
	return g
}

func (g *gore) match(arg string) bool {
	if !g.whole.MatchString(arg) {
		return false
	}
	for _, a := range g.aheads {
		if a.re.MatchString(arg) == a.negate {
			return false
		}
	}
	return true
}

// differs tells that p decides otherwise about arg, and did not give up. The nil g
// has nothing to say.
func (g *gore) differs(p *Pattern, arg string) bool {
	if g == nil || p.ascii && !isASCII(arg) {
		return false
	}
	ok, gave := p.match(arg)
	return !gave && ok != g.match(arg)
}

// Random patterns and arguments, of Python's syntax and of look-arounds.
func TestAgainstGo(t *testing.T) {
	seed := rand.Uint64()
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	compared, matched := 0, 0
	for range 20_000 {
		pattern := g.pattern()
		if g.IntN(4) == 0 {
			pattern = g.around(3, false)
		}
		golang := newGore(pattern)
		if golang == nil {
			continue
		}
		p, err := Compile(pattern)
		if err != nil {
			t.Fatalf("%q: %v: seed %d", pattern, err, seed)
		}
		for _, arg := range g.args(pattern, 12) {
			if golang.differs(p, arg) || golang.differs(forced(t, pattern), arg) {
				t.Fatalf("%q with %q: Go's regexp says %v: seed %d", pattern, arg, golang.match(arg), seed)
			}
			if compared++; p.Match(arg) {
				matched++
			}
		}
	}
	t.Logf("%d verdicts, %d of them matches", compared, matched)
	if matched < 10_000 {
		t.Error("too few matches to tell anything")
	}
}

// printer writes a tree in the syntax of Go's regexp. Every character that
// could mean something is escaped, so nothing of the pattern's own text is ever
// read by it.
type printer struct {
	out     []byte
	foreign bool // something was met that Go's regexp has no words for
}

// print writes n; last tells that n ends the expression, which need not match
// up to the end of the argument.
func (w *printer) print(n *node, last bool) {
	switch n.op {
	case opChar:
		if s := (set{n.r, n.r}); !s.uniform() {
			w.foreign = true
			return
		}
		w.char(n.r)
	case opSet:
		w.set(n.set)
	case opConcat:
		for i := range n.subs {
			w.print(&n.subs[i], last && i == len(n.subs)-1)
		}
	case opAlternate:
		w.text("(?:")
		for i := range n.subs {
			if i > 0 {
				w.text("|")
			}
			w.print(&n.subs[i], last)
		}
		w.text(")")
	case opRepeat:
		switch n.subs[0].op {
		case opChar, opSet, opAlternate:
			w.print(&n.subs[0], false)
		default:
			w.text("(?:")
			w.print(&n.subs[0], false)
			w.text(")")
		}
		w.count(n.lo, n.hi)
	case opLook:
		w.foreign = true
	case opBegin:
		w.text(`\A`)
	case opEnd:
		w.text(`\z`)
	case opEndOrLF:
		w.text(`\n?\z`)
		w.foreign = w.foreign || !last
	case opLineBegin:
		w.text("(?m:^)")
	case opLineEnd:
		w.text("(?m:$)")
	case opBoundary:
		w.text(`\b`)
	}
}

func (w *printer) text(s string) { w.out = append(w.out, s...) }

func (w *printer) count(lo, hi int) {
	switch {
	case lo == 0 && hi == 1:
		w.text("?")
		return
	case lo == 0 && hi < 0:
		w.text("*")
		return
	case lo == 1 && hi < 0:
		w.text("+")
		return
	}
	w.text("{")
	w.out = strconv.AppendInt(w.out, int64(lo), 10)
	if lo != hi {
		w.text(",")
	}
	if lo != hi && hi >= 0 {
		w.out = strconv.AppendInt(w.out, int64(hi), 10)
	}
	w.text("}")
}

func (w *printer) set(s set) {
	switch {
	case !s.uniform():
		w.foreign = true
	case slices.Equal(s, notNewline):
		w.text(".")
	case len(s) == 0:
		w.text(`[^\x{0}-\x{10FFFF}]`)
	default:
		w.text("[")
		for i := 0; i < len(s); i += 2 {
			if w.char(s[i]); s[i] == s[i+1] {
				continue
			}
			w.text("-")
			w.char(s[i+1])
		}
		w.text("]")
	}
}

// plain are the characters that mean nothing but themselves, in a class or
// outside of one. They could be escaped as well; bare they are quicker to read.
var plain = func() (plain [utf8.RuneSelf]bool) {
	for _, c := range "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz/:=,@% " {
		plain[c] = true
	}
	return plain
}()

// char writes one character, for a class or outside of one.
func (w *printer) char(r rune) {
	switch {
	case r < utf8.RuneSelf && plain[r]:
		w.out = append(w.out, byte(r))
	case r > ' ' && r < 0x7f: // punctuation
		w.out = append(w.out, '\\', byte(r))
	default:
		w.text(`\x{`)
		w.out = strconv.AppendInt(w.out, int64(r), 16)
		w.text("}")
	}
}

// hasAll reports whether all of lo to hi is in s; being apart, the pairs of s
// hold it in one piece or not at all.
func (s set) hasAll(lo, hi rune) bool {
	for i := 0; i < len(s); i += 2 {
		if s[i] <= lo && hi <= s[i+1] {
			return true
		}
	}
	return false
}

func (s set) hasAny(lo, hi rune) bool {
	for i := 0; i < len(s); i += 2 {
		if s[i] <= hi && lo <= s[i+1] {
			return true
		}
	}
	return false
}

// uniform reports whether s makes no difference between U+FFFD and surrogates.
// Go's regexp reads a byte that is not UTF-8 as U+FFFD, so only to such a set
// is it the same.
func (s set) uniform() bool {
	if s.hasAny(0xd800, 0xdfff) {
		return s.hasAll(0xd800, 0xdfff) && s.has(unicode.ReplacementChar)
	}
	return !s.has(unicode.ReplacementChar)
}
