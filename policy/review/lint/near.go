package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/filters/pyre"
	"ironwrap/policy"
	"ironwrap/policy/document"
)

// Miss is a filter that would allow a command if one thing in it were otherwise.
type Miss struct {
	Filter   policy.Entry
	Argument int    // index of the word in the command, its name being 0; -1 for none
	Text     string // one line: what is not as the filter has it
}

// maxMisses is how many are of any help.
const maxMisses = 3

// Guide finds near misses in one policy.
type Guide struct {
	policy  *policy.Policy
	filters []*filter // of the policy, in its order
	wanted  [][]want
}

// NewGuide reads the filters of p once more, for how they are written.
func NewGuide(p *policy.Policy) *Guide {
	g := &Guide{policy: p}
	files := map[string]*file{}
	for _, e := range p.Filters {
		f := &filter{Entry: e}
		if e.File != "" {
			if files[e.File] == nil {
				files[e.File] = host{}.readFile(e.File, document.Lenient)
			}
			f.file = files[e.File]
			f.fields = f.file.definition(e.Name)
		}
		g.filters = append(g.filters, f)
		g.wanted = append(g.wanted, f.wanted())
	}
	return g
}

// definition is the value of a filter, in fields.
func (f *file) definition(name string) []field {
	if f.ini == nil {
		return nil
	}
	items, _ := f.ini.Items("Filters")
	for _, e := range items {
		if e.Key == name {
			return f.fields(e)
		}
	}
	return nil
}

// Near returns near misses of argv, which m and the policy do not allow. Each has
// been tried: with that one change the filter itself accepts the command.
func (g *Guide) Near(argv []filters.Untrusted, m policy.Machine) (misses []Miss) {
	for i, f := range g.filters {
		if at, text := f.near(argv, g.wanted[i], m); text != "" {
			misses = append(misses, Miss{f.Entry, at, text})
		}
		if prefix := f.Match(argv, m).Nested; prefix > 0 {
			misses = append(misses, g.nearNested(f, argv, prefix, m)...)
		}
	}
	// What can be pointed at comes first.
	slices.SortStableFunc(misses, func(a, b Miss) int { return cmp.Compare(min(b.Argument, 0), min(a.Argument, 0)) })
	return misses[:min(len(misses), maxMisses)]
}

// nearNested looks for near misses of the command behind a prefix.
func (g *Guide) nearNested(chain *filter, argv []filters.Untrusted, prefix int, m policy.Machine) (misses []Miss) {
	for i, f := range g.filters {
		if f.chain() {
			continue
		}
		if f.RunAs() != chain.RunAs() {
			if f.Match(argv[prefix:], m).Matched {
				text := fmt.Sprintf("behind %s: the command is to run as %s, and the prefix runs as %s", filters.Line(argv[:prefix]), quote(f.RunAs()), quote(chain.RunAs()))
				misses = append(misses, Miss{f.Entry, -1, text})
			}
			continue
		}
		at, text := f.near(argv[prefix:], g.wanted[i], m)
		if text == "" {
			continue
		}
		if at >= 0 {
			at += prefix
		}
		misses = append(misses, Miss{f.Entry, at, "behind " + filters.Line(argv[:prefix]) + ": " + text})
	}
	return misses
}

// near returns what is not as f has it, and at which word; "" if it is more than
// one thing, or f is about something else altogether.
func (f *filter) near(argv []filters.Untrusted, wanted []want, m policy.Machine) (at int, text string) {
	accepts := func(words []filters.Untrusted) bool { return len(words) > 0 && f.Match(words, m).Matched }
	if accepts(argv) {
		return 0, ""
	}
	// The name of the command, where it is all that is wrong.
	if name := filters.Untrusted(base(f.Exec())); name != "" && f.Class != "KillFilter" && alike(argv[0].Raw(), string(name)) {
		if accepts(replace(argv, 0, name)) {
			return 0, fmt.Sprintf("%s is called %s", argv[0], name)
		}
	}
	for i, w := range wanted {
		if i >= len(argv) || i == 0 {
			continue
		}
		for _, word := range w.words {
			if accepts(replace(argv, i, word)) {
				return i, fmt.Sprintf("argument %d: %s does not match %s", i, argv[i].Quote(), quote(w.text))
			}
		}
	}
	switch len(argv) {
	case len(wanted) + 1:
		for i := len(argv) - 1; i > 0; i-- {
			if accepts(slices.Delete(slices.Clone(argv), i, i+1)) {
				return i, fmt.Sprintf("argument %d: %s is one too many", i, argv[i].Quote())
			}
		}
	case len(wanted) - 1:
		for i := len(argv); i > 0; i-- {
			for _, word := range wanted[i].words {
				if accepts(slices.Insert(slices.Clone(argv), i, word)) {
					return i, fmt.Sprintf("argument %d is missing: %s", i, quote(wanted[i].text))
				}
			}
		}
	}
	// Classes that say by themselves what they miss, once the command is theirs.
	name := slices.IndexFunc(argv, func(w filters.Untrusted) bool { return w.Raw() == base(f.Exec()) })
	named := name == 0 || name > 0 && f.Class == "EnvFilter" && !slices.ContainsFunc(argv[:name], func(w filters.Untrusted) bool {
		return w != "env" && !strings.Contains(w.Raw(), "=")
	})
	if named && (f.Class == "EnvFilter" || f.Class == "IpFilter" || f.File == "" || f.Class == "KillFilter" && len(argv) > 1) {
		return -1, f.Match(argv, m).Why.String()
	}
	return 0, ""
}

// want is what a filter has in the place of one word: as it is written, and words
// that would do.
type want struct {
	text  string
	words []filters.Untrusted
}

// wanted lists what f has for each word of a command, its name first; nil for a
// class that does not compare word by word.
func (f *filter) wanted() (list []want) {
	switch f.Class {
	case "RegExpFilter":
		for _, p := range f.patterns() {
			list = append(list, want{p.text, filters.Words(pyre.Words(p.text, ""))})
		}
	case "PathFilter":
		list = append(list, want{base(f.Exec()), nil})
		for _, x := range f.rest(3) {
			w := want{text: x.text, words: filters.Words([]string{x.text, strings.TrimSuffix(x.text, "/") + "/x"})}
			if strings.HasPrefix(x.text, "/") {
				w.text = "a path in " + x.text
			}
			list = append(list, w)
		}
	case "ReadFileFilter":
		list = []want{{"cat", nil}, {f.fields[1].text, filters.Words([]string{f.fields[1].text})}}
	}
	return list
}

// alike tells whether one name is a slip of the other, or the same program by
// another path.
func alike(a, b string) bool {
	return base(a) == b || nearest(base(a), []string{b}) != ""
}

func replace(argv []filters.Untrusted, i int, word filters.Untrusted) []filters.Untrusted {
	argv = slices.Clone(argv)
	argv[i] = word
	return argv
}
