// Package reading gets the policy for one command: from what is kept of an earlier call,
// or from a process that reads the files. The program that runs commands has no parser of
// INI documents in it.
package reading

import (
	"bytes"
	"errors"
	"fmt"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/compiled"
	"ironwrap/policy/store"
	"ironwrap/policy/trust"
)

// Request is for the policy of one command.
type Request struct {
	Path  string      // of rootwrap.conf
	Level trust.Level // that its files are held to
	Argv  []filters.Untrusted
	// Keep lets what had to be read be kept. It is for callers who are root: nobody
	// else shall have a hand in when that happens, and below which limits.
	Keep bool
	Road *trust.Road // remembers what was passed, for the rest of the request
}

// Load returns the policy with those filters that can match the command. What is kept
// serves only while nothing about it is in doubt; in any doubt all files are read. The
// error is that of policy.Load, or says why they could not be read.
func Load(r Request) (*policy.Policy, error) {
	if p, err := kept(r); err == nil {
		return p, nil
	}
	for range 3 {
		r.Road.Close() // what was passed may have been replaced since
		p, err := read(r)
		if !errors.Is(err, policy.ErrStale) {
			return p, err
		}
	}
	return nil, fmt.Errorf("%s: its files changed again and again while they were read: try again", filters.Show(r.Path))
}

func kept(r Request) (*policy.Policy, error) {
	k, err := store.Open(r.Path, r.Road)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	return policy.Open(k.Book, r.Path, r.Level, r.Argv, r.Road)
}

// read has a process read the files, and opens what it made of them.
func read(r Request) (*policy.Policy, error) {
	data, err := ask(r)
	if err != nil {
		return nil, err
	}
	book, err := compiled.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("cannot understand what %s made of %s: %w: install both programs of one build", program, filters.Show(r.Path), err)
	}
	return policy.Open(book, r.Path, r.Level, r.Argv, r.Road)
}
