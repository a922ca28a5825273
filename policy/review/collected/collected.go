// Package collected reads policies out of a tree: a directory into which somebody has
// copied files of a host, for review. The files need not be root's, and paths mean what
// they mean on the host. Nothing outside of the tree is read.
package collected

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/document"
	"ironwrap/policy/internal/copied"
	"ironwrap/policy/program"
	"ironwrap/policy/trust"
)

// Tree is a directory with files of a host.
type Tree struct {
	dir  string
	root *os.Root
	host string
}

// Open opens the tree at dir.
func Open(dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot use the tree %s: %w", filters.Show(dir), err)
	}
	t := &Tree{dir: strings.TrimRight(dir, "/"), root: root}
	t.host = t.name()
	return t, nil
}

// Close closes the tree.
func (t *Tree) Close() { t.root.Close() }

// Dir is where the tree lies.
func (t *Tree) Dir() string { return t.dir }

// Host is the name of the host: what /etc/hostname of the tree says (hostname(5)), or else
// the name of the directory.
func (t *Tree) Host() string { return t.host }

// Distinguish gives names to the hosts that are theirs alone: where several have the same
// the directory tells them apart.
func Distinguish(trees []*Tree) {
	count := map[string]int{}
	for _, t := range trees {
		count[t.host]++
	}
	for _, t := range trees {
		if count[t.host] > 1 {
			t.host += " (" + t.dir + ")"
		}
	}
}

func (t *Tree) name() string {
	data, _ := t.Read("/etc/hostname")
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return line
		}
	}
	return path.Base(t.dir)
}

// UID is the id of a user of the host. The error says that the tree does not tell.
func (t *Tree) UID(name string) (uint32, error) {
	if name == "root" {
		return 0, nil
	}
	data, err := t.Read("/etc/passwd")
	if err != nil {
		return 0, fmt.Errorf("which user %s is, the tree does not tell: %w", filters.Show(name), err)
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Split(line, ":"); len(fields) > 3 && fields[0] == name {
			id, err := strconv.ParseUint(fields[2], 10, 32)
			return uint32(id), err
		}
	}
	return 0, fmt.Errorf("/etc/passwd of the tree has no user %s", filters.Show(name))
}

// Glob lists the paths on the host that a pattern of path.Match matches; one that is no
// pattern is listed whether or not it is there.
func (t *Tree) Glob(pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, `*?[\`) {
		return []string{"/" + inside(pattern)}, nil
	}
	names, err := fs.Glob(t.root.FS(), inside(pattern))
	if err != nil {
		return nil, fmt.Errorf("%q is not a pattern for paths: %w", pattern, err)
	}
	for i, name := range names {
		names[i] = "/" + name
	}
	return names, nil
}

// inside is a path of the host as one from the root of the tree.
func inside(p string) string {
	if p = path.Clean("/" + p); p == "/" {
		return "."
	}
	return p[1:]
}

// Read reads a regular file, of at most trust.MaxSize bytes.
func (t *Tree) Read(p string) ([]byte, error) {
	f, err := t.root.OpenFile(inside(p), os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may be a FIFO
	if err != nil {
		return nil, t.failure(p, err)
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, t.failure(p, err)
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("cannot read %s: %w", filters.Show(t.dir+p), trust.ErrNotRegular)
	case st.Size() > trust.MaxSize:
		return nil, fmt.Errorf("cannot read %s: it is longer than %d bytes", filters.Show(t.dir+p), trust.MaxSize)
	}
	return io.ReadAll(io.LimitReader(f, trust.MaxSize))
}

// Names lists a directory, sorted.
func (t *Tree) Names(dir string) ([]string, error) {
	f, err := t.root.Open(inside(dir))
	if err != nil {
		return nil, t.failure(dir, err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, t.failure(dir, err)
	}
	slices.Sort(names)
	return names, nil
}

// Stat is what is known of a file.
func (t *Tree) Stat(p string) (fs.FileInfo, error) {
	st, err := t.root.Stat(inside(p))
	if err != nil {
		return nil, t.failure(p, err)
	}
	return st, nil
}

// Leads is where a path leads on the host, as far as the tree has its links: what is not
// in the tree counts as no link.
func (t *Tree) Leads(p string) string {
	at, rest := "/", strings.Split(p, "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if at = path.Join(at, name); name == "" || name == "." || name == ".." {
			continue
		}
		to, err := t.root.Readlink(inside(at))
		if err != nil {
			continue
		}
		if links++; links > 40 { // as in the kernel
			return p
		}
		if at = path.Dir(at); path.IsAbs(to) {
			at = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return at
}

// failure says what cannot be read, and of a link that leads out what to do.
func (t *Tree) failure(p string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	if strings.HasSuffix(err.Error(), "path escapes from parent") { // of package os, which has no name for it
		err = errors.New("a link leads out of the tree: collect the tree with its links followed (tar -h, rsync -L)")
	}
	return fmt.Errorf("cannot read %s: %w", filters.Show(t.dir+p), err)
}

// Load reads the configuration at config, a path on the host, and the filters it names.
// The error is that of policy.Load, but for who has written what.
func (t *Tree) Load(config string, parse policy.Parser) (*policy.Policy, error) {
	config = "/" + inside(config)
	conf, err := t.document(config, document.Strict, parse)
	if err != nil {
		return nil, err
	}
	c := copied.Policy{Path: config, Conf: conf}
	var notes []policy.Note
	for _, dir := range filtersPath(conf) {
		more, err := t.overlay(&c, policy.OverlayDir(dir), parse)
		if err != nil {
			return nil, err
		}
		notes = append(notes, more...)
	}
	for _, dir := range filtersPath(conf) {
		more, err := t.files(&c, dir, parse)
		if err != nil {
			return nil, err
		}
		notes = append(notes, more...)
	}
	p, err := policy.Assemble(c)
	if err != nil {
		return nil, err
	}
	p.Notes = append(p.Notes, notes...)
	return p, nil
}

func (t *Tree) document(p string, mode document.Mode, parse policy.Parser) (*document.Document, error) {
	data, err := t.Read(p)
	if err != nil {
		return nil, err
	}
	return parse(p, data, mode)
}

// filtersPath are the directories of filters; Assemble has the word about what is no
// directory.
func filtersPath(conf *document.Document) (dirs []string) {
	for _, e := range conf.Defaults {
		if e.Key == "filters_path" {
			dirs = filters.Fields(e.Value)
		}
	}
	return dirs
}

// files adds the *.filters files of a directory, and notes what is passed over.
func (t *Tree) files(c *copied.Policy, dir string, parse policy.Parser) (notes []policy.Note, err error) {
	names, err := t.Names(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return []policy.Note{{Path: c.Path, Text: fmt.Sprintf("filters_path: %s does not exist", filters.Show(dir))}}, nil
	}
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		p := strings.TrimRight(dir, "/") + "/" + name
		if strings.HasPrefix(name, ".") || p == policy.OverlayDir(dir) {
			continue
		}
		if !strings.HasSuffix(name, ".filters") {
			notes = append(notes, policy.Note{Path: p, Text: "not read: its name does not end in .filters"})
			continue
		}
		file, err := t.document(p, document.Lenient, parse)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			notes = append(notes, policy.Note{Path: p, Text: "not read: it leads to a file that is not in the tree"})
		case errors.Is(err, trust.ErrNotRegular):
			notes = append(notes, policy.Note{Path: p, Text: "not read: it is not a regular file"})
		case err != nil:
			return nil, err
		default:
			c.Files = append(c.Files, copied.File{Path: p, Document: file})
		}
	}
	return notes, nil
}

// overlay adds the files of policy.OverlayDir, and notes what is passed over.
func (t *Tree) overlay(c *copied.Policy, dir string, parse policy.Parser) (notes []policy.Note, err error) {
	names, err := t.Names(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range names {
		p := dir + "/" + name
		if !policy.InOverlay(name) {
			notes = append(notes, policy.Note{Path: p, Text: "not read: its name does not end in .sandbox"})
			continue
		}
		file, err := t.document(p, document.Strict, parse)
		if err != nil {
			return nil, err
		}
		c.Overlay = append(c.Overlay, copied.File{Path: p, Document: file})
	}
	return notes, nil
}

// Find finds a program as the host would. What cannot be looked at, such as a link that
// leads out of the tree, counts as one.
func (t *Tree) Find(name string, dirs []string) (program.Program, error) {
	places := []string{name}
	if !strings.HasPrefix(name, "/") {
		places = nil
		for _, dir := range dirs {
			places = append(places, dir+"/"+name)
		}
	}
	for _, p := range places {
		st, err := t.root.Stat(inside(p))
		if err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return program.Program{Path: p}, nil
		}
	}
	return program.Program{}, program.ErrNotFound
}
