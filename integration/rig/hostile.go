package rig

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Without starts ours with what no shell and no os/exec would give it. The
// program is Python, whose ctypes can call execve(2) with anything.
func Without(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command("/usr/bin/python3", append([]string{"-I", "-S", "-c", "import ctypes, os, sys\n" +
		"libc = ctypes.CDLL(None, use_errno=True)\n" +
		"def execve(path, argv, env):\n" +
		"    a = (ctypes.c_char_p * (len(argv) + 1))(*argv, None)\n" +
		"    e = (ctypes.c_char_p * (len(env) + 1))(*env, None)\n" +
		"    libc.execve(path, a, e)\n" +
		"    sys.exit('execve: ' + os.strerror(ctypes.get_errno()))\n" +
		"args = [os.fsencode(a) for a in sys.argv[1:]]\n" + script}, args...)...)
	c.Env = []string{"PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"}
	return c
}

// Hostile sets all that a caller can set and that survives execve(2), then calls
// the program.
const Hostile = `
import resource, signal, time
for s in range(1, 65):
    if s not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
        signal.signal(s, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.umask(0o777)
os.nice(10)
open('/proc/self/oom_score_adj', 'w').write('500')
def soft(name, value):
    resource.setrlimit(name, (value, resource.getrlimit(name)[1]))
secret = os.open(b'/proc/self/status', os.O_RDONLY)
for fd in range(3, 51):
    os.dup2(secret, fd)
    os.set_inheritable(fd, True)
soft(resource.RLIMIT_FSIZE, 0)
soft(resource.RLIMIT_CPU, 50)
soft(resource.RLIMIT_DATA, 1 << 30)
soft(resource.RLIMIT_AS, 3 << 30)
soft(resource.RLIMIT_STACK, 512 << 10)
soft(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)[1])
soft(resource.RLIMIT_NOFILE, 60)
for timer in signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF:
    signal.setitimer(timer, 0.1, 0.1)
env = [b'PATH=/tmp', b'LD_PRELOAD=/nonexistent/evil.so', b'IFS=/', b'ENV=/nonexistent', b'X=y']
execve(args[0], args, env)
`

// Typist tries ioctl(2) on no descriptor at all: a filter answers EPERM, the
// kernel EBADF. With "type" it types into its terminal, as far as it may.
const Typist = `package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "type" {
		for _, c := range []byte("x\n") {
			_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, 0, 0x5412, uintptr(unsafe.Pointer(&c)))
			fmt.Println("typed:", int(errno))
		}
		return
	}
	try := func(name string, number uintptr, request uint64) {
		if uint64(uintptr(request)) != request || number != syscall.SYS_IOCTL && unsafe.Sizeof(number) == 4 {
			return
		}
		_, _, errno := syscall.RawSyscall(number, ^uintptr(0), uintptr(request), 0)
		fmt.Printf("%s: %d\n", name, int(errno))
	}
	const ioctl = syscall.SYS_IOCTL
	try("sti", ioctl, 0x5412)
	try("linux", ioctl, 0x541c)
	try("high sti", ioctl, 1<<32|0x5412)
	try("high linux", ioctl, 1<<32|0x541c)
	try("highest sti", ioctl, 0xffffffff<<32|0x5412)
	try("sti sti", ioctl, 0x5412<<32|0x5412)
	try("x32 sti", 0x40000000|ioctl, 0x5412)
	try("x32 compat sti", 0x40000000|514, 0x5412)
	try("x32 linux", 0x40000000|514, 0x541c)
	try("gets", ioctl, 0x5401)
	try("winsz", ioctl, 0x5413)
	try("fionread", ioctl, 0x541b)
	try("next", ioctl, 0x541d)
	try("high gets", ioctl, 1<<32|0x5401)
	try("sti in the high half", ioctl, 0x5412<<32)
}
`

// Int80 makes the same calls as a 32-bit program would, out of a 64-bit one.
const Int80 = `package main

import "fmt"

func int80(number, a, b, c uint32) int32

func main() {
	fmt.Printf("sti: %d\n", -int80(54, 0xffffffff, 0x5412, 0))
	fmt.Printf("linux: %d\n", -int80(54, 0xffffffff, 0x541c, 0))
	fmt.Printf("gets: %d\n", -int80(54, 0xffffffff, 0x5401, 0))
}
`

// Int80Assembly belongs to Int80.
const Int80Assembly = `TEXT ·int80(SB), 4, $0-20
	MOVL number+0(FP), AX
	MOVL a+4(FP), BX
	MOVL b+8(FP), CX
	MOVL c+12(FP), DX
	INT $0x80
	MOVL AX, ret+16(FP)
	RET
`

// BuildHelper builds a program of a test's own, static, and returns its path.
func BuildHelper(t *testing.T, path, arch string, files map[string]string) {
	t.Helper()
	src := t.TempDir()
	for name, text := range files {
		Write(t, src+"/"+name, text)
	}
	Write(t, src+"/go.mod", "module helper\n\ngo 1.26\n")
	c := exec.Command("go", "build", "-o", path, ".")
	c.Dir, c.Env = src, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
	if arch != "" {
		c.Env = append(c.Env, "GOARCH="+arch)
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("cannot build a helper: %v\n%s", err, out)
	}
}

// Goarch is what programs are built for.
func Goarch(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(string(Must(exec.Command("go", "env", "GOARCH").Output())))
}
