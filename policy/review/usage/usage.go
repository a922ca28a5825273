package usage

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"path"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/lint"
)

// Report is what records say of a policy.
type Report struct {
	Config   string         `json:"config"`
	Reading  Reading        `json:"read"`
	Warnings []string       `json:"warnings,omitempty"`
	Used     []Use          `json:"used"`
	Never    []Place        `json:"never_used"` // only where executions are recorded
	Unknown  []Unknown      `json:"filters_not_in_the_policy,omitempty"`
	Narrower []Proposal     `json:"narrower"`
	Kept     []Kept         `json:"kept"`            // filters that were used, with why nothing narrower is proposed
	Patch    string         `json:"patch,omitempty"` // for patch(1) with -p1, from the root of the tree
	Root     string         `json:"root"`            // of the tree; / for this machine
	Refused  []RefusedGroup `json:"refused"`

	Expectations *Expectations `json:"-"`
}

// Place is a filter with where it stands.
type Place struct {
	Filter filters.Untrusted `json:"filter"`
	Class  filters.Untrusted `json:"class"`
	File   filters.Untrusted `json:"file"`
	Line   int               `json:"line"`
}

func placeOf(e *policy.Entry) Place {
	return Place{filters.Untrusted(e.Name), filters.Untrusted(e.Class), filters.Untrusted(e.File), e.Line}
}

func (p Place) String() string {
	if p.File == "" {
		return fmt.Sprintf("%s (%s), built in", filters.Show(p.Filter.Raw()), p.Class)
	}
	return fmt.Sprintf("%s (%s), %s:%d", filters.Show(p.Filter.Raw()), p.Class, filters.Show(p.File.Raw()), p.Line)
}

// Use is how often a filter decided, and for whom.
type Use struct {
	Place
	Count  int     `json:"count"`
	Behind int     `json:"behind_a_prefix,omitempty"` // of these for a command behind a prefix
	By     []Count `json:"by"`
	// Different is how many commands there were, of which none equals another.
	Different int `json:"different_commands"`
	// Unclear is how many records do not tell what was called, or what the engine does
	// not answer now as it did then.
	Unclear int               `json:"unclear,omitempty"`
	Why     filters.Untrusted `json:"why,omitempty"` // of the first of these
}

// Count is how often something was.
type Count struct {
	What  filters.Untrusted `json:"what"`
	Count int               `json:"count"`
}

// Unknown is a filter that records name and the policy has not.
type Unknown struct {
	Filter filters.Untrusted `json:"filter"`
	Count  int               `json:"count"`
}

// Kept is a filter of which nothing narrower is proposed.
type Kept struct {
	Place
	Why string `json:"why"`
}

// Bounds of what is kept in memory.
const (
	mostCommands = 400_000
	mostBytes    = 128 << 20
	mostPeople   = 1000
)

// counts has a bound: what is new when it is full counts as "others".
type counts map[string]int

func (c counts) add(what string, n int) {
	if _, ok := c[what]; !ok && len(c) >= mostPeople {
		what = "others"
	}
	c[what] += n
}

// sorted is the greatest first.
func (c counts) sorted() (list []Count) {
	for _, what := range slices.SortedFunc(maps.Keys(c), func(a, b string) int { return cmp.Or(cmp.Compare(c[b], c[a]), strings.Compare(a, b)) }) {
		list = append(list, Count{filters.Untrusted(what), c[what]})
	}
	return list
}

// called is a command in the records, with how often it was called.
type called struct {
	Record
	count int
	by    counts
}

// Collector takes records.
type Collector struct {
	Reading Reading

	commands map[string]*called
	order    []*called
	bytes    int
	dropped  bool // an execution was not kept
}

// Take keeps a record, or counts it where an equal one was kept.
func (c *Collector) Take(r Record) {
	if c.commands == nil {
		c.commands = map[string]*called{}
	}
	var b strings.Builder
	for _, part := range []string{r.What, r.Filter, r.File, fmt.Sprint(r.Line, r.Cut), r.Nested, r.RunAs} {
		b.WriteString(part)
		b.WriteByte(0)
	}
	if r.What != "" && r.What != Unauthorized {
		b.WriteString(r.Why + "\x00")
	}
	for _, w := range r.Words {
		b.WriteString(w.Raw())
		b.WriteByte(0)
	}
	key := b.String()
	known := c.commands[key]
	if known == nil {
		if len(c.order) >= mostCommands || c.bytes > mostBytes {
			c.Reading.Beyond++
			c.dropped = c.dropped || r.Executed
			return
		}
		known = &called{Record: r, by: counts{}}
		c.commands[key] = known
		c.order = append(c.order, known)
		c.bytes += 2*len(key) + 16*len(r.Words)
	}
	known.count++
	known.by.add(r.Who, 1)
}

// Engine is what a report is made with.
type Engine struct {
	Policy  *policy.Policy
	Machine policy.Machine
	// Patched is the policy with other texts of some of its files, as it would be
	// loaded if they were in place.
	Patched func(texts map[string][]byte) (*policy.Policy, error)
	// Root is the tree that the policy is in; "" for this machine.
	Root string
	// Read returns the text of a file of the policy.
	Read func(path string) ([]byte, error)
}

// tally is what is known of a filter.
type tally struct {
	entry     *policy.Entry
	use       Use
	by        counts
	shapes    shapes
	replayed  []*replay
	different map[uint64]bool // hashes of commands
}

func (t *tally) unclear(n int, why string) {
	if t.use.Unclear == 0 {
		t.use.Why = filters.Untrusted(why)
	}
	t.use.Unclear += n
}

// replay is a command of the records, and what the engine says of it today.
type replay struct {
	typed  []filters.Untrusted // as it may have been typed
	prefix int                 // words before a nested command
	d      policy.Decision
}

// of are the words that a filter was asked about: behind a prefix, as the engine does
// it, with the program's name.
func (r *replay) of(e *policy.Entry) []filters.Untrusted {
	if r.d.Leaf != e {
		return r.typed
	}
	words := slices.Clone(r.typed[r.prefix:])
	words[0] = filters.Untrusted(path.Base(words[0].Raw()))
	return words
}

type session struct {
	Engine
	tallies map[*policy.Entry]*tally
	names   map[string][]*policy.Entry
	places  map[string]*policy.Entry // by FILE:LINE
	replays []*replay
	unknown counts
	guide   *lint.Guide
	seed    maphash.Seed
}

func (s *session) hash(words []filters.Untrusted) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, w := range words {
		h.WriteString(w.Raw())
		h.WriteByte(0)
	}
	return h.Sum64()
}

// Report tells what the records say of the engine's policy.
func (c *Collector) Report(e Engine) Report {
	s := &session{
		Engine: e, tallies: map[*policy.Entry]*tally{}, unknown: counts{}, seed: maphash.MakeSeed(),
		names: map[string][]*policy.Entry{}, places: map[string]*policy.Entry{},
	}
	for i := range e.Policy.Filters {
		f := &e.Policy.Filters[i]
		s.names[f.Name] = append(s.names[f.Name], f)
		s.places[place(f)] = f
	}
	r := Report{Config: e.Policy.Path, Root: cmp.Or(e.Root, "/"), Reading: c.Reading}
	var refused []*called
	executed := 0
	for _, k := range c.order {
		if k.Executed {
			executed += k.count
			s.executed(k)
		} else {
			refused = append(refused, k)
		}
	}
	r.Warnings = warnings(e.Policy, executed)
	for i := range e.Policy.Filters {
		entry := &e.Policy.Filters[i]
		if t := s.tallies[entry]; t != nil {
			r.Used = append(r.Used, t.finished())
		} else if executed > 0 && !c.dropped {
			r.Never = append(r.Never, placeOf(entry))
		}
	}
	slices.SortStableFunc(r.Used, func(a, b Use) int { return cmp.Compare(b.Count, a.Count) })
	for _, u := range s.unknown.sorted() {
		r.Unknown = append(r.Unknown, Unknown{u.What, u.Count})
	}
	if c.dropped {
		r.Warnings = append(r.Warnings, "there are more different commands than are kept: nothing narrower is proposed, and which filters were never used is not known")
		for _, u := range r.Used {
			r.Kept = append(r.Kept, Kept{u.Place, "not assessed: not all records were kept"})
		}
	} else {
		s.propose(&r)
	}
	s.refusals(&r, refused)
	return r
}

func (t *tally) finished() Use {
	t.use.Place = placeOf(t.entry)
	t.use.By = t.by.sorted()
	t.use.Different = len(t.different)
	return t.use
}

func warnings(p *policy.Policy, executed int) (list []string) {
	const info = 6 // syslog(3)
	if !(p.UseSyslog && p.Level >= info) && p.AuditFile == "" {
		list = append(list, "the policy records no executions (use_syslog with syslog_log_level = INFO, or audit_file): what is not in the records may have run all the same")
	}
	if executed == 0 {
		list = append(list, "no execution is in the records: which filters were never used is not known")
	}
	return list
}

func (s *session) tally(e *policy.Entry) *tally {
	t := s.tallies[e]
	if t == nil {
		t = &tally{entry: e, by: counts{}, shapes: shapes{groups: map[string]*group{}}, different: map[uint64]bool{}}
		s.tallies[e] = t
	}
	return t
}

// named are the filters that a record may mean: that of the line, else those of the
// name in the file, else those of the name.
func (s *session) named(r Record) (list []*policy.Entry) {
	if r.Filter == "" {
		return nil
	}
	fit := func(want func(e *policy.Entry) bool) bool {
		for _, e := range s.names[r.Filter] {
			if want(e) {
				list = append(list, e)
			}
		}
		return list != nil
	}
	_ = fit(func(e *policy.Entry) bool { return r.Line > 0 && e.File == r.File && e.Line == r.Line }) ||
		fit(func(e *policy.Entry) bool { return r.Line > 0 && e.File == r.File }) ||
		fit(func(*policy.Entry) bool { return true })
	return list
}

// executed counts a command that ran, for the filters that decide about it today.
func (s *session) executed(k *called) {
	meant := s.named(k.Record)
	again, ok := s.replay(k, meant, meant)
	if !ok && len(meant) > 0 && !s.silent(k, meant) {
		// The policy may have changed: what decides today counts.
		again, ok = s.replay(k, meant, nil)
	}
	if !ok {
		s.unclear(k, meant)
		return
	}
	s.replays = append(s.replays, again)
	if meant == nil {
		s.unknown.add(k.Filter, k.count)
	}
	for _, e := range []*policy.Entry{again.d.Filter, again.d.Leaf} {
		if e == nil {
			continue
		}
		t := s.tally(e)
		t.use.Count += k.count
		for who, n := range k.by {
			t.by.add(who, n)
		}
		words := again.of(e)
		if e == again.d.Leaf {
			t.use.Behind += k.count
		}
		t.different[s.hash(words)] = true
		t.shapes.add(words, k.count)
		t.replayed = append(t.replayed, again)
	}
}

// silent tells that a record may be of a filter of which records do not say all: that
// another one allows the same words says nothing then.
func (s *session) silent(k *called, meant []*policy.Entry) bool {
	return slices.ContainsFunc(append(slices.Clone(meant), s.places[k.Nested]), func(e *policy.Entry) bool {
		return e != nil && (e.Class == "EnvFilter" || e.Class == "KillFilter")
	})
}

// replay finds out how a command may have been typed: so that the engine allows it, by
// one of these filters (nil: by any), and executes what the record says. meant are those
// that the record means.
func (s *session) replay(k *called, meant, by []*policy.Entry) (*replay, bool) {
	if k.Cut || len(k.Words) == 0 {
		return nil, false
	}
	words := k.Words
	// The original runs a command of another user's through sudo.
	if len(words) > 3 && path.Base(words[0].Raw()) == "sudo" && words[1] == "-u" && len(meant) > 0 && meant[0].RunAs() == words[2].Raw() && meant[0].Exec() != "sudo" {
		words = words[3:]
	}
	names := []string{path.Base(words[0].Raw())}
	for _, e := range meant {
		names = append(names, e.Exec())
	}
	names = append(names, words[0].Raw())
	var leaf *policy.Entry
	if by != nil {
		leaf = s.places[k.Nested]
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		for _, typed := range s.typed(name, words, meant) {
			d := s.Policy.Decide(policy.Request{Argv: typed, Machine: s.Machine})
			if d.Verdict != policy.Allowed || by != nil && !slices.Contains(by, d.Filter) || leaf != nil && d.Leaf != leaf || k.RunAs != "" && k.RunAs != d.RunAs {
				continue
			}
			again := &replay{typed: typed, d: d}
			if d.Leaf != nil {
				again.prefix = filters.Prefix(d.Filter.Filter)
			}
			if alike(d.Argv, words, again.prefix) {
				return again, true
			}
		}
	}
	return nil, false
}

// typed are the ways in which recorded words may have been typed, the program being
// called name: a program behind a prefix by its path, or by its name.
func (s *session) typed(name string, words []filters.Untrusted, meant []*policy.Entry) (ways [][]filters.Untrusted) {
	way := slices.Clone(words)
	way[0] = filters.Untrusted(name)
	ways = append(ways, way)
	for _, e := range meant {
		if n := filters.Prefix(e.Filter); n > 0 && n < len(words) {
			named := slices.Clone(way)
			named[n] = filters.Untrusted(path.Base(words[n].Raw()))
			ways = append(ways, named)
		}
	}
	return ways
}

// alike tells that what would run today is what a record says, but for where programs
// lie: the first, and that behind so many words.
func alike(argv, recorded []filters.Untrusted, prefix int) bool {
	if len(argv) != len(recorded) {
		return false
	}
	for i := range argv {
		if argv[i] != recorded[i] && (i != 0 && i != prefix || path.Base(argv[i].Raw()) != path.Base(recorded[i].Raw())) {
			return false
		}
	}
	return true
}

// unclear counts a record that cannot be replayed, for the filters that it may be
// about: nothing narrower is proposed for them.
func (s *session) unclear(k *called, meant []*policy.Entry) {
	if meant == nil {
		s.unknown.add(k.Filter, k.count)
	}
	why := "the engine does not allow it today as it did then: " + filters.Line(k.Words)
	if k.Cut {
		why = "the record does not have all its words"
	}
	chains := meant == nil
	for _, e := range meant {
		t := s.tally(e)
		if !k.Cut {
			switch e.Class {
			case "EnvFilter":
				why = "records do not have the variables"
			case "KillFilter":
				why = "the process is gone"
			}
		}
		if len(meant) == 1 {
			t.use.Count += k.count
			for who, n := range k.by {
				t.by.add(who, n)
			}
		}
		t.unclear(k.count, why)
		chains = chains || filters.Chaining(e.Filter)
	}
	if !chains {
		return
	}
	// It may have been allowed by any of those that stand behind prefixes.
	for i := range s.Policy.Filters {
		e := &s.Policy.Filters[i]
		if !filters.Chaining(e.Filter) && mayBe(e, k) {
			s.tally(e).unclear(k.count, why)
		}
	}
}

func place(e *policy.Entry) string { return fmt.Sprintf("%s:%d", e.File, e.Line) }

// mayBe tells whether e may be the filter of a word of a command.
func mayBe(e *policy.Entry, k *called) bool {
	if k.Nested != "" {
		return k.Nested == place(e) || k.Cut
	}
	return k.Cut || slices.ContainsFunc(k.Words, func(w filters.Untrusted) bool { return path.Base(w.Raw()) == path.Base(e.Exec()) })
}
