package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/document"
	"ironwrap/policy/privsep"
)

// Sandbox is what the sections [Sandbox], [Profile:NAME] and [Sandbox:NAME] say
// for one filter, or with [Privsep:NAME] for one context. A nil pointer, or an absent list, leaves a thing as it is
// without any section.
type Sandbox struct {
	Seccomp      string   // name or absolute path of a profile; "" or "none" for none
	SeccompLog   bool     // what the profile refuses is allowed, and the kernel writes a record
	Capabilities []string // lower case, with "cap_"; nil for all, empty for none

	NoNewPrivs      bool
	DenyWriteExec   bool  // memory_deny_write_execute
	PrivateKeyring  *bool // nil: where the caller is not root
	PrivateTmp      bool
	PrivateNetwork  bool
	PrivateMounts   bool
	PinPaths        bool
	Survive         bool // of ironwrap-call: a client that is gone leaves its command running
	BestEffort      bool // Landlock, on a kernel without
	ReadOnly        []string
	LandlockRO      []string // nil for no rule, empty to allow none
	LandlockRW      []string
	LandlockBind    []uint16
	LandlockConnect []uint16
	LandlockScope   []string // of scopes
	LandlockLog     bool     // the kernel writes a record of what Landlock refuses

	AppArmor           string // a profile; "" for the kernel's choice
	SELinux            string // a context; "" for the kernel's choice
	AppArmorBestEffort bool   // on a kernel without
	SELinuxBestEffort  bool

	Limits   []Limit
	Umask    *uint32
	Nice     *int
	OOMScore *int
}

// Limit is one resource limit, soft and hard.
type Limit struct {
	Name  string // "nofile", as in RLIMIT_NOFILE
	Value uint64 // ^0 for unlimited
}

// sandboxKey is one of a sandbox section.
type sandboxKey struct {
	name string
	set  func(s *Sandbox, e document.Entry) error
}

// sandboxKeys lists what a sandbox section may hold.
var sandboxKeys = []sandboxKey{
	{"seccomp", func(s *Sandbox, e document.Entry) error {
		if e.Value == "" {
			return fmt.Errorf("it is empty: name a profile, or none")
		}
		s.Seccomp = e.Value
		return nil
	}},
	{"seccomp_log", func(s *Sandbox, e document.Entry) error { return boolean(e, &s.SeccompLog) }},
	{"capabilities", func(s *Sandbox, e document.Entry) (err error) {
		s.Capabilities, err = capabilities(e.Value)
		return err
	}},
	{"no_new_privs", func(s *Sandbox, e document.Entry) error { return boolean(e, &s.NoNewPrivs) }},
	{"memory_deny_write_execute", func(s *Sandbox, e document.Entry) error { return boolean(e, &s.DenyWriteExec) }},
	{"private_keyring", func(s *Sandbox, e document.Entry) error {
		s.PrivateKeyring = new(bool)
		return boolean(e, s.PrivateKeyring)
	}},
	{"private_tmp", func(s *Sandbox, e document.Entry) error { return boolean(e, &s.PrivateTmp) }},
	{"private_network", func(s *Sandbox, e document.Entry) error { return boolean(e, &s.PrivateNetwork) }},
	{"private_mounts", func(s *Sandbox, e document.Entry) error { return boolean(e, &s.PrivateMounts) }},
	{"pin_paths", func(s *Sandbox, e document.Entry) error { return boolean(e, &s.PinPaths) }},
	{"survive", func(s *Sandbox, e document.Entry) error { return boolean(e, &s.Survive) }},
	{"read_only", func(s *Sandbox, e document.Entry) error { return paths(e, &s.ReadOnly) }},
	{"landlock_ro", func(s *Sandbox, e document.Entry) error { return paths(e, &s.LandlockRO) }},
	{"landlock_rw", func(s *Sandbox, e document.Entry) error { return paths(e, &s.LandlockRW) }},
	{"landlock_tcp_bind", func(s *Sandbox, e document.Entry) error { return ports(e, &s.LandlockBind) }},
	{"landlock_tcp_connect", func(s *Sandbox, e document.Entry) error { return ports(e, &s.LandlockConnect) }},
	{"landlock_scope", func(s *Sandbox, e document.Entry) error { return scope(e, &s.LandlockScope) }},
	{"landlock", func(s *Sandbox, e document.Entry) error { return bestEffort(e, &s.BestEffort) }},
	{"apparmor_profile", func(s *Sandbox, e document.Entry) error { return appArmor(e, &s.AppArmor) }},
	{"selinux_context", func(s *Sandbox, e document.Entry) error { return seLinux(e, &s.SELinux) }},
	{"apparmor", func(s *Sandbox, e document.Entry) error { return bestEffort(e, &s.AppArmorBestEffort) }},
	{"selinux", func(s *Sandbox, e document.Entry) error { return bestEffort(e, &s.SELinuxBestEffort) }},
	{"landlock_log", func(s *Sandbox, e document.Entry) error { return boolean(e, &s.LandlockLog) }},
	{"umask", func(s *Sandbox, e document.Entry) error {
		n, err := strconv.ParseUint(e.Value, 8, 32)
		if err != nil || n > 0o777 {
			return fmt.Errorf("%q is not an octal number up to 777", e.Value)
		}
		mask := uint32(n)
		s.Umask = &mask
		return nil
	}},
	{"nice", func(s *Sandbox, e document.Entry) error { return within(e, &s.Nice, -20, 19) }},
	{"oom_score_adj", func(s *Sandbox, e document.Entry) error { return within(e, &s.OOMScore, -1000, 1000) }},
	{"inherit", func(*Sandbox, document.Entry) error { return nil }}, // of has seen to it
}

// limitNames are those of getrlimit(2).
var limitNames = []string{"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice",
	"nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"}

// SandboxKeys lists what a sandbox section may hold, sorted.
func SandboxKeys() []string {
	var names []string
	for _, key := range sandboxKeys {
		names = append(names, key.name)
	}
	for _, limit := range limitNames {
		names = append(names, "rlimit_"+limit)
	}
	slices.Sort(names)
	return names
}

// apply sets what entries say, on top of what s has.
func (s *Sandbox) apply(path string, entries []document.Entry) error {
	for _, e := range entries {
		if err := s.set(e); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", filters.Untrusted(path), e.Line, filters.Untrusted(e.Key), err)
		}
	}
	return nil
}

func (s *Sandbox) set(e document.Entry) error {
	if name, ok := strings.CutPrefix(e.Key, "rlimit_"); ok && slices.Contains(limitNames, name) {
		l := Limit{name, ^uint64(0)}
		if e.Value != "unlimited" {
			n, err := strconv.ParseUint(e.Value, 10, 63)
			if err != nil {
				return fmt.Errorf("%q is neither a number nor unlimited", e.Value)
			}
			l.Value = n
		}
		s.Limits = slices.DeleteFunc(slices.Clone(s.Limits), func(o Limit) bool { return o.Name == name })
		s.Limits = append(s.Limits, l)
		return nil
	}
	i := slices.IndexFunc(sandboxKeys, func(k sandboxKey) bool { return k.name == e.Key })
	if i < 0 {
		return fmt.Errorf("unknown key of a sandbox section")
	}
	return sandboxKeys[i].set(s, e)
}

// sandboxes are the sections of rootwrap.conf.
type sandboxes struct {
	path     string
	defaults *layer // [Sandbox]; nil when there is none
	profiles map[string]layer
}

// layer is a section that is laid over others, key by key.
type layer struct {
	path    string // of the file that it stands in
	entries []document.Entry
}

// readSandboxes takes the sections of rootwrap.conf, and checks even those that
// no filter uses.
func readSandboxes(path string, file *document.Document) (sandboxes, error) {
	sb := sandboxes{path: path, profiles: map[string]layer{}}
	for _, s := range file.Sections {
		l := layer{cmp.Or(s.Path, path), s.Own}
		switch name, isProfile := strings.CutPrefix(s.Name, "Profile:"); {
		case s.Name == "Sandbox":
			sb.defaults = &l
		case isProfile:
			sb.profiles[name] = l
			for _, e := range l.entries {
				if e.Key == "inherit" {
					return sb, fmt.Errorf("%s:%d: inherit: a profile cannot inherit", filters.Untrusted(l.path), e.Line)
				}
			}
			if err := new(Sandbox).apply(l.path, l.entries); err != nil {
				return sb, err
			}
		case strings.HasPrefix(s.Name, privsepPrefix): // for readContexts
		case isSandbox(s.Name):
			return sb, fmt.Errorf("%s:%d: section [%s] belongs into a filters file, beside its filter", filters.Untrusted(path), s.Line, filters.Untrusted(s.Name))
		case misspelt(s.Name):
			return sb, fmt.Errorf("%s:%d: section [%s] is written %s", filters.Untrusted(path), s.Line, filters.Untrusted(s.Name), spelling(s.Name))
		}
	}
	if sb.defaults != nil {
		if _, err := sb.of(sb.path, nil, nil); err != nil {
			return sb, err
		}
	}
	return sb, nil
}

// of returns the sandbox of a filter: [Sandbox], then its own section, and what is added
// to it, key by key, each with the profile before it that it inherits. It is nil where
// nothing is said.
func (sb *sandboxes) of(path string, own []document.Entry, added []*document.Section) (*Sandbox, error) {
	var layers []layer
	if sb.defaults != nil {
		layers = append(layers, *sb.defaults)
	}
	if own != nil {
		layers = append(layers, layer{path, own})
	}
	for _, s := range added {
		layers = append(layers, layer{s.Path, s.Own})
	}
	if layers == nil {
		return nil, nil
	}
	var s Sandbox
	for _, l := range layers {
		if err := sb.add(&s, l); err != nil {
			return nil, err
		}
	}
	return &s, nil
}

// add adds a section to s: the profile that it inherits, then its own keys.
func (sb *sandboxes) add(s *Sandbox, section layer) error {
	for _, e := range section.entries {
		if e.Key != "inherit" {
			continue
		}
		profile, ok := sb.profiles[e.Value]
		if !ok {
			return fmt.Errorf("%s:%d: inherit: %s has no section [Profile:%s]", filters.Untrusted(section.path), e.Line,
				filters.Untrusted(sb.path), filters.Untrusted(e.Value))
		}
		if err := s.apply(profile.path, profile.entries); err != nil {
			return err
		}
	}
	return s.apply(section.path, section.entries)
}

// isSandbox tells the sections that the peer ignores and ironwrap must not.
func isSandbox(section string) bool {
	return section == "Sandbox" || strings.HasPrefix(section, "Sandbox:") || strings.HasPrefix(section, "Profile:") || strings.HasPrefix(section, privsepPrefix)
}

// misspelt tells a section that was meant to be one of those, and must not go
// for a foreign one, which is ignored: "sandbox:dd", "Sandbox dd", "privsep:nova.x". A
// section "privsep" or "privsep_osbrick" is oslo.privsep's own.
func misspelt(section string) bool {
	word := strings.ToLower(strings.TrimSpace(section))
	return !isSandbox(section) && (strings.HasPrefix(word, "sandbox") || strings.HasPrefix(word, "profile:") ||
		strings.HasPrefix(word, "privsep") && strings.ContainsAny(word, ":. ") || strings.Contains(word, ".") && privsep.Find(word) != nil)
}

// spelling is how a section of rootwrap.conf is written that is misspelt.
func spelling(section string) string {
	if strings.Contains(strings.ToLower(section), "privsep") || privsep.Find(strings.TrimSpace(section)) != nil {
		return "[Privsep:CONTEXT]"
	}
	return "[Sandbox] or [Profile:NAME]"
}

// ownSandboxes are the sections [Sandbox:NAME] of one file, by the names of its
// filters. A section without a filter is an error: it was meant to confine something.
func ownSandboxes(path string, file *document.Document, names map[string]bool) (map[string][]document.Entry, error) {
	own := map[string][]document.Entry{}
	for _, s := range file.Sections {
		refuse := func(why string) error {
			return fmt.Errorf("%s:%d: section [%s]%s", filters.Untrusted(path), s.Line, filters.Untrusted(s.Name), why)
		}
		name, ok := strings.CutPrefix(s.Name, "Sandbox:")
		// Filter names are lower case, as the INI dialect makes every key.
		name = strings.ToLower(name)
		switch {
		case !ok && isSandbox(s.Name):
			return nil, refuse(" belongs into rootwrap.conf")
		case misspelt(s.Name):
			return nil, refuse(" is written " + strings.Replace(spelling(s.Name), "[Sandbox] or [Profile:NAME]", "[Sandbox:NAME]", 1))
		case !ok:
			continue
		case !names[name]:
			return nil, refuse(": this file has no filter of that name")
		case own[name] != nil:
			return nil, refuse(": the filter has another sandbox section")
		}
		own[name] = append([]document.Entry{}, s.Own...) // an empty one is not nil
	}
	return own, nil
}

// capabilities reads "CAP_NET_ADMIN, CAP_SYS_ADMIN", "none" or "all".
func capabilities(value string) ([]string, error) {
	switch value {
	case "all":
		return nil, nil
	case "none":
		return []string{}, nil
	}
	list, err := names(value)
	for i, name := range list {
		list[i] = strings.ToLower(name)
		if !strings.HasPrefix(list[i], "cap_") {
			return nil, fmt.Errorf("%q is not a capability: they are called CAP_NET_ADMIN and so on (capabilities(7))", name)
		}
	}
	return list, err
}

func paths(e document.Entry, to *[]string) (err error) {
	if *to = []string{}; e.Value == "none" {
		return nil
	}
	*to = filters.Fields(e.Value)
	for _, path := range *to {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%q is not an absolute path", path)
		}
	}
	return nil
}

func ports(e document.Entry, to *[]uint16) error {
	if *to = []uint16{}; e.Value == "none" {
		return nil
	}
	for _, port := range filters.Fields(e.Value) {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is not a port number", port)
		}
		*to = append(*to, uint16(n))
	}
	return nil
}

// scopes are what Landlock can keep within the sandbox (landlock(7)).
var scopes = []string{"abstract_unix_socket", "signal"}

func scope(e document.Entry, to *[]string) error {
	if *to = nil; e.Value == "none" {
		return nil
	}
	list, err := names(e.Value)
	for _, name := range list {
		if !slices.Contains(scopes, name) {
			return fmt.Errorf("%q is neither %s, nor none", name, strings.Join(scopes, " nor "))
		}
	}
	*to = list
	return err
}

func within(e document.Entry, to **int, low, high int) error {
	n, err := strconv.Atoi(e.Value)
	if err != nil || n < low || n > high {
		return fmt.Errorf("%q is not a number from %d to %d", e.Value, low, high)
	}
	*to = &n
	return nil
}
