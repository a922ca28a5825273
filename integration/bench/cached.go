package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ironwrap/policy/store"
)

// What ironwrap keeps between calls to save work: the policy, compiled. A call that finds
// it is warm, one that finds nothing is cold.

// warm sees to it that the next calls with this configuration find all that is kept.
func warm(s starter, b build, conf string, argv []string, env []string, status int) error {
	call := func() error {
		_, err := s.once(append([]string{b.ironwrap(), conf}, argv...), env, status)
		return err
	}
	if _, err := os.Stat(b.reader()); errors.Is(err, os.ErrNotExist) {
		return errors.Join(call(), call(), call()) // the first reads the program from the disk
	}
	// What another build keeps is not this one's.
	others, err := filepath.Glob(pattern(conf))
	for _, file := range others {
		err = errors.Join(err, os.Rename(file, aside(file)))
		defer func() { _ = os.Rename(aside(file), file) }()
	}
	if err != nil {
		return err
	}
	// A policy is not kept before its files have been left alone for some seconds. Who
	// finds none makes another file.
	var before []os.FileInfo
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if err := call(); err != nil {
			return err
		}
		now, err := compiledPolicies(conf)
		if err != nil {
			return err
		}
		switch {
		case len(now) > 0 && same(now, before):
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%s is not kept in %s, or what is kept not used", conf, store.Dir)
		}
		before = now
	}
}

// chill takes away what is kept for this configuration, and nothing else.
func chill(conf string) error {
	files, err := filepath.Glob(pattern(conf))
	for _, file := range files {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// compiledPolicies are the files for a configuration: each build has its own.
func compiledPolicies(conf string) (list []os.FileInfo, err error) {
	files, err := filepath.Glob(pattern(conf))
	for _, file := range files {
		info, statErr := os.Stat(file)
		list, err = append(list, info), errors.Join(err, statErr)
	}
	return list, err
}

func pattern(conf string) string {
	path := store.Path(conf)
	return strings.TrimSuffix(path, filepath.Ext(path)) + ".*"
}

func aside(file string) string { return store.Dir + "/aside" + filepath.Base(file) }

func same(a, b []os.FileInfo) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !os.SameFile(a[i], b[i]) {
			return false
		}
	}
	return true
}
