package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/compiled"
	"ironwrap/policy/document"
	"ironwrap/policy/trust"
)

// overlayName is the directory in each of filters_path whose *.sandbox files add sections
// to rootwrap.conf and to the filters files, which often are a distribution's. It need not
// exist. It does not lie beside rootwrap.conf: a caller who may name another path of that
// file, a link of root's or a copy, would be rid of the sections.
const overlayName = "sandbox.d"

// OverlayDir is that directory, of one of filters_path.
func OverlayDir(filters string) string { return strings.TrimRight(filters, "/") + "/" + overlayName }

// overlay is what the files of all OverlayDir say. Each section has its Path.
type overlay struct {
	conf []*document.Section            // of rootwrap.conf
	own  map[string][]*document.Section // of filters, by their names in lower case
	used map[string]bool                // whether there is such a filter
}

// overlay reads the files of each OverlayDir, in the order of their names.
func (r *reader) overlay() error {
	for _, dir := range r.p.FiltersPath {
		// What is wrong with the directory itself is said first.
		d, err := trust.Dir(dir, r.p.Trust)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s:%d: filters_path: %w", filters.Show(r.p.Path), r.p.filtersPathLine, err)
		}
		names, err := d.Names()
		d.Close()
		if err != nil {
			return at(dir, err)
		}
		if err := r.overlayDir(OverlayDir(dir), slices.Contains(names, overlayName)); err != nil {
			return err
		}
	}
	return r.confine()
}

// overlayDir reads one of them. A link that leads nowhere, where there is one, is an error:
// what was to be confined is not.
func (r *reader) overlayDir(dir string, there bool) error {
	p := r.p
	p.Sources = append(p.Sources, dir)
	d, err := trust.Dir(dir, p.Trust)
	if errors.Is(err, fs.ErrNotExist) && !there {
		r.source(compiled.Absent, dir, trust.Identity{})
		return nil
	}
	if err != nil {
		return at(dir, err)
	}
	defer d.Close()
	r.source(compiled.Dir, dir, d.Identity())
	names, err := d.Names()
	if err != nil {
		return at(dir, err)
	}
	for _, name := range names {
		file := dir + "/" + name
		if !InOverlay(name) {
			p.note(file, 0, "not read: its name does not end in .sandbox")
			continue
		}
		p.Sources = append(p.Sources, file)
		// A link that leads nowhere is an error: what it was to confine is not confined.
		data, identity, err := d.Read(name)
		if err != nil {
			return at(file, err)
		}
		doc, err := r.parse(file, data, document.Strict)
		if err != nil {
			return err
		}
		r.source(compiled.File, name, identity)
		if err := r.over.add(file, doc); err != nil {
			return err
		}
	}
	return nil
}

// confine takes the sections of rootwrap.conf, with those that are added.
func (r *reader) confine() (err error) {
	if len(r.over.conf) == 0 {
		return nil
	}
	if r.text.Conf, err = r.over.onto(r.text.Conf); err != nil {
		return err
	}
	return r.p.confine(r.text.Conf)
}

// InOverlay tells the names of files that are read.
func InOverlay(name string) bool {
	return strings.HasSuffix(name, ".sandbox") && !strings.HasPrefix(name, ".")
}

// add takes the sections of one file.
func (o *overlay) add(path string, file *document.Document) error {
	if len(file.Defaults) > 0 {
		return fmt.Errorf("%s:%d: section [DEFAULT] belongs into rootwrap.conf", filters.Show(path), file.Defaults[0].Line)
	}
	for _, s := range file.Sections {
		if !isSandbox(s.Name) {
			return fmt.Errorf("%s:%d: section [%s] is neither [Sandbox:NAME], nor [Privsep:CONTEXT], nor [Profile:NAME], nor [Sandbox]", filters.Show(path), s.Line, filters.Untrusted(s.Name))
		}
		s.Path = path
		name, ofFilter := strings.CutPrefix(s.Name, "Sandbox:")
		if !ofFilter {
			o.conf = append(o.conf, s)
			continue
		}
		if o.own == nil {
			o.own, o.used = map[string][]*document.Section{}, map[string]bool{}
		}
		name = strings.ToLower(name)
		o.own[name] = append(o.own[name], s)
	}
	return nil
}

// onto returns rootwrap.conf with the sections that are added to it. One that is there
// already is an error: it would not be seen that the other says something else.
func (o *overlay) onto(conf *document.Document) (*document.Document, error) {
	all := &document.Document{Defaults: conf.Defaults, Sections: slices.Clone(conf.Sections)}
	for _, s := range o.conf {
		i := slices.IndexFunc(all.Sections, func(other *document.Section) bool { return other.Name == s.Name })
		if i >= 0 {
			return nil, fmt.Errorf("%s:%d: section [%s] is in rootwrap.conf or in another file here, too: keep one of them",
				filters.Show(s.Path), s.Line, filters.Untrusted(s.Name))
		}
		all.Sections = append(all.Sections, s)
	}
	return all, nil
}

// section returns what is added to the section of a filter.
func (o *overlay) section(name string) []*document.Section {
	added := o.own[name]
	if added != nil {
		o.used[name] = true
	}
	return added
}

// unused returns an error where a section is for a filter that is not there, or, with
// implicit, for the name of the filter behind all others, which it does not confine: it was
// meant to confine something.
func (o *overlay) unused(implicit bool) error {
	if list := o.own[helperName]; implicit && list != nil {
		s := list[0]
		return fmt.Errorf("%s:%d: section [%s] does not hold for the filter of that name that is built in: write sections [Privsep:CONTEXT], or set privsep_contexts = none",
			filters.Show(s.Path), s.Line, filters.Untrusted(s.Name))
	}
	var list []string
	for name, sections := range o.own {
		if s := sections[0]; !o.used[name] {
			list = append(list, fmt.Sprintf("%s:%d: section [%s]", filters.Show(s.Path), s.Line, filters.Untrusted(s.Name)))
		}
	}
	if list == nil {
		return nil
	}
	return fmt.Errorf("%s: no file of filters_path has a filter of that name: remove the section, or correct the name", slices.Min(list))
}

// overlaid is where sections stand.
func overlaid(added []*document.Section) (list []string) {
	for _, s := range added {
		list = append(list, fmt.Sprintf("%s:%d", filters.Untrusted(s.Path), s.Line))
	}
	return list
}
