package policy

import (
	"ironwrap/policy/compiled"
	"ironwrap/policy/internal/copied"
	"ironwrap/policy/trust"
)

// Assemble makes a policy of copies of its files, for reviews of other machines' policies:
// nobody has looked at who can have written them, and all of exec_dirs is taken for there.
// No program that executes something can call it, see package copied. The error is that of
// Load.
func Assemble(c copied.Policy) (*Policy, error) {
	p, err := begin(c.Path, c.Conf, trust.Object)
	if err != nil {
		return nil, err
	}
	r := reader{p: p, text: compiled.Policy{Path: c.Path, Conf: c.Conf}}
	for _, file := range c.Overlay {
		if err := r.over.add(file.Path, file.Document); err != nil {
			return nil, err
		}
	}
	if err := r.confine(); err != nil {
		return nil, err
	}
	for _, file := range c.Files {
		p.Sources = append(p.Sources, file.Path)
		if err := r.file(file.Path, file.Document); err != nil {
			return nil, err
		}
	}
	if err := r.over.unused(!r.p.NoPrivsep); err != nil {
		return nil, err
	}
	if err := p.addPrivsep(); err != nil {
		return nil, err
	}
	p.index()
	return p, nil
}
