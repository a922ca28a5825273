package integration

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"strings"
)

// B9 and B10: what the system log says.

// logAll is a rootwrap.conf that has every command recorded.
const logAll = "use_syslog=True\nsyslog_log_level=INFO"

// devLog is what an attempt finds at /dev/log, in a mount namespace of its own:
// the machine's own log is left alone.
type devLog string

const (
	logHeard  devLog = "heard"  // a system log that the test listens to
	logAbsent devLog = "absent" // no /dev/log at all
)

// jail is the script that makes a /dev with such a log.
func (l devLog) jail(s *stage) string {
	if l == "" {
		return ""
	}
	// A login id would name who runs the tests.
	script := `
		echo 4294967295 2>/dev/null >/proc/self/loginuid || :
		mkdir {dir}/dev
		mount -t tmpfs dev {dir}/dev
		for name in null zero full random urandom tty; do
			touch {dir}/dev/$name
			mount --bind /dev/$name {dir}/dev/$name
		done
		ln -s /proc/self/fd {dir}/dev/fd
	`
	if l == logHeard {
		script += `
		touch {dir}/dev/log
		mount --bind {dir}/socket {dir}/dev/log
	`
	}
	return "PATH=/usr/sbin:/usr/bin\n" + s.expand(script+`
		mount --move {dir}/dev /dev
	`)
}

// journal is what came to the system log.
type journal struct {
	s     *stage
	path  string
	lines chan string
}

const endOfLog = "end"

// listen makes {dir}/socket, and reads from it all the time: sudo alone writes more
// than a socket holds.
func listen(s *stage) *journal {
	s.Helper()
	j := &journal{s, s.dir + "/socket", make(chan string, 4096)}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: j.path, Net: "unixgram"})
	if err == nil {
		err = os.Chmod(j.path, 0o666)
	}
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { socket.Close() })
	go func() {
		buf := make([]byte, 1<<20)
		for {
			n, err := socket.Read(buf)
			if err != nil {
				close(j.lines)
				return
			}
			j.lines <- string(buf[:n])
		}
	}()
	return j
}

// records returns what the program itself has sent, sudo's records aside, without
// the priority and the tag.
func (j *journal) records() []string {
	j.s.Helper()
	mine, err := net.Dial("unixgram", j.path)
	if err != nil {
		j.s.Fatal(err)
	}
	defer mine.Close()
	if _, err := mine.Write([]byte(endOfLog)); err != nil {
		j.s.Fatal(err)
	}
	var list []string
	for line := range j.lines {
		if line == endOfLog {
			break
		}
		_, record, _ := strings.Cut(strings.TrimSuffix(line, "\x00"), ">")
		tag, text, _ := strings.Cut(record, ": ")
		if tag == "oslo-rootwrap" || strings.HasPrefix(tag, "ironwrap[") || strings.HasPrefix(tag, "ironwrap-daemon[") {
			list = append(list, text)
		}
	}
	return list
}

const (
	forged = "mkfs\nFeb  1 00:00:00 host rootwrap: (root > root) Executing ['/usr/bin/true'] (filter match = true)"
	escape = "\x1b]0;title\x07\x1b[2J"
)

// largeWords are three words of 100 kB.
var largeWords = []string{"true", strings.Repeat("a", 100_000), strings.Repeat("b", 100_000), strings.Repeat("c", 100_000)}

const allowTrue = "true: CommandFilter, true, root"

var auditRows = []weakness{
	{id: "B9",
		attempts: []attempt{
			{name: "newline in a refused command", filters: allowTrue, conf: logAll, syslog: logHeard, argv: []string{forged}, finds: rawIn},
			{name: "escape in a refused command", filters: allowTrue, conf: logAll, syslog: logHeard, argv: []string{"mkfs", escape}, finds: rawIn},
			{name: "newline in a command that runs", filters: allowTrue, conf: logAll, syslog: logHeard,
				argv: []string{"true", forged, escape}, finds: rawIn, want: "no control character"},
			{name: "user of a unit", filters: allowTrue, conf: logAll, syslog: logHeard,
				unit: true, env: words("USER=forged LOGNAME=forged"), argv: words("true"), finds: whoCalled},
			{name: "user through sudo", filters: allowTrue, conf: logAll, syslog: logHeard, argv: words("true"), finds: whoCalled},
		},
		neighbours: []attempt{
			{name: "command that runs", filters: allowTrue, conf: logAll, syslog: logHeard, argv: words("true"), finds: recordedAs, want: "recorded as executed"},
			{name: "command that is refused", filters: allowTrue, conf: logAll, syslog: logHeard, argv: words("mkfs"), finds: recordedAs, want: "recorded as refused"},
			{name: "syslog_log_level ERROR", filters: allowTrue, conf: "use_syslog=True", syslog: logHeard, argv: words("true"), finds: recordedAs, want: "not recorded"},
			{name: "use_syslog no", filters: allowTrue, syslog: logHeard, argv: words("true"), finds: recordedAs, want: "not recorded"},
		}},
	{id: "B10",
		attempts: []attempt{
			{name: "words that no datagram holds", filters: allowTrue, conf: logAll, syslog: logHeard, argv: largeWords, finds: recordOfLarge},
			{name: "audit_required, and no system log", filters: "touch: CommandFilter, touch, root", conf: logAll + "\naudit_required=yes", syslog: logAbsent,
				argv: words("touch {dir}/new"), finds: wasMade},
		},
		neighbours: []attempt{
			{name: "no system log", filters: "touch: CommandFilter, touch, root", conf: logAll, syslog: logAbsent,
				argv: words("touch {dir}/new"), finds: wasMade, want: "it ran"},
			{name: "audit_required, and a system log", filters: allowTrue, conf: logAll + "\naudit_required=yes", syslog: logHeard,
				argv: words("true"), finds: recordedAs, want: "recorded as executed"},
		}},
}

// rawIn tells where control characters came out as they were.
func rawIn(s *stage, r result) string {
	records := s.log.records()
	if len(records) != 1 {
		return fmt.Sprintf("%d records: %q", len(records), records)
	}
	var raw []string
	if controls(records[0]) {
		raw = append(raw, "the system log")
	}
	if controls(strings.TrimSuffix(r.err, "\n")) {
		raw = append(raw, "standard error")
	}
	if len(raw) == 0 {
		return "no control character"
	}
	return "control characters in " + strings.Join(raw, " and ")
}

func controls(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// recordedAs tells what the record says of a command.
func recordedAs(s *stage, r result) string {
	switch records := s.log.records(); {
	case len(records) == 0 && r.status == 0:
		return "not recorded"
	case len(records) == 1 && strings.Contains(records[0], ") Executing "):
		return "recorded as executed"
	case len(records) == 1 && strings.Contains(" "+records[0], " Unauthorized command: ") && r.status == 99:
		return "recorded as refused"
	default:
		return fmt.Sprintf("%s, records %q", s.outcome(r), records)
	}
}

// whoCalled tells whom the record names.
func whoCalled(s *stage, r result) string {
	records := s.log.records()
	if len(records) != 1 {
		return fmt.Sprintf("%s, records %q", s.outcome(r), records)
	}
	switch record := records[0]; {
	case strings.Contains(record, "forged"):
		return "the record names whom the environment names"
	case strings.Contains(record, caller.name+" > root") && strings.Contains(record, fmt.Sprintf("sudo_uid=%d ", caller.uid)):
		return "the record names the caller"
	case strings.Contains(" "+record, " (root > root)"):
		return "the record names root"
	default:
		return record
	}
}

// recordOfLarge tells whether a command whose words fit into no datagram was
// recorded so that it can be told from any other.
func recordOfLarge(s *stage, r result) string {
	records := s.log.records()
	if len(records) == 0 {
		return "it ran, and was not recorded"
	}
	words := append([]string{"/usr/bin/true"}, largeWords[1:]...)
	whole := strings.Join(words, "\x00") + "\x00"
	sum := fmt.Sprintf("%d bytes, sha256 %x", len(whole), sha256.Sum256([]byte(whole)))
	if len(records) == 1 && strings.Contains(records[0], ") Executing ") && strings.Contains(records[0], sum) && r.status == 0 {
		return "it ran, and was recorded with length and SHA-256"
	}
	return fmt.Sprintf("%s, records %q, not %q", s.outcome(r), records, sum)
}

// wasMade tells whether the command, which makes a file, ran.
func wasMade(s *stage, r result) string {
	if _, err := os.Stat(s.dir + "/new"); err == nil {
		return "it ran"
	}
	return s.outcome(r)
}
