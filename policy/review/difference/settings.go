package difference

import (
	"fmt"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/review/accepted"
)

// Setting is something that rootwrap.conf says otherwise.
type Setting struct {
	Direction string            `json:"direction"`
	Key       string            `json:"key"`
	Old       filters.Untrusted `json:"old"`
	New       filters.Untrusted `json:"new"`
	About     string            `json:"about"` // what that means

	Accepted *accepted.Mark `json:"accepted"`
}

// setting is a key of [DEFAULT]: what it means, and what it is on a side.
type setting struct {
	key   string
	about string
	value func(*Side) []string
	way   func(old, new []string) string
}

// sets are the keys that are compared: all but filters_path, which says where filters lie.
var sets = []setting{
	{"exec_dirs", "where the programs of filters are looked for, and what commands get as PATH", func(s *Side) []string { return s.Dirs }, always(Other)},
	{"allow_users", "who may call ironwrap where it is setuid", func(s *Side) []string { return sorted(s.Policy.AllowUsers) }, members},
	{"allow_groups", "who may call ironwrap where it is setuid", func(s *Side) []string { return sorted(s.Policy.AllowGroups) }, members},
	{"privsep_contexts", "what privsep-helper may be asked for: see also the commands", contexts, members},
	{"privsep_confine", "whether privsep contexts run within their built-in profiles", func(s *Side) []string { return []string{yes(s.Policy.PrivsepConfine)} }, strict},
	{"[Privsep:CONTEXT]", "what commands of privsep contexts may have: see also the commands", sectionsOfContexts, always(Other)},
	{"env_keep", "variables of the caller's that every command gets", func(s *Side) []string { return sorted(s.Policy.EnvKeep) }, members},
	{"strict_paths", "whether every directory above a trusted file must be root's", func(s *Side) []string { return []string{yes(s.Policy.StrictPaths)} }, strict},
	{"audit_required", "whether a command runs whose record cannot be written", func(s *Side) []string { return []string{yes(s.Policy.AuditRequired)} }, strict},
	{"audit_file", "where records are written", func(s *Side) []string { return optional(s.Policy.AuditFile) }, always(Beside)},
	{"use_syslog", "whether records are written to syslog", func(s *Side) []string { return []string{yes(s.Policy.UseSyslog)} }, always(Beside)},
	{"syslog_log_facility", "what records are written as", func(s *Side) []string { return []string{fmt.Sprint(s.Policy.Facility)} }, always(Beside)},
	{"syslog_log_level", "which records are written", func(s *Side) []string { return []string{fmt.Sprint(s.Policy.Level)} }, always(Beside)},
	{"rlimit_nofile", "how many files a command may open", func(s *Side) []string { return []string{fmt.Sprint(s.Policy.NoFile)} }, always(Beside)},
	{"daemon_timeout", "how long the daemon waits", func(s *Side) []string { return []string{fmt.Sprint(s.Policy.DaemonTimeout)} }, always(Beside)},
	{"max_children", "how many commands the daemon runs at a time", func(s *Side) []string { return []string{fmt.Sprint(s.Policy.MaxChildren)} }, always(Beside)},
	{"max_user_children", "how many commands of one user run at a time", func(s *Side) []string { return []string{fmt.Sprint(s.Policy.MaxUserChildren)} }, always(Beside)},
	{"max_output", "how much a command of the daemon may print", func(s *Side) []string { return []string{fmt.Sprint(s.Policy.MaxOutput)} }, always(Beside)},
	{"kill_on_disconnect", "whether a client that goes away takes its command with it", func(s *Side) []string { return []string{yes(s.Policy.KillOnDisconnect)} }, always(Beside)},
	{"metrics_file", "where the daemon writes metrics", func(s *Side) []string { return optional(s.Policy.MetricsFile) }, always(Beside)},
	{"authkey_file", "where the daemon's key lies", func(s *Side) []string { return optional(s.Policy.KeyFile) }, always(Other)},
	{"call_socket", "where ironwrap-call connects", func(s *Side) []string { return optional(s.Policy.CallSocket) }, always(Other)},
	{"socket_dir", "where the daemon's sockets lie", func(s *Side) []string { return optional(s.Policy.SocketDir) }, always(Other)},
}

// settings are the keys that the two sides differ in.
func settings(old, new *Side) []Setting {
	list := []Setting{}
	for _, s := range sets {
		a, b := s.value(old), s.value(new)
		if slices.Equal(a, b) {
			continue
		}
		list = append(list, Setting{Direction: s.way(a, b), Key: s.key, Old: shown(a), New: shown(b), About: s.about})
	}
	return list
}

func shown(values []string) filters.Untrusted {
	if len(values) == 0 {
		return "none"
	}
	return filters.Untrusted(strings.Join(values, ", "))
}

func always(direction string) func(old, new []string) string {
	return func(_, _ []string) string { return direction }
}

// members is for lists of which each member gives more.
func members(old, new []string) string {
	more := slices.ContainsFunc(new, func(s string) bool { return !slices.Contains(old, s) })
	less := slices.ContainsFunc(old, func(s string) bool { return !slices.Contains(new, s) })
	switch {
	case more && less:
		return Other
	case more:
		return Wider
	}
	return Narrower
}

// strict is for switches that take something away.
func strict(_, new []string) string {
	if new[0] == "yes" {
		return Narrower
	}
	return Wider
}

// contexts are those that the implicit filter knows; none where there is no such filter.
func contexts(s *Side) []string {
	if s.Policy.NoPrivsep {
		return nil
	}
	return append(sorted(s.Policy.PrivsepContexts), "and those of released services")
}

// sectionsOfContexts are the sections of rootwrap.conf, and what holds by each.
func sectionsOfContexts(s *Side) (list []string) {
	for _, name := range s.Policy.NamedContexts() {
		if h, err := s.Policy.Context(name); err == nil && h != nil && h.Section > 0 {
			list = append(list, name+": "+orNone(described(plainly(h.Sandbox))))
		}
	}
	return list
}

func optional(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
