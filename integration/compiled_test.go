package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/policy/compiled"
	"ironwrap/policy/store"
)

// What is kept of a policy between two calls saves work, and decides nothing: the states
// of states_test.go, one by one.

// needStore skips a test that says nothing where nothing can be kept.
func needStore(t *testing.T) {
	t.Helper()
	if !keeping {
		t.Skip("no tmpfs can be mounted here: what is kept of a policy was not looked at")
	}
}

// old waits until a policy may be kept.
func old(t *testing.T, conf string) {
	t.Helper()
	p, err := compiledOf(conf)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Sources {
		time.Sleep(time.Until(s.Identity.Changed().Add(2100 * time.Millisecond)))
	}
}

// isKept tells that a file is there which the next call will find.
func isKept(conf string) bool {
	data, err := os.ReadFile(store.Path(conf))
	if err != nil {
		return false
	}
	book, err := compiled.Open(bytes.NewReader(data), int64(len(data)))
	return err == nil && book.Path == conf
}

// finds has the next call find a state, and complains where that was not made.
func finds(t *testing.T, conf string, s state, n int) {
	t.Helper()
	pin(t, conf, s)
	if what := put(conf, s, n); strings.Contains(what, "but: ") {
		t.Fatal(what)
	}
}

// Only what is intact, and of this build, configuration and moment is used: then no file
// of filters is opened, and no process started.
func TestCompiledIsUsed(t *testing.T) {
	needStore(t)
	need(t, "strace", "/usr/bin/strace")
	p := newPolicy(t, allowTrue)
	for _, s := range states {
		n := len(states)
		if s == damaged {
			n = 40 // of these at least one is in what every call reads
		}
		read := 0
		for i := range n {
			finds(t, p.conf, s, i)
			log := p.dir + "/strace"
			if r := run(t, "/usr/bin/strace", "-f", "-o", log, ours, p.conf, "true"); r.status != 0 {
				t.Fatal(r)
			}
			text := readFile(t, log)
			starts, opens := strings.Contains(text, "execve(\""+ours+"-read\""), strings.Contains(text, "\"test.filters\", O_RDONLY|")
			if starts {
				read++
			}
			if starts != opens {
				t.Errorf("%s: a process that reads: %v, the file is read: %v", s, starts, opens)
			}
			os.Remove(log)
		}
		switch {
		case s == kept && read > 0, s != kept && s != damaged && read < n, s == damaged && read == 0:
			t.Errorf("%s: the files were read by %d of %d calls", s, read, n)
		}
	}
}

// compiledTable are commands of each kind.
const compiledTable = `id: CommandFilter, id, nobody
show: CommandFilter, python3, root
printf: RegExpFilter, printf, nobody, printf, [a-z%]+, (?!-).*
nice: ChainingRegExpFilter, nice, root, nice, -n, -?\d+
confined: EnvFilter, env, root, WORD=, python3
gone: CommandFilter, no-such-program, root
link: CommandFilter, /usr/bin/uname, nobody
bad: NoSuchFilter, id, root
[Sandbox:confined]
capabilities = CAP_CHOWN
no_new_privs = yes
umask = 0027
landlock_ro = /usr, /proc, /etc
`

// The same comes of a call whatever it finds.
func TestCompiledChangesNothing(t *testing.T) {
	t.Parallel()
	needStore(t)
	in := setuidInstallation(t, compiledTable, "allow_users="+caller.name)
	portrait := []string{"-I", "-S", "-c", "import os, sys\nprint(sys.argv, sorted(os.environ.items()), os.getcwd(), os.listdir('/proc/self/fd'))\n" +
		"print([l for l in open('/proc/self/status') if not l.startswith(('Pid', 'Tgid', 'NSpid', 'NStgid', 'NSpgid', 'PPid', 'SigQ', 'NSsid', 'Vm', 'Rss', 'nonvol', 'vol', 'Hugetlb', 'Cpus', 'Mems'))])\n" +
		"print(open('/proc/self/limits').read(), open('/proc/self/oom_score_adj').read())\n" +
		"try: os.wait()\nexcept ChildProcessError: print('no child')\n", "word", ""}
	for _, words := range [][]string{
		{"id"}, {"id", "-u"}, append([]string{"python3"}, portrait...), {"printf", "%s", "x"}, {"printf", "%s", "-x"}, {"printf"},
		{"nice", "-n", "3", "id", "-u"}, {"nice", "-n", "3", "mkfs"}, append([]string{"env", "WORD=x y", "python3"}, portrait...),
		{"no-such-program"}, {"uname"}, {"/usr/bin/uname"}, {"mkfs", "/dev/sda"}, {""}, {"/"}, {strings.Repeat("x", 5000)},
		slices.Repeat([]string{"id"}, 200),
	} {
		for way, call := range map[string]func() result{
			"root":   func() result { return run(t, append([]string{in.program, in.conf}, words...)...) },
			"sudo":   func() result { return throughSudo(t, ours, append([]string{in.conf}, words...)...) },
			"setuid": func() result { return runCmd(t, in.called(append([]string{in.conf}, words...)...)) },
		} {
			got := map[state]string{}
			for i, s := range states {
				finds(t, in.conf, s, i*17)
				if got[s] = call().String(); got[s] != got[states[0]] {
					t.Errorf("%.80q, %s: %s: %s\n%s: %s", words, way, s, got[s], states[0], got[states[0]])
					break
				}
			}
		}
	}
}

// Root's calls keep what they read, by whatever way; a stranger's call reads it, and
// writes nothing.
func TestCompiledIsKeptByRoot(t *testing.T) {
	t.Parallel()
	needStore(t)
	for way, keeps := range map[string]bool{"root": true, "sudo": true, "container": true, "limited": true, "setuid": false} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			in := setuidInstallation(t, allowTrue, "allow_users="+caller.name)
			write(t, in.conf, strings.Replace(readFile(t, in.conf), "use_syslog=True", "", 1))
			call := func() {
				t.Helper()
				pin(t, in.conf, asIs)
				var r result
				switch way {
				case "root":
					r = run(t, ours, in.conf, "true")
				case "sudo":
					r = throughSudo(t, ours, in.conf, "true")
				case "container":
					r = run(t, contained(ours, in.conf, "true")...)
				case "limited":
					r = run(t, "/usr/bin/prlimit", "--cpu=60", "--nofile=10:100", "--memlock=0:0", "--nproc=1:500", ours, in.conf, "true")
				case "setuid":
					r = runCmd(t, in.called(in.conf, "true"))
				}
				if r.status != 0 || r.err != "" {
					t.Error(r)
				}
			}
			written := time.Now()
			write(t, in.filters, "[Filters]\n"+allowTrue+"\n")
			call()
			if isKept(in.conf) && time.Since(written) < 2*time.Second {
				t.Error("kept, although a source changed a moment ago")
			}
			old(t, in.conf)
			call()
			if isKept(in.conf) != keeps {
				t.Errorf("kept: %v", !keeps)
			}
			if info, err := os.Lstat(store.Path(in.conf)); keeps && (err != nil || info.Mode() != 0o600) {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			call()
			for _, name := range must(filepath.Glob(store.Dir + "/*.new-*")) {
				if pid := name[strings.LastIndexByte(name, '-')+1:]; must(os.Stat(name)) != nil {
					if _, err := os.Stat("/proc/" + pid); err != nil {
						t.Errorf("%s was left behind", name)
					}
				}
			}
		})
	}
}

// A directory that cannot be written to, or is not there, costs time and nothing else.
func TestCompiledCannotBeKept(t *testing.T) {
	t.Parallel()
	needStore(t)
	p := newPolicy(t, allowTrue)
	pin(t, p.conf, asIs)
	old(t, p.conf)
	for name, c := range map[string]struct {
		script string
		keeps  string // what find(1) shows afterwards
	}{
		"read-only":        {"mount -t tmpfs -o ro,mode=0700 none DIR", ""},
		"full":             {"mount -t tmpfs -o mode=0700,size=4k none DIR; printf %4096s x > DIR/x", "x 644\n"},
		"no inodes":        {"mount -t tmpfs -o mode=0700,nr_inodes=1 none DIR", ""},
		"others may write": {"mount -t tmpfs -o mode=0770 none DIR", ""},
		"somebody's":       {"mount -t tmpfs -o mode=0700,uid=1234 none DIR", ""},
		"a parent's":       {"mount -t tmpfs -o mode=755 none /run; mkdir -m 0777 /run/ironwrap; mkdir -m 0700 DIR", ""},
		"not in memory":    {"mkdir -p TMP/disk; mount --bind TMP/disk DIR", ""},
		"no /run":          {"mount --bind TMP/empty /run", ""},
		"an empty /run":    {"mount -t tmpfs -o mode=755 none /run; umask 0177", "NAME 600\n"},
		"a link":           {"mount -t tmpfs -o mode=755 none /run; mkdir -m 755 /run/ironwrap; mkdir -m 0700 /run/other; ln -s ../other DIR", "NAME 600\n"},
		"a world's /run":   {"mount -t tmpfs -o mode=1777 none /run", ""},
		"a file":           {"mount -t tmpfs -o mode=755 none /run; mkdir -m 755 /run/ironwrap; touch DIR", ""},
	} {
		t.Run(name, func(t *testing.T) {
			os.MkdirAll(p.dir+"/empty", 0o755)
			expand := strings.NewReplacer("DIR", store.Dir, "TMP", p.dir, "NAME", filepath.Base(store.Path(p.conf))).Replace
			script := "set -e\n" + expand(c.script) + "\n" + `for n in 1 2 3; do "$@"; done; find ` + store.Dir + `/ -type f -printf '%f %m\n' 2>/dev/null || :`
			r := run(t, "/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script, "sh", ours, p.conf, "true")
			if want := expand(c.keeps); r.status != 0 || r.err != "" || r.out != want {
				t.Errorf("%v, not %q", r, want)
			}
		})
	}
}

// Nor does it take anything of the machine that a call did without else.
func TestReadingInABareRoot(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, allowTrue)
	for _, s := range states {
		pin(t, p.conf, s)
		for _, bare := range []string{"mount -t tmpfs none /dev", "mount -t tmpfs none /tmp; mount -t tmpfs none /run", "mount -o remount,ro,bind /"} {
			if r := run(t, "/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", bare+`; exec "$@"`, "sh", ours, p.conf, "true"); r.status != 0 || r.err != "" {
				t.Errorf("%s, %s: %v", s, bare, r)
			}
		}
	}
}

// A limit for files ends no call: what does not fit is not kept.
func TestCompiledLimitOfFiles(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, allowTrue)
	pin(t, p.conf, asIs)
	old(t, p.conf)
	for _, limit := range []string{"0:0", "20:20", "20:unlimited"} {
		call := func() result { return run(t, "/usr/bin/prlimit", "--fsize="+limit, ours, p.conf, "true") }
		r := call()
		if isKept(p.conf) {
			t.Errorf("%s: it is kept", limit)
		}
		put(p.conf, kept, 0)
		if other := call(); r.String() != other.String() {
			t.Errorf("%s: %v; with a policy that is kept: %v", limit, r, other)
		}
		put(p.conf, absent, 0)
	}
}

// No limit of a caller's ends a call only because another process reads.
func TestReadingBelowLimits(t *testing.T) {
	t.Parallel()
	needStore(t)
	in := setuidInstallation(t, "cat: CommandFilter, cat, nobody", "allow_users="+caller.name)
	pin(t, in.conf, asIs)
	options := []string{"--core=0:0", "--stack=65536:65536", "--stack=65536:unlimited", "--data=67108864:67108864", "--data=1048576:1048576", "--as=67108864:67108864",
		"--as=268435456:268435456", "--as=536870912:unlimited", "--cpu=1:1", "--cpu=1:unlimited", "--fsize=0:0", "--fsize=0:unlimited", "--nproc=0:0",
		"--nofile=3:3", "--nofile=64:64", "--sigpending=0:unlimited", "--nice=0:0", "--rtprio=0:0"}
	for _, c := range limitCases(t) {
		options = append(options, c.option)
	}
	for _, option := range options {
		for way, call := range map[string]func() result{
			"root": func() result {
				return run(t, "/usr/bin/prlimit", option, in.program, in.conf, "cat", "/proc/self/limits")
			},
			"setuid": func() result {
				return runAs(t, caller, "/usr/bin/prlimit", option, in.program, in.conf, "cat", "/proc/self/limits")
			},
		} {
			put(in.conf, kept, 0)
			other := call()
			put(in.conf, unwritable, 0)
			starts := !strings.HasPrefix(other.err, "fatal error: ") // the Go runtime may not
			if r := call(); starts && r.String() != other.String() || !starts && r.status != other.status {
				t.Errorf("%s, %s: %v; with a policy that is kept: %v", option, way, r, other)
			}
		}
	}
}

// Two builds on one machine: each has its own, and obeys it alone.
func TestCompiledOfTwoBuilds(t *testing.T) {
	t.Parallel()
	needStore(t)
	p := newPolicy(t, "id: CommandFilter, id, nobody")
	pin(t, p.conf, asIs)
	other := p.dir + "/other"
	build := exec.Command("go", "build", "-ldflags", ldflags(other), "-o", other+"/", "./cmd/ironwrap", "./cmd/ironwrap-read")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	old(t, p.conf)
	count := func() int {
		return len(must(filepath.Glob(store.Dir + "/" + strings.TrimSuffix(filepath.Base(store.Path(p.conf)), filepath.Ext(store.Path(p.conf))) + ".*")))
	}
	for i, program := range []string{ours, other + "/ironwrap", ours, other + "/ironwrap"} {
		if r := run(t, program, p.conf, "id", "-u"); r.out != "65534\n" {
			t.Error(r)
		}
		if n := count(); n != min(i, 1)+1 {
			t.Errorf("after call %d %d are kept", i, n)
		}
	}
	// That of the other under this one's name, which would allow nothing.
	text, err := compiledOf(p.conf)
	if err != nil {
		t.Fatal(err)
	}
	text.Build, text.Lines = filepath.Base(other), nil
	if err := keep(store.Path(p.conf), must(compiled.Encode(text))); err != nil {
		t.Fatal(err)
	}
	if r := run(t, ours, p.conf, "id", "-u"); r.out != "65534\n" {
		t.Error(r)
	}
}

// A daemon of the same configuration, which reads it once, and calls beside it.
func TestCompiledBesideDaemon(t *testing.T) {
	needStore(t)
	p := daemonPolicy(t, "printf: CommandFilter, printf, nobody")
	s := serve(t, p)
	client := s.client()
	for i, filters := range []string{"printf: CommandFilter, printf, nobody", "pr_ntf: CommandFilter, pr_ntf, nobody", "printf: CommandFilter, printf, nobody"} {
		write(t, p.filters, "[Filters]\n"+filters+"\n")
		want := strings.HasPrefix(filters, "printf")
		for range len(states) {
			if r := run(t, ours, p.conf, "printf", "x"); (r.out == "x") != want {
				t.Errorf("change %d: %v", i, r)
			}
		}
		s.eventually("the daemon to obey it", func() bool { return (client.run("printf", "x").out == "x") == want })
	}
	s.dropAll()
}

// Changes by which the size stays the same, a thousand, each within a moment of the one
// before: the verdict is that of the files as they are, also where what is kept was right
// a moment ago.
func TestCompiledRace(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, "id: CommandFilter, id, nobody")
	pin(t, p.conf, asIs)
	file := []string{"[Filters]\nid: CommandFilter, id, nobody\n", "[Filters]\nno: CommandFilter, no, nobody\n"}
	for i := range 1000 {
		allowed := i/3%2 == 0
		text := file[map[bool]int{true: 0, false: 1}[allowed]]
		var err error
		switch {
		case i%3 == 0: // in place
			err = os.WriteFile(p.filters, []byte(text), 0o644)
		case i%3 == 1: // by another file
			if err = os.WriteFile(p.filters+".new", []byte(text), 0o644); err == nil {
				err = os.Rename(p.filters+".new", p.filters)
			}
		case i%6 == 2: // by one with its time stamp
			if err = os.WriteFile(p.filters, []byte(text), 0o644); err == nil {
				err = os.Chtimes(p.filters, time.Unix(1e9, 0), time.Unix(1e9, 0))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if r := run(t, ours, p.conf, "id", "-u"); (r.status == 0) != allowed {
			t.Fatalf("change %d: %v", i, r)
		}
		if i%5 == 0 {
			put(p.conf, kept, i)
		}
	}
}

// What is kept is exchanged, cut and overwritten while calls read it.
func TestCompiledExchanged(t *testing.T) {
	t.Parallel()
	needStore(t)
	p := newPolicy(t, "id: CommandFilter, id, nobody\n"+strings.Repeat("#\n", 100))
	for i := range 300 {
		name := fmt.Sprintf("no%d", i)
		write(t, fmt.Sprintf("%s/filters.d/%d.filters", p.dir, i%7), "[Filters]\n"+name+": CommandFilter, "+name+", root\n")
	}
	pin(t, p.conf, asIs)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { done <- n }()
		for ; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			put(p.conf, states[n%len(states)], n)
			path := store.Path(p.conf)
			if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
				switch n % 3 {
				case 0:
					os.Truncate(path, info.Size()*int64(n%10)/10)
				case 1:
					if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
						f.WriteAt([]byte("x"), int64(n*7919)%info.Size())
						f.Close()
					}
				}
			}
		}
	}()
	for range 300 {
		if r := run(t, ours, p.conf, "id", "-u"); r.out != "65534\n" || r.err != "" {
			t.Errorf("allowed: %v", r)
		}
		if r := run(t, ours, p.conf, "no-such"); r.status != 99 {
			t.Errorf("refused: %v", r)
		}
	}
	close(stop)
	t.Logf("exchanged %d times", <-done)
}

// large is a policy that takes a while to read.
func large(t *testing.T, p policy) {
	t.Helper()
	var b strings.Builder
	b.WriteString("[Filters]\n")
	for i := range 100_000 {
		fmt.Fprintf(&b, "f%d: RegExpFilter, x%d, root, x%d, [a-z]+%d.*\n", i, i, i, i)
	}
	write(t, p.dir+"/filters.d/large.filters", b.String())
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
		for _, pid := range children(c.Process.Pid) {
			if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); exe == ours+"-read" {
				time.Sleep(5 * time.Millisecond)
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
				until(t, "it is stopped", func() bool {
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
	in := setuidInstallation(t, "id: CommandFilter, id, nobody", "allow_users="+caller.name)
	large(t, in.policy)
	pin(t, in.conf, unwritable)
	put(in.conf, unwritable, 0)
	call := in.attack(t, "os.mkdir('gone')\nos.chdir('gone')\nos.rmdir('../gone')\nos.open('/etc/passwd', os.O_RDONLY)\nos.set_inheritable(3, True)\n"+
		"execve(args[0], args, [b'GODEBUG=inittrace=1', b'LD_PRELOAD=/x', b'PATH=/x'])", in.conf, "id", "-u")
	var out, errOut strings.Builder
	call.Stdout, call.Stderr = &out, &errOut
	reader := held(t, call)
	proc := fmt.Sprintf("/proc/%d/", reader)

	if env := readFile(t, proc+"environ"); env != "" {
		t.Errorf("its environment is %q", env)
	}
	if argv := readFile(t, proc+"cmdline"); argv != fmt.Sprintf("ironwrap-read\x00%s\x00%d\x00once\x00", in.conf, 4) {
		t.Errorf("its arguments are %q", argv)
	}
	status := fields(readFile(t, proc+"status"))
	if status["Uid"] != "0 0 0 0" || status["Gid"] != "0 0 0 0" || status["TracerPid"] != "0" {
		t.Errorf("%v", status)
	}
	for _, fd := range must(os.ReadDir(proc + "fd")) {
		to, _ := os.Readlink(proc + "fd/" + fd.Name())
		known := map[string]string{"0": "pipe:", "1": "pipe:", "2": "pipe:"}[fd.Name()]
		if known != "" && !strings.HasPrefix(to, known) || known == "" && !strings.HasPrefix(to, in.dir) && !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/sys/fs/cgroup/") && to != "/" { // the Go runtime's
			t.Errorf("descriptor %s leads to %s", fd.Name(), to)
		}
	}

	tried := runAs(t, caller, "/usr/bin/python3", "-I", "-S", "-c", `
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
	if tried.status != 0 || tried.out != "" || tried.err != "" {
		t.Errorf("%v", tried)
	}
	if err := syscall.Kill(reader, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := call.Wait(); err != nil || out.String() != "65534\n" {
		t.Errorf("%v, %q, %q", err, out.String(), errOut.String())
	}
	if info, err := os.Lstat(store.Path(in.conf)); keeping && (err != nil || !info.IsDir()) {
		t.Errorf("something was kept: %v, %v", info, err)
	}
}

// Whatever ends one of the two ends the call, and nothing is left of the other.
func TestReadingEnds(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, "touch: CommandFilter, touch, root")
	large(t, p)
	pin(t, p.conf, absent)
	for name, c := range map[string]struct {
		do     func(call, reader int)
		says   string // "": the call dies of a signal
		within time.Duration
	}{
		"the reader is killed":  {func(_, reader int) { syscall.Kill(reader, syscall.SIGKILL) }, "ironwrap-read was killed by signal 9 while it read " + p.conf, 0},
		"the call is killed":    {func(call, _ int) { syscall.Kill(call, syscall.SIGKILL) }, "", 0},
		"the call is ended":     {func(call, _ int) { syscall.Kill(call, syscall.SIGTERM) }, "", 0},
		"^C":                    {func(call, _ int) { syscall.Kill(-call, syscall.SIGINT) }, "", 0},
		"a hangup":              {func(call, _ int) { syscall.Kill(-call, syscall.SIGHUP) }, "", 0},
		"the reader is stopped": {func(_, reader int) {}, "nothing was executed: waited 1m0s for a file", 75 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			marker := p.dir + "/" + strings.ReplaceAll(name, " ", "-")
			call := exec.Command(ours, p.conf, "touch", marker)
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
			if c.says == "" && !ended.Signaled() || c.says != "" && (ended.ExitStatus() != 97 || !oneCleanLine(errOut.String()) || !strings.Contains(errOut.String(), c.says)) {
				t.Errorf("%v, %q", call.ProcessState, errOut.String())
			}
			until(t, "the reader has ended", func() bool {
				exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", reader))
				return exe != ours+"-read"
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
	p := newPolicy(t, "id: CommandFilter, id, nobody")
	large(t, p)
	pin(t, p.conf, absent)
	call := exec.Command(ours, p.conf, "id", "-u")
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
	p := newPolicy(t, "touch: CommandFilter, touch, root")
	pin(t, p.conf, absent)
	dir := p.dir + "/bin"
	build := exec.Command("go", "build", "-ldflags", ldflags(dir), "-o", dir+"/", "./cmd/ironwrap", "./cmd/ironwrap-read")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	another(t, dir+"/ironwrap")
	marker, read := p.dir+"/ran", dir+"/ironwrap-read"
	if r := run(t, dir+"/ironwrap", p.conf, "touch", marker); r.status != 0 {
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
			if r := run(t, "/usr/bin/cp", from, read); r.status != 0 {
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
		{"somebody's", func() { os.Chmod(read, 0o755); os.Chown(read, int(caller.uid), 0) }, "install it beside ironwrap (make install)"},
		{"in a sticky directory", func() { os.Chown(read, 0, 0); os.Chmod(dir, 0o777|os.ModeSticky) }, "install it beside ironwrap (make install)"},
		{"another build", func() { os.Chmod(dir, 0o755); copied(ours + "-read")() }, "install both programs of one build"},
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
		if err := os.Chtimes(p.filters, time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		r := run(t, dir+"/ironwrap", p.conf, "touch", marker)
		if r.status != 97 || !oneCleanLine(r.err) || !strings.Contains(r.err, c.says) {
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
	needStore(t)
	need(t, "strace", "/usr/bin/strace")
	p := newPolicy(t, allowTrue)
	old(t, p.conf)
	pin(t, p.conf, asIs)
	play := func(dir string, inject ...string) (result, []string) {
		log := dir + "/strace"
		argv := append(append([]string{"/usr/bin/strace", "-o", log}, inject...), ours+"-read", p.conf, "1", "keep")
		r := run(t, argv...)
		var lines []string
		for line := range strings.Lines(readFile(t, log)) {
			if callName(line) != "" {
				lines = append(lines, line)
			}
		}
		return r, lines
	}
	reading := stretch{"reading", func(line string) bool { return strings.HasPrefix(line, `openat(AT_FDCWD, "/",`) }}
	base, log := play(p.dir)
	if base.status != 0 || !isKept(p.conf) {
		t.Fatalf("without a fault: %v", base)
	}
	seen := map[string]bool{}
	for _, at := range places(log, reading, nil) {
		seen[at.call] = true
		for _, errno := range []string{"EPERM", "EINTR", "ENOSPC"} {
			t.Run(fmt.Sprintf("%v/%s", at, errno), func(t *testing.T) {
				r, _ := play(t.TempDir(), "-e", fmt.Sprintf("inject=%s:error=%s:when=%d", at.call, errno, countBefore(log, reading, at.call)+at.n))
				switch {
				case r.status == 0 && r.out != base.out:
					t.Errorf("it wrote something else: %s", at.line)
				case r.status != 0 && r.status != 1 && at.call != "write", r.status == 1 && (r.out == "" || strings.Contains(r.out, "\n")):
					t.Errorf("%s: %v", at.line, r)
				}
				if text, err := os.ReadFile(store.Path(p.conf)); err != nil || string(text) != base.out {
					t.Errorf("what is kept is something else: %s: %v", at.line, err)
				}
			})
		}
	}
	for _, call := range []string{"openat", "read", "fstat", "getdents64", "write", "fchmod", "renameat", "statfs", "getrlimit"} {
		if !seen[call] {
			t.Errorf("no %s: nothing was tried there", call)
		}
	}
	for _, name := range must(os.ReadDir(store.Dir)) {
		if strings.Contains(name.Name(), filepath.Base(store.Path(p.conf))+".new") {
			t.Logf("%s is left", name.Name())
		}
	}

	// The process is not made.
	s := &scene{program: ours, conf: p.conf, as: map[string]string{}, words: func(string, int) []string { return []string{"true"} }}
	if err := os.Mkdir(p.dir+"/out", 0o755); err != nil {
		t.Fatal(err)
	}
	pin(t, p.conf, unwritable)
	o := s.play(t, "")
	n := countBefore(o.log, stretch{"fork", func(line string) bool { return strings.Contains(line, "CLONE_VFORK") }}, "clone") + 1
	for try := 0; ; try++ {
		o = s.play(t, fmt.Sprintf("clone:error=EAGAIN:when=%d", n))
		if slices.ContainsFunc(o.log, func(line string) bool {
			return strings.Contains(line, "CLONE_VFORK") && strings.Contains(line, "INJECTED")
		}) {
			break
		}
		if try > 10 {
			t.Fatalf("cannot place the fault at the clone: %v\n%s", o.result, strings.Join(o.log, "\n"))
		}
	}
	if o.status != 97 || !oneCleanLine(o.err) || !strings.Contains(o.err, "cannot run "+ours+"-read to read "+p.conf+": resource temporarily unavailable") {
		t.Errorf("%v", o.result)
	}
}
