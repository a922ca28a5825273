package exposure

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ironwrap/policy/review/programs"
)

// knows tells whether a program's grammar has an option as a form writes it, and how
// many words its value takes.
func knows(p programs.Program, word string) bool {
	name, _, attached := strings.Cut(word, "=")
	long := func(list, name string) bool {
		return slices.ContainsFunc(strings.Fields(list), func(o string) bool {
			bare := strings.TrimSuffix(strings.TrimSuffix(o, "[=]"), "=")
			return bare == name && (!attached || bare != o)
		})
	}
	switch {
	case strings.HasPrefix(name, "--"):
		return long(p.Long, name[2:]) || long(p.Single, name[2:])
	case long(p.Single, name[1:]):
		return true
	}
	for i, c := range word[1:] {
		at := strings.IndexRune(p.Short, c)
		if at < 0 {
			return i > 0 && slices.ContainsFunc(strings.Fields(p.Single), func(o string) bool {
				return strings.HasSuffix(o, "=") && strings.HasPrefix(word[1:], strings.TrimSuffix(o, "="))
			})
		}
		if strings.HasPrefix(p.Short[at+1:], ":") {
			return true
		}
	}
	return true
}

// TestFormsKnowTheirOptions holds the rows against the grammars: an option that stands
// in a row is one of its program.
func TestFormsKnowTheirOptions(t *testing.T) {
	grammar := map[string]programs.Program{}
	for _, p := range programs.NZ {
		for _, name := range strings.Fields(p.Names) {
			if _, twice := grammar[name]; twice {
				t.Errorf("%s has two grammars", name)
			}
			grammar[name] = p
		}
	}
	without := map[string]bool{}
	for _, part := range tableNZ {
		for _, w := range part {
			for _, name := range strings.Fields(w.programs) {
				p, ok := grammar[name]
				if !ok {
					without[name] = true
					continue
				}
				for _, word := range strings.Fields(w.form) {
					if word == "--" || p.Style == programs.Plain || p.Style == programs.Assignments {
						break
					}
					if len(word) > 1 && word[0] == '-' && !knows(p, word) {
						t.Errorf("%s %s: its grammar has no %s", name, w.form, word)
					}
					if p.Style == programs.Prefix && word[0] != '-' && word == "{mine}" {
						break
					}
				}
			}
		}
	}
	for name, w := range withoutNZ {
		for _, word := range strings.Fields(w.options) {
			if p, ok := grammar[name]; ok && !knows(p, word) {
				t.Errorf("withoutNZ: %s has no %s", name, word)
			}
		}
	}
	t.Logf("%d programs have rows and no grammar", len(without))
}

// TestPlaceholdersOfNZ: each placeholder of a row has words.
func TestPlaceholdersOfNZ(t *testing.T) {
	for _, part := range tableNZ {
		for _, w := range part {
			for _, p := range placeholder.FindAllString(w.form, -1) {
				name := p[1 : len(p)-1]
				full, _ := candidates(name, nil)
				if len(full) == 0 && wordsNZ[name] == nil && name != "free" {
					t.Errorf("%s %s: nothing stands for %s", w.programs, w.form, p)
				}
			}
			if power(w.power).ID == "" || w.how == "" || w.form != strings.Join(strings.Fields(w.form), " ") {
				t.Errorf("%+v", w)
			}
		}
	}
}

// TestRowsNZ runs the rows that say that they were run.
func TestRowsNZ(t *testing.T) {
	for _, part := range [][]way{runNZ, filesNZ} {
		for _, w := range part {
			for _, program := range strings.Fields(w.programs) {
				path, err := exec.LookPath(program)
				if err != nil || os.Geteuid() != 0 || strings.Contains(w.form, "{free}") || strings.Contains(w.form, "{disk}") {
					continue
				}
				t.Run(program+" "+w.form, func(t *testing.T) {
					t.Parallel()
					newRehearsal(t, program, w).run(t, path)
				})
			}
		}
	}
}
