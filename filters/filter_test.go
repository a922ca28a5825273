package filters

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// What nobody filled in refuses.
func TestZeroMatch(t *testing.T) {
	var m Match
	if m.Matched {
		t.Error("the zero Match allows")
	}
	if m.Signal != nil || m.Nested != 0 || m.Args != nil || m.Env != nil || m.Paths != nil {
		t.Errorf("the zero Match carries something: %+v", m)
	}
	if m.Why.String() != "not matched" {
		t.Errorf("the zero Why is %q", m.Why)
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct {
		definition string
		fields     []string
	}{
		{"CommandFilter, /usr/bin/id, root", []string{"CommandFilter", "/usr/bin/id", "root"}},
		{"CommandFilter,/usr/bin/id,root", []string{"CommandFilter", "/usr/bin/id", "root"}},
		{"CommandFilter, id, root,", []string{"CommandFilter", "id", "root", ""}},
		{"", []string{""}},
		{",", []string{"", ""}},
		{"a\n,\nb", []string{"a", "b"}},
		{"\x1ca\x1f, b\u00a0,\u3000c\u0085", []string{"a", "b", "c"}}, // str.strip
		{"\u200ba, \ufeffb", []string{"\u200ba", "\ufeffb"}},          // no white space to Python
		{"a, b c ,d\te", []string{"a", "b c", "d\te"}},
		{"a, [a-z]{1,3}", []string{"a", "[a-z]{1", "3}"}}, // a comma ends a field wherever it stands
	} {
		if got := Fields(c.definition); !slices.Equal(got, c.fields) {
			t.Errorf("%q: %q, not %q", c.definition, got, c.fields)
		}
	}
}

func TestNew(t *testing.T) {
	for _, c := range []struct{ definition, exec, runAs string }{
		{"CommandFilter, /usr/bin/id, root", "/usr/bin/id", "root"},
		{"CommandFilter, id, nobody, more, fields", "id", "nobody"},
		{"RegExpFilter, id, root", "id", "root"},
		{"RegExpFilter, /bin/id, root, id, .*", "/bin/id", "root"},
		{"PathFilter, chown, root, nova, /images", "chown", "root"},
		{"EnvFilter, env, root, A=, ls", "ls", "root"},
		{"EnvFilter, /usr/bin/env, root, A=, /bin/ls, -l", "/bin/ls", "root"},
		{"EnvFilter, dnsmasq, nobody, A=, B=", "dnsmasq", "nobody"},
		{"EnvFilter, env, root, A=", "env", "root"}, // no program: env itself
		{"ReadFileFilter, /etc/x", "/bin/cat", "root"},
		{"KillFilter, root, /usr/bin/x, -9", "/bin/kill", "root"},
		{"KillFilter, nova, x", "/bin/kill", "nova"},
		{"IpFilter, ip, root", "ip", "root"},
		{"IpNetnsExecFilter, ip, root", "ip", "root"},
		{"ChainingRegExpFilter, nice, root, nice", "nice", "root"},
		{"ChainingFilter, nice, root", "nice", "root"},
	} {
		f, err := New(c.definition)
		if err != nil {
			t.Errorf("%s: %v", c.definition, err)
			continue
		}
		if f.Exec() != c.exec || f.RunAs() != c.runAs {
			t.Errorf("%s: executes %q as %q", c.definition, f.Exec(), f.RunAs())
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, definition := range []string{
		"", " ", ",", "DnsmasqFilter, /usr/bin/dnsmasq, root", "commandfilter, id, root", "CommandFilter; id; root", "Filter, id, root",
		"_getuid, root", "os, x, y", "CommandFilter\x00, id, root", "\x1b[31m, id, root",
	} {
		f, err := New(definition)
		if f != nil || !errors.Is(err, ErrUnknownClass) {
			t.Errorf("%q: %v, %v", definition, f, err)
		}
		if err != nil && strings.ContainsFunc(err.Error(), hazardous) {
			t.Errorf("%q: the error cannot be printed: %q", definition, err)
		}
	}
	for _, definition := range []string{
		"CommandFilter", "CommandFilter, id", "CommandFilter, , root", "CommandFilter, id,", "CommandFilter,,",
		"RegExpFilter, id", "PathFilter", "EnvFilter, env", "EnvFilter, env, root, A=, , x", "IpFilter, ip", "IpNetnsExecFilter", "ChainingRegExpFilter, nice",
		"ChainingFilter, nice", "ReadFileFilter", "ReadFileFilter, ", "KillFilter, root", "KillFilter, , x", "KillFilter, root, ",
	} {
		f, err := New(definition)
		if f != nil || err == nil || errors.Is(err, ErrUnknownClass) {
			t.Errorf("%q: %v, %v", definition, f, err)
			continue
		}
		class, _, _ := strings.Cut(definition, ",")
		if !strings.HasPrefix(err.Error(), class+" needs ") {
			t.Errorf("%q: the error does not say what the class needs: %v", definition, err)
		}
	}
}

func TestChaining(t *testing.T) {
	for _, class := range Classes() {
		f := newFilter(t, class+", x, root, x")
		want := class == "IpNetnsExecFilter" || class == "ChainingRegExpFilter" || class == "ChainingFilter"
		if Chaining(f) != want {
			t.Errorf("%s: Chaining is %v", class, !want)
		}
	}
	if Chaining(Privsep(func() []string { return nil }, "")) {
		t.Error("the implicit filter chains")
	}
}

// The reason of a refusal is one line, whatever the words and the definition are.
func TestWhyPrints(t *testing.T) {
	nasty := "a\n\x1b[31m\u202e\xff%s%d%!"
	for _, class := range Classes() {
		for _, tail := range []string{", root", ", root, /b" + nasty, ", root, (" + nasty + ", -9", "/, root, A=" + nasty + ", x, y", nasty + ", root, [", nasty} {
			f, err := New(class + ", " + nasty + tail)
			if err != nil {
				if strings.ContainsFunc(err.Error(), hazardous) {
					t.Errorf("%s%q: the error cannot be printed: %q", class, tail, err)
				}
				continue
			}
			for _, words := range [][]string{{nasty}, {"x", nasty}, {"x", nasty, nasty}, {"kill", nasty}, {"kill", nasty, nasty}, {"cat", nasty}, {"env", "A=" + nasty, "x", nasty},
				{"ip", nasty}, {"ip", "-n", nasty, nasty}, {"ip", "netns", "exec", nasty + "/", nasty}, {"privsep-helper", nasty, nasty}} {
				m := f.Match(Words(words), &fakeMachine{})
				if why := m.Why.String(); !m.Matched && (strings.ContainsFunc(why, hazardous) || strings.Contains(why, "%!(") || strings.Contains(why, "MISSING")) {
					t.Errorf("%s: %q: the reason cannot be printed: %q", class+", "+nasty+tail, words, why)
				}
			}
		}
	}
}

// Every Match leaves the filter as it was, so that it can be asked again, by
// many at once.
func TestMatchTwice(t *testing.T) {
	m := &fakeMachine{stable: map[string]bool{"/etc/x": true}}
	for _, c := range []struct{ definition, line string }{
		{"CommandFilter, id, root", "id -u"},
		{"RegExpFilter, id, root, id, -.", "id -u"},
		{"PathFilter, cat, root, /images", "cat /images/a/../b"},
		{"EnvFilter, env, root, A=, B=1, ls, .*", "env A=x B=1 ls y"},
		{"ReadFileFilter, /etc/x", "cat /etc/x"},
		{"IpFilter, ip, root", "ip link"},
		{"IpNetnsExecFilter, ip, root", "ip netns exec ns id"},
		{"ChainingRegExpFilter, nice, root, nice, -n, .*", "nice -n 5 id"},
	} {
		f := newFilter(t, c.definition)
		first := f.Match(argv(c.line), m)
		if !first.Matched {
			t.Errorf("%s: %s is refused: %v", c.definition, c.line, first.Why)
		}
		done := make(chan Match)
		for range 4 {
			go func() { done <- f.Match(argv(c.line), &fakeMachine{stable: m.stable}) }()
		}
		for range 4 {
			if again := <-done; !reflect.DeepEqual(again, first) {
				t.Errorf("%s: %s: at first %+v, then %+v", c.definition, c.line, first, again)
			}
		}
	}
}
