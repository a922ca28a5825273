package pyre

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type op uint8

const (
	opChar      op = iota // one code point: r
	opSet                 // one code point out of set
	opConcat              // subs in a row
	opAlternate           // one of subs
	opRepeat              // subs[0], lo to hi times (hi < 0: no limit)
	opLook                // subs[0] is ahead of here (behind: before here; negate: is not)
	opBegin               // \A, and ^ without (?m)
	opEnd                 // \Z
	opEndOrLF             // $ without (?m): one last newline may follow
	opLineBegin           // ^ with (?m)
	opLineEnd             // $ with (?m)
	opBoundary            // \b

	// In a program only.
	opDone // its end
	opLoop // any number of code points out of set
)

// node is one piece of a parsed pattern. Greedy and lazy repeats are the same
// here: only whether an argument matches is ever asked, never how.
type node struct {
	op             op
	negate, behind bool
	r              rune
	lo, hi         int
	set            set
	subs           []node
	number         int32 // of opLook, once it is built: one more than its place in looks
}

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

// The parser's own bounds. Python's are higher, but no pattern in use nests
// deeper than 3 or counts to more than 10.
const (
	maxNesting = 100
	maxRepeat  = 65535
)

// parser reads what CPython 3.11 reads (Lib/re/_parser.py), and refuses what
// it refuses.
//
// What cannot be said exactly is said narrower: \d is the ASCII digits. Inside
// of a negation narrower is wider, so there it is said wider instead, \d being
// whatever may be a digit; negated tells on which side we are.
type parser struct {
	src     string
	pos     int
	nesting int
	negated bool // inside of an odd number of negative look-arounds

	ascii, unicode bool // (?a) or (?u) was said for the whole pattern

	names    map[string]int
	closed   []bool // by group number: its parenthesis is closed; [0] is unused
	boundary bool   // \b was seen
	open     bool   // | was seen outside of all groups
}

// flags are those in force at one place of the pattern.
type flags struct{ ascii, fold, lines, dotAll, verbose bool }

// parsed is a whole pattern.
type parsed struct {
	node
	open     bool // it is an alternation, with no group around
	boundary bool // it has a \b
}

func parse(src string) (parsed, error) {
	p := &parser{src: src, closed: make([]bool, 1)}
	if run := len(src) - len(strings.TrimRight(src, `\`)); run%2 != 0 {
		return parsed{}, p.invalid(len(src)-1, "backslash at the end")
	}
	n, err := p.alternation(&flags{}, true)
	if err != nil {
		return parsed{}, err
	}
	if p.pos < len(src) {
		return parsed{}, p.invalid(p.pos, `")" without "("`)
	}
	return parsed{n, p.open, p.boundary}, nil
}

// invalid is for what Python refuses too.
func (p *parser) invalid(offset int, what string) error {
	return fmt.Errorf("%s at offset %d: not a valid regular expression", what, offset)
}

// unsupported is for what Python accepts.
func (p *parser) unsupported(offset int, what string) error {
	return fmt.Errorf("%s at offset %d is not supported: write the pattern without it", what, offset)
}

// next reads one character; escaped tells that a backslash stood before it.
// At the end r is -1.
func (p *parser) next() (r rune, escaped bool) {
	if p.pos >= len(p.src) {
		return -1, false
	}
	if escaped = p.src[p.pos] == '\\'; escaped {
		p.pos++ // parse made sure that something follows
	}
	r, size := utf8.DecodeRuneInString(p.src[p.pos:])
	p.pos += size
	return r, escaped
}

// bare is next for where nothing can be escaped: whatever is, reads as a
// backslash.
func (p *parser) bare() rune {
	r, escaped := p.next()
	if escaped {
		return '\\'
	}
	return r
}

func (p *parser) accept(c byte) bool {
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// skipPast moves behind the next c; without one, to the end and returns false.
func (p *parser) skipPast(c rune) bool {
	for {
		switch p.bare() {
		case c:
			return true
		case -1:
			return false
		}
	}
}

// digits reads at most n digits of the base; got tells how many there were.
func (p *parser) digits(n int, base rune) (value rune, got int) {
	for got < n && p.pos < len(p.src) {
		d := rune(16)
		switch c := p.src[p.pos]; {
		case '0' <= c && c <= '9':
			d = rune(c - '0')
		case 'a' <= c && c <= 'f':
			d = rune(c-'a') + 10
		case 'A' <= c && c <= 'F':
			d = rune(c-'A') + 10
		}
		if d >= base {
			break
		}
		if value <= unicode.MaxRune { // no more is ever asked for
			value = value*base + d
		}
		p.pos++
		got++
	}
	return value, got
}

// alternation reads a|b|c up to a closing parenthesis or the end. Flags for
// the whole pattern may stand at its start if it is itself the whole.
func (p *parser) alternation(f *flags, whole bool) (node, error) {
	if p.nesting++; p.nesting > maxNesting {
		return node{}, p.unsupported(p.pos, fmt.Sprintf("nesting deeper than %d", maxNesting))
	}
	defer func() { p.nesting-- }()
	n, err := p.concatenation(f, whole)
	if err != nil || !p.accept('|') {
		return n, err
	}
	p.open = p.open || whole
	alt := node{op: opAlternate, subs: []node{n}}
	for {
		if n, err = p.concatenation(f, false); err != nil {
			return n, err
		}
		alt.subs = append(alt.subs, n)
		if !p.accept('|') {
			return alt, nil
		}
	}
}

// What a quantifier wants to know of the piece before it.
type kind uint8

const (
	none   kind = iota
	thing       // may be repeated
	place       // ^ $ \b and the like: may not
	repeat      // is repeated already
)

func (p *parser) concatenation(f *flags, whole bool) (node, error) {
	// As many pieces as there can be before the next group or alternative.
	room := strings.IndexAny(p.src[p.pos:], "|()")
	if room < 0 {
		room = len(p.src) - p.pos
	}
	subs := make([]node, 0, min(room+1, 64))
	last := none
	for p.pos < len(p.src) && p.src[p.pos] != '|' && p.src[p.pos] != ')' {
		start := p.pos
		r, escaped := p.next()
		if f.verbose && !escaped {
			if asciiSpace.has(r) {
				continue
			}
			if r == '#' {
				p.skipPast('\n')
				continue
			}
		}
		var n node
		var err error
		this := thing
		switch {
		case escaped:
			if n, err = p.escape(r, start, f); n.op >= opBegin {
				this = place
			}
		case r == '.' && f.dotAll:
			n = node{op: opSet, set: anything}
		case r == '.':
			n = node{op: opSet, set: notNewline}
		case r == '[':
			n, err = p.class(start, f)
		case r == '^':
			n, this = node{op: opBegin}, place
			if f.lines {
				n.op = opLineBegin
			}
		case r == '$':
			n, this = node{op: opEnd}, place // narrower: no newline may follow
			if f.lines {
				n.op = opLineEnd
			} else if p.negated {
				n.op = opEndOrLF
			}
		case r == '(':
			var matches bool
			n, matches, err = p.group(start, f, whole && len(subs) == 0)
			if err == nil && !matches {
				continue
			}
		case r == '*' || r == '+' || r == '?' || r == '{':
			lo, hi, ok, err := p.quantifier(r, start)
			if err != nil {
				return n, err
			}
			if !ok {
				n = node{op: opChar, r: r} // a brace that is only a brace
				break
			}
			switch last {
			case none, place:
				return n, p.invalid(start, "nothing to repeat")
			case repeat:
				return n, p.invalid(start, "repeat of a repeat")
			}
			if !p.accept('?') && p.accept('+') {
				return n, p.unsupported(start, "possessive repeat")
			}
			i := len(subs) - 1
			subs[i] = node{op: opRepeat, lo: lo, hi: hi, subs: []node{subs[i]}}
			last = repeat
			continue
		default:
			n, err = p.char(r, start, f)
		}
		if err != nil {
			return n, err
		}
		subs, last = append(subs, n), this
	}
	if len(subs) == 1 {
		return subs[0], nil
	}
	return node{op: opConcat, subs: subs}, nil
}

// char is one literal character, in both its cases under (?i).
func (p *parser) char(r rune, start int, f *flags) (node, error) {
	if f.fold {
		if p.negated && r >= utf8.RuneSelf {
			return node{}, p.unsupported(start, fmt.Sprintf("negated %+q under (?i)", r))
		}
		// Outside of ASCII only what is written is taken; Python takes the other case too.
		if s := foldASCII(set{r, r}, f.ascii, p.negated); len(s) > 2 {
			return node{op: opSet, set: s}, nil
		}
	}
	return node{op: opChar, r: r}, nil
}

// quantifier reads the rest of * + ? {m} {m,} {,n} {m,n}, r being the first;
// ok is false for a brace that opens none of these.
func (p *parser) quantifier(r rune, start int) (lo, hi int, ok bool, err error) {
	switch r {
	case '*':
		return 0, -1, true, nil
	case '+':
		return 1, -1, true, nil
	case '?':
		return 0, 1, true, nil
	}
	brace := p.pos
	m, got := p.digits(len(p.src), 10)
	lo, hi = int(m), int(m)
	comma := p.accept(',')
	if comma {
		n, got := p.digits(len(p.src), 10)
		if hi = int(n); got == 0 {
			hi = -1
		}
	}
	if got == 0 && !comma || !p.accept('}') {
		p.pos = brace
		return 0, 0, false, nil
	}
	switch {
	case lo > maxRepeat || hi > maxRepeat:
		err = p.unsupported(start, fmt.Sprintf("repeat of more than %d", maxRepeat))
	case hi >= 0 && hi < lo:
		err = p.invalid(start, "repeat with the larger number first")
	}
	return lo, hi, true, err
}

// group reads what follows an opening parenthesis. matches is false if that
// was a comment or flags for the whole pattern.
func (p *parser) group(start int, f *flags, whole bool) (n node, matches bool, err error) {
	if !p.accept('?') {
		return p.numbered(start, f)
	}
	switch r := p.bare(); r {
	case ':':
		n, err = p.body(start, *f)
		return n, true, err
	case '#':
		if !p.skipPast(')') {
			err = p.invalid(start, "comment without end")
		}
		return n, false, err
	case '=', '!':
		return p.look(start, f, false, r == '!')
	case '<':
		switch r := p.bare(); r {
		case '=', '!':
			return p.look(start, f, true, r == '!')
		}
	case 'P':
		switch p.bare() {
		case '<':
			name, err := p.name('>', start)
			if err != nil {
				return n, false, err
			}
			if _, ok := p.names[name]; ok {
				return n, false, p.invalid(start, fmt.Sprintf("second group named %q", name))
			}
			if p.names == nil {
				p.names = make(map[string]int)
			}
			p.names[name] = len(p.closed)
			return p.numbered(start, f)
		case '=':
			name, err := p.name(')', start)
			if err != nil {
				return n, false, err
			}
			return n, false, p.reference(p.names[name], start)
		}
	case '(':
		return n, false, p.unsupported(start, "conditional group")
	case '>':
		return n, false, p.unsupported(start, "atomic group")
	case 'a', 'i', 'L', 'm', 's', 't', 'u', 'x', '-':
		return p.flagged(r, start, f, whole)
	}
	return n, false, p.invalid(start, "unknown kind of group")
}

// body reads a group's contents and its closing parenthesis.
func (p *parser) body(start int, f flags) (node, error) {
	n, err := p.alternation(&f, false)
	if err == nil && !p.accept(')') {
		err = p.invalid(start, `"(" without ")"`)
	}
	return n, err
}

func (p *parser) numbered(start int, f *flags) (node, bool, error) {
	number := len(p.closed)
	p.closed = append(p.closed, false)
	n, err := p.body(start, *f)
	p.closed[number] = true
	return n, true, err
}

func (p *parser) look(start int, f *flags, behind, negate bool) (node, bool, error) {
	if negate {
		p.negated = !p.negated
		defer func() { p.negated = !p.negated }()
	}
	n, err := p.body(start, *f)
	if err != nil {
		return n, false, err
	}
	if lo, hi := width(&n); behind && (lo != hi || hi == endless) {
		return n, false, p.invalid(start, "look-behind of no fixed width")
	}
	return node{op: opLook, behind: behind, negate: negate, subs: []node{n}}, true, nil
}

// name reads a group's name up to end. Python takes identifiers of any
// alphabet, we take ASCII.
func (p *parser) name(end rune, start int) (string, error) {
	from := p.pos
	if !p.skipPast(end) || p.pos-from < 2 {
		return "", p.invalid(start, "no group name")
	}
	name := p.src[from : p.pos-1]
	for i, r := range name {
		switch {
		case r >= utf8.RuneSelf:
			return "", p.unsupported(start, "group name outside of ASCII")
		case !asciiWord.has(r) || i == 0 && asciiDigit.has(r):
			return "", p.invalid(start, "bad group name")
		}
	}
	return name, nil
}

// flagged reads (?flags), which is for the whole pattern, or (?flags:...).
// r is the first of the flags.
func (p *parser) flagged(r rune, start int, f *flags, whole bool) (n node, matches bool, err error) {
	inner := *f
	var on, off []rune
	for ; strings.ContainsRune("aiLmstux", r); r = p.bare() {
		on = append(on, r)
	}
	if r == '-' {
		for r = p.bare(); strings.ContainsRune("imsx", r); r = p.bare() {
			off = append(off, r)
		}
		if len(off) == 0 || r != ':' {
			return n, false, p.invalid(start, "bad flags")
		}
	}
	has := func(flag string) bool { return strings.Contains(string(on), flag) }
	switch {
	case r != ')' && r != ':', has("L"), has("a") && has("u"),
		len(off) > 0 && strings.ContainsAny(string(on), string(off)):
		return n, false, p.invalid(start, "bad flags")
	case has("t"):
		return n, false, p.unsupported(start, "flag t")
	}
	for _, c := range on {
		inner.put(c, true)
	}
	for _, c := range off {
		inner.put(c, false)
	}
	if r == ':' {
		n, err = p.body(start, inner)
		return n, true, err
	}
	p.ascii, p.unicode = p.ascii || has("a"), p.unicode || has("u")
	if !whole || p.ascii && p.unicode {
		return n, false, p.invalid(start, "flags for the whole pattern that contradict or do not stand at its start")
	}
	*f = inner
	return n, false, nil
}

func (f *flags) put(c rune, on bool) {
	switch c {
	case 'a':
		f.ascii = true
	case 'u':
		f.ascii = false
	case 'i':
		f.fold = on
	case 'm':
		f.lines = on
	case 's':
		f.dotAll = on
	case 'x':
		f.verbose = on
	}
}

// reference refuses a back-reference: what it matches depends on more than
// where it stands, and could not be found in linear time.
func (p *parser) reference(group, start int) error {
	switch {
	case group == 0 || group >= len(p.closed):
		return p.invalid(start, "reference to an unknown group")
	case !p.closed[group]:
		return p.invalid(start, "reference to a group from inside of it")
	}
	return p.unsupported(start, "back-reference")
}

// escape is \r outside of a class.
func (p *parser) escape(r rune, start int, f *flags) (node, error) {
	switch r {
	case 'A':
		return node{op: opBegin}, nil
	case 'Z':
		return node{op: opEnd}, nil
	case 'b':
		p.boundary = true
		return node{op: opBoundary}, nil
	case 'B':
		// Whether it holds in an empty argument depends on the Python.
		return node{}, p.unsupported(start, `\B`)
	case 'd', 'D', 'w', 'W', 's', 'S':
		return node{op: opSet, set: category(r, f.ascii, p.negated)}, nil
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		// Three octal digits are a character, anything less a group.
		from := p.pos - 1
		p.pos = from
		if c, got := p.digits(3, 8); got == 3 {
			if c > 0o377 {
				return node{}, p.invalid(start, "octal escape above 0377")
			}
			return p.char(c, start, f)
		}
		p.pos = from
		group, _ := p.digits(2, 10)
		return node{}, p.reference(int(group), start)
	}
	c, err := p.escapedChar(r, start)
	if err != nil {
		return node{}, err
	}
	return p.char(c, start, f)
}

// escapedChar is \r where it is one character, in a class or outside.
func (p *parser) escapedChar(r rune, start int) (rune, error) {
	want := 0
	switch r {
	case 'a':
		return '\a', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'v':
		return '\v', nil
	case '0', '1', '2', '3', '4', '5', '6', '7':
		p.pos--
		c, _ := p.digits(3, 8)
		if c > 0o377 {
			return 0, p.invalid(start, "octal escape above 0377")
		}
		return c, nil
	case 'x':
		want = 2
	case 'u':
		want = 4
	case 'U':
		want = 8
	case 'N':
		return 0, p.unsupported(start, `\N{name}`)
	default:
		if r < utf8.RuneSelf && asciiWord.has(r) && r != '_' {
			return 0, p.invalid(start, fmt.Sprintf(`\%c`, r))
		}
		return r, nil
	}
	c, got := p.digits(want, 16)
	if got < want || c > unicode.MaxRune {
		return 0, p.invalid(start, fmt.Sprintf(`bad \%c`, r))
	}
	return c, nil
}

// class reads [...] behind its opening bracket.
func (p *parser) class(start int, f *flags) (node, error) {
	complement := p.accept('^')
	maybe := p.negated != complement
	foreign := false // a character outside of ASCII is named
	s := make(set, 0, 8)
	for first := true; ; first = false {
		at := p.pos
		from, err := p.member(f, maybe)
		if err != nil {
			return node{}, err
		}
		if from.bracket && !first {
			break
		}
		if !p.accept('-') {
			s = append(s, from.set...)
			foreign = foreign || from.char && from.set[0] >= utf8.RuneSelf
			continue
		}
		to, err := p.member(f, maybe)
		if err != nil {
			return node{}, err
		}
		if to.bracket { // the hyphen was the last member
			s = append(append(s, from.set...), '-', '-')
			foreign = foreign || from.char && from.set[0] >= utf8.RuneSelf
			break
		}
		if !from.char || !to.char || from.set[0] > to.set[0] {
			return node{}, p.invalid(at, "bad range")
		}
		s = append(s, from.set[0], to.set[0])
		foreign = foreign || to.set[0] >= utf8.RuneSelf
	}
	s = normalize(s)
	if f.fold {
		if maybe && foreign {
			return node{}, p.unsupported(start, "negated class with a character outside of ASCII under (?i)")
		}
		s = foldASCII(s, f.ascii, maybe)
	}
	if complement {
		s = s.complement()
	}
	if len(s) == 2 && s[0] == s[1] {
		return node{op: opChar, r: s[0]}, nil
	}
	return node{op: opSet, set: s}, nil
}

// member is one member of a class: a character, or all those of \d and the
// like. bracket tells that it was a ], which ends a class unless it comes first.
type member struct {
	set           set
	char, bracket bool
}

func (p *parser) member(f *flags, maybe bool) (member, error) {
	start := p.pos
	r, escaped := p.next()
	switch {
	case r < 0:
		return member{}, p.invalid(start, "class without end")
	case !escaped:
		return member{set: set{r, r}, char: true, bracket: r == ']'}, nil
	}
	switch r {
	case 'b':
		r = '\b'
	case 'd', 'D', 'w', 'W', 's', 'S':
		return member{set: category(r, f.ascii, maybe)}, nil
	default:
		var err error
		if r, err = p.escapedChar(r, start); err != nil {
			return member{}, err
		}
	}
	return member{set: set{r, r}, char: true}, nil
}
