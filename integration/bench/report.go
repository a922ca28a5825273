package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"
	"time"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// results is all that docs/performance.md tells, kept beside it: bench and
// bench-neutron each measure their part, and write the page with both.
type results struct {
	Bench   *benchRun   `json:",omitempty"`
	Neutron *neutronRun `json:",omitempty"`
}

// provenance says when and where something was measured.
type provenance struct {
	Day                          string
	Minutes                      int
	Commit                       string
	CPU, Kernel, Debian, Machine string
	Cores                        int
	Quick                        bool
}

type benchRun struct {
	provenance
	Skipped []string
	Calls   *calls
	Growth  []growth
	Daemons *serving
	Base    string // the directory of the build that was compared with
}

func origin(start time.Time, quick bool, commit string) provenance {
	read := func(path string) string { text, _ := os.ReadFile(path); return string(text) }
	field := func(text, key string) string {
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
				return strings.TrimSpace(value)
			}
		}
		return "unknown"
	}
	p := provenance{Day: start.UTC().Format(time.DateOnly), Minutes: int(math.Ceil(time.Since(start).Minutes())), Quick: quick, Commit: commit,
		CPU: field(read("/proc/cpuinfo"), "model name"), Debian: strings.TrimSpace(read("/etc/debian_version")), Cores: runtime.NumCPU(), Machine: "hardware"}
	p.Kernel, _, _ = strings.Cut(strings.TrimSpace(read("/proc/sys/kernel/osrelease")), "-")
	if strings.Contains(" "+field(read("/proc/cpuinfo"), "flags")+" ", " hypervisor ") {
		p.Machine = "virtual machine"
	}
	return p
}

// load reads what was measured before.
func load(dir string) (*results, error) {
	text, err := os.ReadFile(filepath.Join(dir, "performance.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return &results{}, nil
	}
	if err != nil {
		return nil, err
	}
	var r results
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("cannot read performance.json, remove it to measure all anew: %w", err)
	}
	return &r, nil
}

// write writes the page, its charts, and the numbers below both.
func (r *results) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// First what took so long to measure.
	if err := os.WriteFile(filepath.Join(dir, "performance.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	page, err := r.page()
	if err != nil {
		return err
	}
	if err := r.charts(dir); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "performance.md"), []byte(page), 0o644)
}

//go:embed performance.md.tmpl
var pageText string

func (r *results) page() (string, error) {
	t, err := template.New("performance.md").Funcs(template.FuncMap{
		"ms": milliseconds,
		"quart": func(s stat) string {
			return fmt.Sprintf("%s (%s to %s)", milliseconds(s.Median), milliseconds(s.Q1), milliseconds(s.Q3))
		},
		"ratio": func(e estimate) string {
			return fmt.Sprintf("%s (%s to %s)", figure(e.Value), figure(e.Low), figure(e.High))
		},
		"figure":  figure,
		"count":   func(v float64) string { return grouped(math.Round(v)) },
		"mib":     func(v float64) string { return fmt.Sprintf("%.1f", v) },
		"verdict": verdict,
		"whole":   func(n int) string { return grouped(float64(n)) },
		"quartCount": func(s stat) string {
			return fmt.Sprintf("%s (%s to %s)", grouped(math.Round(s.Median)), grouped(math.Round(s.Q1)), grouped(math.Round(s.Q3)))
		},
		"minutes":  func(ms float64) string { return figure(ms / 60_000) },
		"negative": func(v float64) bool { return v <= 0 },
		"slower":   slower,
		"chart":    chartOf,
		"at":       func(c curve, i int) point { return c.Points[i] },
	}).Option("missingkey=error").Parse(pageText)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, r); err != nil {
		return "", err
	}
	return b.String(), nil
}

// milliseconds has as many places as there is something to see.
func milliseconds(v float64) string {
	switch {
	case math.Abs(v) >= 100:
		return grouped(math.Round(v))
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// figure is a ratio with two places, or three where it is small.
func figure(v float64) string {
	switch {
	case math.Abs(v) < 0.1:
		return fmt.Sprintf("%.3f", v)
	case math.Abs(v) >= 100:
		return grouped(math.Round(v))
	}
	return fmt.Sprintf("%.2f", v)
}

// verdict says whether a ratio is what is wanted. Where the interval holds the target, the
// run cannot tell.
func verdict(r ratioRow) string {
	if r.Wanted == 0 {
		return ""
	}
	of := []estimate{r.Wall, r.CPU}
	if r.Of == "CPU" {
		of = of[1:]
	}
	worst := "reached"
	for _, e := range of {
		if e.Value > r.Wanted {
			return "not reached"
		}
		if e.High > r.Wanted {
			worst = "reached, within the noise"
		}
	}
	return worst
}

// chartOf names the chart of something that grows.
func chartOf(title string) string {
	name, _, _ := strings.Cut(title, " ")
	return "performance-" + name + ".svg"
}

// slower says whether a ratio of new to old shows a call that became more than 5 % slower.
func slower(e estimate) string {
	switch {
	case e.Low > 1.05:
		return "yes"
	case e.High <= 1.05:
		return "no"
	}
	return "this run cannot tell"
}

// charts draws what there is.
func (r *results) charts(dir string) error {
	path := func(name string) string { return filepath.Join(dir, "performance-"+name+".svg") }
	if r.Bench != nil && r.Bench.Calls != nil {
		var marks []mark
		bare := r.Bench.Calls.Rows[0].Wall.Median
		for _, row := range r.Bench.Calls.Rows {
			if row.AddedWall > 0 && !strings.HasSuffix(row.Name, baseSuffix) && !strings.HasPrefix(row.Name, bareName) {
				m := mark{row.Name, row.AddedWall, row.Wall.Q1 - bare, row.Wall.Q3 - bare}
				if m.low <= 0 {
					m.low = m.value
				}
				m.high = max(m.high, m.value)
				m.low = min(m.low, m.value)
				marks = append(marks, m)
			}
		}
		p, height, err := rowChart("One call: time added to the command alone", "ms, logarithmic; lines go from quartile to quartile", marks)
		if err != nil {
			return err
		}
		if err := save(p, height, path("calls")); err != nil {
			return err
		}
	}
	if r.Bench != nil {
		for _, g := range r.Bench.Growth {
			p, err := lineChart("Time added to the command alone, by "+g.Title, g.Unit+" (log)", "ms (log)", g.Curves,
				func(at point) float64 { return at.AddedWall })
			if err != nil {
				return err
			}
			if err := save(p, vg.Points(320), filepath.Join(dir, chartOf(g.Title))); err != nil {
				return err
			}
			if g.Unit != "filters" {
				continue
			}
			p, err = lineChart("Largest memory of one call, by "+g.Title, "filters (log)", "MiB (log)", g.Curves,
				func(at point) float64 { return at.RSS })
			if err != nil {
				return err
			}
			if err := save(p, vg.Points(320), path("memory")); err != nil {
				return err
			}
		}
	}
	if r.Bench != nil && r.Bench.Daemons != nil {
		if err := r.Bench.Daemons.charts(path); err != nil {
			return err
		}
	}
	if r.Neutron == nil {
		return nil
	}
	var marks []mark
	for _, w := range r.Neutron.Ways {
		marks = append(marks, mark{w.Name, w.Network.Median, w.Network.Q1, w.Network.Q3})
	}
	p, height, err := rowChart("One network and its router: made and taken away", "ms, logarithmic; lines go from quartile to quartile", marks)
	if err != nil {
		return err
	}
	return save(p, height, path("neutron"))
}

// charts draws requests a second for the clients in Python, which services have.
func (s *serving) charts(path func(string) string) error {
	var groups, names []string
	values := make(map[string]plotter.Values)
	for _, c := range s.Crowds {
		if c.Client != s.Crowds[0].Client {
			continue
		}
		groups = append(groups, fmt.Sprint(c.Clients))
		names = names[:0]
		for _, row := range c.Rows {
			names = append(names, row.Name)
			values[row.Name] = append(values[row.Name], row.Rate.Median)
		}
	}
	p, err := barChart("Commands a second through the daemons, clients in Python", "commands a second", groups, names, values)
	if err != nil {
		return err
	}
	return save(p, vg.Points(320), path("daemon"))
}
