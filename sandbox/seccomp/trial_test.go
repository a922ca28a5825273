package seccomp

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// The longest profile that can be tried, one that is longer, and one whose default ends
// the thread, as the answer to foreign calls does.
func TestTrialLength(t *testing.T) {
	kill := []unix.SockFilter{{Code: ret, K: unix.SECCOMP_RET_KILL_THREAD}}
	for length, fits := range map[int]bool{1: true, 2045: true, 2046: false, maxLength: false} {
		p, err := New(slices.Repeat(kill, length), unix.SECCOMP_FILTER_FLAG_LOG, [3]uint8{2, 5, 4}, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		trial, err := p.Trial()
		if (err == nil) != fits {
			t.Errorf("%d instructions: %v", length, err)
		}
		if err != nil {
			continue
		}
		if n := len(trial.Filter()); n != 5+2*length || trial.Flags() != p.Flags() || trial.Libseccomp() != p.Libseccomp() || trial.Check([]byte("{}")) != nil {
			t.Errorf("%d instructions: %d, %+v", length, n, trial)
		}
		if len(p.Filter()) != length || p.Filter()[0] != kill[0] {
			t.Error("it changed what is in force")
		}
	}
}
