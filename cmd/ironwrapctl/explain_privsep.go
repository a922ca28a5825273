package main

import (
	"fmt"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/privsep"
)

// privsepJSON is what a command asks oslo.privsep's helper for, and what confines that.
type privsepJSON struct {
	Context  filters.Untrusted `json:"context"`  // "" where the words do not tell for certain
	Known    bool              `json:"known"`    // it is in the table of released contexts
	Declared []string          `json:"declared"` // capabilities; empty for none, and where Known is false
	Profile  bool              `json:"profile"`  // the built-in profile holds
	File     filters.Untrusted `json:"file"`     // of the section that holds; "" for none
	Line     int               `json:"line"`
}

func (x *explainer) privsep(h *policy.Helper) *privsepJSON {
	if h == nil {
		return nil
	}
	j := &privsepJSON{Context: filters.Untrusted(h.Context), Declared: []string{}, Profile: h.Profile}
	if c := privsep.Find(h.Context); c != nil {
		j.Known, j.Declared = true, append(j.Declared, strings.Fields(c.Declared)...)
	}
	if h.Section > 0 {
		j.File, j.Line = filters.Untrusted(x.policy.Path), h.Section
	}
	return j
}

// String is the answer on one line.
func (j *privsepJSON) String() string {
	if j.Context == "" {
		return "not told for certain by the words of privsep-helper; no context is confined"
	}
	var by []string
	if j.Profile {
		by = append(by, "its built-in profile (privsep_confine = declared)")
	}
	if j.Line > 0 {
		by = append(by, fmt.Sprintf("section [Privsep:%s], %s", j.Context, position(j.File, j.Line)))
	}
	if by == nil {
		return j.Context.Show() + ": no profile and no section; what it executes is confined as any command of the filter"
	}
	return j.Context.Show() + ": " + strings.Join(by, ", then ")
}
