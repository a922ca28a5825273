package language

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// vocabulary are the words of the lines that are tried.
var vocabulary = []string{"", "a", "b", "-", "--", "-a", "-b"}

// tried are all lines of up to n words of some.
func tried(words []string, n int) [][]string {
	lines := [][]string{{}}
	for i := 0; len(lines[i]) < n; i++ {
		for _, w := range words {
			lines = append(lines, append(slices.Clone(lines[i]), w))
		}
	}
	return lines
}

func holds(t testing.TB, l Lines, line []string) bool {
	t.Helper()
	ok, err := l.Contains(line...)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return ok
}

// word is one of a few sets of words, and what they are.
func (g generator) few() (Word, func(string) bool) {
	var list []string
	for range 1 + g.IntN(3) {
		list = append(list, g.pick(vocabulary...))
	}
	in := func(w string) bool { return slices.Contains(list, w) }
	if g.IntN(4) == 0 {
		return Text(list...).Not(), func(w string) bool { return !in(w) }
	}
	return Text(list...), in
}

// lines is a random set of lines, and what it is.
func (g generator) lines(depth int) (Lines, func([]string) bool) {
	if depth == 0 || g.IntN(4) == 0 {
		var words []Word
		var is []func(string) bool
		for range g.IntN(3) {
			w, in := g.few()
			words, is = append(words, w), append(is, in)
		}
		return Line(words...), func(l []string) bool {
			if len(l) != len(is) {
				return false
			}
			for i := range l {
				if !is[i](l[i]) {
					return false
				}
			}
			return true
		}
	}
	a, inA := g.lines(depth - 1)
	b, inB := g.lines(depth - 1)
	switch g.IntN(6) {
	case 0:
		return a.Then(b), func(l []string) bool {
			for i := range len(l) + 1 {
				if inA(l[:i]) && inB(l[i:]) {
					return true
				}
			}
			return false
		}
	case 1:
		return a.Or(b), func(l []string) bool { return inA(l) || inB(l) }
	case 2:
		return a.And(b), func(l []string) bool { return inA(l) && inB(l) }
	case 3:
		return a.Minus(b), func(l []string) bool { return inA(l) && !inB(l) }
	case 4:
		return AnyLine().Minus(a), func(l []string) bool { return !inA(l) }
	}
	return a.Star(), func(l []string) bool {
		good := make([]bool, len(l)+1)
		good[0] = true
		for j := range len(l) + 1 {
			for i := range j {
				good[j] = good[j] || good[i] && inA(l[i:j])
			}
		}
		return good[len(l)]
	}
}

func TestLines(t *testing.T) {
	g := newGenerator(t)
	lines := tried(vocabulary, 4)
	members := 0
	for range 120 {
		l, in := g.lines(3)
		short, any, err := l.Shortest()
		if err != nil {
			t.Fatal(err)
		}
		if any && !in(short) {
			t.Fatalf("%q is no member", short)
		}
		for _, line := range lines {
			got := holds(t, l, line)
			if want := in(line); got != want {
				t.Fatalf("%q: %v", line, got)
			}
			if got {
				members++
				if !any || len(decodedLine(line)) < len(decodedLine(short)) {
					t.Fatalf("the shortest is %q (%v), and %q is a member", short, any, line)
				}
			}
		}
		if some, err := l.First(20); err == nil {
			for _, line := range some {
				if !in(line) {
					t.Fatalf("%q is no member", line)
				}
			}
		}
	}
	if members < 5000 {
		t.Errorf("%d members, too few to tell anything", members)
	}
}

func decodedLine(line []string) []rune { return closed(line) }

// getopt reads a line as getopt(3) does, where -a has a value in the next word and -b
// none. It returns the operands; false for what is no option.
func getopt(line []string, mixed bool) (operands []string, ok bool) {
	for i := 0; i < len(line); i++ {
		switch w := line[i]; {
		case w == "--":
			return append(operands, line[i+1:]...), true
		case w == "-a":
			if i++; i == len(line) {
				return nil, false
			}
		case w == "-b":
		case strings.HasPrefix(w, "-") && w != "-":
			return nil, false
		case !mixed:
			return append(operands, line[i:]...), true
		default:
			operands = append(operands, w)
		}
	}
	return operands, true
}

func TestOptions(t *testing.T) {
	option := Line(Text("-a"), AnyWord()).Or(Line(Text("-b")))
	lines := tried([]string{"", "a", "-", "--", "-a", "-b", "-c"}, 5)
	for name, tt := range map[string]struct {
		operands Lines
		in       func([]string) bool
	}{
		"any": {AnyLine(), func([]string) bool { return true }},
		"two": {Line(AnyWord(), AnyWord()), func(l []string) bool { return len(l) == 2 }},
		"a":   {Line(Text("a")).Star(), func(l []string) bool { return !slices.ContainsFunc(l, func(w string) bool { return w != "a" }) }},
		"odd": {Line(Text("-b", "-")).Then(AnyLine()), func(l []string) bool { return len(l) > 0 && (l[0] == "-b" || l[0] == "-") }},
	} {
		for _, mixed := range []bool{false, true} {
			l := Options(option, tt.operands)
			if mixed {
				l = Permuted(option, tt.operands)
			}
			for _, line := range lines {
				operands, ok := getopt(line, mixed)
				if want := ok && tt.in(operands); holds(t, l, line) != want {
					t.Errorf("%s, mixed %v: %q is %v", name, mixed, line, !want)
				}
			}
			if short, ok, err := l.Shortest(); err != nil || !ok || !holds(t, l, short) {
				t.Errorf("%s: %q, %v, %v", name, short, ok, err)
			}
		}
	}
}

func TestGrammar(t *testing.T) {
	var g Grammar
	file, run := g.Place(), g.Place()
	g.Word(0, Prefix("-v"), 0)
	g.Word(0, Text("-f"), file)
	g.Word(file, AnyWord(), 0)
	g.Line(0, Line(Text("-e"), AnyWord()), run)
	g.Line(run, Line(), 0) // and on
	effect, rest := g.Lines(run).Then(AnyLine()), g.Lines(0)
	for _, tt := range []struct {
		line         []string
		runs, proper bool
	}{
		{nil, false, true},
		{[]string{"-v", "-vv"}, false, true},
		{[]string{"-f", "-e"}, false, true},
		{[]string{"-f", "x", "-e", "id"}, true, true},
		{[]string{"-e"}, false, false},
		{[]string{"-e", "", "-f"}, true, false},
	} {
		if got := holds(t, effect, tt.line); got != tt.runs {
			t.Errorf("%q: %v", tt.line, got)
		}
		if got := holds(t, rest, tt.line); got != tt.proper {
			t.Errorf("%q: %v", tt.line, got)
		}
	}
	var zero Grammar
	if ok := holds(t, zero.Lines(0), nil); !ok {
		t.Error("the zero Grammar has no place 0")
	}
	if ok, err := (*new(Grammar)).Lines().Empty(); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestAfter(t *testing.T) {
	l := Line(Text("a"), Text("b", "c"), Prefix("x"))
	for _, tt := range []struct {
		read, rest []string
		want       bool
	}{
		{nil, []string{"a", "c", "xy"}, true},
		{[]string{"a"}, []string{"c", "xy"}, true},
		{[]string{"a", "b", "x"}, nil, true},
		{[]string{"a", "b", "x"}, []string{""}, false},
		{[]string{"b"}, []string{"c", "xy"}, false},
		{[]string{"a\x00b"}, []string{"x"}, false},
	} {
		if got := holds(t, l.After(tt.read...), tt.rest); got != tt.want {
			t.Errorf("%q, %q: %v", tt.read, tt.rest, got)
		}
	}
	if ok := holds(t, l, []string{"a\x00b", "x"}); ok {
		t.Error("a NUL is taken for the end of a word")
	}
}

func TestZeroLines(t *testing.T) {
	var l Lines
	if empty, err := l.Empty(); !empty || err != nil {
		t.Errorf("%v, %v", empty, err)
	}
	for name, l := range map[string]Lines{"then": l.Then(AnyLine()), "and": l.And(AnyLine()), "minus": l.Minus(l), "after": l.After("x"), "options": Options(AnyLine(), l), "a word of none": Line(Word{})} {
		if empty, err := l.Empty(); !empty || err != nil {
			t.Errorf("%s: %v, %v", name, empty, err)
		}
	}
	if same, err := l.Star().Equal(Line()); !same || err != nil {
		t.Errorf("%v, %v", same, err)
	}
	if same, err := Options(l, AnyLine().Minus(AnyLine())).Equal(l); !same || err != nil {
		t.Errorf("%v, %v", same, err)
	}
}

// A prefix that runs anything, with any of many options, is found by a grammar of them.
func TestManyOptions(t *testing.T) {
	option := Line(Text("-a", "-b", "-c", "-d", "-e"))
	for _, flag := range strings.Fields("-f -g -h -i -j -k -l -m --file --config --exec") {
		option = option.Or(Line(Text(flag), AnyWord()), Line(Prefix(flag+"=")))
	}
	program := Line(Text("x")).Then(Permuted(option, AnyLine()))
	evil := Line(Text("x")).Then(Permuted(option, AnyLine()).And(AnyLine().Then(Line(Text("--exec"), Prefix("/tmp/"))).Then(AnyLine())))
	filter, _ := patterns([]string{"x", "-[a-e]", "--[a-z]+", "/t.*", ".*"})
	line, ok, err := filter.And(evil).Shortest()
	if err != nil || !ok || !holds(t, program, line) || !holds(t, filter, line) {
		t.Errorf("%q, %v, %v", line, ok, err)
	}
	none, _ := patterns([]string{"x", "-[a-e]", "--[a-z]+", "/t[a-l].*", ".*"})
	if line, ok, err := none.And(evil).Shortest(); ok || err != nil {
		t.Errorf("%q, %v, %v", line, ok, err)
	}
	if _, _, err := filter.And(evil).Within(10).Shortest(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("10 steps are enough: %v", err)
	}
}
