package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// growth shows what a call costs when one thing about it grows.
type growth struct {
	Title  string // of the chart
	Unit   string // of what grows
	Rounds int
	Curves []curve
}

// curve is one program. Rows lie in the order of what grows.
type curve struct {
	Name   string
	Points []point
}

// point has times beyond the command alone, with the same arguments and environment.
type point struct {
	X                   float64
	Wall, CPU           stat
	AddedWall, AddedCPU float64
	RSS                 float64 // MiB
}

// axis is one thing that grows.
type axis struct {
	title, unit string
	sizes       []int
	call        func(size int) (argv, env []string)
	peer, sudo  bool
}

func plain() []string { return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C"} }

var axes = []axis{
	{title: "filters in the policy", unit: "filters", peer: true,
		sizes: []int{20, 50, 100, 229, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000},
		call:  func(int) ([]string, []string) { return nil, nil }},
	{title: "length of one argument", unit: "bytes", sudo: true, sizes: []int{10, 1000, 10_000, 100_000},
		call: func(n int) ([]string, []string) { return []string{strings.Repeat("a", n)}, nil }},
	{title: "words of the command", unit: "words", sudo: true, sizes: []int{1, 10, 100, 1000, 10_000},
		call: func(n int) ([]string, []string) { return slices.Repeat([]string{"word"}, n), nil }},
	{title: "environment of the caller", unit: "variables", sudo: true, sizes: []int{3, 20, 200, 2000},
		call: func(n int) (argv, env []string) {
			env = plain()
			for i := len(env); i < n; i++ {
				env = append(env, fmt.Sprintf("VARIABLE_%d=value %d", i, i))
			}
			return nil, env
		}},
}

// grow plays one axis: all sizes and programs in turn.
func (s *scene) grow(a axis, rounds int, deadline time.Time) (growth, error) {
	g := growth{Title: a.title, Unit: a.unit}
	byCurve := make(map[string][]*contender)
	bare := make(map[int]*contender)
	var all []*contender
	add := func(name string, c *contender) {
		c.name = name
		byCurve[name] = append(byCurve[name], c)
		all = append(all, c)
	}
	for _, n := range a.sizes {
		argv, env := a.call(n)
		size := usualSize
		if a.unit == "filters" {
			size = n
		}
		conf, err := s.policy(fmt.Sprint("growth-", size), size, []string{"true: CommandFilter, true, root"}, "")
		if err != nil {
			return g, err
		}
		command := func(before ...string) []string { return append(before, argv...) }
		bare[n] = &contender{name: bareName, argv: command("/usr/bin/true"), env: env}
		all = append(all, bare[n])
		add("ironwrap", &contender{argv: command(s.ours.ironwrap(), conf, "true"), env: env, conf: conf, build: s.ours})
		if s.base != nil {
			add("ironwrap"+baseSuffix, &contender{argv: command(s.base.ironwrap(), conf, "true"), env: env, conf: conf, build: *s.base})
		}
		if a.peer {
			add("oslo-rootwrap", &contender{argv: command(peerProgram, conf, "true"), env: env, every: 10})
		}
		if a.sudo {
			add("sudo", &contender{argv: command(s.dir+"/sudo", "-n", "/usr/bin/true"), env: env})
		}
	}
	if err := s.play(all, rounds, deadline); err != nil {
		return g, fmt.Errorf("%s: %w", a.title, err)
	}
	names := make([]string, 0, len(byCurve))
	for name := range byCurve {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := curve{Name: name}
		for i, at := range byCurve[name] {
			n := a.sizes[i]
			g.Rounds = max(g.Rounds, len(at.usages))
			p := point{X: float64(n), Wall: summary(at.series(wall)), CPU: summary(at.series(cpu)), RSS: slices.Max(at.series(rss)) / 1024}
			p.AddedWall = p.Wall.Median - summary(bare[n].series(wall)).Median
			p.AddedCPU = p.CPU.Median - summary(bare[n].series(cpu)).Median
			c.Points = append(c.Points, p)
		}
		g.Curves = append(g.Curves, c)
	}
	return g, nil
}

// grown plays all axes; each has an equal part of the time that is left.
func (s *scene) grown(rounds int, end time.Time) (all []growth, err error) {
	for i, a := range axes {
		deadline := time.Now().Add(time.Until(end) / time.Duration(len(axes)-i))
		fmt.Fprintln(os.Stderr, "bench: growth:", a.title)
		g, err := s.grow(a, rounds, deadline)
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}
