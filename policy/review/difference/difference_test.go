package difference

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/program"
	"ironwrap/policy/review/language"
)

// what is that of the first difference, in a few words.
func what(r Report) string {
	if len(r.Differences) == 0 {
		return r.Verdict
	}
	d := r.Differences[0]
	return fmt.Sprintf("%s, %s: %s", d.Direction, d.Title, filters.Line(d.Items[0].Witness))
}

// TestPlanted: one change, and the difference that comes of it.
func TestPlanted(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"one character of a pattern", "a: RegExpFilter, rm, root, rm, /srv/[a-z]+", "a: RegExpFilter, rm, root, rm, /srv/[a-z]*", "wider, allowed by NEW only: rm /srv/"},
		{"an escape is gone", `a: RegExpFilter, rm, root, rm, /srv/x\.img`, `a: RegExpFilter, rm, root, rm, /srv/x.img`, "wider, allowed by NEW only: rm /srv/xximg"},
		{"an anchor more", "a: RegExpFilter, ls, root, ls, .*", "a: RegExpFilter, ls, root, ls, .+", "narrower, allowed by OLD only: ls \"\""},
		{"a quantifier", "a: RegExpFilter, ls, root, ls, x?x", "a: RegExpFilter, ls, root, ls, x?x?x", "wider, allowed by NEW only: ls xxx"},
		{"look-ahead dropped", `a: RegExpFilter, cat, root, cat, /a/(?!\.\.).*`, "a: RegExpFilter, cat, root, cat, /a/.*", "wider, allowed by NEW only: cat /a/.."},
		{"order", "a: CommandFilter, ls, root\nb: RegExpFilter, ls, nobody, ls, /x", "b: RegExpFilter, ls, nobody, ls, /x\na: CommandFilter, ls, root", "narrower, allowed by both, and run otherwise: ls /x"},
		{"class", "a: PathFilter, cat, root, /srv", "a: CommandFilter, cat, root", "wider, allowed by NEW only: cat"},
		{"class, and resolved no more", "a: PathFilter, cat, root, /srv/", "a: RegExpFilter, cat, root, cat, /srv/.+", "wider, allowed by NEW only: cat /srv//"},
		{"user", "a: CommandFilter, id, nobody", "a: CommandFilter, id, root", "wider, allowed by both, and run otherwise: id"},
		{"sandbox key", "a: CommandFilter, id, root | no_new_privs no_caps", "a: CommandFilter, id, root | no_new_privs", "wider, allowed by both, and run otherwise: id"},
		{"sandbox list", "a: CommandFilter, id, root | admin", "a: CommandFilter, id, root | no_caps", "narrower, allowed by both, and run otherwise: id"},
		{"sandbox of a leaf", "n: ChainingRegExpFilter, nice, root, nice\na: RegExpFilter, id, root, id, -u | private_tmp", "n: ChainingRegExpFilter, nice, root, nice\na: RegExpFilter, id, root, id, -u", "wider, allowed by both, and run otherwise: id -u"},
		{"program", "a: CommandFilter, /bin/id, root", "a: CommandFilter, /usr/bin/id, root", "wider, allowed by NEW only: /usr/bin/id"},
		{"filter gone", "a: CommandFilter, id, root\nb: KillFilter, root, /bin/x, -9", "a: CommandFilter, id, root", "narrower, allowed by OLD only: kill -9 1001"},
		{"signal", "b: KillFilter, root, /bin/x, -9", "b: KillFilter, root, /bin/x, -9, -HUP", "wider, allowed by NEW only: kill -HUP 1001"},
		{"target", "b: KillFilter, root, /bin/x, -9", "b: KillFilter, root, /bin/y, -9", "wider, allowed by NEW only: kill -9 1002"},
		{"variable", "a: EnvFilter, env, root, A=x, id", "a: EnvFilter, env, root, A=, id", "wider, allowed by NEW only: \"A=\" id"},
		{"chain", "a: CommandFilter, id, root", "a: CommandFilter, id, root\nn: IpNetnsExecFilter, ip, root", "wider, allowed by NEW only: ip net e x id"},
		{"class of ip", "a: IpFilter, ip, root", "a: CommandFilter, ip, root", "wider, allowed by NEW only: ip net e"},
		{"file", "a: ReadFileFilter, /etc/a", "a: ReadFileFilter, /etc/b", "wider, allowed by NEW only: cat /etc/b"},
		{"below a directory", "a: PathFilter, cat, root, /srv/a", "a: PathFilter, cat, root, /srv", "wider, allowed by NEW only: cat /srv"},
		{"unusable pattern", "a: RegExpFilter, ls, root, ls, (", "a: RegExpFilter, ls, root, ls, x", "wider, allowed by NEW only: ls x"},
		{"an alternative first word", "a: RegExpFilter, ls, root, ls, x", "a: RegExpFilter, ls, root, (ls|dir), x", "wider, allowed by NEW only: dir x"},

		{"renamed", "a: CommandFilter, id, root", "b: CommandFilter, id, root", Same},
		{"other order, no common line", "a: CommandFilter, id, root\nb: CommandFilter, ls, nobody", "b: CommandFilter, ls, nobody\na: CommandFilter, id, root", Same},
		{"other order, same end", "a: RegExpFilter, ls, root, ls, [a-m]+\nb: RegExpFilter, ls, root, ls, [a-z]+", "b: RegExpFilter, ls, root, ls, [a-z]+\na: RegExpFilter, ls, root, ls, [a-m]+", Same},
		{"written otherwise", "a: RegExpFilter, ls, root, ls, (a|b)*", "a: RegExpFilter, ls, root, ls, (a*b*)*", Same},
		{"split", "a: RegExpFilter, ls, root, ls, a|b", "a: RegExpFilter, ls, root, ls, a\nb: RegExpFilter, ls, root, ls, b", Same},
		{"never reached", "a: CommandFilter, ls, root\nb: RegExpFilter, ls, root, ls, x", "a: CommandFilter, ls, root", Same},
		{"an empty section", "a: CommandFilter, ls, root | none", "a: CommandFilter, ls, root", Same},
		{"a section of the prefix instead of the command", "n: ChainingRegExpFilter, nice, root, nice | private_tmp\na: RegExpFilter, id, root, id, -u", "n: ChainingRegExpFilter, nice, root, nice\na: RegExpFilter, id, root, id, -u | private_tmp", "narrower, allowed by both, and run otherwise: id -u"},
		{"twice", "a: CommandFilter, ls, root\nb: CommandFilter, ls, root", "a: CommandFilter, ls, root", Same},
		{"filters that are not known exactly, unchanged", "a: IpFilter, ip, root\nb: PathFilter, cat, root, /srv\nc: IpNetnsExecFilter, ip, root\nd: CommandFilter, id, root", "d: CommandFilter, id, root\na: IpFilter, ip, root\nb: PathFilter, cat, root, /srv\nc: IpNetnsExecFilter, ip, root", Same},
		{"unusable, and another one", "a: RegExpFilter, ls, root, ls, (", "a: RegExpFilter, ls, root, ls, [", Same},
		{"a directory written otherwise", "a: PathFilter, cat, root, /srv/./", "a: PathFilter, cat, root, /srv/", Same},
		{"not settled", "a: EnvFilter, env, root, A=, B=, C=, D=, E=, F=, G=, H=, I=, J=, K=, id", "a: EnvFilter, env, root, B=, A=, C=, D=, E=, F=, G=, H=, I=, J=, K=, id", NotSettled},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := compare(newSide(t, c.old), newSide(t, c.new))
			if got := what(r); got != c.want {
				t.Errorf("%s\nwant %s\nreport %+v", got, c.want, r)
			}
			if exact := c.want != NotSettled; r.Verdict != Different && r.Exact != exact {
				t.Errorf("exact: %v\nreport %+v", r.Exact, r)
			}
			if back := compare(newSide(t, c.new), newSide(t, c.old)); (back.Verdict == Same) != (r.Verdict == Same) {
				t.Errorf("%s, and the other way round %s", r.Verdict, back.Verdict)
			}
		})
	}
}

// TestPrograms: what exec_dirs find, and what nobody finds.
func TestPrograms(t *testing.T) {
	const lines = "a: CommandFilter, id, root"
	old, new := newSide(t, lines), newSide(t, lines)
	new.Dirs = []string{"/bin", "/sbin"}
	new.look = func(name, _ string) (program.Program, error) { return program.Program{Path: "/bin/" + name}, nil }
	r := compare(old, new)
	if len(r.Settings) != 1 || r.Settings[0].Key != "exec_dirs" || what(r) != "other, allowed by both, and run otherwise: id" || !slices.Equal(r.Differences[0].Changes, []string{"program: /sbin/id → /bin/id"}) {
		t.Errorf("reordered: %+v", r)
	}
	if r := compare(newSide(t, lines), newSide(t, lines, "id")); what(r) != "narrower, allowed by OLD only: id" {
		t.Errorf("not found any more: %+v", r)
	}
	if r := compare(newSide(t, lines, "id"), newSide(t, lines, "id")); r.Verdict != Same || len(r.Absent) != 1 {
		t.Errorf("found by neither: %+v", r)
	}
	if r := compare(newSide(t, lines, "id"), newSide(t, "a: CommandFilter, id, nobody", "id")); what(r) != "narrower, allowed by both, and run otherwise: id" {
		t.Errorf("found by neither, and another user: %+v", r)
	}
	both := "a: CommandFilter, id, nobody\nb: CommandFilter, id, root"
	if r := compare(newSide(t, both), newSide(t, lines)); what(r) != "wider, allowed by both, and run otherwise: id" {
		t.Errorf("the first is gone: %+v", r)
	}
}

// TestSettings: every key of rootwrap.conf but filters_path is compared.
func TestSettings(t *testing.T) {
	for _, key := range policy.Keys() {
		if key != "filters_path" && !slices.ContainsFunc(sets, func(s setting) bool { return s.key == key }) {
			t.Errorf("key %s of rootwrap.conf is not compared", key)
		}
	}
	for _, c := range []struct {
		change func(old, new *policy.Config)
		want   string
	}{
		{func(old, new *policy.Config) { new.AllowUsers = []string{"nova"} }, "wider allow_users none nova"},
		{func(old, new *policy.Config) { old.AllowGroups = []string{"nova"} }, "narrower allow_groups nova none"},
		{func(old, new *policy.Config) {
			old.EnvKeep, new.EnvKeep = []string{"A", "B"}, []string{"B", "A"}
		}, ""},
		{func(old, new *policy.Config) {
			old.EnvKeep, new.EnvKeep = []string{"A", "B"}, []string{"B", "C"}
		}, "other env_keep A, B B, C"},
		{func(old, new *policy.Config) { old.StrictPaths = true }, "wider strict_paths yes no"},
		{func(old, new *policy.Config) { new.AuditRequired = true }, "narrower audit_required no yes"},
		{func(old, new *policy.Config) { new.Level = 7 }, "beside syslog_log_level 0 7"},
		{func(old, new *policy.Config) { new.NoPrivsep = true }, "narrower privsep_contexts and those of released services none"},
	} {
		old, new := newSide(t, ""), newSide(t, "")
		c.change(&old.Policy.Config, &new.Policy.Config)
		var got []string
		for _, s := range compare(old, new).Settings {
			got = append(got, fmt.Sprint(s.Direction, " ", s.Key, " ", s.Old, " ", s.New))
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}

// A profile that is only tried takes nothing away, and to try none is nothing.
func TestTriedProfile(t *testing.T) {
	force, tried := []policy.Sandbox{{Seccomp: "storage"}}, []policy.Sandbox{{Seccomp: "storage", SeccompLog: true}}
	if looser, tighter := loosens(force, tried); !looser || tighter {
		t.Errorf("from force to trial: looser %v, tighter %v", looser, tighter)
	}
	if looser, tighter := loosens(tried, force); looser || !tighter {
		t.Errorf("from trial to force: looser %v, tighter %v", looser, tighter)
	}
	if changes := sandboxChanges(force, tried); !slices.Equal(changes, []string{"sandbox seccomp_log: not set → yes"}) {
		t.Errorf("%q", changes)
	}
	for _, none := range []string{"", "none"} {
		if s := (policy.Sandbox{Seccomp: none, SeccompLog: true}); (&world{}).canonical(&s) != (&world{}).canonical(nil) {
			t.Errorf("seccomp %q, tried: %s", none, (&world{}).canonical(&s))
		}
	}
}

// TestSandboxKeys: no field of a sandbox is passed over.
func TestSandboxKeys(t *testing.T) {
	yes, mask, number := true, uint32(0o77), 5
	for i, s := range []policy.Sandbox{
		{Seccomp: "storage"}, {Capabilities: []string{}}, {NoNewPrivs: true}, {DenyWriteExec: true}, {PrivateKeyring: &yes}, {PrivateTmp: true},
		{PrivateNetwork: true}, {PrivateMounts: true}, {PinPaths: true}, {BestEffort: true}, {ReadOnly: []string{"/a"}}, {LandlockRO: []string{}},
		{LandlockRW: []string{"/a"}}, {LandlockBind: []uint16{}}, {LandlockConnect: []uint16{1}}, {LandlockScope: []string{"signal"}}, {LandlockLog: true},
		{Limits: []policy.Limit{{Name: "cpu", Value: 1}}}, {Umask: &mask}, {Nice: &number}, {OOMScore: &number},
		{AppArmor: "p"}, {SELinux: "u:r:t"}, {AppArmorBestEffort: true}, {SELinuxBestEffort: true},
	} {
		if len(described(s)) != 1 || (&world{}).canonical(&s) == (&world{}).canonical(nil) {
			t.Errorf("%d: %+v is %q", i, s, described(s))
		}
		looser, tighter := loosens([]policy.Sandbox{s}, nil)
		if without := s.BestEffort || s.AppArmorBestEffort || s.SELinuxBestEffort; looser == without {
			t.Errorf("%d: %+v dropped: looser %v, tighter %v", i, s, looser, tighter)
		}
	}
}

// TestExploding: what is too large to compare is said to be so, in bounded time.
func TestExploding(t *testing.T) {
	var old, new strings.Builder
	for i := range 6 {
		fmt.Fprintf(&old, "a%d: RegExpFilter, p%d, root, p%d, [ab]*a[ab]{30}\n", i, i, i)
		fmt.Fprintf(&new, "a%d: RegExpFilter, p%d, root, p%d, [ab]*b[ab]{31}\n", i, i, i)
	}
	begun := time.Now()
	r := compare(newSide(t, old.String()), newSide(t, new.String()))
	if r.Exact && len(r.Differences) < 12 || r.Verdict == Same {
		t.Errorf("report: %+v", r)
	}
	for _, q := range r.Open {
		if !strings.Contains(q.Text.Raw(), "pattern too large") {
			t.Errorf("%s", q.Text)
		}
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	t.Logf("%d open, %d differences, %v", len(r.Open), r.Counts.Wider+r.Counts.Narrower, time.Since(begun))
}

// TestTooLarge: of a pattern that no automaton is made of, it is said.
func TestTooLarge(t *testing.T) {
	var pattern strings.Builder
	for i := range 1100 {
		pattern.WriteString("[\u4e00-" + string(rune('\u4e01'+i)) + "]?")
	}
	old := "a: RegExpFilter, x, root, x, " + pattern.String()
	if r := compare(newSide(t, old), newSide(t, old)); r.Verdict != Same {
		t.Errorf("the same: %+v", r)
	}
	for _, new := range []string{old + "一?", "a: RegExpFilter, x, root, x, z", "n: ChainingRegExpFilter, x, root, x, " + pattern.String() + "\na: CommandFilter, id, root"} {
		r := compare(newSide(t, old), newSide(t, new))
		if r.Exact || !strings.Contains(fmt.Sprint(r.Open), "pattern too large") {
			t.Errorf("%+v", r)
		}
	}
}

// TestMany: two policies of 229 filters, as different as can be, in seconds.
func TestMany(t *testing.T) {
	var old, new strings.Builder
	for i := range 75 {
		fmt.Fprintf(&old, "a%d: RegExpFilter, tool%d, root, tool%d, -[a-z]+, /var/lib/[^/]+/%d.*\n", i, i%30, i%30, i)
		fmt.Fprintf(&new, "a%d: RegExpFilter, tool%d, root, tool%d, -[a-y]+, /var/lib/[^/]+/%d.+\n", i, i%30, i%30, i)
		fmt.Fprintf(&old, "b%d: EnvFilter, env, root, LC_ALL=C, tool%d, .*, x%d\n", i, i%30, i)
		fmt.Fprintf(&new, "b%d: EnvFilter, env, root, LC_ALL=, tool%d, .+, x%d\n", i, i%30, i)
		fmt.Fprintf(&old, "c%d: CommandFilter, other%d, root\n", i, i)
		fmt.Fprintf(&new, "c%d: CommandFilter, other%d, nobody\n", i, i)
	}
	for _, b := range []*strings.Builder{&old, &new} {
		b.WriteString("x: IpFilter, ip, root\ny: IpNetnsExecFilter, ip, root\nz: ChainingRegExpFilter, nice, root, nice, -n, .*\nk: KillFilter, root, x, -9\n")
	}
	begun := time.Now()
	r := compare(newSide(t, old.String()), newSide(t, new.String()))
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if !r.Exact || r.Counts.Wider < 75 || r.Counts.Narrower < 225 {
		t.Errorf("exact: %v, %+v", r.Exact, r.Counts)
	}
	t.Logf("%+v in %v", r.Counts, time.Since(begun))
}

// TestIP: what is said of an IpFilter holds: it matches all of the least, and nothing
// beside the most.
func TestIP(t *testing.T) {
	f, err := filters.New("IpFilter, /sbin/ip, root")
	if err != nil {
		t.Fatal(err)
	}
	w := worlds(newSide(t, ""), newSide(t, ""))[0]
	least, err := ipLeast(f).First(3000)
	if err != nil || len(least) < 3000 {
		t.Fatalf("%d lines: %v", len(least), err)
	}
	tricky := language.Text("ip", "/sbin/ip", "route", "link", "add", "-all", "netns", "del", "a/b", "xdp", "off", "encap", "bpf", "alias", "show", "restore", "r", "rule", ".", "..", "-x", "list", "")
	more, err := ipLeast(f).And(language.Line(tricky).Star()).First(3000)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range slices.Concat(least, more) {
		if m := f.Match(filters.Words(words), w); !m.Matched {
			t.Errorf("%q does not match: %s", words, m.Why)
		}
	}
	all, err := language.Line(tricky).Then(language.Line(tricky).Star()).First(9000)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range all {
		in, err := ipMost(f).Contains(words...)
		if f.Match(filters.Words(words), w).Matched && !in || err != nil {
			t.Errorf("%q matches: %v", words, err)
		}
	}
}
