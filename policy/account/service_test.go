package account

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// services puts a script in the place of getent, beside databases of the test's
// own. It lies where nobody but root decides about its path.
func services(t *testing.T, script string) {
	t.Helper()
	databases(t, passwd, group)
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-getent-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir); clear(answers) })
	Getent = dir + "/getent"
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// Made by another process: a child that is being started elsewhere would hold a
	// file of ours open for writing, and it could not be executed.
	c := exec.Command("install", "-m", "755", "/dev/stdin", Getent)
	c.Stdin = strings.NewReader("#!/bin/sh\n" + script)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	clear(answers)
}

const directory = `case "$1 $2" in
"passwd ldap") echo 'ldap:*:70000:70001:Some One:/home/ldap:/bin/sh' ;;
"initgroups ldap") echo 'ldap                  70001 70002 70003 70002' ;;
"passwd alone") echo 'alone:*:70010:70011:::' ;;
"initgroups alone") echo 'alone' ;;
"group ops") echo 'ops:*:70002:ldap' ;;
*) exit 2 ;;
esac
`

func TestService(t *testing.T) {
	services(t, directory)
	u, err := Lookup("ldap")
	if err != nil || u.UID != 70000 || u.GID != 70001 || u.Home != "/home/ldap" || u.Shell != "/bin/sh" || !slices.Equal(u.Groups, []uint32{70001, 70002, 70003}) {
		t.Errorf("%+v, %v", u, err)
	}
	if u, err := Lookup("alone"); err != nil || !slices.Equal(u.Groups, []uint32{70011}) {
		t.Errorf("%+v, %v", u, err)
	}
	if uid, err := UID("ldap"); err != nil || uid != 70000 {
		t.Errorf("%d, %v", uid, err)
	}
	if gid, err := GID("ops"); err != nil || gid != 70002 {
		t.Errorf("%d, %v", gid, err)
	}
	if _, err := Lookup("stranger"); !errors.Is(err, ErrUnknown) || err.Error() != `no such user "stranger" in `+PasswdFile+", and no name service has one" {
		t.Errorf("%v", err)
	}
	if _, err := GID("strangers"); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	// Whom the file has, no name service speaks about, not even of their groups.
	services(t, "echo \"$2:*:0:0::/:/bin/sh\"; echo asked >&2; touch "+t.TempDir()+"/asked\n")
	if u, err := Lookup("nova"); err != nil || u.UID != 64055 || slices.Contains(u.Groups, 0) || len(answers) != 0 {
		t.Errorf("%+v, %v; asked %v", u, err, answers)
	}
}

// What getent(1) would take for an option or for a number is not asked for, nor
// what is no name at all.
func TestServiceNames(t *testing.T) {
	services(t, `echo "$2:*:70000:70000::/:/bin/sh"`)
	for _, name := range []string{"0", "70000", "-s", "-i", "--service=files", "a b", "a\tb", strings.Repeat("x", 257)} {
		if u, err := Lookup(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("%.40q: %+v, %v", name, u, err)
		}
		if gid, err := GID(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("%.40q: %d, %v", name, gid, err)
		}
	}
	if len(answers) != 0 {
		t.Errorf("asked: %v", answers)
	}
}

// An answer that is not one good line about that very name is none, and the error
// is one line that says so.
func TestServiceAnswers(t *testing.T) {
	for name, script := range map[string]string{
		"nothing":       "exit 0",
		"another name":  "echo 'LDAP:*:70000:70001:::'",
		"root":          "echo 'ldap:*:0:70001:::'",
		"no id":         "echo 'ldap:*:-1:70001:::'",
		"unchanged":     "echo 'ldap:*:4294967295:70001:::'",
		"unchanged gid": "echo 'ldap:*:70000:4294967295:::'",
		"two lines":     "echo 'ldap:*:70000:70001:::'; echo 'ldap:*:0:0:::'",
		"half a line":   "printf 'ldap:*:70000:70001:::'",
		"six fields":    "echo 'ldap:*:70000:70001::'",
		"a NUL byte":    `printf 'ldap:*:70000:70001::/\000:\n'`,
		"killed":        "echo 'ldap:*:70000:70001:::'; kill -9 $$",
		"failed":        "echo 'ldap:*:70000:70001:::'; exit 1",
		"no groups":     "test $1 = passwd && echo 'ldap:*:70000:70001:::' || exit 2",
		"bad group":     "test $1 = passwd && echo 'ldap:*:70000:70001:::' || echo 'ldap 1 4294967295'",
		"other groups":  "test $1 = passwd && echo 'ldap:*:70000:70001:::' || echo 'ldapx 1 2'",
		"more groups":   "test $1 = passwd && echo 'ldap:*:70000:70001:::' || printf 'ldap 1\\n2 3\\n'",
		"too much":      "exec head -c 3000000 /dev/zero",
	} {
		t.Run(name, func(t *testing.T) {
			services(t, script+"\n")
			u, err := Lookup("ldap")
			if err == nil || u.Name != "" || u.Groups != nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("%+v, %v", u, err)
			}
			if errors.Is(err, ErrUnknown) != (name == "no groups") {
				t.Errorf("%v", err)
			}
		})
	}
	services(t, "echo 'wheel:*:0:x'")
	if gid, err := GID("wheel"); err == nil || gid != 0 {
		t.Errorf("%d, %v", gid, err)
	}
}

// A name service that does not answer costs its time once, however often it is
// asked, and whatever it leaves behind.
func TestServicePatience(t *testing.T) {
	defer func(old time.Duration) { patience = old }(patience)
	patience = time.Second
	child := filepath.Join(t.TempDir(), "pid")
	for name, script := range map[string]string{
		"sleeps":           "exec sleep 60",
		"a child stays":    "sleep 60 & echo $! >" + child + "; exit 0",
		"closes and stays": "exec >&-; exec sleep 60",
	} {
		t.Run(name, func(t *testing.T) {
			services(t, script+"\n")
			start := time.Now()
			for range 3 {
				if u, err := Lookup("ldap"); err == nil || errors.Is(err, ErrUnknown) {
					t.Errorf("%+v, %v", u, err)
				}
			}
			if took := time.Since(start); took > 3*patience {
				t.Errorf("it took %v", took)
			}
		})
	}
	if os.Geteuid() != 0 {
		return // each of them has said that it was not run
	}
	var pid int
	data, err := os.ReadFile(child)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sscan(string(data), &pid); pid < 2 {
		t.Fatalf("%q is no process", data)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// What getent has of its caller: nothing. For descriptors see
// integration/oneshot/setuid_test.go.
func TestServiceContext(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	services(t, fmt.Sprintf("{ pwd; tr '\\0' '|' </proc/$$/environ; echo; cut -d' ' -f1,6 /proc/$$/stat; ulimit -n; } >%s; exit 2\n", out))
	t.Setenv("LD_PRELOAD", "/nonexistent")
	t.Setenv("HOME", "/tmp")
	if _, err := Lookup("ldap"); !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(f) != 4 || f[0] != "/" || f[1] != "" {
		t.Fatalf("%q", f)
	}
	var pid, session, files int
	if fmt.Sscan(f[2], &pid, &session); pid == 0 || pid != session {
		t.Errorf("not a session of its own: %q", f[2])
	}
	if fmt.Sscan(f[3], &files); files < 1024 {
		t.Errorf("%d descriptors", files)
	}
}

// Without getent there is no name service; one that somebody else could have
// written is not run.
func TestServiceProgram(t *testing.T) {
	services(t, directory)
	if err := os.Chmod(Getent, 0o777); err != nil {
		t.Fatal(err)
	}
	if u, err := Lookup("ldap"); err == nil || errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "writable by group and others") {
		t.Errorf("%+v, %v", u, err)
	}
	if err := os.Remove(Getent); err != nil {
		t.Fatal(err)
	}
	if u, err := Lookup("ldap"); !errors.Is(err, ErrUnknown) {
		t.Errorf("%+v, %v", u, err)
	}
}
