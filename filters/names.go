package filters

import (
	"strings"

	"ironwrap/filters/pyre"
)

// Names are the words by which commands of f begin, for an index of filters. Where
// Called has none of them, f.Match refuses, without a Hint and without asking the
// machine anything. With any this may not be said of f, and names is nil. No pattern
// is compiled.
func Names(f Filter) (names []string, any bool) {
	switch f := f.(type) {
	case *command:
		return f.names(), false
	case *pathFilter:
		return f.names(), false
	case *envFilter:
		return f.names(), false
	case *ip:
		return f.names(), false
	case *regExp:
		return firstWord(f.patterns)
	case *chainingRegExp:
		return firstWord(f.patterns)
	case *netnsExec:
		return []string{"ip"}, false
	case *readFile:
		return []string{"cat"}, false
	case *kill:
		return []string{"kill"}, false
	case *privsep:
		return []string{f.exec}, false
	case *chaining:
		return nil, false
	}
	return nil, true
}

// names are the words that called takes.
func (p program) names() []string {
	if base := base(p.exec); base != p.exec {
		return []string{p.exec, base}
	}
	return []string{p.exec}
}

// firstWord is what the first of patterns, one for each word of a command, takes.
func firstWord(patterns []pattern) (names []string, any bool) {
	if len(patterns) == 0 {
		return nil, false // no command is without a word
	}
	text, ok := pyre.PlainText(patterns[0].source)
	if !ok {
		return nil, true
	}
	return []string{text}, false
}

// Called are the words of argv by which filters are found: the first, and where
// variables stand before a program, as in "env A=b program" and "A=b program", that
// program's.
func Called(argv []Untrusted) []Untrusted {
	_, rest := variables(argv)
	if len(rest) == 0 || len(rest) == len(argv) {
		return argv[:min(1, len(argv))]
	}
	return []Untrusted{argv[0], rest[0]}
}

// variables are the words of argv that set one, without an env before them, and
// rest is what comes behind.
func variables(argv []Untrusted) (set, rest []Untrusted) {
	if len(argv) > 0 && argv[0] == "env" {
		argv = argv[1:]
	}
	n := 0
	for n < len(argv) && strings.Contains(string(argv[n]), "=") {
		n++
	}
	return argv[:n], argv[n:]
}
