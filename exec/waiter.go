package exec

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Waiter waits for several descriptors at once: an instance of epoll(7), for which Go's
// own waits, so that no thread and no goroutine but the caller's is needed. Interrupt
// may be called by any goroutine, all else by one.
type Waiter struct {
	fd     int
	file   *os.File
	conn   syscall.RawConn
	events [8]unix.EpollEvent
	ready  [8]int
}

// NewWaiter makes one that waits for nothing yet. The caller closes it.
func NewWaiter() (*Waiter, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		if err = unix.SetNonblock(fd, true); err != nil { // or Go would not wait for it
			unix.Close(fd)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make an epoll instance: %w", err)
	}
	w := &Waiter{fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	err = w.Until(time.Time{}) // it says whether Go waits for it
	if err == nil {
		w.conn, err = w.file.SyscallConn()
	}
	if err != nil {
		w.file.Close()
		return nil, fmt.Errorf("cannot wait for an epoll instance: %w", err)
	}
	return w, nil
}

// Close releases it. Of the descriptors it closes none.
func (w *Waiter) Close() { w.file.Close() }

// Add has Wait return when there is something to read from fd, or its other end is
// closed.
func (w *Waiter) Add(fd int) error { return w.add(fd, unix.EPOLLIN|unix.EPOLLRDHUP) }

// AddWriter has Wait return when fd takes something, or nobody reads it any more.
func (w *Waiter) AddWriter(fd int) error { return w.add(fd, unix.EPOLLOUT) }

func (w *Waiter) add(fd int, events uint32) error {
	err := unix.EpollCtl(w.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	if err != nil {
		return fmt.Errorf("cannot wait for descriptor %d: %w", fd, err)
	}
	return nil
}

// Remove undoes Add. A descriptor that is closed need not be removed, where no other
// process holds what it led to.
func (w *Waiter) Remove(fd int) { _ = unix.EpollCtl(w.fd, unix.EPOLL_CTL_DEL, fd, nil) }

// Until sets when Wait returns at the latest; the zero time is never. It undoes
// Interrupt.
func (w *Waiter) Until(deadline time.Time) error { return w.file.SetReadDeadline(deadline) }

// Interrupt has Wait return, now and until the next call of Until.
func (w *Waiter) Interrupt() { _ = w.file.SetReadDeadline(time.Unix(1, 0)) }

// Wait returns descriptors of which something is to be done: until it is, they are
// returned each time. The error is os.ErrDeadlineExceeded when it is time, or after Interrupt.
func (w *Waiter) Wait() ([]int, error) {
	var n int
	var failed error
	err := w.conn.Read(func(uintptr) bool {
		n, failed = unix.EpollWait(w.fd, w.events[:], 0)
		return n > 0 || failed != nil && failed != unix.EINTR
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	for i := range n {
		w.ready[i] = int(w.events[i].Fd)
	}
	return w.ready[:n], nil
}
