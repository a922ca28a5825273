package reading

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"ironwrap/policy"
	"ironwrap/policy/compiled"
	"ironwrap/policy/store"
	"ironwrap/policy/trust"
)

const stdout = 1

// Serve is the process that reads: argv is that of run, and the build may be missing. It
// returns its exit status.
func Serve(argv []string, parse policy.Parser) int {
	if len(argv) > 4 && argv[4] != compiled.Build {
		return foreign
	}
	data, err := serve(argv, parse)
	status := wrote
	if err != nil {
		data, status = []byte(err.Error()), said
	}
	for len(data) > 0 {
		n, err := unix.Write(stdout, data)
		if err != nil && err != unix.EINTR {
			return failed // nobody can be told more
		}
		data = data[max(n, 0):]
	}
	return status
}

func serve(argv []string, parse policy.Parser) (data []byte, err error) {
	// A panic is an answer too: the caller executes nothing.
	defer func() {
		if bug := recover(); bug != nil {
			err = fmt.Errorf("internal error: %v", bug)
		}
	}()
	if len(argv) < 4 {
		return nil, fmt.Errorf("%s is for ironwrap alone", program)
	}
	level, err := strconv.Atoi(argv[2])
	if err != nil {
		return nil, err
	}
	began, err := trust.Now()
	if err != nil {
		return nil, err
	}
	_, text, err := policy.Read(argv[1], trust.Level(level), parse)
	if err != nil {
		return nil, err
	}
	if data, err = compiled.Encode(text); err != nil {
		return nil, err
	}
	if argv[3] == "keep" {
		_ = store.Keep(text, data, began) // the next call tries again
	}
	return data, nil
}
