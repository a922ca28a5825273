// Package audit writes one record per decision to the system log, in the words
// of the peer's, with what they leave out: who really called, and which line of
// which file allowed it.
package audit

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
)

// Severities of syslog(3).
const (
	Error   = 3
	Warning = 4
	Info    = 6
)

// Socket is where records go: a datagram or stream socket, syslog(3).
var Socket = "/dev/log"

// maxRecord is the longest record in bytes. rsyslogd cuts at 8 kB by default, and
// a datagram that is longer than the socket's buffer is lost whole.
const maxRecord = 7 << 10

// Send writes one record, with the priority of syslog(3) (facility and severity)
// and the tag before it. It takes at most two seconds. The record holds no time:
// the system log adds its own, in its own time zone.
func Send(priority int, tag, text string) error {
	if len(text) > maxRecord {
		text = strings.ToValidUTF8(text[:maxRecord], "") + "..."
	}
	record := fmt.Sprintf("<%d>%s: %s", priority, tag, text)
	end := time.Now().Add(patience)
	err := send(unix.SOCK_DGRAM, record, end)
	if err == unix.EPROTOTYPE {
		err = send(unix.SOCK_STREAM, record+"\x00", end)
	}
	if err != nil {
		return fmt.Errorf("cannot write to the system log at %s: %w", Socket, err)
	}
	return nil
}

const patience = 2 * time.Second

func send(kind int, record string, end time.Time) error {
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := again(fd, end, func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: Socket}) }); err != nil {
		return err
	}
	return again(fd, end, func() error {
		n, err := unix.SendmsgN(fd, []byte(record), nil, nil, unix.MSG_NOSIGNAL)
		if err == nil && n != len(record) {
			err = unix.EMSGSIZE
		}
		return err
	})
}

// again repeats a call on a socket that a signal interrupted, but not beyond end: the
// caller's terminal can send any number (SIGWINCH). SO_SNDTIMEO ends a call with EAGAIN.
func again(fd int, end time.Time, call func() error) error {
	for {
		left := unix.NsecToTimeval(max(time.Until(end), time.Millisecond).Nanoseconds())
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &left); err != nil {
			return err
		}
		if err := call(); err != unix.EINTR || time.Now().After(end) {
			return err
		}
	}
}

// maxWords is the length in bytes from which on argv is cut in a record.
const maxWords = 4 << 10

// Words quotes argv for a record. What is too long is cut; then the number of the
// words, their length in bytes and the SHA-256 of the whole (each word followed
// by a NUL byte) stand behind it.
func Words(argv []filters.Untrusted) string {
	var b strings.Builder
	for i, w := range argv {
		// Quoting makes a word four times as long at the most, and never shorter.
		room := maxWords - b.Len()
		quoted := w[:min(len(w), room)].Quote()
		if len(w) > room || len(quoted) >= room {
			return b.String() + blank(i) + w[:min(len(w), room/4)].Quote() + "... " + digest(argv)
		}
		b.WriteString(blank(i) + quoted)
	}
	return b.String()
}

func blank(i int) string {
	if i == 0 {
		return ""
	}
	return " "
}

func digest(argv []filters.Untrusted) string {
	size := 0
	for _, w := range argv {
		size += len(w) + 1
	}
	all := make([]byte, 0, size)
	for _, w := range argv {
		all = append(append(all, w...), 0)
	}
	return fmt.Sprintf("(cut: %d words, %d bytes, sha256 %x)", len(argv), size, sum256(all))
}
