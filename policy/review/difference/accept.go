package difference

import (
	"slices"
	"strings"

	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/exposure"
)

// Accepted tells what somebody has accepted.
type Accepted struct {
	Count int     `json:"count"` // differences, settings and questions that are
	Stale []Stale `json:"stale"` // entries of the file that hold no more
}

// Stale is an entry of a file of accepted risks that has expired, or accepts nothing.
type Stale struct {
	Line    int    `json:"line"`
	Expired bool   `json:"expired"`
	Why     string `json:"why"`
}

// each calls do for all that can be accepted.
func (r *Report) each(do func(risk accepted.Risk, mark **accepted.Mark)) {
	for i := range r.Settings {
		s := &r.Settings[i]
		do(accepted.Risk{Rule: s.Direction, Text: s.Key + " = " + s.New.Raw()}, &s.Accepted)
	}
	for _, d := range r.Differences {
		for i := range d.Items {
			do(d.risk(d.Items[i]), &d.Items[i].Accepted)
		}
	}
	for i := range r.Open {
		q := &r.Open[i]
		f := q.New
		if f == nil {
			f = q.Old
		}
		if f == nil {
			do(accepted.Risk{Rule: NotFound, Text: q.Text.Raw(), Score: exposure.NotAssessed.Gate()}, &q.Accepted)
			continue
		}
		do(f.risk(NotFound, f.Text.Raw()), &q.Accepted)
	}
}

// risk is an item as somebody may accept it: what NEW makes of it, or where NEW refuses
// it what OLD did.
func (d Difference) risk(i Item) accepted.Risk {
	o := i.New
	if o == nil {
		o = i.Old
	}
	text := []string{o.Filter.Text.Raw()}
	if o.Leaf != nil {
		text = append(text, o.Leaf.Text.Raw())
	}
	risk := o.Filter.risk(d.Direction, strings.Join(append(text, d.Changes...), "; "))
	if o.Leaf != nil {
		risk.Score = max(risk.Score, o.Leaf.Score.Gate())
	}
	return risk
}

func (f *Filter) risk(rule, text string) accepted.Risk {
	return accepted.Risk{Rule: rule, Filter: f.Name.Raw(), File: f.File.Raw(), Text: text, Score: f.Score.Gate()}
}

// Accept marks what a list accepts. Nothing is done for a nil list.
func (r *Report) Accept(l *accepted.List) {
	if l == nil {
		return
	}
	r.Accepted = &Accepted{Stale: []Stale{}}
	r.each(func(risk accepted.Risk, mark **accepted.Mark) {
		if *mark = l.For(risk); *mark != nil {
			r.Accepted.Count++
		}
	})
	for _, s := range l.Stale(func(rule string) bool { return slices.Contains(Directions, rule) }) {
		r.Accepted.Stale = append(r.Accepted.Stale, Stale{s.Entry.Line, s.Expired, s.Why})
	}
}

// Unaccepted is what nobody has accepted.
func (r *Report) Unaccepted() (risks []accepted.Risk) {
	r.each(func(risk accepted.Risk, mark **accepted.Mark) {
		if *mark == nil {
			risks = append(risks, risk)
		}
	})
	return risks
}

// Fails tells whether there is a difference that nobody has accepted: any, or only one that
// may be wider. Among any are entries that hold no more.
func (r *Report) Fails(wider bool) bool {
	if !wider && r.Accepted != nil && len(r.Accepted.Stale) > 0 {
		return true
	}
	return slices.ContainsFunc(r.Unaccepted(), func(risk accepted.Risk) bool {
		return !wider || risk.Rule == Wider || risk.Rule == Other || risk.Rule == NotFound
	})
}
