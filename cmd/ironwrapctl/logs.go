package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"

	"ironwrap/filters"
)

// readFiles has each file read, of which - is the standard input.
func readFiles(stdin io.Reader, files []string, read func(io.Reader) error) error {
	for _, file := range files {
		in := stdin
		if file != "-" {
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			in = f
		}
		if err := read(in); err != nil {
			return fmt.Errorf("cannot read %s: %w", filters.Show(file), err)
		}
	}
	return nil
}

// readJournal has read what the journal holds of a transport (systemd.journal-fields(7)),
// from a time on unless since is "", as journalctl writes it with the options.
func readJournal(transport, since string, read func(io.Reader) error, options ...string) error {
	args := append([]string{"--quiet", "--no-pager", "--all", "_TRANSPORT=" + transport}, options...)
	if since != "" {
		args = append(args, "--since="+since)
	}
	c := exec.Command("journalctl", args...)
	var complaint bytes.Buffer
	c.Stderr = &complaint
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return fmt.Errorf("cannot read the journal: %w", err)
	}
	err = read(out)
	if ended := c.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("journalctl: %w: %s", ended, bytes.TrimSpace(complaint.Bytes()))
	}
	if err != nil {
		return fmt.Errorf("cannot read the journal: %w", err)
	}
	return nil
}
