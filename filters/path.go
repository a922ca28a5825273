package filters

import (
	"errors"
	"path"
	"strings"
)

// pathFilter compares the words after the command with one constraint each:
//
//	pass        any word
//	/some/dir   a path that leads to /some/dir or below it; with a slash at its
//	            end, only below it. Links of root's alone lead to /some/dir, or the
//	            filter matches nothing
//	other       that word exactly
//
// The command gets the resolved path, not the one that was typed.
type pathFilter struct {
	program
	constraints []string
}

func newPath(f []string) (Filter, error) {
	p, err := newProgram(f)
	if err != nil {
		return nil, err
	}
	return &pathFilter{p, f[2:]}, nil
}

func (p *pathFilter) Match(argv []Untrusted, m Machine) Match {
	if !p.called(argv[0]) {
		return nof("the command is not %s", p.exec)
	}
	words := argv[1:]
	if len(words) != len(p.constraints) || len(words) == 0 {
		return nof("%v, not %d", arguments(len(words)), len(p.constraints))
	}
	for i, c := range p.constraints {
		if !absolute(c) && c != "pass" && c != string(words[i]) {
			return nof("%s is not %q", words[i], c)
		}
	}
	// Only now the paths: resolving them costs system calls.
	out := Match{Matched: true, Args: append([]Untrusted(nil), words...)}
	for i, c := range p.constraints {
		if !absolute(c) {
			continue
		}
		resolved, err := within(c, words[i], p.runAs, m)
		if err != nil {
			return hindered(c, words[i], err)
		}
		out.Args[i] = resolved
		out.Paths = append(out.Paths, i)
	}
	return out
}

// hindered is the refusal for err. What is nobody's decision is said unasked: that a
// server keeps root out, though not of places apart from base, of which the caller
// would learn whether they exist; that base itself is in somebody's hands; and that no
// path can be resolved at all.
func hindered(base string, word Untrusted, err error) Match {
	refusal := nof("%v", err)
	at, dir := path.Clean(string(word)), path.Clean(base)
	if errors.Is(err, ErrRedirected) || errors.Is(err, ErrWithheld) || errors.Is(err, ErrRootSquash) && (at == dir || strings.HasPrefix(at, strings.TrimSuffix(dir, "/")+"/")) {
		refusal.Hint = err.Error()
	}
	return refusal
}

type pathError struct {
	word Untrusted
	why  string
}

func (e *pathError) Error() string { return e.word.String() + " " + e.why }

// within resolves word as the user runAs would follow it, and returns where it
// leads to if that is below base. The comparison goes by whole components, so
// that /images does not contain /images-evil. What base leads to root alone
// decides, at any moment, so that it does not matter which of the two is asked
// first.
func within(base string, word Untrusted, runAs string, m Machine) (Untrusted, error) {
	// A relative path means what the caller's working directory makes of it.
	if !absolute(string(word)) {
		return "", &pathError{word, "is not an absolute path"}
	}
	dir, err := m.Base(base, runAs)
	if err != nil {
		return "", err
	}
	resolved, err := m.Resolve(word, dir, runAs)
	if err != nil {
		return "", err
	}
	if string(resolved) == dir && !strings.HasSuffix(base, "/") {
		return resolved, nil
	}
	below := strings.TrimSuffix(dir, "/") + "/"
	if !strings.HasPrefix(string(resolved), below) || string(resolved) == below {
		why := "does not lie below " + Untrusted(base).String()
		if string(resolved) != path.Clean(string(word)) {
			why = "leads to " + resolved.String() + ", which " + why
		}
		return "", &pathError{word, why}
	}
	return resolved, nil
}

func absolute(word string) bool { return strings.HasPrefix(word, "/") }
