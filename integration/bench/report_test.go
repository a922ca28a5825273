package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// madeUp are results with a number of its own in each place, as two of each kind of row.
func madeUp() *results {
	row := func(name string, median, added float64) callRow {
		s := stat{10, median - 0.1, median, median + 0.2}
		return callRow{Name: name, Wall: s, CPU: s, Faults: stat{10, 500, 554, 560}, AddedWall: added, AddedCPU: added / 2, ToFloor: estimate{2.44, 1.93, 3.18}, RSS: 4.2}
	}
	line := func(name string, at ...float64) curve {
		c := curve{Name: name}
		for i, v := range at {
			c.Points = append(c.Points, point{X: []float64{20, 50_000}[i], AddedWall: v, AddedCPU: v / 2, RSS: v})
		}
		return c
	}
	e := estimate{0.123, 0.111, 0.145}
	crowdOf := func(clients int, added float64) crowd {
		return crowd{Client: "Python, processes", Clients: clients, Rounds: 2, Added: estimate{added, added - 1, added + 1}, Rate: e, CPU: e,
			Rows: []daemonRow{
				{Name: bareName, Median: 1, Rate: stat{2, 800, 801, 802}},
				{Name: oursName, Median: 1.5, P95: 2.5, Added: 0.5, Rate: stat{2, 600, 1601, 602}},
				{Name: peerName, Median: 3, P95: 9, Added: 2, Rate: stat{2, 200, 201, 202}},
			}}
	}
	from := provenance{Day: "2026-01-02", Minutes: 7, Commit: "abcdef", CPU: "Some CPU", Kernel: "6.1.0", Debian: "12.1", Machine: "virtual machine", Cores: 2}
	return &results{
		Bench: &benchRun{provenance: from, Skipped: []string{"sudo-rs: no such package"},
			Calls: &calls{Rounds: 10,
				Rows: []callRow{row(bareName, 0.6, 0), row("floor, Go", 2, 1.4), row("sudo", 5, 4.44), row("ironwrap, 3 filters", 2.4, 1.81), row("ironwrap, 229 filters", 3, 2.99)},
				Ratios: []ratioRow{
					{What: "ours / floor", Wall: estimate{9, 8, 10}, CPU: estimate{1.3, 1.2, 1.35}, Wanted: 1.4, Of: "CPU"},
					{What: "ours / sudo", Wall: estimate{0.5, 0.4, 0.6}, CPU: estimate{0.3, 0.2, 0.4}, Wanted: 1.0 / 3},
				}},
			Growth:  []growth{{Title: "filters in the policy", Unit: "filters", Rounds: 3, Curves: []curve{line("ironwrap", 2, 300), line("oslo-rootwrap", 50, 500)}}},
			Daemons: &serving{Crowds: []crowd{crowdOf(1, 0.15), crowdOf(8, -3)}, RSS: map[string]float64{oursName: 16.9}},
		},
		Neutron: &neutronRun{provenance: from, Networks: 12, Commands: 46, Ways: []wayRow{
			{Name: "nothing, as root", Network: stat{12, 320, 327, 334}, Command: 7.12, ToNothing: estimate{1, 0.9, 1.1}, ToSudo: e},
			{Name: "sudo oslo-rootwrap", Network: stat{12, 4600, 4940, 5200}, Command: 107, ToNothing: estimate{15, 12, 17}, ToSudo: e},
		}},
	}
}

func TestPage(t *testing.T) {
	page, err := madeUp().page()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"adds 1.81 ms to `true` itself", "adds 4.44 ms",
		"Measured on 2026-01-02, commit abcdef: a virtual machine with 2 cores", "(Some CPU), Linux 6.1.0, Debian 12.1. The run took 7 min.",
		"- Not measured: sudo-rs: no such package.",
		"| ironwrap, 3 filters | 2.40 (2.30 to 2.60) | 2.40 (2.30 to 2.60) | 1.81 | 0.91 | 2.44 (1.93 to 3.18) | 554 | 4.2 |",
		"| command alone | 0.60 (0.50 to 0.80) | 0.60 (0.50 to 0.80) |  |  |  | 554 | 4.2 |",
		"| ours / floor | 9.00 (8.00 to 10.00) | 1.30 (1.20 to 1.35) | 1.40 (CPU) | reached |",
		"| ours / sudo | 0.50 (0.40 to 0.60) | 0.30 (0.20 to 0.40) | 0.33 | not reached |",
		"| 50,000 | 300 | 150 | 300.0 | 500 | 250 | 500.0 |",
		"| Python, processes, 1 | ironwrap-daemon | 1.50 | 2.50 | 0.50 | 1,601 (600 to 602) |",
		"| Python, processes, 8 | less than nothing |",
		"It makes 12 networks through each", "That is 46 commands",
		"| sudo oslo-rootwrap | 4,940 (4,600 to 5,200) | 107 | 15.00 (12.00 to 17.00) | 0.12 (0.11 to 0.14) | 15.81 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	for _, bad := range []string{"NaN", "%!", "<no value>", "quick mode", "Against another build"} {
		if strings.Contains(page, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

// Each part may be missing, or be compared with another build.
func TestPageParts(t *testing.T) {
	for name, change := range map[string]func(*results){
		"nothing":    func(r *results) { *r = results{} },
		"no bench":   func(r *results) { r.Bench = nil },
		"no neutron": func(r *results) { r.Neutron = nil },
		"no calls":   func(r *results) { r.Bench.Calls = nil },
		"no growth":  func(r *results) { r.Bench.Growth = nil },
		"no daemons": func(r *results) { r.Bench.Daemons = nil },
	} {
		r := madeUp()
		change(r)
		if page, err := r.page(); err != nil || !strings.HasPrefix(page, "# What a call costs\n") {
			t.Errorf("%s: %v\n%s", name, err, page)
		}
		if err := r.charts(t.TempDir()); err != nil {
			t.Errorf("%s: charts: %v", name, err)
		}
	}
	r := madeUp()
	r.Bench.Base, r.Bench.Quick = "/old", true
	r.Bench.Calls.Base = []baseRow{{"ironwrap, 3 filters", estimate{1.01, 0.99, 1.03}, estimate{1.02, 1, 1.04}}}
	r.Bench.Daemons.Crowds[0].Base = &baseDaemon{estimate{0.9, 0.8, 1}, estimate{1.1, 1, 1.2}, estimate{0.5, 0.4, 0.6}}
	r.Bench.Daemons.Crowds[1].Base = r.Bench.Daemons.Crowds[0].Base
	page, err := r.page()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"This build over the one in `/old`", "| ironwrap, 3 filters | 1.01 (0.99 to 1.03) | 1.02 (1.00 to 1.04) | no |", "quick mode", "| 0.90 (0.80 to 1.00) | 1.10 (1.00 to 1.20) | 0.50 (0.40 to 0.60) |"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in the page:\n%s", want, page)
		}
	}
}

// What was written is what is read, every chart that the page shows is there, and each is
// XML.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	before := madeUp()
	if err := before.write(dir); err != nil {
		t.Fatal(err)
	}
	after, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(before)
	b, _ := json.Marshal(after)
	if string(a) != string(b) {
		t.Errorf("written %s\nread %s", a, b)
	}
	page, err := os.ReadFile(dir + "/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, part := range strings.Split(string(page), "](")[1:] {
		name, _, _ := strings.Cut(part, ")")
		if !strings.HasSuffix(name, ".svg") {
			continue
		}
		shown++
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		defer f.Close()
		texts := 0
		for d := xml.NewDecoder(f); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "text" {
				texts++
			}
		}
		if texts < 5 {
			t.Errorf("%s has %d texts: no title, no labels?", name, texts)
		}
	}
	if shown != 5 {
		t.Errorf("the page shows %d charts, want 5", shown)
	}
	if err := os.WriteFile(dir+"/performance.json", []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err := load(dir); err == nil {
		t.Errorf("a broken performance.json: %v", r)
	}
}

func TestVerdict(t *testing.T) {
	e := func(v, low, high float64) estimate { return estimate{v, low, high} }
	for _, c := range []struct {
		row  ratioRow
		want string
	}{
		{ratioRow{Wall: e(0.4, 0.3, 0.45), CPU: e(0.3, 0.2, 0.4), Wanted: 0.5}, "reached"},
		{ratioRow{Wall: e(0.4, 0.3, 0.6), CPU: e(0.3, 0.2, 0.4), Wanted: 0.5}, "reached, within the noise"},
		{ratioRow{Wall: e(0.6, 0.3, 0.7), CPU: e(0.3, 0.2, 0.4), Wanted: 0.5}, "not reached"},
		{ratioRow{Wall: e(0.4, 0.3, 0.6), CPU: e(0.6, 0.5, 0.7), Wanted: 0.5}, "not reached"},
		{ratioRow{Wall: e(9, 8, 10), CPU: e(1.3, 1.2, 1.35), Wanted: 1.4, Of: "CPU"}, "reached"},
		{ratioRow{Wall: e(9, 8, 10), CPU: e(9, 8, 10)}, ""},
	} {
		if got := verdict(c.row); got != c.want {
			t.Errorf("%+v: %q, want %q", c.row, got, c.want)
		}
	}
}

func TestSlower(t *testing.T) {
	for e, want := range map[estimate]string{
		{1, 0.97, 1.04}: "no", {0.5, 0.4, 0.6}: "no", {1.2, 1.1, 1.3}: "yes", {1, 0.9, 1.1}: "this run cannot tell", {1.07, 1.01, 1.2}: "this run cannot tell",
	} {
		if got := slower(e); got != want {
			t.Errorf("%v: %q, want %q", e, got, want)
		}
	}
}

// All of the time is given away, and no part gets more than what is left.
func TestShare(t *testing.T) {
	for _, parts := range [][]string{{"calls", "growth", "daemons"}, {"calls"}, {"daemons", "calls"}, {"growth", "neutron"}} {
		left := 1.0
		for i := range parts {
			part := share(parts[i:])
			if part < 0 || part > 1 {
				t.Errorf("%v: %v", parts[i:], part)
			}
			left -= left * part
		}
		if left > 1e-9 {
			t.Errorf("%v: %v of the time is nobody's", parts, left)
		}
	}
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.5: "0.5", 20: "20", 999: "999", 1000: "1,000", 50_000: "50,000", 1_234_567: "1,234,567"} {
		if got := grouped(v); got != want {
			t.Errorf("grouped(%v): %s, want %s", v, got, want)
		}
	}
	for v, want := range map[float64]string{0.246: "0.25", -0.85: "-0.85", 12.34: "12.3", 4940.4: "4,940"} {
		if got := milliseconds(v); got != want {
			t.Errorf("milliseconds(%v): %s, want %s", v, got, want)
		}
	}
	for v, want := range map[float64]string{0.0251: "0.025", 0.5: "0.50", 20.57: "20.57", 135: "135"} {
		if got := figure(v); got != want {
			t.Errorf("figure(%v): %s, want %s", v, got, want)
		}
	}
}

// What is compared with contenders that are not there would be a crash after half an hour.
func TestWants(t *testing.T) {
	s := &scene{dir: t.TempDir(), ours: "/new"}
	all, err := s.contenders()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, c := range all {
		if names[c.name] {
			t.Errorf("two are named %q", c.name)
		}
		names[c.name] = true
		c.usages = []usage{{2, 1, 300, 4000}, {3, 2, 301, 4000}}
	}
	for _, w := range wants {
		if !names[w.a] || !names[w.b] {
			t.Errorf("%q / %q: there is no such contender", w.a, w.b)
		}
	}
	sum := summarize(all)
	if len(sum.Rows) != len(all) || len(sum.Ratios) != len(wants) || len(sum.Base) != 0 {
		t.Errorf("%d rows of %d contenders, %d ratios, %d comparisons", len(sum.Rows), len(all), len(sum.Ratios), len(sum.Base))
	}
	base := build("/old")
	s.base = &base
	both, err := s.contenders()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range both {
		c.usages = []usage{{2, 1, 300, 4000}}
	}
	if n := len(summarize(both).Base); n != len(both)-len(all) || n < 10 {
		t.Errorf("%d comparisons of %d calls with another build", n, len(both)-len(all))
	}
}
