package oneshot

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
)

// recorded waits until the log has a record with all parts.
func recorded(in *rig.Installation, t *testing.T, parts ...string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		in.Guard.Lock()
		found := slices.ContainsFunc(in.Records, func(r string) bool {
			return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(r, p) })
		})
		in.Guard.Unlock()
		if found {
			return
		}
	}
	in.Guard.Lock()
	defer in.Guard.Unlock()
	t.Errorf("no record with %q: %q", parts, in.Records)
}

// What runs as root before the command leaves no core file, whatever a caller's limit says
// (CVE-2006-2451), and none in a directory of theirs. The process that reads the policy is
// in TestReadingOfStranger.
func TestSetuidGetentLeavesNoCore(t *testing.T) {
	in := rig.SetuidInstallation(t, "true: CommandFilter, true, root", "allow_users=remote")
	rig.Write(t, in.Dir+"/bin/getent", "#!/bin/sh\n{ ulimit -c; pwd; } >"+in.Dir+"/asked\nexit 2\n")
	if err := os.Chmod(in.Dir+"/bin/getent", 0o755); err != nil {
		t.Fatal(err)
	}
	c := in.Attack(t, "import resource\nlimit = resource.getrlimit(resource.RLIMIT_CORE)[1]\nassert limit\nresource.setrlimit(resource.RLIMIT_CORE, (limit, limit))\nexecve(args[0], args, [])", in.Conf, "true")
	if r := rig.RunCmd(t, c); r.Status != 99 {
		t.Error(r)
	}
	if got := rig.ReadFile(t, in.Dir+"/asked"); got != "0\n/\n" {
		t.Errorf("getent may leave a core file of so many blocks, in: %q", got)
	}
}

// Who may call: the real user and their groups, as the kernel says, by the names
// that the user database gives them.
func TestSetuidCallers(t *testing.T) {
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, root")
	const nobody, games = 65534, 60
	named := func(lines string) {
		text := "[DEFAULT]\nfilters_path=" + in.Dir + "/filters.d\nuse_syslog=True\n" + lines + "\n"
		rig.Write(t, in.Conf, text)
	}
	allowed := func(name string, c *exec.Cmd) {
		t.Helper()
		if r := rig.RunCmd(t, c); r.Status != 0 || r.Out != "0\n" || r.Err != "" {
			t.Errorf("%s: %v", name, r)
		}
	}
	refused := func(name string, c *exec.Cmd) {
		t.Helper()
		r := rig.RunCmd(t, c)
		if r.Status != 99 || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, " may not call ironwrap: neither allow_users nor allow_groups in "+in.Conf+" names them") {
			t.Errorf("%s: %v", name, r)
		}
	}

	named("allow_users=root, " + rig.Caller.Name)
	allowed("named", in.Called(in.Conf, "id", "-u"))
	refused("not named", in.As(nobody, nobody, nil, in.Conf, "id", "-u"))
	refused("a uid without a name", in.As(60123, 60123, nil, in.Conf, "id", "-u"))
	liar := in.As(nobody, nobody, nil, in.Conf, "id", "-u")
	liar.Env = append(liar.Env, "USER="+rig.Caller.Name, "LOGNAME="+rig.Caller.Name, "SUDO_USER="+rig.Caller.Name, fmt.Sprint("SUDO_UID=", rig.Caller.UID), "UID=0", "HOME=/root")
	refused("named by the environment", liar)
	recorded(in, t, "nobody may not call", "ruid=65534 sudo_uid=-")

	// The real user counts, not the effective one of some setuid program before us.
	setpriv := func(args ...string) *exec.Cmd {
		return exec.Command("/usr/bin/setpriv", append(args, in.Program, in.Conf, "id", "-u")...)
	}
	refused("the effective user", setpriv("--ruid=65534", fmt.Sprint("--euid=", rig.Caller.UID), "--regid=65534", "--clear-groups"))
	allowed("the real user", setpriv(fmt.Sprint("--ruid=", rig.Caller.UID), "--euid=65534", "--regid=65534", "--clear-groups"))

	named("allow_groups=games")
	refused("not of the group", in.Called(in.Conf, "id", "-u"))
	allowed("by a supplementary group", in.As(nobody, nobody, []uint32{4, games}, in.Conf, "id", "-u"))
	allowed("by the primary group", in.As(nobody, games, nil, in.Conf, "id", "-u"))
	refused("by the effective group", setpriv("--reuid=65534", "--rgid=65534", "--egid=60", "--clear-groups"))

	named("allow_users=" + strconv.Itoa(nobody) + "\nallow_groups=" + strconv.Itoa(nobody))
	refused("by number", in.As(nobody, nobody, nil, in.Conf, "id", "-u"))
	named("")
	refused("nobody is named", in.Called(in.Conf, "id", "-u"))
	if r := rig.Run(t, in.Program, in.Conf, "id", "-u"); r.Status != 0 || r.Out != "0\n" {
		t.Errorf("root: %v", r)
	}
}

// The configuration lies below the directory that was fixed when the program was
// built, and every directory above it is root's.
func TestSetuidConfiguration(t *testing.T) {
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, root", "allow_users="+rig.Caller.Name)
	home := "/var/lib/" + rig.Caller.Name
	own := home + "/rootwrap.conf"
	rig.Write(t, own, "[DEFAULT]\nfilters_path="+in.Dir+"/filters.d\nallow_users="+rig.Caller.Name+"\n")
	defer os.Remove(own)
	for _, path := range []string{
		own, "rootwrap.conf", "./rootwrap.conf", in.Dir + "/../" + rig.Caller.Name + "/rootwrap.conf", in.Dir + "/./rootwrap.conf", "/" + in.Conf,
		in.Conf + "/", in.Dir, in.Dir + "/", in.Dir + "-evil/x", "/proc/self/cwd/rootwrap.conf", "/proc/self/root" + in.Conf, "", "/", "-", "--config", strings.Repeat("/x", 3000),
	} {
		c := in.Called(path, "id", "-u")
		c.Dir = home
		if r := rig.RunCmd(t, c); r.Status != 97 || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, "not in "+in.Dir+", where the configuration must lie when ironwrap is setuid") {
			t.Errorf("%.60q: %v", path, r)
		}
	}

	// Root may name any: nobody who could call root is fooled by that.
	if r := rig.Run(t, in.Program, own, "id", "-u"); r.Status != 0 || r.Out != "0\n" {
		t.Errorf("root, another configuration: %v", r)
	}

	// Ancestors are strict, for filters too.
	elsewhere := home + "/filters.d"
	rig.Write(t, elsewhere+"/x.filters", "[Filters]\nid: CommandFilter, id, root\n")
	defer os.RemoveAll(elsewhere)
	for name, f := range map[string]func(){
		"directory of the caller's":     func() { os.Chown(in.Dir, int(rig.Caller.UID), -1) },
		"configuration of the caller's": func() { os.Chown(in.Conf, int(rig.Caller.UID), -1) },
		"writable by all":               func() { os.Chmod(in.Conf, 0o666) },
		"filters below the caller's": func() {
			rig.Write(t, in.Conf, "[DEFAULT]\nfilters_path="+elsewhere+"\nallow_users="+rig.Caller.Name+"\n")
		},
	} {
		before := rig.Must(os.ReadFile(in.Conf))
		f()
		neutral(in, t, name)
		os.Chown(in.Dir, 0, 0)
		os.Remove(in.Conf)
		rig.Write(t, in.Conf, string(before))
	}
	if r := rig.RunCmd(t, in.Called(in.Conf, "id", "-u")); r.Status != 0 || r.Out != "0\n" {
		t.Errorf("put right again: %v", r)
	}
}

// neutral checks that a call is refused in words that tell nothing of why.
func neutral(in *rig.Installation, t *testing.T, name string) {
	t.Helper()
	want := "iw-rootwrap: Incorrect configuration file: " + in.Conf + " cannot be used; the system log says why\n"
	if r := rig.RunCmd(t, in.Called(in.Conf, "id", "-u")); r.Status != 97 || r.Out != "" || r.Err != want {
		t.Errorf("%s: %v", name, r)
	}
}

// Who may call is not known of a configuration that cannot be read: nobody but
// root learns what is wrong, nor what there is.
func TestSetuidDiscretion(t *testing.T) {
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, root", "allow_users="+rig.Caller.Name)
	secret := in.Dir + "/secret"
	rig.Write(t, secret+"/there.conf", "[DEFAULT]\nhush = hush\n")
	os.Chmod(secret, 0o700)
	said := map[string]bool{}
	for _, path := range []string{secret + "/there.conf", secret + "/missing.conf", secret + "/there.conf/x", secret} {
		r := rig.RunCmd(t, in.Called(path, "id"))
		said[strings.ReplaceAll(r.Err, path, "PATH")] = true
		if r.Status != 97 || strings.Contains(r.Err, "hush") || strings.Contains(r.Err, "no such file") {
			t.Errorf("%s: %v", path, r)
		}
	}
	if len(said) != 1 {
		t.Errorf("what is there can be told from what is not: %v", said)
	}

	rig.Write(t, in.Filters, "[Filters]\nid: CommandFilter, id, root\n[Sandbox:id]\nsecret_key = yes\n")
	neutral(in, t, "a bad section")
	recorded(in, t, "<83>iw-rootwrap[", in.Filters, "secret_key", fmt.Sprint("ruid=", rig.Caller.UID))
	if r := rig.Run(t, in.Program, in.Conf, "id"); r.Status != 97 || !strings.Contains(r.Err, "secret_key") {
		t.Errorf("root: %v", r)
	}
}

// Where the set-user-id bit has no effect the message says why, and each reason
// has its own.
func TestSetuidWithoutEffect(t *testing.T) {
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, root", "allow_users="+rig.Caller.Name)
	rig.Need(t, "strace", "/usr/bin/strace")
	copyTo := func(path string, uid int, mode os.FileMode) {
		t.Helper()
		if r := rig.Run(t, "/usr/bin/cp", in.Program, path); r.Status != 0 {
			t.Fatalf("%v", r)
		}
		if err := os.Chown(path, uid, -1); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	copyTo(in.Dir+"/bin/plain", 0, 0o755)
	copyTo(in.Dir+"/bin/nobodys", 65534, os.ModeSetuid|0o755)
	become := fmt.Sprintf("/usr/bin/setpriv --reuid=%d --regid=%d --clear-groups ", rig.Caller.UID, rig.Caller.GID)
	for name, c := range map[string]struct{ argv, euid, want string }{
		"no_new_privs":             {become + "--no-new-privs " + in.Program, "", "no_new_privs is set, so that neither setuid programs nor sudo have any effect: take NoNewPrivileges= out of the service's unit"},
		"no_new_privs, not setuid": {become + "--no-new-privs " + in.Dir + "/bin/plain", "", "no_new_privs is set, so that neither setuid programs nor sudo have any effect: take NoNewPrivileges= out of the service's unit"},
		"not setuid":               {become + in.Dir + "/bin/plain", "", "call it through sudo, or install it setuid root"},
		"another owner":            {become + in.Dir + "/bin/nobodys", "65534", "it is setuid, but owned by uid 65534 here: chown it to root and set the bit again, or call it outside of user namespaces"},
		"nosuid": {"/usr/bin/unshare --mount --propagation private /bin/sh -c 'mount --bind " + in.Dir + "/bin " + in.Dir + "/bin && mount -o remount,bind,nosuid " + in.Dir + "/bin && exec " + become + `"$@"' sh ` + in.Program, "",
			"it is setuid root, but on a nosuid mount: install it elsewhere, or mount without nosuid"},
		"user namespace": {become + "/usr/bin/unshare --user " + in.Program, "65534", "it is setuid, but owned by uid 65534 here: chown it to root and set the bit again, or call it outside of user namespaces"},
		"traced":         {become + "/usr/bin/strace -qq -o /dev/null " + in.Program, "", "it is setuid root, but the kernel paid no heed: it is being traced, or was called in a user namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.Run(t, "/bin/sh", "-c", c.argv+" "+in.Conf+" id")
			if name == "user namespace" && strings.HasPrefix(r.Err, "unshare: ") {
				t.Skipf("no user namespaces for users here: that one makes no root was not checked: %v", r)
			}
			euid := c.euid
			if euid == "" {
				euid = fmt.Sprint(rig.Caller.UID)
			}
			want := ": not run as root but as uid " + euid + ": " + c.want + "\n"
			if r.Status != 97 || r.Out != "" || !strings.HasSuffix(r.Err, want) {
				t.Errorf("%v, not %q", r, want)
			}
		})
	}

	// Root of a user namespace is root of nothing: what root has written is not
	// root's there.
	r := rig.Run(t, "/bin/sh", "-c", become+"/usr/bin/unshare --user --map-root-user "+in.Program+" "+in.Conf+" id")
	if r.Status != 97 && !strings.HasPrefix(r.Err, "unshare: ") || r.Out != "" {
		t.Errorf("root of a user namespace: %v", r)
	}
}

// argv[0] is the caller's: it names the program in messages and records, as text.
func TestSetuidNames(t *testing.T) {
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, root", "allow_users="+rig.Caller.Name)
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
			r := rig.RunCmd(t, in.Attack(t, c.script+"\n", in.Conf))
			if r.Status != c.status || c.status == 0 && r.Out != "0\n" || c.status != 0 && (r.Out != "" || !rig.OneCleanLine(r.Err)) {
				t.Errorf("status %d, output %.200q, error %.200q", r.Status, r.Out, r.Err)
			}
		})
	}
}

// What the Go runtime and libraries read of the environment before any code of
// ours, or might read after it: nothing of it reaches the command, nor anything
// that it could lead to.
func TestSetuidEnvironment(t *testing.T) {
	in := rig.SetuidInstallation(t, "env: CommandFilter, env, root\nid: CommandFilter, id, root", "allow_users="+rig.Caller.Name, "env_keep=LC_TIME")
	fifo := "/var/lib/" + rig.Caller.Name + "/tz"
	if err := syscall.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(fifo)
	want := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=" + shellOf(t, "root"), "LC_TIME=C"}
	for _, hostile := range [][]string{
		{"TZ=" + fifo}, {"TZ=:/etc/shadow"}, {"TZDIR=" + fifo, "ZONEINFO=" + fifo},
		{"GODEBUG=gctrace=1,inittrace=1,schedtrace=1,clobberfree=1"}, {"GOGC=1", "GOMEMLIMIT=1"}, {"GOMAXPROCS=1"}, {"GOTRACEBACK=crash"}, {"GOCOVERDIR=/var/lib/" + rig.Caller.Name},
		{"LD_PRELOAD=/nonexistent.so", "LD_AUDIT=/nonexistent.so", "LD_LIBRARY_PATH=/tmp", "LD_DEBUG=all", "GLIBC_TUNABLES=glibc.malloc.mxfast=0"},
		{"PATH=/var/lib/" + rig.Caller.Name, "IFS=/", "ENV=" + fifo, "BASH_ENV=" + fifo, "BASH_FUNC_id%%=() { echo evil; }", "GCONV_PATH=.", "LOCPATH=/tmp"},
		{"USER=evil", "HOME=/tmp", "SHELL=/tmp/x", "=x", "novalue"},
		{"http_proxy=x", "SUDO_UID=0", "SUDO_USER=root", "SUDO_COMMAND=/bin/sh", "NOTIFY_SOCKET=/tmp/x", "LISTEN_FDS=1", "LISTEN_PID=1"},
	} {
		c := in.Called(in.Conf, "env")
		c.Env = append([]string{"LC_TIME=C"}, hostile...)
		r := rig.RunCmd(t, c)
		have := strings.Split(strings.TrimSpace(r.Out), "\n")
		// The runtime's own trace is noise of the caller's own making.
		noise := r.Err != "" && !strings.HasPrefix(hostile[0], "GODEBUG=")
		if r.Status != 0 || !slices.Equal(have, want) || noise || r.Elapsed > 20*time.Second {
			t.Errorf("%q: %v", hostile, r)
		}
	}
	// Of two values of a name the command gets the first, and no second (CVE-2010-1646).
	r := rig.RunCmd(t, in.Attack(t, "execve(args[0], args, [b'LC_TIME=C', b'LC_TIME=evil', b'PATH=/a', b'PATH=/b', b'LC_TIME'])\n", in.Conf, "env"))
	if have := strings.Split(strings.TrimSpace(r.Out), "\n"); r.Status != 0 || !slices.Equal(have, want) {
		t.Errorf("names twice: %v", r)
	}
}

func shellOf(t *testing.T, name string) string {
	t.Helper()
	r := rig.Run(t, "/usr/bin/getent", "passwd", name)
	return strings.TrimSpace(r.Out[strings.LastIndexByte(r.Out, ':')+1:])
}

// A limit of the caller's ends the call before the command, or is reset: the
// command does all of its work or none.
func TestSetuidLimits(t *testing.T) {
	in := rig.SetuidInstallation(t, "", "allow_users="+rig.Caller.Name)
	work := in.Dir + "/bin/work" // writes more than any of the limits lets pass
	rig.Write(t, work, "#!/bin/sh\numask 022\nexec 9>$1\nhead -c 300000 /dev/zero >&9 && echo done\n")
	os.Chmod(work, 0o755)
	rig.Write(t, in.Filters, "[Filters]\nwork: CommandFilter, "+work+", root\n")
	output := in.Dir + "/output"
	for _, limit := range []string{
		"AS, 50 << 20", "AS, 200 << 20", "DATA, 1 << 20", "STACK, 8192", "STACK, 65536", "NOFILE, 0", "NOFILE, 3", "NOFILE, 6", "FSIZE, 0", "FSIZE, 4096",
		"NPROC, 0", "NPROC, 1", "CORE, -1", "CPU, 1", "MEMLOCK, 0", "SIGPENDING, 0", "LOCKS, 0", "MSGQUEUE, 0",
	} {
		t.Run(limit, func(t *testing.T) {
			os.Remove(output)
			name, value, _ := strings.Cut(limit, ", ")
			r := rig.RunCmd(t, in.Attack(t, "import resource\nl = "+value+"\nif l < 0: l = resource.getrlimit(resource.RLIMIT_"+name+")[1]\n"+
				"n = getattr(resource, 'RLIMIT_"+name+"', {'SIGPENDING': 11, 'LOCKS': 10, 'MSGQUEUE': 12}.get('"+name+"'))\n"+
				"resource.setrlimit(n, (l, l))\nexecve(args[0], args, [])\n", in.Conf, work, output))
			st, err := os.Stat(output)
			switch {
			case os.IsNotExist(err):
				if r.Status == 0 {
					t.Errorf("status 0, and nothing ran: %v", r)
				}
				if r.Elapsed > 20*time.Second {
					t.Errorf("it took %v: %v", r.Elapsed, r)
				}
			case err != nil:
				t.Fatal(err)
			case st.Size() != 300000 || r.Status != 0 || r.Out != "done\n":
				t.Errorf("%d bytes of 300000 were written: %v", st.Size(), r)
			}
		})
	}
}

// The run-as user's own RLIMIT_NPROC shows only at execve(2), after the ids have
// changed (setrlimit(2)). It is raised before, or nothing runs.
func TestSetuidProcesses(t *testing.T) {
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, nobody", "allow_users="+rig.Caller.Name)
	sleeper := exec.Command("/usr/bin/sleep", "60")
	sleeper.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleeper.Process.Kill(); sleeper.Wait() }()
	r := rig.RunCmd(t, in.Attack(t, "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\nexecve(args[0], args, [])\n", in.Conf, "id", "-u"))
	if _, set := rig.Bounding(t); set>>unix.CAP_SYS_RESOURCE&1 == 0 {
		if r.Status != 97 || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, "cannot reset the resource limits: RLIMIT_NPROC, which has the hard limit 0: ") {
			t.Errorf("%v", r)
		}
	} else if r.Status != 0 || r.Out != "65534\n" {
		t.Errorf("%v", r)
	}
}

// Whom the file belongs to that a command makes does not depend on the caller's
// groups, even where the program is setgid besides.
func TestSetuidFiles(t *testing.T) {
	in := rig.SetuidInstallation(t, "touch: CommandFilter, touch, root", "allow_users="+rig.Caller.Name)
	for _, mode := range []os.FileMode{os.ModeSetuid | 0o755, os.ModeSetuid | os.ModeSetgid | 0o755, os.ModeSetuid | 0o4111} {
		if err := os.Chmod(in.Program, mode); err != nil {
			t.Fatal(err)
		}
		path := in.Dir + "/made"
		r := rig.RunCmd(t, in.As(rig.Caller.UID, rig.Caller.GID, []uint32{4, 60}, in.Conf, "touch", path))
		st, err := os.Stat(path)
		if err != nil || r.Status != 0 {
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
func slow(in *rig.Installation, t *testing.T) {
	t.Helper()
	getent := filepath.Join(in.Dir, "bin", "getent")
	rig.Write(t, getent, "#!/bin/sh\n{ pwd; ls /proc/$$/fd; tr '\\0' '|' </proc/$$/environ; } >"+in.Dir+"/context\nmv "+in.Dir+"/context "+in.Dir+"/asked\nsleep 4\nexit 2\n")
	if err := os.Chmod(getent, 0o755); err != nil {
		t.Fatal(err)
	}
}

// While a call is under way its caller, whose process it was, has no hold of it:
// no signal, no trace, no limit, no look into its memory or descriptors.
func TestSetuidOutOfHands(t *testing.T) {
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, root", "allow_users=remote, "+rig.Caller.Name)
	slow(in, t)
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
	r := rig.RunCmd(t, in.Attack(t, script, in.Conf, "id", in.Dir+"/asked"))
	if r.Out != "0\nended with 0\n" || r.Err != "" {
		t.Errorf("%v", r)
	}
	// Nor did the program that was asked have anything of the caller's.
	have := strings.Split(strings.TrimSpace(string(rig.Must(os.ReadFile(in.Dir+"/asked")))), "\n")
	own := []string{"10", "11"} // where the shell keeps its script
	have = slices.DeleteFunc(have, func(s string) bool { return slices.Contains(own, s) })
	if !slices.Equal(have, []string{"/", "0", "1", "2"}) {
		t.Errorf("getent had %q", have)
	}
}

// A key that kills at the terminal kills without telling what was in memory.
func TestSetuidQuit(t *testing.T) {
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, root", "allow_users=remote")
	slow(in, t)
	master, slave := terminal(t)
	defer master.Close()
	c := in.Called(in.Conf, "id", "secret-argument")
	c.Env = append(c.Env, "GOTRACEBACK=crash")
	var out bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = slave, &out, &out
	c.SysProcAttr.Setsid, c.SysProcAttr.Setctty = true, true
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(in.Dir + "/asked"); err == nil {
			break
		}
	}
	if _, err := io.WriteString(master, "\x1c"); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	slave.Close()
	said := out.String()
	for _, secret := range []string{"goroutine ", "rip ", "secret", in.Dir, ".go:"} {
		if strings.Contains(said, secret) {
			t.Errorf("it tells %q: %s", secret, said)
		}
	}
	if ws := c.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGQUIT || ws.CoreDump() || said != "" {
		t.Errorf("%v: %q", c.ProcessState, said)
	}
}
