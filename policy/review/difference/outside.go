package difference

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/collected"
	"ironwrap/policy/review/exposure"
)

// A sandbox names things that are not in the policy: a file with a seccomp profile, a
// label of a security module, paths that may be links. Two hosts may have others of the
// same name.

// thing is one of these.
type thing struct{ key, value string }

// names are those of a sandbox.
func names(s *policy.Sandbox) (list []thing) {
	if s == nil {
		return nil
	}
	for _, n := range []thing{{"seccomp", s.Seccomp}, {"apparmor_profile", s.AppArmor}, {"selinux_context", s.SELinux}} {
		if n.value != "" && n.value != "none" {
			list = append(list, n)
		}
	}
	for _, p := range slices.Concat(s.ReadOnly, s.LandlockRO, s.LandlockRW) {
		list = append(list, thing{"path", p})
	}
	return list
}

// names are all that a policy names, sorted.
func (s *Side) names() (list []thing) {
	for i := range s.Policy.Filters {
		list = append(list, names(s.Policy.Filters[i].Sandbox)...)
	}
	for _, name := range s.Policy.NamedContexts() {
		if h, err := s.Policy.Context(name); err == nil && h != nil {
			list = append(list, names(h.Sandbox)...)
		}
	}
	slices.SortFunc(list, func(a, b thing) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.value, b.value))
	})
	return slices.Compact(list)
}

// outside finds out what both sides name and what is not the same on both: it writes that
// down in their worlds, and as open questions where nobody knows. On one machine, and
// in one tree, a name means one thing.
func (c *comparison) outside() {
	old, new := c.worlds[0].side, c.worlds[1].side
	if old.tree == nil && new.tree == nil || old.tree != nil && new.tree != nil && old.tree.Dir() == new.tree.Dir() {
		return
	}
	theirs := new.names()
	for _, n := range old.names() {
		if !slices.Contains(theirs, n) {
			continue
		}
		a, err := old.means(n, c.exposure[0])
		b, other := new.means(n, c.exposure[1])
		switch {
		case err != nil || other != nil:
			c.unsettled(n, cmp.Or(err, other))
		case a == b:
		case n.label(): // files say what will be loaded, and not what is
			c.unsettled(n, errors.New(n.what()+" is not the same on both sides"))
		default:
			c.worlds[0].marks[n], c.worlds[1].marks[n] = n.value+" ("+a+")", n.value+" ("+b+")"
		}
	}
}

func (c *comparison) unsettled(n thing, why error) {
	c.report.Exact = false
	c.report.Open = append(c.report.Open, Question{Text: filters.Untrusted(fmt.Sprintf(
		"whether %s = %s confines to the same in OLD and NEW: %v", n.key, n.value, why))})
}

// Outside is what the names of s mean, the same for hosts on which they mean the same. Of
// what is not known nobody can say that it is the same: host tells one from the others.
func (s *Side) Outside(host string, m exposure.Machine) string {
	if s.tree == nil {
		return ""
	}
	var b strings.Builder
	for _, n := range s.names() {
		meaning, err := s.means(n, m)
		if err != nil {
			meaning = fmt.Sprintf("nobody knows on %q", host)
		}
		fmt.Fprintf(&b, "%q is %q\n", n, meaning)
	}
	return b.String()
}

func (n thing) label() bool { return n.key == "apparmor_profile" || n.key == "selinux_context" }

// what is the thing that holds what n names.
func (n thing) what() string {
	switch n.key {
	case "apparmor_profile":
		return "/etc/apparmor.d"
	case "selinux_context":
		return "/etc/selinux"
	}
	return n.value
}

// means is what n names on this side.
func (s *Side) means(n thing, m exposure.Machine) (string, error) {
	t, err := s.files()
	if err != nil {
		return "", err
	}
	if s.tree == nil {
		defer t.Close()
	}
	switch {
	case n.key == "path":
		return "leads to " + t.Leads(n.value), nil
	case n.label():
		return folder(t, n.what())
	}
	return profile(t, n.value, m)
}

// files are those of the host that s is of.
func (s *Side) files() (*collected.Tree, error) {
	if s.tree != nil {
		return s.tree, nil
	}
	return collected.Open("/")
}

// profile is what a seccomp profile and its program hold. A shipped one that was not
// collected is the one that is shipped.
func profile(t *collected.Tree, name string, m exposure.Machine) (string, error) {
	text, program, err := m.Profile(name)
	if err != nil {
		return "", err
	}
	data, err := t.Read(t.Leads(text))
	if !path.IsAbs(name) && errors.Is(err, fs.ErrNotExist) {
		return "as shipped", nil
	}
	if err != nil {
		return "", err
	}
	compiled, err := t.Read(t.Leads(program))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "sha256 " + digest(data) + ", not compiled", nil
	case err != nil:
		return "", err
	}
	return "sha256 " + digest(data) + ", compiled " + digest(compiled), nil
}

func digest(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data))[:16] }

// mostFiles is how many files of a directory are read, and deepest how far down.
const (
	mostFiles = 5000
	deepest   = 12
)

// folder is what all files below a directory hold.
func folder(t *collected.Tree, dir string) (string, error) {
	sum, count := sha256.New(), 0
	var visit func(p string, depth int) error
	visit = func(p string, depth int) error {
		at := t.Leads(p)
		st, err := t.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && depth > 0: // a link to what is not there
			fmt.Fprintf(sum, "%q is not there\n", p)
			return nil
		case err != nil:
			return err
		}
		if count++; count > mostFiles || depth > deepest {
			return fmt.Errorf("%s has too many files", dir)
		}
		if !st.IsDir() {
			data, err := t.Read(at)
			fmt.Fprintf(sum, "%q %x\n", p, sha256.Sum256(data))
			return err
		}
		names, err := t.Names(at)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := visit(p+"/"+name, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := visit(dir, 0); err != nil {
		return "", err
	}
	return fmt.Sprintf("sha256 %x", sum.Sum(nil)), nil
}

// confined is a sandbox with what its names mean, where that is not the same on both sides.
func (w *world) confined(s *policy.Sandbox) policy.Sandbox {
	p := plainly(s)
	mark := func(key string, value *string) {
		if m, ok := w.marks[thing{key, *value}]; ok {
			*value = m
		}
	}
	mark("seccomp", &p.Seccomp)
	for _, list := range []*[]string{&p.ReadOnly, &p.LandlockRO, &p.LandlockRW} {
		for i := range *list { // plainly has copied them
			mark("path", &(*list)[i])
		}
	}
	return p
}
