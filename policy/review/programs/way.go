package programs

import (
	"fmt"
	"slices"
	"strings"

	"ironwrap/policy/review/language"
)

// Way is what must stand in a command line.
type Way struct {
	Options  []Option  // in any order; of Assignments and Environment the assignments
	Operands []Operand // in this order
	Without  []string  // names of options that must not be there
}

// Option is an option that must be there.
type Option struct {
	Name    string // without dashes
	Value   *Value // of what it takes, where it takes something and that is given
	Given   bool
	Assigns bool // it is no option, but a word NAME=VALUE
}

// Operand is one word; or, if Any, any number of any words.
type Operand struct {
	Value *Value
	Any   bool
	Runs  bool // a command stands behind it, of an Expression
}

// Value is a set of words.
type Value struct {
	language.Word
	Like []string // some of them, which people understand best
	Kind string   // what else is asked of a word, by those who gave the value

	narrow [noneOfThem + 1]*Value
}

// Text is the value that is one of these words.
func Text(words ...string) Value { return Value{Word: language.Text(words...), Like: words} }

// Any is the value that is any word.
var Any = Value{Word: language.AnyWord(), Like: []string{"x"}}

// Read reads the words of a form as the program reads those of a command: those that
// are options, and their values, and the operands. A word … stands for operands of any
// number, but for Assignments, which take none besides; one that begins with !- is an option that must not be there. value makes a set
// of a word, or of what is attached to an option in one.
func (p *Program) Read(words []string, value func(string) *Value) (Way, error) {
	r := reader{p: p, t: p.table(), value: value}
	for r.rest = words; len(r.rest) > 0; {
		word := r.rest[0]
		r.rest = r.rest[1:]
		if err := r.word(word); err != nil {
			return Way{}, fmt.Errorf("%s in %q", err, strings.Join(words, " "))
		}
	}
	return r.way, nil
}

type reader struct {
	p     *Program
	t     *table
	value func(string) *Value
	rest  []string
	way   Way
	ended bool // there are no more options
}

func (r *reader) word(word string) error {
	options := r.p.Style != Plain && r.p.Style != Assignments && !r.ended
	key, text, assigns := strings.Cut(word, "=")
	switch {
	case word == "…":
		r.way.Operands = append(r.way.Operands, Operand{Any: true})
		return nil
	case strings.HasPrefix(word, "!-"):
		r.way.Without = append(r.way.Without, strings.TrimLeft(word, "!-"))
		return nil
	case options && slices.Contains(strings.Fields(r.p.Runs), word):
		r.ended = true
		r.way.Operands = append(r.way.Operands, Operand{Value: r.value(word), Runs: true})
		return nil
	case options && word == "--" && r.p.Style != Single:
		r.ended = true
		return nil
	case options && strings.HasPrefix(word, "-") && word != "-":
		return r.option(word)
	case (r.p.Style == Assignments || r.p.Style == Environment && !r.operands()) && assigns && key != "" && !strings.ContainsAny(key, "{}"):
		if r.p.Style == Assignments && r.p.Long != "" && r.t.long[key] == nil {
			return fmt.Errorf("no key %s", key)
		}
		r.way.Options = append(r.way.Options, Option{key, r.value(text), true, true})
		return nil
	}
	r.ended = r.ended || r.p.ends(len(r.way.Operands))
	r.way.Operands = append(r.way.Operands, Operand{Value: r.value(word)})
	return nil
}

// ends tells whether no options follow on the operand number i.
func (p *Program) ends(i int) bool {
	return (p.Style == POSIX || p.Style == Prefix || p.Style == Environment) && i >= p.Lead
}

// operands tells whether there was an operand.
func (r *reader) operands() bool {
	for _, o := range r.way.Operands {
		if !o.Any {
			return true
		}
	}
	return false
}

func (r *reader) option(word string) error {
	if name, ok := strings.CutPrefix(word, "-"); ok && r.t.single[name] != nil {
		return r.add(name, "", false, r.t.single[name].takes == value)
	}
	for name, o := range r.t.single {
		if text, ok := strings.CutPrefix(word, "-"+name); ok && o.takes == perhaps && !strings.HasPrefix(word, "--") {
			return r.add(name, text, true, false)
		}
	}
	if body, ok := strings.CutPrefix(word, "--"); ok {
		name, text, attached := strings.Cut(body, "=")
		if r.t.long[name] == nil {
			return fmt.Errorf("no option --%s", name)
		}
		return r.add(name, text, attached, r.t.long[name].takes == value)
	}
	letters := []rune(word[1:])
	for i, letter := range letters {
		o := r.t.short[letter]
		if o == nil {
			return fmt.Errorf("no option -%c", letter)
		}
		if o.takes != nothing {
			text := string(letters[i+1:])
			return r.add(string(letter), text, text != "", o.takes == value)
		}
		if err := r.add(string(letter), "", false, false); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) add(name, text string, attached, needs bool) error {
	if needs && !attached {
		if len(r.rest) == 0 {
			return fmt.Errorf("nothing for option %s", name)
		}
		text, attached = r.rest[0], true
		r.rest = r.rest[1:]
	}
	o := Option{Name: name}
	if attached {
		o.Value, o.Given = r.value(text), true
	}
	r.way.Options = append(r.way.Options, o)
	return nil
}
