package difference

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/program"
	"ironwrap/policy/trust"
)

// Side is one of the two policies, with where its programs lie.
type Side struct {
	Policy *policy.Policy
	Dirs   []string          // exec_dirs as written, whether or not they exist
	Values map[string]string // [DEFAULT] of rootwrap.conf as written

	root  string // of a tree; "" for this machine
	look  func(name, runAs string) (program.Program, error)
	known map[string]whereabouts

	definitions map[place]string // of filters, as the files have them
}

// place is where a filter stands.
type place struct {
	file string
	line int
}

// whereabouts is what is known of a program.
type whereabouts struct {
	found program.Program
	err   error
}

// Load reads the configuration at config, an absolute path. With a root it is one in
// the tree that lies there: its paths mean what they mean in the tree. The error is that
// of policy.Load, or that a file of the tree leads out of it.
func Load(root, config string) (*Side, error) {
	s := &Side{root: strings.TrimRight(root, "/"), Values: map[string]string{}, known: map[string]whereabouts{}, definitions: map[place]string{}}
	var err error
	if s.Policy, err = policy.Load(s.root+config, trust.Object, s.parse); err != nil {
		return nil, err
	}
	if s.root == "" {
		s.look = machine.New(s.Policy.ExecDirs, s.Policy.Trust).Find
		return s, nil
	}
	s.look = s.inside
	return s, s.contained()
}

// New is the side of a policy that was made in another way. dirs are its exec_dirs; look
// tells where a program lies.
func New(p *policy.Policy, dirs []string, look func(name, runAs string) (program.Program, error)) *Side {
	return &Side{Policy: p, Dirs: dirs, Values: map[string]string{}, look: look, known: map[string]whereabouts{}}
}

// parse reads a document, and notes what rootwrap.conf says. In a tree the directories
// that it names are those of the tree.
func (s *Side) parse(path string, data []byte, mode document.Mode) (*document.Document, error) {
	d, err := inifile.Parse(path, data, mode)
	if err != nil {
		return nil, err
	}
	if mode != document.Strict {
		s.define(path, d)
		return d, nil
	}
	for _, e := range d.Defaults {
		s.Values[e.Key] = e.Value
	}
	if _, ok := s.Values["exec_dirs"]; !ok && s.root != "" {
		d.Defaults = append(d.Defaults, document.Entry{Key: "exec_dirs", Value: policy.DefaultExecDirs})
	}
	dirs, ok := s.Values["exec_dirs"]
	if !ok {
		dirs = policy.DefaultExecDirs
	}
	for _, dir := range filters.Fields(dirs) {
		s.Dirs = append(s.Dirs, strings.TrimRight(dir, "/"))
	}
	for i, e := range d.Defaults {
		if e.Key == "exec_dirs" || e.Key == "filters_path" {
			d.Defaults[i].Value = s.below(e.Value)
		}
	}
	return d, nil
}

// define notes the definitions of filters.
func (s *Side) define(path string, d *document.Document) {
	items, _ := d.Items("Filters")
	for _, e := range items {
		s.definitions[place{path, e.Line}] = e.Value
	}
}

// definition is a filter as its file has it.
func (s *Side) definition(e *policy.Entry) string {
	if e.File == "" {
		return "built in"
	}
	return s.definitions[place{e.File, e.Line}]
}

// below is a list of directories as they are reached from outside of the tree.
func (s *Side) below(value string) string {
	dirs := filters.Fields(value)
	for i, dir := range dirs {
		if strings.HasPrefix(dir, "/") {
			dirs[i] = s.root + dir
		}
	}
	return strings.Join(dirs, ",")
}

// contained tells that all that was read lies in the tree: a link with an absolute path
// leads to a file of this machine.
func (s *Side) contained() error {
	root, err := filepath.EvalSymlinks(s.root)
	if err != nil {
		return err
	}
	for _, source := range s.Policy.Sources {
		real, err := filepath.EvalSymlinks(source)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if real != root && !strings.HasPrefix(real, root+"/") {
			return fmt.Errorf("cannot use %s: it leads to %s, out of the tree %s: collect the tree with its links followed (tar -h, rsync -L)", filters.Show(source), filters.Show(real), filters.Show(s.root))
		}
	}
	return nil
}

// inside finds a program in the tree.
func (s *Side) inside(name, _ string) (program.Program, error) {
	for _, p := range s.places(name) {
		st, err := os.Stat(s.root + p)
		if err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return program.Program{Path: p}, nil
		}
	}
	return program.Program{}, program.ErrNotFound
}

// places is where a program of that name can lie.
func (s *Side) places(name string) (list []string) {
	if strings.HasPrefix(name, "/") {
		return []string{name}
	}
	for _, dir := range s.Dirs {
		if p := dir + "/" + name; !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// find is look, which is asked once.
func (s *Side) find(name, runAs string) (program.Program, error) {
	key := runAs + "\x00" + name
	at, ok := s.known[key]
	if !ok {
		at.found, at.err = s.look(name, runAs)
		s.known[key] = at
	}
	return at.found, at.err
}

// path is find, for those who want no more.
func (s *Side) path(name, runAs string) (string, error) {
	p, err := s.find(name, runAs)
	return p.Path, err
}

// Here makes s, a tree of files that belong on this machine, a policy of this machine:
// programs are looked for here, and files are named as they are here.
func (s *Side) Here() {
	s.look = machine.New(s.Dirs, s.Policy.Trust).Find
	for i := range s.Policy.Filters {
		f := &s.Policy.Filters[i]
		f.File = strings.TrimPrefix(f.File, s.root)
	}
	s.Policy.Path = strings.TrimPrefix(s.Policy.Path, s.root)
}
