package sandbox

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// The command is the executor's: its user, environment, descriptors, input and
// output, and its exit status.
func TestLearnContext(t *testing.T) {
	s := newStudent(t, "sh: CommandFilter, sh, "+rig.Caller.Name)
	const show = `id; env | sort; umask; ulimit -n; ls -l /proc/self/fd | wc -l; grep -E "Sig(Blk|Ign|Cgt)|Cap|NoNewPrivs" /proc/self/status; cat; echo err >&2; kill -9 $$`
	input := "of the caller"
	by := func(argv ...string) rig.Result {
		c := exec.Command(argv[0], argv[1:]...)
		c.Stdin, c.Dir = strings.NewReader(input), "/"
		c.Env = []string{"PATH=/nonexistent", "LD_PRELOAD=/nonexistent.so", "CALLER=1"}
		return rig.RunCmd(t, c)
	}
	rig.Write(t, s.Policy.Filters, s.filters)
	was := by(rig.Ours, s.Conf, "sh", "-c", show)
	is := by(rig.Ctl(t), "learn", "--into", s.into, s.Conf, "--", "sh", "-c", show)
	if is.Status != 137 || is.Status != was.Status || is.Out != was.Out || !strings.HasPrefix(withoutLoader(is.Err), "err\n") {
		t.Errorf("by ironwrap: %v\nby learn: %v", was, is)
	}
	if !strings.HasSuffix(was.Out, input) {
		t.Errorf("the input did not reach it: %v", was)
	}
	for _, want := range []string{"0", "3", "96", "255"} {
		if r := s.learn(t, "sh", "-c", "exit "+want); strconv.Itoa(r.Status) != want {
			t.Errorf("exit %s: %v", want, r)
		}
	}

	// A command that the policy does not allow is not run, nor one that cannot be.
	for _, c := range []struct {
		status int
		words  string
		argv   []string
	}{
		{99, "ironwrapctl: Unauthorized command: cat x (no filter matched)", []string{"cat", "x"}},
		{96, "ironwrapctl: Executable not found: ", []string{"missing"}},
		{97, "ironwrapctl: cannot run as nosuchuser", []string{"id"}},
		{96, "ironwrapctl: Executable not found: " + s.Dir + "/noformat", []string{s.Dir + "/noformat"}},
	} {
		s.filters = "[Filters]\nm: CommandFilter, missing, root\nu: CommandFilter, id, nosuchuser\nf: CommandFilter, " + s.Dir + "/noformat, root\n"
		rig.Write(t, s.Dir+"/noformat", "no program")
		if err := os.Chmod(s.Dir+"/noformat", 0o755); err != nil {
			t.Fatal(err)
		}
		r := s.learn(t, c.argv...)
		if r.Status != c.status || r.Out != "" || !rig.OneLine(r.Err) || !strings.HasPrefix(r.Err, c.words) {
			t.Errorf("%q: not %d and %q: %v", c.argv, c.status, c.words, r)
		}
	}
}

// The runtime of the process that hands its system calls over must not wait for
// the thread that does: here it collects garbage all the time.
func TestLearnUnderGarbage(t *testing.T) {
	s := newStudent(t, "true: CommandFilter, true, root")
	rig.Write(t, s.Policy.Filters, s.filters)
	for i := range 20 {
		c := exec.Command(rig.Ctl(t), "learn", "--into", s.into, s.Conf, "--", "true")
		c.Env = append(os.Environ(), "GOGC=1", "GOMEMLIMIT=1", "GOMAXPROCS="+strconv.Itoa(1+i%2))
		if r := rig.RunCmd(t, c); r.Status != 0 {
			t.Fatalf("run %d: %v", i+1, r)
		}
	}
}

// A signal is ironwrap's own: it is not sent either.
func TestLearnKill(t *testing.T) {
	sleep := exec.Command("/usr/bin/sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer sleep.Wait()
	defer sleep.Process.Kill()
	s := newStudent(t, "kill: KillFilter, root, /usr/bin/sleep, -9")
	pid := strconv.Itoa(sleep.Process.Pid)
	if r := s.learn(t, "kill", "-9", pid); r.Status != 2 || !rig.OneLine(r.Err) || !strings.HasPrefix(r.Err, "ironwrapctl: kill -9 "+pid+" is a signal") {
		t.Error(r)
	}
	if !alive(sleep.Process.Pid) {
		t.Error("it was sent")
	}
}

// withoutLoader leaves out what the loader says of LD_PRELOAD, which is
// ironwrapctl's own: the command has none.
func withoutLoader(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "ERROR: ld.so:") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// background starts learn with a shell script, and waits until that has said that
// it is ready.
func background(t *testing.T, s student, script string) (c *exec.Cmd, out io.Reader, pid int) {
	t.Helper()
	rig.Write(t, s.Policy.Filters, s.filters)
	c = exec.Command(rig.Ctl(t), "learn", "--into", s.into, s.Conf, "--", "sh", "-c", script)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
	line := make([]byte, 64)
	n, _ := pipe.Read(line)
	if pid, err = strconv.Atoi(strings.TrimSpace(string(line[:n]))); err != nil {
		t.Fatalf("it does not begin: %q, %v", line[:n], err)
	}
	return c, pipe, pid
}

// within complains when f takes longer than half a minute.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan bool)
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: it hangs", what)
	}
}

// A signal reaches the command, which ends as it likes.
func TestLearnSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2} {
		s := newStudent(t, "sh: CommandFilter, sh, nobody")
		n := strconv.Itoa(int(signal))
		c, out, _ := background(t, s, "trap 'echo got; exit 7' "+n+"; echo $$; while :; do sleep 0.1; done")
		if err := c.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		within(t, signal.String(), func() {
			text, _ := io.ReadAll(out)
			c.Wait()
			if string(text) != "got\n" || c.ProcessState.ExitCode() != 7 {
				t.Errorf("%v: %q, %v", signal, text, c.ProcessState)
			}
		})
	}
}

// What the command leaves behind is learned from too; a signal ends it.
func TestLearnLeftBehind(t *testing.T) {
	s := newStudent(t, "sh: CommandFilter, sh, root")
	r := s.learn(t, "sh", "-c", "(sleep 0.5; umask; unshare -n true) >"+s.Dir+"/late & exit 4")
	if r.Status != 4 {
		t.Error(r)
	}
	if profile := rig.ReadFile(t, s.into+"/sh.json"); !strings.Contains(profile, `"unshare"`) {
		t.Errorf("what came after the command's end is not in the profile:\n%s", profile)
	}

	c, out, pid := background(t, s, "(echo $$; while :; do sleep 0.1; done) & exit 0")
	for alive(pid) {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	c.Process.Signal(syscall.SIGTERM)
	within(t, "a process that was left", func() {
		io.ReadAll(out)
		c.Wait()
		if c.ProcessState.ExitCode() != 0 {
			t.Error(c.ProcessState)
		}
	})
}

// Where nobody answers any more, the command must not wait for ever.
func TestLearnRecorderDies(t *testing.T) {
	for _, runAs := range []string{"root", "nobody"} {
		s := newStudent(t, "sh: CommandFilter, sh, "+runAs)
		c, out, pid := background(t, s, "echo $$; while :; do sleep 0.1; done")
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		within(t, runAs, func() {
			io.ReadAll(out) // until nobody has it open
			for alive(pid) {
				time.Sleep(10 * time.Millisecond)
			}
			c.Wait()
		})
	}
	// The next one sweeps up behind the dead.
	s := newStudent(t, "sh: CommandFilter, sh, root")
	r := s.learn(t, "sh", "-c", "true")
	if r.Status != 0 {
		t.Error(r)
	}
	for line := range strings.Lines(r.Err) {
		if strings.Contains(line, "note") && !strings.Contains(line, "capabilities were not learned") && !strings.Contains(line, "files are not limited") {
			t.Errorf("the dead left something: %s", line)
		}
	}
}

func alive(pid int) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return err == nil && !bytes.Contains(status, []byte("State:\tZ"))
}

// In a container the tracepoint's numbers are others' processes': capabilities
// are not learned, and not limited, and a note says so.
func TestLearnWithoutCapabilities(t *testing.T) {
	s := newStudent(t, "cat: CommandFilter, cat, root")
	rig.Write(t, s.Policy.Filters, s.filters)
	r := rig.Run(t, "unshare", "--pid", "--fork", "--mount-proc", rig.Ctl(t), "learn", "--into", s.into, s.Conf, "--", "cat", s.Conf)
	const note = "ironwrapctl: note: capabilities were not learned, and are not limited: this is not the machine's own PID namespace"
	if r.Status != 0 || !strings.Contains(r.Err, note) {
		t.Errorf("%v", r)
	}
	if section, want := s.section(t, "cat"), "[Sandbox:cat]\n# files are not limited: landlock_ro and landlock_rw say which it may read and write\nseccomp = "+s.into+"/cat.json\nno_new_privs = yes\n"; section != want {
		t.Errorf("%q, not %q", section, want)
	}
	s.apply(t, "cat")
	if r := s.run(t, "cat", s.Conf); r.Status != 0 || r.Out != rig.ReadFile(t, s.Conf) {
		t.Error(r)
	}
}
