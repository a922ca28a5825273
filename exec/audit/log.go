package audit

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
)

// Log is the record keeper of one process.
type Log struct {
	name   string // the program's, as it was called
	p      *policy.Policy
	caller exec.Caller
}

// New returns the log that a policy asks for.
func New(name string, p *policy.Policy, c exec.Caller) *Log { return &Log{name, p, c} }

// Executing records a command before it runs. The error is not nil only where
// the policy demands a record (audit_required) and none could be written: then
// the command must not run.
func (l *Log) Executing(d policy.Decision) error {
	err := l.write(Info, fmt.Sprintf("(%s > %s) Executing %s (filter match = %s) filter=%s%s run_as=%s %s",
		filters.Untrusted(account.Name(uint32(l.caller.Account()))), filters.Untrusted(d.RunAs), Words(d.Argv),
		filters.Untrusted(d.Filter.Name), where(d.Filter), leaf(d.Leaf), filters.Untrusted(d.RunAs), l.who()))
	if err != nil && l.p.AuditRequired {
		return fmt.Errorf("%w; the command was not run, since audit_required is set in %s", err, filters.Untrusted(l.p.Path))
	}
	return nil
}

// Refused records a command that does not run, and why.
func (l *Log) Refused(argv []filters.Untrusted, why string) {
	l.write(Error, fmt.Sprintf("%s: %s %s", why, Words(argv), l.who()))
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

func (l *Log) write(severity int, text string) error {
	required := l.p.AuditRequired && severity == Info
	if !required && (!l.p.UseSyslog || severity > l.p.Level) {
		return nil
	}
	err := l.send(severity, text)
	if err != nil && !required {
		l.complain(err.Error())
	}
	return err
}

func (l *Log) send(severity int, text string) error {
	return Send(l.p.Facility<<3|severity, fmt.Sprintf("%s[%d]", tag(l.name), os.Getpid()), filters.Prose(text))
}

// tag makes of the name that the caller chose one that can be no other program's
// with a message of its own.
func tag(name string) string {
	plain := func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}
	return strings.Map(plain, name[:min(len(name), 64)])
}

func (l *Log) complain(text string) {
	fmt.Fprintf(os.Stderr, "%s: %s\n", filters.Untrusted(l.name), filters.Prose(text))
}

// Event records what concerns a daemon itself. What is wrong is recorded wherever
// there is a system log, whatever the policy says: a daemon has nobody else to
// tell.
func (l *Log) Event(severity int, text string) {
	if severity <= Error || l.p.UseSyslog && severity <= l.p.Level {
		// There is nowhere to complain.
		_ = l.send(severity, text)
	}
}

// who says who called: the client of a daemon, the real user id, the one that
// sudo gave, and the one that logged in.
func (l *Log) who() string {
	c := l.caller
	if c.Client != nil {
		return fmt.Sprintf("client_uid=%d client_pid=%d ", c.Client.UID, c.Client.PID) + l.starter()
	}
	return l.starter()
}

func (l *Log) starter() string {
	c := l.caller
	return fmt.Sprintf("ruid=%d sudo_uid=%s loginuid=%s cwd=%s", c.UID, idOrNone(c.SudoUID), idOrNone(c.LoginID), c.Dir.Quote())
}

func idOrNone(id int) string {
	if id < 0 {
		return "-"
	}
	return strconv.Itoa(id)
}

func where(e *policy.Entry) string {
	if e.File == "" {
		return "built-in"
	}
	return fmt.Sprintf("%s:%d", filters.Untrusted(e.File).Quote(), e.Line)
}

func leaf(e *policy.Entry) string {
	if e == nil {
		return ""
	}
	return " nested=" + where(e)
}
