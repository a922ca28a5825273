// Package page writes a comparison as one HTML page that needs nothing beside itself:
// no network, no other file and no script.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"time"

	"ironwrap/filters"
	"ironwrap/policy/review/difference"
	"ironwrap/policy/review/exposure"
)

//go:embed page.html
var source string

//go:embed page.css
var style string

// What comes from files is filters.Untrusted, whose String escapes what a screen would
// act upon, and html/template escapes what a browser would.
var tmpl = template.Must(template.New("page").Funcs(template.FuncMap{
	"command":  exposure.Command,
	"exposure": difference.Exposure,
	"line":     filters.Line,
	"place":    difference.Place,
	"prose":    filters.Prose,
	"raw":      filters.Untrusted.Raw,
	"sides":    sides,
}).Parse(source))

// view is what the template shows.
type view struct {
	difference.Report
	Version, Date, Summary string
	CSS                    template.CSS
	Policy                 string // Content-Security-Policy
}

// side is one of the two columns of an item.
type side struct {
	Name    string
	Outcome *difference.Outcome
}

func sides(i difference.Item) []side { return []side{{"OLD", i.Old}, {"NEW", i.New}} }

// Write writes the page; version is the program's.
func Write(w io.Writer, r difference.Report, version string) error {
	sum := sha256.Sum256([]byte(style))
	return tmpl.Execute(w, view{
		Report: r, Version: version, Date: time.Now().Format("2006-01-02 15:04 MST"), Summary: difference.Summary(r), CSS: template.CSS(style),
		Policy: "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
	})
}
