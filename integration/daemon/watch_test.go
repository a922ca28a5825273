package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// idle is what a daemon has when it does nothing.
type idle struct{ descriptors, children int }

func (i idle) String() string {
	return fmt.Sprintf("%d descriptors, %d children", i.descriptors, i.children)
}

func has(s *rig.Server) idle {
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.Pid))
	below, children := len(s.Below()), len(children(s))
	return idle{len(fds) - 3*(below-children), children} // one that has stayed takes three
}

// settle serves one request and waits until all is at rest. It returns what a
// daemon at rest has.
func settle(s *rig.Server) idle {
	s.Helper()
	c := s.Client()
	c.Run("true")
	c.Conn.Close()
	var now idle
	same := 0
	s.Eventually("the daemon to be at rest", func() bool {
		last := now
		now = has(s)
		if same++; now != last || now.children != spareLaunchers {
			same = 0
		}
		return same > 10
	})
	return now
}

// restsAs complains unless the daemon comes to rest with what it had before: no
// descriptor, no process more.
func restsAs(s *rig.Server, before idle) {
	s.Helper()
	alive(s)
	last := idle{}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if last = has(s); last.children == before.children && last.descriptors <= before.descriptors {
			return
		}
	}
	links := ""
	for _, fd := range first(os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.Pid))) {
		link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", s.Pid, fd.Name()))
		links += " " + link
	}
	s.Errorf("the daemon has %v, not %v as before:%s", last, before, links)
}

func first[T any](v T, _ error) T { return v }

// same is restsAs, and complains unless the daemon, which is ended for that, has as
// many goroutines as one that has done nothing but one request.
func same(s *rig.Server, before idle) map[string]float64 {
	s.Helper()
	restsAs(s, before)
	stayed := len(s.Below()) - len(children(s)) // one goroutine watches each
	counters := counters(s)
	if n, quiet := counters["ironwrap_goroutines"]-float64(stayed), quietGoroutines(s); n > quiet {
		s.Errorf("the daemon has %v goroutines, more than %v", n, quiet)
	}
	if n := counters["ironwrap_running_commands"] + counters["ironwrap_connections"]; n != 0 {
		s.Errorf("the daemon counts %v commands and connections in the end", n)
	}
	return counters
}

var quiet struct {
	sync.Mutex
	goroutines float64
}

func quietGoroutines(t testing.TB) float64 {
	t.Helper()
	quiet.Lock()
	defer quiet.Unlock()
	if quiet.goroutines == 0 {
		// A spare that is just being replaced counts as one less.
		for range 3 {
			s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowTrue))
			settle(s)
			quiet.goroutines = max(quiet.goroutines, counters(s)["ironwrap_goroutines"]-1) // one launcher has stayed
		}
	}
	return quiet.goroutines
}

// counters ends the daemon and returns its last metrics, without the label that every
// series has, which stands last.
func counters(s *rig.Server) map[string]float64 {
	s.Helper()
	s.Terminate()
	text, err := os.ReadFile(s.Metrics())
	if err != nil {
		s.Fatal(err)
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		at := strings.LastIndexByte(line, ' ')
		if line[0] == '#' || at < 0 {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			s.Fatalf("metrics: %q: %v", line, err)
		}
		name, _, _ := strings.Cut(line[:at], `config="`)
		if labels, more := strings.CutSuffix(name, ","); more {
			name = labels + "}"
		}
		values[strings.TrimSuffix(name, "{")] = n
	}
	return values
}

// memory reads a line of the daemon's status, in kB.
func memory(s *rig.Server, name string) int {
	s.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid))
	if err != nil {
		s.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(rig.Fields(string(text))[name], " kB"))
	if err != nil {
		s.Fatal(err)
	}
	return n
}

// directories are those of daemons that run.
func directories(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob("/run/ironwrap/*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// ticks is the processor time that the daemon has used.
func ticks(s *rig.Server) int {
	s.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.Pid))
	if err != nil {
		s.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest) // proc_pid_stat(5), from field 3
	user, err := strconv.Atoi(f[11])
	if err != nil {
		s.Fatal(err)
	}
	system, err := strconv.Atoi(f[12])
	if err != nil {
		s.Fatal(err)
	}
	return user + system
}

// with is what a daemon has with some clients that rest.
func with(before idle, clients int) idle { return idle{before.descriptors + clients, before.children} }
