package usage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/program"
)

// fakeMachine has every program in /bin, and no links.
type fakeMachine struct{}

func (fakeMachine) Find(name, _ string) (program.Program, error) {
	if path.IsAbs(name) {
		return program.Program{Path: name}, nil
	}
	return program.Program{Path: "/bin/" + name}, nil
}

func (fakeMachine) Base(dir, _ string) (string, error) { return path.Clean(dir), nil }

func (fakeMachine) Resolve(p filters.Untrusted, _, _ string) (filters.Untrusted, error) {
	return filters.Untrusted(path.Clean(p.Raw())), nil
}

func (fakeMachine) Process(int) (filters.Process, error) {
	return filters.Process{}, errors.New("gone")
}
func (fakeMachine) Programs(string) []filters.Program { return nil }
func (fakeMachine) Stable(string) error               { return nil }
func (fakeMachine) Trusted(filters.Untrusted) error   { return nil }

const file = "/d/a.filters"

// loaded is the policy of one file of filters.
func loaded(text string) (*policy.Policy, error) {
	doc, err := inifile.Parse(file, []byte(text), document.Lenient)
	if err != nil {
		return nil, err
	}
	p := &policy.Policy{Path: "/r.conf", Config: policy.Config{UseSyslog: true, Level: 6}}
	items, _ := doc.Items("Filters")
	for _, item := range items {
		f, err := filters.New(item.Value)
		if err != nil {
			return nil, err
		}
		class, _, _ := strings.Cut(item.Value, ",")
		p.Filters = append(p.Filters, policy.Entry{Filter: f, Name: item.Key, Class: strings.TrimSpace(class), File: file, Line: item.Line})
	}
	return p, nil
}

// reported is what is said of a policy whose filters these lines are, and of commands
// that it allows, as they are typed; one that begins with ! is recorded as refused.
func reported(t *testing.T, lines string, commands ...string) Report {
	t.Helper()
	text := "[Filters]\n" + lines + "\n"
	p, err := loaded(text)
	if err != nil {
		t.Fatal(err)
	}
	var c Collector
	for _, command := range commands {
		line, refused := strings.CutPrefix(command, "!")
		argv, err := filters.UnquoteLine(line)
		if err != nil {
			t.Fatal(err)
		}
		if refused {
			c.Take(Record{Who: "nova", What: Unauthorized, Words: argv})
			continue
		}
		d := p.Decide(policy.Request{Argv: argv, Machine: fakeMachine{}})
		if d.Verdict != policy.Allowed {
			t.Fatalf("%s is not allowed by %s", command, lines)
		}
		r := Record{Who: "nova", Executed: true, Words: d.Argv, Filter: d.Filter.Name, File: file, Line: d.Filter.Line}
		if d.Leaf != nil {
			r.Nested = place(d.Leaf)
		}
		c.Take(r)
	}
	return c.Report(Engine{
		Policy: p, Machine: fakeMachine{},
		Read:    func(string) ([]byte, error) { return []byte(text), nil },
		Patched: func(texts map[string][]byte) (*policy.Policy, error) { return loaded(string(texts[file])) },
	})
}

// many is a command for each number.
func many(n int, format string, values func(i int) []any) (commands []string) {
	for i := range n {
		commands = append(commands, fmt.Sprintf(format, values(i)...))
	}
	return commands
}

func uuidOf(i int) string {
	return fmt.Sprintf("%08x-0000-4000-8000-0123456789ab", uint32(i)*2654435761)
}

// TestNarrower: what is made of some calls.
func TestNarrower(t *testing.T) {
	const u = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
	const s = "[0-9A-Za-z_+@:%][0-9A-Za-z_.+@:%=-]*"
	for name, c := range map[string]struct {
		filter   string
		commands []string
		want     []string // lines, or why there is none
	}{
		"one call": {"f: CommandFilter, ls, root", []string{"ls -l /etc"},
			[]string{"f: RegExpFilter, ls, root, ls, -l, /etc"}},
		"no argument": {"f: CommandFilter, ls, root", []string{"ls"},
			[]string{"f: RegExpFilter, ls, root, ls"}},
		"a path": {"f: CommandFilter, /sbin/ls, root", []string{"/sbin/ls -l"},
			[]string{"f: RegExpFilter, /sbin/ls, root, (?:/sbin/ls|ls), -l"}},
		"a constant number": {"f: CommandFilter, nice, root", many(30, "nice -n 19 x", func(int) []any { return nil }),
			[]string{"f: RegExpFilter, nice, root, nice, -n, 19, x"}},
		"a few numbers, often": {"f: CommandFilter, f, root", many(200, "f -n %d", func(i int) []any { return []any{i % 2} }),
			[]string{"f: RegExpFilter, f, root, f, -n, (?:0|1)"}},
		"a few numbers, seldom": {"f: CommandFilter, f, root", []string{"f -n 1", "f -n 2"},
			[]string{"f: RegExpFilter, f, root, f, -n, [0-9]+"}},
		"one UUID": {"f: CommandFilter, f, root", []string{"f " + uuidOf(7)},
			[]string{"f: RegExpFilter, f, root, f, " + u}},
		"a namespace": {"f: CommandFilter, f, root", many(5, "f qrouter-%s", func(i int) []any { return []any{uuidOf(i)} }),
			[]string{"f: RegExpFilter, f, root, f, qrouter-" + u}},
		"a device of a port": {"f: CommandFilter, f, root", many(5, "f tap%.11s", func(i int) []any { return []any{uuidOf(i)} }),
			[]string{"f: RegExpFilter, f, root, f, tap[0-9a-f]{8}-[0-9a-f]{2}"}},
		"a MAC address": {"f: CommandFilter, f, root", []string{"f fa:16:3e:00:01:02"},
			[]string{"f: RegExpFilter, f, root, f, [0-9A-Fa-f][0-9A-Fa-f](?::[0-9A-Fa-f][0-9A-Fa-f]){5}"}},
		"IPv4 addresses": {"f: CommandFilter, f, root", []string{"f 10.0.0.1/24", "f 10.0.1.1/24"},
			[]string{`f: RegExpFilter, f, root, f, [0-9]+\.[0-9]+\.[0-9]+\.[0-9]+/24`}},
		"one IPv4 address": {"f: CommandFilter, f, root", []string{"f 169.254.169.254"},
			[]string{`f: RegExpFilter, f, root, f, 169\.254\.169\.254`}},
		"IPv6 addresses": {"f: CommandFilter, f, root", []string{"f fe80::1", "f 2001:db8::ff:2"},
			[]string{`f: RegExpFilter, f, root, f, [0-9A-Fa-f:]+:[0-9A-Fa-f:.]*`}},
		"disks": {"f: CommandFilter, f, root", []string{"f /dev/sda1", "f /dev/sdb1", "f /dev/sdaa1"},
			[]string{`f: RegExpFilter, f, root, f, /dev/sd[a-z]+1`}},
		"a container": {"f: CommandFilter, f, root", []string{"f 0123456789abcdef"},
			[]string{`f: RegExpFilter, f, root, f, [0-9a-f]{16}`}},
		"words that only seem to be values": {"f: CommandFilter, f, root", []string{"f face deadbeef x.1.2.3.4 a:b ::x"},
			[]string{`f: RegExpFilter, f, root, f, face, deadbeef, x\.1\.2\.3\.4, a:b, ::x`}},
		"subcommands": {"f: CommandFilter, f, root", []string{"f a up", "f a down", "f b up", "f b down"},
			[]string{"f: RegExpFilter, f, root, f, (?:a|b), (?:down|up)"}},
		"not what was not seen": {"f: CommandFilter, f, root", []string{"f a up", "f b down"},
			[]string{"f: RegExpFilter, f, root, f, a, up", "f-2: RegExpFilter, f, root, f, b, down"}},
		"lengths": {"f: CommandFilter, f, root", []string{"f a", "f a a"},
			[]string{"f: RegExpFilter, f, root, f, a", "f-2: RegExpFilter, f, root, f, a, a"}},
		"many names": {"f: CommandFilter, f, root", many(40, "f -v n%s", func(i int) []any { return []any{string(rune('a'+i%26)) + string(rune('a'+i/26))} }),
			[]string{"f: RegExpFilter, f, root, f, -v, " + s}},
		"many names in two places": {"f: CommandFilter, f, root", many(40, "f n%s m%s", func(i int) []any {
			return []any{string(rune('a'+i%26)) + string(rune('a'+i/26)), string(rune('a'+i%7)) + string(rune('a'+i/7))}
		}),
			[]string{"f: RegExpFilter, f, root, f, " + s + ", " + s}},
		"many options": {"f: CommandFilter, f, root", many(40, "f -%s", func(i int) []any { return []any{string(rune('a'+i%26)) + string(rune('a'+i/26))} }),
			[]string{"its commands of 2 words are of more kinds than a filter should list"}},
		"paths below a directory": {"f: RegExpFilter, f, root, f, /.*", many(40, "f /var/lib/nova/%s/disk", func(i int) []any { return []any{string(rune('a'+i%26)) + string(rune('a'+i/26))} }),
			[]string{"f: RegExpFilter, f, root, f, /var/lib/nova/" + s + "/" + s}},
		"paths, by a PathFilter": {"f: CommandFilter, f, root", many(40, "f -x /var/lib/nova/%s/disk", func(i int) []any { return []any{string(rune('a'+i%26)) + string(rune('a'+i/26))} }),
			[]string{"f: PathFilter, f, root, -x, /var/lib/nova/"}},
		"a UUID in a path": {"f: CommandFilter, f, root", many(3, "f info /var/lib/nova/instances/%s/disk", func(i int) []any { return []any{uuidOf(i)} }),
			[]string{"f: PathFilter, f, root, info, /var/lib/nova/instances/"}},
		"few paths": {"f: CommandFilter, f, root", []string{"f /etc/hostname", "f /etc/hosts"},
			[]string{"f: RegExpFilter, f, root, f, (?:/etc/hostname|/etc/hosts)"}},
		"a PathFilter would not be plain": {"f: CommandFilter, f, root", []string{`f "\x1b" /var/lib/1`, `f "\x1b" /var/lib/2`},
			[]string{`f: RegExpFilter, f, root, f, \x1b, /var/lib/[0-9]+`}},
		"a narrower PathFilter": {"f: PathFilter, f, root, /var, pass", many(40, "f /var/lib/nova/%s x", func(i int) []any { return []any{string(rune('a'+i%26)) + string(rune('a'+i/26))} }),
			[]string{"f: PathFilter, f, root, /var/lib/nova/, x"}},
		"paths that have nothing in common": {"f: RegExpFilter, f, root, f, .*", many(40, "f /%s/disk", func(i int) []any { return []any{string(rune('a'+i%26)) + string(rune('a'+i/26))} }),
			[]string{"its commands of 2 words are of more kinds than a filter should list"}},
		"dots": {"f: RegExpFilter, f, root, f, .*", append(many(40, "f /var/x/%s", func(i int) []any { return []any{string(rune('a'+i%26)) + string(rune('a'+i/26))} }), "f /var/x/../y"),
			[]string{"its commands of 2 words are of more kinds than a filter should list"}},
		"odd words": {"f: CommandFilter, f, root", []string{`f "a, b" " c " "" "x\ny" "é|(" "\U0001f600"`},
			[]string{`f: RegExpFilter, f, root, f, a\x2c\x20b, \x20c\x20, , x\x0ay, \u00e9\|\(, \U0001f600`}},
		"no text": {"f: CommandFilter, f, root", []string{`f "\xff"`},
			[]string{"a word of its commands is no text, which a filters file cannot say"}},
		"as narrow": {"f: RegExpFilter, f, root, f, [0-9]+", []string{"f 1", "f 2"},
			[]string{"it is as narrow as what was seen"}},
		"the old pattern is narrower": {"f: RegExpFilter, f, root, f, [12], .*", []string{"f 1 x", "f 2 x"},
			[]string{"f: RegExpFilter, f, root, f, [12], x"}},
		"an alternative at the front": {"f: RegExpFilter, f, root, f|g, .*", []string{"f 1"},
			[]string{"f: RegExpFilter, f, root, f|g, 1"}},
		"variables": {"f: EnvFilter, env, root, A=, f", []string{"env A=1 f"},
			[]string{"EnvFilter has rules of its own, which no pattern says better"}},
		"behind a prefix": {"n: ChainingRegExpFilter, nice, root, nice, -n, .*\nf: CommandFilter, f, root", []string{"nice -n 5 f x", "f y"},
			[]string{"it is for what stands before a command: narrow the filters of these", "f: RegExpFilter, f, root, f, (?:x|y)"}},
		"names that are taken": {"f: CommandFilter, f, root\nf-2: CommandFilter, g, root", []string{"f a up", "f b down"},
			[]string{"f: RegExpFilter, f, root, f, a, up", "f-3: RegExpFilter, f, root, f, b, down"}},
		"continuation lines": {"f: CommandFilter,\n   f,\n   root", []string{"f a"},
			[]string{"f: RegExpFilter, f, root, f, a"}},
	} {
		r := reported(t, c.filter, c.commands...)
		var got []string
		for _, k := range r.Kept {
			got = append(got, k.Why)
		}
		for _, p := range r.Narrower {
			for _, l := range p.New {
				got = append(got, l.Raw())
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%q\n%q", name, got, c.want)
		}
	}
}

// TestUnclear: a filter of which not all records are clear is left as it is, and so are
// those that a record may be about.
func TestUnclear(t *testing.T) {
	text := "[Filters]\nn: ChainingRegExpFilter, nice, root, nice, -n, [0-9]+\nf: CommandFilter, f, root\ng: CommandFilter, g, root\nv: EnvFilter, env, root, A=, f\n"
	p, err := loaded(text)
	if err != nil {
		t.Fatal(err)
	}
	f := Record{Executed: true, Words: filters.Words([]string{"/bin/f", "x"}), Filter: "f", File: file, Line: 3}
	g := Record{Executed: true, Words: filters.Words([]string{"/bin/g", "x"}), Filter: "g", File: file, Line: 4}
	for name, c := range map[string]struct {
		odd  Record
		kept []string // filters
	}{
		"cut":               {Record{Executed: true, Cut: true, Words: f.Words, Filter: "f", File: file, Line: 3}, []string{"f"}},
		"other words":       {Record{Executed: true, Words: filters.Words([]string{"/bin/h"}), Filter: "f", File: file, Line: 3}, []string{"f"}},
		"an older prefix":   {Record{Executed: true, Words: filters.Words([]string{"/bin/nice", "-n", "x", "/bin/g", "y"}), Filter: "n", File: file, Line: 2}, []string{"n", "g"}},
		"a cut prefix":      {Record{Executed: true, Cut: true, Words: filters.Words([]string{"/bin/nice"}), Filter: "n", File: file, Line: 2}, []string{"n", "f", "g", "v"}},
		"a filter of old":   {Record{Executed: true, Words: filters.Words([]string{"/bin/h", "g"}), Filter: "gone", File: file, Line: 9}, []string{"g"}},
		"variables":         {Record{Executed: true, Words: f.Words, Filter: "v", File: file, Line: 5}, []string{"v"}},
		"variables behind":  {Record{Executed: true, Words: filters.Words([]string{"/bin/nice", "-n", "5", "/bin/f", "y"}), Filter: "n", File: file, Line: 2, Nested: file + ":5"}, []string{"n", "v"}},
		"nobody's business": {Record{Executed: true, Words: filters.Words([]string{"/bin/h"}), Filter: "gone", File: file, Line: 9}, nil},
		"renamed":           {Record{Executed: true, Words: filters.Words([]string{"/bin/g", "z"}), Filter: "gone", File: file, Line: 9}, nil},
	} {
		var col Collector
		for _, r := range []Record{f, g, c.odd} {
			col.Take(r)
		}
		r := col.Report(Engine{
			Policy: p, Machine: fakeMachine{},
			Read:    func(string) ([]byte, error) { return []byte(text), nil },
			Patched: func(texts map[string][]byte) (*policy.Policy, error) { return loaded(string(texts[file])) },
		})
		var kept []string
		for _, k := range r.Kept {
			kept = append(kept, k.Filter.Raw())
		}
		if !slices.Equal(kept, c.kept) {
			t.Errorf("%s: %q are kept, not %q: %+v", name, kept, c.kept, r.Kept)
		}
		for _, n := range r.Narrower {
			if slices.Contains(c.kept, n.Filter.Raw()) {
				t.Errorf("%s: %v", name, n)
			}
		}
		if r.Narrower == nil && len(c.kept) < 4 {
			t.Errorf("%s: nothing is proposed", name)
		}
		if name == "renamed" && !slices.ContainsFunc(r.Narrower, func(n Proposal) bool { return strings.Contains(n.New[0].Raw(), "(?:x|z)") }) {
			t.Errorf("%s: %+v", name, r.Narrower)
		}
	}
}

// TestAnyLog: whatever is called, each command is allowed with the proposals in force,
// as the same user and with the same words; what a proposal says is no longer allowed
// its filters refuse and the old one allows; and a command of the records with one word
// put for another that is an option or leads out of a directory is not allowed where it
// was not seen.
func TestAnyLog(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	word := func() string {
		switch rnd.IntN(8) {
		case 0:
			return uuidOf(rnd.Int())
		case 1:
			return fmt.Sprint(rnd.IntN(5000))
		case 2:
			return "/" + pick("var", "etc") + "/" + pick("a", "b") + "/" + pick("x", "y", "z", "w") + fmt.Sprint(rnd.IntN(40))
		case 3:
			return "tap" + uuidOf(rnd.Int())[:11]
		case 4:
			return pick("-a", "--b=c", "--", "-", "", "a b", "a,b", "ä", "$x", "a|b", "x\n")
		case 5:
			return fmt.Sprintf("10.%d.0.1/%d", rnd.IntN(9), rnd.IntN(33))
		case 6:
			return string(rune('a'+rnd.IntN(26))) + string(rune('a'+rnd.IntN(26)))
		}
		return pick("up", "down", "set")
	}
	lines := "f: CommandFilter, f, root\ng: RegExpFilter, g, root, g, .*, [a-z/0-9.-]*\nh: CommandFilter, /x/h, nobody\nn: ChainingRegExpFilter, nice, root, nice, [a-z]*\nf2: CommandFilter, f, root"
	before, err := loaded("[Filters]\n" + lines)
	if err != nil {
		t.Fatal(err)
	}
	proposed := 0
	for range 300 {
		var commands []string
		var all [][]filters.Untrusted
		vary := rnd.IntN(3)
		shape := []string{word(), word(), word()}
		for range 1 + rnd.IntN(60) {
			argv := append([]string{pick("f", "g", "h", "nice")}, shape[:1+rnd.IntN(2)]...)
			if vary > 0 {
				argv[len(argv)-1] = word()
			}
			if argv[0] == "nice" {
				argv = append([]string{"nice", "x", "f"}, argv[1:]...)
			}
			words := filters.Words(argv)
			if before.Decide(policy.Request{Argv: words, Machine: fakeMachine{}}).Verdict == policy.Allowed {
				commands = append(commands, filters.QuoteLine(words))
				all = append(all, words)
			}
		}
		r := reported(t, lines, commands...)
		text := "[Filters]\n" + lines + "\n"
		if strings.ContainsFunc(r.Patch, func(r rune) bool { return r != '\n' && (r < ' ' || r >= 0x7f) }) {
			t.Errorf("the patch has more than plain text: %q", r.Patch)
		}
		for _, p := range r.Narrower {
			proposed++
			var fresh []string
			for _, l := range p.New {
				fresh = append(fresh, l.Raw())
			}
			text = strings.Replace(text, p.Old.Raw()+"\n", strings.Join(fresh, "\n")+"\n", 1)
		}
		after, err := loaded(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, argv := range all {
			a, b := before.Decide(policy.Request{Argv: argv, Machine: fakeMachine{}}), after.Decide(policy.Request{Argv: argv, Machine: fakeMachine{}})
			if b.Verdict != policy.Allowed || a.RunAs != b.RunAs || !slices.Equal(a.Argv, b.Argv) {
				t.Fatalf("%q is not allowed as it was:\n%s", argv, text)
			}
		}
		for _, p := range r.Narrower {
			matches := func(in *policy.Policy, names func(string) bool, argv []filters.Untrusted) bool {
				return slices.ContainsFunc(in.Filters, func(e policy.Entry) bool { return names(e.Name) && e.Match(argv, fakeMachine{}).Matched })
			}
			old := func(name string) bool { return name == p.Filter.Raw() }
			now := func(name string) bool {
				return slices.ContainsFunc(p.New, func(l filters.Untrusted) bool { return strings.HasPrefix(l.Raw(), name+":") })
			}
			if !matches(before, old, p.Gone) || matches(after, now, p.Gone) {
				t.Errorf("%q is said to be allowed no longer by\n%s", p.Gone, p.New)
			}
			for _, argv := range all {
				for i := 1; i < len(argv); i++ {
					for _, bad := range []filters.Untrusted{"--evil", "/var/a/../../etc/shadow", "..", "x/../../y"} {
						other := slices.Clone(argv)
						other[i] = bad
						if matches(after, now, other) && strings.HasPrefix(p.New[0].Raw(), p.Filter.Raw()+": RegExp") && p.Class == "CommandFilter" {
							t.Fatalf("%q was not seen, and is allowed by\n%s", other, p.New)
						}
					}
				}
			}
		}
	}
	if proposed < 100 {
		t.Errorf("only %d proposals", proposed)
	}
}

// TestHostile: records that are made to take long, or much memory, are given up.
func TestHostile(t *testing.T) {
	name := func(i int) string {
		return strings.Map(func(r rune) rune { return r - '0' + 'g' }, fmt.Sprintf("%06d", i))
	}
	for what, c := range map[string]struct {
		commands []string
		want     string
	}{
		"names":     {many(15_000, "f x %s", func(i int) []any { return []any{name(i)} }), ""},
		"two names": {many(15_000, "f %s %s", func(i int) []any { return []any{name(i), name(i * 7)} }), ""},
		"forms":     {many(25_000, "f x %s", func(i int) []any { return []any{name(i)} }), "not assessed"},
		"words":     {many(3, "f %s", func(i int) []any { return []any{strings.Repeat("x ", 1000)} }), "not assessed"},
		"wide":      {many(2000, "f %s -%s", func(i int) []any { return []any{strings.Repeat("x ", 55), name(i)} }), "not assessed"},
		"one word":  {many(50, "f %s", func(i int) []any { return []any{strings.Repeat("0-a:1.2", 700) + name(i)} }), ""},
	} {
		start := time.Now()
		r := reported(t, "f: CommandFilter, f, root", c.commands...)
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s: it took %v", what, took)
		}
		if why := append(r.Kept, Kept{})[0].Why; !strings.HasPrefix(why, c.want) || (len(r.Narrower) == 1) != (c.want == "") {
			t.Errorf("%s: %d proposals, %q", what, len(r.Narrower), why)
		}
	}
}

func TestRefused(t *testing.T) {
	r := reported(t, "f: RegExpFilter, f, root, f, -[abc]\ng: CommandFilter, g, root", "f -a",
		"!f 1", "!f 2", "!f 3", "!mkfs /dev/sda", "!mkfs /dev/sdb", "!f", "!g x")
	var got []string
	for _, g := range r.Refused {
		got = append(got, fmt.Sprintf("%d %s", g.Count, g.Change))
	}
	want := []string{
		"4 a filter for f that takes other words", // near misses need the file
		"2 a filter for mkfs, which has none",
		"1 nothing: it is allowed today, by g (CommandFilter), /d/a.filters:3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestNever: what was never used is only said where all of it is known.
func TestNever(t *testing.T) {
	if r := reported(t, "f: CommandFilter, f, root\ng: CommandFilter, g, root", "f a"); len(r.Never) != 1 || r.Never[0].Filter != "g" || r.Warnings != nil {
		t.Errorf("%+v", r)
	}
	if r := reported(t, "f: CommandFilter, f, root", "!mkfs"); r.Never != nil || len(r.Warnings) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestModes: modes and owners that were seen, and no others.
func TestModes(t *testing.T) {
	for _, c := range []struct{ program, format, want string }{
		{"chmod", "chmod %s /srv/x", `(?:0640|0660|755|u\+x)`},
		{"chmod", "chmod -R %s /srv/x", `(?:0640|0660|755|u\+x)`},
		{"install", "install -m %s a b", `(?:0640|0660|755|u\+x)`},
		{"install", "install --mode=%s a b", `(?:--mode=0640|--mode=0660|--mode=755|--mode=u\+x)`},
		{"mkdir", "mkdir -p -m %s /srv/x", `(?:0640|0660|755|u\+x)`},
		{"chown", "chown %s /srv/x", `(?:0640|0660|755|u\+x)`},
		{"env", "env chmod %s /srv/x", `(?:0640|0660|755|u\+x)`},
	} {
		var commands []string
		for _, mode := range []string{"0640", "0660", "755", "u+x"} {
			commands = append(commands, fmt.Sprintf(c.format, mode))
		}
		p := reported(t, "x: CommandFilter, "+c.program+", root", commands...)
		text := fmt.Sprint(p)
		if strings.Contains(text, "[0-9]+") || !strings.Contains(text, c.want) {
			t.Errorf("%s: %s", c.format, text)
		}
	}
}
