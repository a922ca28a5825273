package pyre

import "unicode/utf8"

const (
	// maxCode is how many instructions are too many for a pattern, with its
	// counts written out.
	maxCode = 1 << 17

	// maxSteps is how many instructions may be looked at for one argument: 128
	// a byte for the longest argument that execve(2) takes, 128 KiB.
	maxSteps = 1 << 24
)

// bounded is a pattern as a little program that is carried out in all ways at
// once: it goes over the argument one character at a time, with the set of all
// instructions that some way of matching has come to there. No instruction is
// looked at twice at one position, so it takes no more steps than the program
// has instructions (the shared done is one for each pass) times the argument
// has positions. What a pattern's last loop takes is no step.
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
	op     op
	negate bool // of opLook
	r      rune // of opChar
	next   int32
	other  int32 // of opAlternate and opRepeat: go on there as well; of opLook: its number
	set    set   // of opSet and opLoop
}

type look struct {
	start  int32
	behind bool
}

const done = 0

// build makes a program of pieces that follow one another. It is false if that
// comes to maxCode. size is about how many instructions it will have.
func (b *bounded) build(pieces []*node, size int) bool {
	b.code = append(make([]inst, 0, min(size, 256)), inst{op: opDone})
	b.start = done
	for i := len(pieces) - 1; i >= 0; i-- {
		b.start = b.add(pieces[i], b.start, false)
	}
	return len(b.code) < maxCode
}

// put adds nothing any more if the program is full, at maxCode.
func (b *bounded) put(n *node, next, other int32) int32 {
	if len(b.code) == maxCode {
		return done
	}
	b.code = append(b.code, inst{n.op, n.negate, n.r, next, other, n.set})
	return int32(len(b.code) - 1)
}

// add adds what matches n and goes on at next, and returns where it starts.
// back is for going from right to left.
func (b *bounded) add(n *node, next int32, back bool) int32 {
	if len(b.code) == maxCode { // do not go on counting in vain
		return done
	}
	switch n.op {
	case opConcat:
		for i := range n.subs {
			if !back { // the last is built first
				i = len(n.subs) - 1 - i
			}
			next = b.add(&n.subs[i], next, back)
		}
		return next
	case opAlternate:
		start := b.add(&n.subs[0], next, back)
		for i := range n.subs[1:] {
			start = b.put(n, start, b.add(&n.subs[i+1], next, back))
		}
		return start
	case opRepeat:
		return b.repeat(n, next, back)
	case opLook:
		if n.number == 0 {
			start := b.add(&n.subs[0], done, !n.behind)
			b.looks = append(b.looks, look{start, n.behind})
			n.number = int32(len(b.looks))
		}
		return b.put(n, next, n.number-1)
	}
	return b.put(n, next, 0)
}

// repeat writes the count out: as many copies as must be, and then a loop, or as
// many as may be.
func (b *bounded) repeat(n *node, next int32, back bool) int32 {
	body, must := &n.subs[0], n.lo
	switch {
	case n.hi >= 0:
	case body.op == opChar || body.op == opSet:
		loop := *body
		loop.op, loop.set = opLoop, one(body)
		next = b.put(&loop, next, 0)
	default:
		loop := b.put(n, next, 0)
		start := b.add(body, loop, back)
		b.code[loop].other = start
		if next = loop; must > 0 { // the loop's own copy is the last of them
			next = start
			must--
		}
	}
	after := next
	for may := n.hi - n.lo; may > 0 && len(b.code) < maxCode; may-- {
		next = b.put(n, after, b.add(body, next, back))
	}
	for size := 0; must > 0 && len(b.code) > size; must-- { // copies that add nothing are all the same
		size = len(b.code)
		next = b.add(body, next, back)
	}
	return next
}

// match reports whether arg is matched from a position to its end, and how many
// steps it took. If those are more than maxSteps, it gave up.
func (b *bounded) match(arg string, from int) (ok bool, steps int) {
	size := len(b.code)
	room := make([]int32, 3*size)
	r := run{code: b.code, arg: arg, seen: room[:size], now: room[size : size : 2*size], then: room[2*size : 2*size]}
	for _, l := range b.looks {
		table := make([]bool, len(arg)+1)
		if r.tables = append(r.tables, table); l.behind {
			r.pass(l.start, 0, false, table)
		} else {
			r.pass(l.start, len(arg), true, table)
		}
		if r.steps > maxSteps {
			return false, r.steps
		}
	}
	ok = r.pass(b.start, from, false, nil)
	return ok && r.steps <= maxSteps, r.steps
}

// run is what one match has to remember.
type run struct {
	code   []inst
	arg    string
	tables [][]bool // by number of look-around and position: its inside matches
	steps  int

	round     int32   // counts the positions of all passes
	seen      []int32 // by instruction: the last round that came to it
	now, then []int32 // what is come to at a position, and at the one behind
}

// pass goes over the argument once, from a position to its end, or if back to its
// start. It tells whether done was reached there. With a table, it begins anew at
// every position, and writes down at which done was reached. After maxSteps it
// stops.
func (r *run) pass(start int32, at int, back bool, table []bool) bool {
	code, seen := r.code, r.seen
	now, then := r.now[:0], append(r.then[:0], start)
	for {
		// Most patterns end in one such loop, and it takes most of the argument.
		if in := &code[then[0]]; in.op == opLoop && in.next == done && len(then) == 1 && table == nil {
			return r.all(in.set, at)
		}
		c, size := r.char(at, back)
		ended := false
		r.round++
		now, then = then, now[:0]
		for k := 0; k < len(now); k++ { // it grows while we go
			pc := now[k]
			if seen[pc] == r.round {
				continue
			}
			seen[pc] = r.round
			r.steps++
			switch in := &code[pc]; in.op {
			case opDone:
				ended = true
			case opChar:
				if in.r == c {
					then = append(then, in.next)
				}
			case opSet:
				if in.set.has(c) {
					then = append(then, in.next)
				}
			case opLoop:
				now = append(now, in.next)
				if in.set.has(c) {
					then = append(then, pc)
				}
			case opAlternate, opRepeat:
				now = append(now, in.next, in.other)
			default:
				if r.holds(in, at) {
					now = append(now, in.next)
				}
			}
		}
		if table != nil {
			table[at] = ended
			then = append(then, start)
		}
		if size == 0 || len(then) == 0 || r.steps > maxSteps {
			r.now, r.then = now, then
			return ended && size == 0
		}
		if back {
			size = -size
		}
		at += size
	}
}

// all tells whether everything from a position on is in s.
func (r *run) all(s set, at int) bool {
	for at < len(r.arg) {
		c, size := r.char(at, false)
		if !s.has(c) {
			return false
		}
		at += size
	}
	return true
}

// char is the character ahead of a position, or if back behind it, and its size in
// bytes. It reads bytes as Python does: each that is not UTF-8 is a lone surrogate.
// Where there is none it is -1, of no size.
func (r *run) char(at int, back bool) (c rune, size int) {
	switch {
	case back && at == 0, !back && at == len(r.arg):
		return -1, 0
	case back:
		if c = rune(r.arg[at-1]); c < utf8.RuneSelf {
			return c, 1
		}
		c, size = utf8.DecodeLastRuneInString(r.arg[:at])
		at--
	default:
		if c = rune(r.arg[at]); c < utf8.RuneSelf {
			return c, 1
		}
		c, size = utf8.DecodeRuneInString(r.arg[at:])
	}
	if c == utf8.RuneError && size == 1 {
		c = 0xdc00 + rune(r.arg[at])
	}
	return c, size
}

// holds reports whether what takes no character is so at a position.
func (r *run) holds(in *inst, at int) bool {
	first, last := at == 0, at == len(r.arg)
	switch in.op {
	case opLook:
		return r.tables[in.other][at] != in.negate
	case opBegin:
		return first
	case opEnd:
		return last
	case opEndOrLF:
		return last || at == len(r.arg)-1 && r.arg[at] == '\n'
	case opLineBegin:
		return first || r.arg[at-1] == '\n'
	case opLineEnd:
		return last || r.arg[at] == '\n'
	case opBoundary: // only asked of arguments in ASCII
		before := !first && asciiWord.has(rune(r.arg[at-1]))
		after := !last && asciiWord.has(rune(r.arg[at]))
		return before != after
	}
	return false
}
