package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/review/collected"
	"ironwrap/policy/review/lint"
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
	trees := make([]*collected.Tree, len(dirs))
	for i, dir := range dirs {
		if trees[i], err = collected.Open(dir); err != nil {
			return nil, err
		}
	}
	collected.Distinguish(trees)
	for _, tree := range trees {
		for _, pattern := range configs {
			paths, err := tree.Glob(pattern)
			if err != nil {
				return nil, err
			}
			for _, path := range paths {
				all = add(all, member{tree, tree.Host(), path})
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
		all = add(all, member{host: hostname(), config: path})
	}
	return all, nil
}

// add adds m, once.
func add(all []member, m member) []member {
	if slices.Contains(all, m) {
		return all
	}
	return append(all, m)
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
			if some = true; !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
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

// targets are members as check has them.
func targets(all []member) (list []lint.Target) {
	for _, m := range all {
		list = append(list, lint.Target{Tree: m.tree, Path: m.config})
	}
	return list
}

// hostOf is the host of a finding in a tree; "" for this machine.
func hostOf(f lint.Finding) filters.Untrusted {
	if f.Tree == nil {
		return ""
	}
	return filters.Untrusted(f.Tree.Host())
}

// configs are where the configurations lie on this machine.
func (p printer) configs() (paths []filters.Untrusted) {
	for _, m := range p.all {
		path := filters.Untrusted(m.config)
		if m.tree != nil {
			path = filters.Untrusted(m.tree.Dir() + m.config)
		}
		paths = append(paths, path)
	}
	return paths
}

// notAsked are the rules that say nothing of the trees that were looked at.
func (p printer) notAsked() []string {
	ids := []string{}
	if !slices.ContainsFunc(p.all, func(m member) bool { return m.tree != nil }) {
		return ids
	}
	for _, r := range lint.Rules() {
		if r.Here {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// told is a report for people: what is found at the same place of several hosts is told
// once, and what was not asked is said.
func (p printer) told(r lint.Report) lint.Report {
	var merged []lint.Finding
	at, seen := map[string]int{}, map[string]int{}
	for _, f := range r.Findings {
		if f.Tree == nil {
			merged = append(merged, f)
			continue
		}
		key := fmt.Sprintf("%s %s %d %q %q %t", f.Rule.ID, strings.TrimPrefix(f.Path, f.Tree.Dir()), f.Column, f.Cited, strings.ReplaceAll(f.Message, f.Tree.Dir(), ""), f.Known)
		seen[f.Tree.Dir()+key]++ // a host may have the same line twice
		key += fmt.Sprint(seen[f.Tree.Dir()+key])
		i, ok := at[key]
		if !ok {
			i = len(merged)
			at[key] = i
			merged = append(merged, f)
		}
		merged[i].Hosts = append(merged[i].Hosts, f.Tree.Host())
	}
	r.Findings = merged
	if ids := p.notAsked(); len(ids) > 0 {
		r.Beside = append(r.Beside, "not asked, for a tree does not tell: "+strings.Join(ids, ", "))
	}
	return r
}

// counts are numbers of findings that count, by host and severity.
func (p printer) counts(r lint.Report) map[string]map[string]int {
	counts := map[string]map[string]int{}
	for _, m := range p.all {
		counts[m.host] = map[string]int{"error": 0, "warning": 0, "note": 0}
	}
	for _, f := range r.Findings {
		host := hostname()
		if f.Tree != nil {
			host = f.Tree.Host()
		}
		if f.Accepted == nil && !f.Known && counts[host] != nil {
			counts[host][f.Rule.Severity.String()]++
		}
	}
	return counts
}
