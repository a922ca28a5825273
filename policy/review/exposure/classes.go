package exposure

import (
	"fmt"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/environ"
	"ironwrap/policy/review/programs"
)

// class is what a filter's class gives away by itself, whatever the program.
func (b *board) class(s *subject) {
	e := s.entry
	switch {
	case e.Class == "IpNetnsExecFilter":
		w := way{power: Namespace, form: "-n", caps: "cap_sys_admin", how: "ip netns exec puts another filter's command into any network namespace; what the command can do is told at its own filter"}
		b.give(w, filters.Words([]string{"ip", "netns", "exec", "NAME", "COMMAND"}), toSome, "only as a prefix to commands of other filters")
	case s.shape.Target != "":
		target := baseName(s.shape.Target)
		how := "a signal to processes that run " + filters.Untrusted(s.shape.Target).String()
		l := toSome
		if Interpreter(target) {
			how += ", an interpreter: every service written in it"
			l = toAll
		}
		example := []filters.Untrusted{"kill"}
		if len(s.shape.Signals) > 0 {
			example = append(example, filters.Untrusted(s.shape.Signals[0]))
		}
		b.give(way{power: Signal, how: how, caps: "cap_kill"}, append(example, "PID"), l, "only processes that run this program")
	case s.shape.File != "":
		l := fileLevel(s.shape.File, s.who)
		b.give(way{power: Read, how: "cat of this one file"}, filters.Words([]string{"cat", s.shape.File}), l, map[level]string{toSome: "only this file", toLittle: "only this file, which anybody may read"}[l])
	}
}

// fileLevel is how much is read that is in a file.
func fileLevel(file string, w who) level {
	memory.Lock()
	defer memory.Unlock()
	for _, l := range []level{toAll, toSome} {
		v, _ := aim{power: Read, level: l, who: w}.value("file")
		if ok, err := v.Contains(file); ok || err != nil {
			return l
		}
	}
	return toLittle
}

// mine tells whether the caller may name a file of their own.
func (s *subject) mine(sl slot) bool {
	memory.Lock()
	defer memory.Unlock()
	return meet(sl, landOf(s.who).ownFile()).ok
}

// own tells filters that say all they give away in class: their program's arguments
// are not the caller's.
func (s *subject) own() bool {
	return s.shape.Target != "" || s.shape.File != "" || s.entry.Class == "IpNetnsExecFilter" || s.entry.Class == "ChainingFilter"
}

// ways puts the table's forms before the filter.
func (b *board) ways(s *subject) {
	if s.own() {
		return
	}
	veil := b.veil()
	for _, w := range ways(s.exec) {
		if w.power == Arguments && s.fixed() || b.given(w.power) {
			continue // there are none to choose, or it cannot become worse
		}
		argv, l, ok := s.fits(w)
		if !ok {
			continue
		}
		n := b.need(w)
		n.hidden = veil != "" && strings.Contains(w.form, "{mine}") && !s.beside(veil, w)
		if s.raced {
			w.how += "; the caller can put a link in the place of what was checked, before the program opens it (pin_paths)"
		}
		b.show(n, w.how, argv, l, why[l])
	}
}

// beside tells whether the form stands in a command without what a veil hides.
func (s *subject) beside(veil string, w way) bool {
	bare := *s
	bare.veil = veil
	_, _, ok := bare.fits(w)
	s.large = s.large || bare.large
	return ok || bare.large
}

// devices puts the forms that write before a filter whose section makes all files
// read-only: what lies on a disk is not below a mount.
func (b *board) devices(s *subject) {
	if s.own() || !slices.Contains(b.sandbox.ReadOnly, "/") {
		return
	}
	for _, w := range ways(s.exec) {
		if w.power != Write && w.power != Destroy || !strings.Contains(w.form, "{file}") {
			continue
		}
		w.form = strings.ReplaceAll(w.form, "{file}", "{disk}")
		if w.power == Write {
			w.power = Device
		}
		if argv, l, ok := s.fits(w); ok {
			c := b.cell(power(w.power).Weight, need{power: w.power, caps: w.caps, deeds: []string{"disk"}}, l, why[l])
			c.How, c.Example, c.Free = w.how+", and devices are written whatever is read-only", argv, l == toAll
			b.put(c)
		}
	}
}

// environment is what the variables before a command do that have no fixed value.
func (b *board) environment(s *subject) {
	for _, v := range s.shape.Vars {
		if v.Value != "" {
			continue
		}
		row, danger := b.variable(s, v.Name), environ.Danger(v.Name.Raw())
		switch program := baseName(s.exec); {
		case row || b.worst() || danger == "" && known(program):
		case harmless[program] != "" && scripts[program] == "" && !anybody(v.Name.Raw()):
		case danger != "":
			b.rest(s, NotAssessed, fmt.Sprintf("%s: %s, and nobody has looked at what %s does with it", v.Name, danger, filters.Untrusted(program)))
		default:
			b.rest(s, NotAssessed, fmt.Sprintf("nobody has looked at what %s does with the variable %s", filters.Untrusted(program), v.Name))
		}
	}
}

// variable adds what the rows say of a variable before the program.
func (b *board) variable(s *subject, name filters.Untrusted) (known bool) {
	for _, row := range variables {
		if row.name != name.Raw() || !row.obeyed(baseName(s.exec)) {
			continue
		}
		known = true
		if argv, ok := s.some(); ok {
			c := b.cell(power(row.power).Weight, need{power: row.power, asks: asks(b.program)}, toAll, "")
			c.How, c.Example = row.name+": "+row.how, argv
			b.put(c)
		}
	}
	return known
}

// arguments is what is left: a program that nobody has looked at, or of which no form
// fits. That none fits says something only where it is known how the program reads its
// words.
func (b *board) arguments(s *subject) {
	if s.own() || s.entry.Class == "IpFilter" { // the class knows each word of ip
		return
	}
	if s.entry.File == "" { // the implicit filter
		if len(b.cells) == 0 {
			b.rest(s, NotAssessed, "nobody has looked at what the contexts of the policy let their callers do")
		}
		return
	}
	if s.large && !b.worst() {
		b.rest(s, NotAssessed, "pattern too large: what it can match was not found out")
		return
	}
	score, how := s.left()
	if len(b.cells) > 0 && (score != NotAssessed || b.worst() || !s.strange(s.exec, grammar(s.exec, ""))) {
		return // the program is known, and so is what it does
	}
	b.rest(s, score, how)
}

// given tells whether a power is given away as far as it can be.
func (b *board) given(p string) bool {
	return slices.ContainsFunc(b.cells, func(c Cell) bool { return c.Power == p && c.Score >= power(p).Weight })
}

// fixed tells that the policy says each word.
func (s *subject) fixed() bool {
	return !s.open && !slices.ContainsFunc(s.slots, func(sl slot) bool { return sl.loose })
}

// worst tells whether it could not become worse.
func (b *board) worst() bool {
	return slices.ContainsFunc(b.cells, func(c Cell) bool { return Band(c.Score) == "root" })
}

// left is what the caller has of a program of which no form fits, and why.
func (s *subject) left() (score Score, how string) {
	program := baseName(s.exec)
	free := slices.ContainsFunc(s.slots, slot.free)
	switch reads := grammar(program, ""); {
	case s.shape.More && (program == "xargs" || program == "parallel"):
		return NotAssessed, program + " gives commands of other filters arguments that these do not see"
	case s.shape.More && !passesOn(reads):
		return NotAssessed, fmt.Sprintf("nobody has looked at what %s does with the command behind it", filters.Untrusted(program))
	case s.fixed() && (known(program)):
		return 0.2, "no pattern lets a word of the caller's choice through"
	case harmless[program] != "" && (s.open || free):
		return 0.3, program + " " + harmless[program]
	case harmless[program] != "":
		return 0.2, "no pattern lets a word through that matters"
	case !known(program):
		return NotAssessed, fmt.Sprintf("nobody has looked at what %s does with its arguments", filters.Untrusted(program))
	case reads == plain && len(programs.All(program)) == 0:
		return NotAssessed, fmt.Sprintf("how %s reads its options is not known", filters.Untrusted(program))
	case !s.understood(program, reads):
		return NotAssessed, fmt.Sprintf("it takes options of %s that nobody has looked at", filters.Untrusted(program))
	case s.strange(program, reads):
		return NotAssessed, fmt.Sprintf("nobody has looked at what this command of %s does with its arguments", filters.Untrusted(program))
	case s.shape.More && !free:
		return 0.2, "a prefix to commands of other filters; what they can do is told there"
	case s.open:
		return 1, "any arguments"
	case Interpreter(program) && free:
		return 3, "an interpreter with an open pattern"
	case free:
		return 1.5, "a pattern lets any word through"
	case slices.ContainsFunc(s.slots, s.mine):
		return 1, "a pattern lets the caller name a file of their own"
	}
	return 0.2, "no pattern lets a word through that matters"
}

// few is how many words a pattern may have that still are the policy's choice, and not
// the caller's.
const few = 16

// understood tells whether the options of some command that the filter allows are known,
// whatever its verb is.
func (s *subject) understood(program string, p *programs.Program) bool {
	memory.Lock()
	defer memory.Unlock()
	all := programs.All(program)
	if len(all) == 0 {
		all = []*programs.Program{p}
	}
	return slices.ContainsFunc(all, func(p *programs.Program) bool {
		if p.Verbed {
			return false
		}
		_, ok := s.search(whole(p))
		return ok
	})
}

// whole is all command lines that a program reads.
func whole(p *programs.Program) *programs.Graph {
	key := drawn{program: p}
	if memory.graphs[key] == nil {
		w := programs.Way{Operands: []programs.Operand{{Any: true}}}
		if p.Verbs != "" {
			verb := programs.Text(strings.Fields(p.Verbs)...)
			w.Operands = append([]programs.Operand{{Value: &verb}}, w.Operands...)
		}
		memory.graphs[key] = p.Graph(w, false)
	}
	return memory.graphs[key]
}

// rest adds what is left, with some command that the filter allows.
func (b *board) rest(s *subject, score Score, how string) {
	argv, ok := s.some()
	if !ok {
		if slices.ContainsFunc(s.slots, func(sl slot) bool { return sl.dead }) {
			b.dead = true
			return
		}
		argv = []filters.Untrusted{}
	}
	c := b.cell(max(score, 0), need{power: Arguments}, toAll, "")
	if c.How, c.Example = how, argv; score == NotAssessed {
		c.Score, c.Extent, c.Limits = NotAssessed, Whole, []string{}
	}
	b.put(c)
}

// sections are the keys of a sandbox section that say something, as people write
// them.
func sections(s *policy.Sandbox) (words []string) {
	if s == nil {
		return nil
	}
	add := func(on bool, format string, args ...any) {
		if on {
			words = append(words, filters.Prose(fmt.Sprintf(format, args...)))
		}
	}
	caps := strings.ToUpper(strings.Join(s.Capabilities, ", "))
	if caps == "" {
		caps = "none"
	}
	add(s.Seccomp != "" && s.Seccomp != "none", "seccomp = %s", s.Seccomp)
	add(s.SeccompLog && s.Seccomp != "" && s.Seccomp != "none", "seccomp_log")
	add(s.Capabilities != nil, "capabilities = %s", caps)
	add(s.NoNewPrivs, "no_new_privs")
	add(s.LandlockRO != nil, "landlock_ro = %s", list(s.LandlockRO))
	add(s.LandlockRW != nil, "landlock_rw = %s", list(s.LandlockRW))
	add(s.LandlockScope != nil, "landlock_scope = %s", list(s.LandlockScope))
	add(s.BestEffort, "landlock = best-effort")
	add(s.PrivateNetwork, "private_network")
	add(s.PrivateMounts, "private_mounts")
	add(s.PrivateTmp, "private_tmp")
	add(s.PrivateKeyring != nil && *s.PrivateKeyring, "private_keyring")
	add(s.DenyWriteExec, "memory_deny_write_execute")
	add(len(s.ReadOnly) > 0, "read_only = %s", list(s.ReadOnly))
	add(s.PinPaths, "pin_paths")
	add(s.AppArmor != "", "apparmor_profile = %s", s.AppArmor)
	add(s.SELinux != "", "selinux_context = %s", s.SELinux)
	return words
}

// topReasons says in a few lines what is worst: for each power that is as bad as
// root or nearly, the filters that give it away.
func topReasons(all []Filter) (reasons []string) {
	for _, p := range powers {
		var names []string
		worst := Score(0)
		for _, f := range all {
			for _, c := range f.Cells {
				if c.Power != p.ID || c.Extent == Implied || c.Score < 4 {
					continue
				}
				worst = max(worst, c.Score)
				if n := f.Name.String(); !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
		if len(names) == 0 {
			continue
		}
		text := strings.Join(names, ", ")
		if more := len(names) - 5; more > 1 {
			text = fmt.Sprintf("%s and %d more", strings.Join(names[:5], ", "), more)
		}
		reasons = append(reasons, fmt.Sprintf("%s (up to %.1f): %s", p.Title, worst, text))
	}
	return reasons
}
