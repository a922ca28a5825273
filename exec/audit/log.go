package audit

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"ironwrap/exec"
	"ironwrap/exec/stderr"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
)

// Log is the record keeper of one process.
type Log struct {
	name   string // the program's, as messages have it
	p      *policy.Policy
	caller exec.Caller
}

// New returns the log that a policy asks for.
func New(name string, p *policy.Policy, c exec.Caller) *Log { return &Log{name, p, c} }

// What a record says of a command that did not run. The first two are the peer's words.
const (
	Unauthorized = "Unauthorized command"
	NotFound     = "Executable not found"
	BadConfig    = "Incorrect configuration file"
	NotAllowed   = "Caller not allowed"
	NotRun       = "Not run"
)

// What says of a decision that lets nothing run what it was.
func What(v policy.Verdict) string {
	switch v {
	case policy.NotExecutable:
		return NotFound
	case policy.TooLong:
		return NotRun
	}
	return Unauthorized
}

// Fields from outside are cut to these sizes in bytes, so that no record is longer than
// maxRecord.
const (
	maxField = 512
	maxName  = 64
)

// Executing records a command before it runs. The error is not nil only where
// the policy demands a record (audit_required) and none could be written: then
// the command must not run.
func (l *Log) Executing(d policy.Decision) error {
	if l.p.AuditFile == "" && !l.p.AuditRequired && !l.writes(Info) {
		return nil
	}
	l.caller.Look()
	text := fmt.Sprintf("%s (%s > %s) Executing %s (filter match = %s) filter=%s%s run_as=%s cwd=%s",
		l.who(), short(account.Name(uint32(l.caller.Account())), maxName), short(d.RunAs, maxName), Words(d.Argv),
		short(d.Filter.Name, maxField), where(d.Filter), leaf(d.Leaf), short(d.RunAs, maxName), l.caller.Dir.Short(maxField))
	if err := l.execution(text); err != nil {
		if l.p.AuditRequired {
			return fmt.Errorf("%w; the command was not run, since audit_required is set in %s", err, filters.Show(l.p.Path))
		}
		l.complain(err.Error())
	}
	return nil
}

// execution writes a record to each place that the policy names: first to the one that
// is sure to keep it.
func (l *Log) execution(text string) error {
	var failed error
	if l.p.AuditFile != "" {
		if failed = Append(l.p.AuditFile, l.tag(), text); failed != nil && l.p.AuditRequired {
			return failed
		}
	}
	required := l.p.AuditRequired && l.p.AuditFile == ""
	if required || l.writes(Info) {
		if err := l.send(Info, text); err != nil {
			return err
		}
	}
	return failed
}

// Refused records a command that does not run: what happened, one of the constants
// above, and why, "" where there is no more to say.
//
// A client of the daemon's is told less than a caller at a terminal, and by the peer's
// configuration files nothing is recorded (use_syslog = False): only a level above this
// one keeps a daemon silent.
func (l *Log) Refused(what string, argv []filters.Untrusted, why string) {
	served := l.caller.Client != nil
	if l.p.Level < Error || !l.p.UseSyslog && !served {
		return
	}
	l.caller.Look()
	text := l.who() + " " + what + ": " + Words(argv)
	if why != "" {
		text += " why=" + quoted(why)
	}
	// Where there is no system log, and none was asked for, nothing is wrong.
	if err := l.send(Error, text+" cwd="+l.caller.Dir.Short(maxField)); err != nil && l.p.UseSyslog {
		l.complain(err.Error())
	}
}

// Warnings records what the policy skipped, on standard error where there is no
// system log, as the peer does.
func (l *Log) Warnings() {
	for _, n := range l.p.Notes {
		if n.Warning {
			if l.p.UseSyslog {
				l.write(Warning, n.String())
			} else {
				l.complain(n.String())
			}
		}
	}
}

// writes tells that the policy wants records of a severity in the system log.
func (l *Log) writes(severity int) bool { return l.p.UseSyslog && severity <= l.p.Level }

func (l *Log) write(severity int, text string) {
	if !l.writes(severity) {
		return
	}
	if err := l.send(severity, text); err != nil {
		l.complain(err.Error())
	}
}

func (l *Log) send(severity int, text string) error {
	return deliver(l.p.Facility<<3|severity, l.tag(), filters.Prose(text))
}

// deliver is another function in tests.
var deliver = Send

// tag is what the system log knows a record by. It can be no other program's, with a
// message of its own.
func (l *Log) tag() string {
	plain := func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}
	return fmt.Sprintf("%s[%d]", strings.Map(plain, l.name[:min(len(l.name), maxName)]), os.Getpid())
}

func (l *Log) complain(text string) { stderr.New(l.name, l.caller.Owner()).Try(text) }

// Event records what concerns a daemon itself. What is wrong is recorded wherever
// there is a system log, whatever the policy says: a daemon has nobody else to
// tell.
func (l *Log) Event(severity int, text string) {
	if severity <= Error || l.writes(severity) {
		// There is nowhere to complain.
		_ = l.send(severity, text)
	}
}

// who says who called: the client of a daemon, the real user id, the one that
// sudo gave, and the one that logged in. It comes first, so that no other field can
// displace it.
func (l *Log) who() string {
	c := l.caller
	client := ""
	if c.Client != nil {
		client = fmt.Sprintf("client_uid=%d client_pid=%d ", c.Client.UID, c.Client.PID)
	}
	return client + fmt.Sprintf("ruid=%d sudo_uid=%s loginuid=%s", c.UID, idOrNone(c.SudoUID), idOrNone(c.LoginID))
}

func idOrNone(id int) string {
	if id < 0 {
		return "-"
	}
	return strconv.Itoa(id)
}

func short(s string, room int) string { return filters.Untrusted(s).Short(room) }

// quoted is text that may hold anything, in quotes whatever it holds.
func quoted(text string) string {
	s := short(text, maxField)
	if s[0] != '"' {
		s = `"` + s + `"`
	}
	return s
}

func where(e *policy.Entry) string {
	if e.File == "" {
		return "built-in"
	}
	return fmt.Sprintf("%s:%d", short(e.File, maxField), e.Line)
}

func leaf(e *policy.Entry) string {
	if e == nil {
		return ""
	}
	return " nested=" + where(e)
}
