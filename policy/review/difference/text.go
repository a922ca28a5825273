package difference

import (
	"fmt"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/review/exposure"
)

// Summary is a report in a sentence or two.
func Summary(r Report) string {
	var parts []string
	count := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	count(r.Counts.Wider, "wider")
	count(r.Counts.Other, "other")
	count(r.Counts.Narrower, "narrower")
	count(r.Counts.Settings, "of settings")
	switch {
	case r.Verdict == Same:
		return "The same: no command is decided differently."
	case r.Verdict == NotSettled:
		return fmt.Sprintf("Not settled: no difference was found, but %d of them could not be ruled out.", r.Counts.Open)
	case len(r.Open) > 0:
		return fmt.Sprintf("Different: %s; and %d more could not be ruled out.", strings.Join(parts, ", "), r.Counts.Open)
	case len(r.Differences) == 0:
		return fmt.Sprintf("Different: %s; no command is decided differently.", strings.Join(parts, ", "))
	}
	return fmt.Sprintf("Different: %s; nothing else is decided differently.", strings.Join(parts, ", "))
}

// Told is an outcome in a line, without sandbox and environment.
func Told(o *Outcome) string {
	text := "runs " + filters.Line(o.Argv)
	if o.Signal {
		text = "sends the signal"
	}
	text += " as " + o.RunAs.Show() + " by " + toldFilter(o.Filter)
	if o.Leaf != nil {
		text += " and " + toldFilter(*o.Leaf)
	}
	return text
}

func toldFilter(f Filter) string {
	return fmt.Sprintf("%s (%s, %s; exposure %s)", f.Name.Show(), f.Class, Place(f), Exposure(f))
}

// Exposure is what a filter gives away, in a word.
func Exposure(f Filter) string {
	if f.Score == exposure.NotAssessed {
		return f.Band
	}
	return f.Score.String() + " " + f.Band
}

// Place is where a filter stands, as an editor takes it.
func Place(f Filter) string {
	if f.File == "" {
		return "built in"
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}
