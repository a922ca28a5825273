package lint

import (
	"io/fs"
	"os"

	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/review/collected"
	"ironwrap/policy/trust"
)

// Target is a configuration that is checked: one of this machine, by its absolute path, or
// one in a tree, by its path on the host that the tree is of.
type Target struct {
	Tree *collected.Tree // nil for this machine
	Path string
}

// host is what a configuration is asked about: this machine, or a tree. A tree says nothing
// of who owns a file, nor of what else is there: see Rule.Here.
type host struct{ tree *collected.Tree }

// load is the policy as the executor has it; of a tree, as it would have it of root's files.
func (h host) load(path string) (*policy.Policy, *machine.Machine, error) {
	if h.tree != nil {
		p, err := h.tree.Load(path, inifile.Parse)
		return p, nil, err
	}
	p, err := policy.Load(path, trust.Object, inifile.Parse)
	if err != nil {
		return nil, nil, err
	}
	return p, machine.New(p.ExecDirs, p.Trust), nil
}

func (h host) text(path string) ([]byte, error) {
	if h.tree != nil {
		return h.tree.Read(path)
	}
	return readText(path)
}

func (h host) stat(path string) (fs.FileInfo, error) {
	if h.tree != nil {
		return h.tree.Stat(path)
	}
	return os.Stat(path)
}

// there tells whether there is something of that name, if only a link.
func (h host) there(path string) bool {
	if h.tree != nil {
		_, err := h.tree.Stat(path)
		return err == nil
	}
	_, err := os.Lstat(path)
	return err == nil
}

// names lists a directory; one that is not there has none.
func (h host) names(dir string) (names []string) {
	if h.tree != nil {
		names, _ = h.tree.Names(dir)
		return names
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// uid is the id of a user. The error is account.ErrUnknown only where it is known that there
// is none.
func (h host) uid(name string) (uint32, error) {
	if h.tree != nil {
		return h.tree.UID(name)
	}
	u, err := account.Lookup(name)
	return u.UID, err
}

// real is where a file lies on this machine.
func (h host) real(path string) string {
	if h.tree != nil {
		return h.tree.Dir() + path
	}
	return path
}
