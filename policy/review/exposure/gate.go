package exposure

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// New is a power that the baseline has not got.
type New struct {
	Filter string `json:"filter"` // its name, escaped
	Power  string `json:"power"`
	Score  Score  `json:"score"`
	Was    *Score `json:"was"` // in the baseline; nil for a filter or a power that is not there
	ID     string `json:"id"`
}

// String says what is new.
func (n New) String() string {
	s := fmt.Sprintf("%s: %s %s", n.Filter, strings.ToLower(Title(n.Power)), n.Score)
	if n.Was != nil {
		s += fmt.Sprintf(", was %s", *n.Was)
	}
	return s
}

// Baseline is what an earlier report said, by Cell.ID.
type Baseline map[string]Score

// ReadBaseline reads the JSON of a report. The error tells what it lacks.
func ReadBaseline(data []byte) (Baseline, error) {
	var r struct {
		Filters *[]struct {
			Powers []struct {
				ID    string   `json:"id"`
				Score *float64 `json:"score"`
			} `json:"powers"`
		} `json:"filters"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("it is not the JSON of an audit: %w", err)
	}
	if r.Filters == nil {
		return nil, fmt.Errorf("it is not the JSON of an audit: it has no filters")
	}
	b := Baseline{}
	for _, f := range *r.Filters {
		for _, c := range f.Powers {
			if c.ID == "" {
				return nil, fmt.Errorf("its powers have no id: make it anew with this version")
			}
			score := NotAssessed
			if c.Score != nil {
				score = Score(*c.Score)
			}
			if old, ok := b[c.ID]; !ok || score.compare(old) > 0 {
				b[c.ID] = score
			}
		}
	}
	return b, nil
}

// Compare fills r.New: powers that a baseline has not got, or has with less of a score.
// What was not assessed and turns out to be root is new too. What nobody would miss is not.
func (r *Report) Compare(b Baseline) {
	r.New, r.Compared = []New{}, true
	for _, f := range r.Filters {
		for _, c := range f.Cells {
			old, known := b[c.ID]
			if c.Extent == Implied || c.Accepted != nil || c.Score.Gate() < 1 || known && !worse(c.Score, old) {
				continue
			}
			n := New{Filter: f.Name.String(), Power: c.Power, Score: c.Score, ID: c.ID}
			if known {
				n.Was = &old
			}
			r.New = append(r.New, n)
		}
	}
	slices.SortStableFunc(r.New, func(x, y New) int { return y.Score.compare(x.Score) })
}

func worse(now, old Score) bool {
	return now.Gate() > old.Gate() || old == NotAssessed && Band(now) == "root"
}

// Limit is one thing that --threshold bounds.
type Limit struct {
	What string // "score", "new", "ways", a band or a power
	Most float64
}

// ParseLimits reads limits such as "root=0,new=0", or a number, which is for the score.
func ParseLimits(text string) (limits []Limit, err error) {
	for _, part := range strings.Split(text, ",") {
		what, number, counted := strings.Cut(strings.TrimSpace(part), "=")
		if !counted {
			what, number = "score", what
		}
		n, err := strconv.ParseFloat(number, 64)
		switch {
		case !counted && (err != nil || !(n >= 0 && n <= 10)): // NaN is neither
			return nil, fmt.Errorf("threshold %q is neither a score from 0 to 10 nor WHAT=N; WHAT is one of %s", part, strings.Join(Gates(), ", "))
		case !slices.Contains(append(Gates(), "score"), what):
			return nil, fmt.Errorf("threshold %q: %q cannot be counted; what can is %s", part, what, strings.Join(Gates(), ", "))
		case what == "score" && (err != nil || !(n >= 0 && n <= 10)):
			return nil, fmt.Errorf("threshold %q: a score is a number from 0 to 10", part)
		case what != "score" && !count(number):
			return nil, fmt.Errorf("threshold %q: behind %s= stands how many there may be, such as 0", part, what)
		}
		limits = append(limits, Limit{what, n})
	}
	return limits, nil
}

func count(number string) bool {
	_, err := strconv.ParseUint(number, 10, 31)
	return err == nil
}

// Gates are the words for what can be counted.
func Gates() []string {
	words := []string{"new", "stale", "ways", "root", "high", "medium", "low", "not-assessed"}
	for _, p := range powers {
		words = append(words, p.ID)
	}
	return words
}

// Above says how a limit is exceeded; "" where it is not. What was not assessed counts as
// the most that it could be, and a band with all that is worse.
func (r Report) Above(l Limit) string {
	if l.What == "score" {
		if n := r.Gate(); n > l.Most {
			if r.count("not-assessed") > 0 && r.Score.Gate() <= l.Most {
				return fmt.Sprintf("score: 10.0, for what was not assessed, is above %v", l.Most)
			}
			return fmt.Sprintf("score: %.1f is above %v", n, l.Most)
		}
		return ""
	}
	if n := r.count(l.What); n > int(l.Most) {
		return fmt.Sprintf("%s: there are %d, and may be %v", l.What, n, l.Most)
	}
	return ""
}

func (r Report) count(what string) (n int) {
	switch what {
	case "new":
		return len(r.New)
	case "stale":
		if r.Accepted != nil {
			n = len(r.Accepted.Stale)
		}
		return n
	}
	for _, f := range r.Filters {
		n += f.counts(what)
	}
	return n
}

// counts is how often a filter counts for a limit: in a band or a worse one, for a power
// that it may give away, for each of its ways to root. What is accepted does not count.
func (f Filter) counts(what string) (n int) {
	open := f.Open()
	if open == NotAssessed {
		return 1
	}
	if what == "not-assessed" {
		return 0
	}
	if at := rank(what); at >= 0 {
		if rank(Band(open)) <= at {
			return 1
		}
		return 0
	}
	for _, c := range f.Cells {
		switch {
		case c.Accepted != nil:
		case what == "ways" && Band(c.Score) == "root" && c.Extent != Implied, c.Power == what && c.Score.Gate() >= 1:
			n++
		}
	}
	return n
}
