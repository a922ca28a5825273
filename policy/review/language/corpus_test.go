package language

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ironwrap/filters"
	"ironwrap/filters/pyre"
)

const (
	corpus  = "../../../../shared/corpus"
	vectors = "../../../../shared/vectors/regex.json"
)

var definition = regexp.MustCompile(`(?m)^[^#;\s\[][^:=\n]*[:=][ \t]*(\w+Filter\b.*)$`)

// deployed are the filters of real files, none twice.
func deployed(t testing.TB) (list []filters.Filter) {
	t.Helper()
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("the deployed filters of shared/corpus were not compared: %v", err)
	}
	seen := make(map[string]bool)
	err := filepath.WalkDir(corpus, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".filters") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, m := range definition.FindAllSubmatch(text, -1) {
			line := strings.Join(filters.Fields(string(m[1])), ", ")
			f, bad := filters.New(line)
			if seen[line] || bad != nil {
				continue
			}
			seen[line] = true
			list = append(list, f)
		}
		return err
	})
	if err != nil || len(list) < 100 {
		t.Fatalf("%d filters in %s: %v", len(list), corpus, err)
	}
	return list
}

// deployedPatterns are the patterns of deployed, and those of the vectors, none twice.
func deployedPatterns(t testing.TB) (list []string) {
	t.Helper()
	for _, f := range deployed(t) {
		shape := filters.ShapeOf(f)
		if shape.Path {
			continue
		}
		list = append(append(list, shape.Name), shape.Args...)
	}
	for _, row := range rows(t) {
		list = append(list, row.pattern)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func TestDeployedPatterns(t *testing.T) {
	list := deployedPatterns(t)
	g := newGenerator(t)
	members, compared := 0, 0
	for _, source := range list {
		p, w := both(t, source)
		if p == nil {
			t.Errorf("%q cannot be used", source)
			continue
		}
		words := slices.Clone(all(3))
		for _, e := range p.Examples("a", "../x", "\n", "é\xff") {
			words = append(words, e, e+"\n", e+"x")
			for range 5 {
				b := []byte(e)
				i := g.IntN(len(b) + 1)
				words = append(words, string(b[:i])+atoms[g.IntN(len(atoms))]+string(b[i:]), string(b[:i]))
			}
		}
		some, err := w.First(50)
		if err != nil {
			t.Fatalf("%q: %v", source, err)
		}
		for _, word := range some {
			if !p.Match(word) {
				t.Fatalf("%q does not match %q", source, word)
			}
		}
		n, ok := check(t, source, slices.Concat(words, some))
		if !ok {
			t.Fatalf("%q was not compared", source)
		}
		if n == 0 {
			t.Logf("%q has no member", source)
		}
		members += n
		compared += len(words)
	}
	t.Logf("%d patterns, %d words, %d members", len(list), compared, members)
}

// row is an argument, and what Python says of it.
type row struct {
	pattern, arg string
	verdict      bool
}

func rows(t testing.TB) (list []row) {
	t.Helper()
	text, err := os.ReadFile(vectors)
	if err != nil {
		t.Skipf("the 20,000 rows of shared/vectors/regex.json were not compared: %v", err)
	}
	var all [][3]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		arg, err := hex.DecodeString(r[1].(string))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, row{r[0].(string), string(arg), r[2].(bool)})
	}
	return list
}

func TestVectors(t *testing.T) {
	known := make(map[string]Word)
	compared := 0
	list := rows(t)
	for _, row := range list {
		p, err := pyre.Compile(row.pattern)
		if err != nil || !proper(row.arg) {
			continue
		}
		w, ok := known[row.pattern]
		if !ok {
			w = mustPattern(t, row.pattern)
			known[row.pattern] = w
		}
		got := contained(t, w, row.arg)
		if want := p.Match(row.arg); got != want || got && !row.verdict {
			t.Errorf("%q with %q: %v; pyre: %v, Python: %v", row.pattern, row.arg, got, want, row.verdict)
		}
		compared++
	}
	t.Logf("%d rows of %d, %d patterns", compared, len(list), len(known))
	if compared < 19_000 {
		t.Error("too few to tell anything")
	}
}

// Each pair of patterns has words in common, or has none.
func TestDeployedPairs(t *testing.T) {
	list := deployedPatterns(t)
	var words []Word
	var re []*pyre.Pattern
	for _, source := range list {
		p, w := both(t, source)
		words, re = append(words, w), append(re, p)
	}
	const every = 7 // of the pairs
	examples := make([][]string, len(list))
	for i, p := range re {
		examples[i] = p.Examples("a", "/x")
	}
	common := 0
	for i := range list {
		for j := i % every; j < len(list); j += every {
			word, ok, err := words[i].And(words[j]).Shortest()
			if err != nil {
				t.Fatalf("%q and %q: %v", list[i], list[j], err)
			}
			if ok && (!re[i].Match(word) || !re[j].Match(word)) {
				t.Fatalf("%q and %q do not have %q in common", list[i], list[j], word)
			}
			if ok {
				common++
				continue
			}
			for _, e := range examples[i] {
				if re[j].Match(e) {
					t.Fatalf("%q and %q have %q in common", list[i], list[j], e)
				}
			}
		}
	}
	t.Logf("%d patterns, %d of the pairs looked at have words in common", len(list), common)
}

// BenchmarkPairs asks of each pair of deployed patterns whether they have a word in
// common, and whether one is within the other.
func BenchmarkPairs(b *testing.B) {
	list := deployedPatterns(b)
	for b.Loop() {
		var words []Word
		for _, source := range list {
			words = append(words, mustPattern(b, source))
		}
		large, common, subsets := 0, 0, 0
		var slowest time.Duration
		for i := range words {
			for j := range words {
				start := time.Now()
				empty, err := words[i].And(words[j]).Empty()
				sub, err2 := words[i].Subset(words[j])
				slowest = max(slowest, time.Since(start))
				switch {
				case errors.Is(err, ErrTooLarge) || errors.Is(err2, ErrTooLarge):
					large++
				case !empty:
					common++
				}
				if sub {
					subsets++
				}
			}
		}
		b.ReportMetric(float64(len(list)*len(list)), "pairs")
		b.ReportMetric(float64(large), "too-large")
		b.ReportMetric(float64(common), "common")
		b.ReportMetric(float64(subsets), "subsets")
		b.ReportMetric(float64(slowest.Microseconds()), "slowest-µs")
	}
}

// BenchmarkPolicy asks of each deployed filter whether all others together allow what it
// does.
func BenchmarkPolicy(b *testing.B) {
	list := deployed(b)
	for b.Loop() {
		var lines []Lines
		for _, f := range list {
			l, _ := Of(f)
			lines = append(lines, l)
		}
		large, within := 0, 0
		for i, l := range lines {
			others := slices.Concat(lines[:i], lines[i+1:])
			ok, err := l.Subset(others[0].Or(others[1:]...))
			if errors.Is(err, ErrTooLarge) {
				large++
			} else if ok {
				within++
			}
		}
		b.ReportMetric(float64(len(list)), "filters")
		b.ReportMetric(float64(within), "within")
		b.ReportMetric(float64(large), "too-large")
	}
}
