package daemon

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// All messages together may take 320 MiB, one user's half of it.
const messageMemory = 320 << 10 // kB

// Many clients that send as much as they may at once: all are served, one after the
// other; small requests are not held up; and the daemon's memory is bounded. Without
// a bound 16 of them held 1.2 GB.
func TestDaemonMemoryOfMessages(t *testing.T) {
	s := rig.Serve(t, rig.DaemonPolicy(t, "wc: CommandFilter, wc, root\n"+rig.AllowTrue))
	before := settle(s)
	stop := served(s)
	stdin := strings.Repeat("x", 60<<20)
	request := []byte(rig.Request(stdin, "wc", "-c"))
	var all sync.WaitGroup
	for range 16 {
		c := s.Client()
		c.Conn.SetDeadline(time.Now().Add(3 * time.Minute))
		all.Go(func() {
			if err := c.Write(request); err != nil {
				t.Error(err)
				return
			}
			if r := c.Result(c.Reply()); r.Status != 0 || r.Out != fmt.Sprintln(len(stdin)) {
				t.Errorf("%.300v", r)
			}
		})
	}
	all.Wait()
	stop()
	peak := memory(s, "VmHWM")
	t.Logf("at most %d MB", peak>>10)
	if peak > messageMemory+messageMemory/4 {
		t.Errorf("the messages took %d kB", peak)
	}
	s.Eventually("the memory to be given back", func() bool { return memory(s, "VmRSS") < 100<<10 })
	s.DropAll()
	same(s, before)
}

// Who announces much and sends nothing holds memory for half a minute: others of the
// same user who have much to send wait, all others are served.
func TestDaemonMemoryHeld(t *testing.T) {
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowShell+"\n"+rig.AllowTrue))
	before := settle(s)
	idle := s.Client()
	head := binary.BigEndian.AppendUint64(nil, 64<<20)
	if _, err := idle.Conn.Write(append(head, `["1", "run_one_command", `...)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	big := s.Client()
	begun := time.Now()
	wait := make(chan string)
	go func() {
		big.Conn.SetDeadline(time.Now().Add(3 * time.Minute))
		go big.Write([]byte(rig.Request(strings.Repeat("x", 32<<20), "sh", "-c", "wc -c")))
		wait <- big.Reply()
	}()
	for range 20 {
		if r := s.Client().Run("true"); r.Status != 0 || r.Elapsed > 5*time.Second {
			t.Fatalf("a small request: %v", r)
		}
	}
	// One of the same user that does not fit beside it waits until who sends nothing has
	// to go.
	reply := <-wait
	took := time.Since(begun)
	if !strings.Contains(reply, "33554432") || took < 20*time.Second || took > 2*time.Minute {
		t.Errorf("after %v: %.300s", took, reply)
	}
	// Afterwards all is as before.
	again := s.Client()
	if r := again.Feed(strings.Repeat("x", 32<<20), "sh", "-c", "wc -c"); r.Status != 0 || r.Out != "33554432\n" {
		t.Errorf("%.300v", r)
	}
	s.DropAll()
	same(s, before)
}

// A word that execve(2) cannot take is put before no pattern. 60 MB of it took 107 s
// of processor time with 40 of them.
func TestDaemonLongWordIsNotMatched(t *testing.T) {
	var patterns []string
	for i := range 40 {
		patterns = append(patterns, fmt.Sprintf("p%d: RegExpFilter, true, root, true, (a|aa|aaa)+%d", i, i))
	}
	s := rig.Serve(t, rig.DaemonPolicy(t, strings.Join(patterns, "\n")))
	before, start := settle(s), ticks(s)
	r := s.Client().Run("true", strings.Repeat("a", 60<<20))
	if r.Status != 97 || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "word 1 has 62914560 bytes, execve(2) takes ") {
		t.Errorf("%.300v", r)
	}
	used := ticks(s) - start
	t.Logf("60 MB: %d hundredths of a second of processor time", used)
	if used > 300 {
		t.Errorf("it took %d hundredths of a second of processor time", used)
	}
	// The longest word that it takes is matched.
	start = ticks(s)
	if r := s.Client().Run("true", strings.Repeat("a", 131071)); r.Status != 99 {
		t.Errorf("%.300v", r)
	}
	longest := ticks(s) - start
	t.Logf("131,071 bytes, 40 patterns: %d hundredths of a second", longest)

	// When the client has gone, no further filter is asked.
	start = ticks(s)
	gone := s.Client()
	gone.Write([]byte(rig.Request("", "true", strings.Repeat("a", 131071))))
	time.Sleep(50 * time.Millisecond)
	gone.Conn.Close()
	s.Eventually("the request to be given up", func() bool {
		a := ticks(s)
		time.Sleep(300 * time.Millisecond)
		return ticks(s)-a < 3
	})
	if used := ticks(s) - start; longest > 100 && used > longest/2 {
		t.Errorf("gone: %d hundredths of a second, %d for one that stays", used, longest)
	}
	s.DropAll()
	same(s, before)
}
