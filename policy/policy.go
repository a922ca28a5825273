// Package policy reads rootwrap.conf and its filter files, and decides about
// commands. Load and Decide are the only reader and the only decision engine:
// the executor, the daemon and ironwrapctl all call them.
package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"ironwrap/filters"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
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
}

// Entry is one filter with where it stands.
type Entry struct {
	filters.Filter
	Name, Class string
	File        string // empty for the implicit filter
	Line        int
	Sandbox     *Sandbox // nil for none
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
func Load(path string, level trust.Level) (*Policy, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%s: the path of the configuration must be absolute", filters.Show(path))
	}
	p := &Policy{Path: path, Sources: []string{path}}
	file, err := read(path, level, inifile.Strict)
	if err != nil {
		return nil, err
	}
	if p.Config, p.Notes, err = parseConfig(path, file); err != nil {
		return nil, err
	}
	if p.sandboxes, err = readSandboxes(path, file); err != nil {
		return nil, err
	}
	if p.StrictPaths && level < trust.Ancestors {
		level = trust.Ancestors
		if _, err := trust.File(path, level); err != nil {
			return nil, at(path, err)
		}
	}
	p.Trust = level
	p.Sources = append(append(p.Sources, p.FiltersPath...), p.ExecDirs...)
	if err := p.checkExecDirs(level); err != nil {
		return nil, err
	}
	if err := p.loadFilters(level); err != nil {
		return nil, err
	}
	if !p.NoPrivsep {
		if err := p.addPrivsep(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// read opens one file, checks who can have written it, and parses it.
func read(path string, level trust.Level, mode inifile.Mode) (*document.Document, error) {
	data, err := trust.File(path, level)
	if err != nil {
		return nil, at(path, err)
	}
	return inifile.Parse(path, data, mode)
}

// at puts the path before an error that does not begin with it.
func at(path string, err error) error {
	return fmt.Errorf("%s: %w", filters.Show(path), err)
}

// checkExecDirs leaves in ExecDirs the directories that exist and that nobody but root
// can write to, or put another one in the place of: the command searches its PATH long
// after this check. What is left out is not in PATH either, so that passing over it is
// as safe as refusing to run anything, in every mode.
func (p *Policy) checkExecDirs(level trust.Level) error {
	var present []string
	for _, dir := range p.ExecDirs {
		d, err := trust.Dir(dir, max(level, trust.Fixed))
		switch {
		case err == nil:
			d.Close()
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

// loadFilters reads the directories of filters_path. One that does not exist has no
// filters; where none exists the implicit filter is left, as for the peer. Who can make
// one gains nothing: it is not root's then.
func (p *Policy) loadFilters(level trust.Level) error {
	for _, dir := range p.FiltersPath {
		d, err := trust.Dir(dir, level)
		if errors.Is(err, fs.ErrNotExist) {
			p.note(p.Path, p.filtersPathLine, "filters_path: %s does not exist", filters.Show(dir))
			continue
		}
		if err != nil {
			return fmt.Errorf("%s:%d: filters_path: %w", filters.Show(p.Path), p.filtersPathLine, err)
		}
		err = p.loadDir(d, dir, level)
		d.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// loadDir reads the *.filters files of one directory, in the order of their names.
func (p *Policy) loadDir(d *trust.Directory, dir string, level trust.Level) error {
	names, err := d.Names()
	if err != nil {
		return at(dir, err)
	}
	for _, name := range names {
		path := dir + "/" + name
		if strings.HasPrefix(name, ".") {
			continue
		}
		if !strings.HasSuffix(name, ".filters") {
			p.note(path, 0, "not read: its name does not end in .filters")
			continue
		}
		p.Sources = append(p.Sources, path)
		data, err := d.File(name)
		if errors.Is(err, fs.ErrNotExist) && d.Absent(name) {
			p.note(path, 0, "not read: it leads to a file that does not exist")
			continue
		}
		if errors.Is(err, trust.ErrNotRegular) {
			p.note(path, 0, "not read: %v", err)
			continue
		}
		if err != nil {
			return at(path, err)
		}
		file, err := inifile.Parse(path, data, inifile.Lenient)
		if err != nil {
			return err
		}
		if err := p.addFile(path, file); err != nil {
			return err
		}
	}
	return nil
}

// addFile adds the filters of one file.
func (p *Policy) addFile(path string, file *document.Document) error {
	items, ok := file.Items("Filters")
	if !ok {
		p.note(path, 0, "no section [Filters]")
	}
	var entries []Entry
	for _, item := range items {
		f, err := filters.New(item.Value)
		if err != nil {
			p.Notes = append(p.Notes, Note{path, item.Line,
				fmt.Sprintf("skipping filter %s: %v", filters.Show(item.Key), err), true})
			continue
		}
		class, _, _ := strings.Cut(item.Value, ",")
		entries = append(entries, Entry{Filter: f, Name: item.Key, Class: strings.TrimSpace(class), File: path, Line: item.Line})
	}
	if err := p.addSandboxes(path, file, entries); err != nil {
		return err
	}
	p.Filters = append(p.Filters, entries...)
	return nil
}

// addPrivsep adds the implicit filter. It has the defaults of [Sandbox], as every
// filter.
func (p *Policy) addPrivsep() error {
	config := filepath.Dir(p.Path)
	if p.StrictPaths {
		config = ""
	}
	known := append(append([]string(nil), privsepContexts...), p.PrivsepContexts...)
	sandbox, err := p.sandboxes.of(p.Path, nil)
	if err != nil {
		return err
	}
	p.Filters = append(p.Filters, Entry{Filter: filters.Privsep(known, config), Name: "privsep-helper", Class: "CommandFilter", Sandbox: sandbox})
	return nil
}

func (p *Policy) note(path string, line int, format string, args ...any) {
	p.Notes = append(p.Notes, Note{Path: path, Line: line, Text: fmt.Sprintf(format, args...)})
}
