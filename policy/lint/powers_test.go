package lint

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/filters"
)

// TestPowersTable: every entry is usable, and a filter that lets its program have
// any arguments accepts every way.
func TestPowersTable(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range powers {
		if len(p.names) == 0 || len(p.ways) == 0 || p.why == "" || strings.HasSuffix(p.why, ".") {
			t.Errorf("%v: names, a reason and a way are needed", p.names)
		}
		for _, name := range p.names {
			program := strings.TrimSuffix(name, "*")
			if seen[name] || interpreterOf(program) != nil {
				t.Errorf("%s: there twice", name)
			}
			seen[name] = true
			f, err := filters.New("CommandFilter, " + program + ", root")
			if err != nil {
				t.Fatal(err)
			}
			for _, way := range p.ways {
				if argv := append([]string{program}, split(way, blanks)...); !f.Match(filters.Words(argv), paper{}).Matched {
					t.Errorf("%q is not accepted", argv)
				}
			}
			if of(powers, "/usr/bin/"+program) == nil {
				t.Errorf("%s is not found in the table", program)
			}
		}
	}
}

func TestNamed(t *testing.T) {
	for _, tt := range []struct {
		listed, name string
		want         bool
	}{
		{"python*", "python", true}, {"python*", "python3.11", true}, {"python*", "python3-config", false}, {"python*", "pythonx", false},
		{"find", "find", true}, {"find", "find2", false},
	} {
		if got := named(tt.listed, tt.name); got != tt.want {
			t.Errorf("%s and %s: %v", tt.listed, tt.name, got)
		}
	}
}

func TestQuotesOpen(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "", "'": "'", `"`: `"`, "''": "", `'"`: "'", `"'`: `"`, `\'`: "", `'\'`: "", `"\"`: `"`, "echo 'x' > /": "",
	} {
		if got := quotesOpen(text); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// TestPowersLive goes the first way of each entry that says so, for real, and looks
// whether it came to what the table says.
func TestPowersLive(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: the ways of the table were not tried")
	}
	tried := 0
	for _, p := range powers {
		if !p.live {
			continue
		}
		for _, name := range p.names {
			program, err := exec.LookPath(name)
			if err != nil {
				t.Logf("%s is not installed: its way was not tried", name)
				continue
			}
			tried++
			t.Run(name, func(t *testing.T) { try(t, program, split(p.ways[0], planted(t)), p.gives) })
		}
	}
	if tried < 40 {
		t.Errorf("only %d ways were tried", tried)
	}
}

// TestInterpretersLive has each interpreter that is installed run a program.
func TestInterpretersLive(t *testing.T) {
	tried := 0
	for _, in := range interpreters {
		for _, name := range in.names {
			program, err := exec.LookPath(strings.TrimSuffix(name, "*"))
			if err != nil {
				continue
			}
			if code := in.code; code != "" && name != "java" {
				tried++
				t.Run(name, func(t *testing.T) {
					fill := planted(t)
					var args []string
					if in.flag != "" {
						args = append(args, in.flag)
					}
					try(t, program, append(args, strings.ReplaceAll(code, "PROGRAM", fill["PROGRAM"])), runs)
				})
			}
		}
	}
	if tried < 4 {
		t.Errorf("only %d interpreters were tried", tried)
	}
}

// planted lays out what ways speak of: a program of the caller's that leaves a
// mark, a file of root's, a file of the caller's.
func planted(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	fill := map[string]string{"PROGRAM": dir + "/evil", "FILE": dir + "/roots", "SOURCE": dir + "/mine", "USER": "nobody", "IMAGE": "none"}
	for path, text := range map[string]string{
		fill["PROGRAM"]: "#!/bin/sh\n: >" + dir + "/mark\n",
		fill["FILE"]:    "root's own\n",
		fill["SOURCE"]:  "the caller's\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return fill
}

func try(t *testing.T, program string, args []string, gives effect) {
	t.Helper()
	dir := ""
	for _, a := range args {
		if i := strings.Index(a, os.TempDir()); i >= 0 {
			dir = filepath.Dir(strings.TrimRight(a[i:], `"';) `))
			break
		}
	}
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	c := exec.CommandContext(ctx, program, args...)
	c.Dir, c.Stdin, c.WaitDelay = dir, strings.NewReader("the caller's\n"), time.Second
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, runErr := c.CombinedOutput()
	why := func(what string) { t.Errorf("%s %q: %s: %v: %s", program, args, what, runErr, out) }

	mark := dir + "/mark"
	roots := dir + "/roots"
	switch gives {
	case runs:
		if _, err := os.Stat(mark); err != nil {
			why("the caller's program did not run")
		}
	case writes:
		info, err := os.Stat(roots)
		data, _ := os.ReadFile(roots)
		if err != nil {
			why("the file is gone")
		} else if st := info.Sys().(*syscall.Stat_t); bytes.Equal(data, []byte("root's own\n")) && st.Mode&0o7777 == 0o700 && st.Uid == 0 && st.Gid == 0 {
			why("the file is as it was")
		}
	case destroys:
		data, err := os.ReadFile(roots)
		if err == nil && slices.Equal(data, []byte("root's own\n")) {
			why("the file is as it was")
		}
	case reads:
		if !bytes.Contains(out, []byte("root's own")) && !bytes.Contains(out, []byte("nwo s'toor")) && !encoded(out) {
			why("the file is not shown")
		}
	default:
		t.Fatal(fmt.Sprint("effect ", gives, " cannot be looked at"))
	}
}

// encoded tells whether the words of the file are in out in some other form: as
// base 64 or 32, or as numbers.
func encoded(out []byte) bool {
	for _, form := range []string{"cm9vdCdzIG93bg", "OJXW65BHOMQG653O", "6f72 746f 7327", "726f 6f74 2773", "067562 072157"} {
		if bytes.Contains(out, []byte(form)) {
			return true
		}
	}
	return false
}
