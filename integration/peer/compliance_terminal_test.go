package peer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"ironwrap/integration/rig"
)

// B5 and B6: what a terminal makes possible. Each takes place on a real terminal
// with a real shell of root's.

var terminalRows = []weakness{
	{id: "B5",
		attempts: []attempt{
			{name: "typing into root's shell", filters: "typist: CommandFilter, {dir}/bin/typist, nobody",
				setup: rootFiles("bin/typist", typistScript), run: typesIntoShell},
		},
		neighbours: []attempt{
			{name: "terminal of the command", filters: "stty: CommandFilter, stty, nobody", run: onTerminal("stty size"), want: itPrinted("24 80")},
			{name: "changing the terminal", filters: "stty: CommandFilter, stty, nobody", run: onTerminal("stty -echo"), want: itRan},
		}},
	{id: "B6",
		attempts: []attempt{
			{name: "^Z while the ids change", filters: "true: CommandFilter, true, nobody", run: stopWhile("setuid", "setresuid")},
			{name: "^Z while the configuration is read", filters: "true: CommandFilter, true, nobody",
				run: stopWhile("openat -P {dir}/rootwrap.conf", "openat -P rootwrap.conf")},
		},
		neighbours: []attempt{
			{name: "^Z while the command runs", filters: rig.AllowShell, run: stopCommand, want: "stopped"},
		}},
}

// typistScript is a program that puts characters into the input of its terminal.
const typistScript = `#!/usr/bin/python3 -I
import fcntl, sys, termios
try:
    for character in sys.argv[1] + "\n":
        fcntl.ioctl(0, termios.TIOCSTI, character.encode())
except OSError as why:
    print("typist:", why.strerror)
else:
    print("typist: done")
`

// rootTerminal is a terminal with a shell of root's on it.
type rootTerminal struct {
	s      *stage
	master *os.File
	shell  *exec.Cmd
	ended  chan struct{}
	mu     sync.Mutex
	screen bytes.Buffer // all that came so far
}

// openTerminal starts the shell: bash without line editing, as root, the leader of
// a session that has the terminal.
func openTerminal(s *stage) *rootTerminal {
	s.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		s.Fatal(err)
	}
	var number, locked int32
	ioctl(s, master, syscall.TIOCSPTLCK, unsafe.Pointer(&locked))
	ioctl(s, master, syscall.TIOCGPTN, unsafe.Pointer(&number))
	size := [4]uint16{24, 80}
	ioctl(s, master, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		s.Fatal(err)
	}
	defer slave.Close()

	sh := exec.Command("/bin/bash", "--norc", "--noprofile", "--noediting", "-i")
	sh.Env = []string{"PATH=/usr/sbin:/usr/bin", "PS1=$ ", "TERM=dumb", "HISTFILE="}
	sh.Dir = s.home
	sh.Stdin, sh.Stdout, sh.Stderr = slave, slave, slave
	sh.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := sh.Start(); err != nil {
		s.Fatal(err)
	}
	t := &rootTerminal{s: s, master: master, shell: sh, ended: make(chan struct{})}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			t.mu.Lock()
			t.screen.Write(buf[:n])
			t.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() { sh.Wait(); close(t.ended) }()
	s.Cleanup(func() { sh.Process.Kill(); <-t.ended; master.Close() })
	t.expect("$ ")
	return t
}

func ioctl(s *stage, f *os.File, request uintptr, arg unsafe.Pointer) {
	s.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		s.Fatalf("ioctl %#x on a terminal: %v", request, errno)
	}
}

// enter types a line, or a control character.
func (t *rootTerminal) enter(line string) {
	t.s.Helper()
	if _, err := t.master.WriteString(line); err != nil {
		t.s.Fatal(err)
	}
}

// expect waits until one of the texts is on the screen, and returns all that is.
func (t *rootTerminal) expect(texts ...string) string {
	t.s.Helper()
	var screen string
	t.s.wait(fmt.Sprintf("one of %q on the terminal", texts), func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		screen = strings.ReplaceAll(t.screen.String(), "\r", "")
		for _, text := range texts {
			if strings.Contains(screen, text) {
				return true
			}
		}
		return false
	})
	return screen
}

// killJob kills the job that is stopped.
func (t *rootTerminal) killJob() {
	t.s.Helper()
	t.enter("kill -KILL %1; wait; echo the job is g''one\n")
	t.expect("the job is gone")
}

// typesIntoShell runs the typist as nobody, and tells whether root's shell ran what
// it typed.
func typesIntoShell(s *stage) string {
	if off, err := os.ReadFile("/proc/sys/dev/tty/legacy_tiocsti"); err == nil && strings.TrimSpace(string(off)) == "0" {
		s.Skip("dev.tty.legacy_tiocsti is 0: the kernel refuses TIOCSTI by itself, and whether ironwrap does was not checked")
	}
	t := openTerminal(s)
	t.enter(fmt.Sprintf("%s typist 'touch %s/typed'\n", strings.Join(s.first(), " "), s.Dir))
	screen := t.expect("typist: ")
	t.enter("exit\n")
	<-t.ended
	s.last.Out = screen
	var st syscall.Stat_t
	if syscall.Stat(s.Dir+"/typed", &st) == nil {
		return fmt.Sprintf("the shell of uid %d ran what nobody typed", st.Uid)
	}
	if strings.Contains(screen, "typist: Operation not permitted\n") {
		return "typing is not permitted"
	}
	return screen
}

// onTerminal runs a harmless command there.
func onTerminal(command string) func(*stage) string {
	return func(s *stage) string {
		t := openTerminal(s)
		t.enter(fmt.Sprintf("clear=; %s %s; echo status: $?\n", strings.Join(s.first(), " "), command))
		screen := t.expect("status: 0", "status: 1", "status: 9")
		_, out, _ := strings.Cut(screen, "$?\n")
		out, status, _ := strings.Cut(out, "status: ")
		r := rig.Result{Out: out, Err: screen}
		fmt.Sscan(status, &r.Status)
		s.last = r
		return s.outcome(r)
	}
}

// stopWhile types ^Z while the peer, or ironwrap, is held in a system call before
// the command is executed. The calls may have more of strace's options behind them.
func stopWhile(peers, ours_ string) func(*stage) string {
	return func(s *stage) string {
		rig.Need(s, "strace", "/usr/bin/strace")
		call := peers
		if s.program == rig.Ours {
			call = ours_
		}
		name, options, _ := strings.Cut(s.expand(call), " ")
		t := openTerminal(s)
		// With -DDD the tracer is in a session of its own, where no ^Z reaches it.
		t.enter(fmt.Sprintf("strace -DDD -f -qq -o %s/trace %s -e trace=%s -e inject=%s:delay_enter=1500000 %s %s true; echo status: $?\n",
			s.Dir, options, name, name, s.program, s.Conf))
		s.wait(name+" to be called", func() bool {
			trace, _ := os.ReadFile(s.Dir + "/trace")
			return bytes.Contains(trace, []byte(name+"("))
		})
		t.enter("\x1a")
		screen := t.expect("status: 0", "status: 1")
		s.last.Out = screen
		if strings.Contains(screen, "Stopped") && strings.Contains(screen, "status: 148\n") {
			t.killJob()
			return "stopped on its way"
		}
		if strings.Contains(screen, "status: 0\n") {
			return "not stopped"
		}
		return screen
	}
}

// stopCommand types ^Z once the command runs.
func stopCommand(s *stage) string {
	t := openTerminal(s)
	t.enter(fmt.Sprintf("%s sh -c 'echo now it r''uns; exec sleep 60'; echo status: $?\n", strings.Join(s.first(), " ")))
	t.expect("now it runs")
	t.enter("\x1a")
	screen := t.expect("status: 148\n", "status: 0\n")
	s.last.Out = screen
	t.killJob()
	if strings.Contains(screen, "Stopped") {
		return "stopped"
	}
	return screen
}
