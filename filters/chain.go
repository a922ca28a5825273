package filters

// chaining is the peer's base class: it names no nested command, so that it
// never allows anything.
type chaining struct{ program }

func newChaining(f []string) (Filter, error) {
	p, err := newProgram(f)
	return &chaining{p}, err
}

func (*chaining) Match([]Untrusted, Machine) Match {
	return no("a bare ChainingFilter allows nothing")
}

// chainingRegExp compares the first words, which prefix a nested command:
// "nice, -n, \d+".
type chainingRegExp struct {
	program
	patterns []pattern
}

func newChainingRegExp(f []string) (Filter, error) {
	p, err := newProgram(f)
	if err != nil {
		return nil, err
	}
	return &chainingRegExp{p, patterns(f[2:])}, nil
}

func (c *chainingRegExp) Match(argv []Untrusted, _ Machine) Match {
	// Without a pattern of its own the filter would put its program before any
	// allowed command whatever it was called by; the peer ends in the same
	// refusal only by accident of its recursion.
	if len(c.patterns) == 0 {
		return no("the filter has no pattern")
	}
	if len(argv) <= len(c.patterns) {
		return nof("%v, where the prefix alone has %d", words(len(argv)), len(c.patterns))
	}
	m := matchEach(c.patterns, argv)
	if m.Matched {
		m.Args, m.Nested = argv[1:], Prefix(c)
	}
	return m
}

// netnsExec allows "ip netns exec NAMESPACE COMMAND...", the command being one
// that another filter allows.
type netnsExec struct{ program }

func newNetnsExec(f []string) (Filter, error) {
	p, err := newProgram(f)
	return &netnsExec{p}, err
}

func (n *netnsExec) Match(argv []Untrusted, _ Machine) Match {
	if n.runAs != "root" {
		return no("entering a network namespace needs run-as root")
	}
	if len(argv) < 5 {
		return no("not: ip netns exec NAMESPACE COMMAND")
	}
	if argv[0] != "ip" || !prefixOf(argv[1], "net", "netns") || !prefixOf(argv[2], "e", "exec") {
		return no("not: ip netns exec NAMESPACE COMMAND")
	}
	if !namespaceName(argv[3]) {
		return nof("%s is not the name of a network namespace", argv[3])
	}
	return Match{Matched: true, Args: argv[1:], Nested: Prefix(n)}
}

// Prefix is how many words of f stand before a command that another filter has to
// allow; 0 where f is no such filter.
func Prefix(f Filter) int {
	switch f := f.(type) {
	case *netnsExec:
		return 4
	case *chainingRegExp:
		return len(f.patterns)
	}
	return 0
}

// prefixOf tells whether word is a prefix of full that has at least shortest.
func prefixOf(word Untrusted, shortest, full string) bool {
	w := string(word)
	return len(w) >= len(shortest) && len(w) <= len(full) && full[:len(w)] == w
}

// namespaceName tells whether word can only name an entry of /run/netns: ip(8)
// joins it to that path, and takes some names with a slash for paths.
func namespaceName(word Untrusted) bool {
	w := string(word)
	if w == "" || len(w) > 255 || w == "." || w == ".." || w[0] == '-' {
		return false
	}
	for i := 0; i < len(w); i++ {
		if w[i] == '/' {
			return false
		}
	}
	return true
}
