package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ironwrap/filters"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/difference"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/lint"
)

// readAccepted reads the risks that somebody has accepted; nil where path is empty.
func readAccepted(path string) (*accepted.List, error) {
	if path == "" {
		return nil, nil
	}
	scored := slices.Concat(exposure.PowerIDs(), difference.Directions)
	l, err := accepted.Read(path, slices.Concat(lint.Acceptable(), scored), scored, time.Now())
	if err != nil {
		return nil, fmt.Errorf("cannot use the accepted risks: %w", err)
	}
	l.Path, err = filepath.Abs(path) // findings name absolute paths
	return l, err
}

// readOptional reads a baseline; nil where path is empty.
func readOptional(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the baseline: %w", err)
	}
	return data, nil
}

// readKnown are the ids of an earlier report of check as JSON; nil where path is empty.
func readKnown(path string) (map[string]bool, error) {
	data, err := readOptional(path)
	if data == nil || err != nil {
		return nil, err
	}
	var r struct {
		Findings *[]struct {
			ID string `json:"id"`
		} `json:"findings"`
	}
	if err = json.Unmarshal(data, &r); err == nil && r.Findings == nil {
		err = errors.New("it has no findings")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use the baseline %s: it is not the JSON of a check: %w", filters.Untrusted(path), err)
	}
	known := map[string]bool{}
	for _, f := range *r.Findings {
		if f.ID == "" {
			return nil, fmt.Errorf("cannot use the baseline %s: its findings have no id: make it anew with this version", filters.Untrusted(path))
		}
		known[f.ID] = true
	}
	return known, nil
}
