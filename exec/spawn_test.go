package exec

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/exec/launch"
)

// A process that is being started while another one ends has a copy of all
// descriptors for a moment: the answer of the one that ended is waited for.
func TestWaitForTheAnswer(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	p := &Process{socket: pair[1], command: &launch.Command{}, done: make(chan struct{}), ended: true}
	close(p.done)
	time.AfterFunc(100*time.Millisecond, func() { unix.Close(pair[0]) })
	if _, err := p.Wait(); err != nil {
		t.Error(err)
	}
}
