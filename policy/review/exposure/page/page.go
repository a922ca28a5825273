// Package page writes a report as one HTML page that needs nothing beside itself:
// no network, no other file, and without scripts it can be read all the same.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/review/exposure"
)

//go:embed page.html
var source string

//go:embed page.css
var style string

//go:embed page.js
var script string

// What comes from files is filters.Untrusted, whose String escapes what a screen
// would act upon, and html/template escapes what a browser would.
var tmpl = template.Must(template.New("page").Funcs(template.FuncMap{
	"gate":    exposure.Score.Gate,
	"short":   short,
	"band":    func(s exposure.Score) string { return class(exposure.Band(s)) },
	"class":   class,
	"title":   exposure.Title,
	"place":   place,
	"command": exposure.Command,
	"mark":    func(extent string) string { return marks[extent] },
	"prose":   filters.Prose,
	"count":   exposure.Count,
	"grave":   func(s exposure.Score) bool { return s.Gate() >= 7 && s != exposure.NotAssessed },
}).Parse(source))

// class is a band as a name of a style.
func class(band string) string { return strings.ReplaceAll(band, " ", "-") }

func short(s exposure.Score) string {
	if s == exposure.NotAssessed {
		return "?"
	}
	return strings.TrimSuffix(s.String(), ".0")
}

// marks tell the extents apart without colour.
var marks = map[string]string{
	exposure.Whole: "", exposure.Part: "◐", exposure.Confined: "▽", exposure.Blocked: "✕",
}

// view is what the template shows.
type view struct {
	exposure.Report
	Version string
	CSS     template.CSS
	JS      template.JS
	Policy  string // Content-Security-Policy
	Bands   []share
	Rows    []row
	Unknown []row // what was not assessed
	Absent  int
}

// share is one stretch of the bar that shows the filters by band.
type share struct {
	Band        string
	Count       int
	Left, Width float64 // in percent
}

// row is equal filters with a cell, or nil, for each power. What follows from running a
// program is no cell, but in Implied.
type row struct {
	exposure.Group
	Index   int
	Matrix  []entry
	Direct  []exposure.Cell
	Implied []string // titles of powers
}

type entry struct {
	Power exposure.Power
	Cell  *exposure.Cell
}

// Write writes the page; version is the program's.
func Write(w io.Writer, r exposure.Report, version string) error {
	v := view{
		Report: r, Version: version, CSS: template.CSS(style), JS: template.JS(script),
		Policy: "default-src 'none'; base-uri 'none'; form-action 'none'; style-src '" + hash(style) + "'; script-src '" + hash(script) + "'",
	}
	left := 0.0
	for _, b := range exposure.Bands {
		n := r.Counts[b]
		if n == 0 {
			continue
		}
		width := 100 * float64(n) / float64(len(r.Filters))
		v.Bands = append(v.Bands, share{b, n, left, width})
		left += width
	}
	for _, f := range r.Filters {
		if f.Found == "" {
			v.Absent++
		}
	}
	for i, g := range exposure.Groups(exposure.WorstFirst(r.Filters)) {
		new := row{Group: g, Index: i + 1}
		for _, c := range g.Cells {
			if c.Extent == exposure.Implied {
				new.Implied = append(new.Implied, exposure.Title(c.Power))
			} else {
				new.Direct = append(new.Direct, c)
			}
		}
		new.Matrix = matrix(r.Powers, new.Direct)
		v.Rows = append(v.Rows, new)
		if g.Score == exposure.NotAssessed {
			v.Unknown = append(v.Unknown, new)
		}
	}
	return tmpl.Execute(w, v)
}

func matrix(powers []exposure.Power, cells []exposure.Cell) []entry {
	entries := make([]entry, len(powers))
	for i, p := range powers {
		entries[i].Power = p
		for j := range cells {
			if cells[j].Power == p.ID {
				entries[i].Cell = &cells[j]
			}
		}
	}
	return entries
}

// hash lets a browser execute this very text and nothing else.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func place(f exposure.Filter) string {
	if f.File == "" {
		return "built in"
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}
