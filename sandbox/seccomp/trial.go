package seccomp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Trial is p for trying it: what p refuses the kernel lets pass and writes a record of
// (SECCOMP_RET_LOG, seccomp(2)). That is so for this machine's own calls alone; those of
// other architectures, x32 among them, get p's own answers. It is an error where twice
// the length of p is more than the kernel takes.
func (p *Program) Trial() (*Program, error) {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		least = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		jump  = unix.BPF_JMP | unix.BPF_JA
		ret   = unix.BPF_RET | unix.BPF_K
	)
	// x32 has the architecture of x86-64. Elsewhere no call has a number with that bit.
	const x32 = 1 << 30
	trial := []unix.SockFilter{
		{Code: load, K: 4}, // the architecture
		{Code: equal, K: Arch, Jf: 2},
		{Code: load, K: 0}, // the number
		{Code: least, K: x32, Jf: 1},
		{Code: jump, K: uint32(len(p.filter))}, // past the copy, to p itself
	}
	for _, in := range p.filter {
		if in.Code == ret && in.K&unix.SECCOMP_RET_ACTION_FULL != unix.SECCOMP_RET_ALLOW {
			in.K = unix.SECCOMP_RET_LOG
		}
		trial = append(trial, in)
	}
	trial = append(trial, p.filter...)
	if len(trial) > maxLength {
		return nil, fmt.Errorf("it has %d instructions, and to be tried it may have %d: try a shorter profile", len(p.filter), (maxLength-5)/2)
	}
	return New(trial, p.flags, p.libseccomp, p.profile)
}
