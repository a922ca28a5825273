package main

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"ironwrap/integration/rootwrapclient"
)

//go:embed client.py
var clientPy string

const (
	slice       = time.Second // for each contender, in each round
	sliceRounds = 7
)

// sample is what one contender did in one slice.
type sample struct {
	took    []time.Duration
	elapsed time.Duration
	cpu     time.Duration // of the daemon and of all that it started; of the commands where there is none
}

// runner has so many clients run the command over and over for one slice.
type runner func(d *rootwrapclient.Daemon, clients int) (sample, error)

// daemons has both daemons run a command for the same clients, and the clients run
// it themselves.
func daemons(dir string) error {
	program, err := filepath.Abs("bin/ironwrap-daemon")
	if err != nil {
		return err
	}
	script := dir + "/client.py"
	if err := os.WriteFile(script, []byte(clientPy), 0o644); err != nil {
		return err
	}
	conf := dir + "/rootwrap.conf"
	ours, err := rootwrapclient.Start(program, conf)
	if err != nil {
		return err
	}
	defer ours.Stop()
	peer, err := rootwrapclient.Start("/usr/bin/oslo-rootwrap-daemon", conf)
	if err != nil {
		return err
	}
	defer peer.Stop()

	python := func(d *rootwrapclient.Daemon, clients int) (sample, error) { return runPython(script, d, clients) }
	for _, side := range []struct {
		name string
		run  runner
	}{{"Python client, processes", python}, {"Go client, goroutines", runGo}} {
		for _, clients := range []int{1, 8, 32} {
			// In the order of the contenders below.
			var sums [3]sample
			for range sliceRounds {
				for i, d := range []*rootwrapclient.Daemon{nil, ours, peer} {
					s, err := side.run(d, clients)
					if err != nil {
						return fmt.Errorf("%s, %d: %w", side.name, clients, err)
					}
					sums[i].took = append(sums[i].took, s.took...)
					sums[i].elapsed += s.elapsed
					sums[i].cpu += s.cpu
				}
			}
			reportDaemons(fmt.Sprintf("%s: %d", side.name, clients), sums)
		}
	}
	return nil
}

func reportDaemons(title string, sums [3]sample) {
	fmt.Printf("\n%-32s %10s %10s %10s %10s %14s\n", title, "median", "p95", "added", "per s", "CPU of each")
	var medians, rates [3]float64
	for i, name := range []string{"bare subprocess", "ironwrap-daemon", "oslo-rootwrap-daemon"} {
		s := sums[i]
		slices.Sort(s.took)
		n := len(s.took)
		median := s.took[n/2]
		medians[i], rates[i] = float64(median), float64(n)/s.elapsed.Seconds()
		fmt.Printf("%-32s %10s %10s %10s %10.0f %14s\n", name, ms(median), ms(s.took[n*95/100]),
			ms(median-sums[0].took[len(sums[0].took)/2]), rates[i], ms(s.cpu/time.Duration(n)))
	}
	fmt.Printf("ours / peer's: added %.2f, throughput %.2f\n", (medians[1]-medians[0])/(medians[2]-medians[0]), rates[1]/rates[2])
}

// runPython has the client of oslo do it, or subprocess.run.
func runPython(script string, d *rootwrapclient.Daemon, clients int) (sample, error) {
	argv := []string{script, "", "", strconv.Itoa(clients), fmt.Sprint(slice.Seconds())}
	before := time.Duration(0)
	if d != nil {
		argv[1], argv[2] = d.Path, hex.EncodeToString(d.Key)
		before = cpu(d.PID)
	}
	out, err := exec.Command("/usr/bin/python3", argv...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return sample{}, fmt.Errorf("client.py: %w: %s", err, exit.Stderr)
		}
		return sample{}, err
	}
	var answer struct {
		Elapsed, Children float64
		Took              []float64
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return sample{}, fmt.Errorf("client.py said %.100q: %w", out, err)
	}
	s := sample{elapsed: seconds(answer.Elapsed), cpu: seconds(answer.Children)}
	for _, t := range answer.Took {
		s.took = append(s.took, seconds(t))
	}
	if d != nil {
		s.cpu = cpu(d.PID) - before
	}
	return s, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// runGo has our client do it, or os/exec.
func runGo(d *rootwrapclient.Daemon, clients int) (sample, error) {
	var mu sync.Mutex
	var total sample
	var failed error
	var done sync.WaitGroup
	connections := make([]*rootwrapclient.Client, clients)
	if d != nil {
		for i := range connections {
			var err error
			// The peer's queue of connections is short.
			for range 1000 {
				if connections[i], err = rootwrapclient.Dial(d.Path, d.Key); !errors.Is(err, syscall.EAGAIN) {
					break
				}
				time.Sleep(time.Millisecond)
			}
			if err != nil {
				return sample{}, err
			}
			defer connections[i].Close()
		}
		total.cpu = -cpu(d.PID)
	}
	start := time.Now()
	for _, c := range connections {
		done.Go(func() {
			var took []time.Duration
			var used time.Duration
			for time.Since(start) < slice {
				began := time.Now()
				cpu, err := runOnce(c)
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				took = append(took, time.Since(began))
				used += cpu
			}
			mu.Lock()
			defer mu.Unlock()
			total.took = append(total.took, took...)
			total.cpu += used
		})
	}
	done.Wait()
	total.elapsed = time.Since(start)
	if d != nil {
		total.cpu += cpu(d.PID)
	}
	return total, failed
}

func runOnce(c *rootwrapclient.Client) (used time.Duration, err error) {
	if c != nil {
		r, err := c.Run([]string{"true"}, nil)
		if err == nil && r.Status != 0 {
			err = fmt.Errorf("status %d: %s", r.Status, r.Stderr)
		}
		return 0, err
	}
	cmd := exec.Command("/usr/bin/true")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = new(bytes.Buffer), new(bytes.Buffer), new(bytes.Buffer)
	if err := cmd.Run(); err != nil {
		return 0, err
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// cpu is the processor time of a process and of its children that ended
// (proc_pid_stat(5)).
func cpu(pid int) (sum time.Duration) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return 0
	}
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.Atoi(f)
		sum += time.Duration(n) * time.Second / 100 // USER_HZ
	}
	return sum
}
