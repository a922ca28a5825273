// Command bench measures what running one command costs through ironwrap and through its
// daemon, beside the other programs that do such work. All run in turn, over and over,
// each round in another order, so that a noisy machine is equally noisy to each; what
// counts is the ratios.
//
// usage: bench [FLAGS] [PART...]
//
// PART is calls, growth, daemons (these three are the default) or neutron. It runs as
// root in the top directory of the repository, installs what it compares with, and
// removes what it made, when it is interrupted too. It prints what came of it and writes
// that to DIR/performance.md, with charts and DIR/performance.json.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"ironwrap/integration/rig/ownstore"
)

// options are the flags.
type options struct {
	rounds, networks int
	limit            time.Duration
	quick            bool
	base, out        string
	parts            []string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == insideArg {
		os.Exit(inside(os.Args[2:]))
	}
	if err := ownstore.Mount(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: what ironwrap keeps is kept where the machine has it:", err)
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 0, "rounds of one-shot calls (default 300, with -quick 10)")
	flag.IntVar(&o.networks, "networks", 0, "networks that each way makes (default 12, with -quick 2)")
	flag.DurationVar(&o.limit, "limit", 0, "do not start another round after this time (default 30m, with -quick 2m)")
	flag.BoolVar(&o.quick, "quick", false, "only see that all of it works: the numbers mean little")
	flag.StringVar(&o.base, "base", "", "compare with the programs in this `directory`")
	flag.StringVar(&o.out, "out", "", "write performance.md and its charts to this `directory` (default docs; bin/bench with -quick or -base)")
	render := flag.Bool("render", false, "measure nothing, write the page from performance.json")
	flag.Parse()
	o.parts = flag.Args()
	o.defaults()
	if err := run(o, *render); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o *options) defaults() {
	choose := func(p *int, full, quick int) {
		if *p == 0 && o.quick {
			*p = quick
		} else if *p == 0 {
			*p = full
		}
	}
	choose(&o.rounds, 300, 10)
	choose(&o.networks, 12, 2)
	if o.limit == 0 && o.quick {
		o.limit = 2 * time.Minute
	} else if o.limit == 0 {
		o.limit = 30 * time.Minute
	}
	if o.out == "" && (o.quick || o.base != "") {
		o.out = "bin/bench"
	} else if o.out == "" {
		o.out = "docs"
	}
	if len(o.parts) == 0 {
		o.parts = []string{"calls", "growth", "daemons"}
	}
}

func run(o options, render bool) error {
	known := []string{"calls", "growth", "daemons", "neutron"}
	for _, p := range o.parts {
		if !slices.Contains(known, p) {
			return fmt.Errorf("unknown part %q: there are %s", p, strings.Join(known, ", "))
		}
	}
	r, err := load(o.out)
	if err != nil {
		return err
	}
	if render {
		return r.write(o.out)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("needs root, for sudo, doas and ironwrap alike")
	}
	if err := install("python3-oslo.rootwrap", peerProgram); err != nil {
		return err
	}
	if err := hideEventlet(); err != nil {
		return err
	}
	if slices.Contains(o.parts, "neutron") {
		if r.Neutron, err = o.neutron(); err != nil {
			return err
		}
	}
	// What was measured before something failed is not lost.
	var failed error
	if !slices.Equal(o.parts, []string{"neutron"}) {
		if r.Bench, failed = o.bench(); r.Bench == nil {
			return failed
		}
	}
	if err := r.write(o.out); err != nil {
		return err
	}
	page, err := r.page()
	fmt.Print(page)
	if failed != nil {
		return fmt.Errorf("not all was measured: %w", failed)
	}
	return err
}

// bench plays the parts in turn, and returns what came of them with the error that ended
// it. The time limit is shared: what a part does not need, the next ones have.
func (o options) bench() (*benchRun, error) {
	start := time.Now()
	s, err := newScene(o.base)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.allowDoas(); err != nil {
		return nil, err
	}

	run := &benchRun{Skipped: s.skipped, Base: o.base}
	end := start.Add(o.limit)
	for i, part := range o.parts {
		deadline := time.Now().Add(time.Duration(share(o.parts[i:]) * float64(time.Until(end))))
		switch part {
		case "calls":
			fmt.Fprintln(os.Stderr, "bench: one-shot calls")
			run.Calls, err = s.calls(o.rounds, deadline)
		case "growth":
			run.Growth, err = s.grown(max(o.rounds/10, 3), deadline)
		case "daemons":
			fmt.Fprintln(os.Stderr, "bench: daemons")
			rounds, slice := 9, time.Second
			if o.quick {
				rounds, slice = 2, time.Second/5
			}
			run.Daemons, err = s.daemons(rounds, slice, deadline)
		}
		if err != nil {
			break
		}
	}
	run.provenance = origin(start, o.quick, commit())
	return run, err
}

// share is the part of the time that is left which the first of the parts may use.
func share(parts []string) float64 {
	weights := map[string]float64{"calls": 4, "growth": 3, "daemons": 3}
	sum := 0.0
	for _, p := range parts {
		sum += weights[p]
	}
	if sum == 0 {
		return 0
	}
	return weights[parts[0]] / sum
}

// commit names what is measured, as far as git knows.
func commit() string {
	out, err := exec.Command("git", "-c", "safe.directory=*", "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
