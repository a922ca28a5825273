// Package document is the shape of an INI document once it is read: what package
// inifile returns, package compiled keeps, and package policy makes filters of.
package document

import "slices"

// Document is one file. The zero Document is an empty one.
type Document struct {
	Defaults []Entry    // keys of [DEFAULT], which every section inherits
	Sections []*Section // by first appearance, without [DEFAULT]
}

// Section is what stands under one name.
type Section struct {
	Name string  // as written, blanks and case included
	Line int     // of the first header of that name, from 1
	Own  []Entry // in order of first appearance, without what it inherits
	Path string  // of the file that it stands in, where that is not its document's; else ""
}

// Entry is one key of a section.
type Entry struct {
	Key   string // in lower case
	Value string // continuation lines stripped and joined with "\n"; may be empty
	Line  int    // of the key, from 1; of a repeated key, where the winning value stands
}

// Own lists the keys that stand in the section itself, without those it
// inherits. It is empty if there is no such section.
func (d *Document) Own(name string) []Entry {
	if name == "DEFAULT" {
		return d.Defaults
	}
	if s := d.find(name); s != nil {
		return s.Own
	}
	return nil
}

// Items lists the keys of a section as RawConfigParser.items does: those of
// [DEFAULT] first, with the section's own value where it has one, then the
// section's other keys. It is false if there is no such section; [DEFAULT]
// always exists. The list is the caller's.
func (d *Document) Items(name string) ([]Entry, bool) {
	items := slices.Clone(d.Defaults)
	if name == "DEFAULT" {
		return items, true
	}
	s := d.find(name)
	if s == nil {
		return nil, false
	}
	at := make(map[string]int, len(d.Defaults))
	for i, e := range d.Defaults {
		at[e.Key] = i
	}
	for _, e := range s.Own {
		if i, inherited := at[e.Key]; inherited {
			items[i] = e
		} else {
			items = append(items, e)
		}
	}
	return items, true
}

func (d *Document) find(name string) *Section {
	for _, s := range d.Sections {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Mode says what a repetition means.
type Mode int

const (
	// Strict refuses a repeated section and a repeated key, as
	// RawConfigParser() does: for rootwrap.conf.
	Strict Mode = iota
	// Lenient merges repeated sections, and gives a repeated key its first
	// position and its last value, as RawConfigParser(strict=False) does:
	// for *.filters.
	Lenient
)
