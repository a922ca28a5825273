package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/lint"
	"ironwrap/policy/review/sudoers/grants"
)

// sources are the files that a policy was read from.
type sources struct {
	files       []exposure.File
	definitions map[spot]string
}

type spot struct {
	file string
	line int
}

// parse is inifile.Parse, and writes down what it was given: the very bytes.
func (s *sources) parse(path string, data []byte, mode document.Mode) (*document.Document, error) {
	sum := sha256.Sum256(data)
	s.files = append(s.files, exposure.File{Path: filters.Untrusted(path), Digest: hex.EncodeToString(sum[:])})
	d, err := inifile.Parse(path, data, mode)
	if err != nil {
		return nil, err
	}
	if s.definitions == nil {
		s.definitions = map[spot]string{}
	}
	items, _ := d.Items("Filters")
	for _, e := range items {
		s.definitions[spot{path, e.Line}] = e.Value
	}
	return d, nil
}

// digest is what "sha256sum FILES | sha256sum" prints.
func (s *sources) digest() string {
	all := sha256.New()
	for _, f := range s.files {
		fmt.Fprintf(all, "%s  %s\n", f.Digest, f.Path.Raw())
	}
	return hex.EncodeToString(all.Sum(nil))
}

// define gives filters the text that they have in their files.
func (s *sources) define(all []exposure.Filter) {
	for i, f := range all {
		all[i].Text = filters.Untrusted(s.definitions[spot{f.File.Raw(), f.Line}])
	}
}

func about(s sources, p *policy.Policy, sudo *lint.Sudoers, host string) exposure.About {
	return exposure.About{
		Date: time.Now().UTC().Format(time.RFC3339), Host: host, Version: version,
		Digest: s.digest(), Files: s.files, Callers: append(callers(p), sudoCallers(p, sudo)...),
	}
}

// callers are those whom the configuration itself lets in.
func callers(p *policy.Policy) (all []string) {
	for _, key := range []struct {
		name  string
		names []string
	}{{"allow_users", p.AllowUsers}, {"allow_groups", p.AllowGroups}} {
		if len(key.names) > 0 {
			all = append(all, filters.Prose(key.name+": "+strings.Join(key.names, ", ")))
		}
	}
	if len(all) == 0 {
		all = append(all, "neither allow_users nor allow_groups is set: whoever can start ironwrap as root with this configuration")
	}
	return all
}

// sudoCallers are those whom sudoers lets run a wrapper with this configuration, or with
// any, and what of sudo's rules nobody has read.
func sudoCallers(p *policy.Policy, sudo *lint.Sudoers) (all []string) {
	if sudo == nil {
		return []string{"no sudoers is here, or it was not looked at"}
	}
	for _, unread := range sudo.Unread {
		all = append(all, "not known: "+unread)
	}
	if sudo.Err != nil {
		all = append(all, "not known: "+filters.Prose(sudo.Err.Error()))
	}
	if sudo.Rules == nil {
		return all
	}
	for _, strange := range sudo.Rules.Strange {
		all = append(all, "not known: sudo's "+filters.Prose(strange))
	}
	sudoGrants(p, sudo, func(who grants.Who, command string) {
		all = append(all, filters.Prose(fmt.Sprintf("%s: %s may run %s", sudo.Path, who, command)))
	})
	return all
}

// sudoUsers are those whom sudoers lets run a wrapper with this configuration. Who may run
// everything is not one of them: they need no wrapper.
func sudoUsers(p *policy.Policy, sudo *lint.Sudoers) (all []grants.Who) {
	if sudo == nil || sudo.Rules == nil {
		return nil
	}
	sudoGrants(p, sudo, func(who grants.Who, command string) {
		if command != "ALL" {
			all = append(all, who)
		}
	})
	return all
}

// sudoGrants calls do for each command of sudoers that leads to a wrapper.
func sudoGrants(p *policy.Policy, sudo *lint.Sudoers, do func(who grants.Who, command string)) {
	for _, g := range sudo.Rules.Grants {
		for _, m := range sudo.Rules.Expand(g.Commands) {
			if m.Negated || !leadsTo(m.Name, p.Path) {
				continue
			}
			for _, who := range sudo.Rules.Named(g.Users) {
				do(who, m.Name)
			}
		}
	}
}

// leadsTo tells whether a command of sudoers is everything, or a wrapper with this
// configuration or with one of the caller's choice. What is written otherwise than a
// plain path counts: a star may be it.
func leadsTo(command, config string) bool {
	program, args, _ := strings.Cut(strings.ReplaceAll(command, `\`, ""), " ")
	base := filepath.Base(program)
	switch {
	case command == "ALL":
		return true
	case strings.ContainsAny(base, "*?["):
	case !strings.Contains(base, "rootwrap") && !strings.Contains(base, "ironwrap"):
		return false
	}
	return strings.Contains(args, config) || !strings.Contains(args, ".conf")
}
