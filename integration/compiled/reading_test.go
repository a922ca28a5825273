package compiled

import (
	"fmt"
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
	"ironwrap/policy/compiled"
	"ironwrap/policy/store"
)

// The process that reads the files for a call, where nothing that holds is kept.

// It takes nothing of the machine that a call does without else.
func TestReadingInABareRoot(t *testing.T) {
	t.Parallel()
	p := rig.NewPolicy(t, rig.AllowTrue)
	for _, s := range rig.States {
		rig.Pin(t, p.Conf, s)
		for _, bare := range []string{"mount -t tmpfs none /dev", "mount -t tmpfs none /tmp; mount -t tmpfs none /run", "mount -o remount,ro,bind /"} {
			if r := rig.Run(t, "/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", bare+`; exec "$@"`, "sh", rig.Ours, p.Conf, "true"); r.Status != 0 || r.Err != "" {
				t.Errorf("%s, %s: %v", s, bare, r)
			}
		}
	}
}

// No limit of a caller's ends a call only because another process reads.
func TestReadingBelowLimits(t *testing.T) {
	t.Parallel()
	rig.NeedStore(t)
	in := rig.SetuidInstallation(t, "cat: CommandFilter, cat, nobody", "allow_users="+rig.Caller.Name)
	rig.Pin(t, in.Conf, rig.AsIs)
	options := []string{"--core=0:0", "--stack=65536:65536", "--stack=65536:unlimited", "--data=67108864:67108864", "--data=1048576:1048576", "--as=67108864:67108864",
		"--as=268435456:268435456", "--as=536870912:unlimited", "--cpu=1:1", "--cpu=1:unlimited", "--fsize=0:0", "--fsize=0:unlimited", "--nproc=0:0",
		"--nofile=3:3", "--nofile=64:64", "--sigpending=0:unlimited", "--nice=0:0", "--rtprio=0:0"}
	for _, c := range rig.LimitCases(t) {
		options = append(options, c.Option)
	}
	for _, option := range options {
		for way, call := range map[string]func() rig.Result{
			"root": func() rig.Result {
				return rig.Run(t, "/usr/bin/prlimit", option, in.Program, in.Conf, "cat", "/proc/self/limits")
			},
			"setuid": func() rig.Result {
				return rig.RunAs(t, rig.Caller, "/usr/bin/prlimit", option, in.Program, in.Conf, "cat", "/proc/self/limits")
			},
		} {
			rig.Put(in.Conf, rig.Kept, 0)
			other := call()
			rig.Put(in.Conf, rig.Unwritable, 0)
			starts := !strings.HasPrefix(other.Err, "fatal error: ") // the Go runtime may not
			if r := call(); starts && r.String() != other.String() || !starts && r.Status != other.Status {
				t.Errorf("%s, %s: %v; with a policy that is kept: %v", option, way, r, other)
			}
		}
	}
}

// large is a policy that takes a while to read.
func large(t *testing.T, p rig.Policy) {
	t.Helper()
	var b strings.Builder
	b.WriteString("[Filters]\n")
	for i := range 100_000 {
		fmt.Fprintf(&b, "f%d: RegExpFilter, x%d, root, x%d, [a-z]+%d.*\n", i, i, i, i)
	}
	rig.Write(t, p.Dir+"/filters.d/large.filters", b.String())
}

// held starts a call and stops the process that reads for it, in its midst. The test ends
// both.
func held(t *testing.T, c *exec.Cmd) (reader int) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		for _, pid := range rig.Children(c.Process.Pid) {
			if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); exe == rig.Ours+"-read" {
				time.Sleep(5 * time.Millisecond)
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
				rig.Until(t, "it is stopped", func() bool {
					text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
					return strings.Contains(string(text), "State:\tT")
				})
				return pid
			}
		}
	}
	t.Fatal("no process reads")
	return 0
}

// One process more that is root's, and started by a stranger's call: he can neither end it
// nor stop it, nor look into it, nor give it anything.
func TestReadingOfStranger(t *testing.T) {
	t.Parallel()
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, nobody", "allow_users="+rig.Caller.Name)
	large(t, in.Policy)
	rig.Pin(t, in.Conf, rig.Unwritable)
	rig.Put(in.Conf, rig.Unwritable, 0)
	call := in.Attack(t, "import resource\nlimit = resource.getrlimit(resource.RLIMIT_CORE)[1]\nresource.setrlimit(resource.RLIMIT_CORE, (limit, limit))\nos.mkdir('gone')\nos.chdir('gone')\nos.rmdir('../gone')\nos.open('/etc/passwd', os.O_RDONLY)\nos.set_inheritable(3, True)\n"+
		"execve(args[0], args, [b'GODEBUG=inittrace=1', b'LD_PRELOAD=/x', b'PATH=/x'])", in.Conf, "id", "-u")
	var out, errOut strings.Builder
	call.Stdout, call.Stderr = &out, &errOut
	reader := held(t, call)
	proc := fmt.Sprintf("/proc/%d/", reader)

	if env := rig.ReadFile(t, proc+"environ"); env != "" {
		t.Errorf("its environment is %q", env)
	}
	if argv := rig.ReadFile(t, proc+"cmdline"); argv != fmt.Sprintf("ironwrap-read\x00%s\x00%d\x00once\x00%s\x00", in.Conf, 4, compiled.Build) {
		t.Errorf("its arguments are %q", argv)
	}
	status := rig.Fields(rig.ReadFile(t, proc+"status"))
	if status["Uid"] != "0 0 0 0" || status["Gid"] != "0 0 0 0" || status["TracerPid"] != "0" {
		t.Errorf("%v", status)
	}
	if dir, err := os.Readlink(proc + "cwd"); err != nil || dir != "/" {
		t.Errorf("it is in %s: %v", dir, err)
	}
	if sid, err := unix.Getsid(reader); err != nil || sid != reader {
		t.Errorf("it is in session %d: %v", sid, err)
	}
	if limits := rig.ReadFile(t, proc+"limits"); !strings.Contains(strings.Join(strings.Fields(limits), " "), "Max core file size 0 ") {
		t.Errorf("it may leave a core file: %s", limits)
	}
	// What it opens itself is closed on execve(2), what it was given is not.
	for _, fd := range rig.Must(os.ReadDir(proc + "fd")) {
		to, _ := os.Readlink(proc + "fd/" + fd.Name())
		flags, err := strconv.ParseUint(rig.Fields(rig.ReadFile(t, proc+"fdinfo/"+fd.Name()))["flags"], 8, 32)
		if err != nil {
			t.Fatal(err)
		}
		standard := fd.Name() == "0" || fd.Name() == "1" || fd.Name() == "2"
		if standard && !strings.HasPrefix(to, "pipe:") || !standard && flags&unix.O_CLOEXEC == 0 {
			t.Errorf("descriptor %s leads to %s", fd.Name(), to)
		}
	}

	tried := rig.RunAs(t, rig.Caller, "/usr/bin/python3", "-I", "-S", "-c", `
import ctypes, os, resource, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def c(name, *a):
    ctypes.set_errno(0)
    if getattr(libc, name)(*a) != -1: print('could', name, *a)
def attempt(f, *a):
    try:
        f(*a)
        print('could', f.__name__, *a)
    except (PermissionError, FileNotFoundError): pass
for s in 0, 1, 2, 3, 9, 10, 14, 15, 19, 20: attempt(os.kill, pid, s)
for request in 16, 0x4206: c('ptrace', request, pid, 0, 0)
for name in 'mem', 'environ', 'maps', 'auxv', 'syscall', 'stack', 'oom_score_adj': attempt(open, '/proc/%d/%s' % (pid, name), 'r' if name != 'oom_score_adj' else 'w')
for name in 'fd', 'map_files': attempt(os.listdir, '/proc/%d/%s' % (pid, name))
for name in 'exe', 'cwd', 'root', 'ns/mnt': attempt(os.readlink, '/proc/%d/%s' % (pid, name))
attempt(resource.prlimit, pid, resource.RLIMIT_CPU, (1, 1))
attempt(os.setpriority, os.PRIO_PROCESS, pid, 19)
attempt(os.sched_setaffinity, pid, [0])
attempt(os.sched_setscheduler, pid, os.SCHED_IDLE, os.sched_param(0))
buf = ctypes.create_string_buffer(8)
`, fmt.Sprint(reader))
	if tried.Status != 0 || tried.Out != "" || tried.Err != "" {
		t.Errorf("%v", tried)
	}
	if err := syscall.Kill(reader, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := call.Wait(); err != nil || out.String() != "65534\n" {
		t.Errorf("%v, %q, %q", err, out.String(), errOut.String())
	}
	if info, err := os.Lstat(store.Path(in.Conf)); rig.Keeping && (err != nil || !info.IsDir()) {
		t.Errorf("something was kept: %v, %v", info, err)
	}
}

// Whatever ends one of the two ends the call, and nothing is left of the other.
func TestReadingEnds(t *testing.T) {
	t.Parallel()
	p := rig.NewPolicy(t, "touch: CommandFilter, touch, root")
	large(t, p)
	rig.Pin(t, p.Conf, rig.Absent)
	for name, c := range map[string]struct {
		do     func(call, reader int)
		says   string // "": the call dies of a signal
		within time.Duration
	}{
		"the reader is killed":  {func(_, reader int) { syscall.Kill(reader, syscall.SIGKILL) }, "ironwrap-read was killed by signal 9 while it read " + p.Conf, 0},
		"the call is killed":    {func(call, _ int) { syscall.Kill(call, syscall.SIGKILL) }, "", 0},
		"the call is ended":     {func(call, _ int) { syscall.Kill(call, syscall.SIGTERM) }, "", 0},
		"^C":                    {func(call, _ int) { syscall.Kill(-call, syscall.SIGINT) }, "", 0},
		"a hangup":              {func(call, _ int) { syscall.Kill(-call, syscall.SIGHUP) }, "", 0},
		"the reader is stopped": {func(_, reader int) {}, "nothing was executed: waited 1m0s for a file", 75 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			marker := p.Dir + "/" + strings.ReplaceAll(name, " ", "-")
			call := exec.Command(rig.Ours, p.Conf, "touch", marker)
			var errOut strings.Builder
			call.Stderr, call.SysProcAttr = &errOut, &syscall.SysProcAttr{Setpgid: true}
			reader := held(t, call)
			c.do(call.Process.Pid, reader)
			start := time.Now()
			call.Wait()
			if c.within == 0 {
				c.within = 10 * time.Second
			}
			if took := time.Since(start); took > c.within {
				t.Errorf("it took %v", took)
			}
			ended := call.ProcessState.Sys().(syscall.WaitStatus)
			if c.says == "" && !ended.Signaled() || c.says != "" && (ended.ExitStatus() != 97 || !rig.OneCleanLine(errOut.String()) || !strings.Contains(errOut.String(), c.says)) {
				t.Errorf("%v, %q", call.ProcessState, errOut.String())
			}
			rig.Until(t, "the reader has ended", func() bool {
				exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", reader))
				return exe != rig.Ours+"-read"
			})
			if _, err := os.Lstat(marker); err == nil {
				t.Error("the command ran")
			}
		})
	}
}

// ^Z holds up neither.
func TestReadingIsNotStopped(t *testing.T) {
	t.Parallel()
	p := rig.NewPolicy(t, "id: CommandFilter, id, nobody")
	large(t, p)
	rig.Pin(t, p.Conf, rig.Absent)
	call := exec.Command(rig.Ours, p.Conf, "id", "-u")
	var out strings.Builder
	call.Stdout, call.SysProcAttr = &out, &syscall.SysProcAttr{Setpgid: true}
	reader := held(t, call)
	for _, s := range []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU} {
		syscall.Kill(-call.Process.Pid, s)
	}
	syscall.Kill(reader, syscall.SIGCONT)
	if err := call.Wait(); err != nil || out.String() != "65534\n" {
		t.Errorf("%v, %q", err, out.String())
	}
}

// A program that is not there, is not root's alone, or is another: nothing runs.
func TestReadingProgram(t *testing.T) {
	t.Parallel()
	p := rig.NewPolicy(t, "touch: CommandFilter, touch, root")
	rig.Pin(t, p.Conf, rig.Absent)
	dir := p.Dir + "/bin"
	anotherBuild(t, dir)
	rig.Another(t, dir+"/ironwrap")
	marker, read := p.Dir+"/ran", dir+"/ironwrap-read"
	if r := rig.Run(t, dir+"/ironwrap", p.Conf, "touch", marker); r.Status != 0 {
		t.Fatal(r)
	}
	os.Remove(marker)
	shell := func(script string) func() {
		return func() {
			os.Remove(read)
			if err := os.WriteFile(read, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	copied := func(from string) func() {
		return func() {
			os.Remove(read)
			if r := rig.Run(t, "/usr/bin/cp", from, read); r.Status != 0 {
				t.Fatal(r)
			}
		}
	}
	for _, c := range []struct {
		name string
		make func()
		says string
	}{
		{"not executable", func() { os.Chmod(read, 0o600) }, "not executable"},
		{"writable", func() { os.Chmod(read, 0o777) }, "install it beside ironwrap (make install)"},
		{"somebody's", func() { os.Chmod(read, 0o755); os.Chown(read, int(rig.Caller.UID), 0) }, "install it beside ironwrap (make install)"},
		{"in a sticky directory", func() { os.Chown(read, 0, 0); os.Chmod(dir, 0o777|os.ModeSticky) }, "install it beside ironwrap (make install)"},
		{"another build", func() { os.Chmod(dir, 0o755); copied(rig.Ours + "-read")() }, "install both programs of one build"},
		{"true", copied("/usr/bin/true"), "install both programs of one build"},
		{"a reader of something else", shell("head -c 100000 /dev/zero"), "install both programs of one build"},
		{"a failure", shell("exit 9"), "failed with status 9"},
		{"a text", shell("echo 'a: line'; exit 1"), "a: line"},
		{"a directory", func() { os.Remove(read); os.Mkdir(read, 0o755) }, "not a regular file"},
		{"no program", func() { os.Remove(read); os.WriteFile(read, []byte("\x7fELF"), 0o755) }, "exec format error"},
		{"none", func() { os.Remove(read) }, "no such file or directory: install it beside ironwrap (make install)"},
	} {
		c.make()
		// What the build that is tried here keeps goes by another name.
		if err := os.Chtimes(p.Filters, time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		r := rig.Run(t, dir+"/ironwrap", p.Conf, "touch", marker)
		if r.Status != 97 || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, c.says) {
			t.Errorf("%s: %v", c.name, r)
		}
		if _, err := os.Lstat(marker); err == nil {
			t.Fatalf("%s: the command ran", c.name)
		}
	}
}

// Each system call of the process that reads is made to fail: what it writes is what it
// writes else, or it says that there is nothing.
func TestFaultsOfReading(t *testing.T) {
	rig.NeedStore(t)
	rig.Need(t, "strace", "/usr/bin/strace")
	p := rig.NewPolicy(t, rig.AllowTrue)
	rig.Old(t, p.Conf)
	rig.Pin(t, p.Conf, rig.AsIs)
	play := func(dir string, inject ...string) (rig.Result, []string) {
		log := dir + "/strace"
		argv := append(append([]string{"/usr/bin/strace", "-o", log}, inject...), rig.Ours+"-read", p.Conf, "1", "keep")
		r := rig.Run(t, argv...)
		var lines []string
		for line := range strings.Lines(rig.ReadFile(t, log)) {
			if rig.CallName(line) != "" {
				lines = append(lines, line)
			}
		}
		return r, lines
	}
	reading := rig.Stretch{Name: "reading", Begin: func(line string) bool { return strings.HasPrefix(line, `openat(AT_FDCWD, "/",`) }}
	base, log := play(p.Dir)
	if base.Status != 0 || !rig.IsKept(p.Conf) {
		t.Fatalf("without a fault: %v", base)
	}
	seen := map[string]bool{}
	for _, at := range rig.Places(log, reading, nil) {
		seen[at.Call] = true
		for _, errno := range []string{"EPERM", "EINTR", "ENOSPC"} {
			t.Run(fmt.Sprintf("%v/%s", at, errno), func(t *testing.T) {
				r, _ := play(t.TempDir(), "-e", fmt.Sprintf("inject=%s:error=%s:when=%d", at.Call, errno, rig.CountBefore(log, reading, at.Call)+at.N))
				switch {
				case r.Status == 0 && r.Out != base.Out:
					t.Errorf("it wrote something else: %s", at.Line)
				case r.Status != 0 && r.Status != 1 && at.Call != "write", r.Status == 1 && (r.Out == "" || strings.Contains(r.Out, "\n")):
					t.Errorf("%s: %v", at.Line, r)
				}
				if text, err := os.ReadFile(store.Path(p.Conf)); err != nil || string(text) != base.Out {
					t.Errorf("what is kept is something else: %s: %v", at.Line, err)
				}
			})
		}
	}
	for _, call := range []string{"openat", "read", "fstat", "getdents64", "write", "fchmod", "renameat", "statfs", "getrlimit"} {
		if !seen[call] {
			t.Errorf("no %s: nothing was tried there", call)
		}
	}
	for _, name := range rig.Must(os.ReadDir(store.Dir)) {
		if strings.Contains(name.Name(), filepath.Base(store.Path(p.Conf))+".new") {
			t.Logf("%s is left", name.Name())
		}
	}

	// The process is not made.
	s := &rig.Scene{Program: rig.Ours, Conf: p.Conf, As: map[string]string{}, Words: func(string, int) []string { return []string{"true"} }}
	if err := os.Mkdir(p.Dir+"/out", 0o755); err != nil {
		t.Fatal(err)
	}
	rig.Pin(t, p.Conf, rig.Unwritable)
	o := s.Play(t, "")
	n := rig.CountBefore(o.Log, rig.Stretch{Name: "fork", Begin: func(line string) bool { return strings.Contains(line, "CLONE_VFORK") }}, "clone") + 1
	for try := 0; ; try++ {
		o = s.Play(t, fmt.Sprintf("clone:error=EAGAIN:when=%d", n))
		if slices.ContainsFunc(o.Log, func(line string) bool {
			return strings.Contains(line, "CLONE_VFORK") && strings.Contains(line, "INJECTED")
		}) {
			break
		}
		if try > 10 {
			t.Fatalf("cannot place the fault at the clone: %v\n%s", o.Result, strings.Join(o.Log, "\n"))
		}
	}
	if o.Status != 97 || !rig.OneCleanLine(o.Err) || !strings.Contains(o.Err, "cannot run "+rig.Ours+"-read to read "+p.Conf+": resource temporarily unavailable") {
		t.Errorf("%v", o.Result)
	}
}
