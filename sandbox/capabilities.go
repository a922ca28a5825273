package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Capabilities are those that a command may have at all (capabilities(7)). The
// zero value is none; a Spec that does not limit them says All.
type Capabilities struct {
	All bool
	Set uint64 // bit n is capability n
}

// names are the capabilities of linux/capability.h, by number.
var names = [...]string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
	"setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
	"checkpoint_restore",
}

// Capability returns the set that holds the capability of that name
// ("cap_net_admin").
func Capability(name string) (Capabilities, error) {
	if known, ok := strings.CutPrefix(strings.ToLower(name), "cap_"); ok {
		if n := slices.Index(names[:], known); n >= 0 {
			return Capabilities{Set: 1 << n}, nil
		}
	}
	return Capabilities{}, fmt.Errorf("%q is not a capability that this version knows (capabilities(7))", name)
}

// And returns what is in both sets.
func (c Capabilities) And(o Capabilities) Capabilities {
	switch {
	case c.All:
		return o
	case o.All:
		return c
	}
	return Capabilities{Set: c.Set & o.Set}
}

func (c Capabilities) has(n uintptr) bool { return c.All || c.Set>>n&1 != 0 }

// capabilityBits is how many capabilities the kernel can ever come to know: its
// sets have 64 bits. Numbers that it does not know it answers with EINVAL.
const capabilityBits = 64

// dropBounding takes from the bounding set what the command may not have. For
// root this is what limits it: execve(2) gives root all that is left there. It
// needs CAP_SETPCAP, which goes with the ids.
func dropBounding(s *Spec) error {
	if s.Capabilities.All {
		return nil
	}
	for n := uintptr(0); n < capabilityBits; n++ {
		if s.Capabilities.has(n) {
			continue
		}
		if err := prctl(unix.PR_CAPBSET_DROP, n); err != nil && err != unix.EINVAL {
			return fmt.Errorf("capability %d: %w", n, err)
		}
	}
	return nil
}

// keepCapabilities decides what the change to another uid does: clear all, or
// leave the permitted set for setCapabilities to cut.
func keepCapabilities(s *Spec) error {
	keep := uintptr(0)
	if s.UID != 0 && (s.ambient() != 0 || s.needsAdmin()) {
		keep = 1
	}
	return prctl(unix.PR_SET_KEEPCAPS, keep)
}

// ambient is what a command of another user's is given: root has no need of it.
func (s *Spec) ambient() uint64 {
	if s.UID == 0 || s.Capabilities.All {
		return 0
	}
	return s.Capabilities.Set
}

// working is what the process itself may have until execve(2), which recomputes
// it: from the ambient set, or for root from the bounding set. A signal of a
// KillFilter is sent with it.
func (s *Spec) working() uint64 {
	set := s.ambient()
	if s.UID == 0 {
		set = s.Capabilities.Set
		if s.Capabilities.All {
			set = ^uint64(0)
		}
	}
	if s.needsAdmin() {
		set |= 1 << unix.CAP_SYS_ADMIN
	}
	return set
}

// setCapabilities sets the four sets of the process. Inheritable is what is
// ambient and no more: it lets file capabilities add to the command's
// (CVE-2022-29162). Root keeps what it had, as far as it may.
func setCapabilities(s *Spec) error {
	c, err := capget()
	if err != nil {
		return err
	}
	before := c.permitted
	c.inheritable = s.ambient()
	if s.UID == 0 {
		c.permitted, c.effective = c.permitted&s.working(), c.effective&s.working()
	} else {
		c.permitted, c.effective = s.working(), s.working()
	}
	if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL); err != nil {
		return err
	}
	if err := capset(c); err != nil {
		if missing := c.effective &^ before; s.UID != 0 && missing != 0 {
			return fmt.Errorf("%w: %s missing here: give the container or the unit what the section asks for, or change the section (with no_new_privs = yes, seccomp and Landlock do without CAP_SYS_ADMIN)", err, listed(missing))
		}
		return err
	}
	for n := uintptr(0); n < capabilityBits; n++ {
		if s.ambient()>>n&1 == 0 {
			continue
		}
		if err := prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, n); err != nil {
			return fmt.Errorf("capability %d: %w", n, err)
		}
	}
	return nil
}

// confirmCapabilities asks the kernel for each set.
func confirmCapabilities(s *Spec) error {
	have, err := capget()
	if err != nil {
		return err
	}
	if have.inheritable != s.ambient() {
		return fmt.Errorf("the kernel says inheritable %016x, not %016x", have.inheritable, s.ambient())
	}
	// Root may have had less to begin with.
	if s.UID == 0 && (have.permitted|have.effective)&^s.working() != 0 ||
		s.UID != 0 && (have.permitted != s.working() || have.effective != s.working()) {
		return fmt.Errorf("the kernel says permitted %016x, effective %016x, not %016x", have.permitted, have.effective, s.working())
	}
	// What is not inheritable cannot be ambient (capabilities(7)), and no more than what
	// should be ambient is inheritable.
	for n := uintptr(0); n < capabilityBits; n++ {
		if have.inheritable>>n&1 == 0 {
			continue
		}
		in, _, err := ask(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, n)
		if err != nil {
			return err
		}
		if !in {
			return fmt.Errorf("the kernel says that capability %d is ambient: false", n)
		}
	}
	// A bounding set that was smaller before stays smaller.
	for n := uintptr(0); n < capabilityBits; n++ {
		if s.Capabilities.has(n) {
			continue
		}
		in, known, err := ask(unix.PR_CAPBSET_READ, n)
		if err != nil {
			return err
		}
		if !known {
			break
		}
		if in {
			return fmt.Errorf("the kernel says that capability %d is in the bounding set still", n)
		}
	}
	return nil
}

// ask asks prctl(2) a question that the kernel answers with 0, 1, or EINVAL for a
// capability that it does not know.
func ask(args ...uintptr) (yes, known bool, err error) {
	var a [4]uintptr
	copy(a[:], args)
	r, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, a[0], a[1], a[2], a[3], 0, 0)
	switch errno {
	case 0:
		return r == 1, true, nil
	case unix.EINVAL:
		return false, false, nil
	}
	return false, false, errno
}

type capabilitySets struct{ permitted, effective, inheritable uint64 }

func capget() (capabilitySets, error) {
	var c [2]unix.CapUserData
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := result(unix.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&h)), uintptr(unsafe.Pointer(&c)), 0)); err != nil {
		return capabilitySets{}, err
	}
	whole := func(low, high uint32) uint64 { return uint64(high)<<32 | uint64(low) }
	return capabilitySets{
		whole(c[0].Permitted, c[1].Permitted),
		whole(c[0].Effective, c[1].Effective),
		whole(c[0].Inheritable, c[1].Inheritable),
	}, nil
}

func capset(c capabilitySets) error {
	low, high := func(set uint64) uint32 { return uint32(set) }, func(set uint64) uint32 { return uint32(set >> 32) }
	data := [2]unix.CapUserData{
		{Effective: low(c.effective), Permitted: low(c.permitted), Inheritable: low(c.inheritable)},
		{Effective: high(c.effective), Permitted: high(c.permitted), Inheritable: high(c.inheritable)},
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return result(unix.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&h)), uintptr(unsafe.Pointer(&data)), 0))
}

// able tells whether the process has a capability now.
func able(n uintptr) bool {
	have, err := capget()
	return err == nil && have.effective>>n&1 != 0
}

// takes are the capabilities without which a step fails. What a step does without one,
// it says itself.
var takes = [...]struct {
	step       string
	capability uintptr
}{
	{"reset the resource limits", unix.CAP_SYS_RESOURCE},
	{"set the nice value", unix.CAP_SYS_NICE},
	{"set the OOM score", unix.CAP_SYS_RESOURCE},
	{"leave the machine's namespaces (unshare)", unix.CAP_SYS_ADMIN},
	{"mount what is the command's own", unix.CAP_SYS_ADMIN},
	{"bring up the loopback interface", unix.CAP_NET_ADMIN},
	{"drop capabilities from the bounding set", unix.CAP_SETPCAP},
	{"set the supplementary groups", unix.CAP_SETGID},
	{"set the group id", unix.CAP_SETGID},
	{"set the user id", unix.CAP_SETUID},
	{"enter the Landlock ruleset", unix.CAP_SYS_ADMIN},
	{"install the seccomp profile", unix.CAP_SYS_ADMIN},
}

// explained adds to the error of a step the capability that is missing, and what to do.
func (s *Spec) explained(step string, err error) error {
	n, known := uintptr(0), false
	for _, t := range takes {
		if t.step == step {
			n, known = t.capability, true
		}
	}
	if !known || !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return err
	}
	advice := "give it to the container or the unit, or do without what the section asks for"
	switch {
	case able(n):
		return err
	case n == unix.CAP_SYS_ADMIN && s.needsAdmin() && !s.ownMounts() && !s.PrivateNetwork:
		advice = "set no_new_privs = yes for the filter, which does without it"
	case n == unix.CAP_SYS_RESOURCE:
		advice = raise
	}
	return fmt.Errorf("%w: CAP_%s is missing here: %s", err, strings.ToUpper(names[n]), advice)
}

// raise is advice where a hard limit cannot be raised.
const raise = "give it to the container or the unit, or raise the hard limit of who calls"

// listed names capabilities.
func listed(set uint64) string {
	var list []string
	for n, name := range names[:] {
		if set>>n&1 != 0 {
			list = append(list, "CAP_"+strings.ToUpper(name))
		}
	}
	if len(list) == 1 {
		return list[0] + " is"
	}
	return strings.Join(list, ", ") + " are"
}
