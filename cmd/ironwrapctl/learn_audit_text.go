package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
)

// print writes what a person must see before anything of it is taken over.
func (t *trial) print(w io.Writer, d policy.Decision, written string) {
	say := func(format string, args ...any) { fmt.Fprintln(w, filters.Prose(fmt.Sprintf(format, args...))) }
	say("%s, run as %s", t.box.whose, filters.Show(d.RunAs))
	for _, p := range t.programs {
		say("  records of %s", filters.Show(p))
	}
	if t.path != "" {
		say("profile %s", filters.Show(t.path))
	}
	table := func(title string, list []finding) {
		if len(list) == 0 {
			return
		}
		say("%s", title)
		for _, f := range list {
			say("  %-24s %s: %s", f.name, count(f.records, "record", "records"), shortened(f.by))
			if f.why != "" {
				say("      %s", f.why)
			}
		}
	}
	table("added to the profile:", t.added)
	table("not added:", t.left)
	if len(t.rules) > 0 {
		say("refused by Landlock:")
		for _, r := range t.rules {
			say("  %-24s %s: %s", r.key, count(r.records, "record", "records"), filters.Show(r.path))
			if r.why != "" {
				say("      %s", r.why)
			}
		}
	}
	for _, r := range t.remarks {
		say("  %s", r)
	}
	if lines := t.keyLines(); len(lines) > 0 {
		say("the section's lines with what can be added so:")
		for _, line := range lines {
			say("  %s", line)
		}
	}
	if len(t.added)+len(t.left)+len(t.rules)+len(t.remarks) == 0 {
		say("nothing was refused that the records tell of")
	}
	for _, n := range t.notes() {
		say("note: %s", n)
	}
	switch {
	case len(t.added) > 0 && written != "":
		say("written to %s: read it, then ironwrapctl seccomp compile %[1]s, and name it in the section", filters.Show(written))
	case len(t.added) > 0:
		say("nothing was written: --profile FILE writes the profile with what is added")
	}
}

// notes are what the records are not, or do not say.
func (t *trial) notes() (list []string) {
	note := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if t.box.profiled() && !t.box.SeccompLog {
		note("the section has no seccomp_log = yes: the records are of an earlier time, or of something else")
	}
	if t.box.landlocked() && !t.box.LandlockLog {
		note("the section has no landlock_log = yes: what Landlock refuses is not in the records")
	}
	if t.box.landlocked() && t.box.LandlockLog {
		note("Landlock refuses while it logs: what the command would have done next is not in the records")
		note("which filter a refusal belongs to is not in the records: let one filter at a time have landlock_log = yes")
	}
	if t.already > 0 {
		note("%s of system calls that the profile allows now", count(t.already, "record", "records"))
	}
	for i, exe := range slices.Sorted(maps.Keys(t.strange)) {
		if i == 20 {
			note("records of %d more programs were left out", len(t.strange)-i)
			break
		}
		note("%s of %s left out: if the command starts that program, add --exe %[2]s", count(t.strange[exe], "record", "records"), filters.Show(exe))
	}
	for _, arch := range slices.Sorted(maps.Keys(t.alien)) {
		note("%s of programs of architecture %s left out: they are not tried", count(t.alien[arch], "record", "records"), arch)
	}
	if n := t.log.Others; n > 0 {
		note("%s of other users left out: if the command changes to another user, add --user NAME", count(n, "record", "records"))
	}
	if n := t.log.Orphans; n > 0 {
		note("%s of Landlock left out: they are not ironwrap's, or the record that says whose they are is missing", count(n, "record", "records"))
	}
	missing := 0
	for _, d := range t.log.Domains {
		missing += max(0, d.Said-d.Seen)
	}
	if missing > 0 {
		note("of %s by Landlock the record is missing", count(missing, "refusal", "refusals"))
	}
	if n := t.log.Odd; n > 0 {
		note("%s left out: of no form that only the kernel writes; the first: %s", count(n, "line", "lines"), filters.Untrusted(t.log.FirstOdd).Short(200))
	}
	if t.log.Lost > 0 {
		note("the kernel says that records were lost: what is not here may be missing; auditd, or a larger audit backlog, loses fewer")
	}
	if t.log.Full {
		note("there are more different records than were looked at")
	}
	return list
}

// shortened are some programs, and how many more.
func shortened(programs []string) string {
	var words []string
	for i, p := range programs {
		if i == 3 {
			return fmt.Sprintf("%s and %d more", strings.Join(words, ", "), len(programs)-i)
		}
		words = append(words, filters.Show(p))
	}
	return strings.Join(words, ", ")
}
