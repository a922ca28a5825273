package lint

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/program"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/exposure"
)

// Facts is what the rules ask of the machine besides its files: what a test cannot
// have at will.
type Facts interface {
	// NetworkFileSystem names the file system that path is on ("nfs") if it comes
	// from another machine; else it is "".
	NetworkFileSystem(path string) (string, error)
	// Seccomp looks at the profile that the sandbox of a filter names.
	Seccomp(s *policy.Sandbox) Profile
	// Allows tells whether a seccomp profile lets a system call pass; the error, why
	// the profile cannot be read.
	Allows(profile string, call exposure.Syscall) (bool, error)
	// AppArmor are the profiles that the kernel has, with their modes; nil where that is
	// not known.
	AppArmor() map[string]string
	// Sudoers is what sudo allows on this machine; nil where it is not looked at.
	Sudoers() *Sudoers
	// Accepted are the risks that somebody has accepted; nil for none.
	Accepted() *accepted.List
}

// Profile is what there is to know of a seccomp profile.
type Profile struct {
	Err     error    // why no command can run under it; the rest is then empty
	Foreign []string // other architectures that it lets make system calls
	// Idle are capabilities of the sandbox of which the profile refuses every
	// system call that they are for.
	Idle []Idle
	// Other tells that the program was compiled for other capabilities than the
	// sandbox has, and differs for it.
	Other bool
}

// Idle is a capability, and the system calls that it is for.
type Idle struct {
	Capability string
	Calls      []string
}

// config is one rootwrap.conf with all it leads to, as the rules see it.
type config struct {
	host
	path     string
	policy   *policy.Policy // as the executor has it; nil where it refuses
	refusal  error
	written  *file // rootwrap.conf
	conf     *file // the same; nil where nothing can be made of it
	dirs     []string
	files    []*file   // the *.filters files, in the order in which they are read
	overlay  []*file   // the files of policy.OverlayDir, likewise
	others   []string  // what lies beside them and is not read
	nofiles  []string  // what is named so and is no file
	filters  []*filter // in the order in which they are asked
	skipped  []*filter // lines of which no filter could be made
	machine  *machine.Machine
	facts    Facts
	given    map[*filter][]given // what gives has been asked
	meanings map[string]*meaning // by pattern
	places   map[[2]string]found // by name and user
	prefixes map[string]bool     // by user: see chains
	nearby   *nearness
	powersOf *exposure.Machine // see exposed
	checked  []string          // the configurations that are checked with this one
	sudo     *sudo             // what beside has said
	asked    bool              // and whether it was asked
}

// found is where a program lies.
type found struct {
	program program.Program
	err     error
}

// find looks for a filter's program, once.
func (c *config) find(f *filter) (program.Program, error) {
	key := [2]string{f.Exec(), f.RunAs()}
	known, ok := c.places[key]
	if !ok {
		known.program, known.err = c.machine.Find(f.Exec(), f.RunAs())
		c.places[key] = known
	}
	return known.program, known.err
}

// filter is one line of section [Filters].
type filter struct {
	policy.Entry
	host   host
	file   *file   // nil for the implicit filter
	fields []field // class, program, user and so on
	value  string  // the definition, as the file has it
	err    error   // why no filter could be made of it
	means  []*meaning
	cells  []exposure.Cell // see config.cells

	assessed bool
}

// at points at field i of a filter, or at its line where it has not that many.
func (f *filter) at(i int, message, hint string) Finding {
	p := f.file.whole(f.Line)
	if i >= 0 && i < len(f.fields) {
		p = f.fields[i].place
	}
	return f.file.at(p, message, hint)
}

// rest are the fields after the first n, nil where there are none.
func (f *filter) rest(n int) []field {
	if len(f.fields) <= n {
		return nil
	}
	return f.fields[n:]
}

// where is how a finding about another filter names this one.
func (f *filter) where() string {
	if f.file == nil {
		return "the implicit filter " + f.Name
	}
	return "filter " + quote(f.Name) + " (" + position(f.file.path, f.Line) + ")"
}

// read takes a configuration in. The executor's own Load has the word; what it
// refuses is read once more, without looking at who can have written it, so that
// one fault does not hide all others.
func read(t Target, facts Facts) *config {
	c := &config{host: host{t.Tree}, path: t.Path, facts: facts, meanings: map[string]*meaning{}, places: map[[2]string]found{}, prefixes: map[string]bool{}}
	c.policy, c.machine, c.refusal = c.load(t.Path)
	c.written = c.readFile(t.Path, document.Strict)
	if c.written.ini == nil {
		return c
	}
	c.conf = c.written
	for _, e := range c.conf.ini.Defaults {
		if e.Key == "filters_path" {
			c.dirs = filters.Fields(e.Value)
		}
	}
	for _, dir := range c.dirs {
		c.readDir(strings.TrimRight(dir, "/"))
	}
	for _, dir := range c.dirs {
		c.readOverlay(policy.OverlayDir(dir))
	}
	if c.policy != nil {
		c.take(c.policy.Filters)
	}
	return c
}

func (c *config) readOverlay(dir string) {
	if !filepath.IsAbs(dir) {
		return
	}
	for _, name := range c.names(dir) {
		switch path := dir + "/" + name; {
		case strings.HasPrefix(name, "."):
		case !policy.InOverlay(name):
			c.others = append(c.others, path)
		default:
			c.overlay = append(c.overlay, c.readFile(path, document.Strict))
		}
	}
}

// added are all files but rootwrap.conf.
func (c *config) added() []*file { return slices.Concat(c.files, c.overlay) }

func (c *config) readDir(dir string) {
	if !filepath.IsAbs(dir) {
		return
	}
	for _, name := range c.names(dir) {
		path := dir + "/" + name
		switch {
		case strings.HasPrefix(name, "."), path == policy.OverlayDir(dir):
		case !strings.HasSuffix(name, ".filters"):
			c.others = append(c.others, path)
		case !c.regular(path):
			c.nofiles = append(c.nofiles, path)
		default:
			f := c.readFile(path, document.Lenient)
			c.files = append(c.files, f)
			c.readFilters(f)
		}
	}
}

// regular tells whether path leads to a file, or to what cannot be looked at.
func (h host) regular(path string) bool {
	st, err := h.stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return err != nil || st.Mode().IsRegular()
}

func (c *config) readFilters(f *file) {
	if f.ini == nil {
		return
	}
	items, _ := f.ini.Items("Filters")
	for _, item := range items {
		made, err := filters.New(item.Value)
		line := &filter{host: c.host, file: f, fields: f.fields(item), value: item.Value, err: err}
		line.Entry = policy.Entry{Filter: made, Name: item.Key, Class: line.fields[0].text, File: f.path, Line: item.Line}
		if err != nil {
			c.skipped = append(c.skipped, line)
			continue
		}
		c.filters = append(c.filters, line)
	}
}

// take puts the executor's own filters, with their sandboxes, in the place of what
// was read here, and adds the implicit one.
func (c *config) take(entries []policy.Entry) {
	for _, e := range entries {
		i := slices.IndexFunc(c.filters, func(f *filter) bool { return f.File == e.File && f.Name == e.Name })
		if i >= 0 {
			c.filters[i].Entry = e
		} else if e.File == "" {
			c.filters = append(c.filters, &filter{Entry: e, host: c.host})
		}
	}
}

// rank orders files: rootwrap.conf, then the filters files as they are read.
func (c *config) rank(path string) int {
	if path == c.path {
		return -1
	}
	all := c.added()
	i := slices.IndexFunc(all, func(f *file) bool { return f.path == path })
	if i < 0 {
		return len(all)
	}
	return i
}

// key returns where a key of [DEFAULT] stands in rootwrap.conf, with its value.
func (c *config) key(name string) (document.Entry, bool) {
	if c.conf == nil {
		return document.Entry{}, false
	}
	for _, e := range c.conf.ini.Defaults {
		if e.Key == name {
			return e, true
		}
	}
	return document.Entry{}, false
}

// fileAt makes a finding about a file as a whole.
func fileAt(path, message, hint string) Finding {
	return Finding{Path: path, Message: message, Hint: hint}
}

// errorAt makes a finding of an error that begins with its place.
func (c *config) errorAt(err error) Finding {
	var syntax *inifile.Error
	if errors.As(err, &syntax) {
		f := fileAt(syntax.Path, syntax.Why, "")
		f.Line = syntax.Line
		c.cite(&f)
		return f
	}
	f := fileAt(c.path, err.Error(), "")
	f.Path, f.Line, f.Message = c.splitPlace(err.Error(), c.path)
	c.cite(&f)
	return f
}

// cite adds the line that a finding speaks of, if its file was read.
func (c *config) cite(f *Finding) {
	for _, read := range append([]*file{c.written}, c.added()...) {
		if read.path == f.Path && f.Line > 0 {
			p := read.whole(f.Line)
			f.Column, f.Width, f.Cited = p.column, p.width, read.line(f.Line)
		}
	}
}
