package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	engine "ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
)

// What explain says must be what the executor does: the verdict, the program's
// argv and environment, its ids. Both are run, with a program in the place of those
// that the filters name, which tells how it was started.

// buildCtl builds ironwrapctl beside the executor.
var buildCtl = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(ours), "ironwrapctl")
	c := exec.Command("go", "build", "-o", path, "./cmd/ironwrapctl")
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build ironwrapctl: %v\n%s", err, out)
	}
	return path, nil
})

func ctl(t testing.TB) string {
	t.Helper()
	path, err := buildCtl()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// witness is the program that tells how it was started, a NUL byte behind each: the
// number of its words, these, its ids, its environment.
const witnessSource = `
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv, char **envp)
{
	uid_t u[3];
	gid_t g[3], list[1024];
	int i, n = getgroups(1024, list);
	printf("%d%c", argc, 0);
	for (i = 0; i < argc; i++)
		printf("%s%c", argv[i], 0);
	if (n < 0 || getresuid(u, u + 1, u + 2) || getresgid(g, g + 1, g + 2))
		return 1;
	printf("%d %d %d, %d %d %d,", u[0], u[1], u[2], g[0], g[1], g[2]);
	for (i = 0; i < n; i++)
		printf(" %d", list[i]);
	putchar(0);
	for (; *envp; envp++)
		printf("%s%c", *envp, 0);
	return fflush(stdout) != 0;
}
`

var buildWitness = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(ours), "witness")
	c := exec.Command("gcc", "-static", "-O1", "-x", "c", "-o", path, "-")
	c.Stdin = strings.NewReader(witnessSource)
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the witness: %v\n%s", err, out)
	}
	return path, nil
})

// explained is explain's answer.
type explained struct {
	Verdict string
	Exit    int
	Error   string
	Argv    []exactly
	Env     map[string]exactly
	Signal  *struct{ Number, PID int }
	Pinned  []struct{ Argument int }
	RunAs   *struct {
		UID, GID uint32
		Groups   []uint32
	} `json:"run_as"`
}

// exactly is a string whose bytes came through JSON as explain writes them: a byte
// that is not UTF-8 is a lone surrogate, U+DC00 and the byte (PEP 383).
type exactly string

func (e *exactly) UnmarshalJSON(data []byte) error {
	var out []byte
	for s := string(data[1 : len(data)-1]); s != ""; {
		if s[0] != '\\' {
			out, s = append(out, s[0]), s[1:]
			continue
		}
		if s[1] != 'u' {
			i := strings.IndexByte(`"\/bfnrt`, s[1])
			if i < 0 {
				return fmt.Errorf("%s: not JSON", data)
			}
			out, s = append(out, "\"\\/\b\f\n\r\t"[i]), s[2:]
			continue
		}
		code := func(s string) rune { n, _ := strconv.ParseUint(s[2:6], 16, 16); return rune(n) }
		r := code(s)
		switch {
		case r >= 0xdc80 && r <= 0xdcff:
			out, s = append(out, byte(r)), s[6:]
		case utf16.IsSurrogate(r):
			out, s = utf8.AppendRune(out, utf16.DecodeRune(r, code(s[6:]))), s[12:]
		default:
			out, s = utf8.AppendRune(out, r), s[6:]
		}
	}
	*e = exactly(out)
	return nil
}

// started is how the witness was started.
type started struct {
	argv []string
	ids  string
	env  []string
}

func parseWitness(out []byte) (s started, err error) {
	list := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	n, err := strconv.Atoi(list[0])
	if err != nil || len(list) < n+2 {
		return s, fmt.Errorf("the witness printed %q", out)
	}
	return started{list[1 : n+1], list[n+1], list[n+2:]}, nil
}

// inPlaceOf runs work on a thread with mounts of its own, in which the witness is in
// the place of each of programs. Processes that work starts see the same.
func inPlaceOf(t *testing.T, programs []string, work func() error) {
	t.Helper()
	witness, err := buildWitness()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	furnished := func() error {
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		for _, p := range programs {
			if err == nil {
				err = unix.Mount(witness, p, "", unix.MS_BIND, "")
			}
		}
		if err != nil {
			return fmt.Errorf("cannot put the witness in the place of %q: %w", programs, err)
		}
		return work()
	}
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		if unix.Gettid() != unix.Getpid() {
			done <- furnished()
			return
		}
		// The leading thread never ends, and its mounts are those that /proc/self
		// shows to all other tests. It is held until another thread has begun.
		begun := make(chan bool)
		go func() {
			runtime.LockOSThread()
			close(begun)
			done <- furnished()
		}()
		<-begun
		runtime.UnlockOSThread()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// programsOf are the files behind the programs of a policy that lie outside of
// dirs: the system's, which must not really run.
func programsOf(p *engine.Policy, dirs ...string) (list []string) {
	m := machine.New(p.ExecDirs, p.Trust)
	for _, f := range p.Filters {
		found, err := m.Find(f.Exec(), f.RunAs())
		if err != nil {
			continue
		}
		real, err := filepath.EvalSymlinks(found.Path)
		if err != nil || slices.Contains(list, real) || slices.ContainsFunc(dirs, func(d string) bool { return strings.HasPrefix(real, d+"/") }) {
			continue
		}
		list = append(list, real)
	}
	return list
}

// explainAll puts commands before explain, in one process.
func explainAll(program, conf, dir string, env []string, commands [][]string) ([]explained, error) {
	var lines bytes.Buffer
	for _, argv := range commands {
		fmt.Fprintln(&lines, filters.QuoteLine(filters.Words(argv)))
	}
	c := exec.Command(program, "explain", "--format", "json", "--commands", "-", conf)
	c.Stdin, c.Dir, c.Env = &lines, dir, env
	var complaints bytes.Buffer
	c.Stderr = &complaints
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	var answers []explained
	scan := bufio.NewScanner(out)
	scan.Buffer(nil, 64<<20)
	for scan.Scan() {
		var e explained
		if err := json.Unmarshal(scan.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("explain answers %.200q: %w", scan.Bytes(), err)
		}
		answers = append(answers, e)
	}
	worst := 0
	for _, e := range answers {
		worst = max(worst, e.Exit)
	}
	c.Wait()
	if status := c.ProcessState.ExitCode(); scan.Err() != nil || status != worst || len(answers) != len(commands) {
		return nil, fmt.Errorf("explain gave %d answers to %d commands, and ended with %d where the worst is %d: %v: %s",
			len(answers), len(commands), status, worst, scan.Err(), complaints.String())
	}
	return answers, nil
}

// executeOurs runs the executor on one command.
func executeOurs(conf, dir string, env, argv []string) (status int, out []byte, complaint string, err error) {
	c := exec.Command(ours, append([]string{conf}, argv...)...)
	c.Dir, c.Env = dir, env
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err = c.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, nil, "", err
	}
	return c.ProcessState.ExitCode(), out, stderr.String(), nil
}

// agree holds what the executor did against what explain said. There is nothing to
// say if they agree.
func (e explained) agree(status int, out []byte) string {
	if e.Exit != 0 {
		if status != e.Exit || len(out) > 0 {
			return fmt.Sprintf("explain says %s (%d: %s); the executor ended with %d and printed %q", e.Verdict, e.Exit, e.Error, status, out)
		}
		return ""
	}
	if e.Signal != nil {
		if status != 0 {
			return fmt.Sprintf("explain says signal %d; the executor ended with %d", e.Signal.Number, status)
		}
		return ""
	}
	if status != 0 {
		return fmt.Sprintf("explain says allow; the executor ended with %d and printed %q", status, out)
	}
	s, err := parseWitness(out)
	if err != nil {
		return err.Error()
	}
	var argv []string
	for _, w := range e.Argv {
		argv = append(argv, string(w))
	}
	pinned := func(i int) bool {
		return slices.ContainsFunc(e.Pinned, func(p struct{ Argument int }) bool { return p.Argument == i })
	}
	same := len(argv) == len(s.argv)
	for i := range argv {
		same = same && (argv[i] == s.argv[i] || pinned(i) && strings.HasPrefix(s.argv[i], "/proc/self/fd/"))
	}
	if !same {
		return fmt.Sprintf("explain says argv %q; it was %q", argv, s.argv)
	}
	var env []string
	for name, value := range e.Env {
		env = append(env, name+"="+string(value))
	}
	slices.Sort(env)
	slices.Sort(s.env)
	if !slices.Equal(env, s.env) {
		return fmt.Sprintf("explain says environment %q; it was %q", env, s.env)
	}
	r := e.RunAs
	groups := slices.Clone(r.Groups)
	slices.Sort(groups)
	ids := fmt.Sprintf("%d %d %d, %d %d %d,", r.UID, r.UID, r.UID, r.GID, r.GID, r.GID)
	for _, g := range groups {
		ids += fmt.Sprintf(" %d", g)
	}
	if ids != s.ids {
		return fmt.Sprintf("explain says ids %s; they were %s", ids, s.ids)
	}
	return ""
}

// onlyExecuting lists the attempts of which only executing tells how they end: the
// system log is written to, and execve(2) looks into the program.
var onlyExecuting = map[string]string{
	"B10/audit_required, and a system log":      "there is none where this test runs",
	"B10/audit_required, and no system log":     "the log is opened when a command is executed",
	"B12/program that is none":                  "execve(2) knows the formats of programs",
	"B12/program that the user may not execute": "execve(2) asks for the rights of the run-as user",
}

// TestExplainCompliance goes through the compliance suite. What only makes sense as
// it is asked there (a race, a terminal, a log) is not asked here.
func TestExplainCompliance(t *testing.T) {
	asked := 0
	for _, w := range weaknesses() {
		for _, a := range append(slices.Clone(w.attempts), w.neighbours...) {
			if a.run != nil || len(a.argv) == 0 {
				continue
			}
			asked++
			t.Run(w.id+"/"+a.name, func(t *testing.T) {
				t.Parallel()
				why := explainAttempt(t, a)
				reason, listed := onlyExecuting[w.id+"/"+a.name]
				if why != "" && !listed {
					t.Error(why)
				} else if why == "" && listed {
					t.Errorf("explain knows how this ends, though it is listed that only executing does (%s)", reason)
				}
			})
		}
	}
	if asked < 150 {
		t.Errorf("only %d attempts were explained", asked)
	}
}

// explainAttempt returns in what explain and the executor differ; "" for nothing.
func explainAttempt(t *testing.T, a attempt) (differ string) {
	program := ctl(t)
	s := newStage(t, ours, a)
	argv := make([]string, len(a.argv))
	for i := range argv {
		argv[i] = s.expand(a.argv[i])
	}
	env := []string{"PATH=/usr/bin:/bin", "HOME=" + s.home, "USER=" + caller.name}
	for _, v := range a.env {
		env = append(env, s.expand(v))
	}
	var system []string
	if p, err := engine.Load(s.conf, trust.Object, inifile.Parse); err == nil {
		system = programsOf(p, s.dir, s.home)
	}
	inPlaceOf(t, system, func() error {
		answers, err := explainAll(program, s.conf, s.home, env, [][]string{argv})
		if err != nil {
			return err
		}
		e := answers[0]
		status, out, complaint, err := executeOurs(s.conf, s.home, env, argv)
		if err != nil {
			return err
		}
		// A program of the attempt's own says nothing of itself.
		if e.Exit == 0 && len(e.Argv) > 0 && e.Signal == nil {
			if real, err := filepath.EvalSymlinks(string(e.Argv[0])); err != nil || !slices.Contains(system, real) {
				if status >= 96 && status <= 99 && strings.HasPrefix(complaint, "ironwrap: ") {
					differ = fmt.Sprintf("%q: explain says allow; the executor: %d, %s", argv, status, complaint)
				}
				return nil
			}
		}
		if why := e.agree(status, out); why != "" {
			differ = fmt.Sprintf("%q: %s: %s", argv, why, complaint)
		}
		return nil
	})
	return differ
}

// explainAgrees goes through all commands of a differential policy. A signal is not
// sent, for the process must be there for the commands that follow.
func (w *workshop) explainAgrees() {
	w.t.Helper()
	program := ctl(w.t)
	standIns, err := os.ReadDir(w.bin)
	if err != nil {
		w.t.Fatal(err)
	}
	var places []string
	for _, e := range standIns {
		places = append(places, w.bin+"/"+e.Name())
	}
	places = append(places, programsOf(w.ours, w.dir)...)
	env := []string{"LANG=C.UTF-8", "IWTEST_CALLER=1"}
	inPlaceOf(w.t, places, func() error {
		answers, err := explainAll(program, w.conf, w.dir, env, w.commands)
		if err != nil {
			return err
		}
		ran, wrong := 0, 0
		for i, argv := range w.commands {
			e := answers[i]
			if e.Exit == 0 && e.Signal != nil {
				continue
			}
			// Targets of KillFilters must stay what they are.
			if e.Exit == 0 && filepath.Dir(string(e.Argv[0])) == w.alt {
				continue
			}
			if e.Exit == 0 && !slices.Contains(places, realPath(string(e.Argv[0]))) {
				return fmt.Errorf("%q runs %s, which is not the witness", argv, e.Argv[0])
			}
			status, out, complaint, err := executeOurs(w.conf, w.dir, env, argv)
			if err != nil {
				return fmt.Errorf("%q: %w", argv, err)
			}
			ran++
			if why := e.agree(status, out); why != "" {
				w.t.Errorf("%q: %s: %s", argv, why, complaint)
				if wrong++; wrong > 20 {
					return errors.New("and so on")
				}
			}
		}
		w.t.Logf("explain and the executor agree on %d commands", ran)
		return nil
	})
}

func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
