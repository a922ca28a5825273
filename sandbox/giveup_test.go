package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const giveUpCase = "IRONWRAP_TEST_GIVEUP"

// Each case is a process: this program again.
func init() {
	name := os.Getenv(giveUpCase)
	if name == "" {
		return
	}
	check := func(err error) {
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	check(Begin())
	switch name {
	case "blocked":
		check(Deadline(300 * time.Millisecond))
		for { // standard error is full
			unix.Write(2, []byte("x"))
		}
	case "again":
		check(Deadline(300 * time.Millisecond))
		check(Deadline(time.Hour))
		time.Sleep(time.Second)
	case "within":
		check(Deadline(time.Second))
		Within(100*time.Millisecond, func() { fmt.Println("done") })
		time.Sleep(300 * time.Millisecond)
		fmt.Println("on")
		time.Sleep(10 * time.Second)
	case "too long":
		Within(100*time.Millisecond, func() { time.Sleep(10 * time.Second) })
	case "enter":
		check(Deadline(500 * time.Millisecond))
		check(Enter(&Spec{Umask: 0o22, Capabilities: Capabilities{All: true}}))
		time.Sleep(1500 * time.Millisecond)
	case "nobody's", "traceable":
		if name == "traceable" {
			suidDumpable = os.Getenv("SETTING")
		}
		check(GiveUp(Owner{UID: 65534, GID: 65533, Groups: []uint32{4, 60}}))
		status, err := os.ReadFile("/proc/self/status") // the leading thread's
		check(err)
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Uid") || strings.HasPrefix(line, "Gid") || strings.HasPrefix(line, "Groups") || strings.HasPrefix(line, "CapPrm") {
				fmt.Print(line)
			}
		}
		dumpable, _, _ := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_DUMPABLE, 0, 0)
		fmt.Println("dumpable", dumpable)
	case "root's":
		check(GiveUp(Owner{}))
		fmt.Println(unix.Getuid())
	}
	fmt.Println("end")
	os.Exit(0)
}

func TestDeadlineAndGiveUp(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root: nothing was given up")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	setting := t.TempDir() + "/suid_dumpable"
	if err := os.WriteFile(setting, []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		out   string
		alarm bool
		exit  int
	}{
		"blocked":   {"", true, 0},
		"again":     {"end\n", false, 0},
		"within":    {"done\non\n", true, 0},
		"too long":  {"", true, 0},
		"enter":     {"end\n", false, 0},
		"nobody's":  {"Uid:\t65534\t65534\t65534\t65534\nGid:\t65533\t65533\t65533\t65533\nGroups:\t4 60 \nCapPrm:\t0000000000000000\ndumpable 0\nend\n", false, 0},
		"root's":    {"0\nend\n", false, 0},
		"traceable": {"error: fs.suid_dumpable is 1: the user could trace the process\n", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var fds [2]int
			if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fds[0])
			defer unix.Close(fds[1])
			for {
				if _, err := unix.Write(fds[1], []byte("x")); err != nil {
					break
				}
			}
			unix.SetNonblock(fds[1], false)
			// Ignored by whoever starts it.
			p := exec.Command("/bin/sh", "-c", `trap "" ALRM; exec "$0"`, self)
			p.Env = []string{giveUpCase + "=" + name, "SETTING=" + setting}
			p.Stderr = os.NewFile(uintptr(fds[1]), "full")
			late := time.AfterFunc(20*time.Second, func() { p.Process.Kill() })
			out, _ := p.Output()
			late.Stop()
			ws := p.ProcessState.Sys().(syscall.WaitStatus)
			if string(out) != c.out || c.alarm != (ws.Signaled() && ws.Signal() == syscall.SIGALRM) || !c.alarm && ws.ExitStatus() != c.exit {
				t.Errorf("%v: %q, not %q", p.ProcessState, out, c.out)
			}
		})
	}
}
