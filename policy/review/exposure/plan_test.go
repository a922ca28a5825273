package exposure

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
)

// policyOf is nova's, with filters named f0, f1, ...
func policyOf(t *testing.T, definitions ...string) *policy.Policy {
	t.Helper()
	p := &policy.Policy{Path: "/etc/nova/rootwrap.conf"}
	for i, d := range definitions {
		e := entry(t, d)
		e.Name, e.Line = fmt.Sprint("f", i), i+1
		p.Filters = append(p.Filters, *e)
	}
	return p
}

var leaky = []string{
	"CommandFilter, tee, root", "CommandFilter, tee, root", "RegExpFilter, haproxy, root, haproxy, -f, .*", "CommandFilter, ip, root", "CommandFilter, chown, root",
	"EnvFilter, env, root, LC_ALL=C, LVM_SYSTEM_DIR=, lvs", "CommandFilter, lvs, root", "CommandFilter, bash, root", "RegExpFilter, sleep, root, sleep, \\d+",
	"CommandFilter, iw-no-such-program, root", "CommandFilter, cat, root", "CommandFilter, mount, root",
}

// TestPinned: a directory of the caller's is a PathFilter's with pin_paths alone.
func TestPinned(t *testing.T) {
	r := Assess(policyOf(t, "PathFilter, chown, root, nova, /var/lib/nova", "PathFilter, mkdir, root, /var/lib/nova"), Machine{})
	if m := r.Filters[0].Remedy; m == nil || !slices.Equal(m.Lines, filters.Words([]string{"[Sandbox:f0]", "pin_paths = yes"})) || m.Score >= 7 {
		t.Errorf("%+v", m)
	}
	if m := r.Filters[1].Remedy; m != nil { // the directory is not there to be pinned
		t.Errorf("%+v", m)
	}
}

// TestRemedies: each line that is shown makes a filter that works, is rated as is said,
// is no root, and does not allow what the report gave as the example of a root power.
func TestRemedies(t *testing.T) {
	p := policyOf(t, leaky...)
	r := Assess(p, Machine{})
	seen := 0
	for i, f := range r.Filters {
		if f.Remedy == nil {
			continue
		}
		seen++
		if f.Remedy.Kind != Narrower {
			if f.Remedy.Lines[0].Raw() != "[Sandbox:"+f.Name.Raw()+"]" || len(f.Remedy.Lines) < 2 {
				t.Errorf("%s: %q", f.Name, f.Remedy.Lines)
			}
			continue
		}
		name, definition, _ := strings.Cut(f.Remedy.Lines[0].Raw(), ": ")
		e := entry(t, definition)
		for _, line := range f.Remedy.Lines[1:] {
			if line == "pin_paths = yes" {
				e.Sandbox = &policy.Sandbox{PinPaths: true}
			}
		}
		after := Of(e, Machine{})
		if name != f.Name.Raw() || after.Score != f.Remedy.Score || rank(after.Band) <= rank(f.Band) || after.Score == NotAssessed {
			t.Errorf("%s: %q has score %v, %v is said", f.Name, f.Remedy.Lines, after.Score, f.Remedy.Score)
		}
		if !newSubject(e).matchable() {
			t.Errorf("%s: %q allows nothing", f.Name, f.Remedy.Lines)
		}
		for _, c := range f.Cells {
			if c.Extent == Whole && Band(c.Score) == "root" && e.Match(c.Example, lexical{}).Matched {
				t.Errorf("%s: %q allows %s", f.Name, f.Remedy.Lines, Command(c.Example))
			}
		}
		for _, c := range after.Cells {
			if len(c.Example) > 0 && c.Power != Arguments && strings.HasPrefix(definition, "RegExpFilter") && !p.Filters[i].Match(c.Example, lexical{}).Matched {
				t.Errorf("%s: %q allows more: %s", f.Name, f.Remedy.Lines, Command(c.Example))
			}
		}
	}
	if seen < 7 {
		t.Errorf("only %d filters have a remedy", seen)
	}
	for _, i := range []int{7, 8, 9} { // a shell, a harmless one, an unknown one
		if r.Filters[i].Remedy != nil {
			t.Errorf("%s: %+v", leaky[i], r.Filters[i].Remedy)
		}
	}
}

// TestPlan: what is left after each change is what the policy is rated with it.
func TestPlan(t *testing.T) {
	r := Assess(policyOf(t, leaky...), Machine{})
	if r.Plan.Before != r.Root.Filters || r.Plan.Unknown != 1 || r.Plan.After < 1 {
		t.Errorf("%+v of %d", r.Plan, r.Root.Filters)
	}
	left := r.Plan.Before
	last := left
	for _, c := range r.Plan.Changes {
		if left -= c.Takes; c.Left != left || c.Takes > last || len(c.Filters) != c.Takes {
			t.Errorf("%v: %d less, %d left, want %d", c.Filters, c.Takes, c.Left, left)
		}
		last = c.Takes
	}
	if left != r.Plan.After {
		t.Errorf("%d are left, %d are said", left, r.Plan.After)
	}
	if tee := r.Plan.Changes[slices.IndexFunc(r.Plan.Changes, func(c Change) bool { return c.Filters[0] == "f0" })]; len(tee.Filters) != 2 {
		t.Errorf("equal filters are not one change: %v", tee.Filters)
	}
	if len(Groups(r.Filters)) != len(leaky)-1 {
		t.Errorf("%d groups", len(Groups(r.Filters)))
	}
	if s := r.Plan.String(); !strings.Contains(s, fmt.Sprintf("from %d root filters to %d.", r.Plan.Before, r.Plan.After)) || !strings.Contains(s, "not assessed") {
		t.Error(s)
	}
}

// TestNarrowed: each row is a filter that allows something, whoever the service is.
func TestNarrowed(t *testing.T) {
	for _, row := range narrowed {
		for _, program := range strings.Fields(row.programs) {
			d := draftOf(entry(t, "CommandFilter, "+program+", root"))
			for _, d := range d.fill(row, "nova") {
				e := entry(t, d.definition())
				if strings.ContainsAny(d.definition(), "{}") || !newSubject(e).matchable() {
					t.Errorf("%s: %s", program, d.definition())
				}
			}
		}
	}
}

func TestServiceOf(t *testing.T) {
	for path, want := range map[string]string{"/etc/nova/rootwrap.conf": "nova", "/etc/rootwrap.conf": "service", "rootwrap.conf": "service", "/etc/a, b/rootwrap.conf": "service", "": "service"} {
		if got := serviceOf(path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// baselineOf is what ReadBaseline makes of the report's JSON.
func baselineOf(t *testing.T, r Report) Baseline {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ReadBaseline(data)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCompare: what is new is a power that was not there, or was less; names, places and
// copies are not.
func TestCompare(t *testing.T) {
	for _, c := range []struct {
		what    string
		old     []string
		changed func(p *policy.Policy)
		now     []string
		want    string // filters and powers
	}{
		{what: "nothing", old: leaky, now: leaky},
		{what: "the order", old: []string{"CommandFilter, tee, root", "CommandFilter, cat, root"}, now: []string{"CommandFilter, cat, root", "CommandFilter, tee, root"}},
		{what: "a copy", old: []string{"CommandFilter, tee, root"}, now: []string{"CommandFilter, tee, root", "CommandFilter, tee, root"}},
		{what: "less", old: leaky, now: leaky[:3]},
		{what: "a harmless one", old: leaky[:1], now: append([]string{"RegExpFilter, sleep, root, sleep, \\d+"}, leaky[0])},
		{what: "another program", old: []string{"CommandFilter, tee, root"}, now: []string{"CommandFilter, cat, root"}, want: "f0 read"},
		{what: "a wider pattern", old: []string{"RegExpFilter, tee, root, tee, /sys/class/net/[a-z0-9]+/mtu"}, now: []string{"RegExpFilter, tee, root, tee, .*"}, want: "f0 write"},
		{what: "another user", old: []string{"CommandFilter, tee, nobody"}, now: []string{"CommandFilter, tee, root"}, want: "f0 write"},
		{what: "an unknown one", old: []string{"CommandFilter, tee, root"}, now: []string{"CommandFilter, tee, root", "CommandFilter, iw-x, root"}, want: "f1 arguments"},
		{what: "a sandbox that is gone", old: []string{"CommandFilter, tee, root"}, now: []string{"CommandFilter, tee, root"}, want: "f0 write",
			changed: func(p *policy.Policy) { p.Filters[0].Sandbox = &policy.Sandbox{LandlockRW: []string{"/var/lib/x"}} }},
	} {
		old := policyOf(t, c.old...)
		if c.changed != nil {
			c.changed(old)
		}
		r := Assess(policyOf(t, c.now...), Machine{})
		r.Compare(baselineOf(t, Assess(old, Machine{})))
		var got []string
		for _, n := range r.New {
			got = append(got, n.Filter+" "+n.Power)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %q is new, want %q", c.what, got, c.want)
		}
	}
	if !worse(9, NotAssessed) || worse(7, NotAssessed) || worse(NotAssessed, 10) || !worse(NotAssessed, 9) {
		t.Error("what was not assessed is compared otherwise than as the most it could be")
	}
}

func TestReadBaseline(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "not the JSON",
		"[]":                                     "not the JSON",
		"{}":                                     "it has no filters",
		`{"filters":[{"powers":[{"score":1}]}]}`: "make it anew",
		`{"filters":[]}`:                         "",
	} {
		_, err := ReadBaseline([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestLimits: each thing that can be counted, at its number and one below.
func TestLimits(t *testing.T) {
	r := Assess(policyOf(t, "CommandFilter, tee, root", "CommandFilter, cat, root", "CommandFilter, iw-x, root", "RegExpFilter, sleep, root, sleep, \\d+", "CommandFilter, bash, root"), Machine{})
	r.Compare(Baseline{})
	for what, n := range map[string]int{"root": 3, "high": 4, "medium": 4, "low": 4, "not-assessed": 1, "ways": 3, "write": 3, "run": 2, "read": 3, "kernel": 2, "new": len(r.New)} {
		at, err := ParseLimits(fmt.Sprintf("%s=%d, %s=%d", what, n, what, n-1))
		if err != nil || len(at) != 2 {
			t.Fatalf("%s: %v", what, err)
		}
		if r.Above(at[0]) != "" || r.Above(at[1]) == "" {
			t.Errorf("%s: %q at %d, %q below", what, r.Above(at[0]), n, r.Above(at[1]))
		}
	}
	quiet := Assess(policyOf(t, "RegExpFilter, sleep, root, sleep, \\d+"), Machine{})
	for _, what := range Gates() {
		at, err := ParseLimits(what + "=0")
		if err != nil || quiet.Above(at[0]) != "" {
			t.Errorf("%s: %v %q", what, err, quiet.Above(at[0]))
		}
	}
	for _, bad := range []string{"", "abc", "11", "-1", "nan", "root", "root=", "root=x", "root=-1", "root=1.5", "roots=0", "score=11", "=0", "root=0,", "root=0 x"} {
		_, err := ParseLimits(bad)
		if err == nil || strings.Contains(err.Error(), "strconv") || !strings.HasPrefix(err.Error(), "threshold ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
