package peer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// What can come of an attempt. All is measured: what a program of the caller's
// wrote down about itself, what a command printed, who is still alive.
const (
	itRan      = "ran"
	evilAsRoot = "the caller's program ran as root"
	itCrashed  = "died of a Python traceback"
	itKilled   = "the process was killed"
)

func itPrinted(text string) string { return fmt.Sprintf("printed %q", text) }

// itRefused is an exit status of the program's own, said in one line on standard
// error, with nothing executed.
func itRefused(status int) string { return fmt.Sprintf("refused (%d)", status) }

// stage is where one attempt with one program takes place.
type stage struct {
	testing.TB
	program string
	attempt attempt
	rig.Policy
	home     string            // a directory of the caller's
	vars     map[string]string // what the words in braces stand for
	written  bool              // setup has written all of rootwrap.conf
	eventlet bool              // eventlet must not be hidden
	socket   string            // of the daemon, for ironwrap-call
	last     rig.Result
	state    *os.ProcessState // of what was started last
	log      *rig.Journal     // of what came to /dev/log; nil without
	target   *target          // the process that a signal is meant for; nil without
}

// newStage makes the policy, the caller's directory with a program of the caller's
// in it, and what the attempt needs besides. All of it is gone when the test ends.
func newStage(t *testing.T, program string, a attempt) *stage {
	t.Helper()
	s := &stage{TB: t, program: program, attempt: a, vars: map[string]string{}}
	s.Policy = rig.NewPolicy(t, "")
	var err error
	if s.home, err = os.MkdirTemp("/var/lib/"+rig.Caller.Name, "stage-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.home) })
	s.vars["dir"], s.vars["home"] = s.Dir, s.home
	s.give(s.home)
	s.plant("evil")
	if a.setup != nil {
		a.setup(s)
	}
	if a.filters != "" {
		rig.Write(t, s.Filters, "[Filters]\n"+s.expand(a.filters)+"\n")
	}
	s.configure(s.expand(a.conf))
	if a.syslog != "" {
		s.log = rig.Listen(s, s.Dir)
	}
	if program == rig.OursCall {
		s.daemon()
	}
	return s
}

// daemon starts the daemon that ironwrap-call reaches, in the namespaces of the attempt.
// One that does not start, for its configuration, leaves the client without an answer.
func (s *stage) daemon() {
	s.Helper()
	s.socket = rig.NewPolicy(s, "").Dir + "/s/t.call" // no other directory need be root's
	conf, err := os.ReadFile(s.Conf)
	if err != nil {
		return
	}
	st, err := os.Stat(s.Conf)
	if err == nil && strings.HasPrefix(string(conf), "[DEFAULT]\n") {
		err = os.WriteFile(s.Conf, []byte("[DEFAULT]\ncall_socket="+s.socket+"\n"+strings.TrimPrefix(string(conf), "[DEFAULT]\n")), st.Mode())
	}
	if err != nil {
		s.Fatal(err)
	}
	jail, script := s.jail(), ""
	if jail != "" {
		script = "exec " + strings.Join(s.apart(), " ") + ` /bin/sh -ec "$JAIL" sh "$@"`
	}
	_, _ = rig.Begin(s, s.Policy, rig.Serving(s.Policy, script, "JAIL="+jail+`exec "$@"`))
}

// first are the words before the command.
func (s *stage) first() []string {
	if s.program == rig.OursCall {
		return []string{s.program, s.socket}
	}
	return []string{s.program, s.Conf}
}

// apart is the program that makes the namespaces.
func (s *stage) apart() []string {
	unshare := rig.Words("/usr/bin/unshare --mount --propagation private")
	if s.attempt.netns != "" {
		unshare = append(unshare, "--net")
	}
	return unshare
}

// configure writes rootwrap.conf, unless setup has written all of it.
func (s *stage) configure(lines string) {
	if s.written {
		return
	}
	text := "[DEFAULT]\n" + lines + "\n"
	if !strings.Contains(lines, "filters_path") {
		text += "filters_path=" + s.Dir + "/filters.d\n"
	}
	if !strings.Contains(lines, "exec_dirs") {
		text += "exec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n"
	}
	rig.Write(s, s.Conf, text)
}

// expand puts in what the words in braces stand for.
func (s *stage) expand(text string) string {
	for name, value := range s.vars {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// neutral is the reverse of expand for what differs from run to run.
func (s *stage) neutral(text string) string {
	for _, name := range []string{"home", "dir"} {
		if value := s.vars[name]; value != "" {
			text = strings.ReplaceAll(text, value, "{"+name+"}")
		}
	}
	return text
}

// give makes the caller the owner.
func (s *stage) give(paths ...string) {
	s.Helper()
	for _, path := range paths {
		if err := os.Lchown(path, int(rig.Caller.UID), int(rig.Caller.GID)); err != nil {
			s.Fatal(err)
		}
	}
}

// rootFile makes {dir}/name, which is root's.
func (s *stage) rootFile(name, text string, mode os.FileMode) {
	s.Helper()
	path := s.Dir + "/" + name
	rig.Write(s, path, text)
	if err := os.Chmod(path, mode); err != nil {
		s.Fatal(err)
	}
}

// homeFile makes {home}/name, which is the caller's with all directories above it.
func (s *stage) homeFile(name, text string, mode os.FileMode) {
	s.Helper()
	path := s.home + "/" + name
	rig.Write(s, path, text)
	if err := os.Chmod(path, mode); err != nil {
		s.Fatal(err)
	}
	for ; path != s.home; path = filepath.Dir(path) {
		s.give(path)
	}
}

func (s *stage) link(target, path string) {
	s.Helper()
	if err := os.Symlink(target, path); err != nil {
		s.Fatal(err)
	}
}

// plant makes {home}/name the caller's program: a script that writes down whom the
// kernel takes it for.
func (s *stage) plant(name string) {
	s.Helper()
	s.homeFile(name, "#!/bin/sh\nexec /usr/bin/grep -E '^(Uid|Gid|Groups):' /proc/self/status >"+s.mark()+"\n", 0o755)
}

func (s *stage) mark() string { return s.home + "/mark" }

// The functions that follow make setups.

func plants(names ...string) func(*stage) {
	return func(s *stage) {
		for _, name := range names {
			s.plant(name)
		}
	}
}

// homeFiles makes files of the caller's out of pairs of a name and a text.
func homeFiles(pairs ...string) func(*stage) {
	return func(s *stage) {
		for i := 0; i < len(pairs); i += 2 {
			s.homeFile(pairs[i], s.expand(pairs[i+1]), 0o755)
		}
	}
}

// rootFiles makes files of root's out of pairs of a name and a text.
func rootFiles(pairs ...string) func(*stage) {
	return func(s *stage) {
		for i := 0; i < len(pairs); i += 2 {
			s.rootFile(pairs[i], s.expand(pairs[i+1]), 0o755)
		}
	}
}

func allOf(setups ...func(*stage)) func(*stage) {
	return func(s *stage) {
		for _, f := range setups {
			f(s)
		}
	}
}

// perform makes the attempt and says what came of it.
func (s *stage) perform() string {
	s.Helper()
	if s.attempt.run != nil {
		return s.attempt.run(s)
	}
	c := s.command()
	s.last = rig.RunCmd(s, c)
	s.state = c.ProcessState
	if s.attempt.finds != nil {
		return s.attempt.finds(s, s.last)
	}
	return s.outcome(s.last)
}

// command is the request as the attempt asks for it: what makes namespaces, what
// becomes the caller, what the caller puts before it, sudo, the program.
func (s *stage) command() *exec.Cmd {
	a := s.attempt
	argv := append(s.first(), a.argv...)
	if !a.unit && s.program != rig.OursCall {
		argv = append([]string{"/usr/bin/sudo", "-n"}, argv...)
	}
	env := append([]string{"/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "HOME=" + s.home, "USER=" + rig.Caller.Name}, a.env...)
	argv = append(append(append([]string(nil), a.under...), env...), argv...)
	for i := range argv {
		argv[i] = s.expand(argv[i])
	}
	who := &syscall.Credential{Uid: rig.Caller.UID, Gid: rig.Caller.GID}
	if jail := s.jail(); jail != "" && s.program != rig.OursCall {
		if !a.unit {
			become := fmt.Sprintf("--reuid=%d --regid=%d --clear-groups", rig.Caller.UID, rig.Caller.GID)
			argv = append(append([]string{"/usr/bin/setpriv"}, rig.Words(become)...), argv...)
		}
		argv = append(append(s.apart(), "/bin/sh", "-ec", jail+`exec "$@"`, "sh"), argv...)
		who = nil
	}
	if a.unit {
		who = nil
	}
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir, c.Env = s.home, []string{}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if a.stdin != "" {
		c.Stdin = strings.NewReader(s.expand(a.stdin))
	}
	return c
}

// eventlet is loaded by the peer with every command where it is installed, as it is
// beside oslo.privsep: that takes ten times as long, and changes nothing.
const eventlet = "/usr/lib/python3/dist-packages/eventlet"

// jail is the script that furnishes the namespaces, or nothing.
func (s *stage) jail() string {
	var lines strings.Builder
	if _, err := os.Stat(eventlet); err == nil && s.program == rig.Peer && !s.eventlet {
		fmt.Fprintln(&lines, "/usr/bin/mount -t tmpfs none", eventlet)
	}
	if s.attempt.netns != "" {
		fmt.Fprintln(&lines, "/usr/bin/mount -t tmpfs run /run")
		for _, name := range rig.Words(s.attempt.netns) {
			fmt.Fprintln(&lines, "/usr/sbin/ip netns add", name)
		}
	}
	lines.WriteString(s.attempt.syslog.Jail(s.Dir))
	return lines.String()
}

// outcome is what came of most attempts.
func (s *stage) outcome(r rig.Result) string {
	if status, err := os.ReadFile(s.mark()); err == nil {
		return whose(status)
	}
	if s.target != nil && s.target.dead() {
		return itKilled
	}
	out := strings.TrimSuffix(r.Out, "\n")
	complaint := r.Err // the peer's may be of several lines, ours may not
	name := s.program
	if s.program != rig.Peer {
		name = filepath.Base(s.program)
		lines := strings.Split(strings.TrimSuffix(r.Err, "\n"), "\n")
		complaint = lines[len(lines)-1]
	}
	switch {
	case r.Status == 0 && out == "":
		return itRan
	case r.Status == 0:
		return itPrinted(out)
	case r.Status >= 96 && r.Status <= 99 && out == "" && strings.Contains("\n"+complaint, "\n"+name+": "):
		return itRefused(r.Status)
	case r.Status == 1 && strings.Contains(r.Err, "Traceback (most recent call last)"):
		return itCrashed
	}
	return fmt.Sprintf("ended with status %d", r.Status)
}

// whose reads the mark that the caller's program left.
func whose(status []byte) string {
	for line := range bytes.Lines(status) {
		if f := strings.Fields(string(line)); len(f) == 5 && f[0] == "Uid:" {
			if f[2] == "0" {
				return evilAsRoot
			}
			return "the caller's program ran as uid " + f[2]
		}
	}
	return fmt.Sprintf("the caller's program left %q", status)
}

// rootWrote is an observation: the mark is a file of root's.
func rootWrote(s *stage, r rig.Result) string {
	var st syscall.Stat_t
	if err := syscall.Lstat(s.mark(), &st); err == nil {
		return fmt.Sprintf("the caller's file was made by uid %d", st.Uid)
	}
	return s.outcome(r)
}

// target is a process that the test started for a signal to hit, or to miss.
type target struct {
	pid  int
	gone chan struct{}
}

// dead tells whether a signal has ended the process, or is about to: it is pending
// from the moment it is sent.
func (p *target) dead() bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err == nil && !bytes.Contains(status, []byte("\nState:\tZ")) && !signalPending.Match(status) {
		return false
	}
	<-p.gone
	return true
}

var signalPending = regexp.MustCompile(`(?m)^(SigPnd|ShdPnd):\t0*[1-9a-f]`)

// start starts path as root, called as argv, waits until it runs what exe names,
// and makes it the target.
func (s *stage) start(exe, path string, argv ...string) {
	s.Helper()
	c := &exec.Cmd{Path: path, Args: argv}
	if err := c.Start(); err != nil {
		s.Fatal(err)
	}
	p := &target{c.Process.Pid, make(chan struct{})}
	go func() { c.Wait(); close(p.gone) }()
	s.Cleanup(func() { c.Process.Kill(); <-p.gone })
	s.target, s.vars["pid"] = p, fmt.Sprint(p.pid)
	s.wait("process "+s.vars["pid"]+" to run "+exe, func() bool {
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.pid))
		return err == nil && link == exe
	})
}

// wait waits until something has happened, at most a minute.
func (s *stage) wait(what string, happened func() bool) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited a minute in vain for %s", what)
		}
	}
}

// copyOf makes path an executable copy of a program of the system's.
func (s *stage) copyOf(program, path string) {
	s.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.Fatal(err)
	}
	// By another process: a descriptor of this one, open for writing, may be in a
	// child that is just being started, and then the copy cannot be executed.
	if out, err := exec.Command("/usr/bin/cp", program, path).CombinedOutput(); err != nil {
		s.Fatalf("cannot copy %s: %v: %s", program, err, out)
	}
}
