// Package programs tells how programs read the words of their command lines: which of
// them are options, which belong to an option, which are operands.
//
// The grammars are data, one file for each group of programs: grammar_*.go.
package programs

import (
	"slices"
	"strings"
)

// Program is how one program, or several that do not differ in it, reads its words.
type Program struct {
	Names  string // base names, separated by blanks
	Verbs  string // where a program reads its words in another way after one of these, its first operand (git, docker, qemu-img)
	Verbed bool   // its first operand is a command, and only those are known that stand in Verbs of another
	Style  Style
	Lead   int    // of POSIX and Prefix: how many operands options may still follow on: docker run -v, setarch linux32 -R
	Old    bool   // the first word may be letters of Short without a dash, whose values are the words after it (tar, ps, ar)
	Short  string // as getopt(3) has it: "ab:c::"; a letter, ':' a value follows (attached or the next word), '::' one may be attached
	Long   string // names separated by blanks: "quiet"; "file=" takes a value (=value or the next word), "color[=]" may have one (=value only). For Assignments the keys: "if= of="
	Single string // long options with one dash: "name"; of "name=" the next word is the value, of "name[=]" what is attached to it (7z -oDIR)
	Same   string // options of two names, the short or single one first: "o=output a=append"
	Apart  string // options of which only one may stand, by name: groups, separated by commas (tar's -c and -x); alone in a group, one that stands once
	Runs   string // of Expression: words behind which a command stands, until ; or + ends it
	Whole  bool   // long names are not abbreviated

	known  *table
	others map[string]optional // by what must not be there
}

// Style is how options stand among the operands.
type Style int

const (
	Permuted    Style = iota // options anywhere until -- (getopt_long(3) of GNU)
	POSIX                    // options until the first operand, or --
	Single                   // options with one dash anywhere; -- is an operand as any other
	Assignments              // key=value words, in any order; of one key the last counts (dd)
	Expression               // operands, then options with one dash, and commands (find); Short are options before the operands
	Plain                    // no options: every word is an operand
	Prefix                   // as POSIX, and the operands are a command that is run
	Environment              // as Prefix, and the command may have NAME=VALUE words before it (env)
)

// Of returns how a program of this base name reads these words, and all others that
// begin with the same verb.
func Of(name string, words ...string) (*Program, bool) {
	for _, word := range words {
		for _, p := range byName[name] {
			if slices.Contains(strings.Fields(p.Verbs), word) {
				return p, true
			}
		}
	}
	for _, p := range byName[name] {
		if p.Verbs == "" {
			return p, true
		}
	}
	return nil, false
}

// All returns all ways in which a program reads its words, by verb.
func All(name string) []*Program { return byName[name] }

var byName = func() map[string][]*Program {
	all := map[string][]*Program{}
	for _, group := range groups {
		for i := range group {
			for _, name := range strings.Fields(group[i].Names) {
				all[name] = append(all[name], &group[i])
			}
		}
	}
	return all
}()

// Names lists the programs whose grammar is known, in order.
func Names() []string {
	var names []string
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
