package language

import "slices"

// graph is ways from node to node, each with what is read on it. What it accepts is what
// can be read from its first node to a final one.
type graph struct {
	ways  []edge
	from  [][]int // ways, by node
	final []bool

	// When the first state was asked for:
	all    *classes
	to     [][]int32 // classes of each way's automaton, by class of all
	states list[int32]
	memory memory
}

// edge is a way. Without an automaton it is gone for nothing. With word it is one word
// of a command line, whose end the automaton does not see.
type edge struct {
	reads automaton
	word  bool
	to    int
}

func (g *graph) node() int {
	g.from, g.final = append(g.from, nil), append(g.final, false)
	return len(g.from) - 1
}

func (g *graph) way(from int, reads automaton, word bool, to int) {
	g.from[from] = append(g.from[from], len(g.ways))
	g.ways = append(g.ways, edge{reads, word, to})
}

func (g *graph) classes() *classes {
	if g.all == nil {
		parts := make([]*classes, len(g.ways))
		for i, e := range g.ways {
			if parts[i] = one; e.reads != nil {
				parts[i] = e.reads.classes()
			}
		}
		g.all = together(parts)
		known := make(map[*classes][]int32)
		for _, part := range parts {
			if known[part] == nil {
				known[part] = g.all.within(part)
			}
			g.to = append(g.to, known[part])
		}
		g.memory.width = g.all.n
	}
	return g.all
}

// A state of a graph is all that can be by now: pairs of a way and a state of its
// automaton, sorted; before them, 1 where a final node was come to, else 0.
type threads struct {
	g    *graph
	m    *meter
	at   [][2]int32
	been []bool // by node
	any  bool   // whatever follows is accepted
}

// reach comes to a node.
func (t *threads) reach(node int) {
	if t.been[node] {
		return
	}
	t.been[node] = true
	for _, w := range t.g.from[node] {
		t.m.spend(1)
		e := &t.g.ways[w]
		if e.reads == nil {
			t.reach(e.to)
			continue
		}
		t.come(w, e.reads.start(t.m))
	}
}

// come is come to a state on a way.
func (t *threads) come(way int, s state) {
	if s == dead {
		return
	}
	t.at = append(t.at, [2]int32{int32(way), int32(s)})
	if e := &t.g.ways[way]; !e.word {
		t.any = t.any || s == every && t.g.final[e.to]
		if e.reads.accepts(t.m, s) {
			t.reach(e.to)
		}
	}
}

func (t *threads) state() state {
	final := int32(0)
	for node, been := range t.been {
		if been && t.g.final[node] {
			final = 1
		}
	}
	switch {
	case t.any:
		return every
	case len(t.at) == 0 && final == 0:
		return dead
	}
	slices.SortFunc(t.at, func(a, b [2]int32) int { return slices.Compare(a[:], b[:]) })
	list := []int32{final}
	for _, at := range slices.Compact(t.at) {
		list = append(list, at[0], at[1])
	}
	t.m.spend(len(t.at))
	return first + state(t.g.states.of(list))
}

func (g *graph) start(m *meter) state {
	g.classes()
	t := threads{g: g, m: m, been: make([]bool, len(g.from))}
	t.reach(0)
	return t.state()
}

func (g *graph) next(m *meter, s state, class int32) state {
	if s < first {
		return s
	}
	if to := *g.memory.at(m, s, class); to != unknown {
		return to
	}
	t := threads{g: g, m: m, been: make([]bool, len(g.from))}
	list := g.states.all[s-first][1:]
	for i := 0; i < len(list); i += 2 {
		w, on := int(list[i]), state(list[i+1])
		m.spend(1)
		e := &g.ways[w]
		switch {
		case !e.word || class != 0:
			t.come(w, e.reads.next(m, on, g.to[w][class]))
		case e.reads.accepts(m, on):
			t.reach(e.to)
		}
	}
	to := t.state()
	*g.memory.at(m, s, class) = to
	return to
}

func (g *graph) accepts(m *meter, s state) bool {
	if s < first {
		return s == every
	}
	return g.states.all[s-first][0] == 1
}

func (g *graph) parts(m *meter, s state) (list []state) {
	if s < first {
		return []state{s}
	}
	threads := g.states.all[s-first]
	if threads[0] == 1 {
		list = append(list, first+state(g.states.of([]int32{1})))
	}
	for i := 1; i < len(threads); i += 2 {
		for _, on := range g.ways[threads[i]].reads.parts(m, state(threads[i+1])) {
			m.spend(1)
			list = append(list, first+state(g.states.of([]int32{0, threads[i], int32(on)})))
		}
	}
	return list
}
