package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// noTyping installs a filter under which ioctl(2) with TIOCSTI (puts characters
// into a terminal's input) or TIOCLINUX (pastes on a console) fails with EPERM:
// a command that runs as somebody else must not type into root's shell
// (CVE-2016-2568, CVE-2017-5226, CVE-2023-28339). A command that runs as root
// needs no such trick.
//
// The request is compared in its low 32 bits, which are all that the kernel looks
// at (CVE-2019-10063). A call in the number space of another architecture that
// this kernel may serve is looked at too; one of any other fails.
func noTyping(s *Spec) error {
	if s.UID == 0 {
		return nil
	}
	return install(typingFilter(abis), 0)
}

// confirmNoTyping asks whether there is a filter (PR_GET_SECCOMP(2const)). A profile
// that comes later cannot be asked about: it may refuse the question.
func confirmNoTyping(s *Spec) error {
	if s.UID == 0 {
		return nil
	}
	return confirmFilter()
}

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
