package trust

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Append opens a file of the directory for records: what is written goes to its end. A
// file that is not there is made, with mode 0600. One that is must be a regular file of
// root's with this one name, which nobody else can write to; the size is its length in
// bytes.
func (d *Directory) Append(name string) (fd int, size int64, err error) {
	return d.records(name, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT)
}

// MayAppend returns the error that Append would, and makes nothing. What it cannot open
// it cannot judge, but a link.
func (d *Directory) MayAppend(name string) error {
	fd, _, err := d.records(name, unix.O_RDONLY)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return nil
		}
		return err
	}
	return unix.Close(fd)
}

func (d *Directory) records(name string, flags int) (fd int, size int64, err error) {
	path := func() string { return show(d.path + "/" + name) }
	fd, err = retry(func() (int, error) {
		return unix.Openat(d.fd, name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0o600)
	})
	if err == unix.ELOOP {
		return -1, 0, fmt.Errorf("cannot trust %s: it is a symbolic link: name the file itself", path())
	}
	if err != nil {
		return -1, 0, fmt.Errorf("cannot open %s: %w", path(), err)
	}
	var st unix.Stat_t
	err = fstat(fd, &st)
	switch {
	case err != nil:
	case !isType(&st, unix.S_IFREG):
		err = fmt.Errorf("it is %s, not a regular file", kind(&st))
	case st.Uid != 0:
		err = fmt.Errorf("it is owned by uid %d, not root: move it away, and a new one is made", st.Uid)
	case st.Mode&0o022 != 0:
		err = fmt.Errorf("it is writable by %s (mode %04o): run \"chmod go-w %s\"", writers(st.Mode), st.Mode&0o7777, shell(d.path+"/"+name))
	case st.Nlink != 1:
		err = fmt.Errorf("it has %d names: remove the others", st.Nlink)
	}
	if err != nil {
		unix.Close(fd)
		return -1, 0, fmt.Errorf("cannot trust %s: %w", path(), err)
	}
	return fd, st.Size, nil
}
