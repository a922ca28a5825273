package exposure

import (
	"path"
	"regexp"
	"strings"

	"ironwrap/filters"
	"ironwrap/filters/pyre"
	"ironwrap/policy"
)

// slot is the place of one argument in what a filter allows. The zero slot takes
// any word.
type slot struct {
	re       *pyre.Pattern
	examples []string // words that it takes
	dir      string   // of a PathFilter: a path in there
	only     string   // that word alone
	dead     bool     // takes nothing
}

func (s slot) takes(word string) bool {
	switch {
	case s.dead:
		return false
	case s.re != nil:
		return s.re.Match(word)
	case s.dir != "":
		return strings.HasPrefix(word, s.dir+"/") && path.Clean(word) == word
	case s.only != "":
		return word == s.only
	}
	return true
}

// free tells that the slot takes words that have nothing to do with each other.
func (s slot) free() bool { return s.takes("start") && s.takes("--x=/q") }

// subject is a filter, made ready to be asked about forms.
type subject struct {
	entry *policy.Entry
	shape filters.Shape
	slots []slot // of its arguments; nil where any number of any words is taken
}

func newSubject(e *policy.Entry) *subject {
	s := &subject{entry: e, shape: filters.ShapeOf(e.Filter)}
	for _, a := range s.shape.Args {
		s.slots = append(s.slots, newSlot(a, s.shape.Path))
	}
	return s
}

func newSlot(arg string, constraint bool) slot {
	switch {
	case constraint && arg == "pass":
		return slot{}
	case constraint && strings.HasPrefix(arg, "/") && strings.ContainsAny(arg, `*?()[]|\^$`):
		return slot{dead: true} // meant for a pattern, which a PathFilter knows nothing of
	case constraint && strings.HasPrefix(arg, "/"):
		dir := strings.TrimRight(arg, "/")
		return slot{dir: dir, examples: []string{dir + "/x"}}
	case constraint:
		return slot{only: arg, examples: []string{arg}}
	}
	re, err := pyre.Compile(arg)
	if err != nil {
		return slot{dead: true}
	}
	return slot{re: re, examples: re.Examples(injections...)}
}

// fits looks for a command of the form that the filter allows. whole tells that
// the caller is free in the choice of the file or other thing that the form is
// about; else only what the filter's patterns say is within their reach.
func (s *subject) fits(form string) (argv []filters.Untrusted, whole, ok bool) {
	words := strings.Fields(form)
	front := len(words) > 0 && words[0] == "…"
	if front {
		words = words[1:]
	}
	back := len(words) > 0 && words[len(words)-1] == "…"
	if back {
		words = words[:len(words)-1]
	}
	back = back || front && len(words) == 0
	if s.shape.More && !back {
		return nil, false, false // the nested command would be part of the form
	}
	if s.shape.Open {
		return s.instance(words, make([]slot, len(words)), 0, 0)
	}
	for lead := 0; lead+len(words) <= len(s.slots); lead++ {
		trail := len(s.slots) - lead - len(words)
		if lead > 0 && !front || trail > 0 && !back {
			continue
		}
		if argv, whole, ok := s.instance(words, s.slots, lead, trail); ok {
			return argv, whole, true
		}
	}
	return nil, false, false
}

// instance writes words into slots, with lead slots before and trail behind them
// that hold an example each, and asks the filter.
func (s *subject) instance(words []string, slots []slot, lead, trail int) ([]filters.Untrusted, bool, bool) {
	argv := s.call()
	whole := true
	for i, sl := range slots {
		if i < lead || i >= len(slots)-trail {
			if len(sl.examples) == 0 && !sl.takes("x") {
				return nil, false, false
			}
			argv = append(argv, filters.Untrusted(append(sl.examples, "x")[0]))
			continue
		}
		word, all, ok := sl.word(words[i-lead])
		if !ok {
			return nil, false, false
		}
		whole = whole && all
		argv = append(argv, filters.Untrusted(word))
	}
	if s.shape.More {
		argv = append(argv, "true")
	}
	return argv, whole, s.entry.Match(argv, lexical{}).Matched
}

// call is the command's own word, with the variables before it.
func (s *subject) call() (argv []filters.Untrusted) {
	name := baseName(s.entry.Exec())
	if s.shape.Name != "" {
		if sl := newSlot(s.shape.Name, false); !sl.takes(name) && len(sl.examples) > 0 {
			name = sl.examples[0]
		}
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
	return append(argv, filters.Untrusted(name))
}

var placeholder = regexp.MustCompile(`\{[a-z0-9]+\}`)

// word finds a word for one word of a form.
func (s slot) word(form string) (word string, whole, ok bool) {
	at := placeholder.FindStringIndex(form)
	if at == nil {
		return form, true, s.takes(form)
	}
	before, name, after := form[:at[0]], form[at[0]+1:at[1]-1], form[at[1]:]
	var examples []string
	for _, e := range s.examples {
		if inner, ok := strings.CutPrefix(e, before); ok {
			if inner, ok = strings.CutSuffix(inner, after); ok {
				examples = append(examples, inner)
			}
		}
	}
	if name == "free" {
		return before + "x" + after, true, s.free()
	}
	full, part := candidates(name, examples)
	for _, c := range full {
		if s.takes(before + c + after) {
			return before + c + after, true, true
		}
	}
	for _, c := range part {
		if s.takes(before + c + after) {
			return before + c + after, false, true
		}
	}
	return "", false, false
}

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
