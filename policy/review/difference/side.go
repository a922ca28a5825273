package difference

import (
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/program"
	"ironwrap/policy/review/collected"
	"ironwrap/policy/trust"
)

// Side is one of the two policies, with where its programs lie.
type Side struct {
	Policy *policy.Policy
	Dirs   []string          // exec_dirs as written, whether or not they exist
	Values map[string]string // [DEFAULT] of rootwrap.conf as written

	tree  *collected.Tree // nil for this machine
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
// the tree that lies there, whoever owns its files: its paths mean what they mean in the
// tree. The error is that of policy.Load or of collected.Tree.
func Load(root, config string) (s *Side, err error) {
	s = New(nil, nil, nil)
	if root == "" {
		if s.Policy, err = policy.Load(config, trust.Object, s.parse); err == nil {
			s.look = machine.New(s.Policy.ExecDirs, s.Policy.Trust).Find
		}
		return s, err
	}
	if s.tree, err = collected.Open(root); err != nil {
		return nil, err
	}
	s.look = func(name, _ string) (program.Program, error) { return s.tree.Find(name, s.Dirs) }
	s.Policy, err = s.tree.Load(config, s.parse)
	return s, err
}

// name is what a report calls s.
func (s *Side) name() filters.Untrusted {
	if s.tree != nil {
		return filters.Untrusted(s.tree.Dir() + s.Policy.Path)
	}
	return filters.Untrusted(s.Policy.Path)
}

// New is the side of a policy that was made in another way. dirs are its exec_dirs; look
// tells where a program lies.
func New(p *policy.Policy, dirs []string, look func(name, runAs string) (program.Program, error)) *Side {
	return &Side{Policy: p, Dirs: dirs, Values: map[string]string{}, look: look, known: map[string]whereabouts{}, definitions: map[place]string{}}
}

// parse reads a document, and notes what it says.
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
	dirs, ok := s.Values["exec_dirs"]
	if !ok {
		dirs = policy.DefaultExecDirs
	}
	for _, dir := range filters.Fields(dirs) {
		s.Dirs = append(s.Dirs, strings.TrimRight(dir, "/"))
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
// programs are looked for here.
func (s *Side) Here() {
	s.look = machine.New(s.Dirs, s.Policy.Trust).Find
	s.tree = nil
}
