package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ironwrap/sandbox/seccomp"
)

const small = `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
	{"names": ["execve", "read"], "action": "SCMP_ACT_ALLOW"},
	{"names": ["kill"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_GT"}, {"index": 1, "value": 0, "op": "SCMP_CMP_EQ"}]},
	{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
	{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": 4294967295, "valueTwo": 21505, "op": "SCMP_CMP_MASKED_EQ"}]},
	{"names": ["setns"], "action": "SCMP_ACT_KILL_PROCESS"},
	{"names": ["reboot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_BOOT"]}},
	{"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}`

// call runs the command line as main does, and returns what it says and the exit
// status.
func call(t *testing.T, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	return session(t, append([]string{"seccomp"}, args...)...)
}

// session runs the command line in this process.
func session(t *testing.T, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	root := newRoot()
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(args)
	switch err := root.Execute().(type) {
	case nil:
	case status:
		exit = int(err)
	default:
		exit = 2
		errs.WriteString(err.Error())
	}
	return out.String(), errs.String(), exit
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSeccompCompile(t *testing.T) {
	dir := t.TempDir()
	p := write(t, dir, "p.json", small)
	if out, errs, exit := call(t, "compile", p); out != "" || errs != "" || exit != 0 {
		t.Fatalf("%q, %q, %d", out, errs, exit)
	}
	data, err := os.ReadFile(dir + "/p.bpf")
	if err != nil {
		t.Fatal(err)
	}
	program, err := seccomp.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Check([]byte(small)); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(dir + "/p.bpf"); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	// By name, and again: a link that stands in the way is replaced, not followed.
	old := seccomp.Dir
	seccomp.Dir = dir
	defer func() { seccomp.Dir = old }()
	victim := write(t, dir, "victim", "mine")
	os.Remove(dir + "/p.bpf")
	if err := os.Symlink(victim, dir+"/p.bpf"); err != nil {
		t.Fatal(err)
	}
	if _, errs, exit := call(t, "compile", "p"); exit != 0 {
		t.Error(errs)
	}
	if again, err := os.ReadFile(dir + "/p.bpf"); err != nil || !bytes.Equal(again, data) {
		t.Errorf("compiled again it is another: %v", err)
	}
	if text, _ := os.ReadFile(victim); string(text) != "mine" {
		t.Error("the link was followed")
	}

	// Elsewhere, with other capabilities: another program.
	if _, errs, exit := call(t, "compile", "--capabilities", "CAP_SYS_BOOT", "--output", dir+"/other", "p"); exit != 0 {
		t.Error(errs)
	}
	if other, err := os.ReadFile(dir + "/other"); err != nil || bytes.Equal(other, data) {
		t.Errorf("the capability makes no difference: %v", err)
	}

	// What cannot be compiled leaves what was there alone, and nothing behind.
	write(t, dir, "p.json", strings.Replace(small, `"execve", `, "", 1))
	if _, errs, exit := call(t, "compile", "p"); exit != 2 || errs != dir+"/p.json: it would refuse execve (refuse with EPERM), with which every command begins: allow it, without conditions" {
		t.Errorf("%q, %d", errs, exit)
	}
	if again, err := os.ReadFile(dir + "/p.bpf"); err != nil || !bytes.Equal(again, data) {
		t.Errorf("the old program is gone: %v", err)
	}
	if left, _ := filepath.Glob(dir + "/.seccomp-*"); left != nil {
		t.Errorf("left behind: %s", left)
	}
	q := write(t, dir, "q.json", strings.Replace(small, `"names"`, `"nmaes"`, 1))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"compile"}, "PROFILE is missing: ironwrapctl seccomp compile [--output FILE] PROFILE..."},
		{[]string{"compile", "none"}, "open " + dir + "/none.json: no such file or directory"},
		{[]string{"compile", "Storage"}, `seccomp profile "Storage" is neither the name of a shipped profile (a-z, 0-9, _ and -) nor an absolute path that ends with .json`},
		{[]string{"compile", q}, q + `: line 2: key "nmaes" is unknown here`},
		{[]string{"compile", "-o", "x", "p", "q"}, "--output is for one profile"},
		{[]string{"compile", "--capabilities", "SYS_BOOT", "p"}, `"SYS_BOOT" is not the name of a capability, such as CAP_NET_ADMIN`},
	} {
		if _, errs, exit := call(t, c.args...); exit != 2 || errs != c.want {
			t.Errorf("%q: %q, %d", c.args, errs, exit)
		}
	}
	write(t, dir, "r.json", small)
	if _, errs, exit := call(t, "compile", "-o", dir+"/none/r.bpf", "r"); exit != 2 || !strings.HasPrefix(errs, "cannot write "+dir+"/none/r.bpf: ") {
		t.Errorf("%q, %d", errs, exit)
	}
}

func TestSeccompShow(t *testing.T) {
	dir := t.TempDir()
	p := write(t, dir, "p.json", small)
	out, errs, exit := call(t, "show", p)
	if errs != "" || exit != 0 {
		t.Fatalf("%q, %d", errs, exit)
	}
	_, rules, _ := strings.Cut(out, "this machine\n")
	want := `execve                   allow
ioctl                    allow if arg1 & 0xffffffff == 0x5401
kill                     allow if arg0 > 0x1 and arg1 == 0x0
mount                    refuse with ENOSYS
read                     allow
setns                    kill the process
socket                   allow if arg0 == 0x1 or arg0 == 0x2
`
	if !strings.HasPrefix(out, "(any other)              refuse with EPERM\nSCMP_ARCH_") || rules != want {
		t.Errorf("\n%s", out)
	}
	if out, _, _ := call(t, "show", "--capabilities=CAP_SYS_BOOT", p); !strings.Contains(out, "\nreboot                   allow\n") {
		t.Errorf("\n%s", out)
	}

	if _, errs, exit := call(t, "compile", p); exit != 0 {
		t.Fatal(errs)
	}
	out, errs, exit = call(t, "show", "--bpf", dir+"/p.bpf")
	if errs != "" || exit != 0 {
		t.Fatalf("%q, %d", errs, exit)
	}
	for _, line := range []string{
		"read                     allow\n",
		"write                    refuse with EPERM\n",
		"kill                     refuse with EPERM or allow, by the arguments\n",
		"mount                    refuse with ENOSYS\n",
		"setns                    kill the process\n",
		"\n    0  A = arch\n",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
	bad := write(t, dir, "bad.bpf", "no program")
	if _, errs, exit := call(t, "show", bad); exit != 2 || errs != bad+": it is no compiled seccomp program" {
		t.Errorf("%q, %d", errs, exit)
	}
}

func TestSeccompDiff(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir, "a.json", small)
	same := write(t, dir, "same.json", strings.ReplaceAll(small, `["execve", "read"]`, `["read", "execve", "read"]`))
	b := write(t, dir, "b.json", strings.NewReplacer(`"value": 0,`, `"value": 9,`, `"SCMP_ACT_ERRNO", "syscalls"`, `"SCMP_ACT_KILL", "syscalls"`, `["execve", "read"]`, `["execve"]`).Replace(small))
	if out, errs, exit := call(t, "diff", a, same); out != "" || errs != "" || exit != 0 {
		t.Errorf("%q, %q, %d", out, errs, exit)
	}
	want := `- (any other)              refuse with EPERM
+ (any other)              kill the thread
- kill                     allow if arg0 > 0x1 and arg1 == 0x0
+ kill                     allow if arg0 > 0x1 and arg1 == 0x9
- read                     allow
`
	if out, errs, exit := call(t, "diff", a, b); out != want || errs != "" || exit != 1 {
		t.Errorf("\n%s%q, %d", out, errs, exit)
	}
	if _, errs, exit := call(t, "diff", a, dir+"/none.json"); exit != 2 || !strings.Contains(errs, "no such file") {
		t.Errorf("%q, %d", errs, exit)
	}
}

func TestSeccompTest(t *testing.T) {
	dir := t.TempDir()
	p := write(t, dir, "p.json", small)
	if _, errs, exit := call(t, "compile", p); exit != 0 {
		t.Fatal(errs)
	}
	for _, c := range []struct {
		args string
		want string
		exit int
	}{
		{"read", "allowed\n", 0},
		{"exit_group 3", "refused: EPERM\n", 1},
		{"write 1", "refused: EPERM\n", 1},
		{"mount", "refused: ENOSYS\n", 1},
		{"setns", "refused: killed with SIGSYS\n", 1},
		{"kill -1 0", "allowed\n", 0},
		{"kill 2 0x0", "allowed\n", 0},
		{"kill 1 0", "refused: EPERM\n", 1},
		{"kill 2 70", "refused: EPERM\n", 1},
		{"ioctl 0 0x100005401", "allowed\n", 0},
		{"ioctl 0 0x5412", "refused: EPERM\n", 1},
		{"reboot", "refused: EPERM\n", 1},
		{"9999", "refused: ENOSYS\n", 1},
		{"no_such_call", "", 2},
		{"read x", "", 2},
		{"read 1 2 3 4 5 6 7", "", 2},
		{"read 0x10000000000000000", "", 2},
		{"", "", 2},
	} {
		for _, from := range []string{p, dir + "/p.bpf"} {
			args := append([]string{"test", from}, strings.Fields(c.args)...)
			if out, errs, exit := call(t, args...); out != c.want || exit != c.exit || (exit == 2) != (errs != "") {
				t.Errorf("%q: %q, %q, %d", args, out, errs, exit)
			}
		}
	}
	if out, _, exit := call(t, "test", "--capabilities", "CAP_SYS_BOOT", p, "reboot"); exit != 0 {
		t.Errorf("%q, %d", out, exit)
	}
	if _, errs, exit := call(t, "test", write(t, dir, "bad.bpf", ""), "read"); exit != 2 || errs == "" {
		t.Errorf("%q, %d", errs, exit)
	}
}
