package pyre

const (
	// maxCode is how many instructions are too many for a pattern, with its
	// counts written out.
	maxCode = 1 << 17

	// maxSteps is how many instructions may be looked at for one argument: some
	// 30 a byte for the longest argument that execve(2) takes, 128 KiB.
	maxSteps = 1 << 22
)

// bounded is a pattern as a little program that is carried out in all ways at
// once: it goes over the argument one character at a time, with the set of all
// instructions that some way of matching has come to there. No instruction is
// looked at twice at one position, so it takes no more steps than the program
// has instructions (the shared done is one for each pass) times the argument
// has positions.
//
// Whether a look-around holds depends on nothing but the position. So it is
// found out for all of them before, in a pass of its own: a look-behind from
// left to right, like the pattern itself; a look-ahead from right to left, with
// its inside built back to front, as if it were a look-behind of that side.
type bounded struct {
	code  []inst // [done] is the end of the pattern and of all look-arounds
	start int32
	looks []look // inner ones before those around them
}

// inst is one instruction: what is to be met here, and where to go on then.
type inst struct {
	*node
	next  int32
	other int32 // of opAlternate and opRepeat: go on there as well; of opLook: its number
}

type look struct {
	start  int32
	behind bool
}

const done = 0

// newBounded returns nil if the pattern comes to maxCode.
func newBounded(tree *node) *bounded {
	b := &builder{looks: make(map[*node]int32)}
	b.code = append(b.code, inst{})
	b.start = b.build(tree, done, false)
	if len(b.code) == maxCode {
		return nil
	}
	return &b.bounded
}

type builder struct {
	bounded
	looks map[*node]int32 // their numbers: an unrolled repeat shares one
}

// add adds nothing any more if the program is full, at maxCode.
func (b *builder) add(n *node, next, other int32) int32 {
	if len(b.code) == maxCode {
		return done
	}
	b.code = append(b.code, inst{n, next, other})
	return int32(len(b.code) - 1)
}

// build adds what matches n and goes on at next, and returns where it starts.
// back is for going from right to left.
func (b *builder) build(n *node, next int32, back bool) int32 {
	if len(b.code) == maxCode { // do not go on counting in vain
		return done
	}
	switch n.op {
	case opConcat:
		for i := range n.subs {
			if !back { // the last is built first
				i = len(n.subs) - 1 - i
			}
			next = b.build(&n.subs[i], next, back)
		}
		return next
	case opAlternate:
		start := b.build(&n.subs[0], next, back)
		for i := range n.subs[1:] {
			start = b.add(n, start, b.build(&n.subs[i+1], next, back))
		}
		return start
	case opRepeat:
		return b.repeat(n, next, back)
	case opLook:
		number, ok := b.looks[n]
		if !ok {
			start := b.build(&n.subs[0], done, !n.behind)
			number = int32(len(b.bounded.looks))
			b.looks[n] = number
			b.bounded.looks = append(b.bounded.looks, look{start, n.behind})
		}
		return b.add(n, next, number)
	}
	return b.add(n, next, 0)
}

// repeat writes the count out: as many copies as must be, and then a loop, or as
// many as may be.
func (b *builder) repeat(n *node, next int32, back bool) int32 {
	body, must := &n.subs[0], n.lo
	if n.hi < 0 {
		loop := b.add(n, next, 0)
		start := b.build(body, loop, back)
		b.code[loop].other = start
		if next = loop; must > 0 { // the loop's own copy is the last of them
			next = start
			must--
		}
	}
	after := next
	for may := n.hi - n.lo; may > 0 && len(b.code) < maxCode; may-- {
		next = b.add(n, after, b.build(body, next, back))
	}
	for size := 0; must > 0 && len(b.code) > size; must-- { // copies that add nothing are all the same
		size = len(b.code)
		next = b.build(body, next, back)
	}
	return next
}

// match reports whether all of text is matched, and how many steps it took. If
// those are more than maxSteps, it gave up.
func (b *bounded) match(text []rune) (ok bool, steps int) {
	r := &run{code: b.code, text: text, seen: make([]int32, len(b.code))}
	for _, l := range b.looks {
		table := r.pass(l.start, !l.behind, true)
		if table == nil {
			return false, r.steps
		}
		r.tables = append(r.tables, table)
	}
	ends := r.pass(b.start, false, false)
	return ends != nil && ends[len(text)], r.steps
}

// run is what one match has to remember.
type run struct {
	code   []inst
	text   []rune
	tables [][]bool // by number of look-around and position: its inside matches
	steps  int

	round     int32   // counts the positions of all passes
	seen      []int32 // by instruction: the last round that came to it
	now, then []int32
}

// pass goes over the text once, from right to left if back. It tells for every
// position whether done was reached there, having begun at start: at the first
// position, or everywhere. After maxSteps it returns nil.
func (r *run) pass(start int32, back, everywhere bool) []bool {
	ends := make([]bool, len(r.text)+1)
	r.then = append(r.then[:0], start)
	for i := 0; i <= len(r.text); i++ {
		at, c := i, rune(-1) // no character is left at the last position
		if back {
			at = len(r.text) - i
		}
		if back && at > 0 {
			c = r.text[at-1]
		} else if !back && at < len(r.text) {
			c = r.text[at]
		}
		if everywhere && i > 0 {
			r.then = append(r.then, start)
		}
		r.round++
		r.now = r.now[:0]
		for _, pc := range r.then {
			r.visit(pc)
		}
		r.then = r.then[:0]
		for k := 0; k < len(r.now); k++ { // it grows while we go
			pc := r.now[k]
			if pc == done {
				ends[at] = true
				continue
			}
			switch in := &r.code[pc]; in.op {
			case opChar:
				if in.r == c {
					r.then = append(r.then, in.next)
				}
			case opSet:
				if in.set.has(c) {
					r.then = append(r.then, in.next)
				}
			case opAlternate, opRepeat:
				r.visit(in.next)
				r.visit(in.other)
			default:
				if r.holds(in, at) {
					r.visit(in.next)
				}
			}
		}
		r.steps += len(r.now)
		if r.steps > maxSteps {
			return nil
		}
		if len(r.now) == 0 {
			break
		}
	}
	return ends
}

func (r *run) visit(pc int32) {
	if r.seen[pc] != r.round {
		r.seen[pc] = r.round
		r.now = append(r.now, pc)
	}
}

// holds reports whether what takes no character is so at a position.
func (r *run) holds(in *inst, at int) bool {
	first, last := at == 0, at == len(r.text)
	switch in.op {
	case opLook:
		return r.tables[in.other][at] != in.negate
	case opBegin:
		return first
	case opEnd:
		return last
	case opEndOrLF:
		return last || at == len(r.text)-1 && r.text[at] == '\n'
	case opLineBegin:
		return first || r.text[at-1] == '\n'
	case opLineEnd:
		return last || r.text[at] == '\n'
	case opBoundary:
		before := !first && asciiWord.has(r.text[at-1])
		after := !last && asciiWord.has(r.text[at])
		return before != after
	}
	return false
}
