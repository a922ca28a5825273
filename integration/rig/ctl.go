package rig

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

// What explain says must be what the executor does: the verdict, the program's
// argv and environment, its ids. Both are run, with a program in the place of those
// that the filters name, which tells how it was started.

var buildCtl = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(Ours), "ironwrapctl")
	c := exec.Command("go", "build", "-o", path, "./cmd/ironwrapctl")
	c.Dir, c.Env = Root, append(os.Environ(), "CGO_ENABLED=1")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build ironwrapctl: %v\n%s", err, out)
	}
	return path, nil
})

// Ctl is ironwrapctl, beside the executor.
func Ctl(t testing.TB) string {
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

// BuildWitness builds the witness, and returns its path.
var BuildWitness = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(Ours), "witness")
	c := exec.Command("gcc", "-static", "-O1", "-x", "c", "-o", path, "-")
	c.Stdin = strings.NewReader(witnessSource)
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the witness: %v\n%s", err, out)
	}
	return path, nil
})

// Exactly is a string whose bytes came through JSON as explain writes them: a byte
// that is not UTF-8 is a lone surrogate, U+DC00 and the byte (PEP 383).
type Exactly string

func (e *Exactly) UnmarshalJSON(data []byte) error {
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
	*e = Exactly(out)
	return nil
}

// started is how the witness was started.
type started struct {
	Argv []string
	Ids  string
	Env  []string
}

// ParseWitness reads what the witness told.
func ParseWitness(out []byte) (s started, err error) {
	list := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	n, err := strconv.Atoi(list[0])
	if err != nil || len(list) < n+2 {
		return s, fmt.Errorf("the witness printed %q", out)
	}
	return started{list[1 : n+1], list[n+1], list[n+2:]}, nil
}

// ExecuteOurs runs the executor on one command.
func ExecuteOurs(conf, dir string, env, argv []string) (status int, out []byte, complaint string, err error) {
	c := exec.Command(Ours, append([]string{conf}, argv...)...)
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

// Update is -update of go test.
var Update = flag.Bool("update", false, "write the findings of TestCheckDebian, the tables of TestExposureTable, or the numbers of TestBudget, anew, when they have been looked at")
