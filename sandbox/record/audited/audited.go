// Package audited reads the kernel's audit records of what seccomp logged and Landlock
// refused (audit(8), Documentation/admin-guide/LSM/landlock.rst).
//
// A record is in part of its process's choice: the names of programs and files, and how
// many there are. So a line counts only in a form that the kernel writes, from its
// first byte to its last. What nobody but root can choose is the user id.
package audited

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Call is a system call that was logged and allowed (SECCOMP_RET_LOG).
type Call struct {
	Arch, Number uint32 // AUDIT_ARCH_*
	UID          uint32
	Exe          string // as it was written: the program's path, where its process saw it
}

// Refusal is something that Landlock refused.
type Refusal struct {
	Domain   string // its number, as it was written
	Blockers string // what was asked for: fs.read_file,fs.execute
	Path     string // of a file or directory; "" for none
	Port     string // of a TCP socket, decimal; "" for none
	Exe      string // the program; "" where the kernel did not write it
}

// Domain is a process's confinement by Landlock.
type Domain struct {
	UID  uint32
	Exe  string // what restricted itself: ironwrap, before it became the command
	Seen int    // its refusals that are in the log
	Said int    // as many as the kernel counted, once nobody is in it any more; else 0
}

// Log is what was read. Users and Maker are set before.
type Log struct {
	Users map[uint32]bool       // whose records count
	Maker func(exe string) bool // whose domains count

	Calls    map[Call]int
	Refusals map[Refusal]int
	Domains  map[string]*Domain

	Others   int    // records of other users
	Orphans  int    // refusals in domains of others, or whose maker's record is not there
	Odd      int    // lines that speak of such a record, and are none
	FirstOdd string // one of them
	Lost     int    // lines in which the kernel says that records were lost
	Full     bool   // there is more than is kept

	pending []pending
}

// pending is a refusal until the record of its system call comes, which may be missing.
type pending struct {
	stamp string
	Refusal
}

const (
	most     = 10000    // different things that are kept of each kind
	longest  = 64 << 10 // bytes of a line; a path takes two for each of its own
	patience = 64       // records that may come between those of one event
)

// Read adds the lines of a log: audit.log, dmesg, or journalctl -o cat.
func (l *Log) Read(in io.Reader) error {
	if l.Calls == nil {
		l.Calls, l.Refusals, l.Domains = map[Call]int{}, map[Refusal]int{}, map[string]*Domain{}
	}
	r := bufio.NewReaderSize(in, longest)
	for cut := false; ; {
		line, err := r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		if !cut && !long {
			l.line(strings.TrimSuffix(string(line), "\n"))
		}
		if cut = long; err != nil && !long {
			for len(l.pending) > 0 {
				l.settle()
			}
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

// The lines in which a record stands: auditd's, the kernel's own log, and the journal's
// text, which has no stamp.
var (
	ofAuditd  = regexp.MustCompile(`^(?:node=[^ ]+ )?type=([A-Z_]+|[0-9]+|UNKNOWN\[[0-9]+\]) msg=audit\(([0-9]+\.[0-9]+:[0-9]+)\): ?(.*)$`)
	ofKernel  = regexp.MustCompile(`^(?:<[0-9]+>)?(?:\[[ 0-9A-Za-z:.]{1,40}\] )?audit: type=([0-9]+) audit\(([0-9]+\.[0-9]+:[0-9]+)\): (.*)$`)
	ofJournal = regexp.MustCompile(`^(SECCOMP|SYSCALL|LANDLOCK_ACCESS|LANDLOCK_DOMAIN|AUDIT1423|AUDIT1424|UNKNOWN\[142[34]\])()? (.*)$`)
	ofLoss    = regexp.MustCompile(`^(?:<[0-9]+>)?(?:\[[ 0-9A-Za-z:.]{1,40}\] )?(?:audit: (?:audit_lost=|audit_backlog=|backlog limit|rate limit|kauditd hold queue)|kauditd_printk_skb: [0-9]+ callbacks suppressed)`)
)

var kinds = map[string]string{
	"SECCOMP": "call", "1326": "call",
	"LANDLOCK_ACCESS": "refusal", "1423": "refusal", "AUDIT1423": "refusal", "UNKNOWN[1423]": "refusal",
	"LANDLOCK_DOMAIN": "domain", "1424": "domain", "AUDIT1424": "domain", "UNKNOWN[1424]": "domain",
	"SYSCALL": "syscall", "1300": "syscall",
}

// The records. A name that a process chooses is in quotation marks, or all of it in
// hexadecimal digits where it has a space, a quotation mark or bytes that are not ASCII
// (audit_log_untrustedstring, linux/kernel/audit.c).
const name = `("[!#-~]*"|(?:[0-9A-F]{2})+|\(null\))`

var (
	aCall = regexp.MustCompile(`^auid=[0-9]+ uid=([0-9]+) gid=[0-9]+ ses=[0-9]+(?: subj=[^"=]*)? pid=[0-9]+ comm=` + name + ` exe=` + name +
		` sig=[0-9]+ arch=([0-9a-f]+) syscall=([0-9]+) compat=([01]) ip=0x[0-9a-f]+ code=0x([0-9a-f]+)$`)
	aRefusal = regexp.MustCompile(`^domain=([0-9a-f]+) blockers=([a-z_.,]+)(.*)$`)
	aPath    = regexp.MustCompile(`^ path=` + name + ` dev=` + name + ` ino=[0-9]+$`)
	aPort    = regexp.MustCompile(`^(?: [ls]addr=[0-9a-f.:]+)?(?: (?:lport|src)=([0-9]+))?(?: [fd]addr=[0-9a-f.:]+)?(?: (?:fport|dest)=([0-9]+))?$`)
	aBegin   = regexp.MustCompile(`^domain=([0-9a-f]+) status=allocated mode=enforcing pid=[0-9]+ uid=([0-9]+) exe=` + name + ` comm=` + name + `$`)
	anEnd    = regexp.MustCompile(`^domain=([0-9a-f]+) status=deallocated denials=([0-9]+)$`)
	aSyscall = regexp.MustCompile(`^arch=[0-9a-f]+ syscall=[0-9]+ (?:per=[0-9a-f]+ )?(?:success=(?:yes|no) exit=-?[0-9]+ )?a0=[0-9a-f]+ a1=[0-9a-f]+ a2=[0-9a-f]+ a3=[0-9a-f]+ items=[0-9]+ ppid=[0-9]+ pid=[0-9]+ auid=[0-9]+ uid=([0-9]+) gid=[0-9]+ euid=[0-9]+ suid=[0-9]+ fsuid=[0-9]+ egid=[0-9]+ sgid=[0-9]+ fsgid=[0-9]+ tty=[^ ]+ ses=[0-9]+ comm=` +
		name + ` exe=` + name + `(?: subj=[^"=]*)? key=.*$`)
)

func (l *Log) line(line string) {
	if ofLoss.MatchString(line) {
		l.Lost++
		return
	}
	// auditd adds names to the numbers behind this byte, which stands in no record.
	line, _, _ = strings.Cut(line, "\x1d")
	kind, stamp, text := header(line)
	known := true
	switch kind {
	case "call":
		known = l.call(text)
	case "refusal":
		known = l.refusal(stamp, text)
	case "domain":
		known = l.domain(text)
	case "syscall":
		l.syscall(stamp, text)
	default: // in a form that anybody could have had written
		known = !strings.Contains(line, "code=0x7ffc0000") && !strings.Contains(line, " blockers=")
	}
	if !known {
		if l.Odd++; l.Odd == 1 {
			l.FirstOdd = line
		}
	}
}

func header(line string) (kind, stamp, text string) {
	for _, form := range []*regexp.Regexp{ofAuditd, ofKernel, ofJournal} {
		if m := form.FindStringSubmatch(line); m != nil {
			return kinds[m[1]], m[2], m[3]
		}
	}
	return "", "", ""
}

// logged is SECCOMP_RET_LOG, linux/seccomp.h.
const logged = "7ffc0000"

// call takes a record of a system call; those that were refused are not what is looked for.
func (l *Log) call(text string) bool {
	m := aCall.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	uid, ok1 := number(m[1], 10)
	arch, ok2 := number(m[4], 16)
	nr, ok3 := number(m[5], 10)
	if !ok1 || !ok2 || !ok3 {
		return false
	}
	if m[7] != logged {
		return true
	}
	if !l.Users[uid] {
		l.Others++
		return true
	}
	c := Call{arch, nr, uid, plain(m[3])}
	if l.Calls[c] == 0 && len(l.Calls) == most {
		l.Full = true
		return true
	}
	l.Calls[c]++
	return true
}

func (l *Log) refusal(stamp, text string) bool {
	m := aRefusal.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	r := Refusal{Domain: m[1], Blockers: m[2]}
	switch {
	case strings.HasPrefix(r.Blockers, "fs."):
		if p := aPath.FindStringSubmatch(m[3]); p != nil {
			r.Path = plain(p[1])
		}
	case strings.HasPrefix(r.Blockers, "net."):
		if p := aPort.FindStringSubmatch(m[3]); p != nil {
			if r.Port = p[1]; strings.Contains(r.Blockers, "connect") {
				r.Port = p[2]
			}
		}
	}
	l.pending = append(l.pending, pending{stamp, r})
	if len(l.pending) > patience {
		l.settle()
	}
	return true
}

func (l *Log) domain(text string) bool {
	if m := anEnd.FindStringSubmatch(text); m != nil {
		if d := l.Domains[m[1]]; d != nil {
			for i := len(l.pending); i > 0; i-- {
				l.settle()
			}
			said, _ := strconv.ParseUint(m[2], 10, 31)
			d.Said = int(said)
		}
		return true
	}
	m := aBegin.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	uid, ok := number(m[2], 10)
	if !ok {
		return false
	}
	exe := plain(m[3])
	switch {
	case !l.Users[uid] || !l.Maker(exe):
	case l.Domains[m[1]] == nil && len(l.Domains) == most:
		l.Full = true
	default:
		l.Domains[m[1]] = &Domain{UID: uid, Exe: exe}
	}
	return true
}

// syscall tells who was refused: its record has the stamp of the refusal's.
func (l *Log) syscall(stamp, text string) {
	m := aSyscall.FindStringSubmatch(text)
	if m == nil || stamp == "" {
		return
	}
	for i := range l.pending {
		if l.pending[i].stamp == stamp {
			l.pending[i].Exe = plain(m[3])
		}
	}
}

// settle counts the oldest refusal that waits.
func (l *Log) settle() {
	r := l.pending[0].Refusal
	l.pending = l.pending[1:]
	d := l.Domains[r.Domain]
	if d == nil {
		l.Orphans++
		return
	}
	d.Seen++
	if l.Refusals[r] == 0 && len(l.Refusals) == most {
		l.Full = true
		return
	}
	l.Refusals[r]++
}

func number(text string, base int) (uint32, bool) {
	n, err := strconv.ParseUint(text, base, 32)
	return uint32(n), err == nil
}

// plain undoes what the kernel does to a name.
func plain(name string) string {
	if strings.HasPrefix(name, `"`) {
		return strings.Trim(name, `"`)
	}
	if b, err := hex.DecodeString(name); err == nil {
		return string(b)
	}
	return ""
}
