package pyre

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

const python = "/usr/bin/python3"

// oracle is one CPython that answers questions: see testdata/oracle.py.
type oracle struct {
	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader

	is311 bool // later Pythons accept some more, such as \z
}

var startOracle = sync.OnceValues(func() (*oracle, error) {
	if _, err := os.Stat(python); err != nil {
		return nil, err
	}
	// The grammar is that of 3.11: an older Python accepts other patterns.
	if err := exec.Command(python, "-c", "import re._parser").Run(); err != nil {
		return nil, errors.New(python + " is older than 3.11")
	}
	cmd := exec.Command(python, "testdata/oracle.py")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	o := &oracle{in: in, out: bufio.NewReader(out)}
	version, err := o.out.ReadString('\n')
	o.is311 = version == "3.11\n"
	return o, err
})

func newOracle(t testing.TB) *oracle {
	o, err := startOracle()
	if err != nil {
		t.Skipf("NOT CHECKED: agreement with CPython: %v", err)
	}
	return o
}

func (o *oracle) ask(t testing.TB, question, answer any) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	line, err := json.Marshal(question)
	if err == nil {
		_, err = o.in.Write(append(line, '\n'))
	}
	if err == nil {
		line, err = o.out.ReadBytes('\n')
	}
	if err == nil {
		err = json.Unmarshal(line, answer)
	}
	if err != nil {
		t.Fatalf("asking %s %.200s: %v", python, fmt.Sprint(question), err)
	}
}

// verdict is Python's about one argument.
type verdict struct {
	peer    bool // what rootwrap would say
	whole   bool // with the whole pattern anchored
	ends    bool // and with every $ being the very end
	exact   bool // and with the classes of ASCII: what pyre has to say
	unknown bool // a character is not assigned in Python's Unicode
	slow    bool // nothing of the above: it took too long
}

func (o *oracle) verdicts(t testing.TB, pattern string, args []string) (compiles bool, vs []verdict) {
	t.Helper()
	question := struct {
		P string   `json:"p"`
		A []string `json:"a"`
	}{P: pattern, A: []string{}}
	for _, arg := range args {
		question.A = append(question.A, hex.EncodeToString([]byte(arg)))
	}
	var answer struct {
		C bool
		V [][]bool
	}
	o.ask(t, question, &answer)
	for _, v := range answer.V {
		if v == nil {
			vs = append(vs, verdict{slow: true})
			continue
		}
		vs = append(vs, verdict{peer: v[0], whole: v[1], ends: v[2], exact: v[3], unknown: v[4]})
	}
	return answer.C, vs
}

// The reasons for which a verdict may be narrower than Python's.
const (
	anchoring = "anchoring"
	asciiOnly = "ASCII"
	gaveUp    = "gave up"
	refused   = "refused"
)

// judgeCompile finds fault with what Compile made of a pattern.
func (o *oracle) judgeCompile(refusal error, compiles bool) error {
	switch {
	case refusal == nil && !compiles:
		return errors.New("compiled, Python refuses it")
	case refusal != nil && compiles && o.is311 && !strings.Contains(refusal.Error(), "is not supported"):
		return fmt.Errorf("refused as invalid (%v), Python compiles it", refusal)
	}
	return nil
}

// judge compares our verdict with Python's. It returns why ours is narrower,
// or "" if it is not, or the fault that it finds: p is nil if it was refused.
func judge(p *Pattern, arg string, v verdict) (reason string, fault error) {
	if v.slow {
		return "", nil
	}
	if p == nil {
		if v.peer {
			return refused, nil
		}
		return "", nil
	}
	ok, gave := p.match(arg)
	switch {
	case ok && !v.peer:
		return "", errors.New("WIDER than Python")
	case gave && v.peer:
		return gaveUp, nil
	case gave:
		return "", nil
	case ok && !v.exact:
		return "", errors.New("not wider than Python, but wider than the package comment says")
	case !ok && v.exact:
		if p.ascii && !isASCII(arg) || v.unknown || strings.ContainsFunc(arg, unassigned) {
			return asciiOnly, nil
		}
		return "", errors.New("narrower than Python for no reason that the package comment gives")
	case !ok && v.peer && (!v.whole || !v.ends):
		return anchoring, nil
	case !ok && v.peer:
		return asciiOnly, nil
	}
	return "", nil
}

func unassigned(r rune) bool { return unicode.Is(unicode.Cn, r) }

// tally counts what a comparison found.
type tally struct {
	verdicts, matches int
	narrower          map[string]int
	engines           map[Engine]int
}

func (c *tally) log(t *testing.T) {
	t.Helper()
	t.Logf("%d verdicts, %d of them matches; narrower than Python: %v; patterns by engine: %v",
		c.verdicts, c.matches, c.narrower, c.engines)
}

// compare asks Python about one pattern and all args, and reports all faults.
func (c *tally) compare(t testing.TB, o *oracle, pattern string, args []string) {
	t.Helper()
	if c.narrower == nil {
		c.narrower, c.engines = make(map[string]int), make(map[Engine]int)
	}
	compiles, vs := o.verdicts(t, pattern, args)
	p, err := Compile(pattern)
	if fault := o.judgeCompile(err, compiles); fault != nil {
		t.Errorf("%q: %v", pattern, fault)
		return
	}
	if p != nil {
		c.engines[p.Engine()]++
	} else {
		c.engines[refused]++
	}
	// The engine has to say the same of what it is not needed for, and as Go's
	// regexp where that can be asked.
	var bounded *Pattern
	var golang *gore
	if p != nil {
		bounded, golang = forced(t, pattern), newGore(pattern)
	}
	for i, arg := range args {
		reason, fault := judge(p, arg, vs[i])
		if fault != nil {
			t.Errorf("%q with %q: %v: %+v", pattern, arg, fault, vs[i])
		}
		if _, fault := judge(bounded, arg, vs[i]); fault != nil {
			t.Errorf("%q with %q: bounded: %v: %+v", pattern, arg, fault, vs[i])
		}
		if p != nil && golang.differs(p, arg) {
			t.Errorf("%q with %q: Go's regexp says %v", pattern, arg, !p.Match(arg))
		}
		if c.verdicts++; vs[i].peer {
			c.matches++
		}
		if reason != "" {
			c.narrower[reason]++
		}
	}
}

// generator writes random patterns, most of them valid, out of all that has
// ever been understood differently by two engines.
type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) pattern() string {
	flags := ""
	if g.IntN(4) == 0 {
		flags = g.pick("(?i)", "(?a)", "(?s)", "(?m)", "(?x)", "(?ai)", "(?im)", "(?u)", "(?is)(?m)", "(?L)", "(?t)", "(?z)", "(?i-s)", "(?#x)")
	}
	p := flags + g.alternation(3)
	if g.IntN(30) == 0 { // break it
		i := g.IntN(len(p) + 1)
		p = p[:i] + g.pick("(", ")", "[", "]", "{", "}", "*", "+", "?", `\`, "|", "^", "$", "(?i)", "(?", "-") + p[i:]
	}
	return strings.ToValidUTF8(p, "")
}

func (g generator) alternation(depth int) string {
	s := g.concatenation(depth)
	for g.IntN(5) == 0 {
		s += "|" + g.concatenation(depth)
	}
	return s
}

func (g generator) concatenation(depth int) string {
	s := ""
	for range g.IntN(4) {
		s += g.piece(depth)
		if g.IntN(3) == 0 {
			s += g.pick("*", "+", "?", "{2}", "{,2}", "{1,}", "{,}", "{0}", "{1,3}", "*?", "+?", "??", "{1,2}?", "{", "{}", "{a}", "{1", "*+", "**", "{3,1}", " +")
		}
	}
	return s
}

func (g generator) piece(depth int) string {
	switch n := g.IntN(24); {
	case n < 9:
		return g.literal()
	case n < 11:
		return g.pick(".", `\d`, `\w`, `\s`, `\D`, `\W`, `\S`)
	case n < 14:
		return g.class()
	case n < 16:
		return g.pick("^", "$", `\A`, `\Z`, `\b`, `$`, `$`)
	case n == 16:
		return g.pick(`\1`, `\2`, `(?P=n)`, `\Z`, `\z`, `\B`, `\C`, `\h`, `\pL`, `\p{L}`, `\Q*\E`, `\N{DIGIT ONE}`, `\12`, `\8`, "(?#c)", "[[:alpha:]]", "[[:^alpha:]]", "# c\n", " ", "  ")
	case depth == 0:
		return g.literal()
	}
	return g.pick("(", "(", "(?:", "(?=", "(?!", "(?!", "(?P<n>", "(?i:", "(?a:", "(?s:", "(?m:", "(?x:", "(?-i:", "(?i-s:", "(?<=", "(?<!", "(?>", "(?P<n", "(?<n>", "(?u:") +
		g.alternation(depth-1) + ")"
}

func (g generator) literal() string {
	if g.IntN(40) == 0 {
		return g.pick(`\400`, `\x6`, `\ufff`, `\U00110000`, `\q`)
	}
	return g.pick("a", "b", "a", "b", "k", "i", "s", "S", "0", "9", "/", ".", "-", ",", " ", "\n", "é", "ſ", "K", "٣", "\ufffd", "€", "😀", "]", "}", "#",
		`\.`, `\/`, `\-`, `\n`, `\t`, `\0`, `\012`, `\141`, `\x61`, `\xe9`, `\u212a`, `\udc80`, `\udcff`, `\ud800`, `\ufffd`, `\U0001f600`, `\é`, `\ `, `\\`, `\]`, `\^`, `\07`, `\_`)
}

func (g generator) class() string {
	s := "[" + g.pick("", "", "^")
	for range 1 + g.IntN(3) {
		s += g.pick("a", "b", "k", "s", "/", "]", "-", "^", "\n", "é", "K", "\ufffd", ".", "[", "[:alpha:]", "&&", "a-c", "a-k", "A-Z", "A-z", "0-9", "à-ÿ", "z-a", "+--",
			`\d`, `\w`, `\s`, `\D`, `\W`, `\S`, `\d-z`, `\b`, `\n`, `\]`, `\-`, `\\`, `\0`, `\1`, `\141`, `\x80-\xff`, `\x61`, `\udc80`, `\udc80-\udcff`, `\ud800-\udfff`, `\ufffd`, `\x00-\U0010ffff`, `\ufff0-\uffff`, `\A`, `\B`, `\Z`, `\8`, `\_`)
	}
	return s + "]"
}

var atoms = []string{"a", "b", "k", "i", "s", "S", "A", "0", "9", "/", ".", "-", " ", "\n", "\n", "_", "\x00", "\x1c", "\u00a0", "é", "É", "ſ", "K", "ı", "İ", "٣", "\ufffd",
	"€", "😀", "ß", "\x80", "\xff", "\xc3", "\xe2\x82", "\xed\xb2\x80", "\xf4\x90\x80\x80", "\xc0\xaf", "²", "Ⅷ", "⒈", "\u0378", "\U0010ffff"}

// args returns random arguments, about half of them made to fit p.
func (g generator) args(p string, n int) []string {
	tree, err := parse(p)
	out := []string{""}
	for len(out) < n {
		s := ""
		if err == nil && g.IntN(2) == 0 {
			s = g.sample(&tree.node, 0)
		} else {
			for range g.IntN(5) {
				s += atoms[g.IntN(len(atoms))]
			}
		}
		switch g.IntN(6) {
		case 0:
			s += "\n"
		case 1:
			i := g.IntN(len(s) + 1)
			s = s[:i] + atoms[g.IntN(len(atoms))] + s[i:]
		case 2:
			if s != "" {
				i := g.IntN(len(s))
				s = s[:i] + s[i+1:]
			}
		}
		if len(s) < 100 {
			out = append(out, s)
		}
	}
	return out
}

// sample returns a string that n would match but for its look-arounds.
func (g generator) sample(n *node, size int) string {
	switch n.op {
	case opChar:
		return encode(n.r)
	case opSet:
		for range 30 { // prefer what is interesting
			a := atoms[g.IntN(len(atoms))]
			if r := decode(a); len(r) == 1 && n.set.has(r[0]) {
				return a
			}
		}
		if len(n.set) > 0 {
			return encode(n.set[2*g.IntN(len(n.set)/2)])
		}
	case opAlternate:
		return g.sample(&n.subs[g.IntN(len(n.subs))], size)
	case opRepeat:
		s := ""
		for range min(n.lo+g.IntN(3), 5) {
			s += g.sample(&n.subs[0], size+len(s))
		}
		return s
	case opConcat:
		s := ""
		for i := range n.subs {
			if size+len(s) < 100 {
				s += g.sample(&n.subs[i], size+len(s))
			}
		}
		return s
	case opEndOrLF, opLineEnd, opLineBegin:
		return g.pick("", "\n")
	}
	return ""
}

// decode is encode's reverse, for a whole argument.
func decode(arg string) (runes []rune) {
	for i := 0; i < len(arg); {
		r, size := utf8.DecodeRuneInString(arg[i:])
		if r == utf8.RuneError && size == 1 {
			r = 0xdc00 + rune(arg[i])
		}
		runes = append(runes, r)
		i += size
	}
	return runes
}

func encode(r rune) string {
	if r >= 0xdc80 && r <= 0xdcff {
		return string([]byte{byte(r - 0xdc00)})
	}
	return string(r)
}

func TestAgainstPython(t *testing.T) {
	o := newOracle(t)
	seed := uint64(time.Now().UnixNano())
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	var c tally
	for c.verdicts < 10_000 || c.matches < 500 {
		p := g.pattern()
		if c.compare(t, o, p, g.args(p, 12)); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	c.log(t)
}

// Look-arounds in one another and in repeats, with all short arguments of two
// characters.
func TestLookAroundsAgainstPython(t *testing.T) {
	o := newOracle(t)
	args := []string{""}
	for i := 0; len(args[i]) < 5; i++ {
		args = append(args, args[i]+"a", args[i]+"b")
	}
	seed := uint64(time.Now().UnixNano())
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	var c tally
	for c.verdicts < 20_000 || c.engines[Bounded] < 200 {
		if c.compare(t, o, g.around(3, false), args); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	c.log(t)
}

// around is a pattern made of a, b and look-arounds; fixed is for one of a
// fixed width, for a look-behind.
func (g generator) around(depth int, fixed bool) string {
	s := ""
	for range 1 + g.IntN(3) {
		switch n := g.IntN(14); {
		case n < 4 && !fixed:
			s += g.pick(".*", ".*", "[^a]*", "a+", ".?", "b*")
		case depth == 0 || n < 5:
			s += g.pick("a", "b", ".", ".")
		case n < 7:
			s += g.pick("(?=", "(?!", "(?!") + g.around(depth-1, false) + ")"
		case n < 9:
			s += g.pick("(?<=", "(?<!", "(?<!") + g.around(depth-1, true) + ")"
		case n == 9:
			s += g.pick("^", "$", `\Z`, `\b`)
		case fixed:
			s += "(?:" + g.around(depth-1, true) + ")" + g.pick("", "{2}", "{1}")
		case n < 13:
			s += "(?:" + g.around(depth-1, false) + ")" + g.pick("*", "*", "+", "?", "{2}", "{1,2}", "{2,}", "{,2}")
		default:
			s += "(?:" + g.around(depth-1, false) + "|" + g.around(depth-1, false) + ")"
		}
	}
	return s
}

// All characters but the great mass of CJK and what is rare, for every way to
// name many of them.
func TestCharactersAgainstPython(t *testing.T) {
	o := newOracle(t)
	var chars []rune
	for r := rune(0); r <= unicode.MaxRune; r++ {
		switch {
		case 0xd800 <= r && r < 0xdc80, 0xdd00 <= r && r < 0xe000: // in no argument
		case 0x3400 <= r && r < 0xa000, 0xac00 <= r && r < 0xd800, 0x12000 <= r && r%0x1ff != 0: // many of a kind
		default:
			chars = append(chars, r)
		}
	}
	o.ask(t, map[string]any{"chars": chars}, new(bool))
	for _, row := range []struct {
		pattern string
		same    bool // exactly Python's, not only no wider
	}{
		{`.`, true}, {`(?s).`, true}, {`\S`, true}, {`[^/]`, true}, {`[\S\n]`, true},
		{`(?a)\d`, true}, {`(?a)\D`, true}, {`(?a)\w`, true}, {`(?a)\W`, true}, {`(?a)\s`, true}, {`(?a)\S`, true},
		{`(?a)[^\W]`, true}, {`(?ai)[a-z]`, true}, {`(?ai)[^a-z]`, true}, {`[\x80-\xff]`, true}, {`[\ud800-\udfff]`, true},
		{`[^\udc80-\udc8f]`, true}, {"\ufffd", true}, {"[^\ufffd]", true}, {`(?!\s).`, true}, {`(?i)[^a-z]`, true}, {`(?i)[^k]`, true},
		{`(?i)[^s]`, true}, {`(?i)(?!i).`, true}, {`(?i)[^+-_]`, true}, {`(?i)[^a-hj-rt-z]`, true},
		{`\d`, false}, {`\D`, false}, {`\w`, false}, {`\W`, false}, {`\s`, false}, {`[^\d]`, false}, {`[^\w]`, false}, {`[^\s]`, true},
		{`[^\D]`, false}, {`[^\W]`, false}, {`[^\S]`, false}, {`(?!\d).`, false}, {`(?!\w).`, false}, {`(?!\D).`, false}, {`(?!\W).`, false}, {`(?!\S)(?s:.)`, false},
		{`(?![^\w]).`, false}, {`(?i)\W`, false}, {`(?i)[\Wa]`, false}, {`(?i)[^\wa]`, false}, {`(?i)[^\da]`, false}, {`(?i)[\Da]`, false}, {`(?i)[\Sa]`, true},
		{`(?i)k`, false}, {`(?i)[a-z]`, false}, {`(?i)é`, false}, {`(?i)K`, false}, {`(?i)[à-ÿ]`, false}, {`(?i)[\x00-\U0010ffff]`, true}, {`(?i)[Α-ω]`, false},
	} {
		var matched []rune
		o.ask(t, map[string]string{"all": row.pattern}, &matched)
		p, err := Compile(row.pattern)
		if err != nil {
			t.Errorf("%q: %v", row.pattern, err)
			continue
		}
		narrower := 0
		for _, r := range chars {
			in := len(matched) > 0 && matched[0] == r
			if in {
				matched = matched[1:]
			}
			switch ok := p.Match(encode(r)); {
			case ok && !in:
				t.Errorf("%q: wider than Python with %U", row.pattern, r)
			case !ok && in && row.same:
				t.Errorf("%q: narrower than Python with %U", row.pattern, r)
			case !ok && in:
				narrower++
			}
		}
		if !row.same {
			t.Logf("%-14q %7d characters fewer than Python's", row.pattern, narrower)
		}
	}
}

// From the end, an argument is taken for the same characters as from its start.
func TestCharactersBackwards(t *testing.T) {
	seed := rand.Uint64()
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	for range 20_000 {
		var b []byte
		for range g.IntN(6) {
			if a := atoms[g.IntN(len(atoms))]; g.IntN(3) == 0 {
				b = append(b, a[g.IntN(len(a)):]...)
			} else {
				b = append(b, a...)
			}
		}
		r := run{arg: string(b)}
		want := decode(r.arg)
		for at, k := 0, 0; ; k++ {
			c, size := r.char(at, false)
			if size == 0 {
				break
			}
			if c != want[k] {
				t.Fatalf("%q: %U at %d, not %U: seed %d", r.arg, c, at, want[k], seed)
			}
			at += size
		}
		for at, k := len(r.arg), len(want)-1; ; k-- {
			c, size := r.char(at, true)
			if size == 0 {
				break
			}
			if c != want[k] {
				t.Fatalf("%q: from behind %U at %d, not %U: seed %d", r.arg, c, at, want[k], seed)
			}
			at -= size
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, row := range table {
		f.Add(row.pattern)
	}
	for _, row := range refusals {
		f.Add(row.pattern)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		if len(pattern) > 200 {
			return
		}
		p, err := Compile(pattern)
		if !utf8.ValidString(pattern) {
			if err == nil {
				t.Fatal("compiled what is not UTF-8")
			}
			return
		}
		o := newOracle(t)
		compiles, _ := o.verdicts(t, pattern, nil)
		if fault := o.judgeCompile(err, compiles); fault != nil {
			t.Fatal(fault)
		}
		if p != nil {
			seed := uint64(len(pattern))
			g := generator{rand.New(rand.NewPCG(seed, seed))}
			new(tally).compare(t, o, pattern, g.args(pattern, 6))
		}
	})
}

func FuzzMatch(f *testing.F) {
	for _, row := range table {
		f.Add(row.pattern, row.arg)
	}
	f.Fuzz(func(t *testing.T, pattern, arg string) {
		if len(pattern) > 100 || len(arg) > 100 || !utf8.ValidString(pattern) {
			return
		}
		new(tally).compare(t, newOracle(t), pattern, []string{arg})
	})
}
