// Package call is the talk between ironwrap-call and the daemon, over a Unix stream
// socket (unix(7)).
//
// The client sends one frame, a Request, and then the byte FilesByte, with four descriptors
// beside it (SCM_RIGHTS): standard input, output and error, and the working directory. After
// that each byte that it sends is the number of a signal for the command. The daemon sends one
// frame, an Answer. Who closes the connection before has nothing more to say.
package call

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// MaxRequest is how many bytes a request may have: more than execve(2) takes in words and
// variables.
const MaxRequest = 8 << 20

// FilesByte is what descriptors are beside. The daemon never takes it: a launcher does.
const FilesByte = 'f'

// Kinds of frames.
const (
	kindRequest = 'c'
	kindEnded   = 'e' // the status, as in wait(2)
	kindNotRun  = 'n' // an exit status, and why
)

// ErrMalformed tells that the two programs do not understand each other.
var ErrMalformed = errors.New("ironwrap-call and the daemon do not understand each other: install both from one build")

// Request is a command to run.
type Request struct {
	Argv []string // as the caller wrote them
	Env  []string // NAME=VALUE, of the caller
	// The caller's hard limits of CPU time in seconds and of address space in bytes; ^0
	// for none (getrlimit(2)).
	CPU, Memory uint64
}

// Answer is what became of it.
type Answer struct {
	Ran    bool
	Status uint32 // Ran: how the command ended, as in wait(2); else an exit status
	Why    string // why it did not run
}

// HeadSize is the length of what comes before the body of a frame.
const HeadSize = 5

// Head returns the kind of a frame, and the length of its body.
func Head(b [HeadSize]byte) (kind byte, length uint32) {
	return b[0], binary.BigEndian.Uint32(b[1:])
}

func frame(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))), body...)
}

// Encode returns the frame of a request.
func (r Request) Encode() ([]byte, error) {
	b := binary.BigEndian.AppendUint64(nil, r.CPU)
	b = binary.BigEndian.AppendUint64(b, r.Memory)
	for _, list := range [][]string{r.Argv, r.Env} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, s := range list {
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
	}
	if len(b) > MaxRequest {
		return nil, fmt.Errorf("cannot ask for a command of %d bytes, with the variables: %w", len(b), unix.E2BIG)
	}
	return frame(kindRequest, b), nil
}

// Long tells that a frame with this head cannot be a request.
func Long(kind byte, length uint32) bool { return kind != kindRequest || length > MaxRequest }

// limits is how many bytes of a body come before the words.
const limits = 16

// Words counts the words and the variables in the body of a request, and takes no memory:
// as lists they may take many times as much as they came in.
func Words(body []byte) (words int, err error) {
	d := decoder{body[min(limits, len(body)):]}
	for range 2 {
		count, _, err := d.skip()
		if err != nil {
			return 0, err
		}
		words += count
	}
	if len(d.rest) > 0 {
		return 0, ErrMalformed
	}
	return words, nil
}

// DecodeRequest reads the body of a request. The words share memory; of the variables some
// are kept for longer than others, and they do not.
func DecodeRequest(body []byte) (r Request, err error) {
	if len(body) < limits {
		return Request{}, ErrMalformed
	}
	r.CPU, r.Memory = binary.BigEndian.Uint64(body), binary.BigEndian.Uint64(body[8:])
	d := decoder{body[limits:]}
	if r.Argv, err = d.list(); err == nil {
		r.Env, err = d.list()
	}
	for i, v := range r.Env {
		r.Env[i] = strings.Clone(v)
	}
	if err != nil || len(d.rest) > 0 {
		return Request{}, ErrMalformed
	}
	return r, nil
}

type decoder struct{ rest []byte }

func (d *decoder) number() (int, error) {
	n, size := binary.Uvarint(d.rest)
	// Nothing takes less than a byte for each.
	if size <= 0 || n > uint64(len(d.rest)-size) {
		return 0, ErrMalformed
	}
	d.rest = d.rest[size:]
	return int(n), nil
}

// skip goes behind a list, and returns how many words it has, and their bytes with the
// lengths.
func (d *decoder) skip() (count int, bytes []byte, err error) {
	if count, err = d.number(); err != nil {
		return 0, nil, err
	}
	begin := d.rest
	for range count {
		n, err := d.number()
		if err != nil {
			return 0, nil, err
		}
		d.rest = d.rest[n:]
	}
	return count, begin[:len(begin)-len(d.rest)], nil
}

func (d *decoder) list() ([]string, error) {
	count, bytes, err := d.skip()
	if err != nil || count == 0 {
		return nil, err
	}
	all, within := string(bytes), decoder{bytes}
	list := make([]string, 0, count)
	for range count {
		n, err := within.number()
		if err != nil {
			return nil, err
		}
		at := len(bytes) - len(within.rest)
		list = append(list, all[at:at+n])
		within.rest = within.rest[n:]
	}
	return list, nil
}

// Encode returns the frame of an answer.
func (a Answer) Encode() []byte {
	status := binary.BigEndian.AppendUint32(nil, a.Status)
	if a.Ran {
		return frame(kindEnded, status)
	}
	return frame(kindNotRun, append(status, a.Why...))
}

// MaxAnswer is how many bytes the body of an answer may have.
const MaxAnswer = 1 << 20

// DecodeAnswer reads an answer.
func DecodeAnswer(kind byte, body []byte) (Answer, error) {
	if len(body) < 4 || kind != kindEnded && kind != kindNotRun || kind == kindEnded && len(body) != 4 {
		return Answer{}, ErrMalformed
	}
	return Answer{Ran: kind == kindEnded, Status: binary.BigEndian.Uint32(body), Why: string(body[4:])}, nil
}

// Signals are those that a client may pass on: what a terminal, a shell and a service
// manager send to those who run a command. SIGKILL is not among them: who is killed is
// gone, and that is noticed.
var Signals = []unix.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTERM,
	unix.SIGCONT, unix.SIGTSTP, unix.SIGWINCH,
}
