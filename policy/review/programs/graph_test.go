package programs

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// given is an option that a command line has.
type given struct{ name, value string }

// parse reads a command line as getopt_long(3) does, and the other styles likewise. An
// option's name is the first that the program's strings have for it.
func parse(p *Program, line []string) (opts []given, operands []string, ok bool) {
	if p.Old && len(line) > 0 && len(line[0]) > 0 && line[0][0] != '-' {
		return parseOld(p, line)
	}
	return parseNew(p, line)
}

// parseOld reads a first word as letters, whose values are the words after it.
func parseOld(p *Program, line []string) (opts []given, operands []string, ok bool) {
	rest := line[1:]
	for _, letter := range line[0] {
		at := strings.IndexRune(p.Short, letter)
		if at < 0 || letter == ':' || strings.HasPrefix(p.Short[at+1:], "::") {
			return nil, nil, false
		}
		o := given{name: same(p, string(letter))}
		if strings.HasPrefix(p.Short[at+1:], ":") {
			if len(rest) == 0 || len(rest) < len(line)-1 { // one value, as in letters
				return nil, nil, false
			}
			o.value, rest = rest[0], rest[1:]
		}
		opts = append(opts, o)
	}
	more, operands, ok := parseNew(p, rest)
	return append(opts, more...), operands, ok
}

func parseNew(p *Program, line []string) (opts []given, operands []string, ok bool) {
	permuted := p.Style == Permuted || p.Style == Single
	for i := 0; i < len(line); i++ {
		word := line[i]
		switch {
		case p.Style == Plain || p.Style == Assignments && !strings.Contains(word, "="):
			operands = append(operands, word)
			continue
		case p.Style == Assignments:
			key, value, _ := strings.Cut(word, "=")
			if p.Long != "" && !slices.Contains(strings.Fields(p.Long), key+"=") || key == "" {
				return nil, nil, false
			}
			opts = append(opts, given{"=" + key, value})
			continue
		case word == "--" && p.Style != Single:
			return opts, append(operands, line[i+1:]...), true
		case word == "-" && p.Style == Environment:
			continue
		case !strings.HasPrefix(word, "-") || word == "-":
			operands = append(operands, word)
			if !permuted && len(operands) > p.Lead {
				return opts, append(operands, line[i+1:]...), true
			}
			continue
		}
		next := func() (string, bool) {
			i++
			if i >= len(line) {
				return "", false
			}
			return line[i], true
		}
		if kind, known := kinds(p.Single)[word[1:]]; known {
			value := ""
			if kind == "=" {
				if value, ok = next(); !ok {
					return nil, nil, false
				}
			}
			opts = append(opts, given{same(p, word[1:]), value})
			continue
		}
		if name, text, ok := attachedTo(p, word); ok {
			opts = append(opts, given{same(p, name), text})
			continue
		}
		if body, long := strings.CutPrefix(word, "--"); long {
			name, value, attached := strings.Cut(body, "=")
			name, kind := resolve(p, name)
			switch {
			case name == "", kind == "" && attached:
				return nil, nil, false
			case kind == "=" && !attached:
				if value, ok = next(); !ok {
					return nil, nil, false
				}
			}
			opts = append(opts, given{same(p, name), value})
			continue
		}
		for letters := word[1:]; letters != ""; {
			at := strings.IndexByte(p.Short, letters[0])
			if at < 0 || letters[0] == ':' {
				return nil, nil, false
			}
			name, rest := letters[:1], letters[1:]
			kind := p.Short[at+1:]
			value := ""
			switch {
			case strings.HasPrefix(kind, "::"):
				value, rest = rest, ""
			case strings.HasPrefix(kind, ":") && rest != "":
				value, rest = rest, ""
			case strings.HasPrefix(kind, ":"):
				if value, ok = next(); !ok {
					return nil, nil, false
				}
			}
			opts = append(opts, given{same(p, name), value})
			letters = rest
		}
	}
	return opts, operands, true
}

// attachedTo finds the single option that a word begins with.
func attachedTo(p *Program, word string) (name, text string, ok bool) {
	for name, kind := range kinds(p.Single) {
		if text, ok := strings.CutPrefix(word, "-"+name); ok && kind == "[=]" {
			return name, text, true
		}
	}
	return "", "", false
}

func kinds(list string) map[string]string {
	all := map[string]string{}
	for _, f := range strings.Fields(list) {
		name := strings.TrimRight(f, "[=]")
		all[name] = f[len(name):]
	}
	return all
}

func resolve(p *Program, name string) (full, kind string) {
	all := kinds(p.Long)
	if kind, ok := all[name]; ok {
		return name, kind
	}
	if p.Whole || name == "" {
		return "", ""
	}
	for long, k := range all {
		if strings.HasPrefix(long, name) {
			if full != "" {
				return "", ""
			}
			full, kind = long, k
		}
	}
	return full, kind
}

func same(p *Program, name string) string {
	for _, pair := range strings.Fields(p.Same) {
		if a, b, _ := strings.Cut(pair, "="); b == name {
			return a
		}
	}
	return name
}

// stands tells whether a way stands in a command line, as parse reads it.
func stands(p *Program, w Way, line []string) bool {
	opts, operands, ok := parse(p, line)
	if !ok {
		return false
	}
	if p.Style == Environment {
		for len(operands) > 0 && strings.Contains(operands[0], "=") {
			key, value, _ := strings.Cut(operands[0], "=")
			if key == "" {
				return false
			}
			opts, operands = append(opts, given{"=" + key, value}), operands[1:]
		}
	}
	for _, name := range w.Without {
		for _, o := range opts {
			if o.name == same(p, name) {
				return false
			}
		}
	}
	for _, need := range w.Options {
		name := same(p, need.Name)
		if need.Assigns {
			name = "=" + need.Name
		}
		found := false
		for _, o := range opts {
			good := false
			if o.name == name {
				good = true
				if need.Given {
					good, _ = need.Value.Contains(o.value)
					if kind := kindOf(p, need.Name); kind == "perhaps" && o.value == "" {
						good = false
					}
				}
			}
			if need.Assigns { // the last of a key counts
				if o.name == name {
					found = good
				}
				continue
			}
			found = found || good
		}
		if !found {
			return false
		}
	}
	want := w.Operands
	if p.Style == Assignments { // its words are all asked for
		want = slices.DeleteFunc(slices.Clone(want), func(o Operand) bool { return o.Any })
	}
	return fitting(want, operands)
}

// kindOf is "perhaps" for an option that may have a value.
func kindOf(p *Program, name string) string {
	if i := strings.Index(p.Short, name+"::"); len(name) == 1 && i >= 0 || kinds(p.Single)[name] == "[=]" {
		return "perhaps"
	}
	return ""
}

func fitting(want []Operand, words []string) bool {
	switch {
	case len(want) == 0:
		return len(words) == 0
	case want[0].Any:
		return fitting(want[1:], words) || len(words) > 0 && fitting(want, words[1:])
	case len(words) == 0:
		return false
	}
	ok, _ := want[0].Value.Contains(words[0])
	return ok && fitting(want[1:], words[1:])
}

var testPrograms = []*Program{
	{Short: "ab:c::v", Long: "alpha beta= gamma[=] better", Same: "b=beta a=alpha"},
	{Short: "ab:cv", Long: "alpha beta= better", Style: POSIX},
	{Short: "ab:cv", Long: "alpha beta= better", Style: Prefix, Whole: true},
	{Short: "ab:cv", Long: "alpha beta=", Style: Environment},
	{Short: "v", Single: "alpha beta= c", Style: Single},
	{Short: "v", Single: "alpha out[=] c", Style: Single},
	{Short: "ab:cv", Long: "alpha beta= better", Style: POSIX, Lead: 1},
	{Short: "ab:c::v", Long: "alpha beta= gamma[=] better", Same: "b=beta a=alpha", Old: true},
	{Style: Assignments, Long: "alpha= beta="},
	{Style: Plain},
}

var testForms = []string{"x", "x …", "… x", "…", "-a x", "-b x", "-a -b x …", "-ab x", "--beta x {y}", "-v -a x", "-v x !-a", "… -b x", "-alpha x", "-beta x …", "-beta x -alpha y", "beta=x", "alpha=x beta=y", "-c x", "-cx", "-outx y", "-out", "x -a y", "x … -b y", "--gamma=x", "A=x y …", "-a A=x y", "x … y"}

var testWords = []string{"x", "y", "", "-", "--", "-a", "-av", "-va", "-b", "-bx", "-abx", "-ab", "-c", "-cx", "-acx", "-v", "-vx", "--alpha", "--al", "--beta", "--bet", "--bet=x", "--beta=x", "--beta=y", "--better", "--gamma", "--gam=x", "--gamma=", "--gamma=x", "-alpha", "-beta", "-out", "-outx", "ab", "b", "bv", "va", "--zeta", "-z", "alpha=x", "beta=x", "beta=y", "A=x", "A=y", "B=", "c=x", "-beta=x"}

func simple(word string) *Value { v := Text(strings.Trim(word, "{}")); return &v }

// TestGraph holds the graphs against a reader of command lines that goes from word to
// word.
func TestGraph(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	yes, no := 0, 0
	for _, p := range testPrograms {
		for _, form := range testForms {
			w, err := p.Read(strings.Fields(form), simple)
			if err != nil {
				continue
			}
			l, bare := p.Graph(w, false).Lines(), p.Graph(w, true).Lines()
			check := func(line []string) {
				want := stands(p, w, line)
				if got, err := l.Contains(line...); got != want || err != nil {
					t.Errorf("%+v %s: %q: %v, want %v %v", *p, form, line, got, want, err)
				}
				if got, _ := bare.Contains(line...); got && !want {
					t.Errorf("%+v %s: %q is in the bare", *p, form, line)
				}
				if want {
					yes++
				} else {
					no++
				}
			}
			all := [][]string{strings.Fields(strings.NewReplacer("…", "", "{", "", "}", "").Replace(form))}
			some, err := l.First(40)
			if err != nil {
				t.Fatal(err)
			}
			few, _ := bare.First(5)
			for _, line := range slices.Concat(all, some, few) {
				check(line)
				for range 20 {
					line := slices.Clone(line)
					for range 1 + random.IntN(2) {
						i := random.IntN(len(line) + 1)
						word := testWords[random.IntN(len(testWords))]
						switch {
						case i == len(line) || random.IntN(3) == 0:
							line = slices.Insert(line, i, word)
						case random.IntN(2) == 0:
							line[i] = word
						default:
							line = slices.Delete(line, i, i+1)
						}
					}
					check(line)
				}
			}
			for range 300 {
				var line []string
				for range random.IntN(5) {
					line = append(line, testWords[random.IntN(len(testWords))])
				}
				check(line)
			}
		}
	}
	if yes < 2000 || no < 2000 {
		t.Errorf("%d lines in which the way stands, %d in which it does not", yes, no)
	}
	t.Log(yes, no)
}

// TestParse holds the reader against Python's getopt, which is that of C.
func TestParse(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3: the reader was not compared")
	}
	type question struct {
		Short string
		Long  []string
		GNU   bool
		Line  []string
	}
	random := rand.New(rand.NewPCG(3, 4))
	var questions []question
	var programs []*Program
	for range 4000 {
		p := &Program{Short: "ab:cv", Long: "alpha beta= better", Style: []Style{Permuted, POSIX}[random.IntN(2)]}
		var line []string
		for range random.IntN(5) {
			line = append(line, testWords[random.IntN(len(testWords))])
		}
		programs = append(programs, p)
		questions = append(questions, question{p.Short, strings.Fields(p.Long), p.Style == Permuted, append([]string{}, line...)})
	}
	in, _ := json.Marshal(questions)
	c := exec.Command(python, "-c", `
import getopt, json, sys
out = []
for q in json.load(sys.stdin):
    try:
        o, a = (getopt.gnu_getopt if q["GNU"] else getopt.getopt)(q["Line"], q["Short"], q["Long"])
        out.append([[[n.lstrip("-"), v] for n, v in o], a])
    except getopt.GetoptError:
        out.append(None)
print(json.dumps(out))`)
	c.Stdin = strings.NewReader(string(in))
	raw, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var answers []*[2]any
	if err := json.Unmarshal(raw, &answers); err != nil {
		t.Fatal(err)
	}
	for i, q := range questions {
		opts, operands, ok := parse(programs[i], q.Line)
		if ok != (answers[i] != nil) {
			t.Errorf("%+v: %v, Python says %v", q, ok, answers[i])
			continue
		}
		if !ok {
			continue
		}
		list := [][]string{}
		for _, o := range opts {
			list = append(list, []string{o.name, o.value})
		}
		if got, want := fmt.Sprint(list, operands), fmt.Sprint(answers[i][0], answers[i][1]); got != want {
			t.Errorf("%+v: %s, Python says %s", q, got, want)
		}
	}
}

// TestGetopt holds the reader against getopt(1), which is getopt_long(3) itself.
func TestGetopt(t *testing.T) {
	getopt, err := exec.LookPath("getopt")
	if err != nil {
		t.Skip("no getopt: the reader was not compared")
	}
	random := rand.New(rand.NewPCG(5, 6))
	quoted := regexp.MustCompile(`'[^']*'|\S+`)
	for range 1500 {
		p := &Program{Short: "ab:c::v", Long: "alpha beta= gamma[=] better", Style: []Style{Permuted, POSIX}[random.IntN(2)]}
		short := p.Short
		if p.Style == POSIX {
			short = "+" + short
		}
		var line []string
		for range random.IntN(5) {
			line = append(line, testWords[random.IntN(len(testWords))])
		}
		c := exec.Command(getopt, slices.Concat([]string{"-q", "-o", short, "-l", "alpha,beta:,gamma::,better", "--"}, line)...)
		out, err := c.Output()
		opts, operands, ok := parse(p, line)
		if ok != (err == nil) {
			t.Errorf("%+v %q: %v, getopt says %v", *p, line, ok, err)
			continue
		}
		if !ok {
			continue
		}
		want := quoted.FindAllString(string(out), -1)
		var got []string
		for _, o := range opts {
			name, takes := "-"+o.name, slices.Contains([]string{"b", "c", "beta", "gamma"}, o.name)
			if len(o.name) > 1 {
				name = "--" + o.name
			}
			if got = append(got, name); takes {
				got = append(got, "'"+o.value+"'")
			}
		}
		got = append(got, "--")
		for _, o := range operands {
			got = append(got, "'"+o+"'")
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v %q: %q, getopt says %q", *p, line, got, want)
		}
	}
}

func ExampleProgram_Graph() {
	cp, _ := Of("cp")
	any := func(string) *Value { return &Any }
	w, err := cp.Read([]string{"-t", "{dir}", "{file}"}, any)
	if err != nil {
		panic(err)
	}
	lines := cp.Graph(w, false).Lines()
	ok, _ := lines.Contains("/tmp/x", "-rvt/etc")
	also, _ := lines.Contains("--tar", "/etc", "--", "-x")
	not, _ := lines.Contains("/tmp/x", "/etc")
	fmt.Println(ok, also, not)
	// Output: true true false
}

// TestGrammars: the data says something. No program has two grammars for the same verb,
// and options that are one have both names.
func TestGrammars(t *testing.T) {
	seen := map[string]bool{}
	for _, group := range groups {
		for i := range group {
			p := &group[i]
			for _, name := range strings.Fields(p.Names) {
				for _, verb := range append([]string{""}, strings.Fields(p.Verbs)...) {
					if (verb == "") != (p.Verbs == "") {
						continue
					}
					if seen[name+" "+verb] {
						t.Errorf("%s %s has two grammars", name, verb)
					}
					seen[name+" "+verb] = true
				}
			}
			for i, r := range p.Short {
				if r != ':' && strings.ContainsRune(p.Short[i+1:], r) {
					t.Errorf("%s: -%c twice", p.Names, r)
				}
			}
			for _, pair := range strings.Fields(p.Same) {
				a, b, ok := strings.Cut(pair, "=")
				if x, y := p.table().of(a), p.table().of(b); !ok || x == nil || x != y {
					t.Errorf("%s: %s are not the same", p.Names, pair)
				}
			}
		}
	}
}
