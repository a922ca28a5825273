package exposure

import (
	"fmt"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
)

// class is what a filter's class gives away by itself, whatever the program.
func (b *board) class(s *subject) {
	e := s.entry
	switch {
	case e.Class == "IpNetnsExecFilter":
		b.give(Namespace, "cap_sys_admin", "ip netns exec puts another filter's command into any network namespace; what the command can do is told at its own filter",
			filters.Words([]string{"ip", "netns", "exec", "NAME", "COMMAND"}), "only as a prefix to commands of other filters")
	case s.shape.Target != "":
		target := baseName(s.shape.Target)
		how := "a signal to processes that run " + filters.Untrusted(s.shape.Target).String()
		only := "only processes that run this program"
		if Interpreter(target) {
			how += ", an interpreter: every service written in it"
			only = ""
		}
		example := []filters.Untrusted{"kill"}
		if len(s.shape.Signals) > 0 {
			example = append(example, filters.Untrusted(s.shape.Signals[0]))
		}
		b.give(Signal, "cap_kill", how, append(example, "PID"), only)
	case s.shape.File != "":
		b.give(Read, "", "cat of this one file", filters.Words([]string{"cat", s.shape.File}), "only this file")
	}
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
	for _, w := range ways(s.entry.Exec()) {
		if argv, whole, ok := s.fits(w.form); ok {
			only := ""
			if !whole {
				only = "only what the filter's patterns let through"
			}
			b.give(w.power, w.caps, w.how, argv, only)
		}
	}
}

// environment is what the variables of an EnvFilter do that have no fixed value.
func (b *board) environment(s *subject) {
	program := family(baseName(s.entry.Exec()))
	for _, v := range s.shape.Vars {
		if v.Value != "" {
			continue
		}
		for _, row := range variables {
			if row.name != v.Name.Raw() || row.programs != "*" && !slices.Contains(strings.Fields(row.programs), program) {
				continue
			}
			if argv, _, ok := s.fits("…"); ok {
				c := b.cell(power(row.power).Weight, row.power, "", row.power == Run || row.power == Code, "")
				c.How, c.Example = row.name+": "+row.how, argv
				b.put(c)
			}
		}
	}
}

// arguments is what is left: a program that the table does not know, or of which no
// form fits.
func (b *board) arguments(s *subject) {
	if s.own() || s.entry.File == "" {
		return
	}
	if slices.ContainsFunc(b.cells, func(c Cell) bool { return c.Power != Arguments }) {
		return // the program is known, and so is what it does
	}
	program := baseName(s.entry.Exec())
	score, how := 0.2, "no pattern lets a word of the caller's choice through"
	free := slices.ContainsFunc(s.slots, slot.free)
	switch {
	case s.entry.Class == "IpFilter":
		return // the class knows each word of ip
	case s.shape.More && !free:
		score, how = 0.2, "a prefix to commands of other filters; what they can do is told there"
	case harmless[program] && (s.shape.Open || free):
		score, how = 0.3, program+" tells names, sizes and dates, and no more"
	case s.shape.Open && !known(s.entry.Exec()):
		score, how = 3, fmt.Sprintf("any arguments; the table does not know %s: look into what its options can do", filters.Untrusted(program))
	case s.shape.Open:
		score, how = 1, "any arguments"
	case Interpreter(program) && free:
		score, how = 3, "an interpreter with an open pattern"
	case free:
		score, how = 1.5, "a pattern lets any word through"
	case slices.ContainsFunc(s.slots, func(sl slot) bool { _, _, ok := sl.word("{mine}"); return ok }):
		score, how = 1, "a pattern lets the caller name a file of their own"
	}
	argv, _, ok := s.fits("…")
	if !ok {
		if slices.ContainsFunc(s.slots, func(sl slot) bool { return sl.dead }) {
			b.dead = true
			return
		}
		argv = []filters.Untrusted{}
	}
	c := b.cell(score, Arguments, "", false, "")
	c.How, c.Example = how, argv
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
	return words
}

// topReasons says in a few lines what is worst: for each power that is as bad as
// root or nearly, the filters that give it away.
func topReasons(all []Filter) (reasons []string) {
	for _, p := range powers {
		var names []string
		worst := 0.0
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
