package grants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ironwrap/filters"
	"ironwrap/policy/trust"
)

// Program is sudo's own, which prints a sudoers file as JSON (cvtsudoers(1)).
const Program = "/usr/bin/cvtsudoers"

// ErrNoProgram tells that there is no cvtsudoers.
var ErrNoProgram = errors.New("there is no " + Program + ": install the package sudo")

// Refusal is why cvtsudoers does not take a file.
type Refusal struct {
	Path string
	Line int // 0 for the file as a whole
	Why  string
}

func (r *Refusal) Error() string {
	if r.Line == 0 {
		return fmt.Sprintf("%s: %s", filters.Untrusted(r.Path), r.Why)
	}
	return fmt.Sprintf("%s:%d: %s", filters.Untrusted(r.Path), r.Line, r.Why)
}

// A file that includes others without end, or a device that never ends.
const patience = 20 * time.Second

// Convert has cvtsudoers print the file at path (absolute), with those that it
// includes. It is given nothing of the caller's: no environment, configuration or
// input. What it passes over it complains of: complaints has that, one a line. The
// error is a *Refusal where cvtsudoers says what is wrong with the file.
func Convert(path string) (data []byte, complaints []string, err error) {
	if _, err := trust.Executable(Program, trust.Fixed); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, ErrNoProgram
	} else if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, Program, "-c", "/dev/null", "-f", "json", "--", path)
	c.Env, c.Dir, c.WaitDelay = []string{"LC_ALL=C"}, "/", patience
	out, complaint := &bounded{left: MaxSize}, &bounded{left: 64 << 10}
	c.Stdout, c.Stderr = out, complaint
	err = c.Run()
	switch {
	case ctx.Err() != nil:
		return nil, nil, fmt.Errorf("%s took more than %v", Program, patience)
	case out.full || complaint.full:
		return nil, nil, fmt.Errorf("%s prints more than %d bytes", Program, MaxSize)
	case err != nil:
		return nil, nil, refusal(path, complaint.String(), err)
	}
	for l := range strings.Lines(complaint.String()) {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, "cvtsudoers: ") {
			complaints = append(complaints, filters.Prose(l))
		}
	}
	return out.Bytes(), complaints, nil
}

// bounded keeps what is written up to some length; more is an error to the writer.
type bounded struct {
	bytes.Buffer
	left int
	full bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		b.full = true
		return 0, errors.New("too long")
	}
	b.left -= len(p)
	return b.Buffer.Write(p)
}

var place = regexp.MustCompile(`^(?:cvtsudoers: )?(/.*?):([0-9]+)(?::[0-9]+)?: (.*)$`)

// refusal is made of the first line of a complaint.
func refusal(path, complaint string, err error) error {
	first, _, _ := strings.Cut(strings.TrimSpace(complaint), "\n")
	if found := place.FindStringSubmatch(first); found != nil {
		if line, err := strconv.Atoi(found[2]); err == nil {
			return &Refusal{found[1], line, "cvtsudoers: " + filters.Prose(found[3])}
		}
	}
	if first == "" {
		first = err.Error()
	}
	return &Refusal{path, 0, "cvtsudoers: " + filters.Prose(strings.TrimPrefix(first, "cvtsudoers: "))}
}
