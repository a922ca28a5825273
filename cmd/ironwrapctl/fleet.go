package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/review/collected"
)

// member is one configuration of one host: of this machine, or of a tree.
type member struct {
	tree   *collected.Tree // nil for this machine
	host   string
	config string // its path on the host
}

// members are all configurations that are asked for, in each of the trees. A root and, in
// trees, a configuration may be a pattern (path.Match).
func members(roots, configs []string) (all []member, err error) {
	if len(roots) == 0 {
		return here(configs)
	}
	dirs, err := expand(roots)
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		tree, err := collected.Open(dir)
		if err != nil {
			return nil, err
		}
		for _, pattern := range configs {
			paths, err := tree.Glob(pattern)
			if err != nil {
				return nil, err
			}
			for _, path := range paths {
				all = append(all, member{tree, tree.Host(), path})
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("none of the trees has a configuration %s", strings.Join(configs, " or "))
	}
	return all, nil
}

// here are configurations of this machine.
func here(configs []string) (all []member, err error) {
	for _, config := range configs {
		path, err := filepath.Abs(config)
		if err != nil {
			return nil, err
		}
		all = append(all, member{host: hostname(), config: path})
	}
	return all, nil
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}

// expand are the directories that are there, of names and patterns.
func expand(roots []string) (dirs []string, err error) {
	for _, root := range roots {
		found, err := filepath.Glob(root)
		if err != nil {
			return nil, fmt.Errorf("--root %q is not a pattern for directories: %w", root, err)
		}
		some := false
		for _, dir := range found {
			if st, err := os.Stat(dir); err != nil || !st.IsDir() {
				continue
			}
			if dir, err = filepath.Abs(dir); err != nil {
				return nil, err
			}
			dirs, some = append(dirs, dir), true
		}
		if !some {
			return nil, fmt.Errorf("--root %s: there is no such directory", filters.Show(root))
		}
	}
	return dirs, nil
}

// noSudoers refuses options about this machine's sudoers for trees.
func noSudoers(roots []string, sudoers string, users []string) error {
	if len(roots) > 0 && (sudoers != "" && sudoers != "none" || len(users) > 0) {
		return errors.New("--sudoers and --user are about this machine: what sudo allows on the host of a tree is not looked at")
	}
	return nil
}

// several tells whether there is one report of many configurations. What was asked decides, and
// not how many there are: scripts know the shape.
func several(roots, configs []string) bool {
	const pattern = `*?[\\`
	return len(roots) > 1 || len(configs) > 1 || len(roots) == 1 && strings.ContainsAny(roots[0]+configs[0], pattern)
}
