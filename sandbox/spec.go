// Package sandbox confines the calling thread until it may become the command.
// Spec says to what; Enter is the privileged section of ironwrap, and the one
// place that gives up rights.
package sandbox

import "ironwrap/sandbox/seccomp"

// Spec describes the process that the command will be. The zero value of each
// field is written as such: a Spec is complete. All that needs looking up or
// opening has been done before.
type Spec struct {
	UID, GID uint32
	Groups   []uint32 // the supplementary groups, all of them

	Umask    uint32
	NoFile   uint64 // soft RLIMIT_NOFILE; 0 for the hard limit
	Limits   []Limit
	Nice     int // -20 to 19
	OOMScore int // -1000 to 1000

	NiceAsked, OOMScoreAsked bool // by a section: what cannot be had is an error

	Capabilities  Capabilities
	NoNewPrivs    bool
	DenyWriteExec bool // PR_SET_MDWE, inherited by what the command executes
	Keyring       Keyring

	PrivateNetwork bool // a network of its own, with nothing but lo
	PrivateMounts  bool // mounts that the command makes stay its own

	// The private view: what the command finds at these places. Either list
	// implies PrivateMounts.
	PrivateTmp []Place // directories, /tmp and /var/tmp; an empty one instead
	ReadOnly   []Place

	// What security modules are to hold the command to, from execve(2) on; "" leaves it to
	// them. In a process that executes nothing they change nothing.
	AppArmor string // profile
	SELinux  string // context

	Landlock    []int            // rulesets (NewRuleset), each of which the process enters
	LandlockLog bool             // the kernel writes records of what they refuse the command (LandlockLogs)
	Seccomp     *seccomp.Program // nil for none
	Keep        []int            // descriptors above 2 that the command gets

	typing            typingWay // how noTyping has done it
	appArmor, seLinux int       // open files that tell what execve(2) will bring
}

// Keyring is the session keyring (session-keyring(7)) that the command gets.
type Keyring int

const (
	KeyringKept    Keyring = iota // the caller's
	KeyringFresh                  // a new one that leads to the run-as user's keys; the caller's where there are no keyrings
	KeyringPrivate                // a new and empty one, or an error
)

// Limit is a resource limit, soft and hard.
type Limit struct {
	Resource int // RLIMIT_*
	Value    uint64
}

// Place is a file or directory that was looked up and is held open, so that its
// name need not be trusted again.
type Place struct {
	Path string // absolute and without symbolic links
	FD   int    // O_PATH
}

// needsAdmin tells that the last steps need CAP_SYS_ADMIN: without no_new_privs
// only that allows to install a filter or to enter a Landlock ruleset.
func (s *Spec) needsAdmin() bool {
	return !s.NoNewPrivs && (s.Seccomp != nil || len(s.Landlock) > 0)
}

// ownMounts tells that the command gets a mount namespace of its own.
func (s *Spec) ownMounts() bool { return s.PrivateMounts || s.view() }

// view tells that the command sees another file system than the machine's: by no
// other road may it come to what is hidden from it, or write what it may only read.
func (s *Spec) view() bool { return len(s.PrivateTmp)+len(s.ReadOnly) > 0 }
