package rig

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/sandbox/seccomp"
)

// What a sandbox section does is asked of the command itself: of its status in
// /proc, and of what it can and cannot do.

// Confined is a policy with one filter ("NAME: CLASS, ...") and the lines of its
// sandbox section.
func Confined(t testing.TB, definition, lines string, extra ...string) Policy {
	t.Helper()
	name, _, _ := strings.Cut(definition, ":")
	return NewPolicy(t, definition+"\n[Sandbox:"+name+"]\n"+lines, extra...)
}

// Start runs ironwrap as root, from /, with groups and a capability that the
// command must not end up with by itself.
func Start(t testing.TB, p Policy, words ...string) Result {
	t.Helper()
	return StartIn(t, "/", p, words...)
}

func StartIn(t testing.TB, dir string, p Policy, words ...string) Result {
	t.Helper()
	c := exec.Command(Ours, append([]string{p.Conf}, words...)...)
	c.Dir, c.Env = dir, []string{"PATH=/usr/bin:/bin"}
	c.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Groups: []uint32{4, 24, 42}},
		AmbientCaps: []uintptr{CapNetRaw},
	}
	return RunCmd(t, c)
}

// NotRun complains unless ironwrap refused with one line that holds why.
func NotRun(t testing.TB, r Result, why string) {
	t.Helper()
	if r.Status != 97 || r.Out != "" || !OneLine(r.Err) || !strings.HasPrefix(r.Err, "ironwrap: ") || !strings.Contains(r.Err, why) {
		t.Errorf("not status 97 and one line with %q: %v", why, r)
	}
}

// Bounding is the bounding set that a command has without any limit: the one of
// this process.
func Bounding(t testing.TB) (string, uint64) {
	t.Helper()
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	text := Fields(string(own))["CapBnd"]
	set, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return text, set
}

// ProfileIn writes a profile into dir, and its program: fchmodat(2) fails with
// EXDEV, which it never does by itself, and all else is allowed.
func ProfileIn(t testing.TB, dir string) string {
	t.Helper()
	source := `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["fchmodat"],"action":"SCMP_ACT_ERRNO","errnoRet":18}]}` + "\n"
	program, err := seccomp.New(Refusing(unix.SYS_FCHMODAT, unix.EXDEV), 0, [3]uint8{2, 5, 4}, []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	Write(t, dir+"/p.json", source)
	Write(t, dir+"/p.bpf", string(program.Encode()))
	return dir + "/p.json"
}

// Refusing is a filter under which one system call fails.
func Refusing(number uint32, errno unix.Errno) []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
}

// Exchange swaps two names in one step.
func Exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

const CapNetRaw = 13
