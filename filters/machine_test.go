package filters

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// fakeMachine is a machine without a kernel. Its zero value has no links, no
// processes and no programs, and trusts nothing.
type fakeMachine struct {
	links      map[string]string // path -> where it leads to; other paths lead to themselves, cleaned of dots
	redirected map[string]bool   // base of a filter -> a link that is not root's leads there
	hidden     map[string]bool   // run-as user + " " + path: cannot be resolved
	squashed   map[string]bool   // the same: since the NFS server keeps root out
	processes  map[int]Process
	programs   map[string][]Program
	stable     map[string]bool
	absent     map[string]bool // of Stable
	trusted    map[string]bool
	asked      []string // paths that were resolved
}

func (m *fakeMachine) Base(dir, runAs string) (string, error) {
	if m.redirected[strings.TrimRight(dir, "/")] {
		return "", fmt.Errorf("cannot use %s: %w", dir, ErrRedirected)
	}
	base, err := m.Resolve(Untrusted(dir), "", runAs)
	return string(base), err
}

func (m *fakeMachine) Resolve(path Untrusted, _, runAs string) (Untrusted, error) {
	p := path.Raw()
	m.asked = append(m.asked, p)
	if m.hidden[runAs+" "+p] {
		return "", fmt.Errorf("cannot resolve %s as user %s: %w", path, runAs, fs.ErrPermission)
	}
	if m.squashed[runAs+" "+p] {
		return "", fmt.Errorf("cannot resolve %s as user %s: %w", path, runAs, ErrRootSquash)
	}
	if to, ok := m.links[strings.TrimRight(p, "/")]; ok {
		return Untrusted(to), nil
	}
	if !strings.HasPrefix(p, "/") {
		return "", errors.New("not absolute")
	}
	var parts []string
	for _, part := range strings.Split(p, "/") {
		switch part {
		case "", ".":
		case "..":
			parts = parts[:max(len(parts)-1, 0)]
		default:
			parts = append(parts, part)
		}
	}
	return Untrusted("/" + strings.Join(parts, "/")), nil
}

func (m *fakeMachine) Process(pid int) (Process, error) {
	if p, ok := m.processes[pid]; ok {
		return p, nil
	}
	return Process{}, fmt.Errorf("cannot find process %d", pid)
}

func (m *fakeMachine) Programs(name string) []Program { return m.programs[name] }

func (m *fakeMachine) Stable(path string) error {
	if m.stable[path] {
		return nil
	}
	if m.absent[path] {
		return fmt.Errorf("cannot open %s: %w", path, fs.ErrNotExist)
	}
	return fmt.Errorf("%s is not stable", path)
}

func (m *fakeMachine) Trusted(path Untrusted) error {
	if m.trusted[path.Raw()] {
		return nil
	}
	return fmt.Errorf("cannot trust %s", path)
}

func newFilter(t testing.TB, definition string) Filter {
	t.Helper()
	f, err := New(definition)
	if err != nil {
		t.Fatalf("%s: %v", definition, err)
	}
	return f
}

// argv splits at each single blank, so that two blanks make an empty word; a
// letter n in angle brackets stands for a newline.
func argv(line string) []Untrusted {
	return Words(strings.Split(strings.ReplaceAll(line, "<n>", "\n"), " "))
}

// row is a command line and what the filter says: nothing for a match, else a
// part of the reason.
type row struct{ line, why string }

// check puts each line before f, and returns the matches.
func check(t *testing.T, f Filter, m Machine, rows []row) map[string]Match {
	t.Helper()
	matches := make(map[string]Match)
	for _, r := range rows {
		words := argv(r.line)
		got := f.Match(words, m)
		wellFormed(t, f, words, got)
		if !slices.Equal(words, argv(r.line)) {
			t.Errorf("%q: matching changed the words to %q", r.line, words)
		}
		switch {
		case got.Matched && r.why != "":
			t.Errorf("%q is allowed, and should be refused: %s", r.line, r.why)
		case !got.Matched && r.why == "":
			t.Errorf("%q is refused, and should be allowed: %s", r.line, got.Why)
		case !got.Matched && !strings.Contains(got.Why.String(), r.why):
			t.Errorf("%q is refused because %q, not because %q", r.line, got.Why, r.why)
		}
		if got.Matched {
			matches[r.line] = got
		}
	}
	return matches
}

// wellFormed checks what must be true of any answer of f about words.
func wellFormed(t testing.TB, f Filter, words []Untrusted, m Match) {
	t.Helper()
	if !m.Matched {
		if m.Args != nil || m.Env != nil || m.Nested != 0 || m.Signal != nil || m.Paths != nil {
			t.Errorf("%q: the refusal carries something to run: %+v", words, m)
		}
		why := m.Why.String()
		if why == "" || strings.ContainsFunc(why, isControl) {
			t.Errorf("%q: the reason cannot be printed: %q", words, why)
		}
		return
	}
	if (m.Nested != 0) != Chaining(f) || m.Nested < 0 || m.Nested >= len(words) {
		t.Errorf("%q: word %d of %d is the nested command of a %T", words, m.Nested, len(words), f)
	}
	if _, kills := f.(*kill); kills != (m.Signal != nil) {
		t.Errorf("%q: a %T sends signal %v", words, f, m.Signal)
	}
	pinned := make(map[int]bool)
	for _, p := range m.Paths {
		if p < 0 || p >= len(m.Args) || pinned[p] {
			t.Fatalf("%q: argument %d of %d is pinned", words, p, len(m.Args))
		}
		pinned[p] = true
	}
	// The arguments are the last words, but for paths that were resolved.
	skipped := len(words) - len(m.Args)
	if skipped < 1 {
		t.Fatalf("%q: %d arguments %q", words, len(m.Args), m.Args)
	}
	for i, a := range m.Args {
		if a != words[skipped+i] && !pinned[i] {
			t.Errorf("%q: argument %d became %q", words, i, a)
		}
	}
	if e, ok := f.(*envFilter); ok {
		names := make(map[Untrusted]bool)
		for _, v := range e.vars {
			names[v.Name] = true
		}
		if len(m.Env) != len(names) {
			t.Errorf("%q: variables %v, where the filter names %v", words, m.Env, e.vars)
		}
		if lead := skipped - 1 - len(m.Env); lead != 0 && !(lead == 1 && words[0] == "env") {
			t.Errorf("%q: %d words are neither env, variables, program nor arguments", words, lead)
		}
	} else if m.Env != nil || skipped != 1 {
		t.Errorf("%q: a %T drops words or sets variables: %+v", words, f, m)
	}
}

func isControl(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
}
