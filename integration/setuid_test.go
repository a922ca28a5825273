package integration

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ironwrap installed setuid root: whoever starts it chooses argv, environment,
// descriptors, limits, signals, and the moment. Here each of these is tried on a
// setuid copy, by users who are nobody special.

// installation is a setuid copy in a directory of root's, which is its ConfigDir,
// with a system log and a getent of the test's own.
type installation struct {
	policy
	program string
	guard   sync.Mutex
	records []string
}

// setuidInstallation makes one whose policy is filters and the extra lines.
func setuidInstallation(t *testing.T, filters string, extra ...string) *installation {
	t.Helper()
	in := &installation{policy: newPolicy(t, filters, append([]string{"use_syslog=True", "syslog_log_level=INFO"}, extra...)...)}
	in.program = in.dir + "/bin/iw-rootwrap"
	if err := os.Mkdir(in.dir+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", in.program, "-ldflags", ldflags(filepath.Dir(ours))+fmt.Sprintf(
		" -X ironwrap/exec.ConfigDir=%[1]s -X ironwrap/exec/audit.Socket=%[1]s/log -X ironwrap/policy/account.Getent=%[1]s/bin/getent", in.dir), "./cmd/ironwrap")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build ironwrap: %v\n%s", err, out)
	}
	another(t, in.program)
	if err := os.Chmod(in.program, os.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: in.dir + "/log", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := log.Read(buf)
			if err != nil {
				return
			}
			in.guard.Lock()
			in.records = append(in.records, string(buf[:n]))
			in.guard.Unlock()
		}
	}()
	return in
}

// recorded waits until the log has a record with all parts.
func (in *installation) recorded(t *testing.T, parts ...string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		in.guard.Lock()
		found := slices.ContainsFunc(in.records, func(r string) bool {
			return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(r, p) })
		})
		in.guard.Unlock()
		if found {
			return
		}
	}
	in.guard.Lock()
	defer in.guard.Unlock()
	t.Errorf("no record with %q: %q", parts, in.records)
}

// as is a call by a user with these ids and supplementary groups.
func (in *installation) as(uid, gid uint32, groups []uint32, args ...string) *exec.Cmd {
	c := exec.Command(in.program, args...)
	c.Dir, c.Env = "/", []string{"PATH=/usr/bin:/bin"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: groups}}
	return c
}

// called is a call by the caller.
func (in *installation) called(args ...string) *exec.Cmd {
	return in.as(caller.uid, caller.gid, nil, args...)
}

// attack starts the program by a Python script of the caller's, as without does.
func (in *installation) attack(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	c := without(t, script, append([]string{in.program}, args...)...)
	c.Dir = "/var/lib/" + caller.name
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: caller.uid, Gid: caller.gid}}
	return c
}

// What runs as root before the command leaves no core file, whatever a caller's limit says
// (CVE-2006-2451), and none in a directory of theirs. The process that reads the policy is
// in TestReadingOfStranger.
func TestSetuidGetentLeavesNoCore(t *testing.T) {
	in := setuidInstallation(t, "true: CommandFilter, true, root", "allow_users=remote")
	write(t, in.dir+"/bin/getent", "#!/bin/sh\n{ ulimit -c; pwd; } >"+in.dir+"/asked\nexit 2\n")
	if err := os.Chmod(in.dir+"/bin/getent", 0o755); err != nil {
		t.Fatal(err)
	}
	c := in.attack(t, "import resource\nlimit = resource.getrlimit(resource.RLIMIT_CORE)[1]\nassert limit\nresource.setrlimit(resource.RLIMIT_CORE, (limit, limit))\nexecve(args[0], args, [])", in.conf, "true")
	if r := runCmd(t, c); r.status != 99 {
		t.Error(r)
	}
	if got := readFile(t, in.dir+"/asked"); got != "0\n/\n" {
		t.Errorf("getent may leave a core file of so many blocks, in: %q", got)
	}
}

// Who may call: the real user and their groups, as the kernel says, by the names
// that the user database gives them.
func TestSetuidCallers(t *testing.T) {
	in := setuidInstallation(t, "id: CommandFilter, id, root")
	const nobody, games = 65534, 60
	named := func(lines string) {
		text := "[DEFAULT]\nfilters_path=" + in.dir + "/filters.d\nuse_syslog=True\n" + lines + "\n"
		write(t, in.conf, text)
	}
	allowed := func(name string, c *exec.Cmd) {
		t.Helper()
		if r := runCmd(t, c); r.status != 0 || r.out != "0\n" || r.err != "" {
			t.Errorf("%s: %v", name, r)
		}
	}
	refused := func(name string, c *exec.Cmd) {
		t.Helper()
		r := runCmd(t, c)
		if r.status != 99 || r.out != "" || !oneCleanLine(r.err) || !strings.Contains(r.err, " may not call ironwrap: neither allow_users nor allow_groups in "+in.conf+" names them") {
			t.Errorf("%s: %v", name, r)
		}
	}

	named("allow_users=root, " + caller.name)
	allowed("named", in.called(in.conf, "id", "-u"))
	refused("not named", in.as(nobody, nobody, nil, in.conf, "id", "-u"))
	refused("a uid without a name", in.as(60123, 60123, nil, in.conf, "id", "-u"))
	liar := in.as(nobody, nobody, nil, in.conf, "id", "-u")
	liar.Env = append(liar.Env, "USER="+caller.name, "LOGNAME="+caller.name, "SUDO_USER="+caller.name, fmt.Sprint("SUDO_UID=", caller.uid), "UID=0", "HOME=/root")
	refused("named by the environment", liar)
	in.recorded(t, "nobody may not call", "ruid=65534 sudo_uid=-")

	// The real user counts, not the effective one of some setuid program before us.
	setpriv := func(args ...string) *exec.Cmd {
		return exec.Command("/usr/bin/setpriv", append(args, in.program, in.conf, "id", "-u")...)
	}
	refused("the effective user", setpriv("--ruid=65534", fmt.Sprint("--euid=", caller.uid), "--regid=65534", "--clear-groups"))
	allowed("the real user", setpriv(fmt.Sprint("--ruid=", caller.uid), "--euid=65534", "--regid=65534", "--clear-groups"))

	named("allow_groups=games")
	refused("not of the group", in.called(in.conf, "id", "-u"))
	allowed("by a supplementary group", in.as(nobody, nobody, []uint32{4, games}, in.conf, "id", "-u"))
	allowed("by the primary group", in.as(nobody, games, nil, in.conf, "id", "-u"))
	refused("by the effective group", setpriv("--reuid=65534", "--rgid=65534", "--egid=60", "--clear-groups"))

	named("allow_users=" + strconv.Itoa(nobody) + "\nallow_groups=" + strconv.Itoa(nobody))
	refused("by number", in.as(nobody, nobody, nil, in.conf, "id", "-u"))
	named("")
	refused("nobody is named", in.called(in.conf, "id", "-u"))
	if r := run(t, in.program, in.conf, "id", "-u"); r.status != 0 || r.out != "0\n" {
		t.Errorf("root: %v", r)
	}
}

// The configuration lies below the directory that was fixed when the program was
// built, and every directory above it is root's.
func TestSetuidConfiguration(t *testing.T) {
	in := setuidInstallation(t, "id: CommandFilter, id, root", "allow_users="+caller.name)
	home := "/var/lib/" + caller.name
	own := home + "/rootwrap.conf"
	write(t, own, "[DEFAULT]\nfilters_path="+in.dir+"/filters.d\nallow_users="+caller.name+"\n")
	defer os.Remove(own)
	for _, path := range []string{
		own, "rootwrap.conf", "./rootwrap.conf", in.dir + "/../" + caller.name + "/rootwrap.conf", in.dir + "/./rootwrap.conf", "/" + in.conf,
		in.conf + "/", in.dir, in.dir + "/", in.dir + "-evil/x", "/proc/self/cwd/rootwrap.conf", "/proc/self/root" + in.conf, "", "/", "-", "--config", strings.Repeat("/x", 3000),
	} {
		c := in.called(path, "id", "-u")
		c.Dir = home
		if r := runCmd(t, c); r.status != 97 || r.out != "" || !oneCleanLine(r.err) || !strings.Contains(r.err, "not in "+in.dir+", where the configuration must lie when ironwrap is setuid") {
			t.Errorf("%.60q: %v", path, r)
		}
	}

	// Root may name any: nobody who could call root is fooled by that.
	if r := run(t, in.program, own, "id", "-u"); r.status != 0 || r.out != "0\n" {
		t.Errorf("root, another configuration: %v", r)
	}

	// Ancestors are strict, for filters too.
	elsewhere := home + "/filters.d"
	write(t, elsewhere+"/x.filters", "[Filters]\nid: CommandFilter, id, root\n")
	defer os.RemoveAll(elsewhere)
	for name, f := range map[string]func(){
		"directory of the caller's":     func() { os.Chown(in.dir, int(caller.uid), -1) },
		"configuration of the caller's": func() { os.Chown(in.conf, int(caller.uid), -1) },
		"writable by all":               func() { os.Chmod(in.conf, 0o666) },
		"filters below the caller's":    func() { write(t, in.conf, "[DEFAULT]\nfilters_path="+elsewhere+"\nallow_users="+caller.name+"\n") },
	} {
		before := must(os.ReadFile(in.conf))
		f()
		in.neutral(t, name)
		os.Chown(in.dir, 0, 0)
		os.Remove(in.conf)
		write(t, in.conf, string(before))
	}
	if r := runCmd(t, in.called(in.conf, "id", "-u")); r.status != 0 || r.out != "0\n" {
		t.Errorf("put right again: %v", r)
	}
}

// neutral checks that a call is refused in words that tell nothing of why.
func (in *installation) neutral(t *testing.T, name string) {
	t.Helper()
	want := "iw-rootwrap: Incorrect configuration file: " + in.conf + " cannot be used; the system log says why\n"
	if r := runCmd(t, in.called(in.conf, "id", "-u")); r.status != 97 || r.out != "" || r.err != want {
		t.Errorf("%s: %v", name, r)
	}
}

// Who may call is not known of a configuration that cannot be read: nobody but
// root learns what is wrong, nor what there is.
func TestSetuidDiscretion(t *testing.T) {
	in := setuidInstallation(t, "id: CommandFilter, id, root", "allow_users="+caller.name)
	secret := in.dir + "/secret"
	write(t, secret+"/there.conf", "[DEFAULT]\nhush = hush\n")
	os.Chmod(secret, 0o700)
	said := map[string]bool{}
	for _, path := range []string{secret + "/there.conf", secret + "/missing.conf", secret + "/there.conf/x", secret} {
		r := runCmd(t, in.called(path, "id"))
		said[strings.ReplaceAll(r.err, path, "PATH")] = true
		if r.status != 97 || strings.Contains(r.err, "hush") || strings.Contains(r.err, "no such file") {
			t.Errorf("%s: %v", path, r)
		}
	}
	if len(said) != 1 {
		t.Errorf("what is there can be told from what is not: %v", said)
	}

	write(t, in.filters, "[Filters]\nid: CommandFilter, id, root\n[Sandbox:id]\nsecret_key = yes\n")
	in.neutral(t, "a bad section")
	in.recorded(t, "<83>iw-rootwrap[", in.filters, "secret_key", fmt.Sprint("ruid=", caller.uid))
	if r := run(t, in.program, in.conf, "id"); r.status != 97 || !strings.Contains(r.err, "secret_key") {
		t.Errorf("root: %v", r)
	}
}

// Where the set-user-id bit has no effect the message says why, and each reason
// has its own.
func TestSetuidWithoutEffect(t *testing.T) {
	in := setuidInstallation(t, "id: CommandFilter, id, root", "allow_users="+caller.name)
	need(t, "strace", "/usr/bin/strace")
	copyTo := func(path string, uid int, mode os.FileMode) {
		t.Helper()
		if r := run(t, "/usr/bin/cp", in.program, path); r.status != 0 {
			t.Fatalf("%v", r)
		}
		if err := os.Chown(path, uid, -1); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	copyTo(in.dir+"/bin/plain", 0, 0o755)
	copyTo(in.dir+"/bin/nobodys", 65534, os.ModeSetuid|0o755)
	become := fmt.Sprintf("/usr/bin/setpriv --reuid=%d --regid=%d --clear-groups ", caller.uid, caller.gid)
	for name, c := range map[string]struct{ argv, euid, want string }{
		"no_new_privs":             {become + "--no-new-privs " + in.program, "", "no_new_privs is set, so that neither setuid programs nor sudo have any effect: take NoNewPrivileges= out of the service's unit"},
		"no_new_privs, not setuid": {become + "--no-new-privs " + in.dir + "/bin/plain", "", "no_new_privs is set, so that neither setuid programs nor sudo have any effect: take NoNewPrivileges= out of the service's unit"},
		"not setuid":               {become + in.dir + "/bin/plain", "", "call it through sudo, or install it setuid root"},
		"another owner":            {become + in.dir + "/bin/nobodys", "65534", "it is setuid, but owned by uid 65534 here: chown it to root and set the bit again, or call it outside of user namespaces"},
		"nosuid": {"/usr/bin/unshare --mount --propagation private /bin/sh -c 'mount --bind " + in.dir + "/bin " + in.dir + "/bin && mount -o remount,bind,nosuid " + in.dir + "/bin && exec " + become + `"$@"' sh ` + in.program, "",
			"it is setuid root, but on a nosuid mount: install it elsewhere, or mount without nosuid"},
		"user namespace": {become + "/usr/bin/unshare --user " + in.program, "65534", "it is setuid, but owned by uid 65534 here: chown it to root and set the bit again, or call it outside of user namespaces"},
		"traced":         {become + "/usr/bin/strace -qq -o /dev/null " + in.program, "", "it is setuid root, but the kernel paid no heed: it is being traced, or was called in a user namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, "/bin/sh", "-c", c.argv+" "+in.conf+" id")
			if name == "user namespace" && strings.HasPrefix(r.err, "unshare: ") {
				t.Skipf("no user namespaces for users here: that one makes no root was not checked: %v", r)
			}
			euid := c.euid
			if euid == "" {
				euid = fmt.Sprint(caller.uid)
			}
			want := ": not run as root but as uid " + euid + ": " + c.want + "\n"
			if r.status != 97 || r.out != "" || !strings.HasSuffix(r.err, want) {
				t.Errorf("%v, not %q", r, want)
			}
		})
	}

	// Root of a user namespace is root of nothing: what root has written is not
	// root's there.
	r := run(t, "/bin/sh", "-c", become+"/usr/bin/unshare --user --map-root-user "+in.program+" "+in.conf+" id")
	if r.status != 97 && !strings.HasPrefix(r.err, "unshare: ") || r.out != "" {
		t.Errorf("root of a user namespace: %v", r)
	}
}

// argv[0] is the caller's: it names the program in messages and records, as text.
func TestSetuidNames(t *testing.T) {
	in := setuidInstallation(t, "id: CommandFilter, id, root", "allow_users="+caller.name)
	for name, c := range map[string]struct {
		script string
		status int
	}{
		"argc 0":            {"execve(args[0], [], [b'A=%n'])", 98},
		"argc 0, environ":   {"execve(args[0], [], [args[1], b'id', b'-u', b'PATH=GCONV_PATH=.'])", 98},
		"empty":             {"execve(args[0], [b'', args[1], b'id', b'-u'], [])", 0},
		"format":            {"execve(args[0], [b'%n%s%x', args[1], b'bash'], [])", 99},
		"escapes":           {"execve(args[0], [b'\\x1b[2J\\nroot: forged', args[1], b'bash'], [])", 99},
		"64 kB":             {"execve(args[0], [b'x' * 65536, args[1], b'bash'], [])", 99},
		"a directory":       {"execve(args[0], [b'/', args[1], b'bash'], [])", 99},
		"a lookalike":       {"execve(args[0], [b'sudo', args[1], b'bash'], [])", 99},
		"a daemon's name":   {"execve(args[0], [b'neutron-rootwrap-daemon', args[1], b'bash'], [])", 99},
		"only a name":       {"execve(args[0], [args[0]], [])", 98},
		"empty words":       {"execve(args[0], [args[0], args[1], b''], [])", 99},
		"2 MB of arguments": {"execve(args[0], [args[0], args[1]] + [b'\\\\' * 100000] * 20, [])", 99},
	} {
		t.Run(name, func(t *testing.T) {
			r := runCmd(t, in.attack(t, c.script+"\n", in.conf))
			if r.status != c.status || c.status == 0 && r.out != "0\n" || c.status != 0 && (r.out != "" || !oneCleanLine(r.err)) {
				t.Errorf("status %d, output %.200q, error %.200q", r.status, r.out, r.err)
			}
		})
	}
}

// What the Go runtime and libraries read of the environment before any code of
// ours, or might read after it: nothing of it reaches the command, nor anything
// that it could lead to.
func TestSetuidEnvironment(t *testing.T) {
	in := setuidInstallation(t, "env: CommandFilter, env, root\nid: CommandFilter, id, root", "allow_users="+caller.name, "env_keep=LC_TIME")
	fifo := "/var/lib/" + caller.name + "/tz"
	if err := syscall.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(fifo)
	want := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=" + shellOf(t, "root"), "LC_TIME=C"}
	for _, hostile := range [][]string{
		{"TZ=" + fifo}, {"TZ=:/etc/shadow"}, {"TZDIR=" + fifo, "ZONEINFO=" + fifo},
		{"GODEBUG=gctrace=1,inittrace=1,schedtrace=1,clobberfree=1"}, {"GOGC=1", "GOMEMLIMIT=1"}, {"GOMAXPROCS=1"}, {"GOTRACEBACK=crash"}, {"GOCOVERDIR=/var/lib/" + caller.name},
		{"LD_PRELOAD=/nonexistent.so", "LD_AUDIT=/nonexistent.so", "LD_LIBRARY_PATH=/tmp", "LD_DEBUG=all", "GLIBC_TUNABLES=glibc.malloc.mxfast=0"},
		{"PATH=/var/lib/" + caller.name, "IFS=/", "ENV=" + fifo, "BASH_ENV=" + fifo, "BASH_FUNC_id%%=() { echo evil; }", "GCONV_PATH=.", "LOCPATH=/tmp"},
		{"USER=evil", "HOME=/tmp", "SHELL=/tmp/x", "=x", "novalue"},
		{"http_proxy=x", "SUDO_UID=0", "SUDO_USER=root", "SUDO_COMMAND=/bin/sh", "NOTIFY_SOCKET=/tmp/x", "LISTEN_FDS=1", "LISTEN_PID=1"},
	} {
		c := in.called(in.conf, "env")
		c.Env = append([]string{"LC_TIME=C"}, hostile...)
		r := runCmd(t, c)
		have := strings.Split(strings.TrimSpace(r.out), "\n")
		// The runtime's own trace is noise of the caller's own making.
		noise := r.err != "" && !strings.HasPrefix(hostile[0], "GODEBUG=")
		if r.status != 0 || !slices.Equal(have, want) || noise || r.elapsed > 20*time.Second {
			t.Errorf("%q: %v", hostile, r)
		}
	}
	// Of two values of a name the command gets the first, and no second (CVE-2010-1646).
	r := runCmd(t, in.attack(t, "execve(args[0], args, [b'LC_TIME=C', b'LC_TIME=evil', b'PATH=/a', b'PATH=/b', b'LC_TIME'])\n", in.conf, "env"))
	if have := strings.Split(strings.TrimSpace(r.out), "\n"); r.status != 0 || !slices.Equal(have, want) {
		t.Errorf("names twice: %v", r)
	}
}

func shellOf(t *testing.T, name string) string {
	t.Helper()
	r := run(t, "/usr/bin/getent", "passwd", name)
	return strings.TrimSpace(r.out[strings.LastIndexByte(r.out, ':')+1:])
}

// A limit of the caller's ends the call before the command, or is reset: the
// command does all of its work or none.
func TestSetuidLimits(t *testing.T) {
	in := setuidInstallation(t, "", "allow_users="+caller.name)
	work := in.dir + "/bin/work" // writes more than any of the limits lets pass
	write(t, work, "#!/bin/sh\numask 022\nexec 9>$1\nhead -c 300000 /dev/zero >&9 && echo done\n")
	os.Chmod(work, 0o755)
	write(t, in.filters, "[Filters]\nwork: CommandFilter, "+work+", root\n")
	output := in.dir + "/output"
	for _, limit := range []string{
		"AS, 50 << 20", "AS, 200 << 20", "DATA, 1 << 20", "STACK, 8192", "STACK, 65536", "NOFILE, 0", "NOFILE, 3", "NOFILE, 6", "FSIZE, 0", "FSIZE, 4096",
		"NPROC, 0", "NPROC, 1", "CORE, -1", "CPU, 1", "MEMLOCK, 0", "SIGPENDING, 0", "LOCKS, 0", "MSGQUEUE, 0",
	} {
		t.Run(limit, func(t *testing.T) {
			os.Remove(output)
			name, value, _ := strings.Cut(limit, ", ")
			r := runCmd(t, in.attack(t, "import resource\nl = "+value+"\nif l < 0: l = resource.getrlimit(resource.RLIMIT_"+name+")[1]\n"+
				"n = getattr(resource, 'RLIMIT_"+name+"', {'SIGPENDING': 11, 'LOCKS': 10, 'MSGQUEUE': 12}.get('"+name+"'))\n"+
				"resource.setrlimit(n, (l, l))\nexecve(args[0], args, [])\n", in.conf, work, output))
			st, err := os.Stat(output)
			switch {
			case os.IsNotExist(err):
				if r.status == 0 {
					t.Errorf("status 0, and nothing ran: %v", r)
				}
				if r.elapsed > 20*time.Second {
					t.Errorf("it took %v: %v", r.elapsed, r)
				}
			case err != nil:
				t.Fatal(err)
			case st.Size() != 300000 || r.status != 0 || r.out != "done\n":
				t.Errorf("%d bytes of 300000 were written: %v", st.Size(), r)
			}
		})
	}
}

// The run-as user's own RLIMIT_NPROC shows only at execve(2), after the ids have
// changed (setrlimit(2)). It is raised before, or nothing runs.
func TestSetuidProcesses(t *testing.T) {
	in := setuidInstallation(t, "id: CommandFilter, id, nobody", "allow_users="+caller.name)
	sleeper := exec.Command("/usr/bin/sleep", "60")
	sleeper.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleeper.Process.Kill(); sleeper.Wait() }()
	r := runCmd(t, in.attack(t, "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\nexecve(args[0], args, [])\n", in.conf, "id", "-u"))
	if _, set := bounding(t); set>>unix.CAP_SYS_RESOURCE&1 == 0 {
		if r.status != 97 || r.out != "" || !oneCleanLine(r.err) || !strings.Contains(r.err, "cannot reset the resource limits: RLIMIT_NPROC, which has the hard limit 0: ") {
			t.Errorf("%v", r)
		}
	} else if r.status != 0 || r.out != "65534\n" {
		t.Errorf("%v", r)
	}
}

// Whom the file belongs to that a command makes does not depend on the caller's
// groups, even where the program is setgid besides.
func TestSetuidFiles(t *testing.T) {
	in := setuidInstallation(t, "touch: CommandFilter, touch, root", "allow_users="+caller.name)
	for _, mode := range []os.FileMode{os.ModeSetuid | 0o755, os.ModeSetuid | os.ModeSetgid | 0o755, os.ModeSetuid | 0o4111} {
		if err := os.Chmod(in.program, mode); err != nil {
			t.Fatal(err)
		}
		path := in.dir + "/made"
		r := runCmd(t, in.as(caller.uid, caller.gid, []uint32{4, 60}, in.conf, "touch", path))
		st, err := os.Stat(path)
		if err != nil || r.status != 0 {
			t.Fatalf("%v: %v, %v", mode, err, r)
		}
		if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 0 || sys.Gid != 0 || st.Mode() != 0o644 {
			t.Errorf("%v: %d:%d %v", mode, sys.Uid, sys.Gid, st.Mode())
		}
		os.Remove(path)
	}
}

// slow makes getent one that takes its time about the user remote, and says so in
// {dir}/asked. Meanwhile the call is under way, between Begin and Enter.
func (in *installation) slow(t *testing.T) {
	t.Helper()
	getent := filepath.Join(in.dir, "bin", "getent")
	write(t, getent, "#!/bin/sh\n{ pwd; ls /proc/$$/fd; tr '\\0' '|' </proc/$$/environ; } >"+in.dir+"/context\nmv "+in.dir+"/context "+in.dir+"/asked\nsleep 4\nexit 2\n")
	if err := os.Chmod(getent, 0o755); err != nil {
		t.Fatal(err)
	}
}

// While a call is under way its caller, whose process it was, has no hold of it:
// no signal, no trace, no limit, no look into its memory or descriptors.
func TestSetuidOutOfHands(t *testing.T) {
	in := setuidInstallation(t, "id: CommandFilter, id, root", "allow_users=remote, "+caller.name)
	in.slow(t)
	const script = `
import errno, resource, time
extra = os.open(b'/proc/self/status', os.O_RDONLY)
os.dup2(extra, 9)
os.set_inheritable(9, True)
child = os.fork()
if child == 0:
    execve(args[0], args[:3] + [b'-u'], [b'SECRET=' + b's' * 20])
while not os.path.exists(args[3]): time.sleep(0.01)
def tried(name, f, *a):
    try:
        r = f(*a)
        print(name, 'succeeded', r)
    except OSError as e:
        if e.errno not in (errno.EPERM, errno.EACCES): print(name, e)
def call(*a):
    ctypes.set_errno(0)
    if libc.syscall(*[ctypes.c_long(x) for x in a]) < 0:
        raise OSError(ctypes.get_errno(), 'x')
for s in range(1, 65):
    if s not in (18, 32, 33): tried('signal %d' % s, os.kill, child, s)
proc = '/proc/%d/' % child
for name in 'environ', 'mem', 'maps', 'auxv', 'io', 'syscall', 'stack', 'personality', 'pagemap': tried(name, lambda: open(proc + name).read(1))
for name in 'exe', 'cwd', 'root': tried(name, os.readlink, proc + name)
for name in 'fd', 'fdinfo', 'map_files', 'ns': tried(name, lambda: [os.readlink(proc + name + '/' + x) for x in os.listdir(proc + name)])
for name in 'oom_score_adj', 'coredump_filter', 'clear_refs', 'comm', 'loginuid', 'timerslack_ns': tried('write ' + name, lambda: os.write(os.open(proc + name, os.O_WRONLY), b'1'))
tried('PTRACE_ATTACH', call, 101, 16, child, 0, 0)
tried('PTRACE_SEIZE', call, 101, 0x4206, child, 0, 0)
tried('prlimit', resource.prlimit, child, resource.RLIMIT_NOFILE, (3, 3))
tried('setpriority', os.setpriority, os.PRIO_PROCESS, child, 19)
tried('affinity', os.sched_setaffinity, child, [0])
tried('scheduler', os.sched_setscheduler, child, os.SCHED_IDLE, os.sched_param(0))
tried('ioprio_set', call, 251, 1, child, 3 << 13)
tried('setpgid', os.setpgid, child, child)
pidfd = os.pidfd_open(child)
tried('pidfd_getfd', call, 438, pidfd, 1, 0)
tried('pidfd_send_signal', call, 424, pidfd, 19, 0, 0)
tried('process_madvise', call, 440, pidfd, 0, 0, 21, 0)
tried('migrate_pages', call, 256, child, 64, 0, 0)
tried('kcmp', call, 312, child, os.getpid(), 0, 0, 0)
_, status = os.waitpid(child, 0)
print('ended with', os.waitstatus_to_exitcode(status))
`
	r := runCmd(t, in.attack(t, script, in.conf, "id", in.dir+"/asked"))
	if r.out != "0\nended with 0\n" || r.err != "" {
		t.Errorf("%v", r)
	}
	// Nor did the program that was asked have anything of the caller's.
	have := strings.Split(strings.TrimSpace(string(must(os.ReadFile(in.dir+"/asked")))), "\n")
	own := []string{"10", "11"} // where the shell keeps its script
	have = slices.DeleteFunc(have, func(s string) bool { return slices.Contains(own, s) })
	if !slices.Equal(have, []string{"/", "0", "1", "2"}) {
		t.Errorf("getent had %q", have)
	}
}

// A key that kills at the terminal kills without telling what was in memory.
func TestSetuidQuit(t *testing.T) {
	in := setuidInstallation(t, "id: CommandFilter, id, root", "allow_users=remote")
	in.slow(t)
	master, slave := terminal(t)
	defer master.Close()
	c := in.called(in.conf, "id", "secret-argument")
	c.Env = append(c.Env, "GOTRACEBACK=crash")
	var out bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = slave, &out, &out
	c.SysProcAttr.Setsid, c.SysProcAttr.Setctty = true, true
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(in.dir + "/asked"); err == nil {
			break
		}
	}
	if _, err := io.WriteString(master, "\x1c"); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	slave.Close()
	said := out.String()
	for _, secret := range []string{"goroutine ", "rip ", "secret", in.dir, ".go:"} {
		if strings.Contains(said, secret) {
			t.Errorf("it tells %q: %s", secret, said)
		}
	}
	if ws := c.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGQUIT || ws.CoreDump() || said != "" {
		t.Errorf("%v: %q", c.ProcessState, said)
	}
}
