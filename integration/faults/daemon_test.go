package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
	"ironwrap/integration/rig/rootwrapclient"
)

// What faults_test.go does with the one-shot program is done here with the
// daemon's launchers: each call between an order and its command fails in turn, on
// the real launcher. Nothing is executed then, and the answer says why; or the
// command is exactly what it would have been.
func TestDaemonFaults(t *testing.T) {
	rig.Need(t, "strace", "/usr/bin/strace")
	for _, tt := range []struct {
		name, user string
		call       bool // by ironwrap-call
	}{{"root", "root", false}, {"nobody", "nobody", false}, {"root, call", "root", true}, {"nobody, call", "nobody", true}} {
		t.Run(tt.name, func(t *testing.T) {
			p := rig.NewPolicy(t, "cp: CommandFilter, cp, "+tt.user, "allow_users="+rig.Caller.Name)
			socket := p.Calls(t)
			out := p.Dir + "/out"
			if err := os.Mkdir(out, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(out, 0o777); err != nil {
				t.Fatal(err)
			}
			d, err := rootwrapclient.Start(rig.OursDaemon, p.Conf)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Stop()

			ask := func(argv ...string) (rootwrapclient.Result, error) {
				if tt.call {
					r := rig.RunCmd(t, rig.Calling(socket, argv...))
					// The command has the same standard error, and may be hit by the fault too.
					return rootwrapclient.Result{Status: r.Status, Stdout: []byte(r.Out), Stderr: []byte(r.Err[strings.LastIndex(strings.TrimSuffix(r.Err, "\n"), "\n")+1:])}, nil
				}
				c, err := rootwrapclient.Dial(d.Path, d.Key)
				if err != nil {
					return rootwrapclient.Result{}, err
				}
				defer c.Close()
				return c.Run(argv, nil)
			}
			before := tracedRun(t, d, ask, out, "")
			if before.Status != 0 || before.as == nil {
				t.Fatalf("without a fault: %+v", before)
			}
			refused := 0
			for _, place := range launcherPlaces(before.log) {
				o := tracedRun(t, d, ask, out, fmt.Sprintf("%s:error=EPERM:when=%d", place.Call, place.N))
				if !strings.Contains(o.log, "INJECTED") {
					t.Errorf("%v: no call was made to fail", place)
				}
				switch {
				case o.as == nil && o.Status >= 96 && o.Status <= 97 && strings.Count(string(o.Stderr), "\n") == 1:
					refused++
				case o.as != nil && o.Status == 0 && reflect.DeepEqual(o.as, before.as):
				default:
					t.Errorf("%v fails: status %d, %q, the command was %v, not %v", place, o.Status, o.Stderr, o.as, before.as)
				}
			}
			if refused < 15 {
				t.Errorf("only %d faults kept the command from running", refused)
			}
			t.Logf("%d faults kept the command from running", refused)
		})
	}
}

// traced is what became of a command whose launcher was traced.
type traced struct {
	rootwrapclient.Result
	as  map[string]string // the identity of the command; nil when it did not run
	log string            // strace's, of the launcher that took the order
}

// tracedRun attaches strace to all launchers that wait, and has one command run.
func tracedRun(t *testing.T, d *rootwrapclient.Daemon, ask func(argv ...string) (rootwrapclient.Result, error), dir, inject string) traced {
	t.Helper()
	logs := t.TempDir()
	args := []string{"-ff", "-o", logs + "/log", "-e", "trace=!futex,nanosleep"}
	if inject != "" {
		args = append(args, "-e", "inject="+inject)
	}
	waiting := launchersOf(t, d.PID)
	for _, pid := range waiting {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	strace := exec.Command("/usr/bin/strace", args...)
	if err := strace.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		strace.Process.Signal(os.Interrupt)
		strace.Wait()
	}()
	for _, pid := range waiting {
		rig.Until(t, fmt.Sprintf("strace holds launcher %d", pid), func() bool {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			return err != nil || rig.Fields(string(status))["TracerPid"] != "0"
		})
	}
	marker := filepath.Join(dir, "marker")
	defer os.Remove(marker)
	var o traced
	var err error
	if o.Result, err = ask("cp", "/proc/self/status", marker); err != nil {
		t.Fatal(err)
	}
	if status, err := os.ReadFile(marker); err == nil {
		o.as = rig.Identity(string(status))
	}
	// The launcher that took the order is the one that said or did something.
	names, _ := filepath.Glob(logs + "/log.*")
	for _, name := range names {
		rig.Until(t, "strace has written its log", func() bool { _, err := os.Stat(name); return err == nil })
		log, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(log), "close_range(") && !strings.Contains(string(log), "statx(") {
			continue
		}
		o.log = string(log)
		// One that stays has the privileged section behind it: the next order is to
		// find another one.
		if pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Ext(name), ".")); err == nil {
			unix.Kill(pid, unix.SIGKILL)
			rig.Until(t, "the launcher is gone", func() bool { return unix.Kill(pid, 0) != nil })
		}
	}
	return o
}

// launchersOf lists the launchers that wait for a first order: a child of the
// daemon's is one that has no child.
func launchersOf(t *testing.T, daemon int) (pids []int) {
	t.Helper()
	rig.Until(t, "spare launchers wait", func() bool {
		pids = nil
		for _, pid := range rig.Children(daemon) {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
			if strings.HasPrefix(string(name), fmt.Sprintf("%d ", unix.SYS_RECVMSG)) {
				pids = append(pids, pid)
			}
		}
		return len(pids) >= 4
	})
	return pids
}

// launcherPlaces lists the calls of a launcher from the first of the privileged
// section on: of each name the first, and the last.
func launcherPlaces(log string) (list []rig.Place) {
	first, count := map[string]int{}, map[string]int{}
	var order []string
	inside := false
	for line := range strings.Lines(log) {
		name := rig.CallName(line)
		if name == "" {
			continue
		}
		count[name]++
		inside = inside || name == "close_range" || name == "statx" // of what a client gave
		if inside && first[name] == 0 && !isNoise(name) {
			first[name] = count[name]
			order = append(order, name)
		}
		if name == "execve" || name == "waitid" { // the command is there
			break
		}
	}
	for _, name := range order {
		list = append(list, rig.Place{Call: name, N: first[name]})
		if count[name] > first[name] {
			list = append(list, rig.Place{Call: name, N: count[name]})
		}
	}
	return list
}

func isNoise(name string) bool {
	for _, n := range rig.Noise {
		if n == name {
			return true
		}
	}
	return name == "sendto" || name == "recvmsg" || name == "waitid" || name == "wait4" || name == "close"
}
