package language

import (
	"slices"
	"unsafe"
)

// formula says something about what is still to be read: one of its terms holds, and in
// a term everything. That is a number, the same for the same terms.
//
// Without look-arounds a term is one place that a pattern has come to, and a formula the
// set of these places. A look-ahead adds what else has to be so, or must not be so.
type formula int32

const (
	no  formula = 0 // no term
	yes formula = 1 // the empty term
)

// literal is a place of a pattern, from which the rest is matched, times two; with one
// more, it is not.
type literal int32

func match(place int32) literal   { return literal(place << 1) }
func (l literal) place() int32    { return int32(l >> 1) }
func (l literal) negated() bool   { return l&1 != 0 }
func (l literal) negate() literal { return l ^ 1 }

// algebra keeps formulas.
type algebra struct {
	terms    list[literal] // sorted
	formulas list[int32]   // terms, sorted
}

func newAlgebra() *algebra {
	a := &algebra{}
	a.formulas.of(nil)
	a.formulas.of([]int32{a.terms.of(nil)})
	return a
}

// list gives numbers to slices.
type list[T ~int32] struct {
	all   [][]T
	known map[string]int32
}

func (l *list[T]) of(value []T) int32 {
	key := bytesOf(value)
	n, ok := l.known[key]
	if !ok {
		if l.known == nil {
			l.known = make(map[string]int32)
		}
		n = int32(len(l.all))
		value = slices.Clone(value)
		l.known[bytesOf(value)] = n
		l.all = append(l.all, value)
	}
	return n
}

// bytesOf is the memory of value as a string: it must not change any more while the
// string is in use.
func bytesOf[T ~int32](value []T) string {
	if len(value) == 0 {
		return ""
	}
	return unsafe.String((*byte)(unsafe.Pointer(&value[0])), 4*len(value))
}

// single is the formula of one literal.
func (a *algebra) single(l literal) formula {
	return formula(a.formulas.of([]int32{a.terms.of([]literal{l})}))
}

// or holds where one of list does.
func (a *algebra) or(m *meter, list ...formula) formula {
	var terms []int32
	for _, f := range list {
		if f == yes {
			return yes
		}
		terms = append(terms, a.formulas.all[f]...)
	}
	return a.of(m, terms)
}

// of is the formula of terms, without those that say more than another one.
func (a *algebra) of(m *meter, terms []int32) formula {
	slices.Sort(terms)
	terms = slices.Compact(terms)
	m.spend(len(terms))
	plain := true
	for _, t := range terms {
		plain = plain && len(a.terms.all[t]) == 1
	}
	if !plain && len(terms) > 1 {
		m.spend(len(terms) * len(terms))
		terms = slices.DeleteFunc(slices.Clone(terms), func(t int32) bool {
			return slices.ContainsFunc(terms, func(u int32) bool {
				return u != t && contains(a.terms.all[t], a.terms.all[u])
			})
		})
	}
	return formula(a.formulas.of(terms))
}

// contains tells whether all of part is in whole; both are sorted.
func contains(whole, part []literal) bool {
	for _, l := range part {
		for len(whole) > 0 && whole[0] < l {
			whole = whole[1:]
		}
		if len(whole) == 0 || whole[0] != l {
			return false
		}
	}
	return true
}

// and holds where f and g do.
func (a *algebra) and(m *meter, f, g formula) formula {
	switch {
	case f == no || g == no:
		return no
	case f == yes || f == g:
		return g
	case g == yes:
		return f
	}
	var terms []int32
	for _, t := range a.formulas.all[f] {
		for _, u := range a.formulas.all[g] {
			m.spend(1 + len(a.terms.all[t]) + len(a.terms.all[u]))
			both := slices.Concat(a.terms.all[t], a.terms.all[u])
			slices.Sort(both)
			both = slices.Compact(both)
			if !contradicts(both) {
				terms = append(terms, a.terms.of(both))
			}
		}
	}
	return a.of(m, terms)
}

// contradicts tells whether a literal stands beside its opposite.
func contradicts(term []literal) bool {
	for i := 1; i < len(term); i++ {
		if term[i] == term[i-1].negate() {
			return true
		}
	}
	return false
}

// not holds where f does not.
func (a *algebra) not(m *meter, f formula) formula {
	all := yes
	for _, t := range a.formulas.all[f] {
		var one []formula
		for _, l := range a.terms.all[t] {
			one = append(one, a.single(l.negate()))
		}
		all = a.and(m, all, a.or(m, one...))
	}
	return all
}
