package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	diffs "ironwrap/policy/review/difference"
	"ironwrap/policy/review/exposure"
)

// sharedClasses are filters that the peer reads as ironwrap does, of programs that every
// machine has. USER is root or nobody.
var sharedClasses = []string{
	"CommandFilter, ls, USER",
	"CommandFilter, /bin/ls, USER",
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
	pairs, witnesses := 300, 0
	if testing.Short() {
		pairs = 20
	}
	for seed := range pairs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(13, uint64(seed)))
			line := func() string {
				return strings.ReplaceAll(sharedClasses[r.IntN(len(sharedClasses))], "USER", []string{"root", "nobody"}[r.IntN(2)])
			}
			var old []string
			for range 2 + r.IntN(5) {
				old = append(old, line())
			}
			new := slices.Clone(old)
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
			witnesses += diffPeer(t, old, new)
		})
	}
	if witnesses < pairs {
		t.Errorf("%d witnesses of %d pairs: that shows little", witnesses, pairs)
	}
}

// diffPeer compares two policies, and asks the peer about the witnesses.
func diffPeer(t *testing.T, old, new []string) (witnesses int) {
	var sides [2]*diffs.Side
	var peers [2]*oracle
	for i, definitions := range [][]string{old, new} {
		conf := layPolicy(t, definitions)
		side, err := diffs.Load("", conf)
		if err != nil {
			t.Fatal(err)
		}
		sides[i], peers[i] = side, startOracle(t, conf)
	}
	report := diffs.Compare(sides[0], sides[1], exposure.Machine{})
	if !report.Exact {
		t.Errorf("not exact: %+v", report.Open)
	}
	for _, d := range report.Differences {
		for _, item := range withThoseIn(d.Items) {
			witnesses++
			var argv []string
			for _, w := range item.Witness {
				argv = append(argv, w.Raw())
			}
			for i, o := range []*diffs.Outcome{item.Old, item.New} {
				answer := peers[i].askAll([][]string{argv})[0]
				switch {
				case o == nil && answer.Verdict == "allow", o != nil && (answer.Verdict != "allow" || answer.Filter == nil):
					t.Errorf("%s, side %d: the peer says %+v, diff %+v", filters.Line(item.Witness), i, answer, o)
				case o != nil && *answer.Filter != o.Filter.Line-2:
					t.Errorf("%s, side %d: the peer's filter is %d, that of diff in line %d", filters.Line(item.Witness), i, *answer.Filter, o.Filter.Line)
				}
			}
			if t.Failed() {
				t.Logf("OLD\n%s\nNEW\n%s", strings.Join(old, "\n"), strings.Join(new, "\n"))
			}
		}
	}
	return witnesses
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
