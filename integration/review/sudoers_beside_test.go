package review

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ironwrap/integration/rig"
	"ironwrap/policy/review/sudoers/grants"
)

// beside is a policy in force for a user of its own, and what stands beside it in
// sudoers.
type beside struct {
	rig.Policy
	user    rig.User
	home    string
	sudoers string
	witness string
}

func newBeside(t *testing.T) *beside {
	t.Helper()
	b := &beside{Policy: rig.NewPolicy(t, "id: CommandFilter, id, root")}
	b.user = rig.NewUser(t, fmt.Sprintf("iwbeside%d", os.Getpid()))
	b.home, b.sudoers = "/var/lib/"+b.user.Name, "/etc/sudoers.d/"+b.user.Name
	b.witness = b.Dir + "/witness"
	b.theirs(t, "w", "#!/bin/sh\nid -u >"+b.witness+"\n")
	return b
}

// theirs is a file of the user's own, to be executed.
func (b *beside) theirs(t *testing.T, name, text string) string {
	t.Helper()
	path := b.home + "/" + name
	rig.Write(t, path, text)
	for _, err := range []error{os.Chmod(path, 0o755), os.Chown(path, int(b.user.UID), int(b.user.GID))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// put makes lines the user's, with USER, DIR, HOME and OURS for what they stand for,
// after visudo has looked at them.
func (b *beside) put(t *testing.T, lines string) {
	t.Helper()
	text := b.fill(lines) + "\n"
	draft := t.TempDir() + "/sudoers"
	if err := os.WriteFile(draft, []byte(text), 0o440); err != nil {
		t.Fatal(err)
	}
	if r := rig.Run(t, "/usr/sbin/visudo", "-c", "-f", draft); r.Status != 0 {
		t.Fatalf("visudo: %v\n%s", r, text)
	}
	rig.Sudoers(t, b.user.Name, text)
}

func (b *beside) fill(text string) string {
	return strings.NewReplacer("USER", b.user.Name, "DIR", b.Dir, "HOME", b.home, "OURS", rig.Ours, "PEER", rig.Peer).Replace(text)
}

// found is what check finds in the machine's own sudoers.
func (b *beside) found(t *testing.T) (list []finding) {
	t.Helper()
	for _, f := range check(t, b.Conf) {
		if strings.HasPrefix(f.Rule, "sudoers-") {
			list = append(list, f)
		}
	}
	return list
}

const pinnedLine = "USER ALL = (root) NOPASSWD: OURS DIR/rootwrap.conf *\n"

// TestSudoersBeside: what check finds beside a policy sudo really allows, and it makes
// the user root; a script of the user's own leaves a witness that only root can make.
// Nothing is found where only the wrapper is allowed, with its configuration.
func TestSudoersBeside(t *testing.T) {
	rig.Need(t, "python3-oslo.privsep", "/usr/bin/privsep-helper")
	b := newBeside(t)
	rig.Write(t, b.Dir+"/logs/x", "x")
	rig.Write(t, b.Dir+"/secret", "the secret\n")
	os.Chmod(b.Dir+"/secret", 0o600)
	b.theirs(t, "evil.ini", "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n[handler_h]\nclass=StreamHandler\n"+
		"args=(__import__('os').system('"+b.home+"/w'),)\n")
	b.theirs(t, "rootwrap.conf", "[DEFAULT]\nfilters_path="+b.home+"/f\nexec_dirs="+b.home+"\n")
	b.theirs(t, "f/x.filters", "[Filters]\nw: CommandFilter, "+b.home+"/w, root\n")
	b.theirs(t, "lib/sitecustomize.py", "import os\nif os.geteuid() == 0: os.system('"+b.home+"/w')\n")
	b.theirs(t, "editor", "#!/bin/sh\necho 'w: CommandFilter, "+b.home+"/w, root' >>$1\n")
	b.theirs(t, "prog", "#!/bin/sh\n")
	b.theirs(t, "bin/prog", "#!/bin/sh\nexec "+b.home+"/w\n")
	shadow := b.home + "/sh"
	if r := rig.Run(t, "/bin/cp", "/bin/sh", shadow); r.Status != 0 {
		t.Fatal(r)
	}
	static := b.home + "/root" + rig.Ours // a program of the user's where ironwrap's would be
	build := exec.Command("go", "build", "-o", static, "./integration/review/testdata/witness")
	build.Dir, build.Env = rig.Root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	for _, c := range []struct {
		name, lines string
		rule        string
		line        int    // in the user's file
		attack      string // a shell's line, run by the user
		prints      string // by an attack that leaves no witness
	}{
		{"privsep-helper", pinnedLine + "USER ALL = (root) NOPASSWD: /usr/bin/privsep-helper *", "sudoers-privsep-helper", 2,
			"sudo -n privsep-helper --log-config-append HOME/evil.ini --privsep_context os.path --privsep_sock_path /nosuch", ""},
		{"privsep-helper behind an option of root's", pinnedLine + "USER ALL = NOPASSWD: /usr/bin/privsep-helper --config-file /dev/null *", "sudoers-privsep-helper", 2,
			"sudo -n privsep-helper --config-file /dev/null --log-config-append=HOME/evil.ini --privsep_context os.path --privsep_sock_path /nosuch", ""},
		{"privsep-helper in an alias, for the user's number", "Cmnd_Alias IWBESIDE = /usr/bin/privsep-helper\n" + pinnedLine + fmt.Sprintf("#%d ALL = NOPASSWD: IWBESIDE", b.user.UID), "sudoers-privsep-helper", 1,
			"sudo -n privsep-helper --log-config-append HOME/evil.ini --privsep_context os.path --privsep_sock_path /nosuch", ""},
		{"everything", pinnedLine + "USER ALL = (ALL:ALL) NOPASSWD: ALL", "sudoers-gives-root", 2, "sudo -n HOME/w", ""},
		{"everything but root", pinnedLine + "USER ALL = (ALL, !root) NOPASSWD: ALL", "sudoers-gives-root", 2, "sudo -n -u daemon id -un", "daemon\n"},
		{"a blacklist", pinnedLine + "USER ALL = NOPASSWD: ALL, !/bin/sh, !/usr/bin/dash", "sudoers-blacklist", 2, "sudo -n HOME/sh -c HOME/w", ""},
		{"find", pinnedLine + "USER ALL = NOPASSWD: /usr/bin/find /srv *", "sudoers-gives-root", 2, `sudo -n find /srv -maxdepth 0 -exec HOME/w \;`, ""},
		{"tee below a directory", pinnedLine + "USER ALL = NOPASSWD: /usr/bin/tee DIR/logs/*", "sudoers-gives-root", 2, "echo 0 | sudo -n tee DIR/logs/../witness", ""},
		{"cat below a directory", pinnedLine + "USER ALL = NOPASSWD: /usr/bin/cat DIR/logs/*", "sudoers-gives-power", 2, "sudo -n cat DIR/logs/x DIR/secret", "xthe secret\n"},
		{"a directory", pinnedLine + "USER ALL = NOPASSWD: /usr/bin/", "sudoers-gives-root", 2, "sudo -n env HOME/w", ""},
		{"a regular expression", pinnedLine + "USER ALL = NOPASSWD: ^/usr/bin/ti.*$", "sudoers-gives-root", 2, "sudo -n timeout 9 HOME/w", ""},
		{"a group that is root", pinnedLine + "USER ALL = (:disk) NOPASSWD: /bin/sh", "sudoers-gives-root", 2, "sudo -n -g disk sh -c 'id -gn'", "disk\n"},
		{"a program of the user's", pinnedLine + "USER ALL = NOPASSWD: HOME/bin/prog", "sudoers-writable-program", 2, "sudo -n HOME/bin/prog", ""},
		{"a program that the user makes", pinnedLine + "USER ALL = NOPASSWD: HOME/later", "sudoers-writable-program", 2, "cp HOME/w HOME/later; sudo -n HOME/later", ""},
		{"the original with any configuration", pinnedLine + "USER ALL = NOPASSWD: PEER", "sudoers-any-configuration", 2, "sudo -n PEER HOME/rootwrap.conf w", ""},
		{"the original with a configuration of the user's", pinnedLine + "USER ALL = NOPASSWD: PEER HOME/rootwrap.conf *", "sudoers-any-configuration", 2, "sudo -n PEER HOME/rootwrap.conf w", ""},
		{"SETENV", "USER ALL = NOPASSWD: OURS DIR/rootwrap.conf *, SETENV: PEER DIR/rootwrap.conf *", "sudoers-loads-code", 1, "sudo -n PYTHONPATH=HOME/lib PEER DIR/rootwrap.conf id", ""},
		{"env_keep", "Defaults:USER env_keep += \"LANG PYTHONPATH\"\n" + "USER ALL = NOPASSWD: PEER DIR/rootwrap.conf *", "sudoers-loads-code", 2, "PYTHONPATH=HOME/lib sudo -n PEER DIR/rootwrap.conf id", ""},
		{"CHROOT", "USER ALL = CHROOT=* NOPASSWD: OURS DIR/rootwrap.conf *", "sudoers-chroot", 1, "sudo -n -R HOME/root OURS DIR/rootwrap.conf x", "uid 0\n"},
		{"the original beside", pinnedLine + "USER ALL = NOPASSWD: PEER DIR/rootwrap.conf *", "sudoers-other-wrapper", 2, "sudo -n PEER DIR/rootwrap.conf id -u", "0\n"},
		{"sudoedit", pinnedLine + "USER ALL = NOPASSWD: sudoedit DIR/filters.d/*", "sudoers-sudoedit", 2, "SUDO_EDITOR=HOME/editor sudo -n -e DIR/filters.d/test.filters; grep -c HOME DIR/filters.d/test.filters", "1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			os.Remove(b.witness)
			b.put(t, c.lines)
			found := b.found(t)
			i := slices.IndexFunc(found, func(f finding) bool { return f.Rule == c.rule })
			if i < 0 {
				t.Fatalf("%s is not found: %+v", c.rule, found)
			}
			if f := found[i]; f.File != b.sudoers || f.Line != c.line {
				t.Errorf("found at %s:%d, not at %s:%d: %s", f.File, f.Line, b.sudoers, c.line, f.Message)
			}
			for _, f := range found {
				b.allows(t, f)
			}
			r := rig.RunAs(t, b.user, "/bin/sh", "-c", b.fill(c.attack))
			if c.prints != "" {
				if !strings.HasSuffix(r.Out, c.prints) {
					t.Errorf("%s: %v", c.attack, r)
				}
				return
			}
			if data, err := os.ReadFile(b.witness); err != nil || string(data) != "0\n" {
				t.Errorf("no witness of root's: %q, %v; %v", data, err, r)
			}
		})
	}
	rig.Write(t, b.Filters, "[Filters]\nid: CommandFilter, id, root\n")

	for name, lines := range map[string]string{
		"the wrapper alone":               pinnedLine,
		"one-shot and daemon, as Debian":  "Defaults:USER !requiretty\n" + pinnedLine + "USER ALL = (root) NOPASSWD: OURS-daemon DIR/rootwrap.conf",
		"with variables, which are wiped": "Defaults:USER !env_reset, setenv\n" + pinnedLine,
		"taken back":                      pinnedLine + "USER ALL = NOPASSWD: /usr/bin/privsep-helper *\nUSER ALL = (ALL) !/usr/bin/privsep-helper",
		"for somebody else":               pinnedLine + "nobody ALL = NOPASSWD: /usr/bin/privsep-helper *",
		"another user, who is nobody":     pinnedLine + "USER ALL = (nobody) NOPASSWD: /bin/sh",
	} {
		t.Run(name, func(t *testing.T) {
			b.put(t, lines)
			for _, f := range b.found(t) {
				t.Errorf("%s: %s", f.Rule, f.Message)
			}
			if r := rig.RunAs(t, b.user, "/usr/bin/sudo", "-n", rig.Ours, b.Conf, "id", "-u"); r.Out != "0\n" {
				t.Errorf("the wrapper: %v", r)
			}
			if r := rig.RunAs(t, b.user, "/usr/bin/sudo", "-n", "/usr/bin/privsep-helper", "--help"); r.Status == 0 {
				t.Errorf("privsep-helper: %v", r)
			}
		})
	}
}

// TestSudoersUnread: where sudoers cannot be read check says so, of a configuration
// where services have theirs, and no program of the one who runs it takes part.
func TestSudoersUnread(t *testing.T) {
	dir, err := os.MkdirTemp("/etc", "ironwrap-unread-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	rig.Write(t, dir+"/rootwrap.conf", "[DEFAULT]\nfilters_path="+dir+"/f\nexec_dirs=/usr/bin\n")
	rig.Write(t, dir+"/f/x.filters", "[Filters]\nid: CommandFilter, id, root\n")
	b := newBeside(t)
	b.put(t, "USER ALL = (root) NOPASSWD: /usr/bin/privsep-helper *")
	b.theirs(t, "bin/cvtsudoers", "#!/bin/sh\ntouch "+b.home+"/ran\necho '{}'\n")
	program := dir + "/ironwrapctl" // where the user may run it
	if r := rig.Run(t, "/bin/cp", rig.Ctl(t), program); r.Status != 0 {
		t.Fatal(r)
	}
	r := rig.RunAs(t, b.user, "/usr/bin/env", "PATH="+b.home+"/bin:/usr/bin", program, "check", "--user", b.user.Name, dir+"/rootwrap.conf")
	if !strings.Contains(r.Out, "/etc/sudoers: note: sudoers was not read: open /etc/sudoers: permission denied [sudoers-not-assessed]") ||
		!strings.Contains(r.Out, "\nsudo: nothing was checked for "+dir+"/rootwrap.conf: sudoers was not read: ") {
		t.Errorf("as the user: %v", r)
	}
	r = rig.RunCmd(t, &exec.Cmd{Path: program, Args: []string{program, "check", "--user", b.user.Name, dir + "/rootwrap.conf"}, Env: []string{"PATH=" + b.home + "/bin:/usr/bin"}})
	if r.Status != 1 || !strings.Contains(r.Out, "sudoers-privsep-helper") {
		t.Errorf("as root: %v", r)
	}
	if _, err := os.Stat(b.home + "/ran"); err == nil {
		t.Error("a cvtsudoers of PATH was run")
	}
}

// allows asks sudo whether it takes the command that a finding says that it does.
func (b *beside) allows(t *testing.T, f finding) {
	t.Helper()
	if f.Witness == nil || f.Witness[0] != "sudo" {
		return
	}
	argv := []string{"/usr/bin/sudo", "-n", "-l"}
	for _, w := range f.Witness[1:] {
		argv = append(argv, string(w))
	}
	if r := rig.RunAs(t, b.user, argv...); r.Status != 0 {
		t.Errorf("%s says that sudo takes %q: %v", f.Rule, f.Witness, r)
	}
}

// TestSudoArguments: sudo takes those arguments that check thinks it does.
func TestSudoArguments(t *testing.T) {
	b := newBeside(t)
	commands := []string{"", "x", "x y", "a x", "a x y", "a", "/var/log/x", "/var/log/../etc/x", "/var/log/x /etc/y", "7", "-", "]", "^", "*", "* x?", "ab", "[a", "a[b", "-l", "-l x", "-l x /y", `a\b`, "a,b", "é", "éx"}
	for _, pattern := range []string{"", `""`, "*", "a *", "/var/log/*", "[0-9]", "[!0-9]", "[^0-9]*", "[]^-]", "[a-b]?", `[[\:digit\:]]`, `\* x\?`, "?", "??", "[a", `a\[b`, "a* [xy]*",
		"^-l( .*)?$", "^[a-z]+$", "^[^x]+$", "^a.*$", `^/var/log/[a-z/.]+$`, "^(a|x)$", "^.$", `a\\b`, `a\,b`, `^[[\:digit\:]]$`} {
		t.Run(pattern, func(t *testing.T) {
			b.put(t, "USER ALL = NOPASSWD: /bin/echo "+pattern)
			data, _, err := grants.Convert(b.sudoers)
			if err != nil {
				t.Fatal(err)
			}
			rules, err := grants.Read(data)
			if err != nil || len(rules.Grants) != 1 {
				t.Fatalf("%v: %s", err, data)
			}
			_, text, _ := strings.Cut(rules.Grants[0].Commands[0].Name, " ")
			args := grants.NewArgs(text)
			for _, c := range commands {
				words := strings.Fields(c)
				r := rig.RunAs(t, b.user, append([]string{"/usr/bin/sudo", "-n", "-l", "/bin/echo"}, words...)...)
				if got := args.Takes(words); got != (r.Status == 0) {
					t.Errorf("sudo takes %q: %v; we say %v of %q", c, r.Status == 0, got, text)
				}
			}
		})
	}
}
