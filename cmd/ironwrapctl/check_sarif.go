package main

import (
	"fmt"
	"io"
	"net/url"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"ironwrap/filters"
	"ironwrap/policy/review/lint"
)

// printSARIF writes the report in the Static Analysis Results Interchange Format
// 2.1.0 (OASIS), which code hosts and editors show beside the lines. All rules are
// in it, also those that found nothing.
func printSARIF(w io.Writer, report lint.Report) error {
	run := sarif.NewRun()
	run.Tool = sarif.NewTool().WithDriver(sarif.NewToolComponent().WithName("ironwrapctl").WithVersion(version))
	columns := "unicodeCodePoints"
	run.ColumnKind = &columns
	for _, r := range lint.Rules() {
		run.AddRule(r.ID).
			WithShortDescription(sarif.NewMultiformatMessageString().WithText(r.Title)).
			WithFullDescription(sarif.NewMultiformatMessageString().WithText(r.Title + ". " + r.Help)).
			WithHelp(sarif.NewMultiformatMessageString().WithText(r.Help)).
			WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(r.Severity.String()))
	}
	for _, f := range report.Findings {
		run.CreateResultForRule(f.Rule.ID).
			WithLevel(f.Rule.Severity.String()).
			WithMessage(sarif.NewTextMessage(filters.Prose(f.Message))).
			AddLocation(sarif.NewLocationWithPhysicalLocation(physical(f)))
	}
	out := sarif.NewReport()
	out.AddRun(run)
	if err := out.PrettyWrite(w); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

func physical(f lint.Finding) *sarif.PhysicalLocation {
	uri := url.URL{Scheme: "file", Path: f.Path}
	p := sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation(uri.String()))
	if f.Line == 0 {
		return p
	}
	region := sarif.NewRegion().WithStartLine(f.Line)
	if f.Column > 0 {
		region = region.WithStartColumn(f.Column).WithEndColumn(f.Column + f.Width)
	}
	return p.WithRegion(region)
}
