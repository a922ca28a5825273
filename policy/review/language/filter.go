package language

import (
	"errors"
	"path"
	"slices"
	"strings"

	"ironwrap/filters"
)

// Of is the set of the lines that f matches. Where it is not exact, that is because more
// than the words counts, or because nobody has written it down here:
//
//   - a PathFilter matches whatever leads to its directories; here stand the paths below
//     them as the program gets them, free of links and dots
//   - a KillFilter matches if the process runs the right program: fewer
//   - an IpFilter, an IpNetnsExecFilter and the implicit filter have rules of their own:
//     fewer
//   - a pattern may be too large to be asked anything (ErrTooLarge): fewer
//
// A ReadFileFilter is taken to find its file where nobody else can put one. Of a filter
// that prefixes a command, all commands stand here: see Behind.
func Of(f filters.Filter) (l Lines, exact bool) {
	shape := filters.ShapeOf(f)
	switch {
	case shape.More:
		before, exact := Before(f)
		return before.Then(Line(AnyWord())).Then(AnyLine()), exact
	case shape.Target != "":
		return kill(shape), false
	case shape.File != "":
		return Line(Text("cat"), Text(shape.File)), true
	case len(shape.Vars) > 0:
		return env(f, shape)
	case shape.Path:
		return paths(f, shape)
	case shape.Open && shape.Less && len(shape.Args) == 0 && shape.Args != nil: // an EnvFilter without variables
		return Lines{}, true
	case shape.Open && shape.Less:
		return open(f), false
	case shape.Open:
		return open(f), true
	case shape.Less:
		return Lines{}, true
	case shape.Name == "" && len(shape.Args) == 0: // a RegExpFilter without patterns
		return Lines{}, true
	}
	return patterns(append([]string{shape.Name}, shape.Args...))
}

// Behind is the set of the lines that are made of what stands before a command in those
// of chain, and a command that leaf matches, by another name for its program too. It is
// not exact where Of is not of one of them; or else where the program is named by a path
// that is not the leaf's own.
func Behind(chain, leaf filters.Filter) (l Lines, exact bool) {
	before, exact := Before(chain)
	if filters.Chaining(leaf) || leaf.RunAs() != chain.RunAs() {
		return Lines{}, true
	}
	commands, exactly := Of(leaf)
	// A path is only good if it is that of the program, which then is asked for by its name.
	named := commands.And(Line(noSlash()).Then(AnyLine()))
	if strings.Contains(leaf.Exec(), "/") {
		named = named.Or(Line(Text(leaf.Exec())).Then(commands.After(base(leaf.Exec()))))
	} else {
		exactly = false
	}
	return before.Then(named), exact && exactly
}

// Before is the set of what stands before a command in the lines of f, which prefixes
// one: none of a filter that does not. A network namespace's name is taken for one
// however long it is; else it is exact.
func Before(f filters.Filter) (l Lines, exact bool) {
	shape := filters.ShapeOf(f)
	switch {
	case !shape.More || filters.Prefix(f) == 0:
		return Lines{}, true
	case shape.Open: // an IpNetnsExecFilter
		if f.RunAs() != "root" {
			return Lines{}, true
		}
		// A name of more than 255 bytes is none.
		name := noSlash().Minus(Prefix("-")).Minus(Text("", ".", ".."))
		return Line(Text("ip"), Text("net", "netn", "netns"), Text("e", "ex", "exe", "exec"), name), false
	}
	return patterns(append([]string{shape.Name}, shape.Args...))
}

// patterns is a line that has a word for each pattern. A pattern that cannot be used
// matches nothing. It is not exact where one is too large, which may match any word.
func patterns(sources []string) (l Lines, exact bool) {
	var words []Word
	exact = true
	for _, source := range sources {
		w, err := Pattern(source)
		if errors.Is(err, ErrTooLarge) {
			w, exact = AnyWord(), false
		}
		words = append(words, w)
	}
	return Line(words...), exact
}

func open(f filters.Filter) Lines { return Line(called(f)).Then(AnyLine()) }

// called is how the program of f may be called.
func called(f filters.Filter) Word { return Text(f.Exec(), base(f.Exec())) }

func base(p string) string {
	_, file := path.Split(p)
	return file
}

func noSlash() Word { return anyOf("[^/]*") }

// anyOf is the set of a pattern of ours.
func anyOf(pattern string) Word {
	w, err := Pattern("(?s)" + pattern)
	if err != nil {
		panic(err)
	}
	return w
}

func kill(shape filters.Shape) Lines {
	process := anyOf("[1-9][0-9]{0,6}")
	if len(shape.Signals) == 0 {
		return Line(Text("kill"), process)
	}
	return Line(Text("kill"), Text(shape.Signals...), process)
}

// paths are the lines of a PathFilter.
func paths(f filters.Filter, shape filters.Shape) (l Lines, exact bool) {
	if len(shape.Args) == 0 {
		return Lines{}, true
	}
	exact = true
	words := []Word{called(f)}
	for _, constraint := range shape.Args {
		switch {
		case constraint == "pass":
			words = append(words, AnyWord())
		case strings.HasPrefix(constraint, "/"):
			words = append(words, below(constraint))
			exact = false
		default:
			words = append(words, Text(constraint))
		}
	}
	return Line(words...), exact
}

// below are the paths free of dots that are dir or below it; only below it where dir
// ends in a slash.
func below(dir string) Word {
	clean := path.Clean(dir)
	step := Text("/").Then(noSlash().Minus(Text("", ".", "..")))
	deeper := Text(strings.TrimSuffix(clean, "/")).Then(step).Then(step.Star())
	if strings.HasSuffix(dir, "/") {
		return deeper
	}
	return deeper.Or(Text(clean))
}

// maxVariables is how many variables may stand in any order, all orders being counted.
const maxVariables = 10

// env are the lines of an EnvFilter: each variable once, in any order.
func env(f filters.Filter, shape filters.Shape) (l Lines, exact bool) {
	var names []string
	var words []Word
	for _, v := range shape.Vars {
		name := v.Name.Raw()
		if slices.Contains(names, name) { // the first of a name counts
			continue
		}
		names = append(names, name)
		if v.Value == "" {
			words = append(words, Prefix(name+"="))
		} else {
			words = append(words, Text(name+"="+v.Value.Raw()))
		}
	}
	l = Line(Text("env")).Or(Line())
	if exact = len(words) <= maxVariables; exact {
		l = l.Then(orders(words))
	} else {
		l = l.Then(Line(words[0].Or(words[1:]...)).Star())
	}
	// The first word without an equals sign is the program.
	l = l.Then(Line(called(f).Minus(anyOf(".*=.*"))))
	if shape.Open {
		return l.Then(AnyLine()), exact
	}
	args, exactly := patterns(shape.Args)
	return l.Then(args), exact && exactly
}

// orders are the lines that have a word of each of words, in any order.
func orders(words []Word) Lines {
	var g Grammar
	for range 1<<len(words) - 1 { // a place for each set of words that were read
		g.Place()
	}
	for read := range 1 << len(words) {
		for i, w := range words {
			if read&(1<<i) == 0 {
				g.Word(read, w, read|1<<i)
			}
		}
	}
	return g.Lines(1<<len(words) - 1)
}
