package filters

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		definition string
		names      []string
		any        bool
	}{
		{"CommandFilter, /usr/bin/id, root", []string{"/usr/bin/id", "id"}, false},
		{"CommandFilter, id, root", []string{"id"}, false},
		{"CommandFilter, /a/, root", []string{"/a/", ""}, false},
		{"PathFilter, /bin/chown, root, nova, /images", []string{"/bin/chown", "chown"}, false},
		{"EnvFilter, env, root, A=, /bin/ls", []string{"/bin/ls", "ls"}, false},
		{"EnvFilter, dnsmasq, root, A=", []string{"dnsmasq"}, false},
		{"IpFilter, /sbin/ip, root", []string{"/sbin/ip", "ip"}, false},
		{"IpNetnsExecFilter, /sbin/ip, root", []string{"ip"}, false},
		{"KillFilter, root, /bin/x, -9", []string{"kill"}, false},
		{"ReadFileFilter, /etc/x", []string{"cat"}, false},
		{"RegExpFilter, /bin/id, root, id, .*", []string{"id"}, false},
		{`RegExpFilter, /bin/id, root, /bin/id\.sh, .*`, []string{"/bin/id.sh"}, false},
		{"RegExpFilter, id, root, (id|ls), .*", nil, true},
		{"RegExpFilter, id, root, (", nil, true},
		{"RegExpFilter, id, root", nil, false},
		{"ChainingRegExpFilter, nice, root, nice, -n", []string{"nice"}, false},
		{"ChainingRegExpFilter, nice, root, .*", nil, true},
		{"ChainingRegExpFilter, nice, root", nil, false},
		{"ChainingFilter, nice, root", nil, false},
	} {
		if names, any := Names(newFilter(t, c.definition)); !slices.Equal(names, c.names) || any != c.any {
			t.Errorf("%s: %q, %v", c.definition, names, any)
		}
	}
	if names, any := Names(Privsep(func() []string { return nil }, "")); !slices.Equal(names, []string{"privsep-helper"}) || any {
		t.Errorf("the implicit filter: %q, %v", names, any)
	}
	if names, any := Names(struct{ Filter }{}); names != nil || !any {
		t.Errorf("a filter of no known class: %q, %v", names, any)
	}
}

func TestCalled(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"id", "id"}, {"id -u A=b x", "id"}, {"/bin/id", "/bin/id"}, {"", ""},
		{"env", "env"}, {"env A=", "env"}, {"env A=b C=d", "env"}, {"A=b", "A=b"},
		{"env id", "env id"}, {"env A=b id -u", "env id"}, {"A=b C= /bin/id x", "A=b /bin/id"},
		{"env env A=b id", "env env"}, {"env A=b env", "env env"}, {"env -i A=b id", "env -i"}, {"/usr/bin/env A=b id", "/usr/bin/env"},
	} {
		if got := Called(argv(c.line)); !slices.Equal(got, argv(c.want)) {
			t.Errorf("%q: %q", c.line, got)
		}
	}
	if got := Called(nil); len(got) != 0 {
		t.Errorf("no words at all: %q", got)
	}
}

// countingMachine tells whether it was asked anything.
type countingMachine struct {
	Machine
	asked int
}

func (m *countingMachine) Base(dir, runAs string) (string, error) {
	m.asked++
	return m.Machine.Base(dir, runAs)
}

func (m *countingMachine) Resolve(path Untrusted, base, runAs string) (Untrusted, error) {
	m.asked++
	return m.Machine.Resolve(path, base, runAs)
}

func (m *countingMachine) Process(pid int) (Process, error) {
	m.asked++
	return m.Machine.Process(pid)
}

func (m *countingMachine) Programs(name string) []Program {
	m.asked++
	return m.Machine.Programs(name)
}

func (m *countingMachine) Stable(path string) error {
	m.asked++
	return m.Machine.Stable(path)
}

func (m *countingMachine) Trusted(path Untrusted) error {
	m.asked++
	return m.Machine.Trusted(path)
}

// held checks that an index by Names and Called passes over no filter that has
// anything to say. said tells whether f had.
func held(t testing.TB, f Filter, words []Untrusted, machine Machine) (said bool) {
	t.Helper()
	m := &countingMachine{Machine: machine}
	match := f.Match(words, m)
	said = match.Matched || match.Hint != "" || m.asked > 0
	names, any := Names(f)
	if any && names != nil {
		t.Errorf("%T: names %q, and any", f, names)
	}
	found := any || slices.ContainsFunc(Called(words), func(w Untrusted) bool { return slices.Contains(names, w.Raw()) })
	if said && !found {
		t.Errorf("%T %+v is not found by %q of %q: %+v, %d questions", f, f, Called(words), words, match, m.asked)
	}
	return said
}

func hinderingMachine() *fakeMachine {
	m := fuzzMachine()
	m.redirected = map[string]bool{"/redirected": true}
	m.squashed = map[string]bool{"root /nfs/x": true}
	return m
}

func TestNamesFindAllThatSpeaks(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	some := func(n int, word func() string) (words []string) {
		for range r.IntN(n) {
			words = append(words, word())
		}
		return words
	}
	name := func() string {
		return pick("ip", "/sbin/ip", "id", "/bin/id", "cat", "kill", "env", "/usr/bin/env", "/bin/", "a=b", "/a=b/id")
	}
	field := func() string {
		return pick("root", "A=", "A=", "A=b", ".*", "id", `i\d?`, `\/bin\/id`, "(id|ip)", "[", "/images", "/redirected", "/nfs", "-9", "/bin/id", "")
	}
	lines := []string{"id", "id root", "/bin/id /images/x", "id /nfs/x", "ip /redirected/x", "env A=b id", "A=b /bin/id", "env A=c id -9", "env", "A=",
		"cat /etc/x", "kill 100", "kill -9 100", "ip netns exec ns id", "ip link", " root", "a=b id", "id ip id"}
	// command is one of lines, often with one word exchanged.
	command := func() []string {
		words := strings.Split(pick(lines...), " ")
		if r.IntN(2) == 0 {
			words[r.IntN(len(words))] = pick(strings.Split(strings.Join(lines, " "), " ")...)
		}
		return words
	}
	machine := hinderingMachine()
	said := make(map[string]int)
	for range 200_000 {
		class := pick(Classes()...)
		fields := []string{class, name(), pick("root", name())}
		switch class {
		case "ReadFileFilter":
			fields[1] = pick("/etc/x", name())
		case "KillFilter":
			fields = []string{class, "root", pick("/usr/sbin/dnsmasq", name())}
		case "EnvFilter":
			fields = []string{class, pick("env", name()), "root", pick("A=", "A=b"), pick("B=", "id", name())}
		}
		definition := strings.Join(append(fields, some(3, field)...), ", ")
		f, err := New(definition)
		if err != nil {
			continue
		}
		words := command()
		if held(t, f, Words(words), machine) {
			said[class]++
		}
		if t.Failed() {
			t.Fatalf("%s with %q: seed %d", definition, words, seed)
		}
	}
	t.Log(said)
	for _, class := range Classes() {
		if said[class] < 10 && class != "ChainingFilter" {
			t.Errorf("%d answers of %s: too few to tell anything", said[class], class)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range [][2]string{
		{"CommandFilter, /usr/bin/id, root", "id -u"}, {"CommandFilter, /a/, root", " x"}, {"PathFilter, chown, root, nova, /images", "chown nova /images/x"},
		{"EnvFilter, env, root, A=, ls", "env A=b ls"}, {"EnvFilter, /x=y/ls, root, A=", "A=b ls"}, {"KillFilter, root, dnsmasq", "kill 104"},
		{"ReadFileFilter, /etc/x", "cat /etc/x"}, {"IpFilter, /sbin/ip, root", "ip link"}, {"IpNetnsExecFilter, /sbin/ip, root", "ip netns exec ns id"},
		{`RegExpFilter, id, root, \/bin\/id`, "/bin/id"}, {"RegExpFilter, id, root, i.", "id"}, {"ChainingRegExpFilter, nice, root, nice", "nice id"},
	} {
		f.Add(s[0], strings.ReplaceAll(s[1], " ", "\n"))
	}
	implicit := Privsep(func() []string { return []string{"a.b"} }, "/etc/nova")
	machine := hinderingMachine()
	f.Fuzz(func(t *testing.T, definition, line string) {
		words := Words(strings.Split(line, "\n"))
		held(t, implicit, words, machine)
		if filter, err := New(definition); err == nil {
			held(t, filter, words, machine)
			// And with a command that begins as the filter would have it.
			if names, _ := Names(filter); len(names) > 0 {
				held(t, filter, append(Words(names[:1]), words...), machine)
			}
		}
	})
}

func ExampleNames() {
	f, _ := New("EnvFilter, env, root, CONFIG=, /usr/sbin/dnsmasq")
	names, any := Names(f)
	fmt.Println(names, any)
	fmt.Println(Called(Words([]string{"env", "CONFIG=/etc/x", "dnsmasq"})))
	// Output:
	// [/usr/sbin/dnsmasq dnsmasq] false
	// [env dnsmasq]
}
