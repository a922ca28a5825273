package audit

import (
	"errors"
	"fmt"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/policy/trust"
)

// stamp is RFC 3339 in UTC, to the microsecond.
const stamp = "2006-01-02T15:04:05.000000Z"

// Append writes one record as a line to the file at path: the time, the tag and the text.
// Nobody but root can have made the file, or can put another one in its place; without
// one it is made, with mode 0600. It is opened each time, so that logrotate(8) may rename
// it. The record is written whole, by one call, or there is an error. It is in the
// kernel's hands then, not yet on the disk: a crash of the machine takes the command's
// work along with the record.
func Append(file, tag, text string) error {
	line := fmt.Sprintf("%s %s: %s\n", time.Now().UTC().Format(stamp), tag, filters.Prose(text))
	if err := write(file, line); err != nil {
		return fmt.Errorf("cannot write to audit_file %s: %w", filters.Show(file), err)
	}
	return nil
}

func write(file, line string) error {
	dir, err := trust.Dir(path.Dir(file), trust.Ancestors)
	if err != nil {
		return err
	}
	defer dir.Close()
	fd, size, err := dir.Append(path.Base(file))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	whole, err := endsWhole(fd, size)
	if err != nil {
		return fmt.Errorf("cannot read its end: %w", err)
	}
	if !whole {
		line = "\n" + line
	}
	back, err := roomFor(size + int64(len(line)))
	if err != nil {
		return err
	}
	defer back()
	n, err := unix.Write(fd, []byte(line))
	if err == nil && n != len(line) {
		err = errors.New("only a part of the record was written: is the disk full?")
	}
	return err
}

// endsWhole tells that a file of size bytes ends in a line break. It does not where
// somebody's write was cut short, by a full disk for one, and for a moment while one is
// under way.
func endsWhole(fd int, size int64) (bool, error) {
	for range 5 {
		if size == 0 {
			return true, nil
		}
		var last [1]byte
		if _, err := unix.Pread(fd, last[:], size-1); err != nil {
			return false, err
		}
		if last[0] == '\n' {
			return true, nil
		}
		time.Sleep(time.Millisecond)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return false, err
		}
		size = st.Size
	}
	return false, nil
}

// roomFor sees to it that RLIMIT_FSIZE, the caller's, lets a file grow to size bytes. back
// sets the limit that was. Past a hard limit only CAP_SYS_RESOURCE leads.
func roomFor(size int64) (back func(), err error) {
	var limit unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		return nil, fmt.Errorf("cannot read RLIMIT_FSIZE: %w", err)
	}
	const more = 1 << 20 // others append meanwhile
	need := uint64(size) + more
	if limit.Cur >= need {
		return func() {}, nil
	}
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: max(limit.Max, need), Max: max(limit.Max, need)}, nil); err != nil {
		return nil, fmt.Errorf("cannot raise RLIMIT_FSIZE, which is %d: %w", limit.Max, err)
	}
	return func() { _ = unix.Prlimit(0, unix.RLIMIT_FSIZE, &limit, nil) }, nil
}
