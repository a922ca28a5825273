package exposure

import (
	"slices"
	"strings"
	"sync"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/privsep"
	"ironwrap/policy/review/language"
	"ironwrap/policy/review/programs"
)

// contextWays are the rows of a context. The helper ends at once where it cannot have what the
// context declares.
func contextWays(c privsep.Context) (rows []way) {
	for _, p := range strings.Fields(c.Powers) {
		w := way{power: p, form: helperForm(c.Name), how: "where it is installed, " + c.How}
		for power, capability := range map[string]string{Network: "cap_net_admin", Namespace: "cap_sys_admin", Mount: "cap_sys_admin"} {
			if p == power && strings.Contains(c.Declared, capability) {
				w.caps = capability
			}
		}
		rows = append(rows, w)
	}
	return rows
}

func helperForm(context string) string {
	return "… --privsep_context " + context + " --privsep_sock_path {mine}"
}

// AsksFor tells that a filter lets oslo.privsep's helper be asked for a context, and by
// which command.
func AsksFor(e *policy.Entry, context string) ([]filters.Untrusted, bool) {
	s := newSubject(e).helper()
	if s == nil {
		return nil, false
	}
	argv, _, ok := s.fits(way{power: Arguments, form: helperForm(context)})
	return argv, ok
}

// helper is the subject of the helper that the filter starts: the filter's own, or that of
// the command behind the helper's name. Nil for none.
func (s *subject) helper() *subject {
	if !policy.StartsHelper(s.entry.Filter) {
		return nil
	}
	if policy.IsHelper(s.exec) {
		return s
	}
	for at, sl := range s.slots {
		for _, word := range sl.names() {
			if policy.IsHelper(word) {
				return s.behind(way{power: Arguments, form: "… " + word + " …"}, at, word)
			}
		}
	}
	return nil
}

// helper is what a filter gives away that runs oslo.privsep's helper: what the contexts
// do that it accepts, each confined as the policy says of it.
func (b *board) helper(e *policy.Entry, s *subject, m Machine) (confined, notes []string) {
	outer := s
	if s = s.helper(); s == nil {
		return nil, nil
	}
	if s != outer {
		own := board{confinement: b.confinement, program: s.exec, others: b.others}
		own.ways(s)
		for _, cell := range own.cells {
			b.put(cell)
		}
	}
	for _, c := range privsep.All() {
		argv, l, ok := s.fits(way{power: Arguments, form: helperForm(c.Name)})
		if !ok {
			continue
		}
		h, err := e.Context(c.Name)
		if err != nil {
			continue // it is not started
		}
		own := board{confinement: b.confinement, program: b.program, others: b.others}
		if h != nil {
			confined = append(confined, "[Privsep:"+c.Name+"] "+strings.Join(sections(h.Sandbox), "; "))
			own.confinement = newConfinement(&policy.Entry{Filter: e.Filter, Sandbox: h.Sandbox}, m)
			if e.Own {
				own.besides = &b.confinement
			}
			for _, note := range own.notes {
				if note = "context " + c.Name + ": " + note; !slices.Contains(notes, note) {
					notes = append(notes, note)
				}
			}
		}
		for _, w := range contextWays(c) {
			own.give(w, argv, l, why[l])
		}
		if c.Powers == "" {
			idle := own.cell(little, need{power: Arguments}, toAll, "")
			idle.How, idle.Example = "where it is installed, "+c.How, argv
			own.put(idle)
		}
		own.imply()
		for _, cell := range own.cells {
			b.put(cell)
		}
	}
	if argv, ok := s.unknown(e); ok {
		c := b.cell(0, need{power: Arguments}, toAll, "")
		c.Score, c.Extent, c.Limits = NotAssessed, Whole, []string{}
		c.How, c.Example = "nobody has looked at what the context lets its callers do", argv
		b.put(c)
	}
	return confined, notes
}

// unknown is a command that the filter allows, for a context that is not in the table and
// that the policy lets be started.
func (s *subject) unknown(e *policy.Entry) ([]filters.Untrusted, bool) {
	names, any := e.OtherContexts()
	if any {
		return s.stranger()
	}
	for _, name := range names {
		if _, err := e.Context(name); err != nil || privsep.Find(name) != nil {
			continue
		}
		if argv, _, ok := s.fits(way{power: Arguments, form: helperForm(name)}); ok {
			return argv, true
		}
	}
	return nil, false
}

// stranger is a command that the filter allows with a context that is not in the table.
func (s *subject) stranger() ([]filters.Untrusted, bool) {
	for _, name := range s.shape.Contexts {
		if privsep.Find(name) == nil {
			argv, _, ok := s.fits(way{power: Arguments, form: helperForm(name)})
			return argv, ok
		}
	}
	if s.entry.File == "" {
		return nil, false
	}
	// Names have dots, which few patterns mark as such.
	dotted := *s
	dotted.slots = nil
	for _, a := range s.shape.Args[max(len(s.shape.Args)-len(s.slots), 0):] { // those of the helper
		dotted.slots = append(dotted.slots, newSlot(marked(a), s.shape.Path))
	}
	argv, _, ok := dotted.fits(way{power: Arguments, form: helperForm("{context}")})
	return argv, ok
}

// marked is a pattern whose dots are no wildcards, but those that are repeated.
func marked(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			b.WriteString(pattern[i : i+2])
			i++
		case c == '.' && (i+1 == len(pattern) || !strings.ContainsRune("*+?{", rune(pattern[i+1]))):
			b.WriteString(`\.`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// strange are the names that a context could have that is not in the table.
var strange = sync.OnceValue(func() programs.Value {
	word := paths(`[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+`)
	for _, c := range privsep.All() {
		word = word.Minus(language.Text(c.Name))
	}
	return programs.Value{Word: word, Like: []string{"a.b"}}
})
