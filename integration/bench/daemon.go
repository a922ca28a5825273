package main

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"time"

	"ironwrap/integration/rig/rootwrapclient"
)

//go:embed client.py
var clientPy string

// sample is what one contender did in one slice.
type sample struct {
	took    []time.Duration
	elapsed time.Duration
	cpu     time.Duration // of the daemon and of all that it started; of the commands where there is none
}

// runner has so many clients run the command over and over for one slice.
type runner func(d *rootwrapclient.Daemon, clients int) (sample, error)

// crowd is what so many clients of one kind had done for them.
type crowd struct {
	Client  string
	Clients int
	Rounds  int
	Rows    []daemonRow
	// Ours over the peer's: what is added to the command alone, requests a second, and
	// CPU time of one.
	Added, Rate, CPU estimate
	// This build over the other one.
	Base *baseDaemon
}

// daemonRow has times of one request in ms, and requests a second.
type daemonRow struct {
	Name            string
	Median, P95     float64
	Added           float64
	Rate, CPU       stat
	medians, p95s   []float64 // of each round
	rates, cpuTimes []float64
}

type baseDaemon struct{ Median, Rate, CPU estimate }

// serving is what the daemons came to. RSS is the largest of the daemon alone, in MiB.
type serving struct {
	Crowds []crowd
	RSS    map[string]float64
}

const (
	bareName     = "command alone"
	oursName     = "ironwrap-daemon"
	peerName     = "oslo-rootwrap-daemon"
	baseDaemonOf = oursName + baseSuffix
)

// start starts a daemon, which ends with the scene.
func (s *scene) start(program, conf string) (*rootwrapclient.Daemon, error) {
	d, err := rootwrapclient.Start(program, conf)
	if err != nil {
		return nil, err
	}
	s.undo = append(s.undo, func() {
		interrupt()
		// A daemon finishes first what runs, and the peer's waits for its clients.
		timer := time.AfterFunc(5*time.Second, func() { syscall.Kill(d.PID, syscall.SIGKILL) })
		d.Stop()
		timer.Stop()
	})
	return d, nil
}

// daemons has the daemons run a command for the same clients, and the clients run it
// themselves. Each round has another order.
func (s *scene) daemons(rounds int, slice time.Duration, deadline time.Time) (*serving, error) {
	script := s.dir + "/client.py"
	if err := os.WriteFile(script, []byte(clientPy), 0o644); err != nil {
		return nil, err
	}
	conf, err := s.policy("daemon", usualSize, []string{"true: CommandFilter, true, root"}, "")
	if err != nil {
		return nil, err
	}
	names := []string{bareName, oursName, peerName}
	programs := map[string]string{oursName: s.ours.daemon(), peerName: peerDaemon}
	if s.base != nil {
		names, programs[baseDaemonOf] = append(names, baseDaemonOf), s.base.daemon()
	}
	running := map[string]*rootwrapclient.Daemon{bareName: nil}
	for name, program := range programs {
		d, err := s.start(program, conf)
		if err != nil {
			return nil, err
		}
		running[name] = d
	}

	python := func(d *rootwrapclient.Daemon, clients int) (sample, error) {
		return runPython(script, slice, d, clients)
	}
	inGo := func(d *rootwrapclient.Daemon, clients int) (sample, error) { return runGo(slice, d, clients) }
	sides := []struct {
		name string
		run  runner
	}{{"Python, processes", python}, {"Go, goroutines", inGo}}
	var crowds []*crowd
	for _, side := range sides {
		for _, clients := range []int{1, 8, 32} {
			c := &crowd{Client: side.name, Clients: clients}
			for _, name := range names {
				c.Rows = append(c.Rows, daemonRow{Name: name})
			}
			crowds = append(crowds, c)
		}
	}
	random := rand.New(rand.NewPCG(9, 10))
	for round := 0; round < rounds && (round < 1 || time.Now().Before(deadline)); round++ {
		for i, c := range crowds {
			for _, j := range random.Perm(len(names)) {
				one, err := sides[i/3].run(running[names[j]], c.Clients)
				if err != nil {
					return nil, fmt.Errorf("%s, %s, %d: %w", names[j], c.Client, c.Clients, err)
				}
				c.Rows[j].take(one)
			}
			c.Rounds++
		}
	}
	result := &serving{RSS: make(map[string]float64)}
	for _, c := range crowds {
		c.finish()
		result.Crowds = append(result.Crowds, *c)
	}
	for name, d := range running {
		if d != nil {
			result.RSS[name] = peakRSS(d.PID)
		}
	}
	return result, nil
}

// take adds one slice.
func (r *daemonRow) take(s sample) {
	slices.Sort(s.took)
	n := len(s.took)
	r.medians = append(r.medians, float64(s.took[n/2])/1e6)
	r.p95s = append(r.p95s, float64(s.took[n*95/100])/1e6)
	r.rates = append(r.rates, float64(n)/s.elapsed.Seconds())
	r.cpuTimes = append(r.cpuTimes, float64(s.cpu)/1e6/float64(n))
}

func (c *crowd) finish() {
	byName := make(map[string]*daemonRow)
	for i := range c.Rows {
		r := &c.Rows[i]
		byName[r.Name] = r
		r.Median, r.P95 = summary(r.medians).Median, summary(r.p95s).Median
		r.Added = r.Median - c.Rows[0].Median
		r.Rate, r.CPU = summary(r.rates), summary(r.cpuTimes)
	}
	bare, ours, peer, base := byName[bareName], byName[oursName], byName[peerName], byName[baseDaemonOf]
	c.Added = ratioAdded(ours.medians, bare.medians, peer.medians, bare.medians)
	c.Rate, c.CPU = ratio(ours.rates, peer.rates), ratio(ours.cpuTimes, peer.cpuTimes)
	if base != nil {
		c.Base = &baseDaemon{ratio(ours.medians, base.medians), ratio(ours.rates, base.rates), ratio(ours.cpuTimes, base.cpuTimes)}
	}
}
