package doctor

import (
	"ironwrap/policy"
	"ironwrap/policy/review/lint"
	"ironwrap/policy/review/usage"
)

// Host is the machine that is asked. An error says that something could not be looked at,
// and wraps fs.ErrPermission where root could, fs.ErrNotExist where it is not there.
type Host interface {
	// Texts lists the files below directories whose names end in .conf or .ini. The
	// error is why there may be more.
	Texts(dirs ...string) ([]string, error)
	// Read reads a text, not through a link of somebody else's.
	Read(path string) ([]byte, error)
	// Find looks for an executable file in directories.
	Find(name string, dirs []string) (path string, err error)
	// There tells whether there is anything at a path, if only a link.
	There(path string) bool
	// Same tells whether two paths lead to one file.
	Same(a, b string) bool
	Program(path string) (Program, error)
	// Package tells which package installs something at a path.
	Package(path string) (Package, error)

	Sudo(config string) Sudo
	// Load reads a configuration as the executor does; setuid is the demanding way.
	Load(config string, setuid bool) (*policy.Policy, error)
	// MayCall tells whether a policy names a user (allow_users, allow_groups).
	MayCall(p *policy.Policy, user string) (bool, error)
	// Check is what check finds in a configuration.
	Check(config string) lint.Report

	Kernel() Kernel
	// Profile returns nil where the seccomp profile of that name can be used.
	Profile(name string) error
	// Compiled tells of the compiled policy. An error that wraps fs.ErrNotExist is
	// that nothing is kept.
	Compiled(config string) (string, error)

	// Build is the version of this program.
	Build() string
	// Parts are the programs of ironwrap's where one that lies in a directory finds them;
	// "" for the directory of this program.
	Parts(dir string) []Part

	// Processes are root's processes that have config among their words and are a
	// daemon, ironwrap's or the original's.
	Processes(config string) ([]Process, error)
	Unit(name string) (Unit, error)
	// Listens tells whether somebody listens on a Unix socket.
	Listens(path string) (bool, error)

	// Syslog returns who reads the system log's socket; an error where nobody does.
	Syslog() (string, error)
	// Appends returns nil where records can be appended to a file.
	Appends(file string) error
	// Records are the latest of the system log, and where they were read.
	Records() (list []usage.Record, from string, err error)
	// UID is the number of a user; -1 for none.
	UID(name string) int
}

// Kind is what a program is.
type Kind int

const (
	Other    Kind = iota
	Original      // oslo.rootwrap
	Ironwrap      // the one-shot program
	Daemon
	Caller // ironwrap-call
	Attach // ironwrap-attach
)

var kinds = []string{"neither ironwrap nor oslo.rootwrap", "oslo.rootwrap", "ironwrap", "ironwrap-daemon", "ironwrap-call", "ironwrap-attach"}

func (k Kind) String() string { return kinds[k] }

// Program is what is at a path.
type Program struct {
	Real     string // without symbolic links
	Kind     Kind
	Distrust error  // who besides root can change it; nil for nobody
	Setuid   bool   // it is root's with the set-user-id bit
	NoSuid   bool   // the file system ignores that bit
	Version  string // of a program of ironwrap's; "" where it did not say
}

// Package is who installs a file.
type Package struct {
	Name     string // "" for no package
	Diverted bool   // what it installs there goes elsewhere
	System   string // "dpkg", or "" where another system may own the path
}

// Sudo is what sudoers lets those do whom a configuration serves.
type Sudo struct {
	Ways       []lint.Way
	Unread     []string // what of it is not known
	SecurePath []string // the directories that sudo looks in; nil for the usual ones
}

// Probe is whether the kernel has something. Err is why that could not be tried.
type Probe struct {
	Has bool
	Err error
}

// Kernel is what the running kernel said when it was asked.
type Kernel struct {
	Calls    Probe // openat2(2) and close_range(2), which each call needs
	Seccomp  Probe
	MDWE     Probe // memory_deny_write_execute
	Keyrings Probe
	Mounts   Probe // a mount namespace
	Network  Probe
	ReadOnly Probe // mount_setattr(2)
	Landlock int   // its version, 0 for none
	LSM      []string
}

// Part is a program of ironwrap's.
type Part struct {
	Name string
	Path string
	Mode uint32 // permission bits
	Err  error  // why it cannot be used
}

// Process is a daemon that runs.
type Process struct {
	PID  int
	Kind Kind
	Exe  string // the path of its program; with " (deleted)" where that is gone
}

// Unit is what systemd says of a unit. The zero Unit is for a machine without systemd.
type Unit struct {
	Load, Active, File string // LoadState, ActiveState, UnitFileState (systemctl(1))
	Reload             bool   // its file has changed since it was read
}
