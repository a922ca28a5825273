package usage

import (
	"fmt"
	"io"
	"strings"

	"ironwrap/filters"
)

// Text prints a report. The patch stands in it where patch is true.
func (r Report) Text(w io.Writer, patch bool) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	g := r.Reading
	line("%s: %d records in %d lines%s", filters.Show(r.Config), g.Records, g.Lines, span(g))
	line("Anybody on the host can write to the system log. What stands here of it are claims.")
	for _, warning := range r.Warnings {
		line("warning: %s", filters.Prose(warning))
	}
	odd := func(what string, o Oddness) {
		if o.Count > 0 {
			line("warning: %d lines %s:", o.Count, what)
			for _, e := range o.Examples {
				line("    %s", e.Short(200))
			}
		}
	}
	odd("begin as records and do not go on as such", g.Odd)
	odd("say that they are records, and were not written by root", g.Forged)
	if g.Long > 0 {
		line("warning: %d lines were too long to be read", g.Long)
	}
	if g.Beyond > 0 {
		line("warning: %d records were not kept: there are too many different commands", g.Beyond)
	}

	line("\nused")
	for _, u := range r.Used {
		line("  %7d  %s", u.Count, u.Place)
		text := fmt.Sprintf("%d different", u.Different)
		if u.Behind > 0 {
			text += fmt.Sprintf(", %d behind a prefix", u.Behind)
		}
		line("           by %s; %s", people(u.By), text)
		if u.Unclear > 0 {
			line("           %d records are not clear: %s", u.Unclear, filters.Prose(u.Why.Raw()))
		}
	}
	for _, u := range r.Unknown {
		line("  %7d  %s, which the policy does not have", u.Count, filters.Show(u.Filter.Raw()))
	}
	if len(r.Used)+len(r.Unknown) == 0 {
		line("           none, as far as is known")
	}
	line("\nnever used in these records")
	for _, p := range r.Never {
		line("           %s", p)
	}
	if r.Never == nil {
		line("           not known, or none")
	}

	line("\nnarrower filters that would have sufficed")
	for _, p := range r.Narrower {
		line("  %s: %d calls", p.Place, p.Calls)
		for _, l := range strings.Split(p.Old.Raw(), "\n") {
			line("    - %s", filters.Prose(strings.TrimRight(l, "\r")))
		}
		for _, l := range p.New {
			line("    + %s", filters.Prose(l.Raw()))
		}
		for _, how := range p.How {
			line("      %s", filters.Prose(how))
		}
		line("      no longer: %s", filters.Line(p.Gone))
		if p.Still != "" {
			line("      but the policy allows that still, by %s", p.Still)
		}
	}
	if len(r.Narrower) > 0 {
		line("  Each command of the records is allowed with them in force, and each new filter is part of")
		line("  the old one. What the service may call and has not called yet is not in the records.")
	} else {
		line("  none")
	}
	if len(r.Kept) > 0 {
		line("\nused, and nothing narrower proposed")
		for _, k := range r.Kept {
			line("  %s: %s", k.Place, filters.Prose(k.Why))
		}
	}

	if len(r.Refused) > 0 {
		line("\nrefused, by what would have to change")
		line("  To be asked for is no right: an intruder asks as well. Most of it should stay refused.")
		for _, group := range r.Refused {
			line("  %7d  %s", group.Count, filters.Prose(group.Change))
			line("           by %s; %d different", people(group.By), group.Different)
			for _, e := range group.Examples {
				line("           %s", filters.Prose(e.Raw()))
			}
		}
	}
	if patch && r.Patch != "" {
		line("\npatch (patch -p1 -d %s < FILE)\n", filters.Show(r.Root))
		b.WriteString(r.Patch)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func span(g Reading) string {
	if g.First == "" {
		return ""
	}
	return fmt.Sprintf(", the first of %s, the last of %s", filters.Show(g.First), filters.Show(g.Last))
}

// people are those who called most.
func people(list []Count) string {
	var parts []string
	for i, c := range list {
		if i == 5 {
			parts = append(parts, fmt.Sprintf("%d more", len(list)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d", c.What.Short(64), c.Count))
	}
	return strings.Join(parts, ", ")
}
