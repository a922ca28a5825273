package language

// automaton is a deterministic automaton that is made while somebody walks over it.
// A state is a number; what a letter leads to is remembered.
type automaton interface {
	// classes are the letters. Class 0 is that of ends.
	classes() *classes
	start(m *meter) state
	next(m *meter, s state, class int32) state
	// accepts tells whether what was read so far is a member.
	accepts(m *meter, s state) bool
	// parts are states that together accept what s does. The simpler they are, the fewer
	// there are in all: a state may be any set of them.
	parts(m *meter, s state) []state
}

type state int32

// Two states are the same in each automaton. A state may be as good as one of them
// without being it.
const (
	dead  state = 0 // whatever follows, it is no member
	every state = 1 // whatever follows, it is a member
	first state = 2 // of those that are an automaton's own
)

// meter counts the steps that a question takes. A step is what is done for one place of
// a pattern and one letter; it takes about a microsecond, and its result a hundred
// bytes at the most.
type meter struct{ left int }

type tooLarge struct{}

// spend gives up the question, by a panic that within catches, when there are no steps
// left. So nothing that is half done is ever remembered.
func (m *meter) spend(steps int) {
	if m.left -= steps; m.left < 0 {
		panic(tooLarge{})
	}
}

// within answers a question in so many steps.
func within(steps int, question func(m *meter)) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(tooLarge); !ok {
				panic(r)
			}
			err = ErrTooLarge
		}
	}()
	question(&meter{left: steps})
	return nil
}

// memory remembers what the letters lead to.
type memory struct {
	width int
	to    []state
}

const unknown state = -1

// at is where the state s goes on by a class; unknown if that was not asked yet.
func (y *memory) at(m *meter, s state, class int32) *state {
	for int(s+1)*y.width > len(y.to) {
		m.spend(1 + y.width/16)
		for range y.width {
			y.to = append(y.to, unknown)
		}
	}
	return &y.to[int(s)*y.width+int(class)]
}

// numbers gives states to what is worth one, each the same when it comes again.
type numbers[T comparable] struct {
	list  []T
	known map[T]state
}

func (n *numbers[T]) of(value T) state {
	s, ok := n.known[value]
	if !ok {
		if n.known == nil {
			n.known = make(map[T]state)
		}
		s = first + state(len(n.list))
		n.known[value] = s
		n.list = append(n.list, value)
	}
	return s
}

func (n *numbers[T]) value(s state) T { return n.list[s-first] }

// not accepts what a does not.
type not struct{ a automaton }

func turned(s state) state {
	switch s {
	case dead:
		return every
	case every:
		return dead
	}
	return s
}

func (n not) classes() *classes                         { return n.a.classes() }
func (n not) start(m *meter) state                      { return turned(n.a.start(m)) }
func (n not) next(m *meter, s state, class int32) state { return turned(n.a.next(m, turned(s), class)) }
func (n not) accepts(m *meter, s state) bool            { return !n.a.accepts(m, turned(s)) }
func (n not) parts(_ *meter, s state) []state           { return []state{s} }

// and accepts what a and b accept.
type and struct {
	a, b   automaton
	all    *classes
	toA    []int32 // by class of all
	toB    []int32
	states numbers[[2]state]
	memory memory
}

func newAnd(a, b automaton) automaton {
	all := a.classes().both(b.classes())
	return &and{a: a, b: b, all: all, toA: all.within(a.classes()), toB: all.within(b.classes()), memory: memory{width: all.n}}
}

func (p *and) classes() *classes { return p.all }

func (p *and) pair(a, b state) state {
	switch {
	case a == dead || b == dead:
		return dead
	case a == every && b == every:
		return every
	}
	return p.states.of([2]state{a, b})
}

func (p *and) start(m *meter) state { return p.pair(p.a.start(m), p.b.start(m)) }

func (p *and) next(m *meter, s state, class int32) state {
	if s < first {
		return s
	}
	if to := *p.memory.at(m, s, class); to != unknown {
		return to
	}
	m.spend(1)
	pair := p.states.value(s)
	to := p.pair(p.a.next(m, pair[0], p.toA[class]), p.b.next(m, pair[1], p.toB[class]))
	*p.memory.at(m, s, class) = to
	return to
}

func (p *and) accepts(m *meter, s state) bool {
	if s < first {
		return s == every
	}
	pair := p.states.value(s)
	return p.a.accepts(m, pair[0]) && p.b.accepts(m, pair[1])
}

func (p *and) parts(m *meter, s state) (list []state) {
	if s < first {
		return []state{s}
	}
	pair := p.states.value(s)
	second := p.b.parts(m, pair[1])
	for _, a := range p.a.parts(m, pair[0]) {
		for _, b := range second {
			m.spend(1)
			list = append(list, p.pair(a, b))
		}
	}
	return list
}
