package filters

import (
	"sync"

	"ironwrap/filters/pyre"
)

// pattern is one Python regular expression, translated when first asked: most
// filters never come into question.
type pattern struct {
	source string
	once   sync.Once
	re     *pyre.Pattern
	err    error
}

func patterns(sources []string) []pattern {
	p := make([]pattern, len(sources))
	for i, s := range sources {
		p[i].source = s
	}
	return p
}

func (p *pattern) match(word Untrusted) (bool, error) {
	p.once.Do(func() { p.re, p.err = pyre.Compile(p.source) })
	if p.err != nil {
		return false, p.err
	}
	return p.re.Match(string(word)), nil
}

// matchEach compares words with patterns one by one, as far as the patterns go.
// The zero Match answers that they differ.
func matchEach(patterns []pattern, words []Untrusted) Match {
	for i := range patterns {
		ok, err := patterns[i].match(words[i])
		if err != nil {
			return nof("pattern %q cannot be used: %v", patterns[i].source, err)
		}
		if !ok {
			return nof("%s does not match pattern %q", words[i], patterns[i].source)
		}
	}
	return Match{Matched: true}
}

// regExp compares every word, the command's own name among them.
type regExp struct {
	program
	patterns []pattern
}

func newRegExp(f []string) (Filter, error) {
	p, err := newProgram(f)
	if err != nil {
		return nil, err
	}
	return &regExp{p, patterns(f[2:])}, nil
}

func (r *regExp) Match(argv []Untrusted, _ Machine) Match {
	if len(argv) != len(r.patterns) {
		return nof("%v, not %d", words(len(argv)), len(r.patterns))
	}
	m := matchEach(r.patterns, argv)
	if m.Matched {
		m.Args = argv[1:]
	}
	return m
}
