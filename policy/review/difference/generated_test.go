package difference

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/program"
	"ironwrap/policy/review/exposure"
)

// newSide is a policy of definitions "name: definition", one a line. Behind a definition
// may stand " | " and keys of its sandbox. Programs lie in the first directory, but for
// those that gone names.
func newSide(t testing.TB, lines string, gone ...string) *Side {
	t.Helper()
	p := &policy.Policy{Path: "/etc/x/rootwrap.conf"}
	for i, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		name, definition, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		definition, keys, _ := strings.Cut(definition, " | ")
		f, err := filters.New(definition)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		class, _, _ := strings.Cut(definition, ",")
		p.Filters = append(p.Filters, policy.Entry{Filter: f, Name: name, Class: class, File: "/etc/x/f.filters", Line: i + 1, Sandbox: sandboxOf(t, keys)})
	}
	return New(p, []string{"/sbin", "/bin"}, func(name, _ string) (program.Program, error) {
		switch {
		case slices.Contains(gone, name):
			return program.Program{}, program.ErrNotFound
		case strings.HasPrefix(name, "/"):
			return program.Program{Path: name}, nil
		}
		return program.Program{Path: "/sbin/" + name}, nil
	})
}

func sandboxOf(t testing.TB, keys string) *policy.Sandbox {
	if keys == "" {
		return nil
	}
	s := &policy.Sandbox{}
	for _, k := range strings.Fields(keys) {
		switch k {
		case "no_new_privs":
			s.NoNewPrivs = true
		case "private_tmp":
			s.PrivateTmp = true
		case "no_caps":
			s.Capabilities = []string{}
		case "admin":
			s.Capabilities = []string{"cap_net_admin"}
		case "none":
			s.Seccomp = "none"
		default:
			t.Fatalf("no key %s", k)
		}
	}
	return s
}

func compare(old, new *Side) Report { return Compare(old, new, exposure.Machine{}) }

// vocabulary are definitions of which policies are made, on few programs and words.
var vocabulary = []string{
	"CommandFilter, p, root",
	"CommandFilter, /bin/p, root",
	"CommandFilter, q, USER",
	"RegExpFilter, p, USER, p, [ab]*",
	"RegExpFilter, p, root, p, a, b?",
	"RegExpFilter, p, root, p, (?!a).*",
	"RegExpFilter, /bin/p, USER, (p|q), a|b, .*",
	"RegExpFilter, q, root, q, ab?",
	"RegExpFilter, q, root, [pq], [^/]+",
	"RegExpFilter, p, root, p, (",
	"PathFilter, p, USER, /a",
	"PathFilter, p, root, a, /a/",
	"PathFilter, q, root, pass, a",
	"EnvFilter, env, root, A=, p",
	"EnvFilter, env, root, A=a, p, [ab]",
	"EnvFilter, env, USER, A=a, B=, q",
	"CommandFilter, env, root",
	"ChainingRegExpFilter, n, USER, n, a*",
	"ChainingRegExpFilter, n, root, n",
	"ChainingRegExpFilter, /bin/n, root, (n|p), [ab]",
	"KillFilter, root, p, -9",
	"KillFilter, USER, /bin/p, -9, -HUP",
	"KillFilter, root, /sbin/q",
	"CommandFilter, kill, root",
	"ReadFileFilter, /a/b",
	"RegExpFilter, cat, USER, cat, /a/.*",
	"IpFilter, ip, root",
	"RegExpFilter, ip, root, ip, a|link|netns, .*",
	"IpNetnsExecFilter, ip, root",
	"CommandFilter, ip, USER",
}

var sections = []string{"", "", "", " | no_new_privs", " | no_caps", " | no_caps no_new_privs", " | none"}

// generate makes a policy, and another one that is that one with a few changes.
func generate(r *rand.Rand) (old, new string) {
	line := func() string {
		return strings.ReplaceAll(vocabulary[r.IntN(len(vocabulary))], "USER", []string{"root", "nobody"}[r.IntN(2)]) + sections[r.IntN(len(sections))]
	}
	var lines []string
	for range 1 + r.IntN(6) {
		lines = append(lines, line())
	}
	changed := slices.Clone(lines)
	for range 1 + r.IntN(2) {
		at := r.IntN(len(changed) + 1)
		switch r.IntN(4) {
		case 0:
			changed = slices.Insert(changed, at, line())
		case 1:
			if len(changed) > 1 && at < len(changed) {
				changed = slices.Delete(changed, at, at+1)
			}
		case 2:
			if at+1 < len(changed) {
				changed[at], changed[at+1] = changed[at+1], changed[at]
			}
		case 3:
			if at < len(changed) {
				changed[at] = line()
			}
		}
	}
	return numbered(lines), numbered(changed)
}

func numbered(lines []string) string {
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, "f%d: %s\n", i, l)
	}
	return b.String()
}

// lines are all lines of few words out of a few, which the definitions are about.
var lines = func() (list [][]string) {
	firsts := []string{"p", "q", "/bin/p", "/sbin/q", "n", "/bin/n", "env", "A=a", "A=b", "kill", "cat", "ip"}
	rest := []string{"", "a", "b", "ab", "aa", "/", "/a", "/a/b", "/ab", "p", "q", "/bin/p", "/sbin/p", "env", "A=a", "A=b", "B=", "-9", "-HUP", "1001", "1002", "1003", "link", "netns", "kill", "cat"}
	for _, first := range firsts {
		list = append(list, []string{first})
		for _, a := range rest {
			list = append(list, []string{first, a})
			for _, b := range rest {
				list = append(list, []string{first, a, b})
			}
		}
	}
	for _, head := range [][]string{{"n", "a"}, {"n"}, {"n", ""}, {"n", "b"}, {"p", "a"}, {"ip", "netns", "exec", "a"}, {"env", "A=a", "B="}, {"env"}} {
		for _, a := range rest {
			for _, b := range rest {
				list = append(list, append(slices.Clone(head), a, b), append(slices.Clone(head), "p", a, b), append(slices.Clone(head), "env", a, b), append(slices.Clone(head), "kill", a, b))
			}
		}
	}
	return list
}()

// pair names the filters that decide about a line, and how long it is.
func pair(d [2]policy.Decision) string {
	text := ""
	for _, d := range d {
		if d.Verdict != policy.Allowed {
			text += "refused "
			continue
		}
		text += fmt.Sprintf("%p %p ", d.Filter, d.Leaf)
	}
	return text
}

func decide(w [2]*world, line []string) (d [2]policy.Decision) {
	for i := range w {
		d[i] = w[i].side.Policy.Decide(policy.Request{Argv: filters.Words(line), Machine: w[i]})
	}
	return d
}

// differ tells whether two decisions are different, in words of this test.
func differ(d [2]policy.Decision) bool {
	say := func(d policy.Decision) string {
		if d.Verdict != policy.Allowed {
			return "refused"
		}
		sandbox := func(e *policy.Entry) string {
			if e == nil || e.Sandbox == nil {
				return ""
			}
			text := fmt.Sprint(e.Sandbox.NoNewPrivs, e.Sandbox.PrivateTmp)
			if e.Sandbox.Capabilities != nil {
				text += fmt.Sprintf("%q", e.Sandbox.Capabilities)
			}
			return strings.TrimPrefix(text, "false false")
		}
		boxes := []string{sandbox(d.Filter), sandbox(d.Leaf)}
		slices.Sort(boxes)
		return fmt.Sprintf("%s %q %q %v %v %q", d.RunAs, d.Argv, d.Env, d.Signal != nil, d.Paths, boxes)
	}
	return say(d[0]) != say(d[1])
}

func size(words []string) (n int) {
	for _, w := range words {
		n += len(w) + 1
	}
	return n
}

// TestGenerated: what brute force finds on a few words is reported with the filters that
// it is due to and, of filters that are known exactly, no longer command; what is
// reported is so; and where nothing is said to be open there is nothing else.
func TestGenerated(t *testing.T) {
	pairs := 300
	if testing.Short() {
		pairs = 60
	}
	var verdicts sync.Map
	t.Run("pairs", func(t *testing.T) {
		for seed := range pairs {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				verdicts.Store(seed, bruteForce(t, seed))
			})
		}
	})
	count := map[string]int{}
	verdicts.Range(func(_, verdict any) bool { count[verdict.(string)]++; return true })
	t.Logf("%v", count)
	if count[Same] < pairs/20 || count[Different] < pairs/4 {
		t.Errorf("%v: the pairs show little", count)
	}
}

// bruteForce compares the policies that seed makes, and holds the report against each of
// lines.
func bruteForce(t *testing.T, seed int) (verdict string) {
	r := rand.New(rand.NewPCG(13, uint64(seed)))
	before, after := generate(r)
	old, new := newSide(t, before), newSide(t, after)
	report := compare(old, new)
	w := worlds(old, new)
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("seed %d: %s\nOLD\n%sNEW\n%sreport: %+v", seed, fmt.Sprintf(format, args...), before, after, report)
	}
	reported := map[string]int{}
	for _, d := range report.Differences {
		for _, item := range all(d.Items) {
			line := raw(item.Witness)
			decided := decide(w, line)
			if !differ(decided) {
				fail("%q is decided alike", line)
			}
			if (decided[0].Verdict == policy.Allowed) != (item.Old != nil) || (decided[1].Verdict == policy.Allowed) != (item.New != nil) {
				fail("%q is decided otherwise than said", line)
			}
			reported[pair(decided)] = size(line)
		}
	}
	for _, line := range lines {
		decided := decide(w, line)
		if !differ(decided) {
			continue
		}
		shortest, ok := reported[pair(decided)]
		switch {
		case !ok && report.Exact:
			fail("%q is decided otherwise, and that is not reported", line)
		case ok && report.Exact && shortest > size(line) && !strings.Contains(before+after, "PathFilter") && !strings.Contains(before+after, "IpFilter"):
			fail("%q is shorter than the witness", line)
		case !ok && len(report.Open) == 0:
			fail("%q: neither reported nor open", line)
		default:
			continue
		}
		break
	}
	return report.Verdict
}

// all are items with those in them.
func all(items []Item) (list []Item) {
	for _, i := range items {
		list = append(append(list, i), i.Also...)
	}
	return list
}

func raw(words []filters.Untrusted) (list []string) {
	for _, w := range words {
		list = append(list, w.Raw())
	}
	return list
}
