package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ironwrap/integration/rig/rootwrapclient"
)

// runPython has the client of oslo do it, or subprocess.run.
func runPython(script string, slice time.Duration, d *rootwrapclient.Daemon, clients int) (sample, error) {
	argv := []string{script, "", "", strconv.Itoa(clients), fmt.Sprint(slice.Seconds())}
	before := time.Duration(0)
	if d != nil {
		argv[1], argv[2] = d.Path, hex.EncodeToString(d.Key)
		before = cpuOf(d.PID)
	}
	c := exec.Command("/usr/bin/python3", argv...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := crowded(c)
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
		s.cpu = cpuOf(d.PID) - before
	}
	return s, nil
}

// playing is the process group of the clients that run, or 0.
var playing atomic.Int64

// crowded runs clients in a process group of their own, so that interrupt can end them.
func crowded(c *exec.Cmd) ([]byte, error) {
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Start(); err != nil {
		return nil, err
	}
	playing.Store(int64(c.Process.Pid))
	err := c.Wait()
	playing.Store(0)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		exit.Stderr = errOut.Bytes()
	}
	return out.Bytes(), err
}

// interrupt ends the clients that run.
func interrupt() {
	if group := playing.Load(); group != 0 {
		syscall.Kill(-int(group), syscall.SIGKILL)
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// runGo has our client do it, or os/exec.
func runGo(slice time.Duration, d *rootwrapclient.Daemon, clients int) (sample, error) {
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
		total.cpu = -cpuOf(d.PID)
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
		total.cpu += cpuOf(d.PID)
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
