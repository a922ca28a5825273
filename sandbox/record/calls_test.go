package record

import (
	"maps"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/sandbox/seccomp"
)

func newCalls(t *testing.T, process int) *Calls {
	t.Helper()
	shared, err := NewShared()
	if err != nil {
		t.Fatal(err)
	}
	return NewCalls(process, shared)
}

// The command begins with the execve that makes it so; what comes before, and what
// the threads do that end with it, is not its doing.
func TestCallsBegin(t *testing.T) {
	me := os.Getpid()
	c := newCalls(t, me)
	begun := 0
	for i, n := range []struct {
		pid    int
		number uint32
	}{
		{me, unix.SYS_SETUID}, {me + 1, unix.SYS_FUTEX}, {me + 1, unix.SYS_EXECVE},
		{me, unix.SYS_EXECVE}, // the fourth
		{me + 1, unix.SYS_NANOSLEEP},
		{me, unix.SYS_BRK}, {me + 2, unix.SYS_READ}, {me, unix.SYS_EXECVE}, {me, unix.SYS_EXECVEAT},
	} {
		c.note(&notification{pid: uint32(n.pid), number: n.number, arch: seccomp.Arch}, func() { begun = i })
	}
	have := []uint32{}
	for call := range c.Seen {
		have = append(have, call.Number)
	}
	slices.Sort(have)
	want := []uint32{unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_BRK, unix.SYS_READ}
	slices.Sort(want)
	if !slices.Equal(have, want) || begun != 3 {
		t.Errorf("%v, not %v; begun with %d", have, want, begun)
	}
	if c.Gained {
		t.Error("it gained rights")
	}
}

// Of an argument that is watched the bits that count are kept, and of a call of
// another architecture none: its number means something else.
func TestCallsArguments(t *testing.T) {
	c := newCalls(t, os.Getpid())
	c.state = running
	const i386 = unix.AUDIT_ARCH_I386 ^ unix.AUDIT_ARCH_X86_64 ^ seccomp.Arch // not this machine's
	for _, n := range []notification{
		{arch: seccomp.Arch, number: unix.SYS_IOCTL, args: [6]uint64{9, 7<<32 | 0x5401, 5}},
		{arch: seccomp.Arch, number: unix.SYS_IOCTL, args: [6]uint64{1, 0x5413}},
		{arch: seccomp.Arch, number: unix.SYS_IOCTL, args: [6]uint64{2, 0x5401}},
		{arch: seccomp.Arch, number: unix.SYS_CLONE, args: [6]uint64{unix.CLONE_VM | unix.CLONE_THREAD}},
		{arch: seccomp.Arch, number: unix.SYS_CLONE, args: [6]uint64{unix.CLONE_NEWUSER | 17}},
		{arch: seccomp.Arch, number: unix.SYS_READ, args: [6]uint64{3}},
		{arch: i386, number: unix.SYS_IOCTL, args: [6]uint64{1, 2}},
	} {
		n.pid = uint32(os.Getpid())
		c.note(&n, nil)
	}
	for call, want := range map[Call][]uint64{
		{seccomp.Arch, unix.SYS_IOCTL}: {0x5401, 0x5413},
		{seccomp.Arch, unix.SYS_CLONE}: {0, unix.CLONE_NEWUSER},
		{seccomp.Arch, unix.SYS_READ}:  nil,
		{i386, unix.SYS_IOCTL}:         nil,
	} {
		values, ok := c.Seen[call]
		if have := slices.Sorted(maps.Keys(values)); !ok || !slices.Equal(have, want) {
			t.Errorf("%+v: %v, not %v", call, have, want)
		}
	}
}

func TestGained(t *testing.T) {
	base := identity{"1", "1000\t1000\t1000\t1000", "5\t5\t5\t5", 0b110}
	for name, c := range map[string]struct {
		change func(*identity)
		want   bool
	}{
		"nothing":          {func(*identity) {}, false},
		"user":             {func(i *identity) { i.uid = "1000\t0\t0\t0" }, true},
		"group":            {func(i *identity) { i.gid = "5\t7\t7\t7" }, true},
		"capability":       {func(i *identity) { i.permitted = 0b111 }, true},
		"less":             {func(i *identity) { i.permitted = 0b010 }, false},
		"another instead":  {func(i *identity) { i.permitted = 0b001 }, true},
		"an id as process": {func(i *identity) { i.process = "2" }, false},
	} {
		after := base
		c.change(&after)
		if have := gained(base, after); have != c.want {
			t.Errorf("%s: %v", name, have)
		}
	}
	// One that is gone could have become anything.
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	c := newCalls(t, 1)
	if c.compare(gone.Process.Pid, true); !c.Gained {
		t.Error("nobody knows, and it is said not to have")
	}
}

// Processes are held while they live, and reached.
func TestCallsSignal(t *testing.T) {
	c := newCalls(t, 1)
	var children []*exec.Cmd
	for range 3 {
		sleep := exec.Command("sleep", "60")
		if err := sleep.Start(); err != nil {
			t.Fatal(err)
		}
		defer sleep.Process.Kill()
		children = append(children, sleep)
		c.meet(sleep.Process.Pid)
		c.meet(sleep.Process.Pid)
	}
	children[0].Process.Kill()
	children[0].Wait()
	if n := c.Living(); n != 2 {
		t.Errorf("%d, not 2", n)
	}
	c.Signal(unix.SIGTERM)
	for _, sleep := range children[1:] {
		timer := time.AfterFunc(30*time.Second, func() { sleep.Process.Kill() })
		if err := sleep.Wait(); err == nil || err.Error() != "signal: terminated" {
			t.Error(err)
		}
		timer.Stop()
	}
	if n := c.Living(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// However many different calls there are, not all are kept, and that is said.
func TestCallsBounded(t *testing.T) {
	c := newCalls(t, os.Getpid())
	c.state = running
	pid := uint32(os.Getpid())
	for i := range uint32(mostValues + 10) {
		c.note(&notification{pid: pid, arch: seccomp.Arch, number: unix.SYS_IOCTL, args: [6]uint64{0, uint64(i)}}, nil)
	}
	if n := len(c.Seen[Call{seccomp.Arch, unix.SYS_IOCTL}]); n != mostValues || !c.Full {
		t.Errorf("%d values, %v", n, c.Full)
	}
	c.Full = false
	for i := range uint32(mostCalls + 10) {
		c.note(&notification{pid: pid, arch: seccomp.Arch, number: 1000 + i}, nil)
	}
	if len(c.Seen) != mostCalls || !c.Full {
		t.Errorf("%d calls, %v", len(c.Seen), c.Full)
	}
}
