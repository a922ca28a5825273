package filters

import "strings"

// envFilter allows a program with certain variables set:
//
//	env, root, A=, B=fixed, program, pattern...
//
// Exactly these variables must be given. A value in the filter is the only one
// allowed. Patterns, where there are any, stand for all words after the program.
// The peer ignores both values and patterns; what is written is enforced here.
type envFilter struct {
	program
	vars     []Var
	patterns []pattern
}

func newEnv(f []string) (Filter, error) {
	p, err := newProgram(f)
	if err != nil {
		return nil, err
	}
	e := &envFilter{program: p}
	rest := f[2:]
	for len(rest) > 0 && strings.Contains(rest[0], "=") {
		e.vars = append(e.vars, variable(Untrusted(rest[0])))
		rest = rest[1:]
	}
	// "env" anywhere in the path is how the peer tells the form that names the
	// real program after the variables.
	if strings.Contains(e.exec, "env") && len(rest) > 0 {
		e.exec, rest = rest[0], rest[1:]
	}
	if e.exec == "" {
		return nil, errFields
	}
	e.patterns = patterns(rest)
	return e, nil
}

func (e *envFilter) Match(argv []Untrusted, _ Machine) Match {
	set, rest := variables(argv)
	if len(rest) == 0 || !e.called(rest[0]) {
		return nof("the command after the variables is not %s", e.exec)
	}
	if len(e.vars) == 0 {
		return no("the filter names no variable")
	}
	given := make([]Var, len(set))
	for i, word := range set {
		given[i] = variable(word)
	}
	if why, ok := e.allows(given); !ok {
		return why
	}
	words := rest[1:]
	if len(e.patterns) > 0 {
		if len(words) != len(e.patterns) {
			return nof("%v, not %d", arguments(len(words)), len(e.patterns))
		}
		if m := matchEach(e.patterns, words); !m.Matched {
			return m
		}
	}
	return Match{Matched: true, Args: words, Env: given}
}

// allows tells whether given sets each variable of the filter once, to a value
// that it may have, and no other.
func (e *envFilter) allows(given []Var) (Match, bool) {
	for i, v := range given {
		want, ok := lookup(e.vars, v.Name)
		if !ok {
			return nof("the filter does not name variable %s", v.Name), false
		}
		if want.Value != "" && want.Value != v.Value {
			return nof("variable %s must be %s", v.Name, want.Value), false
		}
		if _, twice := lookup(given[:i], v.Name); twice {
			return nof("variable %s is given twice", v.Name), false
		}
	}
	for _, v := range e.vars {
		if _, ok := lookup(given, v.Name); !ok {
			return nof("variable %s is not given", v.Name), false
		}
	}
	return Match{}, true
}

func lookup(vars []Var, name Untrusted) (Var, bool) {
	for _, v := range vars {
		if v.Name == name {
			return v, true
		}
	}
	return Var{}, false
}

func variable(word Untrusted) Var {
	name, value, _ := strings.Cut(string(word), "=")
	return Var{Untrusted(name), Untrusted(value)}
}
