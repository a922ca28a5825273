package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
)

// What nobody filled in denies, and no verdict is a few bits from another.
func TestZeroDenies(t *testing.T) {
	var v Verdict
	if v != Denied || v == Allowed || v == NotExecutable {
		t.Errorf("the zero Verdict is %#x", v)
	}
	var d Decision
	if d.Verdict != Denied || d.Argv != nil || d.Filter != nil || d.Signal != nil {
		t.Errorf("the zero Decision is %+v", d)
	}
	for _, pair := range [][2]Verdict{{Denied, Allowed}, {Denied, NotExecutable}, {Allowed, NotExecutable}, {Denied, TooLong}, {Allowed, TooLong}, {NotExecutable, TooLong}} {
		bits := 0
		for x := pair[0] ^ pair[1]; x != 0; x &= x - 1 {
			bits++
		}
		if bits < 16 {
			t.Errorf("%#x and %#x differ in %d bits", pair[0], pair[1], bits)
		}
	}
	for _, p := range []*Policy{{}, newPolicy(t, "id: CommandFilter, id, root")} {
		for _, argv := range [][]filters.Untrusted{nil, {}, {""}, {"x"}} {
			if d := p.Decide(Request{Argv: argv, Machine: newMachine()}); d.Verdict != Denied || d.Filter != nil || d.Argv != nil {
				t.Errorf("%q: %+v", argv, d)
			}
		}
	}
}

// outcome writes a decision on one line.
func outcome(d Decision) string {
	switch d.Verdict {
	case Allowed:
		s := d.Filter.Name
		if d.Leaf != nil {
			s += " > " + d.Leaf.Name
		}
		s += ": "
		for _, v := range d.Env {
			if !slices.Contains(privsepEnv, v) {
				s += v.Name.Raw() + "=" + v.Value.Raw() + " "
			}
		}
		s += filters.Line(d.Argv) + " as " + d.RunAs
		if d.Signal != nil {
			s += fmt.Sprintf(", signal %d to %d", d.Signal.Number, d.Signal.Process.PID)
		}
		return s
	case NotExecutable:
		return "not executable: " + d.Filter.Name + ": " + d.Why
	case Denied:
		if d.Why != "" {
			return "denied: " + d.Why
		}
		return "denied"
	}
	return fmt.Sprintf("verdict %#x", d.Verdict)
}

func TestDecide(t *testing.T) {
	const policy = `
ls_c: EnvFilter, env, root, LC_ALL=C, ls
ls_nobody: RegExpFilter, ls, nobody, ls, -l
ls: CommandFilter, ls, root
ls_late: CommandFilter, ls, nova
here: CommandFilter, /opt/here/tool, root
gone: CommandFilter, gone, root
gone_abs: CommandFilter, /opt/gone, nobody
gone_too: CommandFilter, gone, nobody
first_gone: RegExpFilter, /opt/lost, root, pick, .
then_there: RegExpFilter, there, nobody, pick, [ab]
cat: PathFilter, cat, root, /images
kill: KillFilter, root, /bin/daemon, -9
nice: ChainingRegExpFilter, nice, root, nice, -n, -?\d+
nice_nobody: ChainingRegExpFilter, nice, nobody, run
chain_gone: ChainingRegExpFilter, lost, root, lost
ip: IpFilter, ip, root
ip_exec: IpNetnsExecFilter, ip, root
`
	p := newPolicy(t, policy)
	p.Filters = append(p.Filters, Entry{Filter: filters.Privsep(func() []string { return []string{"a.b"} }, "/etc/x"), Name: "privsep-helper"})
	absent := []string{"gone", "/opt/gone", "/opt/lost", "lost"}
	for _, c := range []struct{ line, want string }{
		// The first that matches decides.
		{"ls -l", "ls_nobody: /bin/ls -l as nobody"},
		{"ls -l x", "ls: /bin/ls -l x as root"},
		{"ls", "ls: /bin/ls as root"},
		{"env LC_ALL=C ls -l", "ls_c: LC_ALL=C /bin/ls -l as root"},
		{"LC_ALL=C ls", "ls_c: LC_ALL=C /bin/ls as root"},
		{"env ls", "denied"}, // the peer's EnvFilter takes env away for those that follow
		{"env env LC_ALL=C ls", "denied"},
		{"tool x", "here: /opt/here/tool x as root"},
		{"/opt/here/tool", "here: /opt/here/tool as root"},
		{"/opt/./here/tool", "denied"},
		{"/bin/ls", "denied"},
		{"LS", "denied"},
		{"", "denied"},

		// Its program has to be there; if none has it, the first that matched is named.
		{"gone", "not executable: gone: not found in exec_dirs"},
		{"/opt/gone", "not executable: gone_abs: not found in exec_dirs"},
		{"pick a", "then_there: /bin/there a as nobody"},
		{"pick c", "not executable: first_gone: not found in exec_dirs"},

		// Words are rewritten by the filter.
		{"cat /images/a/../b", "cat: /bin/cat /images/b as root"},
		{"cat /images/../etc/shadow", "denied"},
		{"kill -9 100", "kill: kill -9 100 as root, signal 9 to 100"},
		{"kill -9 101", "denied"},

		// A nested command has a filter of its own.
		{"nice -n 5 ls -l x", "nice > ls: /bin/nice -n 5 /bin/ls -l x as root"},
		{"nice -n 5 ls -l", "nice > ls: /bin/nice -n 5 /bin/ls -l as root"}, // not ls_nobody's: another run-as
		{"run ls -l", "nice_nobody > ls_nobody: /bin/nice /bin/ls -l as nobody"},
		{"run ls", "denied"},
		{"nice -n 5 tool x", "nice > here: /bin/nice -n 5 /opt/here/tool x as root"},
		{"nice -n 5 rm", "denied"},
		{"nice -n 5 ", "denied"},
		{"nice -n 5", "denied"},
		{"nice -n x ls", "denied"},
		{"nice -n 5 gone", "denied: filter gone matches the nested command, but its program gone cannot be executed: not found in exec_dirs"}, // as the peer: not 96
		{"nice -n 5 /tmp/gone", "denied"},
		{"lost ls", "not executable: chain_gone: not found in exec_dirs"},
		{"lost rm", "denied"},

		// It does not chain again, by whatever path.
		{"nice -n 5 nice -n 5 ls", "denied"},
		{"nice -n 5 ip netns exec ns ls", "denied"},
		{"ip netns exec ns ip netns exec ns ls", "denied"},
		{"nice -n 5 ip link", "nice > ip: /bin/nice -n 5 /bin/ip link as root"},

		// What is executed is the program of its filter, however it was typed.
		{"nice -n 5 /bin/ls x", "nice > ls: /bin/nice -n 5 /bin/ls x as root"},
		{"nice -n 5 /opt/here/tool", "nice > here: /bin/nice -n 5 /opt/here/tool as root"},
		{"nice -n 5 /home/x/evil/ls", "denied"},
		{"nice -n 5 ./ls", "denied"},
		{"nice -n 5 evil/ls", "denied"},
		{"nice -n 5 /usr/bin/ls", "denied"},
		{"nice -n 5 /bin/../bin/ls", "denied"},
		{"nice -n 5 //bin/ls", "denied"},
		{"nice -n 5 /opt/tool", "denied"},
		{"nice -n 5 ls/", "denied"},
		{"nice -n 5 /", "denied"},
		{"nice -n 5 /bin/LS", "denied"},

		// The nested filter's whole work applies: variables, paths, signals.
		{"nice -n 5 env LC_ALL=C ls x", "nice > ls_c: LC_ALL=C /bin/nice -n 5 /bin/ls x as root"},
		{"nice -n 5 LC_ALL=C ls", "nice > ls_c: LC_ALL=C /bin/nice -n 5 /bin/ls as root"},
		{"nice -n 5 env LC_ALL=de ls", "denied"},
		{"nice -n 5 /usr/bin/env LC_ALL=C ls", "denied"},
		{"nice -n 5 env LC_ALL=C /tmp/ls", "denied"},
		{"nice -n 5 env ls", "denied"},
		{"ip netns exec ns cat /images/a/../b", "ip_exec > cat: /bin/ip netns exec ns /bin/cat /images/b as root"},
		{"ip netns exec ns cat /images/../x", "denied"},
		{"ip netns exec ns kill -9 100", "ip_exec > kill: ip netns exec ns kill -9 100 as root, signal 9 to 100"},
		{"ip netns exec ns kill -9 101", "denied"},
		{"ip netns exec ns /bin/kill -9 100", "ip_exec > kill: ip netns exec ns /bin/kill -9 100 as root, signal 9 to 100"},
		{"ip netns exec ns /tmp/kill -9 100", "denied"},
		{"ip netns exec ../x ls", "denied"},

		{"privsep-helper --privsep_context a.b --privsep_sock_path /x", "privsep-helper: /bin/privsep-helper --privsep_context a.b --privsep_sock_path /x as root"},
		{"privsep-helper --privsep_context a.c --privsep_sock_path /x", "denied"},
		{"ip netns exec ns privsep-helper --privsep_context a.b --privsep_sock_path /x", "ip_exec > privsep-helper: /bin/ip netns exec ns /bin/privsep-helper --privsep_context a.b --privsep_sock_path /x as root"},
	} {
		argv := words(c.line)
		d := p.Decide(Request{Argv: argv, Machine: newMachine(absent...)})
		if got := outcome(d); got != c.want {
			t.Errorf("%q:\n  %s, not\n  %s", c.line, got, c.want)
		}
		if !slices.Equal(argv, words(c.line)) {
			t.Errorf("%q: deciding changed the words to %q", c.line, argv)
		}
		sound(t, p, argv, d)

		// Being asked why changes nothing.
		traced := p.Decide(Request{Argv: argv, Machine: newMachine(absent...), Trace: true})
		steps := traced.Steps
		if traced.Steps = nil; !reflect.DeepEqual(traced, d) {
			t.Errorf("%q: traced it is %+v, not %+v", c.line, traced, d)
		}
		for i, s := range steps {
			if s.Entry != &p.Filters[i] || s.Matched != (d.Verdict == Allowed && i == len(steps)-1) || !s.Matched && s.Why == "" {
				t.Errorf("%q: step %d is %+v", c.line, i, s)
			}
			// Behind a prefix each filter is asked again, up to the one that matches.
			if m := s.Entry.Match(argv, newMachine(absent...)); (m.Nested > 0) != (s.Nested != nil) {
				t.Errorf("%q: step %d has %d nested steps", c.line, i, len(s.Nested))
			}
			for j, n := range s.Nested {
				last := j == len(s.Nested)-1
				if n.Entry != &p.Filters[j] || n.Matched && !last || !n.Matched && n.Why == "" || n.Nested != nil || last && !n.Matched && j != len(p.Filters)-1 {
					t.Errorf("%q: nested step %d is %+v", c.line, j, n)
				}
				if s.Matched && last && n.Entry != d.Leaf {
					t.Errorf("%q: the nested command matched %s, and the last step is %s", c.line, d.Leaf.Name, n.Entry.Name)
				}
			}
		}
		if last := len(steps) - 1; d.Verdict == Allowed && steps[last].Entry != d.Filter || d.Verdict != Allowed && len(steps) != len(p.Filters) {
			t.Errorf("%q: %d steps", c.line, len(steps))
		}
	}
}

// sound checks what must be true of any decision.
func sound(t testing.TB, p *Policy, argv []filters.Untrusted, d Decision) {
	t.Helper()
	if d.Policy != p {
		t.Errorf("%q: the decision is another policy's", argv)
	}
	if d.Verdict != Allowed {
		if d.Argv != nil || d.Env != nil || d.Programs != nil || d.Signal != nil || d.RunAs != "" || d.Leaf != nil || (d.Verdict == NotExecutable) != (d.Filter != nil) || d.Verdict == NotExecutable && d.Why == "" {
			t.Errorf("%q: a denial carries something to run: %+v", argv, d)
		}
		return
	}
	if d.Filter == nil || d.RunAs != d.Filter.RunAs() || len(d.Argv) == 0 {
		t.Fatalf("%q: allowed: %+v", argv, d)
	}
	last := d.Filter
	if d.Leaf != nil {
		last = d.Leaf
	}
	if filters.Chaining(d.Filter.Filter) != (d.Leaf != nil) || filters.Chaining(last.Filter) || last.RunAs() != d.RunAs {
		t.Errorf("%q: %s chains to %+v", argv, d.Filter.Name, d.Leaf)
	}
	if d.Signal != nil {
		if !slices.Equal(d.Argv, argv) || last.Exec() != "/bin/kill" {
			t.Errorf("%q: a signal: %+v", argv, d)
		}
		return
	}
	// Nothing runs but the programs of the filters.
	if program, err := newMachine().Find(d.Filter.Exec(), d.RunAs); err != nil || d.Argv[0].Raw() != program.Path {
		t.Errorf("%q: runs %s, which is not the %v of filter %s", argv, d.Argv[0], program, d.Filter.Name)
	}
	if d.Leaf != nil {
		m := d.Filter.Match(argv, newMachine())
		if program, err := newMachine().Find(d.Leaf.Exec(), d.RunAs); err != nil || d.Argv[m.Nested].Raw() != program.Path {
			t.Errorf("%q: runs %s, which is not the %v of filter %s", argv, d.Argv[m.Nested], program, d.Leaf.Name)
		}
		if !slices.Equal(d.Argv[1:m.Nested], argv[1:m.Nested]) {
			t.Errorf("%q: the prefix became %q", argv, d.Argv[:m.Nested])
		}
	}
	// privsep-helper reads configuration that is not root's: it never runs
	// without what keeps that from naming log files.
	if strings.HasSuffix(last.Exec(), "privsep-helper") {
		for _, v := range privsepEnv {
			if !slices.Contains(d.Env, v) {
				t.Errorf("%q: variable %s is not set for privsep-helper", argv, v.Name)
			}
		}
	}
}

// A filter is asked for its program only when it matched, and later ones not at
// all once a command is allowed.
func TestDecideStops(t *testing.T) {
	p := newPolicy(t, "a: CommandFilter, a, root\nb: RegExpFilter, b, root, b, (\nb_too: CommandFilter, b, root\nb_late: CommandFilter, b, nobody")
	m := newMachine()
	d := p.Decide(Request{Argv: words("b x"), Machine: m, Trace: true})
	if outcome(d) != "b_too: /bin/b x as root" || !slices.Equal(m.found, []string{"b"}) || len(d.Steps) != 3 {
		t.Errorf("%s, looked for %q, %d steps", outcome(d), m.found, len(d.Steps))
	}
	if why := d.Steps[1].Why; !strings.Contains(why, "2 words, not 2") && !strings.Contains(why, "cannot be used") {
		t.Errorf("step 1 says %q", why)
	}
}

// The reasons of a trace are one line each, whatever was asked.
func TestDecideTracePrints(t *testing.T) {
	p := newPolicy(t, "a: CommandFilter, a, root\ncat: PathFilter, cat, root, /x\nnice: ChainingRegExpFilter, nice, root, nice\nkill: KillFilter, root, x, -9\nip: IpFilter, ip, root\nns: IpNetnsExecFilter, ip, root")
	for _, line := range []string{"a\n\x1b[2J", "cat \n\u202e", "nice \n\xff", "nice nice\nx \x1b", "kill -9\n 1", "kill -9 \n1", "ip -\n", "ip netns exec \n/ a", "ip netns exec n \u2028"} {
		d := p.Decide(Request{Argv: words(line), Machine: newMachine(), Trace: true})
		var steps []Step
		for _, s := range d.Steps {
			steps = append(append(steps, s), s.Nested...)
		}
		for _, s := range steps {
			if strings.ContainsFunc(s.Why, func(r rune) bool { return r < ' ' || r == '\u202e' || r == '\u2028' || r == '\ufffd' }) {
				t.Errorf("%q: filter %s says %q", line, s.Entry.Name, s.Why)
			}
		}
	}
}

// squashed is a machine on whose /nfs root is a stranger.
type squashed struct{ *fakeMachine }

func (m squashed) Base(dir, runAs string) (string, error) {
	base, err := m.Resolve(filters.Untrusted(dir), "", runAs)
	return base.Raw(), err
}

func (m squashed) Resolve(p filters.Untrusted, base, runAs string) (filters.Untrusted, error) {
	if runAs == "root" && strings.HasPrefix(p.Raw(), "/nfs") {
		return "", fmt.Errorf("cannot resolve %s: %w", p, filters.ErrRootSquash)
	}
	return m.fakeMachine.Resolve(p, base, runAs)
}

// A refusal that a server brought about says so without being asked, unless
// another filter allows the command after all.
func TestDecideHint(t *testing.T) {
	p := newPolicy(t, "cat: PathFilter, cat, root, /nfs\ncat_nova: PathFilter, cat, nova, /nfs/nova\nrm: PathFilter, rm, root, /nfs\nrm_gone: PathFilter, rm, gone, /nfs")
	for _, trace := range []bool{false, true} {
		for line, want := range map[string]struct {
			verdict Verdict
			why     string
		}{
			"cat /nfs/nova/x": {Allowed, ""},
			"cat /nfs/x":      {Denied, "cannot resolve /nfs: " + filters.ErrRootSquash.Error()},
			"cat x":           {Denied, ""},
			"ls /nfs":         {Denied, ""},
			"rm /nfs/x":       {NotExecutable, "not found in exec_dirs"},
		} {
			d := p.Decide(Request{Argv: words(line), Machine: squashed{newMachine("rm")}, Trace: trace})
			if d.Verdict != want.verdict || d.Why != want.why {
				t.Errorf("%s: verdict %#x, %q", line, d.Verdict, d.Why)
			}
		}
	}
}
