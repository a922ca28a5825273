package review

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ironwrap/integration/rig"
	diffs "ironwrap/policy/review/difference"
	"ironwrap/policy/review/exposure"
)

// sharedClasses are filters that the peer reads as ironwrap does, of programs that every
// machine has. USER is root or nobody. A program is named by the path where it is found: of
// another one that is called behind a prefix the two decide differently
// (docs/differences.md).
var sharedClasses = []string{
	"CommandFilter, ls, USER",
	"CommandFilter, /usr/bin/ls, USER",
	"CommandFilter, id, USER",
	"RegExpFilter, ls, USER, ls, -[al]+",
	"RegExpFilter, ls, USER, ls, -[alr]*",
	"RegExpFilter, ls, USER, ls, (-l|-a), /srv/[^/]+",
	"RegExpFilter, ls, USER, ls, -l, /srv/(?!x).*",
	"RegExpFilter, id, USER, id, -u|-g",
	"RegExpFilter, id, USER, (id|ls), -[a-g]",
	"RegExpFilter, cat, USER, cat, /srv/.*",
	"RegExpFilter, cat, USER, cat, /srv/[a-z]*\\.img",
	"EnvFilter, env, USER, LC_ALL=, ls",
	"EnvFilter, env, USER, LC_ALL=, TZ=, id",
	"ChainingRegExpFilter, nice, USER, nice, -n, \\d+",
	"ChainingRegExpFilter, nice, USER, nice, -n, 5",
}

// TestDiffPeer: the peer decides about every command that diff shows as diff says.
func TestDiffPeer(t *testing.T) {
	pairs := 300
	if testing.Short() {
		pairs = 20
	}
	var claims []claim
	for seed := range pairs {
		claims = append(claims, compared(t, seed)...)
	}
	if len(claims) < pairs {
		t.Errorf("%d claims about %d pairs: that shows little", len(claims), pairs)
	}
	questions := make([]rig.PeerQuestion, len(claims))
	for i, c := range claims {
		questions[i] = rig.PeerQuestion{Conf: c.conf, Argv: c.argv}
	}
	// One process for all of them: each would take longer to start than to answer.
	for i, answer := range rig.StartOracle(t, claims[0].conf).Ask(questions) {
		claims[i].hold(t, answer)
	}
}

// claim is what diff says about a command and one of two policies.
type claim struct {
	seed    int
	conf    string
	argv    []string
	outcome *diffs.Outcome // nil: refused
}

// compared are the claims that diff makes about two policies, which seed makes.
func compared(t *testing.T, seed int) (claims []claim) {
	t.Helper()
	old, new := generatedPair(rand.New(rand.NewPCG(13, uint64(seed))))
	var sides [2]*diffs.Side
	var confs [2]string
	for i, definitions := range [][]string{old, new} {
		confs[i] = layPolicy(t, definitions)
		side, err := diffs.Load("", confs[i])
		if err != nil {
			t.Fatal(err)
		}
		sides[i] = side
	}
	report := diffs.Compare(sides[0], sides[1], exposure.Machine{})
	if !report.Exact {
		t.Errorf("pair %d is not exact: %+v", seed, report.Open)
	}
	for _, d := range report.Differences {
		for _, item := range withThoseIn(d.Items) {
			var argv []string
			for _, w := range item.Witness {
				argv = append(argv, w.Raw())
			}
			claims = append(claims, claim{seed, confs[0], argv, item.Old}, claim{seed, confs[1], argv, item.New})
		}
	}
	return claims
}

// generatedPair are the definitions of two policies that differ in little.
func generatedPair(r *rand.Rand) (old, new []string) {
	line := func() string {
		return strings.ReplaceAll(sharedClasses[r.IntN(len(sharedClasses))], "USER", []string{"root", "nobody"}[r.IntN(2)])
	}
	for range 2 + r.IntN(5) {
		old = append(old, line())
	}
	new = slices.Clone(old)
	switch at := r.IntN(len(new)); r.IntN(4) {
	case 0:
		new = slices.Insert(new, at, line())
	case 1:
		new = slices.Delete(new, at, at+1)
	case 2:
		new[0], new[at] = new[at], new[0]
	default:
		new[at] = line()
	}
	return old, new
}

// hold holds a claim against the peer's answer.
func (c claim) hold(t *testing.T, answer rig.PeerAnswer) {
	t.Helper()
	o, allowed := c.outcome, answer.Verdict == "allow" && answer.Filter != nil
	switch {
	case (o != nil) != allowed:
		t.Errorf("pair %d, %s, %q: the peer says %+v, diff %+v", c.seed, c.conf, c.argv, answer, o)
	case o != nil && *answer.Filter != o.Filter.Line-2:
		t.Errorf("pair %d, %s, %q: the peer's filter is %d, that of diff in line %d", c.seed, c.conf, c.argv, *answer.Filter, o.Filter.Line)
	}
}

// withThoseIn are items, and the same commands behind prefixes.
func withThoseIn(items []diffs.Item) (list []diffs.Item) {
	for _, i := range items {
		list = append(append(list, i), i.Also...)
	}
	return list
}

// layPolicy writes a configuration with these filters, one a line from the second on.
func layPolicy(t *testing.T, definitions []string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-diff-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	text := "[Filters]\n"
	for i, d := range definitions {
		text += fmt.Sprintf("f%d: %s\n", i, d)
	}
	conf := filepath.Join(dir, "rootwrap.conf")
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string]string{
		conf:                                 "[DEFAULT]\nfilters_path=" + dir + "/d\nexec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\nprivsep_contexts=none\n",
		filepath.Join(dir, "d", "f.filters"): text,
	} {
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return conf
}
