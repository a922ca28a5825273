package policy

import (
	"iter"
	"slices"

	"ironwrap/filters"
)

// index finds the filters of a policy by the words that their commands begin with. A
// policy without one is asked from its first filter to its last, with the same answer.
func (p *Policy) index() {
	p.words = map[string][]int{}
	for i := range p.Filters {
		words, any := filters.Names(p.Filters[i].Filter)
		if any {
			p.others = append(p.others, i)
		}
		for _, word := range words {
			if list := p.words[word]; len(list) == 0 || list[len(list)-1] != i {
				p.words[word] = append(list, i)
			}
		}
	}
}

// concerned are the filters that can match argv, in their order; with all, every one.
func (p *Policy) concerned(argv []filters.Untrusted, all bool) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		if all || p.words == nil {
			for i := range p.Filters {
				if !yield(&p.Filters[i]) {
					return
				}
			}
			return
		}
		found := slices.Clone(p.others)
		for _, word := range filters.Called(argv) {
			found = append(found, p.words[word.Raw()]...)
		}
		slices.Sort(found)
		for _, i := range slices.Compact(found) {
			if !yield(&p.Filters[i]) {
				return
			}
		}
	}
}
