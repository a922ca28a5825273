package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"ironwrap/policy/compiled"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ironwrapctl": func() {
		compiled.Build = os.Getenv("BUILD") // which the linker sets
		main()
	}})
}

// TestHelp: every command says what it does, with examples that are calls of it.
func TestHelp(t *testing.T) {
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		if c.Name() == "completion" || c.Name() == "help" || c.Hidden {
			return // cobra's own, or not for people
		}
		if c.Short == "" || c.Long == "" || !strings.Contains(c.Example, "  "+c.CommandPath()+" ") {
			t.Errorf("%s: a short and a long description and examples are needed", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(newRoot())
}

// TestScript runs testdata/script/*.txtar: each is a session with the real program,
// in a directory which for root lies where every directory is root's, and which DIR
// stands for in *.conf, *.filters and *.sudoers. The condition [root] holds for root. Besides testscript's
// own commands there is "status N COMMAND...", which demands that exit status.
func TestScript(t *testing.T) {
	params := testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BYTES", "\xff")
			env.Setenv("BUILD", "test")
			return placeFiles(env.WorkDir)
		},
		Condition: func(name string) (bool, error) { return name == "root" && os.Geteuid() == 0, nil },
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"status": exitStatus},
	}
	if os.Geteuid() == 0 {
		root, err := os.MkdirTemp("/var/lib", "ironwrap-script-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(root) })
		if err := os.Chmod(root, 0o755); err != nil {
			t.Fatal(err)
		}
		params.WorkdirRoot = root
	}
	testscript.Run(t, params)
}

// placeFiles writes the name of the directory into configurations in which DIR stands
// for it.
func placeFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err != nil || d.IsDir() || ext != ".conf" && ext != ".filters" && ext != ".sudoers" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(data), "DIR") {
			return err
		}
		return os.WriteFile(path, []byte(strings.ReplaceAll(string(data), "DIR", dir)), 0o644)
	})
}

// exitStatus is the command "status N COMMAND...".
func exitStatus(ts *testscript.TestScript, negate bool, args []string) {
	if negate || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("cannot run %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("%s: exit status %d, not %d", strings.Join(args[1:], " "), got, want)
	}
}
