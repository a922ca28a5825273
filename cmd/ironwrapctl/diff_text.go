package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/difference"
)

// diffText prints a comparison for people, what is wider first.
func diffText(w io.Writer, r difference.Report) error {
	out := bufio.NewWriter(w)
	p := colours(w)
	fmt.Fprintf(out, "OLD %s\nNEW %s\n\n%s\n", r.Old, r.New, p.bold(difference.Summary(r)))
	for _, s := range r.Settings {
		fmt.Fprintf(out, "\n%s  %s: %s → %s\n    %s\n", paintDirection(p, s.Direction), s.Key, s.Old, s.New, s.About)
		printMark(out, s.Accepted)
	}
	for _, d := range r.Differences {
		fmt.Fprintf(out, "\n%s  %s\n", paintDirection(p, d.Direction), d.Title)
		for _, change := range d.Changes {
			fmt.Fprintf(out, "    %s\n", change)
		}
		for _, item := range d.Items {
			printItem(out, item)
		}
	}
	if len(r.Open) > 0 {
		fmt.Fprintf(out, "\n%s\n", p.bold("not settled"))
		for _, q := range r.Open {
			fmt.Fprintf(out, "    %s\n", filters.Prose(q.Text.Raw()))
			printMark(out, q.Accepted)
		}
	}
	if r.Accepted != nil && len(r.Accepted.Stale) > 0 {
		fmt.Fprintf(out, "\n%s\n", p.bold("accepted, and not so"))
		for _, s := range r.Accepted.Stale {
			fmt.Fprintf(out, "    entry in line %d: %s\n", s.Line, s.Why)
		}
	}
	if len(r.Absent) > 0 {
		fmt.Fprintf(out, "\nprograms that can be run on neither side, taken for present: %s\n", filters.Line(r.Absent))
	}
	return out.Flush()
}

func paintDirection(p ink, direction string) string {
	switch direction {
	case difference.Wider, difference.Other:
		return p.red(direction)
	case difference.Narrower:
		return p.green(direction)
	}
	return direction
}

func printItem(w io.Writer, item difference.Item) {
	fmt.Fprintf(w, "\n    $ %s\n", filters.QuoteLine(item.Witness))
	if item.Given != "" {
		fmt.Fprintf(w, "      %s\n", item.Given)
	}
	printOutcome(w, "OLD", item.Old)
	printOutcome(w, "NEW", item.New)
	printMark(w, item.Accepted)
	for _, also := range item.Also {
		fmt.Fprintf(w, "      also $ %s\n", filters.QuoteLine(also.Witness))
	}
}

func printMark(w io.Writer, m *accepted.Mark) {
	if m != nil {
		fmt.Fprintf(w, "      %s\n", m)
	}
}

func printOutcome(w io.Writer, side string, o *difference.Outcome) {
	if o == nil {
		fmt.Fprintf(w, "      %s refuses it\n", side)
		return
	}
	fmt.Fprintf(w, "      %s %s\n", side, difference.Told(o))
	if len(o.Sandbox) > 0 {
		fmt.Fprintf(w, "          sandbox %s\n", filters.Prose(strings.Join(o.Sandbox, "; ")))
	}
	if len(o.Env) > 0 {
		fmt.Fprintf(w, "          environment %s\n", strings.Join(o.Env, " "))
	}
}
