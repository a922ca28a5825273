package doctor

import (
	"fmt"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/review/lint"
)

// sudoers tells through which lines the service comes to its root helper, and which lead
// past it.
func (e *examination) sudoers() {
	ask := "look at what sudo says of the service's user: sudo -l -U " + e.report.Service
	for _, why := range e.sudo.Unread {
		do := ask
		if strings.Contains(why, "permission denied") {
			do = "run this as root"
		}
		e.say("sudo", "sudoers-unread", Unknown, do, "not assessed: %s", why)
	}
	for _, c := range e.calls {
		if c.sudo && len(c.paths) > 0 {
			e.admitted(c, ask)
		}
	}
	e.wrappers()
	e.past()
}

// admitted looks for a line that lets the service make a call.
func (e *examination) admitted(c call, ask string) {
	args := []string{c.config}
	if !c.daemon {
		args = append(args, "id")
	}
	for _, w := range e.sudo.Ways {
		if !w.Takes(c.paths[0], args) {
			continue
		}
		told := fmt.Sprintf("%s lets %s run %s", line(w), filters.Show(w.Who), filters.Show(w.Command))
		switch {
		case w.Password:
			e.say("sudo", "sudoers-line", Problem, "add NOPASSWD: to that line", "%s, with a password, which a service does not have", told)
		case w.Hosts != "":
			e.say("sudo", "sudoers-line", Unknown, ask, "not assessed: %s%s: whether that is this machine", told, w.Hosts)
		default:
			e.say("sudo", "sudoers-line", Fine, "", "%s", told)
		}
		return
	}
	if len(e.sudo.Unread) > 0 {
		return // which says that it is not known
	}
	e.say("sudo", "sudoers-line", Problem, e.proposed(c), "no line of sudoers lets the service run %s %s", filters.Show(c.paths[0]), filters.Show(c.config))
}

// proposed is a line for sudoers. The service chose what it calls: it must be ironwrap.
func (e *examination) proposed(c call) string {
	rest := " *"
	if c.daemon {
		rest = ""
	}
	text := command("%s ALL = (root) NOPASSWD: %s %s", e.report.Service, c.paths[0], e.report.Config)
	if !c.good || text == "" {
		return "see first that ironwrap is what the service calls"
	}
	return "write this line with visudo: " + text + rest
}

// line is where a line of sudoers stands.
func line(w lint.Way) string {
	if w.Line == 0 {
		return filters.Show(w.Path)
	}
	return fmt.Sprintf("%s:%d", filters.Show(w.Path), w.Line)
}

// wrappers looks at the wrappers that sudo runs besides those of the calls.
func (e *examination) wrappers() {
	var seen []string
	for _, w := range e.sudo.Ways {
		if !w.Wrapper || slices.Contains(seen, w.Program) || slices.ContainsFunc(e.calls, func(c call) bool { return slices.Contains(c.paths, w.Program) }) {
			continue
		}
		seen = append(seen, w.Program)
		p, err := e.host.Program(w.Program)
		if err == nil && p.Kind == Original {
			e.originals[fmt.Sprintf("%s:%d", w.Path, w.Line)] = true
			e.say("sudo", "sudoers-original", Problem, e.replacing(w.Program, strings.HasSuffix(w.Program, "-daemon")),
				"%s also lets %s run %s, which is oslo.rootwrap: it asks no sandbox section", line(w), filters.Show(w.Who), filters.Show(w.Command))
		}
	}
}

// elsewhere are rules of check's that are among what was not read.
var elsewhere = []string{"sudoers-not-assessed", "sudoers-refused"}

// past tells what check finds about sudoers.
func (e *examination) past() {
	found := 0
	for _, f := range e.findings().Findings {
		if !strings.HasPrefix(f.Rule.ID, "sudoers-") || f.Accepted != nil || slices.Contains(elsewhere, f.Rule.ID) || e.originals[fmt.Sprintf("%s:%d", f.Path, f.Line)] {
			continue
		}
		found++
		s := map[lint.Severity]State{lint.Error: Problem, lint.Warning: Warning, lint.Note: Note}[f.Rule.Severity]
		at := filters.Show(f.Path)
		if f.Line > 0 {
			at = fmt.Sprintf("%s:%d", at, f.Line)
		}
		do := f.Hint
		if do == "" {
			do = f.Rule.Help
		}
		e.say("sudo", f.Rule.ID, s, do, "%s: %s", at, f.Message)
	}
	if found == 0 && len(e.sudo.Unread) == 0 {
		e.say("sudo", "sudoers-past", Fine, "", "nothing else was found in sudoers that leads past the wrapper")
	}
}

// findings is what check finds, asked once.
func (e *examination) findings() lint.Report {
	if e.checked == nil {
		r := e.host.Check(e.report.Config)
		e.checked = &r
	}
	return *e.checked
}
