package policy

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy/compiled"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/trust"
)

// This is the law of compiled policies: Decide says of a command with the part of a
// policy that Open makes what it says with all of it, and with an index what it says
// without.

// law holds a policy against what was compiled of it.
type law struct {
	all  *Policy // without an index: asked from its first filter to its last
	text *compiled.Policy
	data []byte
}

func newLaw(t testing.TB, p *Policy, text *compiled.Policy) law {
	t.Helper()
	data, err := compiled.Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	all := *p
	all.words, all.others = nil, nil
	return law{&all, text, data}
}

func (l law) book(t testing.TB) *compiled.Book {
	t.Helper()
	b, err := compiled.Open(bytes.NewReader(l.data), int64(len(l.data)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// inMemory reads a policy as Read does, of texts instead of files.
func inMemory(conf string, files ...string) (*Policy, *compiled.Policy, error) {
	return overlaidInMemory(conf, "", files...)
}

// overlaidInMemory has besides the text of a file of OverlayDir.
func overlaidInMemory(conf, more string, files ...string) (*Policy, *compiled.Policy, error) {
	const path = "/etc/x/rootwrap.conf"
	doc, err := inifile.Parse(path, []byte(conf), document.Strict)
	if err != nil {
		return nil, nil, err
	}
	r := reader{text: compiled.Policy{Build: compiled.Build, Path: path, Conf: doc}}
	r.source(compiled.Conf, path, trust.Identity{})
	if r.p, err = begin(path, doc, trust.Parent); err != nil {
		return nil, nil, err
	}
	overlay, err := inifile.Parse("/etc/x/sandbox.d/more.sandbox", []byte(more), document.Strict)
	if err == nil {
		err = r.over.add("/etc/x/sandbox.d/more.sandbox", overlay)
	}
	if err == nil {
		err = r.confine()
	}
	if err != nil {
		return nil, nil, err
	}
	r.source(compiled.Dir, "/etc/x/d", trust.Identity{})
	for i, text := range files {
		path := fmt.Sprintf("/etc/x/d/%d.filters", i)
		file, err := inifile.Parse(path, []byte(text), document.Lenient)
		if err != nil {
			return nil, nil, err
		}
		r.source(compiled.File, fmt.Sprintf("%d.filters", i), trust.Identity{})
		if err := r.file(path, file); err != nil {
			return nil, nil, err
		}
	}
	if err := r.over.unused(!r.p.NoPrivsep); err != nil {
		return nil, nil, err
	}
	return r.p, &r.text, r.p.addPrivsep()
}

// part is Open without a look at files that are not there.
func (l law) part(t testing.TB, argv []filters.Untrusted) *Policy {
	t.Helper()
	book := l.book(t)
	p, err := begin(book.Path, book.Conf, trust.Parent)
	if err == nil {
		err = p.part(book, argv)
	}
	if err == nil {
		err = p.addPrivsep()
	}
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	return p
}

// hold demands that part, which is for argv, decides as all does, and what is indexed too.
func (l law) hold(t testing.TB, part *Policy, argv []filters.Untrusted, absent ...string) Decision {
	t.Helper()
	m := newMachine(absent...)
	want := l.all.Decide(Request{Argv: argv, Machine: m})
	indexed := *l.all
	indexed.index()
	for name, p := range map[string]*Policy{"the part": part, "the index": &indexed} {
		other := newMachine(absent...)
		got := p.Decide(Request{Argv: argv, Machine: other})
		if diff := differ(want, got); diff != "" {
			t.Errorf("%.300q: %s decides otherwise: %s\n%s\n%s", argv, name, diff, outcome(want), outcome(got))
		}
		// What is not found by its name has nothing to ask of the machine either.
		if !slices.Equal(m.found, other.found) {
			t.Errorf("%.300q: all look for %q, %s for %q", argv, m.found, name, other.found)
		}
	}
	if a, b := warnings(l.all), warnings(part); !slices.Equal(a, b) {
		t.Errorf("%.300q: the warnings are %q, not %q", argv, b, a)
	}
	if a, b := l.all.Config, part.Config; !reflect.DeepEqual(a, b) || part.Path != l.all.Path || part.Trust != l.all.Trust || !reflect.DeepEqual(part.NotSearched, l.all.NotSearched) {
		t.Errorf("%.300q: rootwrap.conf says %+v, not %+v", argv, b, a)
	}
	return want
}

func warnings(p *Policy) (list []string) {
	for _, n := range p.Notes {
		if n.Warning {
			list = append(list, n.String())
		}
	}
	return list
}

// differ names the first thing in which two decisions differ.
func differ(a, b Decision) string {
	for _, e := range []struct {
		name string
		a, b *Entry
	}{{"filter", a.Filter, b.Filter}, {"leaf", a.Leaf, b.Leaf}} {
		if (e.a == nil) != (e.b == nil) {
			return "there is one " + e.name
		}
		if e.a == nil {
			continue
		}
		x, y := *e.a, *e.b
		if x.Exec() != y.Exec() || x.RunAs() != y.RunAs() || reflect.TypeOf(x.Filter) != reflect.TypeOf(y.Filter) {
			return fmt.Sprintf("%s %+v, not %+v", e.name, y, x)
		}
		if x.Filter, y.Filter = nil, nil; !reflect.DeepEqual(x, y) {
			return fmt.Sprintf("%s %+v with sandbox %+v, not %+v with %+v", e.name, y, y.Sandbox, x, x.Sandbox)
		}
	}
	a.Filter, a.Leaf, a.Policy, b.Filter, b.Leaf, b.Policy = nil, nil, nil, nil, nil, nil
	if !reflect.DeepEqual(a, b) {
		return fmt.Sprintf("%+v, not %+v", b, a)
	}
	return ""
}

// The random policies are of few programs, so that their filters stand in each other's
// way, and their commands of the same.
var (
	someUsers    = []string{"root", "root", "root", "nobody"}
	somePrograms = []string{"id", "ls", "/bin/ls", "cat", "ip", "/sbin/ip", "nice", "/usr/bin/nice", "kill", "env", "tool", "/opt/here/tool", "gone", "/opt/gone", "/a/", "privsep-helper"}
	somePatterns = []string{"id", "ls", `l\s`, `/bin/ls`, "(id|ls)", ".*", "nice", "-n", `-?\d+`, "ip", "netns", `[a-z]+`, "(", "cat", `\S*`, "l.", "env", "A=b", "^ls$", "", "kill", `l\x73`, "(?i)LS"}
	someWords    = []string{"id", "ls", "/bin/ls", "cat", "ip", "nice", "kill", "env", "tool", "/opt/here/tool", "gone", "/opt/gone", "a", "", "-n", "5", "-9", "100", "101", "A=b", "A=", "LC_ALL=C", "=", "/images/x", "/images/../x",
		"netns", "exec", "ns", "/bin/cat", "/tmp/ls", "./ls", "ls/", "/", "\xff", "l\xe4", "link", "LS", "/usr/bin/nice", "/usr/bin/env", "/bin/kill", "privsep-helper", "/etc/secret", "x\ny", "A=b/ls", "ls\x00"}
)

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

func several(r *rand.Rand, from []string, most int) (list []string) {
	for range r.IntN(most + 1) {
		list = append(list, pick(r, from))
	}
	return list
}

// definition is a random one, of each class.
func definition(r *rand.Rand) string {
	program, user := pick(r, somePrograms), pick(r, someUsers)
	f := map[int]func() []string{
		0: func() []string { return []string{"CommandFilter", program, user} },
		1: func() []string {
			return append([]string{"RegExpFilter", program, user}, several(r, somePatterns, 4)...)
		},
		2: func() []string {
			return []string{"PathFilter", program, user, pick(r, []string{"pass", "a", "/images"})}
		},
		3: func() []string {
			return append([]string{"EnvFilter", "env", user, pick(r, []string{"A=", "A=b", "LC_ALL=C"})}, append(several(r, []string{"A=", "B=c"}, 2), pick(r, somePrograms))...)
		},
		4: func() []string { return append([]string{"EnvFilter", pick(r, somePrograms), user, "A="}, program) },
		5: func() []string { return []string{"KillFilter", user, pick(r, []string{"/bin/daemon", "daemon"}), "-9"} },
		6: func() []string { return []string{"ReadFileFilter", "/etc/secret"} },
		7: func() []string { return []string{"IpFilter", pick(r, []string{"ip", "/sbin/ip"}), user} },
		8: func() []string { return []string{"IpNetnsExecFilter", pick(r, []string{"ip", "/sbin/ip"}), user} },
		9: func() []string {
			return append([]string{"ChainingRegExpFilter", program, user}, several(r, somePatterns, 4)...)
		},
		10: func() []string { return []string{"ChainingRegExpFilter", "nice", user, "nice", "-n", `-?\d+`} },
		11: func() []string { return []string{"ChainingRegExpFilter", "env", user, "env"} },
		12: func() []string { return []string{"ChainingFilter", program, user} },
		13: func() []string { return several(r, []string{"NoFilter", "CommandFilter", "x", "", "RegExpFilter"}, 2) },
	}[r.IntN(14)]()
	return strings.Join(f, ", ")
}

// confText and filtersText make a random policy, with sandboxes and with names that other
// files, or the same, have too.
func confText(r *rand.Rand) string {
	text := "[DEFAULT]\nfilters_path=/etc/x/d\nexec_dirs=/bin,/sbin\nunknown=1\n"
	if r.IntN(4) == 0 {
		text += "privsep_contexts = a.b\n"
	}
	if r.IntN(5) == 0 {
		text += "privsep_contexts = none\n"
		text = strings.Replace(text, "privsep_contexts = a.b\n", "", 1)
	}
	if r.IntN(4) == 0 {
		text += "privsep_confine = declared\n"
	}
	if r.IntN(3) == 0 {
		text += "[Privsep:os_brick.privileged.default]\nnice=7\n"
	}
	text += "[Profile:store]\nseccomp=store\nnice=3\n[Profile:net]\ncapabilities=cap_net_admin\n"
	switch r.IntN(3) {
	case 0:
		text += "[Sandbox]\n"
	case 1:
		text += "[Sandbox]\ninherit=store\numask=077\n"
	}
	return text
}

func filtersText(r *rand.Rand, most int) string {
	text := "[Filters]\n"
	if r.IntN(6) == 0 {
		text = "[DEFAULT]\nf0: " + definition(r) + "\ninherited: " + definition(r) + "\n" + text
	}
	good := map[string]bool{}
	for range r.IntN(most) {
		name, d := fmt.Sprint("f", r.IntN(most)), definition(r)
		_, err := filters.New(d)
		good[name] = err == nil
		text += name + ": " + d + "\n"
	}
	for i := range most {
		if name := fmt.Sprint("f", i); good[name] && r.IntN(4) == 0 {
			text += "[Sandbox:" + name + "]\n" + pick(r, []string{"", "seccomp=none\n", "inherit=net\n", "inherit=store\nnice=5\n"})
		}
	}
	return text
}

// overlayText adds to sections that files have, or makes some.
func overlayText(r *rand.Rand, files []string) string {
	text := ""
	if r.IntN(2) == 0 {
		text += "[Profile:more]\nno_new_privs=yes\n"
	}
	for i := range 60 {
		name := fmt.Sprint("f", i)
		made := slices.ContainsFunc(files, func(file string) bool {
			doc, err := inifile.Parse("/f", []byte(file), document.Lenient)
			if err != nil {
				return false
			}
			items, _ := doc.Items("Filters")
			return slices.ContainsFunc(items, func(e document.Entry) bool {
				_, err := filters.New(e.Value)
				return e.Key == name && err == nil
			})
		})
		if made && r.IntN(8) == 0 {
			text += "[Sandbox:" + strings.ToUpper(name) + "]\n" + pick(r, []string{"", "umask=027\n", "inherit=net\n", "nice=7\n"})
		}
	}
	return text
}

// command is a random one, which often has the shape of what a filter allows.
func command(r *rand.Rand) []filters.Untrusted {
	var argv []string
	for r.IntN(3) == 0 {
		argv = append(argv, [][]string{{"nice", "-n", "5"}, {"ip", "netns", "exec", "ns"}, {"env"}, {"env", "A=b"}, {"A=b"}, {"LC_ALL=C", "A="}, {"kill", "-9", "100"}, {"nice"}, {"l"}, {"ip", "net", "e", "ns"}}[r.IntN(10)]...)
	}
	switch r.IntN(8) {
	case 0:
		argv = append(argv, "kill", "-9", "100")
	case 1:
		argv = append(argv, "cat", pick(r, []string{"/images/a/../b", "/images", "/etc/secret", "a", "/x"}))
	case 2:
		argv = append(argv, "privsep-helper", "--privsep_context", pick(r, []string{"a.b", "os_brick.privileged.default"}), "--privsep_sock_path", "/x")
	default:
		argv = append(argv, pick(r, someWords))
	}
	return filters.Words(append(argv, several(r, someWords, r.IntN(4))...))
}

// tally counts what came of commands, so that a test cannot go past its matter.
type tally map[string]int

func (c tally) add(d Decision) {
	switch {
	case d.Verdict == Allowed && d.Leaf != nil:
		c["behind a prefix"]++
	case d.Verdict == Allowed && d.Signal != nil:
		c["a signal"]++
	case d.Verdict == Allowed && d.Filter.Sandbox != nil:
		c["in a sandbox"]++
	case d.Verdict == Allowed:
		c["allowed"]++
	case d.Verdict == NotExecutable:
		c["not executable"]++
	case d.Why != "":
		c["denied with a hint"]++
	default:
		c["denied"]++
	}
}

func (c tally) atLeast(t *testing.T, n int, what ...string) {
	t.Helper()
	for _, w := range what {
		if c[w] < n {
			t.Errorf("only %d decisions were: %s (%v)", c[w], w, c)
		}
	}
}

var absentOnes = [][]string{nil, {"gone", "/opt/gone"}, {"ls", "nice", "/sbin/ip"}}

func TestOpenDecidesAsLoad(t *testing.T) {
	seen := tally{}
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 7))
		var files []string
		for range r.IntN(4) {
			files = append(files, filtersText(r, 1+r.IntN(60)))
		}
		conf := confText(r)
		p, text, err := overlaidInMemory(conf, overlayText(r, files), files...)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s\n%s", seed, err, conf, strings.Join(files, "\n--\n"))
		}
		l := newLaw(t, p, text)
		for range 300 {
			argv := command(r)
			seen.add(l.hold(t, l.part(t, argv), argv, absentOnes[r.IntN(3)]...))
		}
		if t.Failed() {
			t.Fatalf("seed %d:\n%s\n%s", seed, conf, strings.Join(files, "\n--\n"))
		}
	}
	seen.atLeast(t, 100, "behind a prefix", "a signal", "in a sandbox", "allowed", "not executable", "denied")
	seen.atLeast(t, 10, "denied with a hint")
}

// Words are as many, as long and as odd as execve(2) takes, and more.
func TestOpenLongCommands(t *testing.T) {
	p, text, err := inMemory("[DEFAULT]\nfilters_path=/x\n", `[Filters]
ls: CommandFilter, ls, root
env: EnvFilter, env, root, A=, ls
nice: ChainingRegExpFilter, nice, root, nice, -n, .*
ip: IpNetnsExecFilter, ip, root
any: RegExpFilter, tool, root, [t]ool, .*
deep: ChainingRegExpFilter, env, root, env`+strings.Repeat(", .*", 500)+"\n")
	if err != nil {
		t.Fatal(err)
	}
	l := newLaw(t, p, text)
	seen := tally{}
	long := strings.Repeat("w ", 10_000)
	for _, line := range []string{
		"ls " + long, "nice -n 5 ls " + long, "ip netns exec ns ls " + long, long, "env A=b ls " + long,
		"env " + strings.Repeat("A=b ", 10_000) + "ls x", strings.Repeat("A=b ", 10_000) + "ls", strings.Repeat("A=b ", 10_000),
		"env " + strings.Repeat("x ", 500) + "ls y", "env " + strings.Repeat("x ", 500) + "/bin/ls y", "env " + strings.Repeat("x ", 500) + "A=b ls",
		strings.Repeat(" ", 10_000), "nice -n 5 " + strings.Repeat(" ", 10_000),
		"tool \xff\xfe", "tool " + strings.Repeat("\xff", 1000), "\xff", "nice -n \xff ls", "nice -n 5 \xff/ls", "ls\x00",
		strings.Repeat("x", maxWord), strings.Repeat("x", maxWord+1), "ls " + strings.Repeat("x", maxWord+1), "ls " + strings.Repeat("x ", mostTotal/10),
	} {
		argv := words(line)
		seen.add(l.hold(t, l.part(t, argv), argv))
	}
	seen.atLeast(t, 3, "allowed", "behind a prefix", "denied")
	for _, argv := range [][]filters.Untrusted{nil, {}, {""}, {"", ""}} {
		l.hold(t, l.part(t, argv), argv)
	}
}

// The policies that services are deployed with, as far as they are beside this directory.
func TestOpenDeployed(t *testing.T) {
	const corpus = "../../shared/corpus"
	services, err := os.ReadDir(corpus)
	if err != nil {
		t.Skipf("NOT CHECKED: the deployed policies of shared/corpus: %v", err)
	}
	seen := tally{}
	for _, service := range services {
		var files []string
		filepath.WalkDir(corpus+"/"+service.Name(), func(path string, _ os.DirEntry, err error) error {
			if strings.HasSuffix(path, ".filters") {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, string(text))
			}
			return err
		})
		if len(files) == 0 {
			continue
		}
		p, text, err := inMemory("[DEFAULT]\nfilters_path=/x\n", files...)
		if err != nil {
			t.Errorf("%s: %v", service.Name(), err)
			continue
		}
		l, r := newLaw(t, p, text), rand.New(rand.NewPCG(1, 3))
		for _, line := range text.Lines {
			for _, argv := range near(r, line.Value) {
				seen.add(l.hold(t, l.part(t, argv), argv, absentOnes[r.IntN(3)]...))
			}
		}
	}
	seen.atLeast(t, 100, "behind a prefix", "allowed", "denied")
}

// near are commands which a definition speaks of: its words, behind prefixes, with more.
func near(r *rand.Rand, definition string) (list [][]filters.Untrusted) {
	f := filters.Fields(definition)
	if len(f) < 3 {
		return nil
	}
	bodies := [][]string{{f[1]}, {filepath.Base(f[1])}, {f[1], pick(r, someWords)}, append([]string{filepath.Base(f[1])}, several(r, someWords, 3)...), f[3:], {"kill", "-9", "100"}}
	for _, body := range bodies {
		for _, prefix := range [][]string{nil, {"ip", "netns", "exec", "ns"}, {"env", "A=b"}, {"nice", "-n", "5"}, {"ionice", "-c3"}} {
			list = append(list, filters.Words(append(slices.Clip(prefix), body...)))
		}
	}
	return list
}

// FuzzOpenDecides makes a policy of the lines of definitions, with the sections that they
// hold, and puts the lines of line before it as one command.
func FuzzOpenDecides(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 60 {
		var argv []string
		for _, w := range command(r) {
			argv = append(argv, w.Raw())
		}
		f.Add(filtersText(r, 10), filtersText(r, 3), strings.Join(argv, "\n"))
	}
	f.Fuzz(func(t *testing.T, one, two, line string) {
		p, text, err := inMemory("[DEFAULT]\nfilters_path=/x\n[Profile:store]\nseccomp=store\n[Profile:net]\nnice=1\n[Sandbox]\numask=022\n", one, two)
		if err != nil || len(p.Filters) > 40 {
			return // no policy, or one that takes long
		}
		l, argv := newLaw(t, p, text), filters.Words(strings.Split(line, "\n"))
		l.hold(t, l.part(t, argv), argv, "gone", "/opt/gone")
	})
}

// A book of another configuration, or one that is damaged where it is read, is an error.
func TestOpenDamaged(t *testing.T) {
	dir := tree(t, map[string]string{
		"rootwrap.conf": conf,
		"a/a.filters":   "[Filters]\nls: CommandFilter, ls, root\nid: CommandFilter, id, root\n[Sandbox:ls]\nnice=5\n",
		"b/b.filters":   "[Filters]\nnice: ChainingRegExpFilter, nice, root, nice\n",
	})
	path := dir + "/rootwrap.conf"
	p, text, err := Read(path, trust.Parent, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	l := newLaw(t, p, text)
	lines := []string{"ls", "id", "nice ls x", "nice id", "rm", "nice"}
	open := func(data []byte, path, line string) (*Policy, error) {
		book, err := compiled.Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return nil, err
		}
		return Open(book, path, trust.Parent, words(line), nil)
	}
	for _, line := range lines {
		part, err := open(l.data, path, line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		l.hold(t, part, words(line))
	}
	for _, other := range []string{"", "/", path + "x", path[:len(path)-1], dir + "//rootwrap.conf"} {
		if _, err := open(l.data, other, "ls"); !errors.Is(err, compiled.ErrDamaged) {
			t.Errorf("opened as %q: %v", other, err)
		}
	}
	for i := range l.data {
		damaged := slices.Clone(l.data)
		damaged[i] ^= 1 << (i % 8)
		for _, line := range lines {
			if part, err := open(damaged, path, line); err == nil {
				l.hold(t, part, words(line))
			} else if !errors.Is(err, compiled.ErrDamaged) {
				t.Errorf("byte %d, %s: %v", i, line, err)
			}
		}
	}
}
