package inifile

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"ironwrap/policy/document"
)

// Fragments of which nasty documents are made: such as Python reads and others
// trip over, and (spoilers) such as are refused nearly always.
var (
	lineEnds = []string{"\n", "\n", "\n", "\n", "\n", "\n", "\r\n", "\r", "\n\n", "\n \n", "\n\r"}
	indents  = []string{"", "", "", "", "", "", " ", "  ", "    ", "\t", "\f", "\v", "\u00a0", "\u2003", "\u3000", "\x1c", "\u0085"}
	headers  = []string{"[Filters]", "[DEFAULT]", "[Sandbox:ls]", "[default]", "[ Filters ]", "[F]", "[F.g]", "[]]", "[[F]]",
		"[Filters] ; c", "[Filters] # [x]", "[F]: x", "[F]= ]", "[.]", "[3.F]", "[\u00a0]", "[-]", "[É]"}
	keyNames = []string{"a", "b", "ls", "A", "Ls", "my key", "-", "#1", "a.b", "\"a\"", "`a`", "\"\"\"a", "\"", "`", "[a", "a#", "a;", "é", "ß",
		"3.a", ".", "%(a)s", "\\", "a\u2028b", "a\x1fb", "rem", "include", "\ufeff", "\u200b", "'a'", "a\"b"}
	delimiters = []string{": ", ": ", " = ", ":", "=", " : ", ":=", "==", "\t:\t", "\u00a0:\u2003", "\v=\f", ": : "}
	values     = []string{"CommandFilter, ls, root", "RegExpFilter, a, root, a, .*;rm # x", "", "", "x", "x,", "\"x\"", "'x'", "\"", "\"\"", "`x`", "`", "\"\"\"x\"\"\"", "\"\"\"",
		"\"\"\"x", "x\"\"\"", "x\\", "\\", "a: b", "a = b", "[F]", "# x", "; x", "x # y", "x ; y", "%(a)s", "%", "$x", "- x", "é\u00a0", "\u2028x", "x\u0085y", "x\x1dy\x1e", "x\vy\fz",
		"x\u200b", "\u00c9", strings.Repeat("long ", 30)}
	comments = []string{"# c", "; c", "#", ";", "#[F]", "; a: b"}
	spoilers = []string{"no delimiter", ": no key", "=", "[]", "[F", "\ufeff[F]", "\u200b[F]", "a\x1f: b", "a:\x1cb", "É: a", "İ: a", "Σ=", "\x00", "a: \xe9", "//c", "a: b\nno delimiter"}
	bits     = []string{"\x00", "\xff", "\xe9", "\xc0\xaf", "\xed\xa0\x80", "\r", "\n", "\\", "\"", "`", "[", "]", "=", ":", " ", "\t", "#", ";", "\ufeff", "\u00a0", "\x1c", "\"\"\"", "\\\n", "\n ", "-"}
)

// anyDocument builds one at random, usually with a header first.
func anyDocument(r *rand.Rand) []byte {
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	var b strings.Builder
	if r.IntN(30) > 0 {
		b.WriteString(pick(headers[:3]) + pick(lineEnds))
	}
	lines := r.IntN(16)
	if r.IntN(20) == 0 {
		lines = r.IntN(150) // ini.v1 gets these in several stretches
	}
	for i := range lines {
		if r.IntN(4*lines) == 0 {
			b.WriteString(pick(spoilers))
		}
		b.WriteString(pick(indents))
		switch r.IntN(12) {
		case 0:
			b.WriteString(pick(headers))
		case 1:
			b.WriteString(pick(comments))
		case 2:
			// a blank line, maybe with blanks
		case 3, 4:
			b.WriteString(pick(indents[6:]) + pick(values) + pick(indents))
		default:
			name := pick(keyNames)
			if r.IntN(10) > 0 { // keys seldom repeat, or strict mode would refuse nearly all
				name += strconv.Itoa(i)
			}
			b.WriteString(name + pick(delimiters) + pick(values) + pick(indents))
		}
		b.WriteString(pick(lineEnds))
	}
	return []byte(b.String())
}

// mutate spoils a document in a few places.
func mutate(r *rand.Rand, data []byte) []byte {
	data = append([]byte(nil), data...)
	for range 1 + r.IntN(3) {
		if len(data) == 0 {
			return data
		}
		i := r.IntN(len(data))
		j := i + r.IntN(min(len(data)-i, 8)+1)
		switch r.IntN(4) {
		case 0: // cut out
			data = append(data[:i:i], data[j:]...)
		case 1: // put in
			data = append(data[:i:i], append([]byte(bits[r.IntN(len(bits))]), data[i:]...)...)
		case 2: // replace
			data = append(data[:i:i], append([]byte(bits[r.IntN(len(bits))]), data[j:]...)...)
		case 3: // repeat
			data = append(data[:j:j], data[i:]...)
		}
	}
	return data
}

// Documents built at random, and mutations of those and of the table's: always
// CPython's result or a refusal, and a refusal only for a reason on the list
// in mayRefuse.
func TestRandomDocumentsAgainstPython(t *testing.T) {
	o := needPython(t)
	r := rand.New(rand.NewPCG(1, 2)) // the same each time: FuzzParse is for new ones
	n := 4000
	if testing.Short() {
		n = 1000
	}
	accepted, refusedByBoth, refusedByUs := 0, 0, map[string]int{}
	for i := range n {
		var data []byte
		switch i % 4 {
		case 0, 1:
			data = anyDocument(r)
		case 2:
			data = mutate(r, anyDocument(r))
		case 3:
			data = mutate(r, []byte(documents[r.IntN(len(documents))].doc))
		}
		for _, mode := range []document.Mode{document.Lenient, document.Strict} {
			ours, theirs, err := compare(o, data, mode)
			switch {
			case err != nil:
				t.Fatalf("mode %d, %q: %v", mode, data, err)
			case ours == nil:
				accepted++
			case theirs != nil:
				refusedByBoth++
			default:
				refusedByUs[mayRefuse(data)]++
			}
		}
	}
	t.Logf("%d documents in both modes: %d accepted, %d refused by both, refused by us alone: %v", n, accepted, refusedByBoth, refusedByUs)
	// Else the comparison would be of refusals, and say little.
	if accepted < n*2/3 || refusedByBoth < n/10 {
		t.Errorf("of %d documents %d were accepted and %d refused by both: they are too much alike", n, accepted, refusedByBoth)
	}
}

// FuzzParse compares with CPython; without it, checks that errors are well formed.
func FuzzParse(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d.doc))
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		f.Add(anyDocument(r))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, mode := range []document.Mode{document.Lenient, document.Strict} {
			if o, err := python(); err == nil {
				if _, _, err := compare(o, data, mode); err != nil {
					t.Errorf("mode %d: %v", mode, err)
				}
				continue
			}
			file, err := Parse("f", data, mode)
			if err := wellFormed(file, err, data); err != nil {
				t.Errorf("mode %d: %v", mode, err)
			}
		}
	})
}
