package record

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Without a recorder every system call of the command fails with ENOSYS, its exit
// included: it may do anything, or try for ever. So there is a guard, a process of
// its own, which shares the listener and kills whoever makes a call once the
// recorder has died.

// Shared is a page that the recorder and its guard share.
type Shared struct {
	File   *os.File
	inHand *atomic.Uint32
}

// NewShared makes the page.
func NewShared() (*Shared, error) {
	fd, err := unix.MemfdCreate("learn", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "learn")
	if err := file.Truncate(int64(os.Getpagesize())); err != nil {
		return nil, fmt.Errorf("cannot make a file in memory: %w", err)
	}
	return mapShared(file)
}

func mapShared(file *os.File) (*Shared, error) {
	page, err := unix.Mmap(int(file.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("cannot map a file in memory: %w", err)
	}
	return &Shared{file, (*atomic.Uint32)(unsafe.Pointer(&page[0]))}, nil
}

// Guard waits on a pipe for a byte, the recorder having done its work. If the pipe
// is closed without, it kills all that is under the filter.
func Guard(listener int, recorder, shared *os.File) error {
	if n, _ := recorder.Read(make([]byte, 1)); n == 1 {
		return nil
	}
	s, err := mapShared(shared)
	if err != nil {
		return err
	}
	// A call that the recorder has received is not received again.
	if pid := s.inHand.Load(); pid != 0 {
		_ = unix.Kill(int(pid), unix.SIGKILL) // it may have ended
	}
	r, err := newReceiver(listener)
	if err != nil {
		return err
	}
	for {
		n, err := r.next()
		if n == nil {
			return err
		}
		_ = unix.Kill(int(n.pid), unix.SIGKILL)
	}
}
