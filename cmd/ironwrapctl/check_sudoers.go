package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"ironwrap/filters"
	"ironwrap/policy/review/lint"
	"ironwrap/policy/review/sudoers/grants"
)

// Where sudo has what it reads. Variables so that tests can put others in their place.
var (
	machineSudoers = "/etc/sudoers"
	sudoConf       = "/etc/sudo.conf"
	nsswitch       = "/etc/nsswitch.conf"
)

// readSudoers reads what sudo allows: in the file at path, which the caller has named
// and must be readable, or on this machine, where it says what could not be read. Nil
// is for a machine without sudo, and for "none".
func readSudoers(path string, users []string) (*lint.Sudoers, error) {
	if path == "none" {
		if len(users) > 0 {
			return nil, errors.New("--user is about sudoers, which --sudoers none leaves out")
		}
		return nil, nil
	}
	s := &lint.Sudoers{Path: machineSudoers, Users: users, Named: path != "" || len(users) > 0}
	if path == "" {
		return onMachine(s), nil
	}
	var err error
	if s.Path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	return s, take(s)
}

// onMachine reads the machine's own file, and tells what else sudo asks.
func onMachine(s *lint.Sudoers) *lint.Sudoers {
	s.Whole = true
	err := take(s)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !s.Named:
		return nil // no sudo
	case err != nil:
		s.Unread = append(s.Unread, "sudoers was not read: "+filters.Prose(err.Error()))
	}
	s.Unread = append(s.Unread, elsewhere()...)
	return s
}

// take reads s.Path. What cvtsudoers has against the file is no error, but s.Err.
func take(s *lint.Sudoers) error {
	f, err := os.OpenFile(s.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may be a FIFO
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", filters.Untrusted(s.Path))
	}
	data, err := io.ReadAll(io.LimitReader(f, grants.MaxSize))
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		var refused *grants.Refusal
		data, s.Unread, err = grants.Convert(s.Path)
		if errors.As(err, &refused) {
			s.Err = err
			return nil
		} else if err != nil {
			return err
		}
		s.Lines = lint.SudoersLines(s.Path)
	}
	if s.Rules, err = grants.Read(data); err != nil {
		s.Err = fmt.Errorf("%s: %w", filters.Untrusted(s.Path), err)
	}
	return nil
}

// elsewhere says what sudo reads besides that file: sources of nsswitch.conf (sudo(8),
// sudoers.ldap(5)), and another file or policy that sudo.conf(5) names.
func elsewhere() (unread []string) {
	for _, l := range configLines(nsswitch) {
		if key, sources, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(key) == "sudoers" {
			for _, source := range strings.Fields(sources) {
				if source != "files" && !strings.HasPrefix(source, "[") {
					unread = append(unread, fmt.Sprintf("%s has sudo ask %s for more rules, which were not read", nsswitch, filters.Prose(source)))
				}
			}
		}
	}
	for _, l := range configLines(sudoConf) {
		if words := strings.Fields(l); len(words) > 2 && words[0] == "Plugin" &&
			(words[1] != "sudoers_policy" && strings.HasSuffix(words[1], "policy") || strings.Contains(l, "sudoers_file=")) {
			unread = append(unread, fmt.Sprintf("%s has sudo read other rules, which were not read: %s", sudoConf, filters.Prose(l)))
		}
	}
	return unread
}

// configLines are the lines of a small file but comments; none where it is not there.
func configLines(path string) (lines []string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) != "" {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
