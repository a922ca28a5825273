package fleet

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"ironwrap/filters"
	"ironwrap/policy/review/exposure"
)

// Text prints a report for people.
func (r Report) Text(w io.Writer) error {
	var b strings.Builder
	hosts := map[filters.Untrusted]bool{}
	unusable := 0
	for _, p := range r.Policies {
		hosts[p.Host] = true
		unusable += truth(p.Report == nil)
	}
	fmt.Fprintf(&b, "%s on %s", exposure.Count(len(r.Policies), "configuration"), exposure.Count(len(hosts), "host"))
	if unusable > 0 {
		fmt.Fprintf(&b, ", of which %d cannot be used", unusable)
	}
	fmt.Fprintln(&b)
	r.table(&b)
	for _, v := range r.Variants {
		v.text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// table has a line for each policy.
func (r Report) table(b *strings.Builder) {
	t := table.NewWriter()
	t.SetStyle(table.Style{Box: table.BoxStyle{PaddingRight: "  "}})
	t.AppendHeader(table.Row{"SCORE", "BAND", "ROOT", "WAYS", "UNKNOWN", "NEW", "ACCEPTED", "VARIANT", "HOST", "CONFIG"})
	var right []table.ColumnConfig
	for _, n := range []int{1, 3, 4, 5, 6, 7} {
		right = append(right, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	for _, p := range r.Policies {
		if p.Report == nil {
			t.AppendRow(table.Row{"", "unusable", "", "", "", "", "", "", p.Host, p.Config})
			continue
		}
		score, fresh, accepted := p.Report.Score.String(), "", ""
		if p.Report.Score == exposure.NotAssessed {
			score = "?"
		}
		if p.Report.Compared {
			fresh = fmt.Sprint(len(p.Report.New))
		}
		if p.Report.Accepted != nil {
			accepted = fmt.Sprint(p.Report.Accepted.Powers)
		}
		t.AppendRow(table.Row{score, p.Report.Band, p.Report.Root.Filters, p.Report.Root.Ways, p.Report.Counts[exposure.Unknown], fresh, accepted, p.Variant, p.Host, p.Config})
	}
	fmt.Fprintln(b)
	for line := range strings.Lines(t.Render()) {
		fmt.Fprintln(b, strings.TrimRight(line, " \n"))
	}
	for _, p := range r.Policies {
		if p.Error != "" {
			fmt.Fprintf(b, "\n%s: %s\n", p.Host, filters.Prose(p.Error.Raw()))
		}
	}
}

func (v Variant) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s, variant %s on %s: %s\n", v.Config, v.Name, exposure.Count(len(v.Hosts), "host"), Names(v.Hosts))
	if v.Summary == "" {
		return
	}
	fmt.Fprintf(b, "  against A: %s\n", v.Summary)
	for _, w := range v.Witnesses {
		fmt.Fprintf(b, "    %s\n", filters.Prose(w.Raw()))
	}
}

// named is how many hosts are named where there are many.
const named = 20

// Names are hosts in a line.
func Names(hosts []filters.Untrusted) string {
	var names []string
	for _, h := range hosts[:min(len(hosts), named)] {
		names = append(names, h.String())
	}
	if len(hosts) > named {
		names = append(names, fmt.Sprintf("and %d more", len(hosts)-named))
	}
	return strings.Join(names, ", ")
}
