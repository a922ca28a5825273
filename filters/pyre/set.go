package pyre

import (
	"slices"
	"sync"
	"unicode"
)

// set is a set of code points: pairs of first and last, sorted, apart from
// one another.
//
// Python sees a byte b that is not UTF-8 as the lone surrogate U+DC00+b
// (PEP 383), so U+DC80 to U+DCFF are members like any other.
type set []rune

var (
	anything   = set{0, unicode.MaxRune}
	notNewline = set{0, '\n' - 1, '\n' + 1, unicode.MaxRune}

	asciiDigit = set{'0', '9'}
	asciiWord  = set{'0', '9', 'A', 'Z', '_', '_', 'a', 'z'}
	asciiSpace = set{'\t', '\r', ' ', ' '}

	// White space is what str.isspace says; it has not changed in years.
	unicodeSpace = set{
		'\t', '\r', 0x1c, ' ', 0x85, 0x85, 0xa0, 0xa0, 0x1680, 0x1680,
		0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f, 0x205f, 0x205f, 0x3000, 0x3000,
	}

	// Which characters are digits and letters grows with every Unicode, and
	// Python's may be older or newer than Go's. What is not assigned in ours
	// may be either in theirs, so it counts as in.
	maybeDigit, maybeWord tables
)

// tables is a set that is made of Unicode's tables when somebody asks for it.
type tables struct {
	once sync.Once
	set  set
}

func (t *tables) of(more set, list ...*unicode.RangeTable) set {
	t.once.Do(func() { t.set = normalize(append(fromTables(list...), more...)) })
	return t.set
}

// category is the set of \d, \D and so on: of all characters that surely are
// in Python's or, with maybe, of all that could be.
func category(letter rune, ascii, maybe bool) set {
	if letter < 'a' {
		return category(letter-'A'+'a', ascii, !maybe).complement()
	}
	maybe = maybe && !ascii
	switch {
	case letter == 'd' && maybe:
		return maybeDigit.of(nil, unicode.Nd, unicode.Cn)
	case letter == 'd':
		return asciiDigit
	case letter == 'w' && maybe:
		return maybeWord.of(set{'_', '_'}, unicode.L, unicode.N, unicode.Cn)
	case letter == 'w':
		return asciiWord
	case maybe:
		return unicodeSpace
	}
	return asciiSpace
}

// foldASCII adds the other case of the ASCII letters in s. With maybe it adds
// the four characters outside of ASCII that Python's (?i) takes for one of
// them too: long s, the Kelvin sign, and the i with and without its dot.
func foldASCII(s set, ascii, maybe bool) set {
	out := slices.Clone(s)
	for i := 0; i < len(s); i += 2 {
		if lo, hi := max(s[i], 'A'), min(s[i+1], 'Z'); lo <= hi {
			out = append(out, lo+32, hi+32)
		}
		if lo, hi := max(s[i], 'a'), min(s[i+1], 'z'); lo <= hi {
			out = append(out, lo-32, hi-32)
		}
	}
	out = normalize(out)
	if maybe && !ascii {
		if out.has('k') {
			out = append(out, 0x212a, 0x212a)
		}
		if out.has('s') {
			out = append(out, 0x17f, 0x17f)
		}
		if out.has('i') {
			out = append(out, 0x130, 0x131)
		}
		out = normalize(out)
	}
	return out
}

func fromTables(tables ...*unicode.RangeTable) set {
	var s set
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			s = append(s, lo, hi)
			return
		}
		for r := lo; r <= hi; r += stride {
			s = append(s, r, r)
		}
	}
	for _, t := range tables {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return normalize(s)
}

// normalize sorts s and joins what overlaps or touches.
func normalize(s set) set {
	if s.apart() {
		return s
	}
	pairs := make([][2]rune, 0, len(s)/2)
	for i := 0; i < len(s); i += 2 {
		pairs = append(pairs, [2]rune{s[i], s[i+1]})
	}
	slices.SortFunc(pairs, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	out := make(set, 0, len(s))
	for _, p := range pairs {
		if n := len(out); n > 0 && p[0] <= out[n-1]+1 {
			out[n-1] = max(out[n-1], p[1])
			continue
		}
		out = append(out, p[0], p[1])
	}
	return out
}

// apart tells that s needs no normalizing.
func (s set) apart() bool {
	for i := 2; i < len(s); i += 2 {
		if s[i] <= s[i-1]+1 {
			return false
		}
	}
	return true
}

func (s set) complement() set {
	out := make(set, 0, len(s)+2)
	next := rune(0)
	for i := 0; i < len(s); i += 2 {
		if s[i] > next {
			out = append(out, next, s[i]-1)
		}
		next = s[i+1] + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, next, unicode.MaxRune)
	}
	return out
}

func (s set) has(r rune) bool {
	first, end := 0, len(s)/2 // the pairs that r could be in
	for first < end {
		switch pair := (first + end) / 2; {
		case r < s[2*pair]:
			end = pair
		case r > s[2*pair+1]:
			first = pair + 1
		default:
			return true
		}
	}
	return false
}
