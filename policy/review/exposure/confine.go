package exposure

import (
	"fmt"
	"slices"
	"strings"

	"ironwrap/policy"
)

// Syscall is a system call with the arguments that matter to a profile, the others
// being zero.
type Syscall struct {
	Name string
	Args [6]uint64
}

// Machine is what Assess has to know of the machine. Nil functions know nothing.
type Machine struct {
	// UID is the id of a user.
	UID func(name string) (uint32, error)
	// Find is where the program lies that a filter names, for a user.
	Find func(name, runAs string) (string, error)
	// Seccomp tells whether a profile lets a system call pass. The error says why
	// the profile cannot be read; it then counts for nothing.
	Seccomp func(profile string, call Syscall) (bool, error)
}

// confinement is what the run-as user and the sandbox section of one filter leave of
// a power.
type confinement struct {
	user    string
	root    bool
	sandbox policy.Sandbox
	seccomp func(Syscall) bool // nil without a profile
	notes   []string           // what counts for nothing, and why
}

func newConfinement(e *policy.Entry, m Machine) confinement {
	c := confinement{user: e.RunAs(), root: e.RunAs() == "root"}
	if m.UID != nil && !c.root {
		uid, err := m.UID(c.user)
		c.root = err == nil && uid == 0
	}
	if e.Sandbox == nil {
		return c
	}
	c.sandbox = *e.Sandbox
	if p := c.sandbox.Seccomp; p != "" && p != "none" {
		c.profile(p, m)
	}
	if c.landlocked() && c.sandbox.BestEffort {
		c.sandbox.LandlockRO, c.sandbox.LandlockRW = nil, nil
		c.notes = append(c.notes, "landlock = best-effort counts for nothing: a kernel without Landlock does without")
	}
	return c
}

func (c *confinement) profile(name string, m Machine) {
	if m.Seccomp == nil {
		return
	}
	if _, err := m.Seccomp(name, Syscall{Name: "read"}); err != nil {
		c.notes = append(c.notes, fmt.Sprintf("seccomp = %s counts for nothing: %v", name, err))
		return
	}
	c.seccomp = func(call Syscall) bool {
		ok, err := m.Seccomp(name, call)
		return ok || err != nil
	}
}

func (c confinement) landlocked() bool {
	return c.sandbox.LandlockRO != nil || c.sandbox.LandlockRW != nil
}

// has tells whether the command has a capability (exec.confine).
func (c confinement) has(capability string) bool {
	if c.sandbox.Capabilities == nil {
		return c.root
	}
	return slices.Contains(c.sandbox.Capabilities, capability)
}

// limit is a factor for a power's weight, from 0 for nothing left, and why.
type limit struct {
	factor float64
	why    string
}

// What is left of a power is a share of its weight.
const (
	partOf   = 0.4 // only what a pattern says is within reach
	asUser   = 0.3 // as another user than root
	confined = 0.2 // kept to places that the sandbox names
)

// limits are all that keep a power down. caps is what the command needs besides; free
// tells that the program may be any, so that what needs no particular program can
// be done by other means.
func (c confinement) limits(p, caps string, free bool) []limit {
	var all []limit
	add := func(factor float64, format string, args ...any) {
		all = append(all, limit{factor, fmt.Sprintf(format, args...)})
	}
	if !c.root {
		if factor := c.unprivileged(p); factor < 1 {
			add(factor, "runs as %s, not as root", c.user)
		}
	} else if need := c.missing(p, caps, free); need != "" {
		if p == Signal {
			add(0.5, "without %s it reaches root's processes only", need)
		} else {
			add(0, "has not the capability that it takes: %s", need)
		}
	}
	c.landlock(p, free, add)
	c.filter(p, free, add)
	c.namespaces(p, free, add)
	return all
}

// unprivileged is what a user other than root has of a power.
func (c confinement) unprivileged(p string) float64 {
	for _, capability := range restores[p] {
		if c.has(capability) {
			return 1
		}
	}
	switch p {
	case Kernel, Mount, Network, Namespace, Users, Device:
		return 0
	}
	return asUser
}

// restores are the capabilities that give a power to a user who is not root
// (capabilities(7)).
var restores = map[string][]string{
	Write:     {"cap_dac_override"},
	Destroy:   {"cap_dac_override"},
	Read:      {"cap_dac_override", "cap_dac_read_search"},
	Owner:     {"cap_chown", "cap_fowner"},
	Users:     {"cap_setuid", "cap_dac_override"},
	Kernel:    {"cap_sys_module", "cap_dac_override"},
	Device:    {"cap_dac_override", "cap_sys_rawio"},
	Mount:     {"cap_sys_admin"},
	Namespace: {"cap_sys_admin"},
	Network:   {"cap_net_admin", "cap_net_raw"},
	Signal:    {"cap_kill"},
}

// missing names the capability for want of which root cannot do it; "" where root
// can. Root owns most files: reading and writing them, changing their modes and
// writing to /proc/sys take no capability, which is why cutting capabilities alone
// confines little.
func (c confinement) missing(p, caps string, free bool) string {
	if caps == "" && free {
		caps = map[string]string{Mount: "cap_sys_admin", Namespace: "cap_sys_admin", Network: "cap_net_admin", Signal: "cap_kill"}[p]
	}
	if caps == "" || c.has(caps) {
		return ""
	}
	return caps
}

// landlock: what is not below the paths that a section names cannot be opened
// (Documentation/userspace-api/landlock.rst). It does not look at chmod, chown and
// what is done through sockets.
func (c confinement) landlock(p string, free bool, add func(float64, string, ...any)) {
	if !c.landlocked() {
		return
	}
	write := c.sandbox.LandlockRW
	read := append(slices.Clone(write), c.sandbox.LandlockRO...)
	switch p {
	case Write, Destroy, Users:
		if !covers(write, "/etc", "/usr", "/var", "/root", "/boot", "/lib", "/bin", "/sbin", "/dev", "/proc") {
			add(confined, "Landlock lets it write below %s only", list(write))
		}
	case Device:
		if !covers(write, "/dev") {
			add(0, "Landlock keeps it from /dev")
		}
	case Read:
		if !covers(read, "/etc", "/root", "/var", "/proc", "/home", "/dev") {
			add(confined, "Landlock lets it read below %s only", list(read))
		}
	case Mount:
		add(0, "Landlock forbids mounting")
	case Kernel:
		if free && !covers(write, "/proc") && !c.has("cap_sys_module") && !c.has("cap_bpf") && !c.has("cap_sys_admin") {
			add(0, "Landlock keeps it from /proc/sys, and it has no capability to load a module")
		}
	}
}

// covers tells whether one of the paths holds, or lies in, one of the places.
func covers(paths []string, places ...string) bool {
	for _, p := range paths {
		p = strings.TrimRight(p, "/")
		for _, place := range places {
			if p == "" || p == place || strings.HasPrefix(place, p+"/") || strings.HasPrefix(p, place+"/") && sensitive(p) {
				return true
			}
		}
	}
	return false
}

// sensitive tells places below the system's directories from those that services
// have there for themselves.
func sensitive(p string) bool {
	for _, own := range []string{"/var/lib/", "/var/log/", "/var/tmp", "/var/cache/", "/var/spool/", "/dev/shm", "/dev/null", "/dev/mapper/", "/usr/share/", "/home/"} {
		if strings.HasPrefix(p, own) {
			return false
		}
	}
	return true
}

func list(paths []string) string {
	if len(paths) == 0 {
		return "nowhere"
	}
	return strings.Join(paths, ", ")
}

// demands are the system calls that a power takes, one of each group.
var demands = map[string][]Syscall{
	Write:     writing,
	Destroy:   slices.Concat(writing, calls("unlink", "unlinkat", "rename", "renameat", "renameat2", "truncate")),
	Users:     writing,
	Device:    writing,
	Owner:     calls("chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "setxattr"),
	Mount:     calls("mount", "move_mount", "fsmount"),
	Kernel:    slices.Concat(calls("init_module", "finit_module", "bpf", "kexec_load", "kexec_file_load"), writing),
	Namespace: calls("setns"),
	Signal:    calls("kill", "tkill", "tgkill", "pidfd_send_signal"),
	Services:  []Syscall{{"socket", [6]uint64{1}}},
	Network:   []Syscall{{"socket", [6]uint64{16}}, {"socket", [6]uint64{2}}, {"socket", [6]uint64{17}}},
}

// writing is opening a file to write: openat(2) with O_WRONLY, and what does the
// same.
var writing = []Syscall{
	{"openat", [6]uint64{^uint64(99), 0, 1}}, {"openat", [6]uint64{^uint64(99), 0, 2}},
	{"open", [6]uint64{0, 1}}, {"creat", [6]uint64{}}, {"openat2", [6]uint64{}}, {"io_uring_setup", [6]uint64{}}, {"open_by_handle_at", [6]uint64{}},
}

func calls(names ...string) (all []Syscall) {
	for _, n := range names {
		all = append(all, Syscall{Name: n})
	}
	return all
}

// filter: without any of its system calls a power is gone.
func (c confinement) filter(p string, free bool, add func(float64, string, ...any)) {
	need := demands[p]
	if c.seccomp == nil || need == nil || slices.ContainsFunc(need, c.seccomp) {
		return
	}
	add(0, "the seccomp profile %s refuses the system calls that it takes", c.sandbox.Seccomp)
}

// namespaces: whoever has CAP_SYS_ADMIN and may choose the program enters the
// machine's own again (setns(2)), or remounts.
func (c confinement) namespaces(p string, free bool, add func(float64, string, ...any)) {
	out := free && c.has("cap_sys_admin")
	b := c.sandbox
	view := b.PrivateTmp || len(b.ReadOnly) > 0
	switch {
	case p == Mount && view && !b.BestEffort:
		add(0, "a command with private_tmp or read_only mounts nothing")
	case p == Network && b.PrivateNetwork && !out:
		add(0, "private_network: it changes a network of its own")
	case p == Mount && (b.PrivateMounts || view) && !out:
		add(confined, "its mounts are its own: nobody else sees them")
	case (p == Write || p == Destroy || p == Owner || p == Users) && slices.Contains(b.ReadOnly, "/") && !c.has("cap_sys_admin"):
		add(confined, "read_only = /: everything but other mounts is read-only")
	}
}
