package exposure

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"ironwrap/filters"
	"ironwrap/filters/pyre"
	"ironwrap/policy"
	"ironwrap/policy/review/language"
	"ironwrap/policy/review/programs"
)

// slot is the place of one argument in what a filter allows.
type slot struct {
	key     string // the same for slots that take the same
	word    language.Word
	re      *pyre.Pattern // nil where it is no pattern
	begin   string        // of all that it takes, as far as that is known
	example string
	some    []string // all that it takes, where that are few
	loose   bool     // takes words of the caller's choice
	dashes  bool     // takes words that begin with a dash
	dir     bool     // of a PathFilter: a path in a directory
	dead    bool     // takes nothing
}

func (s slot) takes(word string) bool {
	if s.some != nil {
		return slices.Contains(s.some, word)
	}
	if s.re != nil {
		return s.re.Match(word)
	}
	ok, err := s.word.Contains(word)
	return ok && err == nil
}

// free tells that the slot takes words that have nothing to do with each other.
func (s slot) free() bool { return s.takes("start") && s.takes("--x=/q") }

// bound is how many steps are taken to find out what a pattern has to do with one word
// of a way.
const bound = 2 * language.DefaultSteps

// short is how many steps are taken to find out whether a pattern has few words.
const short = 1 << 12

var anySlot = slot{key: "pass", word: language.AnyWord(), loose: true, dashes: true}

// subject is a filter, made ready to be asked about forms.
type subject struct {
	entry      *policy.Entry
	shape      filters.Shape
	exec       string   // the program; of an inner command that which a prefix runs
	name       string   // of the command, as the filter takes it
	lead       []string // what stands before an inner command's arguments
	slots      []slot   // of its arguments
	trail      []string // what stands behind them
	found      []int    // arguments in whose place the filter has {}
	open       bool     // any number of any words may follow on them
	script     *script  // the command stands in a text for a shell
	redirected bool     // the shell opens the file, and no program
	raced      bool     // the last command that fitted needs a link in a path that was checked
	large      bool     // a pattern was too large to find something out
	piped      bool     // arguments behind the slots come from standard input, which is the caller's
	veil       string   // see aim
	who        who      // see aim
}

func newSubject(e *policy.Entry) *subject {
	s := &subject{entry: e, exec: e.Exec(), shape: filters.ShapeOf(e.Filter)}
	for _, a := range s.shape.Args {
		s.slots = append(s.slots, newSlot(a, s.shape.Path))
	}
	s.open = s.shape.Open
	s.name = baseName(e.Exec())
	if s.shape.Name != "" {
		if sl := newSlot(s.shape.Name, false); !sl.dead && !sl.takes(s.name) && sl.example != "" {
			s.name = sl.example
		}
	}
	return s
}

func newSlot(arg string, constraint bool) slot {
	switch {
	case constraint && arg == "pass":
		return anySlot
	case constraint && strings.HasPrefix(arg, "/") && strings.ContainsAny(arg, `*?()[]|\^$`):
		return slot{dead: true} // meant for a pattern, which a PathFilter knows nothing of
	case constraint && strings.HasPrefix(arg, "/"):
		dir := strings.TrimRight(arg, "/")
		return slot{key: "dir " + dir, word: language.Text(dir).Then(paths(`(/` + step + `)+`)), loose: true, dir: true}
	case constraint || !strings.ContainsAny(arg, `\.*+?()[]{}|^$`):
		return slot{key: "text " + arg, word: language.Text(arg), example: arg, some: []string{arg}, dashes: true}
	}
	re, err := pyre.Compile(arg)
	if err != nil {
		return slot{dead: true}
	}
	word, err := language.Pattern(arg)
	if err != nil {
		word = language.AnyWord()
	}
	sl := slot{key: "re " + arg, word: word.Within(bound), re: re}
	if sl.loose = unbounded(arg); !sl.loose {
		n, finite, err := word.Within(short).Size()
		if err != nil {
			n, finite, err = sl.word.Size()
		}
		if sl.loose = err != nil || !finite || n > few; !sl.loose {
			sl.some, _ = word.First(n)
		}
	}
	if sl.begin = language.Begin(arg); sl.begin != "" {
		sl.dashes = sl.begin[0] == '-'
	} else {
		no, err := sl.word.And(language.Prefix("-")).Empty()
		sl.dashes = err != nil || !no
	}
	sl.example, _, _ = sl.word.Within(short).Shortest()
	if text := strings.ReplaceAll(arg, `\.`, "."); !strings.ContainsAny(text, `\*+?()[]{}|^$`) {
		sl.example = text // a dot that was meant as a dot
	}
	return sl
}

// unbounded tells that a pattern repeats something without an end: whoever writes that
// means words of the caller's choice.
func unbounded(pattern string) bool {
	class := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '*' || c == '+':
			return true
		}
	}
	return false
}

// memory is what was found out: which words are in a slot and in a set of a way's, and
// the command lines of ways. The sets of package language remember what they were asked,
// so nobody else may ask them meanwhile.
var memory = struct {
	sync.Mutex
	met    map[met]word
	graphs map[drawn]*programs.Graph
	values map[asked]*programs.Value
	dashed map[*programs.Value]bool
	begun  map[begun]bool
	lands  map[who]*land
	large  int // how often a pattern was too large
}{met: map[met]word{}, graphs: map[drawn]*programs.Graph{}, values: map[asked]*programs.Value{}, dashed: map[*programs.Value]bool{}, begun: map[begun]bool{}, lands: map[who]*land{}}

// begun is a set of a way's, and what a pattern's words begin with.
type begun struct {
	set  *programs.Value
	text string
}

type met struct {
	slot string
	set  *programs.Value
}

type drawn struct {
	program *programs.Program
	name    string
	form    string
	aim     aim
	bare    bool
}

// asked is a word of a form, for an aim.
type asked struct {
	text string
	aim  aim
}

// word is one that a slot takes and that is in a set.
type word struct {
	text  string
	cost  int // the less, the better it is for people
	ok    bool
	large bool // nobody knows
}

// maxMemory and maxGraphs bound how much is remembered.
const (
	maxMemory = 1 << 20
	maxGraphs = 1 << 11
)

// forget makes room. Who asks again is told the same.
func forget() {
	clear(memory.met)
	clear(memory.graphs)
	clear(memory.values)
	clear(memory.dashed)
	clear(memory.begun)
	clear(memory.lands)
}

func meet(s slot, v *programs.Value) word {
	if s.dead {
		return word{}
	}
	key := met{s.key, v}
	w, ok := memory.met[key]
	if !ok && !s.dashes && dashed(v) {
		return word{}
	}
	if !ok {
		if len(memory.met) > maxMemory {
			clear(memory.met)
		}
		if w = (word{}); s.begin == "" || begins(v, s.begin[:min(len(s.begin), 5)]) {
			w = common(s, v)
		}
		memory.met[key] = w
	}
	return w
}

// dashed tells whether all words of a set begin with a dash.
func dashed(v *programs.Value) bool {
	all, ok := memory.dashed[v]
	if !ok {
		no, err := v.Minus(language.Prefix("-")).Within(bound).Empty()
		all = err == nil && no
		memory.dashed[v] = all
	}
	return all
}

// begins tells whether some word of a set begins so.
func begins(v *programs.Value, text string) bool {
	key := begun{v, text}
	some, ok := memory.begun[key]
	if !ok {
		no, err := v.And(language.Prefix(text)).Within(bound).Empty()
		some = err != nil || !no
		memory.begun[key] = some
	}
	return some
}

func common(s slot, v *programs.Value) word {
	if s.some != nil && (v.Kind == "text" || v.Kind == "shell") {
		return word{} // the text is the policy's
	}
	switch v.Kind {
	case "free":
		return word{text: "x", cost: 1, ok: s.free() && s.takes("x")}
	case "shell":
		return injected(s, v)
	}
	for i, like := range v.Like {
		if s.takes(like) {
			return word{text: like, cost: 1 + i + spare[v.Kind], ok: true}
		}
	}
	if v.Few {
		return word{}
	}
	if s.some != nil {
		return s.oneOf(v)
	}
	if ok, err := v.Within(bound).Contains(s.example); ok && err == nil && s.takes(s.example) {
		return word{text: s.example, cost: 20 + len(s.example), ok: true} // the slot has no shorter one
	}
	for i, like := range v.Like {
		for _, text := range astray(s.example, like) {
			if ok, err := v.Within(bound).Contains(text); ok && err == nil && s.takes(text) {
				return word{text: text, cost: 20 + i + len(text), ok: true}
			}
		}
	}
	text, ok, err := s.word.And(v.Word).Within(patience()).Shortest()
	if err != nil {
		memory.large++
	}
	return word{text: text, cost: 20 + len(text), ok: ok && err == nil, large: err != nil}
}

// impatience begins to count anew.
func impatience() {
	memory.Lock()
	defer memory.Unlock()
	memory.large = 0
}

// patience bounds one question about a pattern: in a policy of very many that are too
// large nobody waits for each.
func patience() int {
	if memory.large > 40 {
		return short
	}
	return bound
}

// spare is what words cost besides that nothing asks for.
var spare = map[string]int{"option": 20}

// oneOf is the first of the few words of a slot that is in a set.
func (s slot) oneOf(v *programs.Value) (w word) {
	for _, text := range s.some {
		ok, err := v.Within(bound).Contains(text)
		w.large = w.large || err != nil
		if ok && err == nil {
			return word{text: text, cost: 20 + len(text), ok: true}
		}
	}
	return w
}

// astray are the paths that begin as one of a slot's does and go back to the root, and
// from there to another: what most patterns let through that let slashes and dots
// through. To try them is faster than to look for the shortest.
func astray(example, to string) (list []string) {
	at := strings.IndexByte(to, '/')
	if at < 0 || !strings.HasPrefix(example, to[:at+1]) {
		return nil
	}
	depth := 0
	for i := at; i < len(example); i++ {
		if example[i] == '/' {
			list = append(list, example[:i+1]+strings.Repeat("../", depth)+to[at+1:])
			depth++
		}
	}
	return list
}

// injected is a text for a shell that runs a command of the caller's, out of the words of
// a slot.
func injected(s slot, v *programs.Value) word {
	for i, like := range v.Like {
		if s.takes(like) {
			return word{text: like, cost: 1 + i, ok: true}
		}
	}
	here := s.word.And(v.Word).Within(patience())
	large := false
	for _, hole := range holes() {
		some, err := here.And(hole).Within(patience()).First(8)
		if err != nil {
			large = true
			memory.large++
		}
		for _, text := range some {
			if runsIn(text) {
				return word{text: text, cost: 20 + len(text), ok: true}
			}
		}
	}
	return word{large: large}
}

// holes are texts with a place for a command of the caller's.
var holes = sync.OnceValue(func() (list []language.Word) {
	list = append(list, paths(`(.*=|-c)?(id|/tmp/x)([ \t\n;&|].*)?`))
	for _, text := range append([]string{"''; id; ''", `""; id; ""`}, append(injections, ";id #", "'`id`'", ") id;", "&&id ", "||id ", `'";id;"'`, "$(/tmp/x)", ";/tmp/x;", "\n/tmp/x\n", "';/tmp/x;'")...) {
		list = append(list, language.AnyWord().Then(language.Text(text)).Then(language.AnyWord()))
	}
	return list
})

// runsIn tells whether a shell that is given a word, or what is attached to an option in
// it, runs a command of the caller's.
func runsIn(text string) bool {
	candidates := []string{text}
	for _, value, ok := strings.Cut(text, "="); ok && strings.HasPrefix(text, "-"); _, value, ok = strings.Cut(value, "=") {
		candidates = append(candidates, value) // of --checkpoint-action=exec=id as well
	}
	if strings.HasPrefix(text, "-") && len(text) > 2 {
		candidates = append(candidates, text[2:])
	}
	return slices.ContainsFunc(candidates, func(c string) bool { return runs(c, "id") || runs(c, mine) })
}

// fits looks for a command of the form that the filter allows, for a power: the more
// the caller is free in the choice of what it is about the better.
func (s *subject) fits(w way) (argv []filters.Untrusted, l level, ok bool) {
	memory.Lock()
	defer memory.Unlock()
	levels := graded(w.power, w.form)
	a := aim{power: w.power, level: levels[len(levels)-1], real: slices.ContainsFunc(s.slots, func(s slot) bool { return s.dir })}
	a.file, a.veil, a.who = w.power != Run || s.interprets() || readers[baseName(s.exec)] && !s.passes(w), s.veil, s.who
	form := w.loosened()
	if _, ok := s.search(s.graph(form, a, false)); !ok { // the last level has all of the others
		return nil, toLittle, false
	}
	for _, a := range a.graded(levels, !s.pinned()) {
		for _, bare := range []bool{true, false} {
			if words, ok := s.search(s.graph(form, a, bare)); ok {
				s.raced = a.raced
				if argv := s.line(words); s.entry.Match(s.given(argv), lexical{}).Matched {
					return argv, s.limited(a.level, w), true
				}
			}
		}
	}
	return nil, toLittle, false
}

// pinned tells that a command gets the files that were checked.
func (s *subject) pinned() bool { return s.entry.Sandbox != nil && s.entry.Sandbox.PinPaths }

// limited is the level of a way where the caller has a choice of words; without it a
// command that needs nothing of the caller's is what the policy says.
func (s *subject) limited(l level, w way) level {
	chosen := s.open || slices.ContainsFunc(s.slots, func(sl slot) bool { return sl.loose })
	if !chosen && (w.power == Arguments || l == toSome && strings.Contains(w.form, "{user}")) {
		return toLittle
	}
	brought := brings.MatchString(w.form) || byInput[baseName(s.exec)]
	if l == toAll && w.power != Run && w.power != Code && w.power != Write && !chosen && len(s.shape.Vars) == 0 && !brought {
		return toSome
	}
	return l
}

// brings are the placeholders for what is worth as much when the policy names it.
var brings = regexp.MustCompile(`\{(mine|from|dest|file|name|dir|new|disk|uid0|admins|halt)\}`)

// byInput are programs to which standard input, the caller's, says what to do.
var byInput = fieldSet("chpasswd chgpasswd newusers ssh-keygen xargs")

// readers are programs to which the caller brings a file with commands, or a directory:
// also one that is named without a slash. To others they bring a program.
var readers = fieldSet("ansible-playbook at autoconf batch bridge cmake crontab dc debugfs devlink dpkg ed ex expect ferm fio gdb gmake gnuplot groff ip lftp logrotate m4 make mysql mariadb ninja nroff openvpn pic pppd rake rpm run-parts scp sed gsed sftp sqlite3 ssh systemd-nspawn tc tmux troff vi vim xinetd")

func (s *subject) interprets() bool { return Interpreter(s.exec) }

// some is a command that the filter allows.
func (s *subject) some() ([]filters.Untrusted, bool) {
	argv, _, ok := s.fits(way{power: Arguments, form: "…"})
	return argv, ok
}

// plain is how words are read that nobody knows how they are read.
var plain = &programs.Program{Style: programs.Plain}

// grammar is how a program, by its path or name, reads the words of a form.
func grammar(program, form string) *programs.Program {
	name, words := baseName(program), strings.Fields(strings.ReplaceAll(form, "|", " "))
	if p, ok := programs.Of(name, words...); ok {
		return p
	}
	if p, ok := programs.Of(family(name), words...); ok {
		return p
	}
	return plain
}

// graph is the command lines of a form.
func (s *subject) graph(form string, a aim, bare bool) *programs.Graph {
	p := grammar(s.exec, form)
	without := omitted(s.exec, a.power)
	if form == "…" && len(without) == 0 {
		p = plain
	}
	key := drawn{p, baseName(s.exec), form, a, bare}
	if g := memory.graphs[key]; g != nil {
		return g
	}
	if len(memory.graphs) > maxGraphs {
		forget()
	}
	w, err := readForm(p, form, a)
	if err != nil {
		w, _ = readForm(plain, form, a)
		p = plain
	}
	if form != "…" {
		without = append(without, "help", "version") // the program does nothing else then
	}
	for _, name := range append(coding(p, s.exec), without...) {
		if !slices.ContainsFunc(w.Options, func(o programs.Option) bool { return o.Name == name }) {
			w.Without = append(w.Without, name)
		}
	}
	g := p.Graph(w, bare)
	memory.graphs[key] = g
	return g
}

// coding are the options of a program by which it is given code. With one of them its
// operands are not what they are without: no script, for one.
func coding(p *programs.Program, program string) (names []string) {
	if p.Style == programs.Plain {
		return nil
	}
	for _, w := range ways(program) {
		form, err := readForm(grammar(program, w.form), w.form, aim{power: w.power})
		if err != nil {
			continue
		}
		code := func(v *programs.Value) bool { return v != nil && (v.Kind == "text" || v.Kind == "shell") }
		operand := len(form.Operands) > 0 && code(form.Operands[0].Value) && Interpreter(program)
		for _, o := range form.Options {
			if code(o.Value) || operand && !o.Given {
				names = append(names, o.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func readForm(p *programs.Program, form string, a aim) (programs.Way, error) {
	return p.Read(strings.Fields(form), a.words)
}

// words is the set of the words that may stand for one of a form.
func (a aim) words(text string) *programs.Value {
	names := placeholder.FindAllString(text, -1)
	switch len(names) {
	case 0:
		return remembered(asked{text: text}, func() programs.Value { return programs.Text(strings.Split(text, "|")...) })
	case 1:
		a = a.essence(strings.Trim(names[0], "{}"))
	}
	return remembered(asked{text, a}, func() programs.Value { return a.framed(text) })
}

// framed is a word with placeholders in it.
func (a aim) framed(text string) programs.Value {
	at := placeholder.FindStringIndex(text)
	if at == nil {
		return programs.Text(text)
	}
	v, _ := a.value(text[at[0]+1 : at[1]-1])
	if before, after := text[:at[0]], text[at[1]:]; before != "" || after != "" {
		rest := a.framed(after)
		out := programs.Value{Word: language.Text(before).Then(v.Word).Then(rest.Word), Kind: v.Kind + rest.Kind}
		for _, like := range v.Like {
			out.Like = append(out.Like, before+like+rest.Like[0])
		}
		return out
	}
	return v
}

func remembered(key asked, value func() programs.Value) *programs.Value {
	v := memory.values[key]
	if v == nil {
		made := value()
		v = &made
		memory.values[key] = v
	}
	return v
}

// maxWords bounds how many words a command has beyond those that a filter asks for.
const maxWords = 16

// reached is a place of a way at which the words so far lead, at the least cost.
type reached struct {
	cost  int
	from  int
	word  string
	there bool
}

// search finds the arguments of a command that a way and the filter both allow: of the
// fewest words, those that people understand best.
func (s *subject) search(g *programs.Graph) (words []string, ok bool) {
	slots := s.slots
	if s.shape.More {
		slots = append(slices.Clone(slots), nested)
	}
	layers := [][]reached{make([]reached, len(g.Edges))}
	layers[0][0].there = true
	for i := 0; ; i++ {
		if i >= len(slots) {
			if words, ok := traced(layers, g); ok || !s.open || i > len(slots)+maxWords {
				return words, ok
			}
		}
		sl := anySlot
		if i < len(slots) {
			sl = slots[i]
		}
		next, alive := s.advance(layers[i], g, sl)
		if !alive {
			return nil, false
		}
		layers = append(layers, next)
	}
}

// nested is the name of the program that another filter allows behind a prefix.
var nested = slot{key: "nested", word: language.Text("true")}

func (s *subject) advance(now []reached, g *programs.Graph, sl slot) (next []reached, alive bool) {
	next = make([]reached, len(g.Edges))
	for from, at := range now {
		if !at.there {
			continue
		}
		for _, e := range g.Edges[from] {
			w := meet(sl, e.Words)
			s.large = s.large || w.large
			if n := &next[e.To]; w.ok && (!n.there || at.cost+w.cost < n.cost) {
				*n = reached{at.cost + w.cost, from, w.text, true}
				alive = true
			}
		}
	}
	return next, alive
}

// traced are the words that lead to the best place at which a line may end.
func traced(layers [][]reached, g *programs.Graph) (words []string, ok bool) {
	last := layers[len(layers)-1]
	best := -1
	for i, at := range last {
		if at.there && g.Final[i] && (best < 0 || at.cost < last[best].cost) {
			best = i
		}
	}
	if best < 0 {
		return nil, false
	}
	for i := len(layers) - 1; i > 0; i-- {
		at := layers[i][best]
		words = append(words, at.word)
		best = at.from
	}
	slices.Reverse(words)
	return words, true
}

// given is the words of a command that the filter sees.
func (s *subject) given(argv []filters.Untrusted) []filters.Untrusted {
	lead := len(s.call())
	if s.piped {
		argv = argv[:min(len(argv), lead+len(s.slots))]
	}
	argv = slices.Clone(argv)
	for _, i := range s.found {
		if lead+i < len(argv) {
			argv[lead+i] = found
		}
	}
	if s.script != nil {
		return s.script.text(argv)
	}
	return argv
}

// line is the command with these arguments.
func (s *subject) line(words []string) []filters.Untrusted {
	return append(append(s.call(), filters.Words(words)...), filters.Words(s.trail)...)
}

// call is the command's own word, with the variables before it.
func (s *subject) call() (argv []filters.Untrusted) {
	if s.lead != nil {
		return filters.Words(s.lead)
	}
	if len(s.shape.Vars) > 0 {
		argv = append(argv, "env")
		for _, v := range s.shape.Vars {
			value := v.Value
			switch {
			case value == "" && Loads(v.Name.Raw()) != "":
				value = mine
			case value == "":
				value = "x"
			}
			argv = append(argv, v.Name+"="+value)
		}
	}
	return append(argv, filters.Untrusted(s.name))
}

var placeholder = regexp.MustCompile(`\{[a-z0-9]+\}`)

// lexical is a machine without files: paths lead where they say, and nothing runs.
// What a filter gives away is asked of the filter, not of the machine that the
// question happens to be put on.
type lexical struct{}

func (lexical) Base(dir, _ string) (string, error) { return path.Clean(dir), nil }
func (lexical) Resolve(p filters.Untrusted, _, _ string) (filters.Untrusted, error) {
	return filters.Untrusted(path.Clean(p.Raw())), nil
}
func (lexical) Process(int) (filters.Process, error) { return filters.Process{}, errNothing }
func (lexical) Programs(string) []filters.Program    { return nil }
func (lexical) Stable(string) error                  { return nil }
func (lexical) Trusted(filters.Untrusted) error      { return errNothing }
