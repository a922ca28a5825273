package peer

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
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/integration/rig"
	engine "ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
)

// explained is explain's answer.
type explained struct {
	Verdict string
	Exit    int
	Error   string
	Argv    []rig.Exactly
	Env     map[string]rig.Exactly
	Signal  *struct{ Number, PID int }
	Pinned  []struct{ Argument int }
	RunAs   *struct {
		UID, GID uint32
		Groups   []uint32
	} `json:"run_as"`
}

// inPlaceOf runs work on a thread with mounts of its own, in which the witness is in
// the place of each of programs. Processes that work starts see the same.
func inPlaceOf(t *testing.T, programs []string, work func() error) {
	t.Helper()
	witness, err := rig.BuildWitness()
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
	s, err := rig.ParseWitness(out)
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
	same := len(argv) == len(s.Argv)
	for i := range argv {
		same = same && (argv[i] == s.Argv[i] || pinned(i) && strings.HasPrefix(s.Argv[i], "/proc/self/fd/"))
	}
	if !same {
		return fmt.Sprintf("explain says argv %q; it was %q", argv, s.Argv)
	}
	var env []string
	for name, value := range e.Env {
		env = append(env, name+"="+string(value))
	}
	slices.Sort(env)
	slices.Sort(s.Env)
	if !slices.Equal(env, s.Env) {
		return fmt.Sprintf("explain says environment %q; it was %q", env, s.Env)
	}
	r := e.RunAs
	groups := slices.Clone(r.Groups)
	slices.Sort(groups)
	ids := fmt.Sprintf("%d %d %d, %d %d %d,", r.UID, r.UID, r.UID, r.GID, r.GID, r.GID)
	for _, g := range groups {
		ids += fmt.Sprintf(" %d", g)
	}
	if ids != s.Ids {
		return fmt.Sprintf("explain says ids %s; they were %s", ids, s.Ids)
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
	program := rig.Ctl(t)
	s := newStage(t, rig.Ours, a)
	argv := make([]string, len(a.argv))
	for i := range argv {
		argv[i] = s.expand(a.argv[i])
	}
	env := []string{"PATH=/usr/bin:/bin", "HOME=" + s.home, "USER=" + rig.Caller.Name}
	for _, v := range a.env {
		env = append(env, s.expand(v))
	}
	var system []string
	if p, err := engine.Load(s.Conf, trust.Object, inifile.Parse); err == nil {
		system = programsOf(p, s.Dir, s.home)
	}
	inPlaceOf(t, system, func() error {
		answers, err := explainAll(program, s.Conf, s.home, env, [][]string{argv})
		if err != nil {
			return err
		}
		e := answers[0]
		status, out, complaint, err := rig.ExecuteOurs(s.Conf, s.home, env, argv)
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
	program := rig.Ctl(w.t)
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
			status, out, complaint, err := rig.ExecuteOurs(w.conf, w.dir, env, argv)
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
