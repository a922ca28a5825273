package language

import (
	"math"
	"slices"
)

// walk is a way through an automaton, with what the bytes before have left.
type walk struct {
	s       state
	pending pending
}

// read is what a letter leads to; false where it leads to no member.
func (w walk) read(m *meter, a automaton, l letter) (walk, bool) {
	then := walk{pending: nothing}
	if l.byte != 0 {
		var ok bool
		if then.pending, ok = w.pending.stray(l.byte); !ok {
			return walk{}, false
		}
	}
	m.spend(1)
	then.s = a.next(m, w.s, l.class)
	return then, then.s != dead
}

// shortest is a shortest member, of the letters that people like best. With lines it is
// one of words that are each closed by ends.
//
// It goes through parts of states: so a pattern whose states are too many has an answer,
// as long as nothing says what must not be.
func shortest(m *meter, a automaton, lines bool) (member []rune, ok bool) {
	type step struct {
		at     []walk // not come to before
		before int    // the step that led here
		char   rune
	}
	letters := a.classes().letters(lines, false)
	seen := make(map[walk]bool)
	enter := func(w walk, list []walk) []walk {
		for _, part := range a.parts(m, w.s) {
			w.s = part
			if part != dead && !seen[w] {
				seen[w] = true
				list = append(list, w)
			}
		}
		return list
	}
	steps := []step{{at: enter(walk{s: a.start(m)}, nil), before: -1}}
	for i := 0; i < len(steps); i++ {
		if slices.ContainsFunc(steps[i].at, func(w walk) bool { return a.accepts(m, w.s) }) {
			for ; steps[i].before >= 0; i = steps[i].before {
				member = append(member, steps[i].char)
			}
			slices.Reverse(member)
			return member, true
		}
		for _, l := range letters {
			var list []walk
			for _, w := range steps[i].at {
				if to, ok := w.read(m, a, l); ok {
					list = enter(to, list)
				}
			}
			if len(list) > 0 {
				steps = append(steps, step{list, i, l.best})
			}
		}
	}
	return nil, false
}

// member tells whether a word, or a line whose words are closed by ends, is a member.
func member(m *meter, a automaton, runes []rune) bool {
	c := a.classes()
	s := a.start(m)
	for _, r := range runes {
		if s == dead {
			return false
		}
		m.spend(1)
		s = a.next(m, s, c.of(r))
	}
	return a.accepts(m, s)
}

// drawn is an automaton whose states are all known, those apart that lead to no member.
type drawn struct {
	letters []letter
	to      [][]arrow // by node; the first is where it starts
	accepts []bool
	useful  []bool  // leads to a member
	back    [][]int // what leads to a node, once for each arrow
}

// arrow is a letter that leads to a node.
type arrow struct{ letter, to int }

// draw makes all states.
func draw(m *meter, a automaton, lines bool) *drawn {
	d := &drawn{letters: a.classes().letters(lines, true)}
	start := walk{s: a.start(m)}
	if start.s == dead {
		return d
	}
	nodes := map[walk]int{start: 0}
	list := []walk{start}
	for i := 0; i < len(list); i++ {
		d.accepts = append(d.accepts, a.accepts(m, list[i].s))
		var arrows []arrow
		for k, l := range d.letters {
			to, ok := list[i].read(m, a, l)
			if !ok {
				continue
			}
			n, known := nodes[to]
			if !known {
				n = len(list)
				nodes[to] = n
				list = append(list, to)
			}
			arrows = append(arrows, arrow{k, n})
		}
		d.to = append(d.to, arrows)
	}
	d.trim()
	return d
}

// trim finds out what is useful.
func (d *drawn) trim() {
	d.back = make([][]int, len(d.to))
	for n, arrows := range d.to {
		for _, a := range arrows {
			d.back[a.to] = append(d.back[a.to], n)
		}
	}
	d.useful = make([]bool, len(d.to))
	var list []int
	reach := func(n int) {
		if !d.useful[n] {
			d.useful[n] = true
			list = append(list, n)
		}
	}
	for n := range d.to {
		if d.accepts[n] {
			reach(n)
		}
	}
	for i := 0; i < len(list); i++ {
		for _, n := range d.back[list[i]] {
			reach(n)
		}
	}
	for n, arrows := range d.to {
		d.to[n] = slices.DeleteFunc(arrows, func(a arrow) bool { return !d.useful[a.to] })
	}
}

// order returns the useful nodes, each before those that it leads to; false where some
// go round in a circle.
func (d *drawn) order() (order []int, ok bool) {
	before := make([]int, len(d.to))
	for n, arrows := range d.to {
		if d.useful[n] {
			for _, a := range arrows {
				before[a.to]++
			}
		}
	}
	useful := 0
	for n := range d.to {
		if d.useful[n] {
			if useful++; before[n] == 0 {
				order = append(order, n)
			}
		}
	}
	for i := 0; i < len(order); i++ {
		for _, a := range d.to[order[i]] {
			if before[a.to]--; before[a.to] == 0 {
				order = append(order, a.to)
			}
		}
	}
	return order, len(order) == useful
}

// count is how many members there are; false where there is no end of them. A number
// that is too large is math.MaxInt.
func (d *drawn) count() (n int, finite bool) {
	order, finite := d.order()
	if !finite {
		return 0, false
	}
	if len(order) == 0 {
		return 0, true
	}
	from := make([]int, len(d.to))
	for _, n := range slices.Backward(order) {
		if d.accepts[n] {
			from[n] = 1
		}
		for _, a := range d.to[n] {
			from[n] = sum(from[n], product(size(d.letters[a.letter].chars), from[a.to]))
		}
	}
	return from[0], true
}

func sum(a, b int) int {
	if a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}

func product(a, b int) int {
	if b != 0 && a > math.MaxInt/b {
		return math.MaxInt
	}
	return a * b
}

// some are the first n members, the shorter ones first, and of one length those first
// whose letters people like.
func (d *drawn) some(m *meter, n int) (members [][]rune) {
	if n <= 0 || len(d.to) == 0 || !d.useful[0] {
		return nil
	}
	chars := make([][]rune, len(d.letters))
	for i, l := range d.letters {
		chars[i] = favourites(l.chars, n)
	}
	_, finite := d.order()
	// at[k] are the nodes from which there are members of k characters.
	at := []map[int]bool{{}}
	for n, ok := range d.accepts {
		if ok {
			at[0][n] = true
		}
	}
	for length := 0; len(members) < n && (!finite || length < len(d.to)); length++ {
		if length > 0 {
			at = append(at, d.before(m, at[length-1]))
		}
		if at[length][0] {
			members = d.write(m, 0, length, at, chars, nil, n, members)
		}
	}
	return members
}

// before are the nodes that lead to one of these.
func (d *drawn) before(m *meter, these map[int]bool) map[int]bool {
	list := make(map[int]bool)
	for to := range these {
		m.spend(len(d.back[to]))
		for _, n := range d.back[to] {
			list[n] = true
		}
	}
	return list
}

// write appends the members of one length that go on from a node, until there are n.
func (d *drawn) write(m *meter, node, length int, at []map[int]bool, chars [][]rune, begun []rune, n int, members [][]rune) [][]rune {
	if length == 0 {
		return append(members, slices.Clone(begun))
	}
	type choice struct {
		char rune
		to   int
	}
	var choices []choice
	for _, a := range d.to[node] {
		if at[length-1][a.to] {
			for _, r := range chars[a.letter] {
				choices = append(choices, choice{r, a.to})
			}
		}
	}
	m.spend(len(choices))
	slices.SortFunc(choices, func(a, b choice) int { return rank(a.char) - rank(b.char) })
	for _, c := range choices {
		if len(members) >= n {
			break
		}
		members = d.write(m, c.to, length-1, at, chars, append(begun, c.char), n, members)
	}
	return members
}
