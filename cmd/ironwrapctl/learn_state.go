package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/syndtr/gocapability/capability"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/trust"
	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/compile"
)

// learned is what the runs of a filter's commands showed, and the file that they
// add up in.
type learned struct {
	Filter string `json:"filter"`
	RunAs  string `json:"run_as"`
	File   string `json:"file,omitempty"` // of the filter; none for the implicit one
	Line   int    `json:"line,omitempty"`
	Runs   int    `json:"runs"`

	Context string `json:"context,omitempty"` // of oslo.privsep's helper

	// By name. Of those in record.Watched, the values of the argument.
	Calls map[string][]uint64 `json:"calls"`
	// Architectures besides the machine's own.
	Foreign []specs.Arch `json:"foreign,omitempty"`
	// Calls that libseccomp has no name for, and no profile can allow.
	Unnamed []string `json:"unnamed,omitempty"`

	Root      bool     `json:"root"`      // run-as is uid 0
	Powerless bool     `json:"powerless"` // it began without any capability
	Gained    bool     `json:"gained"`    // a program got rights by being executed
	Granted   []string `json:"granted"`   // CAP_*
	Refused   []string `json:"refused"`   // asked for, and done without
	Unknown   string   `json:"unknown,omitempty"`
	Confined  bool     `json:"confined,omitempty"` // by a sandbox section that there was
	Nested    []string `json:"nested,omitempty"`   // filters of commands that a chaining filter led to
	Failed    int      `json:"failed"`             // runs that did not end with status 0
	Full      bool     `json:"full,omitempty"`     // it made more different calls than were kept
}

// summarize names what one run showed.
func summarize(r *run, d policy.Decision, p *exec.Plan) learned {
	l := learned{
		Filter: d.Filter.Name, RunAs: d.RunAs, File: d.Filter.File, Line: d.Filter.Line, Runs: 1,
		Calls:     map[string][]uint64{},
		Root:      p.Spec.UID == 0,
		Powerless: p.Spec.UID != 0 && (p.Spec.Capabilities.All || p.Spec.Capabilities.Set == 0),
		Gained:    r.calls.Gained,
		Full:      r.calls.Full,
		Confined:  len(d.Confinements()) > 0,
		Granted:   capabilityNames(r.capabilities.Granted | r.calls.Kept),
		Refused:   capabilityNames(r.capabilities.Refused),
	}
	for call, values := range r.calls.Seen {
		name, arch := compile.NameOn(call.Arch, call.Number)
		if arch != "" && (call.Arch != seccomp.Arch || arch == specs.ArchX32) {
			l.Foreign = append(l.Foreign, arch)
		}
		if name == "" {
			l.Unnamed = append(l.Unnamed, fmt.Sprintf("number %d of audit architecture %#x", call.Number, call.Arch))
			continue
		}
		l.Calls[name] = append(l.Calls[name], slices.Collect(maps.Keys(values))...)
	}
	if d.Leaf != nil {
		l.Nested = []string{d.Leaf.Name}
	}
	if r.unknown != nil {
		l.Unknown = r.unknown.Error()
	}
	if r.status != 0 {
		l.Failed = 1
	}
	l.tidy()
	return l
}

func capabilityNames(set uint64) []string {
	list := []string{}
	for _, c := range capability.List() {
		if set>>c&1 != 0 {
			list = append(list, "CAP_"+strings.ToUpper(c.String()))
		}
	}
	return list
}

// tidy gives equal knowledge one form.
func (l *learned) tidy() {
	for name, values := range l.Calls {
		l.Calls[name] = unique(values)
	}
	l.Foreign, l.Unnamed = unique(l.Foreign), unique(l.Unnamed)
	l.Granted, l.Refused, l.Nested = unique(l.Granted), unique(l.Refused), unique(l.Nested)
}

func unique[T specs.Arch | string | uint64](list []T) []T {
	slices.Sort(list)
	return slices.Compact(list)
}

// merge adds other runs of the same filter. What could not be learned once is not
// known.
func (l learned) merge(o learned) (learned, error) {
	if l.Filter != o.Filter || l.RunAs != o.RunAs || l.Context != o.Context {
		return l, fmt.Errorf("it is of filter %s, run as %s, and this is %s, run as %s: choose another directory, or remove it",
			filters.Untrusted(o.Filter), filters.Untrusted(o.RunAs), filters.Untrusted(l.Filter), filters.Untrusted(l.RunAs))
	}
	l.Runs += o.Runs
	l.Failed += o.Failed
	calls := map[string][]uint64{}
	for _, from := range []map[string][]uint64{l.Calls, o.Calls} {
		for name, values := range from {
			calls[name] = append(calls[name], values...)
		}
	}
	l.Calls = calls
	l.Foreign = slices.Concat(l.Foreign, o.Foreign)
	l.Unnamed = slices.Concat(l.Unnamed, o.Unnamed)
	l.Powerless = l.Powerless && o.Powerless
	l.Gained = l.Gained || o.Gained
	l.Full = l.Full || o.Full
	l.Granted = slices.Concat(l.Granted, o.Granted)
	l.Refused = slices.Concat(l.Refused, o.Refused)
	l.Confined = l.Confined || o.Confined
	l.Nested = slices.Concat(l.Nested, o.Nested)
	if l.Unknown == "" {
		l.Unknown = o.Unknown
	}
	l.tidy()
	return l, nil
}

// path is where something of the filter's is kept. What a name may have, and a
// profile's path may not, is written as _.
func (l learned) path(dir, suffix string) string {
	base := strings.Map(func(c rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789._-+", c) {
			return c
		}
		return '_'
	}, cmp.Or(l.Context, l.Filter))
	return filepath.Join(dir, strings.TrimLeft(base, ".")+suffix)
}

// usable complains of a directory that others than root could write a profile
// into, and of a state that cannot be read, or is another filter's.
func usable(dir string, mine learned) error {
	d, err := trust.Dir(dir, trust.Object)
	if err != nil {
		return err
	}
	d.Close()
	if _, _, err := seccomp.Locate(mine.path(dir, ".json")); err != nil {
		return err
	}
	_, err = mine.with(dir)
	return err
}

// with adds the earlier runs, where there are any.
func (l learned) with(dir string) (learned, error) {
	path := l.path(dir, ".learned.json")
	data, err := trust.File(path, trust.Parent)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	var before learned
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err = dec.Decode(&before); err == nil {
		l, err = l.merge(before)
	}
	if err != nil {
		return l, fmt.Errorf("cannot add to %s: %w", filters.Untrusted(path), err)
	}
	return l, nil
}

// addTo writes what is known now. Two that end at a time wait for each other.
func (l learned) addTo(dir string) (learned, error) {
	lock, err := os.Open(dir)
	if err != nil {
		return l, err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return l, fmt.Errorf("cannot lock %s: %w", filters.Untrusted(dir), err)
	}
	if l, err = l.with(dir); err != nil {
		return l, err
	}
	state, err := json.MarshalIndent(l, "", "\t")
	if err != nil {
		return l, err
	}
	profile, err := l.profile()
	if err != nil {
		return l, err
	}
	// The state first: from it the others can be made again.
	for _, f := range []struct {
		suffix string
		data   []byte
	}{{".learned.json", append(state, '\n')}, {".json", profile}, {".section", []byte(l.section(dir))}} {
		path := l.path(dir, f.suffix)
		if err := replaceFile(path, f.data); err != nil {
			return l, fmt.Errorf("cannot write %s: %w", filters.Untrusted(path), err)
		}
	}
	return l, nil
}
