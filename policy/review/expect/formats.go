package expect

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"ironwrap/filters"
)

// TAP prints the Test Anything Protocol, version 14 (https://testanything.org).
func (r Report) TAP(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "TAP version 14\n1..%d\n", len(r.Results))
	for i, result := range r.Results {
		ok := "ok"
		if len(result.Wrong) > 0 {
			ok = "not ok"
		}
		fmt.Fprintf(&b, "%s %d - %s\n", ok, i+1, described(result.Name()))
		if len(result.Wrong) > 0 {
			fmt.Fprintf(&b, "  ---\n  at: %s\n  wrong:\n", quoted(result.Position()))
			for _, wrong := range result.Wrong {
				fmt.Fprintf(&b, "    - %s\n", quoted(wrong))
			}
			fmt.Fprintln(&b, "  ...")
		}
	}
	for _, line := range r.coverage() {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// described is a description in which nothing is a directive.
func described(s string) string {
	return strings.NewReplacer(`\`, `\\`, "#", `\#`).Replace(s)
}

// quoted is a scalar of YAML's on one line.
func quoted(s string) string { return "'" + strings.ReplaceAll(filters.Prose(s), "'", "''") + "'" }

// What JUnit's readers understand (Jenkins, GitLab).
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Properties []junitProperty `xml:"properties>property,omitempty"`
		Cases      []junitCase     `xml:"testcase"`
		Out        string          `xml:"system-out,omitempty"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit prints the XML that continuous integration reads: a suite for each file, and one
// more with what is said of all together.
func (r Report) JUnit(w io.Writer) error {
	all := junitSuites{Tests: len(r.Results), Failures: r.Failed()}
	for _, result := range r.Results {
		file := filters.Show(result.Suite.Path)
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != file {
			all.Suites = append(all.Suites, junitSuite{Name: file})
		}
		s := &all.Suites[len(all.Suites)-1]
		c := junitCase{
			Name:  string(result.Case.Outcome) + " " + filters.Line(result.Case.Command),
			Class: filters.Show(result.Group), File: file, Line: result.Case.Line,
		}
		s.Tests++
		if len(result.Wrong) > 0 {
			s.Failures++
			c.Failure = &junitFailure{result.Wrong[0], strings.Join(append(result.Wrong, "at "+result.Position()), "\n")}
		}
		s.Cases = append(s.Cases, c)
	}
	all.Suites = append(all.Suites, junitSuite{
		Name: "coverage", Properties: []junitProperty{{"coverage", fmt.Sprint(r.Percent())}}, Out: strings.Join(r.coverage(), "\n"),
	})
	out, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, out)
	return err
}
