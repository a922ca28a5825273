//go:build cgo

package profiles_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
	"ironwrap/sandbox/seccomp/probe"
)

// tried are a profile's program, and the same for trying it.
func tried(t *testing.T, name string) (force, trial *seccomp.Program) {
	t.Helper()
	force, _ = compiled(t, name)
	trial, err := force.Trial()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if trial, err = seccomp.Parse(trial.Encode()); err != nil { // as it goes to a launcher
		t.Fatalf("%s: %v", name, err)
	}
	return force, trial
}

// Tried, each call of this machine's is let through, and there is a record of just those
// that are refused in force. A call of another architecture gets the same answer.
func TestTrial(t *testing.T) {
	const x32 = 1 << 30
	for name := range narrower {
		force, trial := tried(t, name)
		check := func(c bpf.Call) {
			t.Helper()
			was, err := bpf.Answer(force.Filter(), c)
			if err != nil {
				t.Fatal(err)
			}
			is, err := bpf.Answer(trial.Filter(), c)
			want := was
			if c.Arch == seccomp.Arch && c.Number < x32 && was != unix.SECCOMP_RET_ALLOW {
				want = unix.SECCOMP_RET_LOG
			}
			if err != nil || is != want {
				t.Fatalf("%s: %+v: %s, %v; in force: %s", name, c, bpf.Name(is), err, bpf.Name(was))
			}
		}
		for number := range uint32(1100) {
			for _, arch := range []uint32{seccomp.Arch, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_AARCH64, 0, ^uint32(0)} {
				for _, arg := range []uint64{0, 1, 2, 0x10000000, ^uint64(0)} {
					for _, n := range []uint32{number, number | x32, ^number} {
						check(bpf.Call{Number: n, Arch: arch, Args: [6]uint64{arg, arg, arg, arg, arg, arg}})
					}
				}
			}
		}
	}
}

// The kernel says so too, row by row of what is refused.
func TestTrialInKernel(t *testing.T) {
	t.Parallel()
	_, trial := tried(t, "strict")
	for _, v := range verdicts {
		if v.want[0] == 'y' {
			continue
		}
		number, err := compile.Number(strings.Fields(v.calls)[0])
		if err != nil {
			continue // of another machine
		}
		var args [6]uint64
		copy(args[:], v.args)
		if got, err := probe.Ask(trial, number, args); err != nil || !got.Allowed {
			t.Errorf("%s %#x: %v, %v", v.calls, v.args, got, err)
		}
	}
}
