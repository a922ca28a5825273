package expect

import (
	"bytes"
	"encoding/xml"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
)

func TestParse(t *testing.T) {
	s, err := Parse("/x/a.yaml", []byte(`
config: ../rootwrap.conf
assume_programs: yes
groups:
  one:
  - allow: [ip link, '"a b" "\xff"']
    by: ip
    uid: 0
    env: {A: ~, B: ""}
    sandbox: {umask: 0077, nice: 5, limits: [{name: cpu, value: ~}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	if s.ConfigPath() != "/rootwrap.conf" || !s.AssumePrograms || len(s.Groups) != 1 || len(s.Groups[0].Cases) != 2 {
		t.Fatalf("%+v", s)
	}
	c := s.Groups[0].Cases[1]
	if !reflect.DeepEqual(c.Command, filters.Words([]string{"a b", "\xff"})) || c.Line != 6 || c.By != "ip" || *c.UID != 0 {
		t.Errorf("%+v", c)
	}
	if v, ok := c.Env["A"]; !ok || v != nil || *c.Env["B"] != "" {
		t.Errorf("%v", c.Env)
	}
	if c.Sandbox["umask"] != "0077" || c.Sandbox["nice"] != 5.0 {
		t.Errorf("%v", c.Sandbox)
	}
}

// TestParseRefuses: what might say something else than it seems to is an error with its
// line.
func TestParseRefuses(t *testing.T) {
	const head = "config: x\ngroups:\n  a:\n"
	for text, want := range map[string]string{
		"":                                                "it is empty",
		"config: x":                                       "f:1: groups is missing",
		"config: x\ngroups: {}":                           "f:1: groups is missing",
		"config: x\ngroups: {a: []}":                      "f:2: group a has no list",
		"config: x\nconfig: y\n":                          "f:2: config is given twice",
		"groups: {a: [allow: x]}":                         "f:1: config is missing",
		head + "  - allow: x\n---\n":                      "a second document",
		head + "  - allow: x\n  a:\n":                     "group a is given twice",
		head + "  - by: x\n":                              "f:4: it has none of allow",
		head + "  - allow:\n":                             "f:4: the command is missing",
		head + "  - allow: []\n":                          "f:4: the command is missing",
		head + "  - allow: {a: b}\n":                      "f:4: a command is one line",
		head + "  - allow: !!int 5\n":                     "f:4: the tag \"!!int\"",
		head + "  - allow: \"a\\tb\"\n":                   "f:4: a command is one line",
		head + "  - allow: 'a \"b\"c'\n":                  "f:4: behind",
		head + "  - allow: a \\x20\n":                     "f:4: ",
		head + "  - allow: a\n    uid: x\n":               "f:5: not a value",
		head + "  - allow: a\n    uid: -1\n":              "f:5: not a value",
		head + "  - allow: a\n    uid:\n":                 "f:5: the value is missing",
		head + "  - missing: a\n    uid: 1\n":             "f:4: a command that is not allowed has no",
		head + "  - allow: a\n    sandbox: {umask: 9}\n":  "f:5: umask",
		head + "  - allow: a\n    sandbox: {privat: 1}\n": "f:5: unknown key privat",
		head + "  - allow: sh -c \"a: b\"\n":              "mapping values are not allowed",
	} {
		if _, err := Parse("f", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestCheck: each field that is not as expected is found, and nothing where all is.
func TestCheck(t *testing.T) {
	by := &policy.Entry{Name: "ip", File: "/d/l3.filters", Line: 7}
	a := Answer{
		Verdict: "allow", By: by, RunAs: "root", UID: 1, GID: 2, Groups: []uint32{3, 4}, Executable: "/bin/ip",
		Argv: filters.Words([]string{"/bin/ip", "a b"}), Env: []filters.Var{{Name: "A", Value: "x"}}, Sandbox: map[string]any{"nice": 5.0},
	}
	one, two, x, y := uint32(1), uint32(2), "x", "y"
	same := Case{
		Outcome: Allow, By: "l3.filters/ip", RunAs: "root", UID: &one, GID: &two, Groups: []uint32{4, 3}, Executable: "/bin/ip",
		Argv: a.Argv, Env: map[string]*string{"A": &x, "B": nil}, Sandbox: map[string]any{"nice": 5.0, "seccomp": []any{}, "private_tmp": false},
	}
	if wrong := same.Check(a); wrong != nil {
		t.Errorf("%q", wrong)
	}
	for want, change := range map[string]func(c *Case){
		"verdict":                              func(c *Case) { c.Outcome = Refuse },
		"by":                                   func(c *Case) { c.By = "dhcp.filters/ip" },
		"nested":                               func(c *Case) { c.Nested = "ip" },
		"run_as":                               func(c *Case) { c.RunAs = "nova" },
		"uid":                                  func(c *Case) { c.UID = &two },
		"gid":                                  func(c *Case) { c.GID = &one },
		"groups":                               func(c *Case) { c.Groups = []uint32{3} },
		"executable":                           func(c *Case) { c.Executable = "/sbin/ip" },
		"argv":                                 func(c *Case) { c.Argv = filters.Words([]string{"/bin/ip", "a", "b"}) },
		"env: A is x, expected y":              func(c *Case) { c.Env = map[string]*string{"A": &y} },
		"env: A is x, expected not to be set":  func(c *Case) { c.Env = map[string]*string{"A": nil} },
		"env: B is not set, expected x":        func(c *Case) { c.Env = map[string]*string{"B": &x} },
		"sandbox: nice is 5, expected nothing": func(c *Case) { c.Sandbox = map[string]any{"nice": nil} },
		"sandbox: seccomp is nothing":          func(c *Case) { c.Sandbox = map[string]any{"seccomp": []any{"x"}} },
	} {
		c := same
		change(&c)
		if wrong := c.Check(a); len(wrong) != 1 || !strings.HasPrefix(wrong[0], want) {
			t.Errorf("%s: %q", want, wrong)
		}
	}
	for _, verdict := range []string{"deny", "not-executable", "too-long", "bad-config", ""} {
		if wrong := same.Check(Answer{Verdict: verdict}); wrong == nil {
			t.Errorf("%q is taken for allowed", verdict)
		}
		if wrong := (Case{Outcome: Refuse}).Check(Answer{Verdict: verdict}); (wrong == nil) != (verdict == "deny") {
			t.Errorf("%q, expected to be refused: %q", verdict, wrong)
		}
	}
}

// TestFormats: no name, path or word comes out as something else than text.
func TestFormats(t *testing.T) {
	hostile := "x\n1..0 # skip\n]]></failure>\x1b\xff"
	c := Case{Outcome: Allow, Command: filters.Words([]string{hostile}), Line: 3}
	r := Report{Results: []Result{{Suite: &Suite{Path: hostile}, Group: hostile, Case: c, Wrong: []string{"verdict: it's refused"}}}}
	for name, print := range map[string]func(*bytes.Buffer) error{
		"text": func(b *bytes.Buffer) error { return r.Text(b) },
		"tap":  func(b *bytes.Buffer) error { return r.TAP(b) },
		"junit": func(b *bytes.Buffer) error {
			if err := r.JUnit(b); err != nil {
				return err
			}
			return xml.Unmarshal(b.Bytes(), &junitSuites{})
		},
	} {
		var b bytes.Buffer
		if err := print(&b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.ContainsAny(b.String(), "\x1b\xff") || strings.Contains(b.String(), "\n1..0") || name == "tap" && regexp.MustCompile(`(?m)^(not )?ok .*[^\\]#`).MatchString(b.String()) {
			t.Errorf("%s: %s", name, b.String())
		}
	}
}

// What was read can be written, and is the same when it is read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"config: x\ngroups:\n  a:\n  - allow: ip link\n    by: ip\n    run_as: root\n  - refuse: [a, 'b \"c\\xff\"']\n",
		"config: '~'\nassume_programs: true\ngroups: {'1': [{missing: 'null'}], 'a: b #': [{allow: y, by: \"a\\nb\", nested: 1e3, sandbox: {nice: 5, umask: 7, seccomp: [x], limits: ~}}]}\n",
		"&a [*a]", "!!binary x", "- ? a\n: b", "config: [x]\ngroups: x", "%YAML 1.1\n---\nconfig: x",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("f", data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("the message has more than a line: %q", err)
			}
			return
		}
		var b bytes.Buffer
		if err := s.Write(&b, "a\nb"); err != nil {
			t.Fatal(err)
		}
		again, err := Parse("f", b.Bytes())
		if err != nil {
			t.Fatalf("%v: %s", err, b.String())
		}
		if again.Config != s.Config || again.AssumePrograms != s.AssumePrograms || len(again.Groups) != len(s.Groups) {
			t.Fatalf("%+v became %+v", s, again)
		}
		for i, g := range s.Groups {
			for j, c := range g.Cases {
				d := again.Groups[i].Cases[j]
				if again.Groups[i].Name != g.Name || d.Outcome != c.Outcome || !reflect.DeepEqual(d.Command, c.Command) || d.By != c.By ||
					d.Nested != c.Nested || d.RunAs != c.RunAs || len(d.Sandbox) != len(c.Sandbox) {
					t.Fatalf("%+v became %+v", c, d)
				}
				for key, value := range c.Sandbox {
					if !same(d.Sandbox[key], value) {
						t.Fatalf("%s: %v became %v", key, value, d.Sandbox[key])
					}
				}
			}
		}
	})
}
