package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/program"
)

// Verdict is what Decide came to. The zero Verdict denies, and the values lie so
// far apart that no few flipped bits turn one into another (CVE-2023-42465).
type Verdict uint32

const (
	Denied        Verdict = 0
	NotExecutable Verdict = 0x3C5A_A596
	TooLong       Verdict = 0x3355_AA99 // no filter was asked: execve(2) cannot take the words
	Allowed       Verdict = 0xC3A5_5A69
)

// Machine is what deciding needs of the machine.
type Machine interface {
	filters.Machine
	// Find returns the program that name stands for, as the user runAs may execute
	// it: name itself where it is absolute, else the first in exec_dirs.
	Find(name, runAs string) (program.Program, error)
}

// Request is one command that somebody wants run.
type Request struct {
	Argv    []filters.Untrusted
	Machine Machine
	Trace   bool // fill Decision.Steps

	// GivenUp is closed when nobody waits for the answer any more: no further
	// filter is asked then, and the answer is a refusal. Nil for a request that
	// somebody always waits for.
	GivenUp <-chan struct{}
}

// givenUp tells that nobody waits for the answer any more.
func (r Request) givenUp() bool {
	select {
	case <-r.GivenUp:
		return true
	default:
		return false
	}
}

const noneWaits = "nobody waits for the answer any more"

// Decision is the answer to a Request. When Verdict is Allowed it holds all that
// may be done, and nothing else may.
type Decision struct {
	Verdict Verdict
	Policy  *Policy
	Filter  *Entry  // that matched; nil when Denied
	Leaf    *Entry  // that the nested command matched; nil without one
	Helper  *Helper // that the command starts; nil for any other command
	Absent  bool    // of NotExecutable: the program is not there at all
	Why     string  // of NotExecutable and TooLong; of Denied what hindered a filter, where that was nobody's decision

	RunAs string
	Argv  []filters.Untrusted // Argv[0] is the absolute path of the program
	Env   []filters.Var       // besides the fixed environment
	// Programs are those that run, with what is known of them: that of a nested
	// command and that of its prefix.
	Programs []program.Program
	Signal   *filters.Signal // to send instead of executing Argv
	Paths    []int           // the words of Argv that lead to files which were checked

	Steps []Step // with Request.Trace: the filters in the order they were asked
}

// Step is one filter that was asked.
type Step struct {
	Entry   *Entry
	Matched bool
	Why     string // of a refusal
	Nested  []Step // the filters that were asked about the command behind a prefix
}

// Decide asks the filters in their order; the first that matches, with a program
// that is there, decides.
func (p *Policy) Decide(req Request) Decision {
	d := Decision{Policy: p}
	if len(req.Argv) == 0 {
		return d
	}
	if err := Passable(req.Argv); err != nil {
		d.Verdict, d.Why = TooLong, err.Error()
		return d
	}
	var absent *Entry
	var absentWhy string
	for f := range p.concerned(req.Argv, req.Trace) {
		if req.givenUp() {
			return Decision{Policy: p, Why: noneWaits, Steps: d.Steps}
		}
		allowed, match, why := p.ask(f, req)
		if req.Trace {
			d.Steps = append(d.Steps, Step{f, allowed.Verdict == Allowed, why, allowed.Steps})
		}
		if allowed.Verdict == Allowed {
			allowed.Steps = d.Steps
			return allowed
		}
		if d.Why == "" {
			d.Why = allowed.Why
		}
		if match && absent == nil {
			absent, absentWhy, d.Absent = f, why, allowed.Absent
		}
	}
	if absent != nil {
		d.Verdict, d.Filter, d.Why = NotExecutable, absent, absentWhy
	}
	return d
}

// ask puts a request before one filter. match tells that the filter matched,
// whether or not its program could be found.
func (p *Policy) ask(f *Entry, req Request) (d Decision, match bool, why string) {
	m := f.Match(req.Argv, req.Machine)
	if !m.Matched {
		if !req.Trace {
			return Decision{Why: m.Hint}, false, ""
		}
		return Decision{Why: m.Hint}, false, m.Why.String()
	}
	d = Decision{Policy: p, Filter: f, RunAs: f.RunAs(), Env: m.Env, Signal: m.Signal}
	words := m.Args
	d.Paths = shift(m.Paths, 1)
	if m.Nested > 0 {
		leaf := p.nested(f, req.Argv[m.Nested:], req)
		if leaf.Verdict != Allowed {
			if leaf.Why != "" {
				return Decision{Steps: leaf.Steps, Why: leaf.Why}, false, leaf.Why
			}
			return Decision{Steps: leaf.Steps}, false, "no other filter with run-as " + f.RunAs() + " allows the nested command " + filters.Line(req.Argv[m.Nested:])
		}
		words = append(append([]filters.Untrusted(nil), req.Argv[1:m.Nested]...), leaf.Argv...)
		d.Leaf, d.Env, d.Signal, d.Programs, d.Helper = leaf.Filter, leaf.Env, leaf.Signal, leaf.Programs, leaf.Helper
		d.Paths = shift(leaf.Paths, m.Nested)
		d.Steps = leaf.Steps
	}
	if d.Signal != nil {
		// ironwrap sends it itself, so that no program is needed, nor the
		// prefix of a chain: signals know no network namespaces.
		d.Verdict, d.Argv = Allowed, req.Argv
		return d, true, ""
	}
	found, err := req.Machine.Find(f.Exec(), f.RunAs())
	if err == nil {
		err = searches(found, d.Env)
	}
	if err != nil {
		return Decision{Steps: d.Steps, Absent: p.absent(err)}, true, p.missing(err)
	}
	if m.Nested == 0 {
		d.Env = quieted(found.Path, words, d.Env)
		if d.Helper, err = f.contexts.helper(found.Path, words); err != nil {
			return Decision{Why: err.Error()}, false, err.Error()
		}
	}
	d.Programs = append(d.Programs, found.Called(words))
	d.Verdict, d.Argv = Allowed, append([]filters.Untrusted{filters.Untrusted(found.Path)}, words...)
	return d, true, ""
}

// nested decides about the command that a chaining filter prefixes. It must match
// a filter that does not chain and has the same run-as. The program is always the
// one that this filter resolves to: the peer compares the base name, and then
// executes what was typed. Of req it takes the machine, and whether to trace.
func (p *Policy) nested(chain *Entry, argv []filters.Untrusted, req Request) (d Decision) {
	typed, words := argv[0].Raw(), unpathed(argv)
	for f := range p.concerned(words, req.Trace) {
		if req.givenUp() {
			return Decision{Steps: d.Steps}
		}
		leaf, why := p.leaf(f, chain, typed, words, req.Machine)
		if req.Trace {
			step := Step{Entry: f, Matched: leaf.Verdict == Allowed}
			if !step.Matched {
				step.Why = why.String()
			}
			d.Steps = append(d.Steps, step)
		}
		if leaf.Verdict == Allowed {
			leaf.Steps = d.Steps
			return leaf
		}
		if d.Why == "" {
			d.Why = leaf.Why
		}
	}
	return d
}

// unpathed is argv with the base name of its program.
func unpathed(argv []filters.Untrusted) []filters.Untrusted {
	words := slices.Clone(argv)
	typed := argv[0].Raw()
	words[0] = filters.Untrusted(typed[strings.LastIndexByte(typed, '/')+1:])
	return words
}

// leaf puts the nested command words, called by the name typed, before one filter.
func (p *Policy) leaf(f, chain *Entry, typed string, words []filters.Untrusted, m Machine) (Decision, filters.Why) {
	if f.RunAs() != chain.RunAs() {
		return Decision{}, filters.Because("it runs as %s, not %s", f.RunAs(), chain.RunAs())
	}
	if filters.Chaining(f.Filter) {
		return Decision{}, filters.Because("it is itself only for what stands before a command")
	}
	match := f.Match(words, m)
	if !match.Matched {
		return Decision{Why: match.Hint}, match.Why
	}
	d := Decision{Verdict: Allowed, Filter: f, Signal: match.Signal, Paths: shift(match.Paths, 1)}
	path := f.Exec()
	if match.Signal == nil {
		found, err := m.Find(f.Exec(), f.RunAs())
		if err == nil {
			err = searches(found, match.Env)
		}
		if err != nil {
			// Only the program is wanting, unless it was another that was typed.
			if !strings.Contains(typed, "/") || typed == f.Exec() {
				d.Why = fmt.Sprintf("filter %s matches the nested command, but its program %s cannot be executed: %s",
					filters.Show(f.Name), filters.Show(f.Exec()), p.missing(err))
			}
			return Decision{Why: d.Why}, filters.Because("%v", err)
		}
		path, d.Programs = found.Path, []program.Program{found.Called(match.Args)}
	}
	if strings.Contains(typed, "/") && typed != path && typed != f.Exec() {
		return Decision{}, filters.Because("it is for %s, not for %s", filters.Show(path), filters.Show(typed))
	}
	d.Env = quieted(path, match.Args, match.Env)
	if match.Signal == nil {
		var err error
		if d.Helper, err = f.contexts.helper(path, match.Args); err != nil {
			return Decision{Why: err.Error()}, filters.Because("%v", err)
		}
	}
	d.Argv = append([]filters.Untrusted{filters.Untrusted(path)}, match.Args...)
	return d, filters.Why{}
}

// searches returns an error where env(1) would look for an interpreter of a program in
// another PATH than the one that was looked in.
func searches(found program.Program, env []filters.Var) error {
	if found.InPATH && slices.ContainsFunc(env, func(v filters.Var) bool { return v.Name == "PATH" }) {
		return errors.New("its first line makes env(1) look for an interpreter in PATH, which the filter sets: name the interpreter by its path there")
	}
	return nil
}

// absent tells that there is no program, and nothing more to say about it.
func (p *Policy) absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, program.ErrNotFound) && len(p.NotSearched) == 0
}

// missing is why a program cannot be had, with the directories that were passed over.
func (p *Policy) missing(err error) string {
	if !errors.Is(err, program.ErrNotFound) || len(p.NotSearched) == 0 {
		return err.Error()
	}
	return fmt.Sprintf("%v, of which %d cannot be searched (ironwrapctl check names them): %v", err, len(p.NotSearched), p.NotSearched[0])
}

// shift moves indices of words up by what is put before the words.
func shift(indices []int, by int) []int {
	moved := make([]int, len(indices))
	for i, n := range indices {
		moved[i] = n + by
	}
	return moved
}
