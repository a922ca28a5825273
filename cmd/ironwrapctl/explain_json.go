package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/syndtr/gocapability/capability"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/sandbox"
	"ironwrap/sandbox/seccomp"
)

// explanation is the answer, in the shape that scripts rely on.
type explanation struct {
	Verdict    string              `json:"verdict"` // allow, deny, not-executable, too-long, bad-config
	Exit       int                 `json:"exit"`
	Error      string              `json:"error,omitempty"` // of not-executable, too-long and bad-config, and of deny what hindered a filter
	Filter     *filterJSON         `json:"filter,omitempty"`
	Nested     *filterJSON         `json:"nested,omitempty"`
	Executable filters.Untrusted   `json:"executable,omitempty"`
	Argv       []filters.Untrusted `json:"argv,omitempty"`
	Pinned     []pinnedJSON        `json:"pinned,omitempty"`
	Env        variables           `json:"env,omitempty"`
	Signal     *signalJSON         `json:"signal,omitempty"`
	RunAs      *runAsJSON          `json:"run_as,omitempty"`
	Sandbox    *sandboxJSON        `json:"sandbox,omitempty"`
	Privsep    *privsepJSON        `json:"privsep,omitempty"` // of a command that starts oslo.privsep's helper
	Caller     *callerJSON         `json:"caller,omitempty"`
	Notes      []string            `json:"notes,omitempty"`
	Near       []nearJSON          `json:"near,omitempty"` // of deny: near misses
	Steps      []stepJSON          `json:"steps"`

	decision policy.Decision
}

type filterJSON struct {
	Name  filters.Untrusted `json:"name"`
	Class filters.Untrusted `json:"class"`
	File  filters.Untrusted `json:"file"`
	Line  int               `json:"line"`
}

// pinnedJSON is a word of argv that stands for an open file (pin_paths).
type pinnedJSON struct {
	Argument int               `json:"argument"`
	Path     filters.Untrusted `json:"path"`
}

type signalJSON struct {
	Number int `json:"number"`
	PID    int `json:"pid"`
}

type runAsJSON struct {
	User   filters.Untrusted `json:"user"`
	UID    uint32            `json:"uid"`
	GID    uint32            `json:"gid"`
	Groups []uint32          `json:"groups"`
}

type sandboxJSON struct {
	Umask          string          `json:"umask"`
	NoFile         uint64          `json:"rlimit_nofile"`
	Limits         []limitJSON     `json:"limits,omitempty"`
	Nice           int             `json:"nice"`
	OOMScoreAdj    int             `json:"oom_score_adj"`
	NoTyping       bool            `json:"no_typing"` // a filter refuses TIOCSTI and TIOCLINUX
	Capabilities   []string        `json:"capabilities"`
	NoNewPrivs     bool            `json:"no_new_privs"`
	DenyWriteExec  bool            `json:"memory_deny_write_execute"`
	PrivateKeyring bool            `json:"private_keyring"`
	FreshKeyring   bool            `json:"new_session_keyring,omitempty"` // with the run-as user's keys
	PrivateNetwork bool            `json:"private_network"`
	PrivateMounts  bool            `json:"private_mounts"`
	PrivateTmp     bool            `json:"private_tmp"`
	Survive        bool            `json:"survive,omitempty"` // of ironwrap-call
	ReadOnly       []string        `json:"read_only,omitempty"`
	Seccomp        []string        `json:"seccomp,omitempty"`
	Programs       []string        `json:"seccomp_programs,omitempty"` // the files that are loaded
	Landlock       []landlockRules `json:"landlock,omitempty"`
}

// limitJSON is a limit of getrlimit(2), soft and hard.
type limitJSON struct {
	Name  string  `json:"name"`
	Value *uint64 `json:"value"` // null for unlimited
}

type landlockRules struct {
	ReadOnly   []string `json:"ro"` // null where it is not restricted
	ReadWrite  []string `json:"rw"`
	Bind       []uint16 `json:"tcp_bind"`
	Connect    []uint16 `json:"tcp_connect"`
	Scope      []string `json:"scope,omitempty"`
	BestEffort bool     `json:"best_effort"` // not in force on a kernel without Landlock
}

type callerJSON struct {
	User filters.Untrusted `json:"user"`
	May  bool              `json:"may_call_setuid"`
	Why  string            `json:"why,omitempty"`
}

// nearJSON is a filter that would allow the command if one thing were otherwise.
type nearJSON struct {
	Filter   filterJSON `json:"filter"`
	Argument int        `json:"argument"` // which word of the command; -1 for none in particular
	Why      string     `json:"why"`
}

type stepJSON struct {
	Filter  filters.Untrusted `json:"filter"`
	File    filters.Untrusted `json:"file"`
	Line    int               `json:"line"`
	Matched bool              `json:"matched"`
	Why     string            `json:"why"`
	Nested  []stepJSON        `json:"nested,omitempty"` // of a prefix that matched: the filters asked about the command behind
}

// variables is an environment, in its own order.
type variables []filters.Var

func (vs variables) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := v.Name.MarshalJSON()
		value, _ := v.Value.MarshalJSON()
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// printJSON writes e indented, or without an indent on one line.
func (e explanation) printJSON(w io.Writer, indent string) error {
	out, err := json.Marshal(e)
	if indent != "" {
		out, err = json.MarshalIndent(e, "", indent)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", out)
	return err
}

// confinement shows a Spec, and of the sections what a Spec has only as numbers,
// descriptors and programs.
func confinement(s sandbox.Spec, d policy.Decision) *sandboxJSON {
	j := &sandboxJSON{
		Umask: fmt.Sprintf("%04o", s.Umask), NoFile: s.NoFile, Nice: s.Nice, OOMScoreAdj: s.OOMScore, NoTyping: s.UID != 0,
		Capabilities: []string{}, NoNewPrivs: s.NoNewPrivs, DenyWriteExec: s.DenyWriteExec, PrivateKeyring: s.Keyring == sandbox.KeyringPrivate, FreshKeyring: s.Keyring == sandbox.KeyringFresh,
		PrivateNetwork: s.PrivateNetwork, PrivateMounts: s.PrivateMounts, PrivateTmp: len(s.PrivateTmp) > 0,
	}
	for _, p := range s.ReadOnly {
		j.ReadOnly = append(j.ReadOnly, p.Path)
	}
	switch {
	case s.Capabilities.All && s.UID == 0:
		j.Capabilities = []string{"all"}
	case !s.Capabilities.All:
		for _, c := range capability.List() {
			if s.Capabilities.Set>>c&1 != 0 {
				j.Capabilities = append(j.Capabilities, "cap_"+c.String())
			}
		}
	}
	j.Survive = d.Survives()
	for _, b := range d.Confinements() {
		for _, l := range b.Limits {
			j.limit(l)
		}
		if b.Seccomp != "" && b.Seccomp != "none" {
			j.Seccomp = append(j.Seccomp, b.Seccomp)
			if _, program, err := seccomp.Locate(b.Seccomp); err == nil {
				j.Programs = append(j.Programs, program)
			}
		}
		if b.LandlockRO != nil || b.LandlockRW != nil || b.LandlockBind != nil || b.LandlockConnect != nil || b.LandlockScope != nil {
			j.Landlock = append(j.Landlock, landlockRules{b.LandlockRO, b.LandlockRW, b.LandlockBind, b.LandlockConnect, b.LandlockScope, b.BestEffort})
		}
	}
	return j
}

// limit adds a limit; of two on one resource the stricter holds.
func (j *sandboxJSON) limit(l policy.Limit) {
	var value *uint64
	if l.Value != ^uint64(0) {
		value = &l.Value
	}
	i := slices.IndexFunc(j.Limits, func(o limitJSON) bool { return o.Name == l.Name })
	switch {
	case i < 0:
		j.Limits = append(j.Limits, limitJSON{l.Name, value})
	case value != nil && (j.Limits[i].Value == nil || *value < *j.Limits[i].Value):
		j.Limits[i].Value = value
	}
}
