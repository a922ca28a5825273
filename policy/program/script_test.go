package program

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A script's interpreter is this very program: it prints its arguments.
func TestMain(m *testing.M) {
	if os.Getenv("PRINT_ARGUMENTS") != "" {
		fmt.Print(strings.Join(os.Args, "\x00"))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestShebang puts first lines before the kernel and before us.
func TestShebang(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "i")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	interpreter := dir + "/i"
	if err := os.Symlink(self, interpreter); err != nil {
		t.Fatal(err)
	}
	pad := func(n int) string { return strings.Repeat(" ", n) }
	heads := []string{
		"", "#", "#!", "#!\n", "#! \t \n", "#!I", "#!I\n", "#! I\n", "#!\tI\t\n", "#!I a\n", "#!I a b\n", "#!I  a  b  \n", "#!I\ta\tb\t\n", "#!I\r\n", "#!I a\r\n",
		"#!I\x00a\n", "#!I a\x00b\n", "#!I \x00\n", "#!\x00I\n", "#!I a", "#!I a ", "#!I a\x00 b", "#!I\va\n", "#!I a#b\n", "#!\"I\"\n", " #!I\n", "#!./i\n", "#!I\\\n", "\x00", "#!I\n#!/x\n",
		"#!" + pad(251) + "\nI", "#!" + pad(252) + "I\n", "#!" + pad(253), "#!" + pad(254), "#!" + pad(255), "#!" + pad(300) + "I\n",
	}
	// Around the end of what the kernel looks at.
	for n := 250; n < 260; n++ {
		for _, end := range []string{"", "\n", " \n", " a\n", "\x00", " ", "\t\t\t", "x\n"} {
			heads = append(heads,
				"#!I"+pad(n-2-len(interpreter))+end, "#!"+pad(n-2-len(interpreter))+"I"+end,
				"#!I "+strings.Repeat("a", n-3-len(interpreter))+end, "#!I "+strings.Repeat("a", n-4-len(interpreter))+" "+end,
				"#!"+strings.Repeat("/", n-2-len(interpreter))+"I"+end)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var b strings.Builder
		b.WriteString("#!" + pad(random.IntN(3)) + "I")
		for range random.IntN(6) {
			b.WriteString([]string{" ", "\t", "a", "\n", "\x00", "I", pad(120), strings.Repeat("b", 200)}[random.IntN(8)])
		}
		heads = append(heads, b.String())
	}
	for i, head := range heads {
		head = strings.ReplaceAll(head, "I", interpreter)
		script := filepath.Join(dir, fmt.Sprint("s", i))
		if err := os.WriteFile(script, []byte(head), 0o755); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(script, "last")
		c.Dir, c.Env = dir, []string{"PRINT_ARGUMENTS=1"}
		out, err := c.Output()
		got, args, ok := shebang([]byte(head))
		switch {
		case errors.Is(err, syscall.ENOEXEC) || head == "":
			if ok {
				t.Errorf("%q: the kernel says %v, we say %q, %q", head, err, got, args)
			}
			continue
		case err != nil: // the interpreter that it names is not there
			path := got
			if !strings.HasPrefix(got, "/") {
				path = filepath.Join(dir, got)
			}
			if st, missing := os.Stat(path); ok && missing == nil && !st.IsDir() {
				t.Errorf("%q: the kernel says %v, we say %q", head, err, got)
			}
			continue
		}
		want := slices.Concat([]string{got}, args, []string{script, "last"})
		if said := strings.Split(string(out), "\x00"); !ok || !slices.Equal(said, want) {
			t.Errorf("%q: the kernel calls %q, we say %q, %q, %v", head, said, got, args, ok)
		}
	}
}

func FuzzShebang(f *testing.F) {
	for _, head := range []string{"#!/bin/sh\n", "#! /usr/bin/env -S a b", "#!" + strings.Repeat("x", 300), "\x7fELF"} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		interpreter, args, ok := shebang(head)
		if !ok {
			return
		}
		arg := strings.Join(args, "")
		if strings.ContainsAny(interpreter, " \t\n\x00") || strings.ContainsAny(arg, "\n\x00") {
			t.Errorf("%q: %q, %q", head, interpreter, arg)
		}
		if !bytes.Contains(head[:min(len(head), scriptSize)], []byte(interpreter)) || !bytes.Contains(head, []byte(arg)) {
			t.Errorf("%q: %q, %q stand nowhere", head, interpreter, arg)
		}
		if words, _, err := env(arg); err != nil && words != nil {
			t.Errorf("%q: words %q with an error", arg, words)
		}
	})
}

// TestEnv puts the argument before the real env(1), whose PATH has programs that print
// their names.
func TestEnv(t *testing.T) {
	for _, c := range []struct {
		arg, words string
		clean      bool
		err        string
	}{
		{"python3", "python3", false, ""},
		{"/opt/x", "/opt/x", false, ""},
		{"python3 -I", "python3 -I", false, ""}, // one word, with a blank in it
		{"-S python3 -I", "python3|-I", false, ""},
		{"-Spython3", "python3", false, ""},
		{"-vS python3", "python3", false, ""},
		{"-iS python3", "python3", true, ""},
		{"-S -i python3 x", "python3|x", true, ""},
		{"--split-string=python3 -s", "python3|-s", false, ""},
		{"--split=python3 -s", "python3|-s", false, ""},
		{"--s=python3", "python3", false, ""},
		{"--=python3", "", false, ""},
		{"--split-strings=python3", "", false, ""},
		{"-S A=1 B= python3", "python3", false, ""},
		{"-S PATH=/home/u python3", "", false, "set PATH"},
		{"-S LD_PRELOAD=/home/u/x python3", "", false, "set LD_PRELOAD"},
		{"-S -u PATH python3", "", false, "more than look"},
		{"-S -C/home/u ./x", "", false, "more than look"},
		{"-S --unset=PATH x", "", false, "more than look"},
		{"-S -S x", "", false, "more than look"},
		{`-S "x y"`, "", false, "more than look"},
		{`-S x\_y`, "", false, "more than look"},
		{"-S ${HOME}/x", "", false, "more than look"},
		{"-S 'x'", "", false, "more than look"},
		{"-S", "", false, ""},
		{"-i", "", false, ""}, // the script is what it executes then, again
		{"A=1", "", false, ""},
		{"", "", false, ""},
	} {
		words, clean, err := env(c.arg)
		if strings.Join(words, "|") != c.words || clean != c.clean || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %q, %v, %v", c.arg, words, clean, err)
		}
		if err != nil {
			continue
		}
		// What env itself looks for first in PATH.
		dir := t.TempDir()
		for _, name := range []string{"python3", "python3 -I", "x"} {
			if err := os.WriteFile(dir+"/"+name, []byte("#!/bin/sh\nprintf '%s' \"${0##*/}\"\nfor a in \"$@\"; do printf '|%s' \"$a\"; done\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		run := exec.Command("/usr/bin/env", c.arg, "/script/of/it")
		run.Env = []string{"PATH=" + dir}
		out, _ := run.Output()
		if said, rest, found := strings.Cut(string(out), "|/script/of/it"); found && !clean && (said != c.words || rest != "") {
			t.Errorf("%q: env calls %q", c.arg, out)
		} else if !found && len(words) > 0 && !clean && words[0][0] != '/' {
			t.Errorf("%q: env calls %q, we say %q", c.arg, out, words)
		}
	}
}
