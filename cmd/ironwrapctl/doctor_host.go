package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	osexec "os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ironwrap/exec"
	"ironwrap/exec/audit"
	"ironwrap/exec/reading"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/inifile"
	"ironwrap/policy/review/doctor"
	"ironwrap/policy/review/lint"
	"ironwrap/policy/review/usage"
	"ironwrap/policy/store"
	"ironwrap/policy/trust"
	"ironwrap/sandbox/features"
)

// host is this machine, for package doctor.
type host struct{ facts facts }

// Bounds of what a service can make doctor read.
const (
	maxTexts = 1_000
	maxDepth = 5
	tail     = 1 << 20 // bytes of a log
)

func (host) Texts(dirs ...string) (files []string, err error) {
	for _, dir := range dirs {
		err = errors.Join(err, filepath.WalkDir(dir+"/", func(at string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case d.IsDir() && strings.Count(at[len(dir):], "/") > maxDepth:
				return fmt.Errorf("%s lies deeper than %d directories", filters.Show(at), maxDepth)
			case d.IsDir():
			case d.Type() == fs.ModeSymlink && isDir(at):
				return fmt.Errorf("%s is a link to a directory, which is not followed", filters.Show(at))
			case len(files) >= maxTexts:
				return fmt.Errorf("%s has more than %d files", filters.Show(dir), maxTexts)
			case strings.HasSuffix(at, ".conf") || strings.HasSuffix(at, ".ini"):
				files = append(files, at)
			}
			return nil
		}))
	}
	return files, err
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

func (host) Read(path string) ([]byte, error) { return lint.ReadText(path) }

func (host) Find(name string, dirs []string) (string, error) {
	for _, dir := range dirs {
		at := path.Join(dir, name)
		st, err := os.Stat(at)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return "", err
		}
		if err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return at, nil
		}
	}
	return "", fmt.Errorf("%s: %w", filters.Show(name), fs.ErrNotExist)
}

func (host) There(path string) bool { return exists(path) }

func (host) Same(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

func (host) Program(at string) (p doctor.Program, err error) {
	if p.Real, err = filepath.EvalSymlinks(at); err != nil {
		return p, err
	}
	id, err := trust.Executable(at, trust.Ancestors)
	switch {
	case errors.Is(err, trust.ErrUntrusted):
		p.Distrust = err
	case err != nil:
		return p, err
	}
	if p.Kind, err = kindOf(p.Real); err != nil {
		return p, err
	}
	p.Setuid = id.UID == 0 && id.Mode&syscall.S_ISUID != 0
	var st syscall.Statfs_t
	if err := syscall.Statfs(p.Real, &st); err != nil {
		return p, fmt.Errorf("cannot ask for the file system of %s: %w", filters.Show(p.Real), err)
	}
	const noSuid = 2 // ST_NOSUID, statfs(2)
	p.NoSuid = st.Flags&noSuid != 0
	if p.Distrust == nil && p.Kind >= doctor.Ironwrap && p.Kind != doctor.Attach {
		p.Version = versionOf(p.Real)
	}
	return p, nil
}

// kindOf tells by its contents what a program is: by what Go writes into those it makes,
// and by the text of a script.
func kindOf(file string) (doctor.Kind, error) {
	f, err := os.Open(file)
	if err != nil {
		return doctor.Other, err
	}
	defer f.Close()
	if lint.Original(file) {
		return doctor.Original, nil
	}
	// Its text says nothing; it is ours where it lies beside ours.
	if path.Base(file) == "ironwrap-attach" && path.Dir(file) == path.Dir(exec.LauncherPath) {
		return doctor.Attach, nil
	}
	info, err := buildinfo.Read(f)
	if err != nil {
		return doctor.Other, nil // no program of Go's
	}
	return map[string]doctor.Kind{"ironwrap/cmd/ironwrap": doctor.Ironwrap, "ironwrap/cmd/ironwrap-daemon": doctor.Daemon, "ironwrap/cmd/ironwrap-call": doctor.Caller}[info.Path], nil
}

// versionOf asks a program of ironwrap's, which nobody but root can have written.
func versionOf(file string) string {
	out, err := told(file, "--version")
	if err != nil {
		return ""
	}
	_, v, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	return v
}

// told is what a program of root's prints, which gets nothing of the caller's.
func told(file string, args ...string) ([]byte, error) {
	if _, err := trust.Executable(file, trust.Ancestors); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := osexec.CommandContext(ctx, file, args...)
	c.Env, c.Dir, c.WaitDelay = []string{"LC_ALL=C"}, "/", 10*time.Second
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		text, _, _ := strings.Cut(said.String(), "\n")
		return nil, fmt.Errorf("%s: %w: %s", path.Base(file), err, filters.Prose(text))
	}
	return said.Bytes(), nil
}

func (host) Kernel() doctor.Kernel {
	return doctor.Kernel{
		Calls:    doctor.Probe(features.Calls()),
		Seccomp:  doctor.Probe(features.Seccomp()),
		MDWE:     doctor.Probe(features.DenyWriteExec()),
		Keyrings: doctor.Probe(features.Keyrings()),
		Mounts:   doctor.Probe(features.MountNamespace()),
		Network:  doctor.Probe(features.NetworkNamespace()),
		ReadOnly: doctor.Probe(features.ReadOnlyMounts()),
		Landlock: features.Landlock(),
		LSM:      modules(),
	}
}

// modules are the security modules that are in force; nil where securityfs is not there.
func modules() []string {
	text, err := os.ReadFile("/sys/kernel/security/lsm")
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), ",")
}

// Package reads dpkg's own lists (dpkg-divert(1), dpkg-query(1)).
func (host) Package(at string) (doctor.Package, error) {
	const dir = "/var/lib/dpkg"
	if _, err := os.Stat(dir + "/status"); errors.Is(err, fs.ErrNotExist) {
		return doctor.Package{}, nil
	}
	p := doctor.Package{System: "dpkg"}
	diversions, err := os.ReadFile(dir + "/diversions")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	lines := strings.Split(string(diversions), "\n") // three for each: from, to, by whom
	for i := 0; i+2 < len(lines); i += 3 {
		p.Diverted = p.Diverted || slices.Contains(aliases(at), lines[i])
	}
	lists, err := filepath.Glob(dir + "/info/*.list")
	if err != nil {
		return p, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			return p, err
		}
		name, _, _ := strings.Cut(strings.TrimSuffix(path.Base(list), ".list"), ":")
		for _, a := range aliases(at) {
			if !strings.HasPrefix(name, "ironwrap") && bytes.Contains(text, []byte("\n"+a+"\n")) {
				p.Name = name
			}
		}
	}
	return p, nil
}

// aliases are the names of a file where /bin is /usr/bin: packages use either.
func aliases(at string) []string {
	if rest, ok := strings.CutPrefix(at, "/usr"); ok {
		return []string{at, rest}
	}
	return []string{at, "/usr" + at}
}

func (h host) Sudo(config string) (s doctor.Sudo) {
	if h.facts.sudoers == nil {
		return s // no sudo
	}
	s.Ways, s.Unread = lint.Ways(config, h.facts)
	dirs, err := lint.SecurePath(h.facts.sudoers)
	if err != nil {
		s.Unread = append(s.Unread, err.Error())
	}
	if dirs != "" {
		s.SecurePath = strings.Split(dirs, ":")
	}
	return s
}

func (host) Load(config string, setuid bool) (*policy.Policy, error) {
	level := trust.Object
	if setuid {
		if err := exec.FixedConfig(config); err != nil {
			return nil, err
		}
		level = trust.Ancestors
	}
	return policy.Load(config, level, inifile.Parse)
}

func (host) MayCall(p *policy.Policy, user string) (bool, error) {
	u, err := account.Lookup(user)
	if err != nil {
		return false, fmt.Errorf("user %s: %w", filters.Show(user), err)
	}
	c := exec.Caller{UID: int(u.UID), GID: int(u.GID)}
	for _, g := range u.Groups {
		c.Groups = append(c.Groups, int(g))
	}
	return c.MayCall(p) == nil, nil
}

func (h host) Check(config string) lint.Report { return lint.Check([]string{config}, h.facts) }

func (host) Profile(name string) error {
	_, err := exec.Program(name, trust.Object)
	return err
}

func (host) Compiled(config string) (string, error) {
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("what is kept in %s is root's: %w", store.Dir, fs.ErrPermission)
	}
	if k, err := store.Open(config, nil); err == nil {
		k.Close()
	} else if errors.Is(err, store.ErrNone) {
		return "", fs.ErrNotExist
	} else if errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return holds(config)
}

func (host) Build() string { return version }

func (host) Parts(dir string) (parts []doctor.Part) {
	if self, err := os.Executable(); err == nil && dir == "" {
		dir = path.Dir(self)
	}
	for _, file := range []string{dir + "/ironwrap", dir + "/ironwrap-daemon", reading.Program, exec.LauncherPath} {
		p := doctor.Part{Name: path.Base(file), Path: file}
		if near := dir + "/" + p.Name; exists(near) {
			p.Path = near // as the programs themselves look for it
		}
		if !exists(p.Path) {
			p.Err = fmt.Errorf("%s: %w", filters.Show(p.Path), fs.ErrNotExist)
		} else if id, err := trust.Executable(p.Path, trust.Ancestors); err != nil {
			p.Err = err
		} else {
			p.Mode = id.Mode & 0o777
		}
		parts = append(parts, p)
	}
	return parts
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Processes looks at /proc (proc(5)). Only of root's processes anything is believed.
func (h host) Processes(config string) (found []doctor.Process, err error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("cannot see what root's processes are: %w", fs.ErrPermission)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		st, err := os.Stat(dir)
		if err != nil || st.Sys().(*syscall.Stat_t).Uid != 0 || !h.Same(dir+"/root/", "/") {
			continue // somebody else's, or in a container
		}
		text, _ := os.ReadFile(dir + "/cmdline") // it may be gone
		args := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
		if !slices.ContainsFunc(args[1:], func(a string) bool { return path.IsAbs(a) && h.Same(a, config) }) {
			continue
		}
		p := doctor.Process{Kind: daemonKind(dir, args)}
		p.PID, _ = strconv.Atoi(path.Base(dir))
		p.Exe, _ = os.Readlink(dir + "/exe")
		if p.Kind == doctor.Daemon || p.Kind == doctor.Original {
			found = append(found, p)
		}
	}
	return found, nil
}

// daemonKind is what a process of root's is: ironwrap's daemon by its program, the
// original's by Python, and the name of its script.
func daemonKind(dir string, args []string) doctor.Kind {
	if kind, _ := kindOf(dir + "/exe"); kind != doctor.Other {
		return kind
	}
	exe, _ := os.Readlink(dir + "/exe")
	if strings.HasPrefix(path.Base(exe), "python") && slices.ContainsFunc(args[:min(len(args), 4)], func(a string) bool { return strings.Contains(path.Base(a), "rootwrap-daemon") }) {
		return doctor.Original
	}
	return doctor.Other
}

// Unit asks systemd, where it is there.
func (host) Unit(name string) (u doctor.Unit, err error) {
	if !exists("/run/systemd/system") {
		return u, nil // sd_booted(3)
	}
	out, err := told("/usr/bin/systemctl", "show", "--property=LoadState,ActiveState,UnitFileState,NeedDaemonReload", name)
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "LoadState":
			u.Load = value
		case "ActiveState":
			u.Active = value
		case "UnitFileState":
			u.File = value
		case "NeedDaemonReload":
			u.Reload = value == "yes"
		}
	}
	return u, nil
}

// Listens looks into /proc/net/unix: to connect would start what systemd starts then.
func (host) Listens(socket string) (bool, error) {
	if _, err := os.Stat(socket); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return false, err
	}
	const accepting = "00010000" // __SO_ACCEPTCON
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 8 && f[3] == accepting && f[7] == socket {
			return true, nil
		}
	}
	return false, nil
}

// Syslog connects as a record would, and sends nothing: in a container the socket may be
// the host's, of which /proc says nothing.
func (host) Syslog() (string, error) {
	real, err := filepath.EvalSymlinks(audit.Socket)
	if err == nil {
		err = connects(audit.Socket)
	}
	if err != nil {
		return "", fmt.Errorf("nobody reads %s: %w", audit.Socket, err)
	}
	if strings.HasPrefix(real, "/run/systemd/journal/") {
		return "which journald reads at " + audit.Socket, nil
	}
	return "which somebody reads at " + audit.Socket, nil
}

func connects(socket string) (err error) {
	for _, network := range []string{"unixgram", "unix"} {
		var c net.Conn
		if c, err = net.DialTimeout(network, socket, 2*time.Second); err == nil {
			return c.Close()
		}
		if !errors.Is(err, syscall.EPROTOTYPE) {
			return err
		}
	}
	return err
}

// Appends looks as a record would, but makes no file.
func (host) Appends(file string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%s is root's: %w", filters.Show(file), fs.ErrPermission)
	}
	dir, err := trust.Dir(path.Dir(file), trust.Ancestors)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.MayAppend(path.Base(file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// logs are where system logs have what is of the facilities that policies use.
var logs = []string{"/var/log/syslog", "/var/log/messages", "/var/log/auth.log", "/var/log/secure", "/var/log/daemon.log", "/var/log/user.log"}

func (host) Records() (list []usage.Record, from string, err error) {
	var r usage.Reading
	take := func(rec usage.Record) { list = append(list, rec) }
	if exists("/run/systemd/journal") && os.Geteuid() == 0 {
		out, err := told("/usr/bin/journalctl", "-o", "json", "--all", "--no-pager", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_UID", "--since=-7days", "--priority=err", "--lines=5000", "_TRANSPORT=syslog", "_UID=0")
		if err != nil {
			return nil, "", err
		}
		return list, "the journal of 7 days", r.Read(bytes.NewReader(out), take)
	}
	var read []string
	for _, file := range logs {
		text, err := lastPart(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = r.Read(bytes.NewReader(text), take)
		}
		if err != nil {
			return nil, "", err
		}
		read = append(read, file)
	}
	if read == nil {
		return nil, "", errors.New("there is neither a journal nor a log in /var/log")
	}
	return list, strings.Join(read, ", "), nil
}

// lastPart is the end of a log, from the beginning of a line.
func lastPart(file string) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", file)
	}
	at := max(st.Size()-tail, 0)
	text, err := io.ReadAll(io.NewSectionReader(f, at, tail))
	if i := bytes.IndexByte(text, '\n'); at > 0 && i >= 0 {
		text = text[i+1:]
	}
	return text, err
}

func (host) UID(name string) int {
	u, err := account.Lookup(name)
	if err != nil {
		return -1
	}
	return int(u.UID)
}
