package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"ironwrap/filters"
	"ironwrap/policy/review/lint"
)

// helpPage is where packages put docs/check.md, in which each rule is a heading.
const helpPage = "file:///usr/share/doc/ironwrap/check.md"

// sourceRoot is the base of the relative places of files, as code hosts know it.
const sourceRoot = "%SRCROOT%"

// printSARIF writes the report in the Static Analysis Results Interchange Format
// 2.1.0 (OASIS), which code hosts and editors show beside the lines. All rules are
// in it, also those that found nothing. Files below dir (absolute), where the report is
// made, stand relative to it. compared tells that there is a baseline, notAsked which rules
// were left out.
func printSARIF(w io.Writer, report lint.Report, dir string, compared bool, notAsked []string) error {
	run := sarif.NewRun()
	run.Tool = sarif.NewTool().WithDriver(sarif.NewToolComponent().WithName("ironwrapctl").WithVersion(version))
	columns := "unicodeCodePoints"
	run.ColumnKind = &columns
	root := fileURI(strings.TrimSuffix(dir, "/") + "/")
	run.WithOriginalUriBaseIds(map[string]sarif.ArtifactLocation{sourceRoot: *sarif.NewSimpleArtifactLocation(root)})
	for _, r := range lint.Rules() {
		rule := run.AddRule(r.ID).
			WithShortDescription(sarif.NewMultiformatMessageString().WithText(r.Title)).
			WithFullDescription(sarif.NewMultiformatMessageString().WithText(r.Title + ". " + r.Help)).
			WithHelp(sarif.NewMultiformatMessageString().WithText(r.Help)).
			WithHelpURI(helpPage + "#" + r.ID).
			WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(r.Severity.String()).WithEnabled(!slices.Contains(notAsked, r.ID)))
		if r.Score > 0 {
			rule.WithProperties(sarif.NewPropertyBag().AddTag("security").Add("security-severity", fmt.Sprintf("%.1f", r.Score)))
		}
	}
	for _, f := range report.Findings {
		result := run.CreateResultForRule(f.Rule.ID).
			WithLevel(f.Rule.Severity.String()).
			WithMessage(sarif.NewTextMessage(filters.Prose(f.Message))).
			WithPartialFingerprints(map[string]string{"ironwrapFinding/v1": f.ID}).
			AddLocation(sarif.NewLocationWithPhysicalLocation(physical(f, dir)))
		if f.Witness != nil {
			result.WithProperties(sarif.NewPropertyBag().Add("witness", filters.Line(filters.Words(f.Witness))))
		}
		if f.Accepted != nil {
			result.AddSuppression(sarif.NewSuppression().WithKind("external").WithStatus("accepted").WithJustification(f.Accepted.String()))
		}
		if compared {
			result.WithBaselineState(map[bool]string{true: "unchanged", false: "new"}[f.Known])
		}
	}
	out := sarif.NewReport()
	out.AddRun(run)
	if err := out.PrettyWrite(w); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// identify gives each finding its ID: its fingerprint, and the how manieth it is with it.
func identify(all []lint.Finding, dir string) {
	seen := map[string]int{}
	for i, f := range all {
		print := fingerprint(f, dir)
		seen[print]++
		all[i].ID = fmt.Sprintf("%s:%d", print, seen[print])
	}
}

// fingerprint is the same for the same finding when lines above it come and go: it is
// made of the rule, the file, the line's text, and the whole definition of the filter that
// the line is a part of. Messages name other lines by number, and count only where no line
// is cited.
func fingerprint(f lint.Finding, dir string) string {
	file, _ := uriIn(f.Path, dir)
	what := strings.Join(strings.Fields(f.Cited+" "+f.Risk().Text), " ")
	if f.Line == 0 {
		what = f.Message
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{f.Rule.ID, file, what}, "\x00")))
	return fmt.Sprintf("%x", sum[:16])
}

// uriIn is the URI of a file: relative where it is below dir.
func uriIn(path, dir string) (uri string, relative bool) {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return (&url.URL{Path: rel}).String(), true
	}
	return fileURI(path), false
}

func fileURI(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

func physical(f lint.Finding, dir string) *sarif.PhysicalLocation {
	uri, relative := uriIn(f.Path, dir)
	file := sarif.NewSimpleArtifactLocation(uri)
	if relative {
		file.WithURIBaseID(sourceRoot)
	}
	p := sarif.NewPhysicalLocation().WithArtifactLocation(file)
	if f.Line == 0 {
		return p
	}
	region := sarif.NewRegion().WithStartLine(f.Line)
	if f.Column > 0 {
		region = region.WithStartColumn(f.Column).WithEndColumn(f.Column + f.Width)
	}
	return p.WithRegion(region)
}
