package budget

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/integration/rig"
	"ironwrap/integration/rig/rootwrapclient"
	"ironwrap/integration/rig/sized"
	engine "ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
)

const budgetFile = "testdata/budget.txt"

// budgetHead is written above the numbers.
const budgetHead = `# What a call may cost, in numbers that a busy machine does not change. TestBudget fails
# where one is more than 5 % above this file, and says so where one is that much below.
# After a change that is worth it: go test ./integration/budget -run TestBudget -update
#
# All processes run on one core. A call finds its policy compiled by an earlier one; a cold
# one has a process read the files, and keep what it makes of them.
#
# system calls  of the leading thread, from execve(2) of ironwrap to that of the command;
#               of a daemon's request: of the daemon and its launchers, without those by
#               which the Go runtime and the poller wait
# page faults   beyond those of the command alone, and with those of the process that reads;
#               of a daemon's request: with those of the command
# threads       made before the command is executed; a daemon's after 100 requests. One
#               more is let pass: load makes one
# allocations   of package policy, in objects and in bytes
# size          of the program, in KiB, as make build builds it
# packages      that the program links, with those of the standard library
`

// TestBudget holds what a call costs: nothing here depends on how fast or how busy the
// machine is.
func TestBudget(t *testing.T) {
	rig.NeedStore(t)
	rig.Need(t, "strace", "/usr/bin/strace")
	b := newBudgetScene(t)
	oneCore(t)
	got := make(map[string]float64)
	for _, call := range []struct {
		name, conf string
		finds      rig.State
	}{{"3 filters", b.small, rig.Kept}, {"229 filters", b.usual, rig.Kept}, {"10,003 filters", b.huge, rig.Kept}, {"full sandbox", b.sandboxed, rig.Kept}, {"229 filters, cold", b.usual, rig.Absent}} {
		rig.Old(t, call.conf)
		rig.Finds(t, call.conf, call.finds, 0)
		got["one-shot, "+call.name+": system calls"] = b.calls(t, call.conf)
		got["one-shot, "+call.name+": page faults"] = b.faults(t, call.conf, b.program("ironwrap"), call.conf, "true") - b.faults(t, "", "/usr/bin/true")
		got["one-shot, "+call.name+": threads"] = b.threads(t, call.conf)
		if !rig.IsKept(call.conf) {
			t.Errorf("%s: it is not kept", call.name)
		}
	}
	for _, call := range []struct{ name, conf string }{{"3 filters", b.small}, {"229 filters", b.usual}} {
		objects, size := allocated(func() { loadAndDecide(t, call.conf) })
		got["load and decide, "+call.name+": allocations"], got["load and decide, "+call.name+": bytes"] = objects, size
	}
	p, err := engine.Load(b.usual, trust.Object, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	objects, size := allocated(func() { decideTrue(t, p) })
	got["decide, 229 filters: allocations"], got["decide, 229 filters: bytes"] = objects, size
	b.daemonRequest(t, got)
	for _, name := range []string{"ironwrap", "ironwrap-read", "ironwrap-daemon", "ironwrap-launch"} {
		info, err := os.Stat(b.program(name))
		if err != nil {
			t.Fatal(err)
		}
		got[name+": size"] = float64(info.Size() >> 10)
		list := exec.Command("go", "list", "-deps", "./cmd/"+name)
		list.Dir, list.Env = rig.Root, append(os.Environ(), "CGO_ENABLED=0")
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		got[name+": packages"] = float64(bytes.Count(out, []byte("\n")))
	}

	if *rig.Update {
		if err := os.WriteFile(budgetFile, formatBudget(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(budgetFile)
	if err != nil {
		t.Fatal(err)
	}
	want, err := parseBudget(text)
	if err != nil {
		t.Fatal(err)
	}
	over, under := compareBudget(got, want)
	for _, line := range under {
		t.Log(line)
	}
	for _, line := range over {
		t.Error(line)
	}
	if len(over) > 0 {
		t.Error("find what costs more and take it back; where it is worth it, say why in the commit, and: go test ./integration/budget -run TestBudget -update")
	} else if len(under) > 0 {
		t.Log("to hold what was gained: go test ./integration/budget -run TestBudget -update")
	}
}

// oneCore has this thread, and all processes that it starts, run on one core: how many
// threads Go makes, and which of them finds what to do, else depends on the machine.
func oneCore(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	var one unix.CPUSet
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.SchedSetaffinity(0, &all) })
	// Other tests shall not come in between. What a child has of it changes nothing.
	before, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err == nil {
		err = unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Setpriority(unix.PRIO_PROCESS, 0, 20-before) }) // getpriority(2) returns 20 less it
}

// budgetScene has the programs as make build builds them, and policies.
type budgetScene struct {
	dir                           string
	small, usual, huge, sandboxed string
}

func (b budgetScene) program(name string) string { return b.dir + "/" + name }

func newBudgetScene(t *testing.T) budgetScene {
	t.Helper()
	b := budgetScene{dir: rig.NewPolicy(t, "").Dir}
	built := t.TempDir()
	for _, name := range []string{"ironwrap", "ironwrap-read", "ironwrap-daemon", "ironwrap-launch"} {
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w "+rig.Ldflags(filepath.Dir(rig.Ours)), "-o", built+"/"+name, "./cmd/"+name)
		build.Dir, build.Env = rig.Root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("cannot build %s: %v\n%s", name, err, out)
		}
		// A copy, because how a file came into the page cache changes its page faults.
		text, err := os.ReadFile(built + "/" + name)
		if err == nil {
			err = os.WriteFile(b.program(name), text, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	rig.Another(t, b.program("ironwrap"))
	syscall.Sync()
	profile := rig.ProfileIn(t, b.dir+"/profiles")
	last := []string{"true: CommandFilter, true, root"}
	for _, p := range []struct {
		conf  *string
		name  string
		count int
		extra string
	}{{&b.small, "small", 3, ""}, {&b.usual, "usual", sized.Usual, ""}, {&b.huge, "huge", 10_003, ""}, {&b.sandboxed, "sandboxed", sized.Usual, sized.FullSandbox(profile)}} {
		var err error
		if *p.conf, err = sized.Policy(b.dir+"/"+p.name, p.count, last, p.extra); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// strace runs ironwrap under strace and returns the lines up to the command's execve.
func (b budgetScene) strace(t *testing.T, conf string, options ...string) (lines []string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	args := append([]string{"/usr/bin/strace", "-o", log, "-e", "signal=none"}, options...)
	if r := rig.Run(t, append(args, b.program("ironwrap"), conf, "true")...); r.Status != 0 {
		t.Fatal(r)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "execve(\"") && !strings.Contains(line, b.dir) {
			return lines
		}
		lines = append(lines, line)
	}
	t.Fatalf("the command was not executed:\n%s", text)
	return nil
}

// calls is the median of some runs: the runtime may wait now and then.
func (b budgetScene) calls(t *testing.T, conf string) float64 {
	var counts []int
	for range 7 {
		n := 0
		for _, line := range b.strace(t, conf) {
			if rig.CallName(line) != "" {
				n++
			}
		}
		counts = append(counts, n)
	}
	slices.Sort(counts)
	return float64(counts[len(counts)/2])
}

func (b budgetScene) threads(t *testing.T, conf string) float64 {
	fewest := 1 << 10
	for range 15 {
		n := 0
		// Where strace stops each call, the runtime takes a thread for blocked.
		for _, line := range b.strace(t, conf, "-f", "--seccomp-bpf", "-e", "trace=execve,clone,clone3") {
			if strings.Contains(line, "CLONE_THREAD") {
				n++
			}
		}
		fewest = min(fewest, n)
	}
	return float64(fewest)
}

// faults is the fewest of many runs: what is more comes from the machine.
func (b budgetScene) faults(t *testing.T, conf string, argv ...string) float64 {
	fewest := int64(1 << 30)
	for range 50 {
		if s, ok := rig.Pinned.Load(conf); ok && s == rig.Absent {
			rig.Put(conf, rig.Absent, 0)
		}
		c := exec.Command(argv[0], argv[1:]...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
		used := c.ProcessState.SysUsage().(*syscall.Rusage)
		fewest = min(fewest, used.Minflt+used.Majflt)
	}
	return float64(fewest)
}

func loadAndDecide(t *testing.T, conf string) {
	p, err := engine.Load(conf, trust.Object, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	decideTrue(t, p)
}

func decideTrue(t *testing.T, p *engine.Policy) {
	d := p.Decide(engine.Request{Argv: filters.Words([]string{"true"}), Machine: machine.New(p.ExecDirs, trust.Object)})
	if d.Verdict != engine.Allowed {
		t.Fatalf("true is not allowed: %+v", d)
	}
}

// allocated is what one run of f allocates, as in testing.AllocsPerRun, in objects and in
// bytes.
func allocated(f func()) (objects, size float64) {
	const runs = 20
	objects = testing.AllocsPerRun(runs, f)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return objects, float64((after.TotalAlloc - before.TotalAlloc) / runs)
}

// waiting are calls by which the Go runtime and the poller wait: how many there are is a
// matter of the moment.
var waiting = []string{"futex", "nanosleep", "clock_nanosleep", "epoll_pwait", "sched_yield", "rt_sigreturn", "tgkill", "getpid", "restart_syscall", "madvise", "poll"}

const budgetRequests = 100

// daemonRequest adds what one request costs a daemon that serves a client.
func (b budgetScene) daemonRequest(t *testing.T, got map[string]float64) {
	t.Helper()
	var calls, faults, threads []float64
	serve := func(use func(d *rootwrapclient.Daemon, request func(words ...string))) {
		t.Helper()
		d, err := rootwrapclient.Start(b.program("ironwrap-daemon"), b.usual)
		if err != nil {
			t.Fatal(err)
		}
		client, err := rootwrapclient.Dial(d.Path, d.Key)
		if err != nil {
			t.Fatal(err)
		}
		request := func(words ...string) {
			t.Helper()
			if r, err := client.Run(append([]string{"true"}, words...), nil); err != nil || r.Status != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		for range budgetRequests {
			request()
		}
		threads = append(threads, float64(len(tasks(d.PID))))
		use(d, request)
		client.Close()
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	}
	// How many threads there are is the most uncertain: the fewest of many daemons'.
	for range 10 {
		serve(func(*rootwrapclient.Daemon, func(...string)) {})
	}
	for range 3 {
		serve(func(d *rootwrapclient.Daemon, request func(words ...string)) {
			for range 5 {
				before := familyFaults(d.PID)
				for range budgetRequests {
					request()
				}
				faults = append(faults, (familyFaults(d.PID)-before)/budgetRequests)
			}
			log := filepath.Join(t.TempDir(), "log")
			trace := attach(t, log, append(rig.Children(d.PID), d.PID)...)
			request("first")
			for range budgetRequests {
				request()
			}
			request("last")
			trace()
			text, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls, daemonCalls(t, string(text)))
		})
	}
	t.Logf("daemon: system calls %.1f, page faults %.1f, threads %.0f", calls, faults, threads)
	slices.Sort(calls)
	got["daemon, one request: system calls"] = calls[1]
	got["daemon, one request: page faults"] = slices.Min(faults)
	got["daemon: threads"] = slices.Min(threads)
}

// attach has strace write down the calls of these processes, and of those that they start,
// until the function that it returns is called.
func attach(t *testing.T, log string, pids ...int) (end func()) {
	t.Helper()
	args := []string{"-f", "-o", log, "-e", "signal=none"}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	strace := exec.Command("/usr/bin/strace", args...)
	if err := strace.Start(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		rig.Until(t, fmt.Sprintf("strace holds process %d", pid), func() bool {
			for _, task := range tasks(pid) {
				if text, err := os.ReadFile(task + "/status"); err == nil && strings.Contains(string(text), "TracerPid:\t0\n") {
					return false
				}
			}
			return true
		})
	}
	return func() {
		strace.Process.Signal(os.Interrupt)
		strace.Wait()
	}
}

var (
	tracedLine = regexp.MustCompile(`^(\d+) +(\w+)\(`)
	commandRun = regexp.MustCompile(`^(\d+) +execve\("(?:/usr)?/bin/true", \["[^"]*"(?:, "(\w+)")?\]`)
	gone       = regexp.MustCompile(`^(\d+) +\+\+\+ `)
)

// daemonCalls counts the calls for one request in strace's log of a daemon and its
// launchers: those between the command with the argument "first" and the one with "last".
// A process that executed the command is the command.
func daemonCalls(t *testing.T, log string) float64 {
	commands := make(map[string]bool) // by process id
	counting, count, requests := false, 0, 0
	for line := range strings.Lines(log) {
		if m := gone.FindStringSubmatch(line); m != nil {
			delete(commands, m[1])
			continue
		}
		m := tracedLine.FindStringSubmatch(line)
		if counting && m != nil && !commands[m[1]] && !slices.Contains(waiting, m[2]) {
			count++
		}
		if m := commandRun.FindStringSubmatch(line); m != nil {
			commands[m[1]] = true
			if counting {
				requests++
			}
			if m[2] == "last" {
				return float64(count) / float64(requests)
			}
			counting = counting || m[2] == "first"
		}
	}
	t.Fatalf("the requests are not in the log: %d requests, %d calls", requests, count)
	return 0
}

// tasks are the directories of a process's threads.
func tasks(pid int) []string {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	return names
}

// familyFaults are the page faults of a process, of its children, and of theirs that
// ended (proc_pid_stat(5)).
func familyFaults(pid int) (sum float64) {
	for _, p := range append(rig.Children(pid), pid) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 11 {
			continue
		}
		for _, f := range fields[7:11] { // minflt, cminflt, majflt, cmajflt
			n, _ := strconv.ParseFloat(f, 64)
			sum += n
		}
	}
	return sum
}

// formatBudget writes the file: one number a line, in the order of their names.
func formatBudget(numbers map[string]float64) []byte {
	var b bytes.Buffer
	b.WriteString(budgetHead)
	names := make([]string, 0, len(numbers))
	for name := range numbers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s = %s\n", name, strconv.FormatFloat(math.Round(10*numbers[name])/10, 'f', -1, 64))
	}
	return b.Bytes()
}

func parseBudget(text []byte) (map[string]float64, error) {
	numbers := make(map[string]float64)
	for scanner := bufio.NewScanner(bytes.NewReader(text)); scanner.Scan(); {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, _ := strings.Cut(line, " = ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: cannot read the line %q", budgetFile, line)
		}
		if _, twice := numbers[name]; twice {
			return nil, fmt.Errorf("%s has %q twice", budgetFile, name)
		}
		numbers[name] = n
	}
	return numbers, nil
}

// budgetSlack is how much a number may be above the file.
const budgetSlack = 0.05

// compareBudget says what is above the budget, and what is so far below it that the
// budget holds nothing any more.
func compareBudget(got, want map[string]float64) (over, under []string) {
	names := make(map[string]bool)
	for _, m := range []map[string]float64{got, want} {
		for name := range m {
			names[name] = true
		}
	}
	for name := range names {
		g, measured := got[name]
		w, held := want[name]
		switch {
		case !measured:
			over = append(over, fmt.Sprintf("%s is in the budget, but nothing measures it any more", name))
		case !held:
			over = append(over, fmt.Sprintf("%s is %.5g, and the budget does not hold it", name, g))
		case strings.HasSuffix(name, "threads") && g <= w+1:
			// A machine under load makes the Go runtime take a thread for blocked.
		case g > w*(1+budgetSlack):
			over = append(over, fmt.Sprintf("%s: %.5g, and the budget is %.5g", name, g, w))
		case g < w*(1-budgetSlack):
			under = append(under, fmt.Sprintf("%s: %.5g, less than the budget of %.5g", name, g, w))
		}
	}
	slices.Sort(over)
	slices.Sort(under)
	return over, under
}

// The budget has to be exceeded by what is 5 % above it, and by nothing less.
func TestBudgetComparison(t *testing.T) {
	want, err := parseBudget([]byte(budgetHead + "a: calls = 100\nb: size = 2000\nc: threads = 4\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		got         map[string]float64
		over, under int
	}{
		{"the same", map[string]float64{"a: calls": 100, "b: size": 2000, "c: threads": 4}, 0, 0},
		{"5 % more", map[string]float64{"a: calls": 105, "b: size": 2100, "c: threads": 4}, 0, 0},
		{"6 % more", map[string]float64{"a: calls": 106, "b: size": 2000, "c: threads": 4}, 1, 0},
		{"a thread more", map[string]float64{"a: calls": 100, "b: size": 2000, "c: threads": 5}, 0, 0},
		{"two threads more", map[string]float64{"a: calls": 100, "b: size": 2000, "c: threads": 6}, 1, 0},
		{"less", map[string]float64{"a: calls": 80, "b: size": 2000, "c: threads": 4}, 0, 1},
		{"one not measured", map[string]float64{"a: calls": 100, "b: size": 2000}, 1, 0},
		{"one not held", map[string]float64{"a: calls": 100, "b: size": 2000, "c: threads": 4, "d: calls": 1}, 1, 0},
	} {
		if over, under := compareBudget(c.got, want); len(over) != c.over || len(under) != c.under {
			t.Errorf("%s: over %q, under %q", c.name, over, under)
		}
	}
	again, err := parseBudget(formatBudget(want))
	if over, under := compareBudget(again, want); err != nil || len(over)+len(under) != 0 || len(again) != 3 {
		t.Errorf("written and read: %v, %v", again, err)
	}
	for _, bad := range []string{"a: calls\n", "a: calls = x\n", "a = 1\na = 2\n"} {
		if n, err := parseBudget([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, n)
		}
	}
}

// A log in which each kind of line occurs that must not be counted.
func TestDaemonCalls(t *testing.T) {
	log := `10 read(5, "x", 1) = 1
11 execve("/usr/bin/true", ["/usr/bin/true", "first"], 0xc) = 0
11 brk(NULL) = 0x1
10 futex(0x1, FUTEX_WAIT) = 0
10 read(5, "x", 1) = 1
12 openat(AT_FDCWD, "/etc/x", O_RDONLY <unfinished ...>
10 epoll_pwait(4, [], 128, 0, NULL, 0) = 0
12 <... openat resumed>) = 3
11 +++ exited with 0 +++
12 execve("/usr/bin/true", ["/usr/bin/true"], 0xc) = 0
12 mmap(NULL, 1) = 1
12 +++ exited with 0 +++
12 write(1, "y", 1) = 1
13 execve("/usr/bin/true", ["/usr/bin/true", "last"], 0xc) = 0
10 read(5, "x", 1) = 1
`
	// read, openat, execve, write, execve, for two requests.
	if n := daemonCalls(t, log); n != 2.5 {
		t.Errorf("%v calls a request, want 2.5", n)
	}
}
