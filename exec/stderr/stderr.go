// Package stderr writes to standard error, which belongs to the caller: they chose what
// it is, a full pipe or a socket to the system log for two, and what the program is
// called. So nothing here can be taken for a record of root's, and nothing holds a
// process of root's up.
package stderr

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/sandbox"
)

const stdout, standard = 1, 2

// held is the descriptor of what the caller gave as standard error, while it is held; 0
// where it is not.
var held atomic.Int32

func fd() int {
	if fd := held.Load(); fd != 0 {
		return int(fd)
	}
	return standard
}

// Hold puts standard error aside, and what cannot be written to in its place. It is for
// a program before it becomes root's: what the Go runtime says when it dies, of a limit of
// the caller's for one, is nothing to wait for either.
func Hold() error {
	aside, err := unix.FcntlInt(standard, unix.F_DUPFD_CLOEXEC, standard+1)
	if err != nil {
		return fmt.Errorf("cannot put standard error aside: %w", err)
	}
	blind, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Dup3(blind, standard, unix.O_CLOEXEC)
		unix.Close(blind)
	}
	if err != nil {
		unix.Close(aside)
		return fmt.Errorf("cannot put something in the place of standard error: %w", err)
	}
	held.Store(int32(aside))
	return nil
}

// Release puts standard error back, for the command.
func Release() error {
	if err := unix.Dup3(fd(), standard, 0); err != nil {
		return fmt.Errorf("cannot put standard error back: %w", err)
	}
	held.Store(0)
	return nil
}

// maxLine is the longest line in bytes: a pipe takes one of PIPE_BUF whole (pipe(7)).
const maxLine = 4096

// wait is how long a process may wait for its caller to take its last line.
const wait = 3 * time.Second

// Writer writes the messages of one process.
type Writer struct {
	name  string
	owner sandbox.Owner

	filtered bool // a seccomp profile of the command's may be in force
	plain    bool // standard error is a pipe, a terminal or a file on a disk; known if filtered
}

// New is for a program that is called name, which Name returned, by owner.
func New(name string, owner sandbox.Owner) *Writer { return &Writer{name: name, owner: owner} }

// Name returns what messages and records call a program. That is how it was called
// (argv[0], which the caller chose), where this is a name that packagers give it:
// fixed, or letters, digits, dots, underscores and dashes before suffix. Else it is fixed.
func Name(argv []string, fixed, suffix string) string {
	if len(argv) == 0 { // CVE-2021-4034
		return fixed
	}
	name := argv[0][strings.LastIndexByte(argv[0], '/')+1:]
	service, ok := strings.CutSuffix(name, suffix)
	if !ok || service == "" || len(name) > 64 || strings.Trim(service, plain) != "" || strings.IndexByte("._-", service[0]) >= 0 {
		return fixed
	}
	return name
}

const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// line returns one line, which a name begins.
func line(name, text string) []byte {
	s := name + ": " + filters.Prose(text)
	if len(s) >= maxLine {
		s = strings.ToValidUTF8(s[:maxLine-len("...\n")], "") + "..."
	}
	return append([]byte(s), '\n')
}

// Try writes a line where that can be done at once, and drops it else. The process goes
// on as what it is.
func (w *Writer) Try(text string) { w.try(line(w.name, text)) }

// Last gives the process to the caller for good, and writes a line. The process must exit
// then; the kernel sees to that if the line is not taken. The rights go first for three
// reasons. A socket that asks who writes (SCM_CREDENTIALS, unix(7)) is told the caller. A
// process that waits for the caller to read counts for their RLIMIT_NPROC and can be killed
// by them. What the descriptor is the kernel decides with their rights (CVE-2012-0056).
func (w *Writer) Last(text string) { w.last(fd(), line(w.name, text)) }

// Print is Last for text on standard output.
func (w *Writer) Print(text string) { w.last(stdout, []byte(text)) }

// Late is Last for any thread but the leading one, which may hang: it waits for nothing.
// The thread ends with its goroutine.
func (w *Writer) Late(text string) {
	runtime.LockOSThread()
	if unix.Geteuid() == 0 && sandbox.GiveUp(w.owner) != nil {
		return
	}
	w.Try(text)
}

// Filtered says that a seccomp profile of the command's is in force, should there be
// another message: it need not allow more than that message takes.
func (w *Writer) Filtered() {
	k := kind()
	w.filtered, w.plain = true, k == pipe || k == terminal || k == file
}

func (w *Writer) last(fd int, text []byte) {
	if w.filtered {
		w.bare(text)
		return
	}
	if !w.theirs() || sandbox.Deadline(wait) != nil {
		w.try(text)
		return
	}
	for len(text) > 0 {
		n, err := unix.Write(fd, text)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
		case err != nil || n <= 0:
			return
		default:
			text = text[n:]
		}
	}
}

// theirs makes the process the caller's, and tells whether it is. It is not where an
// error has ended sandbox.Enter halfway.
func (w *Writer) theirs() bool {
	if unix.Geteuid() != 0 {
		return unix.Geteuid() == int(w.owner.UID)
	}
	return sandbox.GiveUp(w.owner) == nil
}

// bare makes two calls that profiles allow. A socket gets nothing: it could be told who
// runs the command.
func (w *Writer) bare(text []byte) {
	if w.plain && writable() {
		_, _ = unix.Write(fd(), text)
	}
}

// try writes to what is known not to hold a writer up. A device or a file of a FUSE file
// system may do so for as long as it likes, and no signal ends that.
func (w *Writer) try(text []byte) {
	if !writable() {
		return
	}
	switch kind() {
	case pipe: // it may have become full since
		_, _ = unix.Pwritev2(fd(), [][]byte{text}, -1, unix.RWF_NOWAIT)
	case terminal: // ^S may have stopped it since
		sandbox.Within(wait, func() { _, _ = unix.Write(fd(), text) })
	case file:
		_, _ = unix.Write(fd(), text)
	case socket:
		w.send(text)
	}
}

// What standard error can be.
const (
	other = iota
	pipe
	terminal
	file // on a disk
	socket
)

func kind() int {
	var st unix.Stat_t
	if unix.Fstat(fd(), &st) != nil {
		return other
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return pipe
	case unix.S_IFSOCK:
		return socket
	case unix.S_IFCHR:
		if _, err := unix.IoctlGetTermios(fd(), unix.TCGETS); err == nil {
			return terminal
		}
	case unix.S_IFREG:
		var fs unix.Statfs_t
		if unix.Fstatfs(fd(), &fs) != nil {
			return other
		}
		switch fs.Type {
		case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC:
			return file
		}
	}
	return other
}

func writable() bool {
	p := []unix.PollFd{{Fd: int32(fd()), Events: unix.POLLOUT}}
	n, err := unix.Poll(p, 0)
	return n == 1 && err == nil && p[0].Revents&unix.POLLOUT != 0
}

// send gives a local socket the caller's credentials in the place of root's, and sends
// nothing to the kernel (CVE-2014-0181).
func (w *Writer) send(text []byte) {
	var who []byte
	switch domain, _ := unix.GetsockoptInt(fd(), unix.SOL_SOCKET, unix.SO_DOMAIN); domain {
	case unix.AF_UNIX:
		who = unix.UnixCredentials(&unix.Ucred{Pid: int32(unix.Getpid()), Uid: w.owner.UID, Gid: w.owner.GID})
	case unix.AF_INET, unix.AF_INET6:
	default:
		return
	}
	_, _ = unix.SendmsgN(fd(), text, who, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}
