package accepted

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 6, 30, 23, 59, 0, 0, time.UTC)

func read(t *testing.T, text string) (*List, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Read(path, []string{"open-shell", "write"}, []string{"write"}, now)
}

const entry = `
- rules: [open-shell, write]
  filter: sh
  text: CommandFilter, sh, root
  score: 7
  reason: until the next release
  who: jane
  until: 2026-06-30
`

// TestFor: an entry holds for its rules, its filter, its text, its score and its time.
func TestFor(t *testing.T) {
	sh := Risk{Rule: "write", Filter: "sh", File: "/etc/d/a.filters", Text: "CommandFilter,  sh,\n root", Score: 7}
	for name, c := range map[string]struct {
		change func(r *Risk)
		from   string
		to     string
		want   bool
	}{
		"as it is":       {func(*Risk) {}, "", "", true},
		"another blank":  {func(r *Risk) { r.Text = "CommandFilter, sh, root" }, "", "", true},
		"less":           {func(r *Risk) { r.Score = 2 }, "", "", true},
		"another rule":   {func(r *Risk) { r.Rule = "run" }, "", "", false},
		"another filter": {func(r *Risk) { r.Filter = "bash" }, "", "", false},
		"another text":   {func(r *Risk) { r.Text = "CommandFilter, sh, nobody" }, "", "", false},
		"worse":          {func(r *Risk) { r.Score = 7.1 }, "", "", false},
		"no filter":      {func(r *Risk) { r.Filter = "" }, "", "", false},
		"by its file":    {func(*Risk) {}, "filter: sh", "filter: a.filters/sh", true},
		"another file":   {func(*Risk) {}, "filter: sh", "filter: b.filters/sh", false},
		"expired":        {func(*Risk) {}, "06-30", "06-29", false},
	} {
		l, err := read(t, "accepted:"+strings.Replace(entry, c.from, c.to, 1))
		if err != nil {
			t.Fatal(err)
		}
		r := sh
		c.change(&r)
		if got := l.For(r) != nil; got != c.want {
			t.Errorf("%s: accepted is %v", name, got)
		}
	}
	var none *List
	if none.For(sh) != nil || none.Stale(func(string) bool { return true }) != nil {
		t.Error("no list accepts something")
	}
}

// TestStale: what has expired, or accepts nothing, is told with the reason; of rules that
// nobody asked about nothing is.
func TestStale(t *testing.T) {
	all := func(string) bool { return true }
	whys := func(text string, risks ...Risk) (lines []string) {
		l, err := read(t, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range risks {
			l.For(r)
		}
		for _, s := range l.Stale(all) {
			lines = append(lines, s.Why)
		}
		return lines
	}
	shell := Risk{Rule: "open-shell", Filter: "sh", Text: "CommandFilter, sh, root"}
	write := Risk{Rule: "write", Filter: "sh", Text: "CommandFilter, sh, root", Score: 7}
	worse, other := write, write
	worse.Score, other.Text = 9, "CommandFilter, sh, nobody"
	for _, c := range []struct {
		got  []string
		want string
	}{
		{whys("accepted:"+entry, shell, write), ""},
		{whys("accepted:"+entry, shell), "write of filter sh: nothing that was looked at has it"},
		{whys("accepted:"+entry, shell, worse), "write of filter sh: its score is 9.0 now"},
		{whys("accepted:"+entry, shell, other), `write of filter sh: it reads "CommandFilter, sh, nobody" now`},
		{whys("accepted:"+strings.Replace(entry, "06-30", "06-29", 1), shell, write), "it was accepted until 2026-06-29, by jane"},
	} {
		if got := strings.Join(c.got, "; "); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
	l, err := read(t, "accepted:"+entry)
	if err != nil {
		t.Fatal(err)
	}
	l.For(shell)
	if got := l.Stale(func(rule string) bool { return rule == "open-shell" }); got != nil {
		t.Errorf("a rule that was not asked about is unused: %v", got[0].Why)
	}
}

// TestRefused: an entry that does not say all is refused, with its line.
func TestRefused(t *testing.T) {
	for from, want := range map[string]string{
		"  reason: until the next release\n": ":2: reason is missing",
		"  who: jane\n":                      ":2: who is missing",
		"  until: 2026-06-30\n":              ":2: until is missing",
		"  text: CommandFilter, sh, root\n":  ":2: text is missing",
		"  score: 7\n":                       ":2: score is missing: up to which score, from 0 to 10, is write accepted",
		"- rules: [open-shell, write]\n ":    ":2: rules is missing",
	} {
		to := ""
		if strings.HasPrefix(from, "-") {
			to = "-"
		}
		if _, err := read(t, "accepted:"+strings.Replace(entry, from, to, 1)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %q: %v", from, err)
		}
	}
	for _, c := range [][3]string{
		{"open-shell", "open-shel", "open-shel is no rule of check"},
		{"until: 2026-06-30", "until: never", "until is a day such as"},
		{"score: 7", "score: 11", "score is a number from 0 to 10"},
		{"score: 7", "score: .nan", "score is"},
		{"who: jane", "who: ''", "who is missing"},
		{"who: jane", "whom: jane", "unknown key whom"},
	} {
		if _, err := read(t, "accepted:"+strings.Replace(entry, c[0], c[1], 1)); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v", c[1], err)
		}
	}
	if _, err := read(t, ""); err == nil {
		t.Error("an empty file is taken")
	}
}

// TestPropose: what is proposed is refused as it is, and accepts the risks when it is
// filled in.
func TestPropose(t *testing.T) {
	risks := []Risk{
		{Rule: "write", Filter: "sh", Text: "CommandFilter, sh,\n  root", Score: 9.5},
		{Rule: "open-shell", Filter: "sh", Text: "CommandFilter, sh, root", Score: 10},
		{Rule: "open-shell", Text: "a: 'b' # c\xff"},
	}
	var b bytes.Buffer
	if err := Propose(&b, risks); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, b.String()); err == nil || !strings.Contains(err.Error(), "reason is missing") {
		t.Errorf("%v", err)
	}
	filled := strings.NewReplacer(`reason: ""`, "reason: r", `who: ""`, "who: w", `until: ""`, "until: 2027-01-01").Replace(b.String())
	l, err := read(t, filled)
	if err != nil {
		t.Fatalf("%v:\n%s", err, filled)
	}
	for _, r := range risks[:2] {
		if l.For(r) == nil {
			t.Errorf("%v is not accepted by\n%s", r, filled)
		}
	}
}
