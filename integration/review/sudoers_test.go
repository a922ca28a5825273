package review

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/filters/pyre"
	"ironwrap/integration/rig"
	engine "ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/review/sudoers"
	"ironwrap/policy/trust"
)

// fallback is a policy, the sudoers file made of it, in force for a user of its own,
// and stand-ins for the programs that tell how they were called.
type fallback struct {
	policy *engine.Policy
	file   *sudoers.File
	user   rig.User
	bin    string
}

// teller prints the user that it runs as, its own path and its arguments, each with
// a NUL behind it.
const teller = "#!/bin/sh\nprintf '%s\\0' \"$(/usr/bin/id -un)\" \"$0\" \"$@\"\n"

// The programs of sudoersFilters.
var sudoersPrograms = []string{"any", "one", "none", "path", "each", "odd", "literal", "folded", "shared", "other", "env", "inner"}

const sudoersFilters = `any: CommandFilter, any, root
any-nobody: CommandFilter, other, nobody
one: RegExpFilter, one, root, one, (start|stop|re(start|load))
none: RegExpFilter, none, root, none
path: RegExpFilter, path, root, path, /dev/[^/]+
each: RegExpFilter, each, root, each, .+
odd: RegExpFilter, odd, root, odd, [][a^-]+%s=x:y!~
literal: RegExpFilter, literal, root, literal, -x=HOME;&|'(){}<>*?@
folded: RegExpFilter, folded, nobody, folded, (?i)on|off
two: RegExpFilter, one, root, one, a, b
shared: RegExpFilter, shared, nobody, shared, a.*
shared-root: CommandFilter, shared, root
env: EnvFilter, env, root, A=, inner
env-all: CommandFilter, env, root
inner: CommandFilter, inner, root
`

func newFallback(t *testing.T) *fallback {
	t.Helper()
	p := rig.NewPolicy(t, sudoersFilters)
	b := &fallback{bin: p.Dir + "/bin"}
	for _, name := range sudoersPrograms {
		rig.Write(t, b.bin+"/"+name, teller)
		os.Chmod(b.bin+"/"+name, 0o755)
	}
	rig.Write(t, p.Conf, "[DEFAULT]\nfilters_path="+p.Dir+"/filters.d\nexec_dirs="+b.bin+"\nprivsep_contexts=none\n")

	b.user = rig.NewUser(t, fmt.Sprintf("iwsudo%d", os.Getpid()))
	var err error
	if b.policy, err = engine.Load(p.Conf, trust.Object, inifile.Parse); err != nil {
		t.Fatal(err)
	}
	b.file = sudoersOf(t, b.policy, b.user.Name)
	rig.Sudoers(t, b.user.Name, string(checked(t, b.file)))
	return b
}

func sudoersOf(t *testing.T, p *engine.Policy, user string) *sudoers.File {
	t.Helper()
	f, err := sudoers.New(p, user, machine.New(p.ExecDirs, p.Trust), func(name string) bool {
		_, err := account.Lookup(name)
		return err == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// checked is the text of a file that visudo has nothing against.
func checked(t *testing.T, f *sudoers.File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/sudoers"
	if err := os.WriteFile(path, b.Bytes(), 0o440); err != nil {
		t.Fatal(err)
	}
	if r := rig.Run(t, "/usr/sbin/visudo", "-c", "-f", path); r.Status != 0 || !strings.Contains(r.Out, "parsed OK") {
		t.Fatalf("visudo: %v\n%s", r, b.Bytes())
	}
	return b.Bytes()
}

// call runs a command through sudo alone. ran tells that it ran: as whom, and what.
func (b *fallback) call(t *testing.T, runAs string, argv ...string) (as string, what []string, ran bool) {
	t.Helper()
	r := sudo(t, b.user, runAs, argv...)
	fields := strings.Split(strings.TrimSuffix(r.Out, "\x00"), "\x00")
	if r.Status != 0 || len(fields) < 2 {
		return "", nil, false
	}
	return fields[0], fields[1:], true
}

// sudo calls sudo as u, to run a command as another user.
func sudo(t *testing.T, u rig.User, as string, argv ...string) rig.Result {
	t.Helper()
	return rig.RunAs(t, u, append([]string{"/usr/bin/sudo", "-n", "-u", as, "--"}, argv...)...)
}

// TestSudoersNeverWider: whatever sudo lets the user run, the policy allows: the same
// program, as the same user, with the same arguments.
func TestSudoersNeverWider(t *testing.T) {
	b := newFallback(t)
	m := machine.New(b.policy.ExecDirs, b.policy.Trust)
	allowed := map[string]int{}
	commands := b.commands()
	for _, argv := range commands {
		for _, runAs := range []string{"root", "nobody", "daemon"} {
			as, what, ran := b.call(t, runAs, argv...)
			if !ran {
				continue
			}
			name := filepath.Base(what[0])
			d := b.policy.Decide(engine.Request{Argv: filters.Words(append([]string{name}, what[1:]...)), Machine: m})
			got := make([]string, len(d.Argv))
			for i, w := range d.Argv {
				got[i] = w.Raw()
			}
			if d.Verdict != engine.Allowed || d.RunAs != as || !slices.Equal(got, what) || len(d.Env) > 0 {
				t.Errorf("sudo runs %q as %s, for which the policy has %v, %q as %s", what, as, d.Verdict, got, d.RunAs)
			}
			allowed[name]++
		}
	}
	t.Logf("%d commands, each as three users; sudo ran %v", len(commands), allowed)
	for _, l := range b.file.Lines {
		if n := filepath.Base(strings.Fields(l.Spec)[0]); allowed[n] == 0 {
			t.Errorf("sudo never ran %s, which has the line %s", n, l.Spec)
		}
	}
	for _, never := range []string{"shared", "env"} { // a filter before has another user, or variables
		if allowed[never] > 0 && slices.ContainsFunc(b.file.Lines, func(l sudoers.Line) bool { return l.Filter.Name == never+"-root" || l.Filter.Name == never+"-all" }) {
			t.Errorf("%s is in the file", never)
		}
	}
}

// commands are made from the filters' patterns, and spoilt in the ways that count
// for sudo: blanks, words put together and taken apart, other spellings.
func (b *fallback) commands() (all [][]string) {
	random := rand.New(rand.NewPCG(6, 28))
	words := []string{"", " ", "a", "a b", "b", "start", "stop\n", "-x", "--", "/dev/x", "/dev/x y", "/dev/../x", "on", "OFF", "é", "x\xff", "#", `\`, `"`, "^", "$HOME", "*"}
	for _, name := range sudoersPrograms {
		for _, program := range []string{name, b.bin + "/" + name} {
			all = append(all, []string{program})
			for range 6 {
				argv := []string{program}
				for range 1 + random.IntN(3) {
					argv = append(argv, words[random.IntN(len(words))])
				}
				all = append(all, argv)
			}
		}
		all = append(all, []string{b.bin + "/../bin/" + name, "a"})
	}
	// The same file by a link of the user's, and another of the same name.
	home := "/var/lib/" + b.user.Name
	os.Symlink(b.bin+"/any", home+"/any")
	os.WriteFile(home+"/inner", []byte(teller), 0o755)
	all = append(all, []string{home + "/any", "a"}, []string{home + "/inner", "a"})
	for i := range b.policy.Filters {
		e := &b.policy.Filters[i]
		shape := filters.ShapeOf(e.Filter)
		if len(shape.Args) == 0 {
			continue
		}
		program := b.bin + "/" + filepath.Base(e.Exec())
		var argv []string
		for _, a := range shape.Args {
			p, err := pyre.Compile(a)
			if err != nil {
				continue
			}
			for _, word := range p.Examples("ab", "a b", "#a", `\`, "^", "é") {
				all = append(all, []string{program, word}, []string{program, word, ""}, []string{program, "", word}, []string{program, word + " "},
					[]string{program, word + "\n"}, []string{program, word, word}, append([]string{program}, strings.Fields(word)...))
			}
			argv = append(argv, p.Examples()[0])
		}
		all = append(all, append([]string{program}, argv...), []string{program, strings.Join(argv, " ")})
	}
	return all
}

// TestSudoersCharacters: in the place of any character sudo takes the printable ones
// of ASCII, but those that the file says it does not.
func TestSudoersCharacters(t *testing.T) {
	b := newFallback(t)
	for c := byte('!'); c <= '~'; c++ {
		_, what, ran := b.call(t, "root", b.bin+"/each", string(c))
		if want := strings.IndexByte(`#\"^$,`, c) < 0; ran != want || ran && what[1] != string(c) {
			t.Errorf("%q: ran %v, as %q", c, ran, what)
		}
	}
}

// TestSudoersOptions: no option of sudo's leads further.
func TestSudoersOptions(t *testing.T) {
	b := newFallback(t)
	program := b.bin + "/any"
	if r := rig.RunAs(t, b.user, "/usr/bin/sudo", "-n", program); r.Status != 0 {
		t.Fatalf("without an option it does not run: %v", r)
	}
	for _, options := range [][]string{
		{"-s"}, {"-i"}, {"-s", program}, {"-i", program}, {"-e", "/etc/hostname"}, {"-E", program}, {"--preserve-env=FOO", program},
		{"-D", "/tmp", program}, {"-R", "/tmp", program}, {"-g", "shadow", program}, {"-u", "daemon", program}, {"-u", "#-1", program}, {"-u", "#4294967295", program},
		{"-C", "9", program}, {"LD_PRELOAD=/tmp/x", program}, {"PATH=/tmp", program}, {"-U", "root", "-l"}, {"-h", "elsewhere", program},
	} {
		c := exec.Command("/usr/bin/sudo", append([]string{"-n"}, options...)...)
		c.Dir, c.Env, c.SysProcAttr = "/", []string{"PATH=/usr/bin", "FOO=x", "EDITOR=/usr/bin/true"}, credential(b.user)
		if r := rig.RunCmd(t, c); r.Status == 0 || strings.Contains(r.Out, "\x00") {
			t.Errorf("sudo %q: %v", options, r)
		}
	}
}

// TestSudoersEnvironment: no variable of the caller's reaches the command.
func TestSudoersEnvironment(t *testing.T) {
	b := newFallback(t)
	rig.Write(t, b.bin+"/any", "#!/bin/sh\nexec /usr/bin/env -0\n")
	os.Chmod(b.bin+"/any", 0o755)
	c := exec.Command("/usr/bin/sudo", "-n", b.bin+"/any")
	c.Dir = "/"
	c.Env = []string{"PATH=/tmp", "LD_PRELOAD=/tmp/x", "LC_ALL=C.UTF-8", "DISPLAY=:9", "XAUTHORITY=/tmp/x", "KRB5CCNAME=/tmp/x", "PS1=x", "FOO=x", "HOME=/tmp", "LS_COLORS=x"}
	c.SysProcAttr = credential(b.user)
	r := rig.RunCmd(t, c)
	if r.Status != 0 {
		t.Fatal(r)
	}
	for v := range strings.SplitSeq(strings.Trim(r.Out, "\x00"), "\x00") {
		name, value, _ := strings.Cut(v, "=")
		known := slices.Contains([]string{"TERM", "PATH", "HOME", "MAIL", "SHELL", "LOGNAME", "USER", "PWD", "LANG", "LANGUAGE", "_"}, name) || strings.HasPrefix(name, "SUDO_")
		if !known || strings.Contains(value, "/tmp") {
			t.Errorf("%s", v)
		}
	}
	if r := rig.RunAs(t, b.user, "/usr/bin/sudo", "-n", "FOO=x", b.bin+"/any"); r.Status == 0 {
		t.Errorf("a variable may be set: %v", r)
	}
}

// TestSudoersDebian: visudo has nothing against what becomes of real policies, and
// nothing is in them that the policy does not have.
func TestSudoersDebian(t *testing.T) {
	for name, conf := range debianPolicies(t) {
		p, err := engine.Load(conf, trust.Object, inifile.Parse)
		if err != nil {
			t.Fatal(err)
		}
		f := sudoersOf(t, p, "nova")
		checked(t, f)
		if len(f.Lines)+len(f.Left) != len(p.Filters) {
			t.Errorf("%s: %d said, %d left out, of %d", name, len(f.Lines), len(f.Left), len(p.Filters))
		}
		t.Logf("%s: %d of %d filters said", name, len(f.Lines), len(p.Filters))
	}
}
