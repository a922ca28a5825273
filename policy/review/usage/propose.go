package usage

import (
	"bytes"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/expect"
	"ironwrap/policy/review/language"
)

// Proposal is filters in the place of one. Two things have been shown of it: with all
// proposals in force the engine allows every command of the records, with the same
// words, run-as user and sandbox; and what the filters match is part of what the old one
// matches, and not all of it (package language).
type Proposal struct {
	Place
	Old   filters.Untrusted   `json:"old"`
	New   []filters.Untrusted `json:"new"` // lines of the filters file
	How   []string            `json:"how"` // what was generalised
	Calls int                 `json:"calls"`
	// Gone is a shortest command that the old filter matches and none of the new does.
	Gone []filters.Untrusted `json:"no_longer_allowed"`
	// Still is the filter that allows it all the same; empty for none.
	Still string `json:"still_allowed_by,omitempty"`

	entry   *policy.Entry
	names   []string
	told    [][]string // how each of the new filters was generalised
	values  []string   // of the new filters
	samples [][]filters.Untrusted
}

// Expectations keep what a report proposes.
type Expectations = expect.Suite

// mostFilters is how many may take the place of one.
const mostFilters = 12

// propose adds proposals to a report, or why there is none.
func (s *session) propose(r *Report) {
	var list []*Proposal
	texts := map[string][]byte{}
	for i := range s.Policy.Filters {
		e := &s.Policy.Filters[i]
		t := s.tallies[e]
		if t == nil {
			continue
		}
		if e.File != "" && texts[e.File] == nil {
			texts[e.File], _ = s.Read(e.File)
		}
		p, why := s.narrower(t)
		if why == "" {
			why = p.write(texts[e.File])
		}
		if why != "" {
			r.Kept = append(r.Kept, Kept{placeOf(e), why})
			continue
		}
		list = append(list, p)
	}
	list, patched, p := s.prove(r, list, texts)
	if len(list) == 0 {
		return
	}
	var patch bytes.Buffer
	for _, file := range files(list) {
		patch.Write(diff.Diff("a"+file, texts[file], "b"+file, patched[file]))
	}
	r.Patch = patch.String()
	r.Expectations = &Expectations{Config: s.Policy.Path, AssumePrograms: true}
	for _, l := range list {
		s.finish(l, p, r.Expectations)
		r.Narrower = append(r.Narrower, *l)
	}
}

// narrower makes a proposal from what a filter was used for, or says why not.
func (s *session) narrower(t *tally) (*Proposal, string) {
	e := t.entry
	shape := filters.ShapeOf(e.Filter)
	switch {
	case e.File == "":
		return nil, "it is built in"
	case filters.Chaining(e.Filter):
		return nil, "it is for what stands before a command: narrow the filters of these"
	case e.Class != "CommandFilter" && e.Class != "RegExpFilter" && e.Class != "PathFilter":
		return nil, e.Class + " has rules of its own, which no pattern says better"
	case t.use.Unclear > 0:
		return nil, fmt.Sprintf("not assessed: %d records are not clear: %s", t.use.Unclear, filters.Prose(t.use.Why.Raw()))
	}
	for _, again := range t.replayed {
		if !sayable(again.typed) {
			return nil, "a word of its commands is no text, which a filters file cannot say"
		}
	}
	groups, why := t.shapes.joined()
	if why != "" {
		return nil, why
	}
	if len(groups) > mostFilters {
		return nil, fmt.Sprintf("it would take %d filters", len(groups))
	}
	p := &Proposal{Place: placeOf(e), Calls: t.use.Count, entry: e}
	if e.Class != "RegExpFilter" {
		if values, told, ok := pathFilters(e, groups); ok {
			p.values, p.told = values, told
			if s.holds(p, t) == "" {
				p.sample(groups)
				return p, ""
			}
		}
		if e.Class == "PathFilter" {
			return nil, "it is as narrow as what was seen"
		}
	}
	p.values, p.told = patternFilters(e, shape, groups)
	if why := s.holds(p, t); why != "" {
		return nil, why
	}
	p.sample(groups)
	return p, ""
}

func (p *Proposal) sample(groups []group) {
	for _, g := range groups {
		p.samples = append(p.samples, g.example)
	}
}

// patternFilters are RegExpFilters for groups of commands.
func patternFilters(e *policy.Entry, shape filters.Shape, groups []group) (values []string, how [][]string) {
	for _, g := range groups {
		fields := []string{"RegExpFilter", e.Exec(), e.RunAs(), namePattern(e, shape)}
		var of []string
		for i, c := range g.columns[1:] {
			pattern, told := c.pattern(), c.told(i+1)
			// What was generalised may be more than the old filter takes.
			if e.Class == "RegExpFilter" && !within(pattern, shape.Args[i]) {
				pattern, told = shape.Args[i], ""
			}
			fields = append(fields, pattern)
			if told != "" {
				of = append(of, told)
			}
		}
		how = append(how, of)
		values = append(values, strings.Join(fields, ", "))
	}
	return values, how
}

// namePattern is the pattern of the first word. Records have the program that ran, and
// not what it was called by, so that all names of it stay.
func namePattern(e *policy.Entry, shape filters.Shape) string {
	if e.Class == "RegExpFilter" {
		return shape.Name
	}
	names := []string{literal(e.Exec())}
	if base := path.Base(e.Exec()); base != e.Exec() {
		names = append(names, literal(base))
	}
	return either(names)
}

// within tells whether a pattern matches no more than another.
func within(pattern, other string) bool {
	a, err := language.Pattern(pattern)
	if err != nil {
		return false
	}
	b, err := language.Pattern(other)
	if err != nil {
		return false
	}
	ok, err := a.Subset(b)
	return ok && err == nil
}

// pathFilters are PathFilters for groups of commands of which nothing differs but paths:
// those resolve links, which no pattern does.
func pathFilters(e *policy.Entry, groups []group) (values []string, how [][]string, ok bool) {
	for _, g := range groups {
		fields := []string{"PathFilter", e.Exec(), e.RunAs()}
		var of []string
		for i, c := range g.columns[1:] {
			if word, one := c.word(); one && constraint(word) {
				fields = append(fields, word)
				continue
			}
			dir, ok := c.directory()
			if !ok || !plain(dir) {
				return nil, nil, false
			}
			fields = append(fields, dir+"/")
			of = append(of, fmt.Sprintf("word %d: any path that leads below %s; where a caller can put links there meanwhile, pin_paths = yes in a sandbox section", i+1, filters.Show(dir)))
		}
		if of == nil {
			return nil, nil, false
		}
		how = append(how, of)
		values = append(values, strings.Join(fields, ", "))
	}
	return values, how, true
}

// constraint tells that a word can stand for itself in a PathFilter.
func constraint(word string) bool {
	return plain(word) && word != "pass" && (word[0] != '/' || path.Clean(word) == word)
}

// plain tells that text stands in a filters file as it is: it is printed with the patch,
// and a filters file has no escapes but those of patterns.
func plain(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' })
}

// directory is that which all words of a column are below, if they are paths.
func (c column) directory() (string, bool) {
	var dirs []string
	for _, f := range c.sorted() {
		switch {
		case f.dir != "":
			dirs = append(dirs, f.dir+"/x")
		case f.wide == "" && len(f.pieces) > 0 && f.pieces[0].kind == nil && strings.HasPrefix(f.pieces[0].text, "/"):
			text := f.pieces[0].text
			if len(f.pieces) == 1 && strings.HasSuffix(text, "/") {
				return "", false
			}
			dirs = append(dirs, text[:strings.LastIndexByte(text, '/')]+"/x")
		default:
			return "", false
		}
	}
	dir, _ := common(dirs)
	// Below a single step lie other people's things as well: /etc, /var, /dev.
	return dir, strings.Count(dir, "/") >= 2
}

// holds shows that the filters of a proposal match every command of the records, and
// part of what the old one matches. It returns why that is not so.
func (s *session) holds(p *Proposal, t *tally) string {
	var fresh []filters.Filter
	all := language.Lines{}
	for _, value := range p.values {
		f, err := filters.New(value)
		if err != nil {
			return "the filter would not be one: " + err.Error()
		}
		l, exact := language.Of(f)
		// Of a PathFilter the words are known that the program gets, and no others.
		if !exact && !strings.HasPrefix(value, "PathFilter,") {
			return "not assessed: what it would match is not known exactly"
		}
		fresh = append(fresh, f)
		all = all.Or(l)
	}
	for _, again := range t.replayed {
		words := again.of(t.entry)
		if !slices.ContainsFunc(fresh, func(f filters.Filter) bool { return f.Match(words, s.Machine).Matched }) {
			return "no filter was found that matches all its commands: not " + filters.Line(words)
		}
	}
	old, exact := language.Of(t.entry.Filter)
	if !exact && t.entry.Class != "PathFilter" {
		return "not assessed: what it matches is not known exactly"
	}
	within, err := all.Subset(old)
	if err != nil {
		return "not assessed: " + err.Error()
	}
	if !within {
		return "what was found to be narrower is not part of it"
	}
	gone, ok, err := old.Minus(all).Shortest()
	if err != nil {
		return "not assessed: " + err.Error()
	}
	if !ok {
		return "it is as narrow as what was seen"
	}
	p.Gone = filters.Words(gone)
	return ""
}

// write makes the lines of the new filters, whose names the file does not have yet.
func (p *Proposal) write(text []byte) string {
	lines := strings.SplitAfter(string(text), "\n")
	if p.Line < 1 || p.Line > len(lines) {
		return "its file has changed meanwhile"
	}
	key, _, ok := cutKey(lines[p.Line-1])
	if !ok {
		return "its line could not be found in the file"
	}
	p.Old = filters.Untrusted(strings.TrimRight(strings.Join(lines[p.Line-1:p.Line+more(lines[p.Line:])], ""), "\r\n"))
	for i, value := range p.values {
		name := key
		for n := i + 1; i > 0; n++ {
			name = fmt.Sprintf("%s-%d", key, n)
			if !has(lines, name) {
				break
			}
		}
		p.names = append(p.names, name)
		p.New = append(p.New, filters.Untrusted(name+": "+value))
		for _, told := range p.told[i] {
			p.How = append(p.How, name+", "+told)
		}
	}
	return ""
}

// cutKey is the key of a line, as it is written, and what stands behind.
func cutKey(line string) (key, rest string, ok bool) {
	at := strings.IndexAny(line, ":=")
	if at < 1 || strings.ContainsAny(line[:1], " \t#;[") {
		return "", "", false
	}
	return strings.TrimSpace(line[:at]), line[at+1:], true
}

func has(lines []string, name string) bool {
	return slices.ContainsFunc(lines, func(l string) bool {
		key, _, ok := cutKey(l)
		return ok && strings.EqualFold(key, name)
	})
}

// more is how many lines go on with a value.
func more(lines []string) (n int) {
	for n < len(lines) && strings.TrimLeft(lines[n], " \t") != lines[n] && strings.TrimSpace(lines[n]) != "" {
		n++
	}
	return n
}

func files(list []*Proposal) (paths []string) {
	for _, p := range list {
		if file := p.entry.File; !slices.Contains(paths, file) {
			paths = append(paths, file)
		}
	}
	return paths
}

// put returns a file's text with proposals in the place of their filters, and with their
// sandbox sections once for each new name.
func put(text []byte, list []*Proposal) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	var tail strings.Builder
	for _, p := range slices.Backward(list) { // so that lines before stay where they are
		var fresh []string
		for i, l := range p.New {
			fresh = append(fresh, l.Raw()+"\n")
			if i > 0 {
				tail.WriteString(section(lines, p.names[0], p.names[i]))
			}
		}
		lines = slices.Concat(lines[:p.Line-1], fresh, lines[p.Line+more(lines[p.Line:]):])
	}
	out := strings.Join(lines, "")
	if tail.Len() > 0 && !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	return []byte(out + tail.String())
}

// section is that of a filter, for another name; "" where it has none.
func section(lines []string, name, other string) string {
	for i, l := range lines {
		head := strings.TrimSpace(l)
		if inner, ok := strings.CutPrefix(head, "[Sandbox:"); !ok || !strings.EqualFold(strings.TrimSuffix(inner, "]"), name) {
			continue
		}
		text := "\n[Sandbox:" + other + "]\n"
		for _, l := range lines[i+1:] {
			if strings.HasPrefix(l, "[") {
				break
			}
			text += l
		}
		return strings.TrimRight(text, "\n") + "\n"
	}
	return ""
}

// prove loads the policy with all proposals in force, and puts every command of the
// records before it. A proposal that stands in the way of one is dropped.
func (s *session) prove(r *Report, list []*Proposal, texts map[string][]byte) ([]*Proposal, map[string][]byte, *policy.Policy) {
	drop := func(p *Proposal, why string) {
		r.Kept = append(r.Kept, Kept{p.Place, why})
		list = slices.DeleteFunc(list, func(q *Proposal) bool { return q == p })
	}
again:
	for len(list) > 0 {
		patched := map[string][]byte{}
		for _, file := range files(list) {
			var of []*Proposal
			for _, p := range list {
				if p.entry.File == file {
					of = append(of, p)
				}
			}
			slices.SortFunc(of, func(a, b *Proposal) int { return a.Line - b.Line })
			patched[file] = put(texts[file], of)
		}
		now, err := s.Patched(patched)
		if err != nil {
			for _, p := range slices.Clone(list) {
				drop(p, "not assessed: the changed policy cannot be used: "+err.Error())
			}
			break
		}
		for _, p := range list {
			if why := p.inForce(now); why != "" {
				drop(p, why)
				continue again
			}
		}
		failed := map[*policy.Entry]string{}
		for _, k := range s.replays {
			d := now.Decide(policy.Request{Argv: k.typed, Machine: s.Machine})
			if d.Verdict != policy.Allowed || d.RunAs != k.d.RunAs || !slices.Equal(d.Argv, k.d.Argv) || !slices.Equal(d.Env, k.d.Env) ||
				!sameSandbox(d.Filter, k.d.Filter) || !sameSandbox(d.Leaf, k.d.Leaf) {
				why := "with it in force a command of the records would not run as before: " + filters.Line(k.typed)
				failed[k.d.Filter], failed[k.d.Leaf] = why, why
			}
		}
		failing := false
		for _, p := range slices.Clone(list) {
			if why, ok := failed[p.entry]; ok {
				drop(p, why)
				failing = true
			}
		}
		switch {
		case failing:
			continue
		case len(failed) > 0: // by none of those that are changed: nothing is sure
			for _, p := range slices.Clone(list) {
				drop(p, "not assessed: the engine's answers to other commands changed")
			}
		default:
			return list, patched, now
		}
	}
	return nil, nil, nil
}

func sameSandbox(a, b *policy.Entry) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.DeepEqual(a.Sandbox, b.Sandbox)
}

// inForce tells why the changed policy has not the filters of p as they are meant.
func (p *Proposal) inForce(now *policy.Policy) string {
	for i, name := range p.names {
		e := p.found(now, name)
		if e == nil {
			return "its line could not be changed"
		}
		want, err := filters.New(p.values[i])
		if err != nil || !reflect.DeepEqual(filters.ShapeOf(e.Filter), filters.ShapeOf(want)) || e.Exec() != want.Exec() || e.RunAs() != p.entry.RunAs() {
			return "the filters file does not say what was meant"
		}
		if !sameSandbox(e, p.entry) {
			return "its sandbox section could not be kept for all new filters"
		}
	}
	return ""
}

func (p *Proposal) found(now *policy.Policy, name string) *policy.Entry {
	for i := range now.Filters {
		if e := &now.Filters[i]; e.File == p.entry.File && strings.EqualFold(e.Name, name) {
			return e
		}
	}
	return nil
}

// finish says what the changed policy makes of the command that p no longer allows, and
// adds to the expectations that keep it.
func (s *session) finish(p *Proposal, now *policy.Policy, keep *Expectations) {
	heading := expect.Heading([]filters.Untrusted{filters.Untrusted(p.entry.Name)})
	t := s.tallies[p.entry]
	for _, example := range p.samples {
		for _, k := range t.replayed {
			if !slices.Equal(k.of(p.entry), example) {
				continue
			}
			d := now.Decide(policy.Request{Argv: k.typed, Machine: s.Machine})
			c := expect.Case{Outcome: expect.Allow, Command: k.typed, By: d.Filter.Name, RunAs: d.RunAs}
			if d.Leaf != nil {
				c.Nested = d.Leaf.Name
			}
			keep.Add(heading, c)
			break
		}
	}
	d := now.Decide(policy.Request{Argv: p.Gone, Machine: s.Machine})
	switch {
	case d.Verdict == policy.Allowed || d.Verdict == policy.NotExecutable:
		p.Still = placeOf(d.Filter).String()
	case len(p.Gone) > 0:
		keep.Add(heading, expect.Case{Outcome: expect.Refuse, Command: p.Gone})
	}
}
