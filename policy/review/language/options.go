package language

import "slices"

// options is a command line whose operands stand among options, as getopt(3) reads it.
type options struct {
	option   automaton // one option, of one word or more
	operands automaton // all operands
	mixed    bool      // options may stand behind operands, too

	all        *classes
	toOption   []int32
	toOperands []int32
	dash       int32 // its class
	states     list[int32]
	memory     memory
}

// What is being read.
const (
	between    = iota // nothing: an option, an operand or -- may follow
	inOption          // an option
	inDash            // a word that begins with one dash
	inDashes          // a word that begins with two
	inOperand         // an operand before which -- is not needed
	inOperands        // operands, and nothing else any more
)

func newOptions(option, operands automaton, mixed bool) *options {
	o := &options{option: option, operands: operands, mixed: mixed}
	o.all = option.classes().both(operands.classes()).both(each([]rune{'-'}))
	o.toOption, o.toOperands = o.all.within(option.classes()), o.all.within(operands.classes())
	o.dash = o.all.of('-')
	o.memory.width = o.all.n
	return o
}

func (o *options) classes() *classes { return o.all }

// A state is all that can be by now: what is being read, a state of the operands, and of
// an option one of its own.
type option [3]int32

func (o *options) state(m *meter, list []option) state {
	if len(list) == 0 {
		return dead
	}
	slices.SortFunc(list, func(a, b option) int { return slices.Compare(a[:], b[:]) })
	var flat []int32
	for _, c := range slices.Compact(list) {
		flat = append(flat, c[:]...)
	}
	m.spend(len(list))
	return first + state(o.states.of(flat))
}

func (o *options) start(m *meter) state {
	operands := o.operands.start(m)
	if operands == dead {
		return dead
	}
	return o.state(m, []option{{between, int32(operands)}})
}

func (o *options) next(m *meter, s state, class int32) state {
	if s < first {
		return s
	}
	if to := *o.memory.at(m, s, class); to != unknown {
		return to
	}
	var list []option
	flat := o.states.all[s-first]
	for i := 0; i < len(flat); i += 3 {
		m.spend(1)
		list = o.read(m, option(flat[i:i+3]), class, list)
	}
	to := o.state(m, list)
	*o.memory.at(m, s, class) = to
	return to
}

// read appends what c can become by a letter.
func (o *options) read(m *meter, c option, class int32, list []option) []option {
	doing, operands := c[0], state(c[1])
	then := func(doing int32) {
		if to := o.operands.next(m, operands, o.toOperands[class]); to != dead {
			list = append(list, option{doing, int32(to)})
		}
	}
	within := func(s state) {
		s = o.option.next(m, s, o.toOption[class])
		if s != dead {
			list = append(list, option{inOption, int32(operands), int32(s)})
		}
		if s != dead && o.option.accepts(m, s) {
			list = append(list, option{between, int32(operands)})
		}
	}
	behind := int32(inOperands)
	if o.mixed {
		behind = between
	}
	switch doing {
	case between:
		within(o.option.start(m))
		switch class {
		case o.dash:
			list = append(list, option{inDash, int32(operands)})
		case 0: // the empty operand
			then(behind)
		default:
			then(inOperand)
		}
	case inOption:
		within(state(c[2]))
	case inDash:
		switch class {
		case o.dash:
			list = append(list, option{inDashes, int32(operands)})
		case 0: // a dash alone is an operand
			if operands = o.operands.next(m, operands, o.toOperands[o.dash]); operands != dead {
				then(behind)
			}
		}
	case inDashes:
		if class == 0 {
			list = append(list, option{inOperands, int32(operands)})
		}
	case inOperand:
		if class == 0 {
			then(behind)
		} else {
			then(inOperand)
		}
	case inOperands:
		then(inOperands)
	}
	return list
}

func (o *options) accepts(m *meter, s state) bool {
	if s < first {
		return s == every
	}
	flat := o.states.all[s-first]
	for i := 0; i < len(flat); i += 3 {
		if (flat[i] == between || flat[i] == inOperands) && o.operands.accepts(m, state(flat[i+1])) {
			return true
		}
	}
	return false
}

func (o *options) parts(m *meter, s state) (list []state) {
	if s < first {
		return []state{s}
	}
	flat := o.states.all[s-first]
	for i := 0; i < len(flat); i += 3 {
		for _, operands := range o.operands.parts(m, state(flat[i+1])) {
			if flat[i] != inOption {
				list = append(list, o.state(m, []option{{flat[i], int32(operands)}}))
				continue
			}
			for _, on := range o.option.parts(m, state(flat[i+2])) {
				list = append(list, o.state(m, []option{{inOption, int32(operands), int32(on)}}))
			}
		}
	}
	return list
}
