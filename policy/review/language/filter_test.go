package language

import (
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
)

// paper is a machine on which paths mean what they say, and each process runs whatever a
// filter asks for.
type paper struct{ target string }

var errPaper = errors.New("not looked at")

func (paper) Base(dir, _ string) (string, error) { return path.Clean(dir), nil }
func (paper) Resolve(p filters.Untrusted, _, _ string) (filters.Untrusted, error) {
	return filters.Untrusted(path.Clean(p.Raw())), nil
}
func (p paper) Process(pid int) (filters.Process, error) {
	return filters.Process{PID: pid, Exe: filters.File{Dev: 1, Ino: 1, Links: 1}, Link: filters.Untrusted(p.target), SameRoot: true}, nil
}
func (p paper) Programs(name string) []filters.Program {
	return []filters.Program{{Path: name, Exists: true, File: filters.File{Dev: 1, Ino: 1, Links: 1}, DirDev: 1}}
}
func (paper) Stable(string) error             { return nil }
func (paper) Trusted(filters.Untrusted) error { return errPaper }

func newFilter(t testing.TB, definition string) filters.Filter {
	t.Helper()
	f, err := filters.New(definition)
	if err != nil {
		t.Fatalf("%s: %v", definition, err)
	}
	return f
}

func matches(f filters.Filter, line []string) bool {
	return len(line) > 0 && f.Match(filters.Words(line), paper{filters.ShapeOf(f).Target}).Matched
}

// definitions are filters of all classes, and whether they are exact.
var definitions = map[string]bool{
	"CommandFilter, dd, root":                                 true,
	"CommandFilter, /bin/dd, root":                            true,
	"CommandFilter, /bin/, root":                              true,
	"RegExpFilter, sleep, root, sleep, \\d+":                  true,
	"RegExpFilter, sleep, root, /?sleep, (a|-a), (?!.*b).*":   true,
	"RegExpFilter, sleep, root":                               true,
	"RegExpFilter, sleep, root, sleep, (":                     true,
	"ChainingRegExpFilter, nice, root, nice, -n, \\d+":        true,
	"ChainingRegExpFilter, nice, root":                        true,
	"ChainingFilter, nice, root":                              true,
	"IpNetnsExecFilter, ip, root":                             false,
	"IpNetnsExecFilter, ip, nobody":                           true,
	"IpFilter, ip, root":                                      false,
	"PathFilter, cat, root, pass, /images":                    false,
	"PathFilter, /bin/cat, root, /images/":                    false,
	"PathFilter, cat, root, /":                                false,
	"PathFilter, cat, root, -n, pass":                         true,
	"PathFilter, cat, root":                                   true,
	"EnvFilter, env, root, A=, B=c, haproxy":                  true,
	"EnvFilter, env, root, A=, A=c, haproxy, -f, .*":          true,
	"EnvFilter, env, root, A=, =, /bin/haproxy, a":            true,
	"EnvFilter, /usr/bin/env, root, A=, dns=masq":             true,
	"EnvFilter, env, root, haproxy":                           true,
	"EnvFilter, /a=b/prog, root, A=":                          true,
	"EnvFilter, env, root, A=, B=, C=, D=, haproxy":           true,
	"KillFilter, root, /usr/sbin/dnsmasq, -9, -HUP":           false,
	"KillFilter, root, /usr/sbin/dnsmasq":                     false,
	"ReadFileFilter, /etc/hostname":                           true,
	"EnvFilter, env, root, A=, B=, C=, D=, E=, F=, G=, H=, x": true,
}

// wordsFor are words that mean something to some filter.
var wordsFor = []string{"", "dd", "/bin/dd", "sleep", "/sleep", "1", "a", "-a", "b", "nice", "-n", "10", "ip", "net", "netns", "e", "exec", "x", "..", "a/b", "cat", "/bin/cat", "/images", "/images/", "/images/x", "/images/../x", "/", "pass",
	"env", "A=", "A=1", "A=c", "B=c", "B=", "=", "haproxy", "/bin/haproxy", "prog", "/a=b/prog", "-f", "dns=masq", "C=1", "D=1", "kill", "-9", "-HUP", "0", "/etc/hostname", "link", "list", "\xff", "a\n"}

// agree compares l with f itself on a line.
func agree(t *testing.T, name string, f filters.Filter, l Lines, exact bool, line []string) {
	t.Helper()
	got, want := holds(t, l, line), matches(f, line)
	switch shape := filters.ShapeOf(f); {
	case got == want:
	case exact, shape.Path && got, !shape.Path && want: // of a PathFilter there are more, of others less
		t.Errorf("%s with %q: %v, the filter says %v", name, line, got, want)
	}
}

func TestOf(t *testing.T) {
	g := newGenerator(t)
	for definition, want := range definitions {
		f := newFilter(t, definition)
		l, exact := Of(f)
		if exact != want {
			t.Errorf("%s: exact: %v", definition, exact)
		}
		for _, line := range tried(wordsFor, 2) {
			agree(t, definition, f, l, exact, line)
		}
		some, err := l.First(30)
		if err != nil {
			t.Logf("%s: %v", definition, err)
		}
		if short, ok, err := l.Shortest(); err != nil {
			t.Errorf("%s: %v", definition, err)
		} else if ok {
			some = append(some, short)
		}
		for _, line := range some {
			agree(t, definition, f, l, exact, line)
			for range 100 { // what is nearly a member
				line := slices.Clone(line)
				i := g.IntN(len(line) + 1)
				word := wordsFor[g.IntN(len(wordsFor))]
				switch j := g.IntN(len(line)); g.IntN(4) {
				case 0:
					line = slices.Insert(line, i, word)
				case 1:
					line[j] = word
				case 2:
					line = slices.Delete(line, j, j+1)
				default:
					line[j], line[0] = line[0], line[j]
				}
				agree(t, definition, f, l, exact, line)
			}
		}
	}
	l, exact := Of(filters.Privsep(func() []string { return []string{"a"} }, "/etc"))
	if exact || !holds(t, l, []string{"privsep-helper", "--privsep_context", "a", "--privsep_sock_path", "/x"}) {
		t.Error("the implicit filter")
	}
}

// The deployed filters allow their shortest line, and those that are exact say of each
// line what the filter does.
func TestDeployedFilters(t *testing.T) {
	list := deployed(t)
	var lines [][]string
	var sets []Lines
	for _, f := range list {
		l, _ := Of(f)
		sets = append(sets, l)
		some, err := l.First(10)
		if errors.Is(err, ErrTooLarge) {
			some = nil
		}
		short, ok, err := l.Shortest()
		if err != nil || !ok {
			t.Errorf("%s %v: %q, %v, %v", f.Exec(), filters.ShapeOf(f), short, ok, err)
			continue
		}
		lines = append(append(lines, short), some...)
	}
	for i, f := range list {
		_, exact := Of(f)
		for _, line := range lines {
			agree(t, f.Exec()+" "+strings.Join(filters.ShapeOf(f).Args, " "), f, sets[i], exact, line)
		}
	}
	t.Logf("%d filters, %d lines", len(list), len(lines))
}

func TestBehind(t *testing.T) {
	nice := newFilter(t, "ChainingRegExpFilter, nice, root, nice, -n, \\d+")
	netns := newFilter(t, "IpNetnsExecFilter, ip, root")
	for _, tt := range []struct {
		chain filters.Filter
		leaf  string
		line  string
		want  bool
		exact bool
	}{
		{nice, "CommandFilter, /bin/dd, root", "nice -n 5 dd if=x", true, true},
		{nice, "CommandFilter, /bin/dd, root", "nice -n 5 /bin/dd if=x", true, true},
		{nice, "CommandFilter, /bin/dd, root", "nice -n 5 /tmp/dd if=x", false, true},
		{nice, "CommandFilter, dd, root", "nice -n 5 dd", true, false},
		{nice, "CommandFilter, /bin/dd, nobody", "nice -n 5 dd", false, true},
		{nice, "RegExpFilter, /bin/dd, root, .*, a", "nice -n 5 cat a", true, true},
		{nice, "RegExpFilter, /bin/dd, root, /bin/dd, a", "nice -n 5 /bin/dd a", false, true},
		{nice, "ChainingRegExpFilter, nice, root, nice, -n, \\d+", "nice -n 5 nice -n 5 id", false, true},
		{netns, "ReadFileFilter, /etc/hostname", "ip net e x cat /etc/hostname", true, false},
		{netns, "ReadFileFilter, /etc/hostname", "ip net e .. cat /etc/hostname", false, false},
		{newFilter(t, "CommandFilter, /bin/dd, root"), "CommandFilter, /bin/dd, root", "dd", false, true},
	} {
		l, exact := Behind(tt.chain, newFilter(t, tt.leaf))
		if got := holds(t, l, strings.Fields(tt.line)); got != tt.want || exact != tt.exact {
			t.Errorf("%s behind a prefix, %s: %v, exact: %v", tt.leaf, tt.line, got, exact)
		}
	}
}

// TestTooLargeFilter: of a pattern that nothing can be asked about, nothing is said.
func TestTooLargeFilter(t *testing.T) {
	var pattern strings.Builder
	for i := range 1100 {
		pattern.WriteString("[\u4e00-" + string(rune('\u4e01'+i)) + "]?")
	}
	if _, err := Pattern(pattern.String()); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("the pattern is not too large: %v", err)
	}
	for _, definition := range []string{"RegExpFilter, x, root, x, ", "EnvFilter, env, root, A=, x, ", "ChainingRegExpFilter, x, root, x, "} {
		f, err := filters.New(definition + pattern.String())
		if err != nil {
			t.Fatal(err)
		}
		l, exact := Of(f)
		if empty, err := l.Empty(); empty || err != nil || exact {
			t.Errorf("%s: empty %v, exact %v, %v", definition, empty, exact, err)
		}
	}
}
