package language

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"ironwrap/filters/pyre"
)

// generator writes random patterns and words.
type generator struct{ *rand.Rand }

func newGenerator(t testing.TB) generator {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return generator{rand.New(rand.NewPCG(seed, 0))}
}

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// around is a pattern made of a, b, / and look-arounds; fixed is for one of a fixed
// width, for a look-behind.
func (g generator) around(depth int, fixed bool) string {
	s := ""
	for range 1 + g.IntN(3) {
		switch n := g.IntN(14); {
		case n < 4 && !fixed:
			s += g.pick(".*", ".*", "[^/]*", "a+", ".?", "b*", "[ab]{2}", "/")
		case depth == 0 || n < 5:
			s += g.pick("a", "b", ".", "[^/]", "[a/]")
		case n < 7:
			s += g.pick("(?=", "(?!", "(?!") + g.around(depth-1, false) + ")"
		case n < 9:
			s += g.pick("(?<=", "(?<!", "(?<!") + g.around(depth-1, true) + ")"
		case n == 9:
			s += g.pick("^", "$", `\Z`, `\A`, `\b`)
		case fixed && n < 12:
			one := func() string { return g.pick("", "(?=", "(?!") }
			first, second := one(), one()
			s += "(?:" + g.pick("a", ".", "[^/]")
			if first != "" {
				s += first + g.around(depth-1, false) + ")"
			}
			s += "|" + g.pick("a", "b", ".")
			if second != "" {
				s += second + g.around(depth-1, false) + ")"
			}
			s += ")" + g.pick("", "{2}")
		case fixed:
			s += "(?:" + g.around(depth-1, true) + ")" + g.pick("", "{2}", "{1}")
		case n < 13:
			s += "(?:" + g.around(depth-1, false) + ")" + g.pick("*", "*", "+", "?", "{2}", "{1,2}", "{2,}", "{,2}", "{2,3}", "{0}", "{3}", "{3,}", "{4}")
		default:
			s += "(?:" + g.around(depth-1, false) + "|" + g.around(depth-1, false) + ")"
		}
	}
	return s
}

// plain is a pattern of what else there is.
func (g generator) plain(depth int) string {
	s := ""
	for range g.IntN(4) {
		switch n := g.IntN(12); {
		case n < 5 || depth == 0:
			s += g.pick("a", "b", "/", "K", "s", "é", "\n", `\d`, `\D`, `\w`, `\W`, `\s`, `\S`, ".", "[^/]", "[a-f]", `[^\d/]`, `\udcc3`, `[\udca0-\udcff]`, `\udce2`, `\udc82`, "€", "[^a]", `\x00`)
		case n < 7:
			s += "(?:" + g.plain(depth-1) + "|" + g.plain(depth-1) + ")"
		case n < 9:
			s += "(?:" + g.plain(depth-1) + ")" + g.pick("*", "+", "?", "{2}", "{1,3}")
		case n == 9:
			s += g.pick("(?=", "(?!", "(?i:", "(?s:", "(?m:", "(?a:") + g.plain(depth-1) + ")"
		case n == 10:
			s += g.pick("(?<=", "(?<!") + g.pick("a", "é", `\udcc3`, "[^/]", `\n`) + ")"
		default:
			s += g.pick("^", "$", `\b`, `\A`, `\Z`, "(?m:^)", "(?m:$)")
		}
	}
	return s
}

var atoms = []string{"a", "b", "k", "K", "s", "0", "/", ".", "-", " ", "\n", "_", "é", "ſ", "\u212a", "€", "😀", "\x80", "\xff", "\xc3", "\xa9", "\xe2", "\x82", "\xac", "\xed", "\xf4\x90", "\u0378"}

func (g generator) word() string {
	s := ""
	for range g.IntN(6) {
		s += atoms[g.IntN(len(atoms))]
	}
	return s
}

// all are the words of a, b and / that have up to n characters, in the order of length.
func all(n int) []string {
	words := []string{""}
	for i := 0; len(words[i]) < n; i++ {
		words = append(words, words[i]+"a", words[i]+"b", words[i]+"/")
	}
	return words
}

// both is a pattern as pyre and as this package have it; nil where pyre refuses it.
func both(t testing.TB, source string) (*pyre.Pattern, Word) {
	t.Helper()
	p, err := pyre.Compile(source)
	w, err2 := Pattern(source)
	if errors.Is(err2, ErrTooLarge) {
		return nil, Word{}
	}
	if (err == nil) != (err2 == nil) {
		t.Fatalf("%q: %v, %v", source, err, err2)
	}
	return p, w
}

// mustPattern is Pattern of what is known to be one.
func mustPattern(t testing.TB, source string) Word {
	t.Helper()
	w, err := Pattern(source)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// contained asks w, and fails where there is no answer.
func contained(t testing.TB, w Word, word string) bool {
	t.Helper()
	ok, err := w.Contains(word)
	if err != nil {
		t.Fatalf("%q: %v", word, err)
	}
	return ok
}

// check compares a word's membership, and that of the shortest word.
func check(t testing.TB, source string, words []string) (members int, ok bool) {
	t.Helper()
	p, w := both(t, source)
	if p == nil {
		return 0, false
	}
	short, any, err := w.Shortest()
	if err != nil {
		if !errors.Is(err, ErrTooLarge) {
			t.Fatalf("%q: %v", source, err)
		}
		return 0, false
	}
	if any && (!p.Match(short) || !contained(t, w, short) || !utf8.ValidString(short) && encode(decode(short)) != short) {
		t.Fatalf("%q: %q is not matched", source, short)
	}
	length := len(decode(short))
	for _, word := range words {
		got, err := w.Contains(word)
		if errors.Is(err, ErrTooLarge) {
			return members, false
		}
		if want := p.Match(word); got != want {
			t.Fatalf("%q with %q: %v, pyre says %v", source, word, got, want)
		}
		if got {
			members++
			if !any {
				t.Fatalf("%q is said to be empty, and matches %q", source, word)
			}
			if n := len(decode(word)); n < length {
				t.Fatalf("%q: %q is shorter than %q", source, word, short)
			}
		}
	}
	return members, true
}

// Look-arounds in one another and in repeats, with all short words.
func TestLookArounds(t *testing.T) {
	g := newGenerator(t)
	words := all(5)
	compared, members, large := 0, 0, 0
	for range 1500 {
		n, ok := check(t, g.around(3, false), words)
		if !ok {
			large++
			continue
		}
		compared++
		members += n
	}
	t.Logf("%d patterns compared with %d words each, %d members; %d not compared", compared, len(words), members, large)
	if compared < 1200 || members < 10_000 || large > 100 {
		t.Error("too few to tell anything")
	}
}

// A few of them with words that are longer.
func TestLonger(t *testing.T) {
	g := newGenerator(t)
	words := all(7)
	for range 60 {
		check(t, g.around(2, false), words)
	}
}

// Newlines, and what is at the ends of lines and words.
func TestPlaces(t *testing.T) {
	words := []string{""}
	for i := 0; len(words[i]) < 6; i++ {
		words = append(words, words[i]+"a", words[i]+"\n", words[i]+"-")
	}
	for _, source := range []string{
		`(?s)(?!a$).*`, `(?s)(?!.*a$).*`, `(?s)(?!(?!a$)).*`, `(?s).*(?<!a$)`, `(?s)(?:(?!a$).)*`, `(?s)(?:(?!a$)(?!\n).|-\n)*`, `(?m)(?:^a$|[\n-])*`, `(?m)(?:(?!^a$)(?s:.))*`,
		`(?s)(?!\ba).*`, `(?s).*\b.*\b`, `(?s)-*(?<!\b)a?.*`, `(?s)(?:(?<=\n)a|\n)*`, `(?s)(?:(?<=^-)a|-|\n)*`, `(?s)(?:(?<!\Aa)-|a)*`, `(?sm)(?:(?<!^a)-|a|\n)*`, `a\Z`, `a$`, `(?m)a$\n`, `(?s)(?!.*\n\Z).*`,
	} {
		if n, ok := check(t, source, words); !ok || n == 0 {
			t.Errorf("%q was not compared, or nothing matches it", source)
		}
	}
}

// All kinds of characters, bytes that are no UTF-8 among them.
func TestCharacters(t *testing.T) {
	g := newGenerator(t)
	compared, members := 0, 0
	for range 2000 {
		source := g.plain(3)
		words := make([]string, 60)
		for i := range words {
			words[i] = g.word()
		}
		if p, err := pyre.Compile(source); err == nil {
			words = slices.DeleteFunc(append(words, p.Examples("é/\xff")...), func(w string) bool { return strings.Contains(w, "\x00") })
		}
		n, ok := check(t, source, words)
		if ok {
			compared++
			members += n
		}
	}
	t.Logf("%d patterns compared, %d members", compared, members)
	if compared < 1500 || members < 5000 {
		t.Error("too few to tell anything")
	}
}

// The empty set is only said to be where there is nothing, and all words are found.
func TestFirstAndSize(t *testing.T) {
	g := newGenerator(t)
	words := all(4)
	short, err := Pattern("[ab/]{0,4}")
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		source := g.around(2, false)
		p, w := both(t, source)
		if p == nil {
			continue
		}
		var want []string
		for _, word := range words {
			if p.Match(word) {
				want = append(want, word)
			}
		}
		few := w.And(short)
		got, err := few.First(1000)
		if errors.Is(err, ErrTooLarge) {
			continue
		}
		n, finite, err2 := few.Size()
		empty, err3 := few.Empty()
		if err != nil || err2 != nil || err3 != nil {
			t.Fatalf("%q: %v, %v, %v", source, err, err2, err3)
		}
		if !slices.IsSortedFunc(got, func(a, b string) int { return len(a) - len(b) }) {
			t.Fatalf("%q: %q are not in order of length", source, got)
		}
		if best, _, _ := few.Shortest(); len(got) > 0 && best != got[0] {
			t.Fatalf("%q: the shortest is %q, and the first %q", source, best, got[0])
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || n != len(want) || !finite || empty != (len(want) == 0) {
			t.Fatalf("%q: %q, %d of them, empty: %v; not %q", source, got, n, empty, want)
		}
		some, err := w.First(5)
		if err == nil && len(want) >= 5 && len(some) != 5 {
			t.Fatalf("%q: only %q", source, some)
		}
		for _, word := range some {
			if !p.Match(word) {
				t.Fatalf("%q does not match %q", source, word)
			}
		}
	}
}

// Every operation, against the same on the members one by one.
func TestOperations(t *testing.T) {
	g := newGenerator(t)
	words := all(4)
	index := func(match func(string) bool) map[string]bool {
		set := make(map[string]bool)
		for _, w := range words {
			if match(w) {
				set[w] = true
			}
		}
		return set
	}
	for range 300 {
		first, second := g.around(2, false), g.around(2, false)
		p, a := both(t, first)
		q, b := both(t, second)
		if p == nil || q == nil {
			continue
		}
		as, bs := index(p.Match), index(q.Match)
		then := index(func(w string) bool {
			for i := range len(w) + 1 {
				if as[w[:i]] && bs[w[i:]] {
					return true
				}
			}
			return false
		})
		star := map[string]bool{"": true}
		for _, w := range words { // shorter ones come first
			for i := range len(w) {
				if star[w[:i]] && as[w[i:]] {
					star[w] = true
				}
			}
		}
		for _, op := range []struct {
			name string
			got  Word
			want func(w string) bool
		}{
			{"or", a.Or(b), func(w string) bool { return as[w] || bs[w] }},
			{"and", a.And(b), func(w string) bool { return as[w] && bs[w] }},
			{"minus", a.Minus(b), func(w string) bool { return as[w] && !bs[w] }},
			{"not", a.Not(), func(w string) bool { return !as[w] }},
			{"then", a.Then(b), func(w string) bool { return then[w] }},
			{"star", a.Star(), func(w string) bool { return star[w] }},
			{"not then", a.Not().Then(b), func(w string) bool {
				for i := range len(w) + 1 {
					if !as[w[:i]] && bs[w[i:]] {
						return true
					}
				}
				return false
			}},
			{"many", a.Minus(b).Star().Not().Or(b.Then(a.Not())), nil},
		} {
			short, any, err := op.got.Shortest()
			if errors.Is(err, ErrTooLarge) {
				continue
			}
			if any && !contained(t, op.got, short) {
				t.Fatalf("%q %s %q: %q is no member", first, op.name, second, short)
			}
			for _, w := range words {
				got, err := op.got.Contains(w)
				if err != nil {
					break
				}
				if got && (!any || len(w) < len(short)) {
					t.Fatalf("%q %s %q: the shortest is %q (%v), and %q is a member", first, op.name, second, short, any, w)
				}
				if op.want != nil && got != op.want(w) {
					t.Fatalf("%q %s %q with %q: %v", first, op.name, second, w, got)
				}
			}
		}
	}
}

// What holds for all sets.
func TestLaws(t *testing.T) {
	g := newGenerator(t)
	asked := 0
	for range 120 {
		first, second := g.plain(2), g.plain(2)
		if g.IntN(2) == 0 {
			first, second = g.around(2, false), g.around(1, false)
		}
		p, a := both(t, first)
		q, b := both(t, second)
		if p == nil || q == nil {
			continue
		}
		for _, law := range []struct {
			name string
			l, r Word
		}{
			{"De Morgan", a.Or(b).Not(), a.Not().And(b.Not())},
			{"De Morgan", a.And(b).Not(), a.Not().Or(b.Not())},
			{"a|a", a.Or(a), a},
			{"a&a", a.And(a), a},
			{"a|b", a.Or(b), b.Or(a)},
			{"a-b", a.Minus(b), a.And(b.Not())},
			{"not not", a.Not().Not(), a},
			{"absorption", a.Or(a.And(b)), a},
			{"parts", a.And(b).Or(a.Minus(b)), a},
			{"star", a.Star().Star(), a.Star()},
			{"a a*", Text("").Or(a.Then(a.Star())), a.Star()},
			{"none", a.Then(Word{}), Word{}},
			{"one", a.Then(Text("")), a},
		} {
			same, err := law.l.Within(200_000).Equal(law.r.Within(200_000))
			if errors.Is(err, ErrTooLarge) {
				continue
			}
			if asked++; !same || err != nil {
				t.Fatalf("%s: %q, %q: %v", law.name, first, second, err)
			}
		}
		if ok, err := a.Subset(a.Or(b)); err == nil && !ok {
			t.Fatalf("%q is not within itself or %q", first, second)
		}
		if ok, err := a.And(b).Subset(a); err == nil && !ok {
			t.Fatalf("%q and %q is not within it", first, second)
		}
		equal, err := a.Equal(b)
		if err != nil {
			continue
		}
		if differ := !equal; differ {
			word, one, err := a.Minus(b).Or(b.Minus(a)).Shortest()
			if err == nil && (!one || p.Match(word) == q.Match(word)) {
				t.Fatalf("%q and %q are said to differ in %q", first, second, word)
			}
		}
	}
	if asked < 500 {
		t.Errorf("%d questions were answered, too few to tell anything", asked)
	}
}

// What a word is.
func TestWords(t *testing.T) {
	for _, tt := range []struct {
		name string
		w    Word
		in   []string
		out  []string
	}{
		{"zero", Word{}, nil, []string{"", "a"}},
		{"any", AnyWord(), []string{"", "a", "é", "\xff", "\n"}, []string{"\x00", "a\x00b"}},
		{"text", Text("", "ab", "\xff", "a\x00"), []string{"", "ab", "\xff"}, []string{"a", "a\x00", "ÿ"}},
		{"no text", Text(), nil, []string{""}},
		{"chars", Chars("aé\xff"), []string{"a", "é", "\xff"}, []string{"", "aa", "\xc3"}},
		{"prefix", Prefix("/dev/"), []string{"/dev/", "/dev/x\n"}, []string{"/dev", "x/dev/"}},
		{"no bytes of a character", mustPattern(t, `\udcc3\udca9`), nil, []string{"é", "\xc3", "\xc3\xa9"}},
		{"bytes put together", Text("\xc3").Then(Text("\xa9")), nil, []string{"é"}},
		{"bytes", mustPattern(t, `\udce2\udc82[\udc80-\udcff]`), []string{"\xe2\x82\xc0"}, []string{"\xe2\x82\xac"}},
	} {
		for _, word := range tt.in {
			if !contained(t, tt.w, word) {
				t.Errorf("%s: %q is missing", tt.name, word)
			}
		}
		for _, word := range tt.out {
			if contained(t, tt.w, word) {
				t.Errorf("%s: %q is a member", tt.name, word)
			}
		}
		empty, err := tt.w.Empty()
		if err != nil || empty != (len(tt.in) == 0) {
			t.Errorf("%s: empty: %v, %v", tt.name, empty, err)
		}
	}
}

// Which bytes stand for themselves does not depend on who says it.
func TestStray(t *testing.T) {
	g := newGenerator(t)
	w := AnyWord()
	for range 20_000 {
		var b []byte
		for range g.IntN(6) {
			if a := atoms[g.IntN(len(atoms))]; g.IntN(3) == 0 {
				b = append(b, a[g.IntN(len(a)):]...)
			} else {
				b = append(b, a...)
			}
		}
		word := string(b)
		if encode(decode(word)) != word || !contained(t, w, word) {
			t.Fatalf("%q is no word", word)
		}
	}
	// As many words as there are less those that hold a character. No two characters
	// overlap: so it is that many for each first byte, less those that begin with one.
	want := []int{1}
	for n := 1; n <= 6; n++ {
		words := 128 * want[n-1]
		for size, chars := range map[int]int{2: 0x800 - 0x80, 3: 0x10000 - 0x800 - 0x800, 4: 0x100000} {
			if size <= n {
				words -= chars * want[n-size]
			}
		}
		want = append(want, words)
		got, finite, err := mustPattern(t, fmt.Sprintf(`[\udc80-\udcff]{%d}`, n)).Size()
		if got != words || !finite || err != nil {
			t.Errorf("%d words of %d bytes, not %d: %v, %v", got, n, words, finite, err)
		}
	}
}

func TestSize(t *testing.T) {
	for source, want := range map[string]int{
		"abc": 1, "a|b|a": 2, "[0-9]{3}": 1000, "[ab]{,3}": 15, "(?!x)[xyz]": 2, "(?=a)b": 0, "": 1, "x{100}": 1,
	} {
		n, finite, err := mustPattern(t, source).Size()
		if n != want || !finite || err != nil {
			t.Errorf("%s: %d, %v, %v", source, n, finite, err)
		}
	}
	if n, finite, err := mustPattern(t, "[0-9]{30}").Size(); n != 1<<63-1 || !finite || err != nil {
		t.Errorf("%d, %v, %v", n, finite, err)
	}
	if _, finite, err := mustPattern(t, "a*b").Size(); finite || err != nil {
		t.Errorf("%v, %v", finite, err)
	}
}

// Examples are such as people like.
func TestShortest(t *testing.T) {
	for source, want := range map[string]string{
		`\d+`: "1", `[a-z]+`: "x", `.+`: "x", `[0-9a-f]{4}`: "aaaa", `/dev/(?!.*/\.\.).+`: "/dev/x", `[^a-zA-Z0-9]`: "/", `[\x00-\x1f]`: "\x01",
		`[\udc80-\udcff]`: "\x80", `[é-ÿ]`: "é", `\W`: "/", `.*M$`: "M", `[^\x00-\x7f]`: "¡", `(?s).*\.\./.*`: "../",
	} {
		got, ok, err := mustPattern(t, source).Shortest()
		if got != want || !ok || err != nil {
			t.Errorf("%s: %q, %v, %v", source, got, ok, err)
		}
	}
}

// Whatever explodes is given up.
func TestTooLarge(t *testing.T) {
	boom := mustPattern(t, "[ab]*a[ab]{30}")
	if got, ok, err := boom.Shortest(); got != strings.Repeat("a", 31) || !ok || err != nil {
		t.Errorf("%q, %v, %v: it takes no states to tell", got, ok, err)
	}
	for name, w := range map[string]Word{
		"complement":  boom.Not().And(mustPattern(t, "[ab]{100,}")).Minus(mustPattern(t, "[ab]*b[ab]{30}")),
		"look-aheads": mustPattern(t, "(?!(?:[ab]*a[ab]{25}|[ab]*b[ab]{26}))[ab]{100}[ab]*"),
		"look-behind": mustPattern(t, "(?:[ab]|(?<=a[ab]{30})c)*d").Not().And(mustPattern(t, "[abc]*d")).Minus(mustPattern(t, ".*c.*")),
	} {
		if word, ok, err := w.Shortest(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %q, %v, %v", name, word, ok, err)
		}
		if _, err := w.Within(10_000).First(1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := w.Within(10_000).Size(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := mustPattern(t, "[ab]*a[ab]{30}").Within(20).Empty(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("20 steps are enough: %v", err)
	}
	var sets strings.Builder
	for r := rune(0x4e00); r < 0x5e00; r += 2 {
		sets.WriteString("[" + string(r) + string(r+2) + "]")
	}
	if _, err := Pattern(sets.String()); !errors.Is(err, ErrTooLarge) {
		t.Errorf("many sets: %v", err)
	}
	// A question that was given up is answered by another bound.
	if empty, err := boom.Empty(); empty || err != nil {
		t.Errorf("%v, %v", empty, err)
	}
	if _, err := AnyWord().Within(5).And(mustPattern(t, "[ab]*").Within(2)).Or(boom).Empty(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("the smallest bound does not hold: %v", err)
	}
}

func FuzzContains(f *testing.F) {
	for _, seed := range []string{`/dev/(?!.*/\.\.).*`, `(a|b)+c{2}`, `[^x]?\d`, `(?i)add`, `(?m)^a$\n`, `a.b`, `\S+\b`, "", `(?<=a)b`, `((?=a)|b){2,3}a`} {
		f.Add(seed, "../x")
		f.Add(seed, "ab\xc3")
	}
	f.Fuzz(func(t *testing.T, source, word string) {
		if len(source) > 100 || len(word) > 100 || strings.Contains(word, "\x00") || !utf8.ValidString(source) {
			return
		}
		check(t, source, []string{word})
	})
}

func FuzzBoth(f *testing.F) {
	f.Add(`/dev/(?!.*/\.\.).*`, `/dev/sd[a-z]`, "/dev/sda")
	f.Add(`(a|b)*`, `(?<!a)b+`, "ab")
	f.Add(`\w\b.`, `(?i)k.`, "K\xff")
	f.Fuzz(func(t *testing.T, first, second, word string) {
		if len(first) > 60 || len(second) > 60 || len(word) > 60 || strings.Contains(word, "\x00") || !utf8.ValidString(first+second) {
			return
		}
		p, a := both(t, first)
		q, b := both(t, second)
		if p == nil || q == nil {
			return
		}
		for name, op := range map[string]struct {
			w     Word
			match func(string) bool
		}{
			"and":   {a.And(b), func(w string) bool { return p.Match(w) && q.Match(w) }},
			"minus": {a.Minus(b), func(w string) bool { return p.Match(w) && !q.Match(w) }},
			"or":    {a.Or(b), func(w string) bool { return p.Match(w) || q.Match(w) }},
		} {
			short, any, err := op.w.Within(100_000).Shortest()
			if err != nil {
				continue
			}
			if any && !op.match(short) {
				t.Fatalf("%q %s %q: %q", first, name, second, short)
			}
			got, err := op.w.Contains(word)
			if err != nil {
				continue
			}
			if got != op.match(word) || got && (!any || len(decode(short)) > len(decode(word))) {
				t.Fatalf("%q %s %q with %q: %v; the shortest is %q (%v)", first, name, second, word, got, short, any)
			}
		}
	})
}
