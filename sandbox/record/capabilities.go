package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Capabilities is what the kernel asked about a command, and answered.
type Capabilities struct {
	Granted uint64 // bit n is capability n
	Refused uint64 // asked for, and done without
	Lost    bool   // more was asked than there was room for
}

// event is the tracepoint in the kernel's one place that decides about
// capabilities, cap_capable(): Linux 6.15.
var event = "capability/cap_capable"

// Tracer listens to that tracepoint, in an instance of tracefs of its own
// (Documentation/trace/ftrace.rst), so that it is in nobody's way.
type Tracer struct {
	dir   string // of the instance
	mount int    // tracefs, mounted nowhere: -1 when closed
	pipe  int
	parse parser
	stop  chan struct{}
	done  chan error
}

// NewTracer needs root of the machine: not of a container's. An error says why
// capabilities cannot be learned here.
func NewTracer() (*Tracer, error) {
	// The tracepoint goes by the machine's process ids, and of those of a namespace
	// would take somebody else's. The number is PID_NS_INIT_INO, linux/nsfs.h.
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err != nil {
		return nil, fmt.Errorf("cannot tell the PID namespace: %w", err)
	}
	if ns.Ino != 0xeffffffc {
		return nil, errors.New("this is not the machine's own PID namespace, whose numbers the tracepoint has: run learn outside of the container")
	}
	fs, err := unix.Fsopen("tracefs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot open tracefs: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("cannot open tracefs: %w", err)
	}
	t := &Tracer{pipe: -1, parse: newParser(), stop: make(chan struct{}), done: make(chan error, 1)}
	if t.mount, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("cannot mount tracefs: %w", err)
	}
	if err := t.setUp(); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Tracer) setUp() error {
	top := fmt.Sprintf("/proc/self/fd/%d", t.mount)
	if _, err := os.Stat(filepath.Join(top, "events", event)); err != nil {
		return fmt.Errorf("this kernel has no tracepoint %s, which came with Linux 6.15", strings.ReplaceAll(event, "/", ":"))
	}
	instances := filepath.Join(top, "instances")
	abandoned(instances)
	dir := filepath.Join(instances, prefix+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make an instance of tracefs: %w", err)
	}
	t.dir = dir
	for _, set := range []struct{ file, value string }{
		{"options/event-fork", "1"},     // children and threads too
		{"options/stacktrace", "1"},     // to tell who asked
		{"options/overwrite", "0"},      // what has been written stays until it is read
		{"buffer_size_kb", "1024"},      // of each CPU: some thousand questions
		{"set_event_pid", "1000000000"}, // nobody yet, rather than everybody
	} {
		if err := t.write(set.file, set.value); err != nil {
			return err
		}
	}
	pipe, err := unix.Open(filepath.Join(dir, "trace_pipe"), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open the trace: %w", err)
	}
	t.pipe = pipe
	return t.write("events/"+event+"/enable", "1")
}

// prefix is followed by the id of the process that an instance belongs to.
const prefix = "ironwrap-learn-"

// abandoned removes instances whose process was killed before it could.
func abandoned(instances string) {
	dirs, _ := filepath.Glob(filepath.Join(instances, prefix+"*"))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), prefix))
		if err == nil && unix.Kill(pid, 0) == unix.ESRCH {
			os.Remove(dir)
		}
	}
}

// write opens without O_TRUNC, which takes the processes that there were out of
// set_event_pid first: until the next is in, everybody's questions would count.
func (t *Tracer) write(file, value string) error {
	f, err := os.OpenFile(filepath.Join(t.dir, file), os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(value)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot set up the trace: %w", err)
	}
	return nil
}

// Follow begins with a process, which must not run meanwhile, and goes on with all
// its children.
func (t *Tracer) Follow(pid int) error {
	if err := t.write("set_event_pid", strconv.Itoa(pid)); err != nil {
		return err
	}
	go func() { t.done <- t.read() }()
	return nil
}

// read takes what there is, every now and then. What comes in between has its
// place in the buffer.
func (t *Tracer) read() error {
	buf := make([]byte, 64<<10)
	for last := false; ; {
		n, err := unix.Read(t.pipe, buf)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN || n == 0:
			if last {
				return nil
			}
			select {
			case <-t.stop:
				last = true
			case <-time.After(20 * time.Millisecond):
			}
		case err != nil:
			return fmt.Errorf("cannot read the trace: %w", err)
		default:
			t.parse.text(string(buf[:n]))
		}
	}
}

// Finish is for when nobody is left to follow.
func (t *Tracer) Finish() (Capabilities, error) {
	defer t.Close()
	close(t.stop)
	if err := <-t.done; err != nil {
		return Capabilities{}, err
	}
	found := t.parse.found()
	lost, err := t.lost()
	found.Lost = found.Lost || lost
	return found, err
}

// lost asks whether a buffer was full at some time.
func (t *Tracer) lost() (bool, error) {
	files, err := filepath.Glob(filepath.Join(t.dir, "per_cpu", "cpu*", "stats"))
	if err != nil || len(files) == 0 {
		return false, fmt.Errorf("cannot tell whether the trace is whole: no %s/per_cpu/cpu*/stats", t.dir)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return false, fmt.Errorf("cannot tell whether the trace is whole: %w", err)
		}
		for line := range strings.Lines(string(data)) {
			name, count, _ := strings.Cut(strings.TrimSpace(line), ": ")
			if (name == "overrun" || name == "dropped events") && count != "0" {
				return true, nil
			}
		}
	}
	return false, nil
}

// Close leaves nothing behind in tracefs.
func (t *Tracer) Close() {
	if t.mount < 0 {
		return
	}
	if t.pipe >= 0 {
		unix.Close(t.pipe)
	}
	if t.dir != "" {
		os.Remove(t.dir)
	}
	unix.Close(t.mount)
	t.mount = -1
}
