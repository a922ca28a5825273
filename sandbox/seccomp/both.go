package seccomp

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Both lets pass what p and q let pass. What p refuses gets p's answer, whatever q's is. It
// is one program, since the kernel takes no second one where the first refuses seccomp(2).
// It is an error where it is longer than the kernel takes.
func (p *Program) Both(q *Program) (*Program, error) {
	if p.flags == q.flags && slices.Equal(p.filter, q.filter) {
		return p, nil
	}
	const ret = unix.BPF_RET | unix.BPF_K
	answers := func(in unix.SockFilter, action uint32) bool {
		return in.Code == ret && in.K&unix.SECCOMP_RET_ACTION_FULL == action
	}
	both := slices.Clone(p.filter)
	// Where p lets pass q goes on, in a copy of its own where that is recorded.
	for _, pass := range []uint32{unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG} {
		begin := uint32(len(both))
		passes := false
		for i, in := range p.filter {
			if answers(in, pass) {
				both[i], passes = unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: begin - uint32(i) - 1}, true
			}
		}
		if !passes {
			continue
		}
		for _, in := range q.filter {
			if pass == unix.SECCOMP_RET_LOG && answers(in, unix.SECCOMP_RET_ALLOW) {
				in.K = unix.SECCOMP_RET_LOG
			}
			both = append(both, in)
		}
	}
	if len(both) > maxLength {
		return nil, fmt.Errorf("two profiles hold for the command, and together they have %d instructions: the kernel takes %d", len(both), maxLength)
	}
	return New(both, p.flags|q.flags, p.libseccomp, nil)
}
