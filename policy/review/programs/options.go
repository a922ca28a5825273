package programs

import (
	"slices"
	"strings"
)

// takes tells what an option has behind it.
type takes int

const (
	nothing takes = iota
	value         // attached, or the next word
	perhaps       // attached or nothing
)

// option is one option of a program, with all its names.
type option struct {
	short  []rune
	long   []string
	single []string
	takes  takes
}

// table is what a program's strings say.
type table struct {
	options []*option
	short   map[rune]*option
	long    map[string]*option
	single  map[string]*option
}

func (p *Program) table() *table {
	if p.known == nil {
		p.known = p.newTable()
	}
	return p.known
}

func (p *Program) newTable() *table {
	t := &table{short: map[rune]*option{}, long: map[string]*option{}, single: map[string]*option{}}
	add := func(o *option) *option { t.options = append(t.options, o); return o }
	letters := []rune(p.Short)
	for i := 0; i < len(letters); i++ {
		o := add(&option{short: []rune{letters[i]}})
		t.short[letters[i]] = o
		for o.takes < perhaps && i+1 < len(letters) && letters[i+1] == ':' {
			o.takes++
			i++
		}
	}
	for _, field := range strings.Fields(p.Long) {
		name, kind := cut(field)
		t.long[name] = add(&option{long: []string{name}, takes: kind})
	}
	for _, field := range strings.Fields(p.Single) {
		name, kind := cut(field)
		if o := t.long[name]; o != nil && o.takes == kind { // written with one dash or two
			o.single = append(o.single, name)
			t.single[name] = o
			continue
		}
		t.single[name] = add(&option{single: []string{name}, takes: kind})
	}
	for _, pair := range strings.Fields(p.Same) {
		t.join(pair)
	}
	return t
}

func cut(field string) (name string, kind takes) {
	if name, ok := strings.CutSuffix(field, "[=]"); ok {
		return name, perhaps
	}
	if name, ok := strings.CutSuffix(field, "="); ok {
		return name, value
	}
	return field, nothing
}

// join makes two options one. That of the long name says what it takes: there are
// short names that take less.
func (t *table) join(pair string) {
	first, second, _ := strings.Cut(pair, "=")
	a, b := t.of(first), t.of(second)
	if a == nil || b == nil || a == b || a.takes != b.takes {
		return
	}
	a.short, a.long, a.single = append(a.short, b.short...), append(a.long, b.long...), append(a.single, b.single...)
	for _, r := range b.short {
		t.short[r] = a
	}
	for _, name := range b.long {
		t.long[name] = a
	}
	for _, name := range b.single {
		t.single[name] = a
	}
	t.options = slices.DeleteFunc(t.options, func(o *option) bool { return o == b })
}

// of finds an option by a name without dashes.
func (t *table) of(name string) *option {
	if o := t.long[name]; o != nil {
		return o
	}
	if o := t.single[name]; o != nil {
		return o
	}
	if letters := []rune(name); len(letters) == 1 {
		return t.short[letters[0]]
	}
	return nil
}

// spelled are all ways to write a long name: what no other long name begins with stands
// for it.
func (p *Program) spelled(t *table, name string) []string {
	list := []string{name}
	if p.Whole {
		return list
	}
	for n := 1; n < len(name); n++ {
		prefix, only := name[:n], true
		for other := range t.long {
			only = only && (other == name || !strings.HasPrefix(other, prefix))
		}
		if only {
			list = append(list, prefix)
		}
	}
	return list
}
