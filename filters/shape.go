package filters

import (
	"slices"
)

// Shape is what a filter demands of the words of a command, for tools that look at
// a policy as a whole. Whether a command is allowed only Match says.
type Shape struct {
	Name string   // pattern of the first word; "" where it is Exec or its base name
	Open bool     // any arguments, as far as Shape knows; Args is nil
	Args []string // one for each argument: a pattern, or a PathFilter's constraint
	Path bool     // Args are constraints
	More bool     // a command of another filter's follows
	Less bool     // it allows less than that: it has rules of its own
	Vars []Var    // to be given, of an EnvFilter; an empty value is any

	Target  string   // program of the processes that a KillFilter signals
	Signals []string // as they are written; none: only "kill PID"
	File    string   // of a ReadFileFilter

	Contexts []string // of the implicit filter, sorted
}

// ShapeOf returns the shape of f. Open and Less are all that it tells of a filter that
// has rules of its own, such as an IpFilter; of the implicit one the contexts besides.
func ShapeOf(f Filter) Shape {
	switch f := f.(type) {
	case *regExp:
		return named(sources(f.patterns), false)
	case *chainingRegExp:
		return named(sources(f.patterns), true)
	case *netnsExec, *chaining:
		return Shape{More: true, Open: true, Less: true}
	case *envFilter:
		return Shape{Vars: f.vars, Args: sources(f.patterns), Open: len(f.patterns) == 0, Less: len(f.vars) == 0}
	case *pathFilter:
		return Shape{Args: f.constraints, Path: true}
	case *kill:
		return Shape{Target: f.target, Signals: f.signals}
	case *readFile:
		return Shape{File: f.file}
	case *command:
		return Shape{Open: true}
	case *privsep:
		return Shape{Open: true, Less: true, Contexts: slices.Sorted(slices.Values(f.contexts()))}
	}
	return Shape{Open: true, Less: true}
}

// named is a shape whose first pattern is the command's own name.
func named(patterns []string, more bool) Shape {
	if len(patterns) == 0 {
		return Shape{More: more}
	}
	return Shape{Name: patterns[0], Args: patterns[1:], More: more}
}

func sources(patterns []pattern) []string {
	texts := make([]string, len(patterns))
	for i := range patterns {
		texts[i] = patterns[i].source
	}
	return texts
}
