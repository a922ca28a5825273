// Package policy reads rootwrap.conf and its filter files, and decides about
// commands. Load and Decide are the only reader and the only decision engine:
// the executor, the daemon and ironwrapctl all call them.
package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"ironwrap/filters"
	"ironwrap/policy/compiled"
	"ironwrap/policy/document"
	"ironwrap/policy/trust"
)

// Policy is one rootwrap.conf with all filters it leads to.
type Policy struct {
	Config
	Path    string      // of rootwrap.conf
	Filters []Entry     // in the order in which they are asked
	Notes   []Note      // what was tolerated
	Trust   trust.Level // how far up the path of a file ownership was demanded
	Sources []string    // the files and directories that it depends on, existing or not

	NotSearched []error // why directories of exec_dirs are passed over

	sandboxes sandboxes
	contexts  *contexts

	words  map[string][]int // places in Filters, by filters.Names; nil: look at all
	others []int            // those that must be asked whatever is called
}

// Entry is one filter with where it stands.
type Entry struct {
	filters.Filter
	Name, Class string
	File        string // empty for the implicit filter
	Line        int
	Sandbox     *Sandbox // nil for none
	Overlaid    []string // where OverlayDir adds to it, PATH:LINE of the sections
	Own         bool     // the filter has a section of its own: Sandbox is not the defaults alone

	contexts *contexts // of the policy
}

// Note is something in the configuration that was passed over.
type Note struct {
	Path    string
	Line    int // 0 for the whole file
	Text    string
	Warning bool // the peer warns of it too, for every command
}

func (n Note) String() string {
	if n.Line == 0 {
		return n.Path + ": " + n.Text
	}
	return fmt.Sprintf("%s:%d: %s", n.Path, n.Line, n.Text)
}

// Load reads rootwrap.conf at path (absolute) and the filters it names. Each
// file and directory must be such that nobody but root can have written it; up
// to the root directory for trust.Ancestors. The error is one line that begins
// with the path of the file at fault.
func Load(path string, level trust.Level, parse Parser) (*Policy, error) {
	p, _, err := Read(path, level, parse)
	if err != nil {
		return nil, err
	}
	p.index()
	return p, nil
}

// Parser reads an INI document: inifile.Parse. What only obeys what was read before
// does without.
type Parser func(path string, data []byte, mode document.Mode) (*document.Document, error)

// Read is Load. It returns besides what the policy is compiled from.
func Read(path string, level trust.Level, parse Parser) (*Policy, *compiled.Policy, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, nil, fmt.Errorf("%s: the path of the configuration must be absolute", filters.Show(path))
	}
	data, identity, err := trust.Read(path, level)
	if err != nil {
		return nil, nil, at(path, err)
	}
	conf, err := parse(path, data, document.Strict)
	if err != nil {
		return nil, nil, err
	}
	r := reader{parse: parse, text: compiled.Policy{Build: compiled.Build, Path: path, Conf: conf}}
	r.source(compiled.Conf, path, identity)
	if r.p, err = begin(path, conf, level); err != nil {
		return nil, nil, err
	}
	if r.p.Trust > level {
		if _, err := trust.File(path, r.p.Trust); err != nil {
			return nil, nil, at(path, err)
		}
	}
	if err := r.overlay(); err != nil {
		return nil, nil, err
	}
	road := new(trust.Road)
	err = r.p.checkExecDirs(road)
	road.Close()
	if err != nil {
		return nil, nil, err
	}
	if err := r.filters(); err != nil {
		return nil, nil, err
	}
	if err := r.over.unused(!r.p.NoPrivsep); err != nil {
		return nil, nil, err
	}
	if err := r.p.addPrivsep(); err != nil {
		return nil, nil, err
	}
	return r.p, &r.text, nil
}

// begin makes a policy without filters of rootwrap.conf.
func begin(path string, conf *document.Document, level trust.Level) (p *Policy, err error) {
	p = &Policy{Path: path, Sources: []string{path}, Trust: level}
	if p.Config, p.Notes, err = parseConfig(path, conf); err != nil {
		return nil, err
	}
	if err := p.confine(conf); err != nil {
		return nil, err
	}
	if p.StrictPaths {
		p.Trust = max(level, trust.Ancestors)
	}
	p.Sources = append(append(p.Sources, p.FiltersPath...), p.ExecDirs...)
	return p, nil
}

// confine takes the sandbox sections of rootwrap.conf.
func (p *Policy) confine(conf *document.Document) (err error) {
	if p.sandboxes, err = readSandboxes(p.Path, conf); err != nil {
		return err
	}
	p.contexts, err = readContexts(&p.sandboxes, conf, p.Config)
	return err
}

// at puts the path before an error that does not begin with it.
func at(path string, err error) error {
	return fmt.Errorf("%s: %w", filters.Show(path), err)
}

// checkExecDirs leaves in ExecDirs the directories that exist and that nobody but root
// can write to, or put another one in the place of: the command searches its PATH long
// after this check. What is left out is not in PATH either, so that passing over it is
// as safe as refusing to run anything, in every mode.
func (p *Policy) checkExecDirs(road *trust.Road) error {
	var present []string
	for _, dir := range p.ExecDirs {
		err := road.Enter(dir, max(p.Trust, trust.Fixed))
		switch {
		case err == nil:
			present = append(present, dir)
		case errors.Is(err, fs.ErrNotExist):
			p.note(p.Path, p.execDirsLine, "exec_dirs: %s does not exist", filters.Show(dir))
		case errors.Is(err, trust.ErrUntrusted), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
			err = fmt.Errorf("%s is not searched: %w", filters.Show(dir), err)
			p.NotSearched = append(p.NotSearched, err)
			p.note(p.Path, p.execDirsLine, "exec_dirs: %v", err)
		default: // such as EMFILE: of this moment, not of the directory
			return fmt.Errorf("%s:%d: exec_dirs: %w", filters.Show(p.Path), p.execDirsLine, err)
		}
	}
	p.ExecDirs = present
	return nil
}

// reader reads the files of a policy, and writes down what they are compiled from.
type reader struct {
	parse Parser
	p     *Policy
	over  overlay
	text  compiled.Policy
}

func (r *reader) source(kind compiled.Kind, path string, id trust.Identity) {
	r.text.Sources = append(r.text.Sources, compiled.Source{Kind: kind, Path: path, Identity: id})
}

// passing says that the policy depends on something that has no identity.
func (r *reader) passing(path string) {
	r.text.Passing = fmt.Sprintf("%s leads to no file, and nothing tells when that changes", filters.Show(path))
}

// filters reads the directories of filters_path. One that does not exist has no
// filters; where none exists the implicit filter is left, as for the peer. Who can make
// one gains nothing: it is not root's then.
func (r *reader) filters() error {
	p := r.p
	for _, dir := range p.FiltersPath {
		d, err := trust.Dir(dir, p.Trust)
		if errors.Is(err, fs.ErrNotExist) {
			p.note(p.Path, p.filtersPathLine, "filters_path: %s does not exist", filters.Show(dir))
			r.source(compiled.Absent, dir, trust.Identity{})
			continue
		}
		if err != nil {
			return fmt.Errorf("%s:%d: filters_path: %w", filters.Show(p.Path), p.filtersPathLine, err)
		}
		r.source(compiled.Dir, dir, d.Identity())
		err = r.dir(d, dir)
		d.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// dir reads the *.filters files of one directory, in the order of their names.
func (r *reader) dir(d *trust.Directory, dir string) error {
	p := r.p
	names, err := d.Names()
	if err != nil {
		return at(dir, err)
	}
	for _, name := range names {
		path := dir + "/" + name
		if strings.HasPrefix(name, ".") || name == overlayName {
			continue
		}
		if !strings.HasSuffix(name, ".filters") {
			p.note(path, 0, "not read: its name does not end in .filters")
			continue
		}
		p.Sources = append(p.Sources, path)
		data, identity, err := d.Read(name)
		if errors.Is(err, fs.ErrNotExist) && d.Absent(name) {
			p.note(path, 0, "not read: it leads to a file that does not exist")
			r.passing(path)
			continue
		}
		if errors.Is(err, trust.ErrNotRegular) {
			p.note(path, 0, "not read: %v", err)
			r.passing(path)
			continue
		}
		if err != nil {
			return at(path, err)
		}
		file, err := r.parse(path, data, document.Lenient)
		if err != nil {
			return err
		}
		r.source(compiled.File, name, identity)
		if err := r.file(path, file); err != nil {
			return err
		}
	}
	return nil
}

// file adds the filters of one file.
func (r *reader) file(path string, file *document.Document) error {
	items, ok := file.Items("Filters")
	if !ok {
		r.p.note(path, 0, "no section [Filters]")
	}
	made, names := make([]filters.Filter, len(items)), make(map[string]bool, len(items))
	r.text.Lines = slices.Grow(r.text.Lines, len(items))
	r.p.Filters = slices.Grow(r.p.Filters, len(items))
	for i, item := range items {
		if made[i] = r.p.filter(path, item); made[i] != nil {
			names[item.Key] = true
		}
	}
	own, err := ownSandboxes(path, file, names)
	if err != nil {
		return err
	}
	for i, item := range items {
		line := compiled.Line{Entry: item, Source: len(r.text.Sources) - 1, Own: own[item.Key]}
		if made[i] == nil {
			line.Always = true // a warning is due at each call
		} else {
			line.Added = r.over.section(item.Key)
			line.Words, line.Always = filters.Names(made[i])
			line.Prefix = filters.Prefix(made[i])
			if err := r.p.add(path, line, made[i]); err != nil {
				return err
			}
		}
		r.text.Lines = append(r.text.Lines, line)
	}
	return nil
}

// filter makes the filter of one line; nil, with a warning, where none can be made.
func (p *Policy) filter(path string, line document.Entry) filters.Filter {
	f, err := filters.New(line.Value)
	if err != nil {
		p.Notes = append(p.Notes, Note{path, line.Line, fmt.Sprintf("skipping filter %s: %v", filters.Show(line.Key), err), true})
		return nil
	}
	return f
}

// add adds a filter, with its sandbox.
func (p *Policy) add(path string, l compiled.Line, f filters.Filter) error {
	sandbox, err := p.sandboxes.of(path, l.Own, l.Added)
	if err != nil {
		return err
	}
	class, _, _ := strings.Cut(l.Value, ",")
	p.Filters = append(p.Filters, Entry{Filter: f, Name: l.Key, Class: strings.TrimSpace(class), File: path, Line: l.Line, Sandbox: sandbox, Own: l.Own != nil || l.Added != nil, Overlaid: overlaid(l.Added), contexts: p.contexts})
	return nil
}

// addPrivsep adds the implicit filter. It has the defaults of [Sandbox], as every
// filter.
func (p *Policy) addPrivsep() error {
	if p.NoPrivsep {
		return nil
	}
	config := path.Dir(p.Path)
	if p.StrictPaths {
		config = ""
	}
	sandbox, err := p.sandboxes.of(p.Path, nil, nil)
	if err != nil {
		return err
	}
	p.Filters = append(p.Filters, Entry{Filter: filters.Privsep(p.Contexts, config), Name: "privsep-helper", Class: "CommandFilter", Sandbox: sandbox, contexts: p.contexts})
	return nil
}

func (p *Policy) note(path string, line int, format string, args ...any) {
	p.Notes = append(p.Notes, Note{Path: path, Line: line, Text: fmt.Sprintf(format, args...)})
}
