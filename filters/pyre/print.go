package pyre

import (
	"slices"
	"strconv"
	"unicode/utf8"
)

// endless is the width of what has no limit, and of what is wider than any
// argument.
const endless int64 = 1 << 31

// width is how many characters n takes, at least and at most.
func width(n *node) (lo, hi int64) {
	switch n.op {
	case opChar, opSet:
		return 1, 1
	case opConcat:
		for i := range n.subs {
			l, h := width(&n.subs[i])
			lo, hi = min(lo+l, endless), min(hi+h, endless)
		}
	case opAlternate:
		lo = endless
		for i := range n.subs {
			l, h := width(&n.subs[i])
			lo, hi = min(lo, l), max(hi, h)
		}
	case opRepeat:
		lo, hi = width(&n.subs[0])
		lo = min(lo*int64(n.lo), endless)
		switch {
		case n.hi >= 0:
			hi = min(hi*int64(n.hi), endless)
		case hi > 0:
			hi = endless
		}
	}
	return lo, hi
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
