package exposure

import (
	"cmp"
	"slices"
	"strings"

	"ironwrap/policy"
	"ironwrap/policy/review/accepted"
)

// Accepted tells what of a report somebody has accepted.
type Accepted struct {
	Powers int     `json:"powers"` // how many powers of filters are accepted
	Score  Score   `json:"score"`  // that of the worst filter without them
	Band   string  `json:"band"`
	Stale  []Stale `json:"stale"` // entries of the file that hold no more
}

// Stale is an entry of a file of accepted risks that has expired, or accepts nothing.
type Stale struct {
	Line    int    `json:"line"`
	Expired bool   `json:"expired"`
	Why     string `json:"why"`
}

// Accept marks the powers that a list accepts. Nothing is done for a nil list.
func (r *Report) Accept(l *accepted.List) {
	if l == nil {
		return
	}
	r.Accepted = &Accepted{Stale: []Stale{}}
	for _, f := range r.Filters {
		f.accept(l)
		r.Accepted.Score = worst(r.Accepted.Score, f.Open())
		for _, c := range f.Cells {
			if c.Accepted != nil && c.Extent != Implied {
				r.Accepted.Powers++
			}
		}
	}
	r.Accepted.Band = Band(r.Accepted.Score)
	for _, s := range l.Stale(func(rule string) bool { return slices.Contains(PowerIDs(), rule) }) {
		r.Accepted.Stale = append(r.Accepted.Stale, Stale{s.Entry.Line, s.Expired, s.Why})
	}
}

// accept marks cells. What follows from others is accepted with the last of these.
func (f Filter) accept(l *accepted.List) {
	var by *accepted.Mark
	open := false
	for i, c := range f.Cells {
		if c.Extent == Implied {
			continue
		}
		mark := l.For(f.Risk(c))
		f.Cells[i].Accepted, by = mark, cmp.Or(mark, by)
		open = open || mark == nil && c.Score.Gate() >= 1
	}
	for i, c := range f.Cells {
		if c.Extent == Implied && !open {
			f.Cells[i].Accepted = by
		}
	}
}

// Risk is a power of f as somebody may accept it.
func (f Filter) Risk(c Cell) accepted.Risk {
	return accepted.Risk{Rule: c.Power, Filter: f.Name.Raw(), File: f.File.Raw(), Text: cmp.Or(f.builtIn, f.Text.Raw()), Score: c.Score.Gate()}
}

// Open is the score of what nobody has accepted.
func (f Filter) Open() (score Score) {
	for _, c := range f.Cells {
		if c.Accepted == nil {
			score = worst(score, c.Score)
		}
	}
	return score
}

// Unaccepted are the powers that nobody has accepted, worst filter first.
func (r Report) Unaccepted() (risks []accepted.Risk) {
	for _, f := range WorstFirst(r.Filters) {
		for _, c := range f.Cells {
			if c.Accepted == nil && c.Extent != Implied && c.Score.Gate() >= 1 {
				risks = append(risks, f.Risk(c))
			}
		}
	}
	return risks
}

// marks tells filters apart of which not the same is accepted.
func (f Filter) marks() (text string) {
	for _, c := range f.Cells {
		if c.Accepted != nil {
			text += c.Power + " " + c.Accepted.String() + "\n"
		}
	}
	return text
}

func worst(a, b Score) Score {
	if a.compare(b) < 0 {
		return b
	}
	return a
}

// builtIn is the text of the implicit filter, which stands in no file.
func builtIn(p *policy.Policy) string {
	if len(p.PrivsepContexts) == 0 {
		return "built in"
	}
	return "built in, with privsep_contexts = " + strings.Join(p.PrivsepContexts, ", ")
}
