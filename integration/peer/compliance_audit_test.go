package peer

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"

	"ironwrap/integration/rig"
)

// B9 and B10: what the system log says.

const (
	forged = "mkfs\nFeb  1 00:00:00 host rootwrap: (root > root) Executing ['/usr/bin/true'] (filter match = true)"
	escape = "\x1b]0;title\x07\x1b[2J"
)

// largeWords are three words of 100 kB.
var largeWords = []string{"true", strings.Repeat("a", 100_000), strings.Repeat("b", 100_000), strings.Repeat("c", 100_000)}

var auditRows = []weakness{
	{id: "B9",
		attempts: []attempt{
			{name: "newline in a refused command", filters: rig.AllowTrue, conf: rig.LogAll, syslog: rig.LogHeard, argv: []string{forged}, finds: rawIn},
			{name: "escape in a refused command", filters: rig.AllowTrue, conf: rig.LogAll, syslog: rig.LogHeard, argv: []string{"mkfs", escape}, finds: rawIn},
			{name: "newline in a command that runs", filters: rig.AllowTrue, conf: rig.LogAll, syslog: rig.LogHeard,
				argv: []string{"true", forged, escape}, finds: rawIn, want: "no control character"},
			{name: "user of a unit", filters: rig.AllowTrue, conf: rig.LogAll, syslog: rig.LogHeard,
				unit: true, env: rig.Words("USER=forged LOGNAME=forged"), argv: rig.Words("true"), finds: whoCalled},
			{name: "user through sudo", filters: rig.AllowTrue, conf: rig.LogAll, syslog: rig.LogHeard, argv: rig.Words("true"), finds: whoCalled},
		},
		neighbours: []attempt{
			{name: "command that runs", filters: rig.AllowTrue, conf: rig.LogAll, syslog: rig.LogHeard, argv: rig.Words("true"), finds: recordedAs, want: "recorded as executed"},
			{name: "command that is refused", filters: rig.AllowTrue, conf: rig.LogAll, syslog: rig.LogHeard, argv: rig.Words("mkfs"), finds: recordedAs, want: "recorded as refused"},
			{name: "syslog_log_level ERROR", filters: rig.AllowTrue, conf: "use_syslog=True", syslog: rig.LogHeard, argv: rig.Words("true"), finds: recordedAs, want: "not recorded"},
			{name: "use_syslog no", filters: rig.AllowTrue, syslog: rig.LogHeard, argv: rig.Words("true"), finds: recordedAs, want: "not recorded"},
		}},
	{id: "B10",
		attempts: []attempt{
			{name: "words that no datagram holds", filters: rig.AllowTrue, conf: rig.LogAll, syslog: rig.LogHeard, argv: largeWords, finds: recordOfLarge},
			{name: "audit_required, and no system log", filters: "touch: CommandFilter, touch, root", conf: rig.LogAll + "\naudit_required=yes", syslog: rig.LogAbsent,
				argv: rig.Words("touch {dir}/new"), finds: wasMade},
		},
		neighbours: []attempt{
			{name: "no system log", filters: "touch: CommandFilter, touch, root", conf: rig.LogAll, syslog: rig.LogAbsent,
				argv: rig.Words("touch {dir}/new"), finds: wasMade, want: "it ran"},
			{name: "audit_required, and a system log", filters: rig.AllowTrue, conf: rig.LogAll + "\naudit_required=yes", syslog: rig.LogHeard,
				argv: rig.Words("true"), finds: recordedAs, want: "recorded as executed"},
		}},
}

// rawIn tells where control characters came out as they were.
func rawIn(s *stage, r rig.Result) string {
	records := s.log.Records()
	if len(records) != 1 {
		return fmt.Sprintf("%d records: %q", len(records), records)
	}
	var raw []string
	if controls(records[0]) {
		raw = append(raw, "the system log")
	}
	if controls(strings.TrimSuffix(r.Err, "\n")) {
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
func recordedAs(s *stage, r rig.Result) string {
	switch records := s.log.Records(); {
	case len(records) == 0 && r.Status == 0:
		return "not recorded"
	case len(records) == 1 && strings.Contains(records[0], ") Executing "):
		return "recorded as executed"
	case len(records) == 1 && strings.Contains(" "+records[0], " Unauthorized command: ") && r.Status == 99:
		return "recorded as refused"
	default:
		return fmt.Sprintf("%s, records %q", s.outcome(r), records)
	}
}

// whoCalled tells whom the record names.
func whoCalled(s *stage, r rig.Result) string {
	records := s.log.Records()
	if len(records) != 1 {
		return fmt.Sprintf("%s, records %q", s.outcome(r), records)
	}
	switch record := records[0]; {
	case strings.Contains(record, "forged"):
		return "the record names whom the environment names"
	case strings.Contains(record, rig.Caller.Name+" > root") && strings.Contains(record, fmt.Sprintf("sudo_uid=%d ", rig.Caller.UID)):
		return "the record names the caller"
	case strings.Contains(" "+record, " (root > root)"):
		return "the record names root"
	default:
		return record
	}
}

// recordOfLarge tells whether a command whose words fit into no datagram was
// recorded so that it can be told from any other.
func recordOfLarge(s *stage, r rig.Result) string {
	records := s.log.Records()
	if len(records) == 0 {
		return "it ran, and was not recorded"
	}
	words := append([]string{"/usr/bin/true"}, largeWords[1:]...)
	whole := strings.Join(words, "\x00") + "\x00"
	sum := fmt.Sprintf("%d bytes, sha256 %x", len(whole), sha256.Sum256([]byte(whole)))
	if len(records) == 1 && strings.Contains(records[0], ") Executing ") && strings.Contains(records[0], sum) && r.Status == 0 {
		return "it ran, and was recorded with length and SHA-256"
	}
	return fmt.Sprintf("%s, records %q, not %q", s.outcome(r), records, sum)
}

// wasMade tells whether the command, which makes a file, ran.
func wasMade(s *stage, r rig.Result) string {
	if _, err := os.Stat(s.Dir + "/new"); err == nil {
		return "it ran"
	}
	return s.outcome(r)
}
