package doctor

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/review/usage"
)

// installation looks at the programs that belong to what answers.
func (e *examination) installation() {
	for _, p := range e.parts() {
		inner := p.Name == "ironwrap-read" || p.Name == "ironwrap-launch"
		where := filters.Show(p.Path)
		switch {
		case errors.Is(p.Err, fs.ErrPermission):
			e.unknown("installation", "part", p.Name, p.Err)
		case p.Err != nil && !e.needs(p.Name):
			e.say("installation", "part", Note, "", "%s, which is not needed here, cannot be used: %v", p.Name, p.Err)
		case p.Err != nil:
			e.say("installation", "part", Problem, "install ironwrap anew (make install, or the package)", "%s cannot be used: %v", p.Name, p.Err)
		case inner && p.Mode&0o077 != 0:
			e.say("installation", "part", Warning, command("chmod 0700 %s", p.Path), "%s has mode %04o: others may start it, for whom it is not", where, p.Mode)
		default:
			e.say("installation", "part", Fine, "", "%s is root's, mode %04o", where, p.Mode)
		}
	}
}

// needs tells whether what answers starts a program of ironwrap's: the one-shot program a
// reader, a daemon its launchers.
func (e *examination) needs(part string) bool {
	return slices.ContainsFunc(e.calls, func(c call) bool {
		switch c.kind {
		case Ironwrap:
			return part == "ironwrap-read"
		case Daemon, Caller, Attach:
			return part == "ironwrap-launch"
		}
		return false
	})
}

// daemons looks at those that run, and at what starts them.
func (e *examination) daemons() {
	found, err := e.host.Processes(e.report.Config)
	if err != nil {
		e.unknown("daemon", "daemon-process", "which daemons run", err)
	}
	for _, p := range found {
		e.daemon(p)
	}
	e.units()
	for _, c := range e.calls {
		if c.kind == Caller {
			e.listening(callSocket(c.config))
		}
	}
	wanted := slices.ContainsFunc(e.calls, func(c call) bool { return c.daemon })
	switch {
	case err != nil || len(found) > 0:
	case wanted:
		e.say("daemon", "daemon-process", Note, "", "no daemon runs at the moment: the service's next call starts one")
	default:
		e.say("daemon", "daemon-process", Fine, "", "the service asks for no daemon, and none runs")
	}
}

// daemon tells what a process is.
func (e *examination) daemon(p Process) {
	restart := "kill " + strconv.Itoa(p.PID) + " # what runs is finished; the service's next call starts the new one"
	gone := strings.TrimSuffix(p.Exe, " (deleted)")
	switch {
	case p.Kind == Original:
		e.say("daemon", "daemon-original", Problem, "kill "+strconv.Itoa(p.PID)+" # the service's next call starts another, of whatever is its root helper then", "process %d is oslo.rootwrap's daemon, and still answers", p.PID)
	case gone != p.Exe:
		e.say("daemon", "daemon-old", Warning, restart, "process %d still runs %s as it was before an upgrade", p.PID, filters.Show(gone))
	case !e.host.Same(gone, e.installed("ironwrap-daemon")) && !slices.ContainsFunc(e.calls, func(c call) bool { return c.real == gone }):
		e.say("daemon", "daemon-old", Warning, restart, "process %d runs %s, which is not the installed one", p.PID, filters.Show(gone))
	default:
		e.say("daemon", "daemon-process", Fine, "", "process %d runs the installed %s", p.PID, filters.Show(gone))
	}
}

// units asks systemd, where the service comes to the daemon by a socket of its.
func (e *examination) units() {
	name := "ironwrap-daemon@" + e.report.Service + ".socket"
	needed := slices.ContainsFunc(e.calls, func(c call) bool { return c.kind == Attach || c.kind == Caller && c.config == e.report.Service })
	u, err := e.host.Unit(name)
	switch {
	case err != nil && needed:
		e.unknown("daemon", "daemon-unit", name, err)
	case needed && u.Active != "active":
		e.say("daemon", "daemon-unit", Problem, "systemctl enable --now "+name, "%s is not active (%s): the service's calls fail", name, orNone(u.Active))
	case needed && u.File != "enabled":
		e.say("daemon", "daemon-unit", Warning, "systemctl enable "+name, "%s is active, but not enabled (%s): after the next start of the machine calls fail", name, orNone(u.File))
	case u.Active == "active":
		e.say("daemon", "daemon-unit", Fine, "", "%s is active", name)
	}
	if u.Reload && u.Active == "active" {
		e.say("daemon", "daemon-unit", Warning, "systemctl daemon-reload", "the file of %s has changed since systemd read it", name)
	}
	if needed && e.policy != nil && e.policy.KeyFile == "" && slices.ContainsFunc(e.calls, func(c call) bool { return c.kind == Attach }) {
		e.say("daemon", "daemon-key", Problem, "set authkey_file = /run/ironwrap/"+e.report.Service+".key in "+filters.Show(e.report.Config), "the policy names no authkey_file, without which a daemon of systemd's does not start")
	}
}

func orNone(s string) string {
	if s == "" {
		return "no systemd, or no such unit"
	}
	return filters.Show(s)
}

// callSocket is where ironwrap-call connects for a name.
func callSocket(name string) string {
	switch {
	case !strings.Contains(name, "/"):
		return "/run/ironwrap/" + name + ".call"
	case strings.HasSuffix(name, ".conf"):
		return "/run/ironwrap/" + path.Base(path.Dir(name)) + ".call"
	}
	return name
}

func (e *examination) listening(socket string) {
	yes, err := e.host.Listens(socket)
	switch {
	case err != nil:
		e.unknown("daemon", "daemon-socket", filters.Show(socket), err)
	case yes:
		e.say("daemon", "daemon-socket", Fine, "", "somebody listens at %s, for ironwrap-call", filters.Show(socket))
	default:
		e.say("daemon", "daemon-socket", Problem, "start the daemon, or its socket: systemctl enable --now ironwrap-daemon@"+e.report.Service+".socket", "nobody listens at %s: the service's calls fail", filters.Show(socket))
	}
}

// Severities of syslog(3).
const (
	severityError = 3
	severityInfo  = 6
)

// records tells where they go, and what was refused last.
func (e *examination) records() {
	if e.policy == nil {
		e.say("records", "records-place", Unknown, "", "not assessed: the policy was not read")
		return
	}
	p := e.policy
	set := "set in [DEFAULT] of " + filters.Show(p.Path) + ": "
	switch {
	case !p.UseSyslog && p.AuditFile == "" && !p.AuditRequired:
		e.say("records", "records-place", Warning, set+"use_syslog = True", "neither calls nor refusals are recorded, but for what a daemon refuses: use_syslog is off")
		return
	case p.UseSyslog && p.Level < severityError:
		e.say("records", "records-level", Warning, set+"syslog_log_level = ERROR", "refusals are not recorded: syslog_log_level is above ERROR")
	case !p.UseSyslog:
		e.say("records", "records-refusals", Warning, set+"use_syslog = True", "refusals are not recorded, but for a daemon's: use_syslog is off")
	case p.Level < severityInfo && p.AuditFile == "" && !p.AuditRequired:
		e.say("records", "records-level", Note, "", "refusals are recorded, but no command that runs (syslog_log_level = INFO records them)")
	}
	if p.UseSyslog || p.AuditRequired && p.AuditFile == "" {
		e.syslog()
	}
	if p.AuditFile != "" {
		e.auditFile()
	}
	if p.UseSyslog && p.Level >= severityError {
		e.refusals()
	}
}

// required is the state of an answer that says that no record can be written.
func (e *examination) required() (State, string) {
	if e.policy.AuditRequired {
		return Problem, "no command runs (audit_required)"
	}
	return Warning, "records are lost"
}

func (e *examination) syslog() {
	who, err := e.host.Syslog()
	s, then := e.required()
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.unknown("records", "records-syslog", "the system log", err)
	case err != nil:
		e.say("records", "records-syslog", s, "start rsyslog or journald; in a container, mount the host's /dev/log", "%s: %v", then, err)
	default:
		e.say("records", "records-syslog", Fine, "", "records go to the system log, %s", who)
	}
}

func (e *examination) auditFile() {
	err := e.host.Appends(e.policy.AuditFile)
	s, then := e.required()
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.unknown("records", "records-file", "audit_file", err)
	case err != nil:
		e.say("records", "records-file", s, "", "%s: audit_file: %v", then, err)
	default:
		e.say("records", "records-file", Fine, "", "commands that run are recorded in %s", filters.Show(e.policy.AuditFile))
	}
}

// refusals tells the last ones of the service's user.
func (e *examination) refusals() {
	list, from, err := e.host.Records()
	if err != nil {
		// Where records go to another machine there is nothing to be read here: it is no fault.
		do := ""
		if errors.Is(err, fs.ErrPermission) {
			do = "run this as root"
		}
		e.say("records", "records-refused", Note, do, "the last refusals were not assessed: %v", err)
		return
	}
	whose := []string{e.report.Service}
	if uid := e.host.UID(e.report.Service); uid >= 0 {
		whose = append(whose, strconv.Itoa(uid))
	}
	refused := slices.DeleteFunc(list, func(r usage.Record) bool { return r.Executed || !slices.Contains(whose, r.Who) })
	if len(refused) == 0 {
		e.say("records", "records-refused", Fine, "", "nothing was refused to %s, as far as %s goes back", filters.Show(e.report.Service), from)
	}
	for _, r := range refused[max(len(refused)-last, 0):] {
		e.say("records", "records-refused", Note, "", "%s %s: %s", filters.Show(r.Time), r.What, filters.QuoteLine(r.Words))
	}
	if len(refused) > 0 {
		e.say("records", "records-refused", Note, "", "%s in %s; ironwrapctl explain tells why of each", many(len(refused), "refusal"), from)
	}
}

// last is how many refusals are shown.
const last = 3
