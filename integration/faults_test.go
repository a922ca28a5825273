package integration

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Each system call that leads to a command is made to fail, one at a time, on the
// real program, by strace(1). Whatever fails, either nothing is executed and one
// line says why, or the command is exactly what it would have been.
//
// strace is told not to follow threads: the leading thread is the one that
// becomes the command, and the Go runtime's own threads stay out of it.

// scene is one call of the program that succeeds when nothing fails.
type scene struct {
	name    string
	program string
	strace  []string // options
	conf    string
	words   func(marker string, pid int) []string
	stdin   string // a file; "" for /dev/null
	// as is what the command says of itself when nothing fails; nil for a
	// signal.
	as map[string]string
}

// outcome is what one run of a scene came to.
type outcome struct {
	result
	log []string          // strace's, one system call a line
	ran bool              // the command ran, or the signal was sent
	as  map[string]string // what the command was
}

// play runs the scene, with one injection unless inject is empty.
func (s *scene) play(t *testing.T, inject string) outcome {
	t.Helper()
	dir := s.dir()
	marker, err := os.CreateTemp(dir+"/out", "")
	if err != nil {
		t.Fatal(err)
	}
	marker.Close()
	os.Remove(marker.Name())
	log := filepath.Join(dir, filepath.Base(marker.Name())+".strace")

	sleeper := exec.Command("/usr/bin/sleep", "60")
	if s.as == nil {
		if err := sleeper.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			sleeper.Process.Kill()
			sleeper.Wait()
		}()
	}
	pid := 0
	if sleeper.Process != nil {
		pid = sleeper.Process.Pid
	}

	args := append([]string{"-o", log}, s.strace...)
	if inject != "" {
		args = append(args, "-e", "inject="+inject)
	}
	args = append(args, s.program, s.conf)
	c := exec.Command("/usr/bin/strace", append(args, s.words(marker.Name(), pid)...)...)
	c.Dir = "/"
	c.Env = []string{"PATH=/usr/bin:/bin", "SUDO_UID=1234"}
	// Groups and capabilities that the command must not end up with.
	c.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Groups: []uint32{4, 24, 42}},
		AmbientCaps: []uintptr{capNetRaw},
	}
	if s.stdin != "" {
		f, err := os.Open(s.stdin)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c.Stdin = f
	}
	o := outcome{result: runCmd(t, c)}

	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatalf("strace wrote no log: %v\n%v", err, o.result)
	}
	os.Remove(log)
	for line := range strings.Lines(string(data)) {
		if callName(line) != "" {
			o.log = append(o.log, strings.TrimSpace(line))
		}
	}
	if s.as == nil {
		o.ran = signalled(t, pid)
		return o
	}
	if data, err := os.ReadFile(marker.Name()); err == nil {
		o.ran, o.as = true, identity(string(data))
		os.Remove(marker.Name())
	}
	return o
}

func (s *scene) dir() string { return filepath.Dir(s.conf) }

const capNetRaw = 13

// signalled tells whether a process got a deadly signal, be it still on its way.
func signalled(t *testing.T, pid int) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := fields(string(status))
	return !strings.HasPrefix(f["State"], "S") && !strings.HasPrefix(f["State"], "R") || strings.Trim(f["ShdPnd"]+f["SigPnd"], "0") != ""
}

// fields reads the lines of /proc/PID/status.
func fields(status string) map[string]string {
	f := map[string]string{}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		f[name] = strings.Join(strings.Fields(value), " ")
	}
	return f
}

// identity is the part of /proc/PID/status that says with what rights, and in
// which state as to signals, a process runs.
func identity(status string) map[string]string {
	all, f := fields(status), map[string]string{}
	for _, name := range []string{
		"Uid", "Gid", "Groups", "Umask", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters",
		"SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "Threads",
	} {
		f[name] = all[name]
	}
	return f
}

var callPattern = regexp.MustCompile(`^([a-z_0-9]+)\(`)

// callName is the system call that a line of strace's log shows; "" for others.
func callName(line string) string {
	m := callPattern.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	return m[1]
}

// noise is what the Go runtime does by itself, at moments of its own choice.
// Where one of these fails it ends the process or does without, as in any Go
// program.
var noise = []string{
	"futex", "mmap", "munmap", "madvise", "mprotect", "clone", "clone3", "rt_sigreturn", "sigaltstack", "sched_yield", "nanosleep",
	"gettid", "getpid", "tgkill", "epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2", "restart_syscall", "exit_group", "exit",
	"sched_getaffinity", "arch_prctl", "timer_create", "timer_settime", "timer_delete", "clock_gettime", "getrandom",
}

// ofRuntime tells that a line of a log is the Go runtime's: it blocks all signals while it
// makes a thread.
func ofRuntime(log []string, i int) bool {
	name := callName(log[i])
	return slices.Contains(noise, name) ||
		name == "rt_sigprocmask" && (strings.Contains(log[i], "SIG_SETMASK, ~[") || i > 0 && strings.HasPrefix(callName(log[i-1]), "clone"))
}

// stretch is a part of the road: from the first call that begins it, to execve(2)
// or pidfd_send_signal(2), or to where another stretch begins.
type stretch struct {
	name  string
	begin func(line string) bool
}

var (
	// Take asks for its uid before anything else.
	road = stretch{"road", func(line string) bool { return strings.HasPrefix(line, "getuid(") }}
	// sandbox.Enter begins with close_range(2).
	section = stretch{"section", func(line string) bool { return strings.HasPrefix(line, "close_range(") }}
)

// place is one call of a stretch: the n-th of its name there, from 1.
type place struct {
	call string
	n    int
	line string
}

func (p place) String() string { return fmt.Sprintf("%s#%d", p.call, p.n) }

// places lists the calls of a stretch, up to the one that begins another.
func places(log []string, in stretch, until func(string) bool) []place {
	var list []place
	count := map[string]int{}
	inside := false
	for i, line := range log {
		if inside = inside || i > 0 && in.begin(line); !inside {
			continue
		}
		if until != nil && until(line) {
			break
		}
		name := callName(line)
		if !ofRuntime(log, i) {
			count[name]++
			list = append(list, place{name, count[name], line})
		}
		if name == "execve" || name == "pidfd_send_signal" && !strings.Contains(line, ", 0, NULL, 0)") {
			break
		}
	}
	return list
}

// inject makes the call at a place end as how says ("error=EPERM", "retval=0").
// strace counts from the start of the program; the runtime's own calls of the
// same name may differ in number from run to run, so that a miss is tried again.
func (s *scene) inject(t *testing.T, in stretch, p place, when int, how string) outcome {
	t.Helper()
	for try := 0; try < 8; try++ {
		o := s.play(t, fmt.Sprintf("%s:%s:when=%d", p.call, how, when))
		before, n, hit := 0, 0, 0 // before: all calls but those that count
		inside := false
		for i, line := range o.log {
			inside = inside || i > 0 && in.begin(line)
			if i == 0 || callName(line) != p.call {
				continue
			}
			counts := inside && !ofRuntime(o.log, i)
			if counts {
				n++
			} else {
				before++
			}
			if strings.Contains(line, " (INJECTED") {
				if hit = n; !counts {
					hit = 0
				}
				if !inside {
					hit = -1
				}
				break
			}
		}
		if hit == p.n {
			return o
		}
		when = before + p.n
		if hit == -1 {
			when++ // the stretch was never reached
		}
	}
	t.Fatalf("cannot place the fault at %v of the %s", p, in.name)
	return outcome{}
}

// countBefore is the number of calls of a name before a stretch.
func countBefore(log []string, in stretch, call string) int {
	n := 0
	for _, line := range log[1:] {
		if in.begin(line) {
			break
		}
		if callName(line) == call {
			n++
		}
	}
	return n
}

// scenes makes the configuration and the programs for the tests of this file.
func scenes(t *testing.T) (super, nobody, signal, path *scene) {
	need(t, "strace", "/usr/bin/strace")
	p := newPolicy(t, "cp: CommandFilter, cp, root\nkill: KillFilter, root, /usr/bin/sleep, -9", "use_syslog=True", "syslog_log_level=INFO")
	q := newPolicy(t, "cp: CommandFilter, cp, nobody", "use_syslog=True", "syslog_log_level=INFO")
	r := newPolicy(t, "", "use_syslog=True", "syslog_log_level=INFO", "audit_required=yes")
	write(t, r.filters, fmt.Sprintf("[Filters]\ncp: PathFilter, cp, nobody, pass, %s/out\n", r.dir))
	for _, dir := range []string{p.dir, q.dir, r.dir} {
		if err := os.Mkdir(dir+"/out", 0o755); err != nil {
			t.Fatal(err)
		}
		// Nobody writes the marker; no other than root and nobody may.
		if err := os.Chown(dir+"/out", 65534, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, conf := range []string{p.conf, q.conf, r.conf} {
		pin(t, conf, kept)
	}
	program := variant(t, p.dir)
	copyWords := func(marker string, _ int) []string { return []string{"cp", "/proc/self/status", marker} }

	super = &scene{name: "root", program: program, conf: p.conf, words: copyWords, as: map[string]string{}}
	nobody = &scene{name: "nobody", program: program, conf: q.conf, words: copyWords, as: map[string]string{}}
	path = &scene{name: "path", program: program, conf: r.conf, words: copyWords, as: map[string]string{}}
	signal = &scene{name: "signal", program: program, conf: p.conf,
		words: func(_ string, pid int) []string { return []string{"kill", "-9", fmt.Sprint(pid)} }}
	return super, nobody, signal, path
}

// variant builds ironwrap with the configuration directory and the system log of
// a test's own: dir and dir/log. Somebody listens there until the test ends.
func variant(t *testing.T, dir string) string {
	t.Helper()
	program := dir + "/ironwrap"
	build := exec.Command("go", "build", "-ldflags", fmt.Sprintf("%s -X ironwrap/exec.ConfigDir=%s -X ironwrap/exec/audit.Socket=%[2]s/log", ldflags(filepath.Dir(ours)), dir),
		"-o", program, "./cmd/ironwrap")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build ironwrap: %v\n%s", err, out)
	}
	another(t, program)
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/log", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, l)
	t.Cleanup(func() { l.Close() })
	return program
}

// baseline plays a scene without a fault, and checks that strace itself changes
// nothing that matters.
func (s *scene) baseline(t *testing.T, want map[string]string) outcome {
	t.Helper()
	o := s.play(t, "")
	for end := time.Now().Add(5 * time.Second); s.as == nil && !o.ran && time.Now().Before(end); {
		o = s.play(t, "")
	}
	if o.status != 0 || !o.ran || o.err != "" {
		t.Fatalf("%s: without any fault: %v, ran: %v", s.name, o.result, o.ran)
	}
	for key, value := range want {
		if o.as[key] != value {
			t.Fatalf("%s: without any fault %s is %q, not %q", s.name, key, o.as[key], value)
		}
	}
	s.as = o.as
	return o
}

var (
	asRoot   = map[string]string{"Uid": "0 0 0 0", "Gid": "0 0 0 0", "Groups": "0", "CapInh": noCaps, "CapAmb": noCaps, "Seccomp": "0", "Umask": "0022"}
	asNobody = map[string]string{"Uid": "65534 65534 65534 65534", "Gid": "65534 65534 65534 65534", "Groups": "65534", "CapInh": noCaps,
		"CapPrm": noCaps, "CapEff": noCaps, "CapAmb": noCaps, "Seccomp": "2", "Umask": "0022"}
)

const noCaps = "0000000000000000"

// step is how the message about a failed call of the privileged section may
// begin. "-" stands for a call whose failure changes nothing, and "?" for one whose
// failure may; of a call that is not known here, the message need only be one.
func step(p place) []string {
	switch p.call {
	case "close_range":
		return []string{"cannot mark descriptors close-on-exec: "}
	case "fcntl":
		return []string{"cannot find descriptors 0 to 2 open: "}
	case "umask":
		return []string{"cannot set the umask: "}
	case "prlimit64":
		// What process 1 has is not known everywhere, and what cannot be raised to it
		// is left.
		if strings.Contains(p.line, "prlimit64(1,") || ofBaseline.MatchString(p.line) && !strings.Contains(p.line, ", NULL, {") {
			return []string{"?"}
		}
		return []string{"cannot reset the resource limits: " + regexp.MustCompile(`RLIMIT_[A-Z]+`).FindString(p.line)}
	case "ioprio_get": // it is set then
		return []string{"-"}
	case "prctl":
		// Who lacks CAP_SYS_RESOURCE can neither set nor reset these.
		if strings.Contains(p.line, "PR_SET_IO_FLUSHER") || strings.Contains(p.line, "0x43 ") || strings.Contains(p.line, "PR_SET_MEMORY_MERGE") {
			return []string{"?"}
		}
	case "setpriority":
		return []string{"cannot set the nice value: "}
	case "openat", "write":
		return []string{"cannot set the OOM score: "}
	case "rt_sigaction":
		return []string{"cannot reset the ignored signals: signal "}
	case "rt_sigprocmask":
		return []string{"cannot reset the signal mask: "}
	case "seccomp":
		return []string{"cannot forbid typing into terminals (seccomp): "}
	case "setgroups":
		return []string{"cannot set the supplementary groups: "}
	case "setresgid":
		return []string{"cannot set the group id: "}
	case "setresuid":
		return []string{"cannot set the user id: "}
	case "capset":
		return []string{"cannot set the capabilities: ", "cannot clear the inheritable capabilities: "}
	case "capget": // one that asks what is missing changes nothing
		return []string{"?", "cannot set the capabilities: ", "cannot clear the inheritable capabilities: ", "cannot confirm the capabilities: "}
	case "getresuid", "getresgid":
		return []string{"cannot confirm the ids: "}
	case "getgroups":
		return []string{"cannot confirm the groups: "}
	case "execve":
		return []string{"Executable not found: /usr/bin/cp (filter match = cp): "}
	case "pidfd_send_signal":
		return []string{"cannot send signal 9 to process "}
	case "close":
		return []string{"-"}
	}
	return []string{"cannot "}
}

var ofBaseline = regexp.MustCompile(`RLIMIT_(NPROC|SIGPENDING|MEMLOCK|MSGQUEUE|LOCKS|RSS|RTTIME|RTPRIO|NICE)`)

// refusedWith complains unless nothing ran, and one line on standard error, which
// begins in one of the ways given, says so.
func refusedWith(t *testing.T, o outcome, status int, end string, begin ...string) {
	t.Helper()
	if o.ran {
		t.Errorf("it ran, as %v: %v", o.as, o.result)
	}
	begins := func(s string) bool { return strings.HasPrefix(o.err, "ironwrap: "+s) }
	if o.status != status || o.out != "" || !oneLine(o.err) || !slices.ContainsFunc(begin, begins) || !strings.HasSuffix(o.err, end+"\n") {
		t.Errorf("not status %d and one line %q ... %q: %v", status, begin, end, o.result)
	}
}

func oneLine(s string) bool {
	return strings.Count(s, "\n") == 1 && strings.HasSuffix(s, "\n") && len(s) > 1
}

// Every call between the decision and the command, in all three ways to end.
func TestFaultsInPrivilegedSection(t *testing.T) {
	super, nobody, signal, _ := scenes(t)
	needed := map[*scene][]string{
		super: {"close_range", "fcntl", "umask", "prlimit64", "setpriority", "openat", "write", "rt_sigaction", "rt_sigprocmask", "prctl",
			"setgroups", "setresgid", "setresuid", "capget", "capset", "getresuid", "getresgid", "getgroups", "execve"},
		nobody: {"seccomp", "setgroups", "setresgid", "setresuid", "capset", "execve"},
		signal: {"close_range", "setgroups", "setresgid", "setresuid", "capset", "pidfd_send_signal"},
	}
	for s, calls := range needed {
		base := s.baseline(t, map[*scene]map[string]string{super: asRoot, nobody: asNobody}[s])
		list := places(base.log, section, nil)
		for _, call := range calls {
			if !slices.ContainsFunc(list, func(p place) bool { return p.call == call }) {
				t.Errorf("%s: no %s in the privileged section: nothing was tried there", s.name, call)
			}
		}
		for _, p := range list {
			// Where one loop makes them all, the first and the last say as much.
			many := 0
			for _, q := range list {
				if q.call == p.call {
					many++
				}
			}
			if s != nobody && many > 20 && p.n > 2 && p.n < many-1 {
				continue
			}
			want := step(p)
			t.Run(fmt.Sprintf("%s/%v", s.name, p), func(t *testing.T) {
				t.Parallel()
				o := s.inject(t, section, p, countBefore(base.log, section, p.call)+p.n, "error=EPERM")
				status := 97
				switch p.call {
				case "execve":
					status = 96
				case "pidfd_send_signal":
					status = 1
				}
				switch {
				case want[0] == "-", want[0] == "?" && o.ran:
					sameAs(t, s, o)
					return
				case want[0] == "?":
					want = append(want[1:], "cannot reset ")
				}
				end := ": operation not permitted"
				if strings.Contains(o.err, " is missing here: ") { // and so it is
					end = ""
				}
				refusedWith(t, o, status, end, want...)
			})
		}
	}
}

// sameAs complains unless the command ran, and was what it is without a fault.
func sameAs(t *testing.T, s *scene, o outcome) {
	t.Helper()
	if !o.ran || o.status != 0 {
		t.Errorf("it did not run: %v", o.result)
	}
	for key, value := range s.as {
		if o.as[key] != value {
			t.Errorf("%s is %q, not %q", key, o.as[key], value)
		}
	}
}

// A call that reports success and did nothing: what the kernel says afterwards
// counts (setresuid(2) with -1 is such a call: CVE-2019-14287).
func TestFaultsThatLookLikeSuccess(t *testing.T) {
	super, nobody, signal, _ := scenes(t)
	for _, c := range []struct {
		scene *scene
		call  string
		want  string
	}{
		{super, "setgroups", "cannot confirm the groups: the kernel says [4 24 42], not [0]"},
		{super, "capset", "cannot confirm the capabilities: the kernel says "},
		{nobody, "setgroups", "cannot confirm the groups: the kernel says [4 24 42], not [65534]"},
		{nobody, "setresgid", "cannot confirm the ids: the kernel says gids 0, 0, 0, not 65534"},
		{nobody, "setresuid", "cannot confirm the ids: the kernel says uids 0, 0, 0, not 65534"},
		{nobody, "capset", "cannot confirm the capabilities: the kernel says "},
		{signal, "setgroups", "cannot confirm the groups: the kernel says [4 24 42], not [0]"},
		{signal, "capset", "cannot confirm the capabilities: the kernel says "},
	} {
		t.Run(c.scene.name+"/"+c.call, func(t *testing.T) {
			t.Parallel()
			refusedWith(t, c.scene.inject(t, section, place{call: c.call, n: 1}, 1, "retval=0"), 97, "", c.want)
		})
	}
	// These are already so: nothing is missing.
	super.baseline(t, nil)
	for _, call := range []string{"setresgid", "setresuid"} {
		t.Run("already so/"+call, func(t *testing.T) {
			t.Parallel()
			sameAs(t, super, super.inject(t, section, place{call: call, n: 1}, 1, "retval=0"))
		})
	}
}

// Each id, each set of capabilities and the groups are compared by themselves:
// what the kernel answers is changed, one answer at a time.
func TestFaultsInWhatIsConfirmed(t *testing.T) {
	super, nobody, _, _ := scenes(t)
	const one, zero, last = "01000000", "00000000", 0
	list := map[*scene][]place{}
	for _, s := range []*scene{super, nobody} {
		list[s] = places(s.baseline(t, nil).log, section, nil)
	}
	for _, c := range []struct {
		scene *scene
		call  string
		n     int // in the section, from 1
		poke  string
		want  string
	}{
		{nobody, "getresuid", 1, "@arg1=" + zero, "cannot confirm the ids: the kernel says uids 0, 65534, 65534, not 65534"},
		{nobody, "getresuid", 1, "@arg2=" + zero, "cannot confirm the ids: the kernel says uids 65534, 0, 65534, not 65534"},
		{nobody, "getresuid", 1, "@arg3=" + zero, "cannot confirm the ids: the kernel says uids 65534, 65534, 0, not 65534"},
		{nobody, "getresgid", 1, "@arg1=" + zero, "cannot confirm the ids: the kernel says gids 0, 65534, 65534, not 65534"},
		{nobody, "getresgid", 1, "@arg2=" + zero, "cannot confirm the ids: the kernel says gids 65534, 0, 65534, not 65534"},
		{nobody, "getresgid", 1, "@arg3=" + zero, "cannot confirm the ids: the kernel says gids 65534, 65534, 0, not 65534"},
		{nobody, "getgroups", 2, "@arg2=" + zero, "cannot confirm the groups: the kernel says [0], not [65534]"},
		{super, "getgroups", 2, "@arg2=" + one, "cannot confirm the groups: the kernel says [1], not [0]"},
		{super, "getresuid", 1, "@arg2=" + one, "cannot confirm the ids: the kernel says uids 0, 1, 0, not 0"},
		// struct __user_cap_data_struct, twice: effective, permitted, inheritable.
		{nobody, "capget", last, "@arg2=" + one, "cannot confirm the capabilities: the kernel says "},
		{nobody, "capget", last, "@arg2=" + zero + one, "cannot confirm the capabilities: the kernel says permitted 0000000000000001"},
		{nobody, "capget", last, "@arg2=" + zero + zero + one, "cannot confirm the capabilities: the kernel says "},
		{nobody, "capget", last, "@arg2=" + zero + zero + zero + one, "cannot confirm the capabilities: the kernel says "},
		{nobody, "capget", last, "@arg2=" + zero + zero + zero + zero + one, "cannot confirm the capabilities: the kernel says permitted 0000000100000000"},
		{super, "capget", last, "@arg2=" + zero + zero + zero + zero + zero + one, "cannot confirm the capabilities: the kernel says "},
	} {
		t.Run(fmt.Sprintf("%s/%s/%s", c.scene.name, c.call, c.poke), func(t *testing.T) {
			t.Parallel()
			p := place{call: c.call, n: c.n}
			for _, q := range list[c.scene] {
				if c.n == last && q.call == c.call {
					p = q
				}
			}
			o := c.scene.inject(t, section, p, p.n, "poke_exit="+c.poke)
			refusedWith(t, o, 97, "", c.want)
		})
	}
}

// Kernels from before these calls: nothing runs, and the line says what failed.
func TestFaultsOfOldKernels(t *testing.T) {
	super, nobody, signal, path := scenes(t)
	for _, c := range []struct {
		scene  *scene
		call   string
		status int
		want   string
	}{
		{super, "close_range", 97, "cannot mark descriptors close-on-exec: function not implemented"},
		{nobody, "seccomp", 97, "cannot forbid typing into terminals (seccomp): function not implemented"},
		{signal, "pidfd_open", 99, "Unauthorized command: kill -9 "},
		{signal, "pidfd_send_signal", 99, "Unauthorized command: kill -9 "},
		{path, "openat2", 99, "Unauthorized command: cp /proc/self/status "},
	} {
		t.Run(c.call, func(t *testing.T) {
			t.Parallel()
			o := c.scene.play(t, c.call+":error=ENOSYS:when=1+")
			if !slices.ContainsFunc(o.log, func(line string) bool { return strings.HasSuffix(line, "(INJECTED)") }) {
				t.Fatalf("%s was never called", c.call)
			}
			refusedWith(t, o, c.status, "", c.want)
		})
	}
}

// Every call before the privileged section, failing in the ways that such a call
// can: the command does not run, or it is what it is without the fault.
func TestFaultsOnTheRoad(t *testing.T) {
	_, _, signal, path := scenes(t)
	ways := map[string][]string{
		"openat":     {"EPERM", "ENOENT", "EINTR"},
		"openat2":    {"EPERM", "ENOENT", "EINTR", "EAGAIN", "EMFILE"},
		"read":       {"EIO", "EINTR"},
		"pread64":    {"EIO", "EINTR"},
		"wait4":      {"ECHILD", "EINTR"},
		"readlinkat": {"ENOENT", "EIO"},
		"connect":    {"ECONNREFUSED", "ENOENT", "EINTR"},
		"sendmsg":    {"EMSGSIZE", "ENOBUFS", "EINTR"},
		"sendto":     {"EMSGSIZE", "ENOBUFS", "EINTR"},
		"newfstatat": {"ENOENT", "EACCES"},
	}
	seen := map[string]bool{}
	for _, c := range []struct {
		*scene
		finds    state
		sections int // how many begin as the privileged one does
	}{{signal, kept, 1}, {path, kept, 1}, {path, unwritable, 2}} {
		t.Run(string(c.finds), func(t *testing.T) {
			pin(t, c.conf, c.finds)
			s := &scene{}
			*s = *c.scene
			base := s.baseline(t, map[*scene]map[string]string{path: asNobody}[c.scene])
			began := 0
			end := func(line string) bool {
				if section.begin(line) {
					began++
				}
				return began == c.sections
			}
			for _, p := range places(base.log, road, end) {
				if p.call == "rt_sigprocmask" { // the runtime's, when it starts a thread
					continue
				}
				if p.call == "close" && p.n > 5 { // nobody looks whether they fail
					continue
				}
				seen[p.call] = true
				errnos := ways[p.call]
				if errnos == nil {
					errnos = []string{"EPERM"}
				}
				for _, errno := range errnos {
					t.Run(fmt.Sprintf("%s/%v/%s", s.name, p, errno), func(t *testing.T) {
						t.Parallel()
						o := s.inject(t, road, p, countBefore(base.log, road, p.call)+p.n, "error="+errno)
						if strings.Contains(o.err, "runtime error") {
							t.Errorf("a bug, by its message: %s: %v", p.line, o.result)
						}
						// With a timeout set (SO_SNDTIMEO) these are not restarted after a
						// signal, whatever SA_RESTART says (signal(7)).
						if errno == "EINTR" && (p.call == "connect" || strings.HasPrefix(p.call, "send")) && (!o.ran || o.err != "") {
							t.Errorf("the record is lost: %s: %v", p.line, o.result)
						}
						// audit_required: no record, no command.
						if c.scene == path && o.ran && (p.call == "socket" || p.call == "setsockopt" || p.call == "connect" || strings.HasPrefix(p.call, "send")) && errno != "EINTR" {
							t.Errorf("it ran without a record: %s: %v", p.line, o.result)
						}
						if o.ran {
							sameAs(t, s, o)
							if o.err != "" && !oneLine(o.err) {
								t.Errorf("%s: %v", p.line, o.result)
							}
							return
						}
						if !slices.Contains([]int{96, 97, 99}, o.status) || !oneLine(o.err) || !strings.HasPrefix(o.err, "ironwrap: ") {
							t.Errorf("%s: %v", p.line, o.result)
						}
					})
				}
			}
		})
	}
	for _, call := range []string{"openat", "openat2", "read", "pread64", "pipe2", "wait4", "fstat", "newfstatat", "fstatfs", "setitimer", "prctl", "pidfd_open", "readlinkat",
		"setfsuid", "setfsgid", "setgroups", "socket", "connect"} {
		if !seen[call] {
			t.Errorf("no %s on the road: nothing was tried there", call)
		}
	}
}

// Begin, when the program is setuid: each call that takes the process out of the
// caller's hands.
func TestFaultsInBegin(t *testing.T) {
	_, nobody, _, _ := scenes(t)
	// The setuid program takes its configuration from this directory alone, and
	// from callers that it names.
	s := *nobody
	s.name, s.program = "setuid", variant(t, s.dir())
	if err := os.Chmod(s.program, os.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	s.strace = []string{"-u", caller.name}
	conf, err := os.ReadFile(s.conf)
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.conf, string(conf)+"allow_users="+caller.name+"\n")

	// A caller who would like a core file.
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: core.Max, Max: core.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_CORE, &core) })

	base := s.baseline(t, asNobody)
	config := func(line string) bool { return strings.Contains(line, "/proc/self/loginuid") }
	list := places(base.log, road, config)
	tried := map[string]int{}
	for _, p := range list {
		if p.call == "rt_sigprocmask" { // the runtime's, when it starts a thread
			continue
		}
		want := map[string]string{
			"rt_sigaction": "cannot set the action of ",
			"prlimit64":    "cannot read RLIMIT_SIGPENDING: ",
			"setresuid":    "cannot become uid 0: ",
			"setresgid":    "cannot become gid 0: ",
			"prctl":        "cannot forbid tracing (PR_SET_DUMPABLE): ",
			"setitimer":    "cannot stop the caller's timers (setitimer): ",
		}[p.call]
		switch {
		case strings.Contains(p.line, "PR_GET_TIMERSLACK"):
			want = "" // it is set then
		case p.call == "setitimer" && strings.Contains(p.line, "it_value={tv_sec=65,"): // sandbox.Deadline
			want = "cannot set a timer (setitimer): "
		case p.call == "rt_sigaction" && strings.Contains(p.line, "SIGXFSZ"):
			want = "cannot ignore "
		case strings.Contains(p.line, "RLIMIT_NOFILE"):
			want = "cannot read RLIMIT_NOFILE: "
		case strings.Contains(p.line, "RLIMIT_CORE, NULL"):
			want = "cannot read RLIMIT_CORE: "
		case strings.Contains(p.line, "RLIMIT_CORE"):
			want = "cannot set RLIMIT_CORE: "
		case p.call == "prctl" && !strings.Contains(p.line, "PR_SET_DUMPABLE"):
			want = "cannot reset the "
		}
		tried[p.call]++
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			o := s.inject(t, road, p, countBefore(base.log, road, p.call)+p.n, "error=EPERM")
			switch {
			case want != "":
				refusedWith(t, o, 97, ": operation not permitted", want)
			case o.ran:
				sameAs(t, &s, o)
			default:
				if o.status == 0 {
					t.Errorf("nothing ran, and nothing failed: %v", o.result)
				}
				refusedWith(t, o, o.status, "", "")
			}
		})
	}
	for call, n := range map[string]int{"rt_sigaction": 3, "prlimit64": 4, "setresuid": 1, "setresgid": 1, "prctl": 4, "setitimer": 3, "sched_setattr": 1} {
		if tried[call] < n {
			t.Errorf("%d calls of %s in Begin, not %d: nothing was tried there", tried[call], call, n)
		}
	}
}
