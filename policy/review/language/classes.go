package language

import (
	"slices"
	"sort"
	"unicode"
	"unicode/utf8"
)

// classes sorts all code points into those that an automaton need not tell apart, so
// that it has a handful of letters and not a million. A class is a number below n.
type classes struct {
	from []rune  // where a range begins: ascending, the first is 0
	in   []int32 // the class of each range
	n    int
}

// ends is the letter that closes a word of a command line. No argument holds it.
const ends = 0

// one puts all characters into the same class.
var one = &classes{from: []rune{ends, ends + 1}, in: []int32{0, 1}, n: 2}

// split has a class of its own for the code points in set, which are pairs.
func split(set []rune) *classes {
	c := &classes{n: 3}
	next := rune(ends + 1)
	put := func(from rune, class int32) {
		c.from, c.in = append(c.from, from), append(c.in, class)
	}
	put(ends, 0)
	for i := 0; i < len(set); i += 2 {
		lo, hi := max(set[i], next), set[i+1]
		if lo > hi {
			continue
		}
		if lo > next {
			put(next, 1)
		}
		put(lo, 2)
		next = hi + 1
	}
	if next <= unicode.MaxRune {
		put(next, 1)
	}
	return c
}

// each has a class for each of chars, which are sorted and not twice there.
func each(chars []rune) *classes {
	c := &classes{from: []rune{ends}, in: []int32{0}, n: 2}
	next := rune(ends + 1)
	put := func(from rune, class int32) {
		c.from, c.in = append(c.from, from), append(c.in, class)
	}
	for _, r := range chars {
		if r < next {
			continue
		}
		if r > next {
			put(next, 1)
		}
		put(r, int32(c.n))
		c.n++
		next = r + 1
	}
	if next <= unicode.MaxRune {
		put(next, 1)
	}
	return c
}

// of is the class of r.
func (c *classes) of(r rune) int32 {
	return c.in[sort.Search(len(c.from), func(i int) bool { return c.from[i] > r })-1]
}

// both tells apart what c or d does.
func (c *classes) both(d *classes) *classes {
	if c == d {
		return c
	}
	out := &classes{from: make([]rune, 0, len(c.from)+len(d.from))}
	numbers := make(map[[2]int32]int32)
	for i, j := 0, 0; ; {
		pair := [2]int32{c.in[i], d.in[j]}
		class, ok := numbers[pair]
		if !ok {
			class = int32(out.n)
			numbers[pair] = class
			out.n++
		}
		if k := len(out.in); k == 0 || out.in[k-1] != class {
			out.from, out.in = append(out.from, max(c.from[i], d.from[j])), append(out.in, class)
		}
		nextI, nextJ := rune(unicode.MaxRune+1), rune(unicode.MaxRune+1)
		if i+1 < len(c.from) {
			nextI = c.from[i+1]
		}
		if j+1 < len(d.from) {
			nextJ = d.from[j+1]
		}
		if min(nextI, nextJ) > unicode.MaxRune {
			return out
		}
		if nextI <= nextJ {
			i++
		}
		if nextJ <= nextI {
			j++
		}
	}
}

// together tells apart what any of list does.
func together(list []*classes) *classes {
	all := one
	seen := make(map[*classes]bool)
	for _, c := range list {
		if !seen[c] {
			seen[c] = true
			all = all.both(c)
		}
	}
	return all
}

// within is, for each class of c, the class of d that it lies in. d tells apart no more
// than c does.
func (c *classes) within(d *classes) []int32 {
	to := make([]int32, c.n)
	for i, from := range c.from {
		to[c.in[i]] = d.of(from)
	}
	return to
}

// letter is what a walk over an automaton reads: characters of one class.
type letter struct {
	class int32
	chars []rune // pairs, as of a set
	best  rune   // one of them, for people
	byte  uint8  // 0, or the first of these bytes: what is no UTF-8
}

// letters returns what can be read, with words whether it can be a word's end. It is in
// the order in which people like it. Where all is true each character is in a letter;
// else a class that has any proper character is represented by those alone, which
// decides nothing: put a proper character for each byte that is not UTF-8, and what is
// left of those is as well-formed as it was.
func (c *classes) letters(words, all bool) []letter {
	proper, stray := make([][]rune, c.n), make([][]rune, c.n)
	for i, from := range c.from {
		to := rune(unicode.MaxRune)
		if i+1 < len(c.from) {
			to = c.from[i+1] - 1
		}
		k := c.in[i]
		proper[k] = cut(cut(proper[k], from, to, ends+1, 0xd7ff), from, to, 0xe000, unicode.MaxRune)
		for j, lo := range strayFrom {
			hi := rune(0xdcff)
			if j+1 < len(strayFrom) {
				hi = strayFrom[j+1] - 1
			}
			stray[k] = cut(stray[k], from, to, lo, hi)
		}
	}
	var list []letter
	if words {
		list = append(list, letter{class: c.of(ends), chars: []rune{ends, ends}, best: ends})
	}
	for k := range c.n {
		if len(proper[k]) > 0 {
			list = append(list, letter{class: int32(k), chars: proper[k], best: likeable(proper[k])})
			if !all {
				continue
			}
		}
		for j := 0; j < len(stray[k]); j += 2 {
			lo, hi := stray[k][j], stray[k][j+1]
			list = append(list, letter{class: int32(k), chars: []rune{lo, hi}, best: lo, byte: uint8(lo - 0xdc00)})
		}
	}
	slices.SortFunc(list, func(a, b letter) int { return rank(a.best) - rank(b.best) })
	return list
}

// cut appends what is both in from to to and in lo to hi.
func cut(set []rune, from, to, lo, hi rune) []rune {
	lo, hi = max(from, lo), min(to, hi)
	if lo > hi {
		return set
	}
	return append(set, lo, hi)
}

// liked are the characters that people like to see in an example, in this order.
const liked = "xabcdefghijklmnopqrstuvwyz1234567890XABCDEFGHIJKLMNOPQRSTUVWYZ/-._:=,@+% !#$&'()*;<>?[]^`{|}~\"\\"

// rank orders characters by how much people like them.
func rank(r rune) int {
	switch {
	case r == ends: // so that of two lines that are equally long the one of few words comes last
		return len(liked)
	case r < utf8.RuneSelf:
		if i := slices.Index(likedRunes, r); i >= 0 {
			return i
		}
		return 1<<25 + int(r)
	case unicode.IsPrint(r):
		return 1<<22 + int(r)
	}
	return 1<<26 + int(r)
}

var likedRunes = []rune(liked)

// likeable is a member of set, one that people like where that is soon found.
func likeable(set []rune) rune { return favourites(set, 1)[0] }

// favourites are up to n members of set, which are pairs, those first that people like.
func favourites(set []rune, n int) []rune {
	var list []rune
	for _, r := range likedRunes {
		if len(list) == n {
			return list
		}
		if has(set, r) {
			list = append(list, r)
		}
	}
	// Printable ones, as far as they are soon found.
	const far = 1 << 10
	later := make(map[rune]bool)
	for i := 0; i < len(set); i += 2 {
		for r := max(set[i], utf8.RuneSelf); r <= set[i+1] && r-set[i] < far && len(list) < n; r++ {
			if unicode.IsPrint(r) {
				list = append(list, r)
				later[r] = true
			}
		}
	}
	for i := 0; i < len(set); i += 2 {
		for r := set[i]; r <= set[i+1] && len(list) < n; r++ {
			if !later[r] && !slices.Contains(likedRunes, r) {
				list = append(list, r)
			}
		}
	}
	return list
}

// has tells whether r is in set, which are pairs.
func has(set []rune, r rune) bool {
	for i := 0; i < len(set); i += 2 {
		if set[i] <= r && r <= set[i+1] {
			return true
		}
	}
	return false
}

// size is how many characters are in set.
func size(set []rune) int {
	n := 0
	for i := 0; i < len(set); i += 2 {
		n += int(set[i+1]-set[i]) + 1
	}
	return n
}

// What bytes that are no UTF-8 do depends on those before them: three of them may be a
// character, and then no word has them as bytes. strayFrom is where what they do
// changes, as lone surrogates, and stray what is awaited; RFC 3629, section 4.
var strayFrom = []rune{0xdc80, 0xdc90, 0xdca0, 0xdcc0, 0xdcc2, 0xdce0, 0xdce1, 0xdced, 0xdcee, 0xdcf0, 0xdcf1, 0xdcf4, 0xdcf5}

type pending uint8

const (
	nothing pending = iota
	last            // one byte more, and it is a character
	two
	three
	afterE0
	afterED
	afterF0
	afterF4
)

// stray is what is awaited behind the byte b, which stands for itself. It is false where
// b would have made a character.
func (p pending) stray(b uint8) (pending, bool) {
	lo, hi, then := uint8(0x80), uint8(0xbf), nothing
	switch p {
	case nothing:
		lo = 0xff // nothing goes on
	case last:
		if lo <= b && b <= hi {
			return nothing, false
		}
	case two:
		then = last
	case three:
		then = two
	case afterE0:
		lo, then = 0xa0, last
	case afterED:
		hi, then = 0x9f, last
	case afterF0:
		lo, then = 0x90, two
	case afterF4:
		hi, then = 0x8f, two
	}
	if p != nothing && lo <= b && b <= hi {
		return then, true
	}
	switch {
	case b < 0xc2 || b > 0xf4:
		return nothing, true
	case b < 0xe0:
		return last, true
	case b == 0xe0:
		return afterE0, true
	case b == 0xed:
		return afterED, true
	case b < 0xf0:
		return two, true
	case b == 0xf0:
		return afterF0, true
	case b < 0xf4:
		return three, true
	}
	return afterF4, true
}

// decode is how a pattern sees a word: each byte that is not UTF-8 is a lone surrogate.
func decode(word string) []rune {
	runes := make([]rune, 0, len(word))
	for i := 0; i < len(word); {
		r, n := utf8.DecodeRuneInString(word[i:])
		if r == utf8.RuneError && n == 1 {
			r = 0xdc00 + rune(word[i])
		}
		runes = append(runes, r)
		i += n
	}
	return runes
}

// encode is decode's reverse.
func encode(word []rune) string {
	b := make([]byte, 0, len(word))
	for _, r := range word {
		if 0xdc80 <= r && r <= 0xdcff {
			b = append(b, byte(r-0xdc00))
			continue
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b)
}
