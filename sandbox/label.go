package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Module is a security module of the kernel's that holds a process to a label, and lets
// the process choose the one that its next execve(2) brings (proc_pid_attr(5)).
type Module struct {
	Name string // of the module
	Noun string // what it calls a label

	current, exec string // below /proc/thread-self/attr
	verb          string // before the label that is written
	load          string // what to do about a label that the kernel does not know
}

// AppArmor has a directory of its own since Linux 5.8. What is called attr/exec belongs to
// whichever module comes first, and while SELinux runs, AppArmor does not.
var (
	AppArmor = &Module{"AppArmor", "profile", "apparmor/current", "apparmor/exec", "exec ", "load it (apparmor_parser(8))"}
	SELinux  = &Module{"SELinux", "context", "current", "exec", "", "name one that the loaded policy has"}
)

var (
	errNoProc = errors.New("/proc is not a proc file system: mount it")
	errLabel  = errors.New("the kernel says another one")

	errMountedOver = errors.New("something is mounted over files of /proc: unmount it")
)

// Present tells whether the kernel runs the module. What cannot be found out is an error.
func (m *Module) Present() (bool, error) {
	label, err := m.own()
	switch {
	// Not built in, or built in and not started.
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("cannot ask whether this kernel has %s: %w", m.Name, err)
	}
	// AppArmor's labels, and the one of SELinux without a policy, are no contexts.
	return m != SELinux || strings.Count(label, ":") >= 2, nil
}

// own is the label of this process.
func (m *Module) own() (string, error) {
	fd, err := attribute(m.current, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return m.label(fd)
}

// label reads what an open file says, without AppArmor's mode, as in "NAME (enforce)".
func (m *Module) label(fd int) (string, error) {
	var buf [4096]byte // the kernel gives no more than a page
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return "", err
	}
	label := string(bytes.TrimRight(buf[:n], "\n\x00"))
	if i := strings.LastIndex(label, " ("); m == AppArmor && i >= 0 && strings.HasSuffix(label, ")") {
		label = label[:i]
	}
	return label, nil
}

// attribute opens a file of this thread's below /proc/thread-self/attr: one of the kernel's,
// with nothing mounted over it (CVE-2019-16884, CVE-2019-19921). openat2(2) would say so, but
// is refused to services with RestrictSUIDSGID= (systemd.exec(5)).
func attribute(name string, flags int) (int, error) {
	proc, err := openat(unix.AT_FDCWD, "/proc", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, fmt.Errorf("cannot open /proc: %v", err) // not ENOENT: that says nothing of the module
	}
	defer unix.Close(proc)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(proc, &fs); err != nil {
		return -1, fmt.Errorf("cannot look at /proc: %w", err)
	}
	if fs.Type != unix.PROC_SUPER_MAGIC {
		return -1, errNoProc
	}
	fd, err := openat(proc, "thread-self/attr/"+name, flags)
	if err != nil {
		return -1, err
	}
	same, err := sameMount(proc, fd)
	if err == nil && !same {
		err = errMountedOver
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// setLabel writes down the label that execve(2) is to bring, and returns the open file,
// which later steps could not open any more.
func (m *Module) setLabel(label string) (fd int, err error) {
	fd, err = attribute(m.exec, unix.O_RDWR)
	if err != nil {
		return -1, fmt.Errorf("%s: %w", label, err)
	}
	text := m.verb + label
	n, err := unix.Write(fd, []byte(text))
	switch {
	case err == unix.ENOENT, err == unix.EINVAL:
		err = fmt.Errorf("the kernel knows no such %s (%w): %s", m.Noun, err, m.load)
	case err == unix.EACCES, err == unix.EPERM:
		err = fmt.Errorf("the %s that ironwrap runs under does not allow it: %w", m.Noun, err)
	case err == nil && n != len(text):
		err = unix.EIO
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("%s: %w", label, err)
	}
	return fd, nil
}

// confirmLabel asks the file that setLabel has left open.
func (m *Module) confirmLabel(fd int, label string) error {
	is, err := m.label(fd)
	if err == nil && is != label {
		// SELinux has a short form of each range: s0 for s0-s0, c0.c2 for c0,c1,c2.
		err = fmt.Errorf("%w: %s: if that is the same, write it so", errLabel, is)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", label, err)
	}
	return nil
}

// OwnProfile and LauncherProfile are the names of the profiles in packaging/apparmor under
// which commands are executed.
const (
	OwnProfile      = "ironwrap"
	LauncherProfile = "ironwrap-launch"
)

// leaveProfile is for no_new_privs, under which AppArmor lets execve(2) lead out of no
// profile, whatever that says, but only deeper in: the command would not be executed. The
// profiles of ironwrap's own let it go unconfined. Other ones, of who calls, stay.
func leaveProfile(s *Spec) error {
	if !s.NoNewPrivs {
		return nil
	}
	switch own, err := AppArmor.own(); {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL):
		return nil // no AppArmor
	case err != nil:
		return err
	case own != OwnProfile && own != LauncherProfile:
		return nil
	}
	fd, err := attribute(AppArmor.current, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte("changeprofile unconfined"))
	return err
}

func profileOnExec(s *Spec) (err error) {
	if s.AppArmor != "" {
		s.appArmor, err = AppArmor.setLabel(s.AppArmor)
	}
	return err
}

func contextOnExec(s *Spec) (err error) {
	if s.SELinux != "" {
		s.seLinux, err = SELinux.setLabel(s.SELinux)
	}
	return err
}

func confirmProfileOnExec(s *Spec) error {
	if s.AppArmor == "" {
		return nil
	}
	return AppArmor.confirmLabel(s.appArmor, s.AppArmor)
}

func confirmContextOnExec(s *Spec) error {
	if s.SELinux == "" {
		return nil
	}
	return SELinux.confirmLabel(s.seLinux, s.SELinux)
}
