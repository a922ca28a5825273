package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"ironwrap/filters"
	"ironwrap/policy/review/exposure"
)

// The terminal's width where it has none.
const plainWidth = 100

// auditText prints the table, worst filter first, and the reasons of each.
func auditText(w io.Writer, r exposure.Report) error {
	width, coloured := terminal(w)
	paint := painter(coloured)

	if r.Score == exposure.NotAssessed {
		fmt.Fprintf(w, "%s is %s\n", r.Config, paint(r.Band, r.Band))
	} else {
		fmt.Fprintf(w, "%s gives away %s: %s of 10\n", r.Config, paint(r.Band, r.Band), paint(r.Band, r.Score.String()))
	}
	var counts []string
	for _, band := range exposure.Bands {
		if n := r.Counts[band]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, band))
		}
	}
	fmt.Fprintf(w, "%d filters: %s\n", len(r.Filters), strings.Join(counts, ", "))
	if r.Root.Filters > 0 {
		fmt.Fprintln(w, wrapLines(waysToRoot(r), width))
	}
	for _, l := range aboutLines(r) {
		fmt.Fprintln(w, strings.ReplaceAll(wrapLines(l, width-2), "\n", "\n  "))
	}
	if len(r.Reasons) > 0 {
		fmt.Fprintln(w)
	}
	for _, reason := range r.Reasons {
		fmt.Fprintln(w, "  "+strings.ReplaceAll(wrapLines(filters.Prose(reason), width-4), "\n", "\n    "))
	}

	changes(w, r.Plan, width)
	news(w, r, width)
	acceptedLines(w, r.Accepted, width)

	t := table.NewWriter()
	t.SetStyle(plainTable)
	t.AppendHeader(table.Row{"SCORE", "BAND", "FILTER", "RUNS AS", "BECAUSE"})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 1, AlignHeader: text.AlignRight, Align: text.AlignRight}, {Number: 3, WidthMax: 28, WidthMaxEnforcer: text.WrapHard},
		{Number: 5, WidthMax: max(width-58, 30), WidthMaxEnforcer: wrapLines}})
	for _, g := range exposure.Groups(exposure.WorstFirst(r.Filters)) {
		t.AppendRow(table.Row{paint(g.Band, number(g.Score)), paint(g.Band, g.Band), g.Names(), g.RunAs.String(), because(g.Filter)})
	}
	fmt.Fprintln(w)
	for line := range strings.Lines(t.Render()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	return nil
}

// aboutLines say of what the report is.
func aboutLines(r exposure.Report) []string {
	lines := []string{fmt.Sprintf("%s on %s, ironwrapctl %s; sha256 %s of %d files", r.About.Date, filters.Prose(r.About.Host), r.About.Version, r.About.Digest, len(r.About.Files))}
	for _, c := range r.About.Callers {
		lines = append(lines, "may call: "+c)
	}
	return lines
}

// changes says what to change first.
func changes(w io.Writer, p exposure.Plan, width int) {
	if p.Before == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", wrapLines(p.String(), width))
	for i, c := range p.Changes {
		fmt.Fprintf(w, "%3d. %s: %s, then %d left\n", i+1, c.Kind, names(c.Filters), c.Left)
		for _, l := range c.Lines {
			fmt.Fprintf(w, "       %s\n", filters.Prose(l.Raw()))
		}
	}
	for _, kind := range p.Kinds() {
		fmt.Fprintln(w, "  "+strings.ReplaceAll(wrapLines("look at each "+kind.Kind+": "+kind.Check, width-4), "\n", "\n    "))
	}
}

func names(all []filters.Untrusted) string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = n.String()
	}
	return strings.Join(texts, ", ")
}

// news says what the baseline has not got.
func news(w io.Writer, r exposure.Report, width int) {
	if !r.Compared {
		return
	}
	fmt.Fprintf(w, "\n%d new since the baseline\n", len(r.New))
	for _, n := range r.New {
		fmt.Fprintln(w, "  "+strings.ReplaceAll(wrapLines(n.String(), width-4), "\n", "\n    "))
	}
}

// acceptedLines say what is left without what is accepted, and which entries hold no more.
func acceptedLines(w io.Writer, a *exposure.Accepted, width int) {
	if a == nil {
		return
	}
	fmt.Fprintf(w, "\n%s accepted: what is left is %s\n", exposure.Count(a.Powers, "power"), bandAndScore(a.Score))
	for _, s := range a.Stale {
		what := "unused"
		if s.Expired {
			what = "expired"
		}
		fmt.Fprintln(w, "  "+strings.ReplaceAll(wrapLines(fmt.Sprintf("entry in line %d is %s: %s", s.Line, what, s.Why), width-4), "\n", "\n    "))
	}
}

func bandAndScore(s exposure.Score) string {
	if s == exposure.NotAssessed {
		return exposure.Unknown
	}
	return fmt.Sprintf("%s, %s of 10", exposure.Band(s), s)
}

// waysToRoot says how many filters make their callers root, and by what.
func waysToRoot(r exposure.Report) string {
	var by []string
	for _, p := range r.Powers {
		if n := r.Root.Powers[p.ID]; n > 0 {
			by = append(by, fmt.Sprintf("%s %d", strings.ToLower(p.Title), n))
		}
	}
	return fmt.Sprintf("root by %d of %d filters (%.0f %%), in %s: %s", r.Root.Filters, len(r.Filters), 100*r.Root.Share, exposure.Count(r.Root.Ways, "way"), strings.Join(by, ", "))
}

// number is a score in its column.
func number(s exposure.Score) string {
	if s == exposure.NotAssessed {
		return "?"
	}
	return s.String()
}

// because is the worst that a filter gives away: the power, an example, and what
// else.
func because(f exposure.Filter) string {
	if len(f.Cells) == 0 {
		return strings.Join(append(f.Notes, "it gives nothing away that the table knows"), "\n")
	}
	c := f.Cells[0]
	s := exposure.Title(c.Power) + ": " + c.How
	if len(c.Example) > 0 {
		s += "\n$ " + exposure.Command(c.Example)
	}
	if len(c.Limits) > 0 {
		s += "\nbut " + filters.Prose(strings.Join(c.Limits, "; "))
	}
	if c.Accepted != nil {
		s += "\n" + c.Accepted.String()
	}
	var more []string
	for _, o := range f.Cells[1:] {
		if o.Score > 0 && o.Extent != exposure.Implied && o.Power != exposure.Arguments {
			more = append(more, fmt.Sprintf("%s %s", strings.ToLower(exposure.Title(o.Power)), o.Score)+acceptedToo(o))
		}
	}
	if len(more) > 0 {
		s += "\nand " + strings.Join(more, ", ")
	}
	if f.Remedy != nil && f.Band != "root" {
		for _, l := range f.Remedy.Lines {
			s += "\nrather " + filters.Prose(l.Raw())
		}
	}
	return s
}

func acceptedToo(c exposure.Cell) string {
	if c.Accepted == nil {
		return ""
	}
	return " (accepted)"
}

// wrapLines wraps each line by itself.
func wrapLines(s string, width int) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = text.WrapSoft(l, width)
	}
	return trailing.ReplaceAllString(strings.Join(lines, "\n"), "")
}

var trailing = regexp.MustCompile(`(?m) +$`)

var plainTable = table.Style{
	Name:    "plain",
	Box:     table.BoxStyle{PaddingRight: "  "},
	Options: table.Options{},
}

// terminal is the width of what is printed to, and whether it shows colours.
func terminal(w io.Writer) (width int, coloured bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return plainWidth, false
	}
	if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		width = n
	}
	return max(width, 60), os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

var bandColours = map[string]text.Colors{
	"root": {text.FgRed, text.Bold}, "high": {text.FgRed}, "medium": {text.FgYellow}, "low": {text.FgGreen}, "little": {text.FgGreen}, exposure.Unknown: {text.Faint},
}

// painter colours text by a band; without colours it leaves it as it is.
func painter(coloured bool) func(band, s string) string {
	if !coloured {
		return func(_, s string) string { return s }
	}
	text.EnableColors()
	return func(band, s string) string { return bandColours[band].Sprint(s) }
}
