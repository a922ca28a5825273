package lint

import (
	"errors"
	"path"
	"slices"
	"strings"

	"ironwrap/filters"
)

// paper is a machine that exists on paper: paths mean what they say, there are no
// processes, and nothing is trusted. Filters are asked with it what they would
// accept, whatever happens to be on this machine.
type paper struct{}

func (paper) Base(dir, _ string) (string, error) { return path.Clean(dir), nil }
func (paper) Resolve(p filters.Untrusted, _, _ string) (filters.Untrusted, error) {
	return filters.Untrusted(path.Clean(p.Raw())), nil
}
func (paper) Process(int) (filters.Process, error) { return filters.Process{}, errPaper }
func (paper) Programs(string) []filters.Program    { return nil }
func (paper) Stable(string) error                  { return errPaper }
func (paper) Trusted(filters.Untrusted) error      { return errPaper }

var errPaper = errors.New("not looked at")

// accepts asks the filter itself about a command.
func (f *filter) accepts(argv []string) bool {
	return len(argv) > 0 && f.Match(filters.Words(argv), paper{}).Matched
}

// called is how the program of f is called: by its base name, or for a filter with
// variables by these and the name.
func (f *filter) called() []string {
	name := base(f.Exec())
	if f.Class != "EnvFilter" {
		return []string{name}
	}
	argv := []string{"env"}
	for _, v := range f.variables() {
		if strings.HasSuffix(v.text, "=") {
			v.text += "x"
		}
		argv = append(argv, v.text)
	}
	return append(argv, name)
}

// variables are the fields of an EnvFilter that name variables.
func (f *filter) variables() (list []field) {
	if f.Class != "EnvFilter" {
		return nil
	}
	for _, x := range f.rest(3) {
		if !strings.Contains(x.text, "=") {
			break
		}
		list = append(list, x)
	}
	return list
}

// patterns are the fields that are regular expressions. The first stands for the
// command's name, but for an EnvFilter, whose patterns are for its arguments.
func (f *filter) patterns() []field {
	switch f.Class {
	case "RegExpFilter", "ChainingRegExpFilter":
		return f.rest(3)
	case "EnvFilter":
		rest := f.rest(3 + len(f.variables()))
		if len(rest) > 0 && strings.Contains(f.fields[1].text, "env") {
			rest = rest[1:]
		}
		return rest
	}
	return nil
}

// open tells whether f allows any arguments: a CommandFilter, or an EnvFilter
// without patterns.
func (f *filter) open() bool {
	return f.Class == "CommandFilter" || f.Class == "EnvFilter" && len(f.patterns()) == 0
}

// chain tells whether f only prefixes another command.
func (f *filter) chain() bool { return filters.Chaining(f.Filter) }

// written is f as it was written, without its name.
func (f *filter) written() []string {
	words := make([]string, len(f.fields))
	for i, x := range f.fields {
		words[i] = x.text
	}
	return words
}

func (f *filter) sameAs(o *filter) bool { return slices.Equal(f.written(), o.written()) }

// base is the part after the last slash.
func base(p string) string {
	_, file := path.Split(p)
	return file
}
