package record

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newTracer skips where capabilities cannot be learned.
func newTracer(t *testing.T) *Tracer {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: the tracepoint was not checked")
	}
	tracer, err := NewTracer()
	if err != nil {
		t.Skipf("the tracepoint was not checked: %v", err)
	}
	t.Cleanup(tracer.Close)
	return tracer
}

// waiting is a shell that runs script when told to.
func waiting(t *testing.T, script string) (pid int, goOn func()) {
	t.Helper()
	c := exec.Command("sh", "-c", "read x; "+script)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid, func() {
		w := bufio.NewWriter(in)
		fmt.Fprintln(w)
		w.Flush()
		in.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// A process and its children are followed, and nobody else is.
func TestTracer(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other, goOther := waiting(t, "for i in 1 2 3 4 5 6 7 8 9; do chgrp 0 "+file+"; done")
	_ = other
	tracer := newTracer(t)
	pid, goOn := waiting(t, "(unshare -u true) & wait")
	if err := tracer.Follow(pid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 1, 1); err != nil {
		t.Fatal(err)
	}
	goOther()
	goOn()
	c, err := tracer.Finish()
	if err != nil || c.Lost || c.Granted != 1<<unix.CAP_SYS_ADMIN {
		t.Errorf("%+v, %v", c, err)
	}
}

// What is lost is noticed.
func TestTracerLoses(t *testing.T) {
	tracer := newTracer(t)
	if err := tracer.write("buffer_size_kb", "1"); err != nil {
		t.Fatal(err)
	}
	pid, goOn := waiting(t, "for i in 1 2 3 4 5 6 7 8 9; do true | true; done")
	if err := tracer.write("set_event_pid", fmt.Sprint(pid)); err != nil {
		t.Fatal(err)
	}
	goOn()
	go func() { tracer.done <- tracer.read() }()
	if c, err := tracer.Finish(); err != nil || !c.Lost {
		t.Errorf("%+v, %v", c, err)
	}
}

// Nothing stays behind, and what a killed one left does not either.
func TestTracerCleans(t *testing.T) {
	tracer := newTracer(t)
	dir := tracer.dir
	abandonedDir := strings.TrimSuffix(dir, fmt.Sprint(os.Getpid()))
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	abandonedDir += fmt.Sprint(gone.Process.Pid)
	if err := os.Mkdir(abandonedDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := NewTracer(); err == nil {
		t.Error("two instances of one process")
	}
	if _, err := os.Stat(abandonedDir); err == nil {
		t.Error("what a dead process left is there still")
	}
	tracer.Close()
	newTracer(t) // again
}

// A kernel that lacks the tracepoint is told by name.
func TestTracerMissing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: the tracepoint was not checked")
	}
	defer func(old string) { event = old }(event)
	event = "capability/no_such_event"
	start := time.Now()
	tracer, err := NewTracer()
	if err == nil {
		tracer.Close()
		t.Fatal("a tracepoint that there is not")
	}
	if time.Since(start) > 10*time.Second {
		t.Error("it took its time")
	}
	if !strings.Contains(err.Error(), "tracepoint capability:no_such_event, which came with Linux 6.15") && !strings.Contains(err.Error(), "tracefs") && !strings.Contains(err.Error(), "PID namespace") {
		t.Error(err)
	}
}
