package pyre

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// POSIX returns p as an extended regular expression of POSIX, unanchored, such as a
// sudoers file may hold (sudoers(5), tried with sudo 1.9.13). It
// matches no word which p does not match, and none with a blank, a control
// character or anything outside of ASCII in it. It may match less than p: where p
// takes any character this one takes printable ASCII. The error says what cannot be
// put into such an expression.
//
// It is for programs that match several words in a row, joined by blanks: a word
// that held one could be taken for two.
func (p *Pattern) POSIX() (string, error) {
	tree, err := parse(p.source)
	if err != nil {
		return "", err
	}
	w := posix{}
	if err := w.print(&tree.node, true, true); err != nil {
		return "", err
	}
	return w.b.String(), nil
}

// glibc writes out counted repeats when it compiles: RE_DUP_MAX of regcomp(3) would
// allow 32767, and more by nesting.
const (
	maxPOSIX      = 255
	maxPOSIXWidth = 4096
)

type posix struct{ b strings.Builder }

// print writes n; first and last tell that nothing stands before, or behind it.
func (w *posix) print(n *node, first, last bool) error {
	switch n.op {
	case opChar:
		return w.set(set{n.r, n.r})
	case opSet:
		return w.set(n.set)
	case opConcat:
		for i := range n.subs {
			if err := w.print(&n.subs[i], first && i == 0, last && i == len(n.subs)-1); err != nil {
				return err
			}
		}
		return nil
	case opAlternate:
		w.b.WriteByte('(')
		for i := range n.subs {
			if i > 0 {
				w.b.WriteByte('|')
			}
			if lo, hi := width(&n.subs[i]); lo == 0 && hi == 0 {
				return fmt.Errorf("an empty alternative")
			}
			if err := w.print(&n.subs[i], first, last); err != nil {
				return err
			}
		}
		w.b.WriteByte(')')
		return nil
	case opRepeat:
		return w.repeat(n)
	case opLook:
		return fmt.Errorf("a look-around")
	case opBegin:
		if first {
			return nil
		}
	case opEnd:
		if last {
			return nil
		}
	case opBoundary:
		return fmt.Errorf(`a \b`)
	}
	return fmt.Errorf("an anchor in the middle")
}

func (w *posix) repeat(n *node) error {
	if n.lo > maxPOSIX || n.hi > maxPOSIX {
		return fmt.Errorf("a repeat of more than %d", maxPOSIX)
	}
	if _, hi := width(n); hi > maxPOSIXWidth && hi < endless {
		return fmt.Errorf("repeats of repeats that come to more than %d characters", maxPOSIXWidth)
	}
	if lo, hi := width(&n.subs[0]); lo == 0 && hi == 0 {
		return fmt.Errorf("a repeat of nothing")
	}
	w.b.WriteByte('(')
	if err := w.print(&n.subs[0], false, false); err != nil {
		return err
	}
	w.b.WriteByte(')')
	switch {
	case n.lo == 0 && n.hi < 0:
		w.b.WriteByte('*')
	case n.lo == 1 && n.hi < 0:
		w.b.WriteByte('+')
	case n.lo == 0 && n.hi == 1:
		w.b.WriteByte('?')
	case n.hi < 0:
		w.b.WriteString("{" + strconv.Itoa(n.lo) + ",}")
	default:
		w.b.WriteString("{" + strconv.Itoa(n.lo) + "," + strconv.Itoa(n.hi) + "}")
	}
	return nil
}

// outside are the characters that are left out of sets, and that no expression can
// be made for. They mean something to the file that the expression is put into, a
// sudoers file for one, or to a set.
const outside = `#\"^$,`

// set writes the printable ASCII of s, the blank excepted. Ranges are within digits
// or letters of one case, so that no locale's order matters.
func (w *posix) set(s set) error {
	var members []byte
	for c := byte('!'); c <= '~'; c++ {
		if s.has(rune(c)) && strings.IndexByte(outside, c) < 0 {
			members = append(members, c)
		}
	}
	switch {
	case len(members) == 0:
		return fmt.Errorf("a blank, one of %s, or a character that is not printable ASCII", outside)
	case len(members) == 1 && bare(members[0]):
		w.b.WriteByte(members[0])
		return nil
	}
	// Each stands where it means itself: ] first, [ and - last. Two of * + ? in a row
	// sudo takes for an error, in a set too: + stands before the others, and what
	// would come to stand beside it, or beside *, is left out.
	var first, middle, last string
	plus := slices.Contains(members, '+')
	for i := 0; i < len(members); i++ {
		switch c := members[i]; {
		case c == ']':
			first = "]"
		case c == '[':
			last = "[" + last
		case c == '-':
			last += "-"
		case c == '+':
		case (c == '*' || c == '?') && (plus && middle == "" || strings.HasSuffix(middle, "*")):
		default:
			end := i
			for alphanumeric(c) && end+1 < len(members) && members[end+1] == members[end]+1 && alphanumeric(members[end+1]) {
				end++
			}
			if end-i < 2 {
				middle += string(c)
				continue
			}
			middle += string(c) + "-" + string(members[end])
			i = end
		}
	}
	if plus {
		first += "+"
	}
	w.b.WriteString("[" + first + middle + last + "]")
	return nil
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// bare tells that c means itself wherever it stands outside of a set.
func bare(c byte) bool { return alphanumeric(c) || strings.IndexByte("_/:=,@%-", c) >= 0 }
