package exposure

import (
	"slices"
	"strings"
	"sync"

	"ironwrap/filters"
	"ironwrap/policy/review/programs"
)

// inner is what a command gives away that the filter itself names behind a prefix:
// "nice, -n, \d+, dd, if=.*".
func (b *board) inner(s *subject) {
	if s.own() {
		return
	}
	for _, in := range append(s.inner(), s.scripts()...) {
		under := board{confinement: b.confinement, program: in.exec, others: b.others}
		under.ways(in)
		under.chains(in)
		under.devices(in)
		under.environment(in)
		under.inner(in)
		under.arguments(in)
		for _, c := range under.cells {
			if in.redirected {
				c.How = "a redirection: " + c.How
			}
			switch given := in.given(c.Example); {
			case in.script != nil && s.script == nil:
				c.Example = given
			case in.script != nil: // the text is put together once
			case len(given) < len(c.Example):
				c.How += ", and gets from standard input: " + Command(c.Example[len(given):])
				c.Example = given
			case !slices.Equal(given, c.Example):
				c.How += ", of any file that is found"
				c.Example = given
			}
			b.put(c)
		}
	}
}

// inner is the commands behind a prefix that the filter names, each as a subject of its
// own.
func (s *subject) inner() (all []*subject) {
	for _, w := range ways(s.exec) {
		before, after, ok := strings.Cut(w.form, "{mine} …")
		if !ok || after != "" && !strings.HasPrefix(after, " ;") || w.power != Run || !s.passes(w) {
			continue
		}
		before = placeholder.ReplaceAllString(before, "{any}")
		for at, sl := range s.slots {
			for _, word := range sl.names() {
				if in := s.behind(way{power: Run, form: before + word + " …" + after}, at, word); in != nil {
					all = append(all, in)
				}
			}
			if len(all) > 0 {
				return all // what stands behind it is the command's
			}
		}
	}
	return nil
}

// names are what a slot can be that names one program, or few: in a pattern a dot is often
// meant as it stands.
func (sl slot) names() []string {
	if pattern, ok := strings.CutPrefix(sl.key, "re "); ok && sl.loose && !strings.ContainsAny(pattern, `*+?{}()[]|`) {
		if name := strings.ReplaceAll(pattern, `\`, ""); sl.takes(name) {
			return []string{name}
		}
	}
	if sl.loose {
		return nil
	}
	return sl.some
}

// passes tells whether a row is about a command that is run as it stands there, or about a
// script.
func (s *subject) passes(w way) bool {
	p := grammar(s.exec, w.form)
	return passesOn(p) || p.Style == programs.Expression || strings.HasPrefix(w.how, "the command") || s.interprets()
}

// behind is the command whose name is the argument at this place; nil where the prefix
// takes the word for something else.
func (s *subject) behind(w way, at int, word string) *subject {
	if word == "" || strings.HasPrefix(word, "-") || strings.ContainsAny(word, "= {}") {
		return nil
	}
	argv, _, ok := s.fits(w)
	lead := len(s.call()) + at + 1
	if !ok || len(argv) < lead || argv[lead-1].Raw() != word {
		return nil
	}
	in := &subject{entry: s.entry, exec: word, shape: s.shape, slots: s.slots[at+1:], trail: s.trail, open: s.open, piped: s.piped, script: s.script, veil: s.veil, who: s.who}
	for _, i := range s.found {
		if i > at {
			in.found = append(in.found, i-at-1)
		}
	}
	for _, a := range argv[:lead] {
		in.lead = append(in.lead, a.Raw())
	}
	in.shape.Vars = s.assigned(at)
	switch name := baseName(s.exec); {
	case name == "xargs" || name == "parallel":
		in.open, in.piped = true, true
	case grammar(s.exec, w.form).Style == programs.Expression:
		in.between(argv[lead:], slices.ContainsFunc(s.slots[:at], slot.free))
	}
	return in
}

// between ends a command at the word that ends it in an expression. Where the files are
// the caller's choice, so is what stands for one.
func (s *subject) between(rest []filters.Untrusted, chosen bool) {
	end := slices.IndexFunc(s.slots, func(sl slot) bool { return !sl.loose && (sl.takes(";") || sl.takes("+")) })
	if end < 0 {
		return
	}
	for _, w := range rest[end:] {
		s.trail = append(s.trail, w.Raw())
	}
	s.slots = slices.Clone(s.slots[:end])
	for i, sl := range s.slots {
		if chosen && sl.takes(found) && !sl.loose {
			s.slots[i], s.found = anyFile(), append(s.found, i)
		}
	}
}

// found stands for the name of a file that find has found.
const found = "{}"

var anyFile = sync.OnceValue(func() slot {
	return slot{key: "file", word: paths(`(/` + step + `)+`), loose: true}
})

// assigned are the variables that are set before the argument at this place: with no value
// where it is the caller's.
func (s *subject) assigned(at int) []filters.Var {
	vars := slices.Clone(s.shape.Vars)
	for _, sl := range s.slots[:at] {
		name, value, ok := strings.Cut(sl.example, "=")
		if !ok || strings.HasPrefix(name, "-") {
			continue
		}
		if sl.loose {
			value = ""
			if !strings.Contains(sl.begin, "=") {
				continue // any name: the rows know the worst
			}
		}
		vars = append(vars, filters.Var{Name: filters.Untrusted(name), Value: filters.Untrusted(value)})
	}
	return vars
}
