package policy

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/document"
	"ironwrap/policy/environ"
)

// Config is section [DEFAULT] of rootwrap.conf.
type Config struct {
	FiltersPath []string // absolute directories
	ExecDirs    []string // absolute directories, those that exist

	UseSyslog bool
	Facility  int // syslog(3) facility, not yet shifted
	Level     int // syslog(3) severity: records up to this number are written

	DaemonTimeout int // seconds without a request; 0 or less for ever
	NoFile        int // soft RLIMIT_NOFILE of the command; 0 or less leaves the hard limit

	AllowUsers, AllowGroups []string
	PrivsepContexts         []string // besides the built-in ones
	NoPrivsep               bool     // no implicit privsep-helper filter
	PrivsepConfine          bool     // contexts run within their built-in profiles
	EnvKeep                 []string
	AuditRequired           bool
	AuditFile               string // absolute path; empty for none
	StrictPaths             bool

	// Of the daemon.
	MaxChildren      int    // commands that run at a time
	MaxOutput        int    // bytes that a command may print, standard output and error together
	KillOnDisconnect bool   // a client that goes away takes its command with it
	MetricsFile      string // absolute path; empty for none
	KeyFile          string // absolute path, for a daemon that systemd started; empty for none
	SocketDir        string // absolute path; empty for the built-in one
	CallSocket       string // absolute path, where ironwrap-call connects; empty for none
	MaxUserChildren  int    // commands of one user that run at a time; 0 for as many as MaxChildren
	RefusalText      bool   // the peer's client is told what was refused, and why

	filtersPathLine, execDirsLine int
}

// DefaultExecDirs is the search path of a rootwrap.conf without exec_dirs. The peer
// takes the caller's PATH.
const DefaultExecDirs = "/usr/local/sbin,/usr/local/bin,/usr/sbin,/usr/bin,/sbin,/bin"

// maxSocketDir is the longest path of a directory for sockets, in bytes: 108 with
// "/", 32 digits, "/rootwrap.sock" and a NUL byte behind it.
const maxSocketDir = 60

// maxSocket is the longest path of a socket, in bytes: 108 with a NUL byte.
const maxSocket = 107

// key is one of [DEFAULT].
type key struct {
	name string
	set  func(c *Config, e document.Entry) error
}

// keys lists what [DEFAULT] may hold, the peer's keys first.
var keys = []key{
	{"filters_path", func(c *Config, e document.Entry) (err error) {
		c.filtersPathLine = e.Line
		c.FiltersPath, err = directories(e.Value)
		return err
	}},
	{"exec_dirs", func(c *Config, e document.Entry) (err error) {
		c.execDirsLine = e.Line
		c.ExecDirs, err = directories(e.Value)
		return err
	}},
	{"use_syslog", func(c *Config, e document.Entry) (err error) { return boolean(e, &c.UseSyslog) }},
	{"syslog_log_facility", func(c *Config, e document.Entry) (err error) { return facility(e, &c.Facility) }},
	{"syslog_log_level", func(c *Config, e document.Entry) (err error) { return level(e, &c.Level) }},
	{"daemon_timeout", func(c *Config, e document.Entry) (err error) { return integer(e, &c.DaemonTimeout) }},
	{"rlimit_nofile", func(c *Config, e document.Entry) (err error) { return integer(e, &c.NoFile) }},

	{"allow_users", func(c *Config, e document.Entry) (err error) { c.AllowUsers, err = names(e.Value); return err }},
	{"allow_groups", func(c *Config, e document.Entry) (err error) { c.AllowGroups, err = names(e.Value); return err }},
	{"env_keep", func(c *Config, e document.Entry) (err error) { c.EnvKeep, err = kept(e.Value); return err }},
	{"audit_required", func(c *Config, e document.Entry) (err error) { return boolean(e, &c.AuditRequired) }},
	{"audit_file", func(c *Config, e document.Entry) (err error) { return file(e, &c.AuditFile) }},
	{"strict_paths", func(c *Config, e document.Entry) (err error) { return boolean(e, &c.StrictPaths) }},
	{"max_children", func(c *Config, e document.Entry) (err error) { return natural(e, &c.MaxChildren) }},
	{"max_output", func(c *Config, e document.Entry) (err error) { return natural(e, &c.MaxOutput) }},

	{"kill_on_disconnect", func(c *Config, e document.Entry) (err error) { return boolean(e, &c.KillOnDisconnect) }},
	{"metrics_file", func(c *Config, e document.Entry) (err error) { return file(e, &c.MetricsFile) }},
	{"authkey_file", func(c *Config, e document.Entry) (err error) { return file(e, &c.KeyFile) }},
	{"socket_dir", func(c *Config, e document.Entry) (err error) {
		if len(e.Value) > maxSocketDir {
			return fmt.Errorf("%q is longer than %d bytes: the path of a socket below it would not fit (unix(7))", e.Value, maxSocketDir)
		}
		return file(e, &c.SocketDir)
	}},
	{"call_socket", func(c *Config, e document.Entry) (err error) {
		if len(e.Value) > maxSocket {
			return fmt.Errorf("%q is longer than %d bytes, which the path of a socket may have (unix(7))", e.Value, maxSocket)
		}
		return file(e, &c.CallSocket)
	}},
	{"max_user_children", func(c *Config, e document.Entry) (err error) { return natural(e, &c.MaxUserChildren) }},
	{"refusal_text", func(c *Config, e document.Entry) (err error) { return boolean(e, &c.RefusalText) }},
	{"privsep_contexts", func(c *Config, e document.Entry) (err error) {
		if c.NoPrivsep = e.Value == "none"; c.NoPrivsep {
			return nil
		}
		c.PrivsepContexts, err = names(e.Value)
		return err
	}},
	{"privsep_confine", func(c *Config, e document.Entry) (err error) {
		if e.Value != "declared" && e.Value != "no" {
			return fmt.Errorf("%q is neither declared nor no", e.Value)
		}
		c.PrivsepConfine = e.Value == "declared"
		return nil
	}},
}

// Keys lists what section [DEFAULT] may hold, sorted.
func Keys() []string {
	var names []string
	for _, key := range keys {
		names = append(names, key.name)
	}
	slices.Sort(names)
	return names
}

func parseConfig(path string, file *document.Document) (Config, []Note, error) {
	c := Config{
		Facility: syslog, Level: severityError, DaemonTimeout: 600, NoFile: 1024,
		MaxChildren: 256, MaxOutput: 64 << 20,
	}
	var notes []Note
	for _, e := range file.Defaults {
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == e.Key })
		if i < 0 {
			notes = append(notes, Note{Path: path, Line: e.Line, Text: fmt.Sprintf("unknown key %q", e.Key)})
			continue
		}
		if err := keys[i].set(&c, e); err != nil {
			return Config{}, nil, fmt.Errorf("%s:%d: %s: %w", filters.Untrusted(path), e.Line, e.Key, err)
		}
	}
	for _, s := range file.Sections {
		if isSandbox(s.Name) {
			continue
		}
		notes = append(notes, Note{Path: path, Line: s.Line, Text: fmt.Sprintf("unknown section [%s]", filters.Untrusted(s.Name))})
	}
	if c.FiltersPath == nil {
		return Config{}, nil, fmt.Errorf("%s: section [DEFAULT] has no filters_path", filters.Untrusted(path))
	}
	if c.ExecDirs == nil {
		c.ExecDirs, _ = directories(DefaultExecDirs)
	}
	return c, notes, nil
}

// Unusable stands for a configuration that cannot be used. It allows nobody
// anything; its log is that of authentication failures.
func Unusable(path string) *Policy {
	return &Policy{Path: path, Config: Config{UseSyslog: true, Facility: authpriv, Level: severityError}}
}

// directories reads a list of absolute paths. The peer keeps blanks and takes
// what is relative from the caller's working directory.
func directories(value string) ([]string, error) {
	list := filters.Fields(value)
	for i, dir := range list {
		if !strings.HasPrefix(dir, "/") {
			return nil, fmt.Errorf("%q is not an absolute path", dir)
		}
		if strings.Contains(dir, ":") {
			return nil, fmt.Errorf("%q cannot stand in PATH: it holds a colon", dir)
		}
		list[i] = strings.TrimRight(dir, "/")
		if list[i] == "" {
			list[i] = "/"
		}
	}
	return list, nil
}

// names reads a list of names that hold no white space.
func names(value string) ([]string, error) {
	list := filters.Fields(value)
	for _, name := range list {
		if name == "" || strings.ContainsAny(name, " \t\n=") {
			return nil, fmt.Errorf("%q is not a name", name)
		}
	}
	return list, nil
}

// kept reads names of variables that are copied from the caller. What makes a
// program load, run, read or write something is refused: with it the caller would be
// root. There is no key for an exception: an EnvFilter gives any variable to one program.
func kept(value string) ([]string, error) {
	list, err := names(value)
	if err != nil {
		return nil, err
	}
	for _, name := range list {
		if !environ.Name(name) {
			return nil, fmt.Errorf("%q is not the name of a variable: letters, digits and underscores", name)
		}
		if why := environ.Danger(name); why != "" {
			return nil, fmt.Errorf("%s could let the caller run a program of their own as root: %s: give it to the one program that needs it, with an EnvFilter that says the value", name, why)
		}
	}
	return list, nil
}

// boolean reads what RawConfigParser.getboolean reads.
func boolean(e document.Entry, to *bool) error {
	switch strings.ToLower(e.Value) {
	case "1", "yes", "true", "on":
		*to = true
	case "0", "no", "false", "off":
		*to = false
	default:
		return fmt.Errorf("%q is not yes or no", e.Value)
	}
	return nil
}

func integer(e document.Entry, to *int) error {
	n, err := strconv.ParseInt(e.Value, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not a number", e.Value)
	}
	*to = int(n)
	return nil
}

func natural(e document.Entry, to *int) error {
	n := 0
	if err := integer(e, &n); err != nil || n < 1 {
		return fmt.Errorf("%q is not a number from 1", e.Value)
	}
	*to = n
	return nil
}

// file reads the path of a file or directory that is written.
func file(e document.Entry, to *string) error {
	if !path.IsAbs(e.Value) || path.Clean(e.Value) != e.Value || e.Value == "/" {
		return fmt.Errorf("%q is not the plain absolute path of a file or directory", e.Value)
	}
	*to = e.Value
	return nil
}

func facility(e document.Entry, to *int) error {
	name := e.Value
	if constant, ok := strings.CutPrefix(name, "LOG_"); ok {
		name = strings.ToLower(constant)
	}
	n, ok := numberOf(name, facilities)
	if !ok {
		return fmt.Errorf("%q is not a syslog facility", e.Value)
	}
	*to = n
	return nil
}

func level(e document.Entry, to *int) error {
	n, ok := numberOf(strings.ToUpper(e.Value), severities)
	if !ok {
		return fmt.Errorf("%q is not a log level", e.Value)
	}
	*to = n
	return nil
}

// number is what a word stands for.
type number struct {
	word string
	n    int
}

func numberOf(word string, table []number) (int, bool) {
	for _, entry := range table {
		if entry.word == word {
			return entry.n, true
		}
	}
	return 0, false
}

// facilities are those of syslog(3) under Python's names.
var facilities = []number{
	{"kern", 0}, {"user", 1}, {"mail", 2}, {"daemon", 3}, {"auth", 4}, {"syslog", syslog}, {"lpr", 6}, {"news", 7}, {"uucp", 8}, {"cron", 9},
	{"authpriv", authpriv}, {"ftp", 11}, {"ntp", 12}, {"security", 13}, {"console", 14}, {"solaris-cron", 15},
	{"local0", 16}, {"local1", 17}, {"local2", 18}, {"local3", 19}, {"local4", 20}, {"local5", 21}, {"local6", 22}, {"local7", 23},
}

const syslog, authpriv = 5, 10

// severities are Python's levels, as syslog(3) numbers them.
var severities = []number{
	{"CRITICAL", 2}, {"FATAL", 2}, {"ERROR", severityError}, {"WARN", 4}, {"WARNING", 4}, {"INFO", 6}, {"DEBUG", 7}, {"NOTSET", 7},
}

const severityError = 3
