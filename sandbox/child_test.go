package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Enter cannot be undone, so each case of it is a process: this test's program
// again, which reads a Spec from its standard input, and tells what became of it.
const isChild = "IRONWRAP_TEST_CHILD=1"

// The children are on the leading thread, as the programs are.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if slices.Contains(os.Environ(), isChild) {
		child()
	}
	os.Exit(m.Run())
}

func child() {
	var spec Spec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		panic(err)
	}
	err := Begin()
	if err == nil {
		err = Enter(&spec)
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	// The filter, the ids and the sets are this thread's.
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(status)
	var files unix.Rlimit
	if err := prlimit(unix.RLIMIT_NOFILE, nil, &files); err != nil {
		panic(err)
	}
	nice, _, _ := unix.RawSyscall(unix.SYS_GETPRIORITY, unix.PRIO_PROCESS, 0, 0)
	score, _ := os.ReadFile("/proc/self/oom_score_adj")
	fmt.Printf("NoFile:\t%d\nNice:\t%d\nOOMScore:\t%s\n", files.Cur, 20-int(nice), bytes.TrimSpace(score))
	os.Exit(0)
}

// enter runs Begin and Enter in a child that has the attributes given, and
// returns the lines it printed, by name.
func enter(t *testing.T, s Spec, attr *syscall.SysProcAttr) (map[string]string, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return enterBy(t, self, s, attr)
}

func enterBy(t *testing.T, program string, s Spec, attr *syscall.SysProcAttr) (map[string]string, string) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program)
	c.Stdin = bytes.NewReader(text)
	c.Env = []string{isChild}
	c.SysProcAttr = attr
	out, err := c.CombinedOutput()
	fields := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields[name] = strings.Join(strings.Fields(value), " ")
		}
	}
	if (err != nil) != (fields["error"] != "") {
		t.Fatalf("the child ended with %v:\n%s", err, out)
	}
	return fields, fields["error"]
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: that Enter does what it says was not checked")
	}
}

func TestEnter(t *testing.T) {
	needRoot(t)
	var hard unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &hard); err != nil {
		t.Fatal(err)
	}
	limit := fmt.Sprint(hard.Max)

	for _, c := range []struct {
		name string
		spec Spec
		want map[string]string
	}{
		{"root", Spec{Groups: []uint32{0}, Umask: 0o22, NoFile: 256}, map[string]string{
			"Uid": "0 0 0 0", "Gid": "0 0 0 0", "Groups": "0", "Umask": "0022", "NoFile": "256", "Nice": "0", "OOMScore": "0",
			"CapInh": none, "CapAmb": none, "NoNewPrivs": "0", "Seccomp": "0", "SigBlk": none,
		}},
		{"another user", Spec{UID: 65534, GID: 65533, Groups: []uint32{65533, 4, 24}, Umask: 0o77, NoFile: 0}, map[string]string{
			"Uid": "65534 65534 65534 65534", "Gid": "65533 65533 65533 65533", "Groups": "4 24 65533", "Umask": "0077", "NoFile": limit,
			"CapInh": none, "CapPrm": none, "CapEff": none, "CapAmb": none, "NoNewPrivs": "0", "Seccomp": "2", "SigBlk": none,
		}},
		{"no groups", Spec{UID: 1, GID: 1}, map[string]string{"Uid": "1 1 1 1", "Groups": "", "Umask": "0000"}},
		{"a group twice", Spec{UID: 1, GID: 1, Groups: []uint32{7, 7}}, map[string]string{"Groups": "7 7"}},
		{"many groups", Spec{UID: 1, GID: 1, Groups: upTo(3000)}, map[string]string{"Gid": "1 1 1 1"}},
		{"root's group only", Spec{UID: 1, GID: 0, Groups: []uint32{0}}, map[string]string{"Gid": "0 0 0 0", "CapPrm": none, "Seccomp": "2"}},
		{"root with another group", Spec{UID: 0, GID: 5, Groups: []uint32{5}}, map[string]string{"Gid": "5 5 5 5", "Groups": "5", "Seccomp": "0"}},
		{"largest ids", Spec{UID: 1<<32 - 2, GID: 1<<32 - 2, Groups: []uint32{1<<32 - 2}}, map[string]string{
			"Uid": "4294967294 4294967294 4294967294 4294967294", "Groups": "4294967294", "CapPrm": none}},
		{"numbers", Spec{UID: 1, GID: 1, Nice: 7, OOMScore: 300, NoFile: 64}, map[string]string{"Nice": "7", "OOMScore": "300", "NoFile": "64"}},
		{"more files than the hard limit", Spec{NoFile: hard.Max + 1}, map[string]string{"NoFile": limit}},
	} {
		have, fault := enter(t, c.spec, nil)
		if fault != "" {
			t.Errorf("%s: %s", c.name, fault)
			continue
		}
		for key, value := range c.want {
			if have[key] != value {
				t.Errorf("%s: %s is %q, not %q", c.name, key, have[key], value)
			}
		}
	}
}

const none = "0000000000000000"

func upTo(n uint32) (list []uint32) {
	for i := n; i > 0; i-- {
		list = append(list, i)
	}
	return list
}

// What a hostile starter sets is gone, and so is what sudo leaves.
func TestEnterFromHostile(t *testing.T) {
	needRoot(t)
	attr := &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 0, Gid: 12, Groups: []uint32{4, 24, 42}},
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN},
	}
	for _, c := range []struct {
		spec Spec
		want map[string]string
	}{
		{Spec{Groups: []uint32{0}}, map[string]string{"Gid": "0 0 0 0", "Groups": "0", "CapInh": none, "CapAmb": none}},
		{Spec{UID: 9, GID: 8, Groups: []uint32{8}}, map[string]string{
			"Uid": "9 9 9 9", "Gid": "8 8 8 8", "Groups": "8", "CapInh": none, "CapPrm": none, "CapEff": none, "CapAmb": none}},
	} {
		have, fault := enter(t, c.spec, attr)
		if fault != "" {
			t.Errorf("uid %d: %s", c.spec.UID, fault)
		}
		for key, value := range c.want {
			if have[key] != value {
				t.Errorf("uid %d: %s is %q, not %q", c.spec.UID, key, have[key], value)
			}
		}
	}
}

// A Spec that cannot be had is an error that names the step, never something
// near it. The id -1 is the one that setresuid(2) takes and ignores
// (CVE-2019-14287): only the confirmation sees it.
func TestEnterRefuses(t *testing.T) {
	needRoot(t)
	for name, c := range map[string]struct {
		spec Spec
		want string
	}{
		"uid -1":        {Spec{UID: 1<<32 - 1, GID: 1}, "cannot confirm the ids: the kernel says uids 0, 0, 0, not 4294967295"},
		"gid -1":        {Spec{UID: 1, GID: 1<<32 - 1}, "cannot confirm the ids: the kernel says gids 0, 0, 0, not 4294967295"},
		"group -1":      {Spec{UID: 1, GID: 1, Groups: []uint32{1<<32 - 1}}, "cannot set the supplementary groups: invalid argument"},
		"70,000 groups": {Spec{UID: 1, GID: 1, Groups: upTo(70000)}, "cannot set the supplementary groups: invalid argument"},
		"oom score":     {Spec{OOMScore: 1001}, "cannot set the OOM score: invalid argument"},
	} {
		if _, fault := enter(t, c.spec, nil); fault != c.want {
			t.Errorf("%s: %q, not %q", name, fault, c.want)
		}
	}
}

// Without root's rights nothing is begun, and the message says where they can
// have got lost.
func TestBeginNeedsRoot(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var attr *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		// Where go test puts its programs only root can run them.
		dir, err := os.MkdirTemp("", "ironwrap-sandbox-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		data, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		program = filepath.Join(dir, "child")
		if err := os.WriteFile(program, data, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	_, fault := enterBy(t, program, Spec{}, attr)
	if !strings.HasPrefix(fault, "not run as root but as uid ") || !strings.HasSuffix(fault, ": call it through sudo, or install it setuid root") {
		t.Errorf("%q", fault)
	}
}
