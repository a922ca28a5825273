package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// typingWay is what keeps a command from typing into a terminal.
type typingWay int

const (
	byNothing typingWay = iota // the command is root's
	byFilter                   // a seccomp filter refuses it
	byAbsence                  // there is no terminal that it could type into
	byKernel                   // dev.tty.legacy_tiocsti is 0
	bySession                  // the terminal is another session's
)

// noTyping sees to it that ioctl(2) with TIOCSTI (puts characters into a terminal's
// input) or TIOCLINUX (pastes on a console) fails: a command that runs as somebody else
// must not type into root's shell (CVE-2016-2568, CVE-2017-5226, CVE-2023-28339). A
// command that runs as root needs no such trick.
//
// A filter does it. The request is compared in its low 32 bits, which are all that the
// kernel looks at (CVE-2019-10063). A call in the number space of another architecture
// that this kernel may serve is looked at too; one of any other fails.
//
// In a container without CAP_SYS_ADMIN no filter can be set but below no_new_privs. The
// command has no CAP_SYS_ADMIN there either, and so can type into its own controlling
// terminal only (TIOCSTI(2const)). Another way is taken then, see withoutFilter.
func noTyping(s *Spec) error {
	if s.UID == 0 {
		return nil
	}
	s.typing = byFilter
	if s.NoNewPrivs && !able(unix.CAP_SYS_ADMIN) {
		if err := noNewPrivs(s); err != nil { // ahead of its step
			return err
		}
	}
	err := install(typingFilter(abis), 0)
	if err == unix.EACCES && !able(unix.CAP_SYS_ADMIN) {
		return s.withoutFilter()
	}
	return err
}

var errNoFilter = errors.New("it takes CAP_SYS_ADMIN, which is missing here: set no_new_privs = yes for the filter, which does without it, or call from where there is no terminal")

// withoutFilter looks for another way that holds.
//
// A new session has no controlling terminal. It could take one that nobody else has
// (TIOCSCTTY(2const)), but not the caller's: that is the controlling terminal of the
// session that is left, and to take it away needs CAP_SYS_ADMIN. When that session ends,
// the kernel closes the terminal for all who have it open.
func (s *Spec) withoutFilter() error {
	own, err := controlling()
	if err != nil {
		return err
	}
	terminals, err := s.terminals()
	if err != nil {
		return err
	}
	pty, foreign := own == 0 || isPty(own), false
	for fd, device := range terminals {
		pty = pty && isPty(device)
		// It says so only of the controlling terminal.
		var session int32
		foreign = foreign || result(unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGSID, uintptr(unsafe.Pointer(&session)))) != nil
	}
	switch {
	case own == 0 && len(terminals) == 0:
		s.typing = byAbsence
	case pty && kernelForbids():
		s.typing = byKernel
	case own != 0 && !foreign && newSession() == nil:
		s.typing = bySession
	default:
		return errNoFilter
	}
	return nil
}

// newSession makes the process the leader of a session of its own. The leader of a
// process group may not become that (setsid(2)): it joins its parent's group before, as
// it can where the session is another's. Shells with job control make every command a
// leader, and so does sudo with use_pty.
func newSession() error {
	err := result(unix.RawSyscall(unix.SYS_SETSID, 0, 0, 0))
	if err != unix.EPERM {
		return err
	}
	group, err := unix.Getpgid(unix.Getppid())
	if err != nil {
		return err
	}
	if err := result(unix.RawSyscall(unix.SYS_SETPGID, 0, uintptr(group), 0)); err != nil {
		return err
	}
	return result(unix.RawSyscall(unix.SYS_SETSID, 0, 0, 0))
}

// terminals are the descriptors that the command gets and that may be terminals, with
// their device numbers: whatever is a character device, but for /dev/null and its like.
func (s *Spec) terminals() (map[int]uint64, error) {
	found := map[int]uint64{}
	for _, fd := range append([]int{0, 1, 2}, s.Keep...) {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return nil, err
		}
		const memory = 1 // the major number of /dev/null, /dev/zero, /dev/urandom
		if st.Mode&unix.S_IFMT == unix.S_IFCHR && unix.Major(st.Rdev) != memory {
			found[fd] = st.Rdev
		}
	}
	return found, nil
}

// isPty tells pseudo-terminals from consoles, which alone know TIOCLINUX.
func isPty(device uint64) bool {
	major := unix.Major(device)
	return major >= 136 && major <= 143 // UNIX98_PTY_SLAVE_MAJOR and its seven followers
}

// kernelForbids tells that TIOCSTI takes CAP_SYS_ADMIN, which the command does not have
// (proc_sys_dev(5), Linux 6.2).
func kernelForbids() bool {
	text, err := os.ReadFile("/proc/sys/dev/tty/legacy_tiocsti")
	return err == nil && strings.TrimSpace(string(text)) == "0"
}

// controlling returns the device number of the controlling terminal; 0 for none
// (proc_pid_stat(5), field 7).
func controlling() (uint64, error) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, err
	}
	// The second field is a name in parentheses, and may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 5 {
		return 0, errors.New("/proc/self/stat has too few fields")
	}
	n, err := strconv.ParseInt(fields[4], 10, 32)
	device := uint32(n) // minor in bits 0 to 7 and 20 to 31, major in bits 8 to 15
	return unix.Mkdev(device>>8&0xfff, device&0xff|device>>12&0xfff00), err
}

// confirmNoTyping asks whether what noTyping did is so: whether there is a filter
// (PR_GET_SECCOMP(2const)), or no controlling terminal. A profile that comes later
// cannot be asked about: it may refuse the question.
func confirmNoTyping(s *Spec) error {
	switch s.typing {
	case byFilter:
		return confirmFilter()
	case byAbsence, bySession:
		own, err := controlling()
		if err != nil {
			return err
		}
		if own != 0 {
			return errors.New("the kernel says that there is a controlling terminal")
		}
	case byKernel:
		if !kernelForbids() {
			return errors.New("the kernel says that it allows it again")
		}
	case byNothing:
		if s.UID != 0 {
			return errors.New("nothing was done")
		}
	}
	return nil
}

// confirmFilter asks whether there is any filter.
func confirmFilter() error {
	mode, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_SECCOMP, 0, 0)
	if errno != 0 {
		return errno
	}
	if mode != unix.SECCOMP_MODE_FILTER {
		return fmt.Errorf("the kernel says mode %d, not %d", mode, unix.SECCOMP_MODE_FILTER)
	}
	return nil
}

// abi is one number space of system calls.
type abi struct {
	arch   uint32   // AUDIT_ARCH_*
	ioctls []uint32 // the numbers of ioctl(2) in it
}

// Offsets in struct seccomp_data (seccomp(2)). The low half of an argument comes
// first on little-endian machines, which are all that abis names.
const (
	offNumber = 0
	offArch   = 4
	offArg1   = 24

	tiocsti   = 0x5412
	tioclinux = 0x541c
)

// typingFilter is the program, for each abi: compare the architecture, then the
// number, then the request.
func typingFilter(abis []abi) []unix.SockFilter {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		jump  = unix.BPF_JMP | unix.BPF_JA
		ret   = unix.BPF_RET | unix.BPF_K
	)
	allow := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW}
	refuse := unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}

	program := []unix.SockFilter{{Code: load, K: offArch}}
	for _, a := range abis {
		n := len(a.ioctls)
		// Not this architecture: on to the next, past the load, the n
		// comparisons and the six instructions after them.
		program = append(program, unix.SockFilter{Code: equal, K: a.arch, Jf: uint8(1 + n + 6)})
		program = append(program, unix.SockFilter{Code: load, K: offNumber})
		for i, number := range a.ioctls {
			// ioctl: past the remaining comparisons and the allow.
			program = append(program, unix.SockFilter{Code: equal, K: number, Jt: uint8(n - i)})
		}
		program = append(program,
			allow,
			unix.SockFilter{Code: load, K: offArg1},
			unix.SockFilter{Code: equal, K: tiocsti, Jt: 2},
			unix.SockFilter{Code: equal, K: tioclinux, Jt: 1},
			allow,
			refuse,
		)
	}
	return append(program, refuse)
}
