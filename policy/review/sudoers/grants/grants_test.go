package grants

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// text is a list of members as a sudoers file has it.
func text(list []Member) string {
	words := make([]string, len(list))
	for i, m := range list {
		if words[i] = m.String(); m.Negated {
			words[i] = "!" + words[i]
		}
	}
	return strings.Join(words, ", ")
}

// everything is what cvtsudoers 1.9.13 printed for a file with one of everything; the
// pairs without braces are its own.
const everything = `{
    "Defaults": [
        { "Options": [ { "env_reset": true }, { "use_pty": false }, { "timestamp_timeout": "5" } ] },
        { "Binding": [ { "username": "nova" } ], "Options": [ { "setenv": true } ] },
        { "Options": [ { "operation": "list_add", "env_keep": [ "A", "B" ] }, { "operation": "list_remove", "env_keep": [ "C" ] } ] }
    ],
    "User_Aliases": { "OS": [ { "username": "nova" }, { "usergroup": "ops" }, { "userid": 4294967294 }, { "username": "cinder", "negated": true } ] },
    "Runas_Aliases": { "R": [ { "username": "root" } ] },
    "Host_Aliases": { "H": [ { "hostname": "localhost" } ] },
    "Command_Aliases": { "SH": [ { "command": "/bin/sh" }, { "command": "/bin/ls", "sha224": "0Gom" } ] },
    "User_Specs": [
        {
            "User_List": [ { "useralias": "OS" } ],
            "Host_List": [ { "hostalias": "H" } ],
            "Cmnd_Specs": [
                {
                    "runasusers": [ { "runasalias": "R" } ],
                    "runasgroups": [ { "usergroup": "ALL" } ],
                    "Options": [
                        "runchroot": "/tmp \" x",
                        "runcwd": "*",
                        { "setenv": true }
                    ],
                    "SELinux_Spec": [ "role": "x", "type": "y" ],
                    "Commands": [ { "command": "ALL" }, { "cmndalias": "SH", "negated": true }, { "cmndalias": "NONE" } ]
                }
            ]
        }
    ]
}`

func TestRead(t *testing.T) {
	r, err := Read([]byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Strange) > 0 {
		t.Errorf("strange: %q", r.Strange)
	}
	if len(r.Grants) != 1 || len(r.Settings) != 6 {
		t.Fatalf("%d grants, %d settings", len(r.Grants), len(r.Settings))
	}
	g := r.Grants[0]
	for _, c := range []struct{ got, want string }{
		{text(r.Expand(g.Users)), "nova, %ops, #4294967294, !cinder"},
		{text(r.Expand(g.Hosts)), "localhost"},
		{text(r.Expand(g.RunasUsers)), "root"},
		{text(g.RunasGroups), "%ALL"},
		{text(r.Expand(g.Commands)), "ALL, !/bin/sh, !/bin/ls, NONE"},
		{fmt.Sprint(g.Options), `[{runchroot false false true [/tmp " x] []} {runcwd false false true [*] []} {setenv false false true [] []}]`},
		{fmt.Sprint(r.Settings[:3]), "[{env_reset false false true [] []} {use_pty false false false [] []} {timestamp_timeout false false true [5] []}]"},
		{fmt.Sprint(r.Settings[3:]), "[{setenv false false true [] [nova]} {env_keep true false true [A B] []} {env_keep false true true [C] []}]"},
	} {
		if c.got != c.want {
			t.Errorf("%s\nnot %s", c.got, c.want)
		}
	}
}

// TestStrange: what is not known is told, and what stands beside it is read.
func TestStrange(t *testing.T) {
	r, err := Read([]byte(`{"Future": [], "Defaults": 3, "User_Specs": [7, {"User_List": [{"username": "nova", "weight": 1}, {}], "More": 1,
		"Cmnd_Specs": [{"Commands": [{"command": "/bin/sh"}], "Options": [{"x": null}], "New_Spec": []}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Grants) != 1 || text(r.Grants[0].Users) != "nova" || text(r.Grants[0].Commands) != "/bin/sh" {
		t.Errorf("%+v", r.Grants)
	}
	for _, want := range []string{"Future", "Defaults is not a list", "User_Specs is not an object", "User_List: weight", "User_List: a member without a name", "User_Specs: More", "Cmnd_Specs: x", "Cmnd_Specs: New_Spec"} {
		if !strings.Contains(strings.Join(r.Strange, "\n")+"\n", want+"\n") {
			t.Errorf("%q is not told: %q", want, r.Strange)
		}
	}
	for _, bad := range []string{"", "null", "[]", "{", `{"Defaults": [}`, "{} {}", "nova ALL = ALL", strings.Repeat(" ", MaxSize+1)} {
		if r, err := Read([]byte(bad)); err == nil {
			t.Errorf("%.20q: %+v", bad, r)
		}
	}
}

// TestAliases that stand for themselves, or for far too much, come to an end.
func TestAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"Command_Aliases": {"SELF": [{"cmndalias": "SELF"}, {"command": "/a"}], "A0": [{"command": "/x"}]`)
	for i := range 40 {
		fmt.Fprintf(&b, `, "A%d": [{"cmndalias": "A%d"}, {"cmndalias": "A%d", "negated": true}]`, i+1, i, i)
	}
	b.WriteString(`}}`)
	r, err := Read([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if got := text(r.Expand([]Member{{"cmndalias", "SELF", true}})); got != "!SELF, !/a" {
		t.Error(got)
	}
	if got := text(r.Expand([]Member{{"cmndalias", "A2", true}})); got != "!/x, /x, /x, !/x" {
		t.Error(got)
	}
	if n := len(r.Expand([]Member{{"cmndalias", "A40", false}})); n > maxMembers || len(r.Strange) == 0 {
		t.Errorf("%d members, and told: %q", n, r.Strange)
	}
}

// TestArgs: what sudo takes for arguments (integration/review/sudoers_beside_test.go asks
// sudo the same).
func TestArgs(t *testing.T) {
	for _, c := range []struct {
		text, takes, refuses string // commands, one a line, words divided by blanks
		open                 bool
		literal              string
	}{
		{"", "\nx\nx y", "-", true, ""},
		{`""`, "", "x", false, ""},
		{"*", "\nx\nx y /z", "-", true, ""},
		{"a *", "a x\na x y\na /../z", "a\nb x", true, "a "},
		{"/var/log/*", "/var/log/x\n/var/log/../x /y", "/var/x", true, "/var/log/"},
		{"[0-9]", "1", "a\n12\n", false, ""},
		{"[!a-c]x", "dx", "ax", false, ""},
		{"[]^-]", "]\n^\n-", "a\n[", false, ""},
		{"[[:digit:]]?", "1x\n1/", "a1\n1", false, ""},
		{"[a", "[a", "a", false, "[a"},
		{`\* x\?`, "* x?", "a xb", false, "* x?"},
		{"a[b]&&c--d", "ab&&c--d", "a", false, "ab&&c--d"},
		{"ü?", "üx", "ü\nüü", false, "ü"},
		{"??", "ü", "u", false, ""},
		{"^-l .*$", "-l x\n-l x y", "-l", true, "-l "},
		{"^[a-z]+$", "abc", "abc d\n-a", false, ""},
		{"^[^x]+$", "-a /b", "x", true, ""},
		{`^/etc/nova/rootwrap\.conf .*$`, "/etc/nova/rootwrap.conf x", "/etc/nova/rootwrapxconf y", true, "/etc/nova/rootwrap.conf "},
		{"^(a|b)$", "a\nb", "c", false, ""},
		{"^(.)*$", "anything at all", "-", true, ""},
	} {
		a := NewArgs(c.text)
		if a.Err() != nil {
			t.Errorf("%q: %v", c.text, a.Err())
		}
		ask := func(lines string, want bool) {
			for _, l := range strings.Split(lines, "\n") {
				if l == "-" {
					continue
				}
				if got := a.Takes(strings.Fields(l)); got != want {
					t.Errorf("%q takes %q: %v", c.text, l, got)
				}
			}
		}
		ask(c.takes, true)
		ask(c.refuses, false)
		if a.Open() != c.open {
			t.Errorf("%q is open: %v", c.text, a.Open())
		}
		if got, _ := a.Literal(); got != c.literal {
			t.Errorf("%q begins with %q, not %q", c.text, got, c.literal)
		}
	}
	if a := NewArgs("^(x$"); a.Err() == nil || a.Takes(nil) || !a.Open() {
		t.Errorf("%+v", a)
	}
}

// TestLines: places in a file, and in those that it includes.
func TestLines(t *testing.T) {
	files := map[string]string{
		"/e/sudoers":   "# nova ALL = ALL\nnova ALL = (root) /bin/a, \\\n   /bin/b x\n#1001 ALL = /bin/c\n@include more\n#includedir d\n@include /e/sudoers\nnova ALL = /bin/a *\nDefaults:nova !env_reset, \\\n setenv\n",
		"/e/more":      "cinder ALL = /bin/b\\,x\n\nnova ALL = /bin/dup\nnova ALL = /bin/dup",
		"/e/d/one":     "Cmnd_Alias X = /bin/x, /bin/y",
		"/e/d/no.conf": "nova ALL = /bin/z",
		"/e/d/back~":   "nova ALL = /bin/z",
	}
	lines := Lines("/e/sudoers", func(path string) ([]byte, error) {
		text, ok := files[path]
		if !ok {
			return nil, errors.New("none")
		}
		return []byte(text), nil
	}, func(string) []string { return []string{"back~", "no.conf", "one"} })
	for _, c := range []struct{ user, command, want string }{
		{"nova", "/bin/a", "/e/sudoers:2"},
		{"nova", "/bin/b x", "/e/sudoers:2"},
		{"nova", "/bin/a *", "/e/sudoers:8"},
		{"#1001", "/bin/c", "/e/sudoers:4"},
		{"cinder", "/bin/b,x", "/e/more:1"},
		{"", "/bin/y", "/e/d/one:1"},
		{"nova", "/bin/dup", ":0"}, // two lines: neither
		{"nova", "/bin/z", ":0"},
		{"nova", "/bin/b", ":0"},
		{"ova", "/bin/c", ":0"},
	} {
		l, _ := Find(lines, c.user, c.command)
		if got := fmt.Sprintf("%s:%d", l.Path, l.Number); got != c.want {
			t.Errorf("%s %s: %s, not %s", c.user, c.command, got, c.want)
		}
	}
	if l, ok := FindSetting(lines, "Defaults", "setenv"); !ok || l.Number != 9 {
		t.Errorf("%+v", l)
	}
	if _, ok := FindSetting(lines, "Defaults>", "setenv"); ok {
		t.Error("the user's line is taken for one of the run-as user's")
	}
}

// TestIs: whom a list means. root and daemon stand in every /etc/passwd.
func TestIs(t *testing.T) {
	r := &Rules{aliases: map[string][]Member{"useralias A": {{"username", "daemon", false}}}}
	daemon := Who{User: "daemon"}
	for _, c := range []struct {
		who    Who
		list   []Member
		is     bool
		unsure int
	}{
		{daemon, []Member{{"username", "daemon", false}}, true, 0},
		{daemon, []Member{{"username", "DAEMON", false}}, true, 0}, // case_insensitive_user
		{daemon, []Member{{"username", "ALL", false}, {"username", "daemon", true}}, false, 0},
		{daemon, []Member{{"username", "daemon", true}, {"username", "ALL", false}}, true, 0},
		{daemon, []Member{{"useralias", "A", false}}, true, 0},
		{daemon, []Member{{"useralias", "A", true}}, false, 0},
		{daemon, []Member{{"useralias", "NONE", false}}, false, 0},
		{daemon, []Member{{"usergroup", "daemon", false}}, true, 0},
		{daemon, []Member{{"usergroup", "root", false}}, false, 0},
		{daemon, []Member{{"usergid", "1", false}}, true, 0},
		{daemon, []Member{{"userid", "1", false}}, true, 0},
		{daemon, []Member{{"userid", "2", false}}, false, 0},
		{daemon, []Member{{"netgroup", "x", false}}, false, 1},
		{daemon, []Member{{"username", "daemon", false}, {"nonunixgroup", "x", true}}, true, 1},
		{Who{User: "nosuchuser"}, []Member{{"usergroup", "daemon", false}}, false, 1},
		{Who{Group: "daemon"}, []Member{{"usergroup", "daemon", false}}, true, 0},
		{Who{Group: "daemon"}, []Member{{"usergid", "1", false}}, true, 0},
		{Who{Group: "daemon"}, []Member{{"username", "daemon", false}}, false, 0},
		{Who{}, []Member{{"username", "ALL", false}}, true, 0},
		{Who{}, []Member{{"username", "daemon", false}}, false, 0},
	} {
		is, unsure := r.Is(c.who, c.list)
		if is != c.is || len(unsure) != c.unsure {
			t.Errorf("%s in %s: %v, unsure of %v", c.who, text(c.list), is, unsure)
		}
	}
	if got := Members("daemon"); !reflect.DeepEqual(got, []string{"daemon"}) || Members("nosuchgroup") != nil {
		t.Errorf("members of daemon: %q", got)
	}
	named := r.Named([]Member{{"username", "root", false}, {"username", "x", true}, {"useralias", "A", false}, {"userid", "1", false}, {"userid", "0", false}, {"usergroup", "g", false}})
	if want := []Who{{User: "daemon"}, {User: "daemon"}, {Group: "g"}}; !reflect.DeepEqual(named, want) {
		t.Errorf("%v", named)
	}
}

// TestConvert runs the real cvtsudoers.
func TestConvert(t *testing.T) {
	if _, err := os.Stat(Program); err != nil {
		t.Skipf("%s is not there (make testdeps installs it): it was not run", Program)
	}
	dir := t.TempDir()
	put := func(name, text string) string {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return dir + "/" + name
	}
	put("more", "User_Alias OS = nova, !cinder\nOS ALL = (ALL, !root) CWD=* CHROOT=/srv SETENV: /bin/x \\* a\\,b, sudoedit /etc/x\n")
	out, complaints, err := Convert(put("good", "@include more\nDefaults:nova !env_reset, env_keep += \"A B\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Read(out)
	if err != nil || len(r.Strange) > 0 || len(r.Grants) != 1 {
		t.Fatalf("%v, %+v, of\n%s", err, r, out)
	}
	g := r.Grants[0]
	if got := text(r.Expand(g.Users)) + " | " + text(g.RunasUsers) + " | " + text(g.Commands) + fmt.Sprint(len(g.Options), len(r.Settings)); got != `nova, !cinder | ALL, !root | /bin/x \* a,b, sudoedit /etc/x3 2` {
		t.Error(got)
	}
	// Nothing of the caller's environment, and no configuration but that given.
	t.Setenv("LD_PRELOAD", "/nosuch.so")
	var refused *Refusal
	if _, _, err := Convert(put("bad", "nova ALL = ALL\nnova ALL = (root\n")); !errors.As(err, &refused) || refused.Path != dir+"/bad" || refused.Line != 2 || !strings.Contains(refused.Why, "syntax error") {
		t.Errorf("%v", err)
	}
	if _, _, err := Convert(dir + "/none"); !errors.As(err, &refused) || !strings.Contains(err.Error(), "none") {
		t.Errorf("%v", err)
	}
	if len(complaints) > 0 {
		t.Errorf("%q", complaints)
	}
	for _, text := range []string{"@include " + dir + "/odd\n", "Defaults nosuchoption\n"} {
		if _, complaints, err := Convert(put("odd", text)); err == nil && len(complaints) == 0 {
			t.Errorf("%q is passed over in silence", text)
		}
	}
	if _, _, err := Convert(put("binary", "nova ALL = (\xff\x1b[2J\n")); err == nil || strings.ContainsAny(err.Error(), "\x1b\x00") {
		t.Errorf("%v", err)
	}
}

// FuzzRead: no text makes it panic, or goes on without end.
func FuzzRead(f *testing.F) {
	f.Add(everything)
	f.Add(`{"Defaults": [{"Options": ["a": "b", "c": {}]}]}`)
	f.Add(`{"User_Specs": [{"Cmnd_Specs": [{"Commands": [{"command": "^/x [a$"}]}]}]}`)
	f.Add("[\"a\\\":\"b\"]")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Read([]byte(text))
		if err != nil {
			return
		}
		for i := range r.Grants {
			g := &r.Grants[i]
			r.Is(Who{Group: "daemon"}, g.Users)
			r.Named(g.Users)
			for _, m := range r.Expand(g.Commands) {
				_, args, _ := strings.Cut(m.Name, " ")
				askAll(args)
			}
		}
	})
}

// askAll asks arguments everything.
func askAll(text string) {
	a := NewArgs(text)
	a.Takes(a.Hints())
	a.Open()
	a.Literal()
}

// FuzzArgs: a pattern that takes a text takes it however much it means.
func FuzzArgs(f *testing.F) {
	f.Add("a[b-]*\\", "x")
	f.Add("^(a|b{1,9})$", "a")
	f.Fuzz(func(t *testing.T, pattern, word string) {
		askAll(pattern)
		if a := NewArgs("* " + pattern); a.Err() == nil && !a.Regexp() && !a.Open() {
			t.Errorf("%q is not open", a.Text)
		}
	})
}

// FuzzLines: any text is divided into lines.
func FuzzLines(f *testing.F) {
	f.Add("@include x\\\n@includedir /\n nova ALL = ALL")
	f.Fuzz(func(t *testing.T, text string) {
		lines := Lines("/x", func(path string) ([]byte, error) { return []byte(text), nil }, func(string) []string { return []string{"a", "b"} })
		Find(lines, "nova", "ALL")
		FindSetting(lines, "Defaults", "setenv")
	})
}
