package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/compiled"
	"ironwrap/policy/trust"
)

// ErrStale tells that a compiled policy says no more what the files say, or that they
// cannot be looked at as they were read. Who reads them learns why.
var ErrStale = errors.New("the files of the policy are not what they were when it was compiled")

// Open makes of a compiled policy the part that a command needs: the filters that can
// match it, in their order. Decide says the same of argv as with all of them. Every file
// and directory is looked at as Load looks at it, whatever the book was made under. The
// error is ErrStale, compiled.ErrDamaged, or what Load would say of the machine as it is
// now. road remembers what was passed, for the rest of the request; nil for nothing.
func Open(book *compiled.Book, path string, level trust.Level, argv []filters.Untrusted, road *trust.Road) (*Policy, error) {
	if book.Path != path {
		return nil, compiled.ErrDamaged
	}
	p, err := begin(path, book.Conf, level)
	if err != nil {
		return nil, err
	}
	if err := unchanged(book, p.Trust, road); err != nil {
		return nil, err
	}
	if err := p.checkExecDirs(road); err != nil {
		return nil, err
	}
	if err := p.part(book, argv); err != nil {
		return nil, err
	}
	return p, p.addPrivsep()
}

// part adds the filters of a book that can match argv.
func (p *Policy) part(book *compiled.Book, argv []filters.Untrusted) error {
	lines, err := book.Lines(called(argv, book.Prefixes()))
	if err != nil {
		return err
	}
	for _, l := range lines {
		file := book.File(l)
		f := p.filter(file, l.Entry)
		if f == nil {
			continue
		}
		if err := p.add(file, l, f); err != nil {
			return err
		}
	}
	return nil
}

// called are the words that argv, or a command behind a prefix of so many words, can be
// found by. What stands behind a prefix is called by its base name, see nested.
func called(argv []filters.Untrusted, prefixes []int) (list []string) {
	add := func(argv []filters.Untrusted) {
		for _, word := range filters.Called(argv) {
			list = append(list, word.Raw())
		}
	}
	add(argv)
	for _, n := range prefixes {
		if n < len(argv) {
			add(unpathed(argv[n:beyond(argv, n+1)]))
		}
	}
	return list
}

// beyond is where the words of argv end that filters.Called looks at: one behind the
// variables that stand at i.
func beyond(argv []filters.Untrusted, i int) int {
	for i < len(argv) && strings.Contains(argv[i].Raw(), "=") {
		i++
	}
	return min(i+1, len(argv))
}

// unchanged returns nil while the sources are there as they were, and are root's as the
// level demands.
func unchanged(book *compiled.Book, level trust.Level, road *trust.Road) error {
	var dir *trust.Directory // the last
	var in string            // its path
	leave := func() {
		if dir != nil {
			dir.Close()
			dir = nil
		}
	}
	defer leave()
	for _, s := range book.Sources() {
		var now trust.Identity
		var err error
		switch s.Kind {
		case compiled.Conf:
			now, err = road.Look(s.Path, level)
		case compiled.Dir:
			leave()
			in = s.Path + "/"
			if dir, err = road.Dir(s.Path, level); err == nil {
				now = dir.Identity()
			}
		case compiled.File:
			if dir == nil {
				return compiled.ErrDamaged
			}
			now, err = dir.Look(s.Path)
		case compiled.Absent:
			leave()
			if dir, err = road.Dir(s.Path, level); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		default:
			return compiled.ErrDamaged
		}
		if err != nil || now != s.Identity || s.Kind == compiled.Absent {
			if s.Kind != compiled.File {
				in = ""
			}
			return fmt.Errorf("%w: %s", ErrStale, filters.Show(in+s.Path))
		}
	}
	return nil
}
