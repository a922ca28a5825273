package difference

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"ironwrap/policy"
)

// confinements are the sandboxes of a decision that say something: that of the filter,
// that of the one behind a prefix, and that of a privsep context.
func (w *world) confinements(d policy.Decision) (list []policy.Sandbox) {
	for _, c := range d.Confinements() {
		if s := w.confined(c.Sandbox); !reflect.DeepEqual(s, policy.Sandbox{}) {
			list = append(list, s)
		}
	}
	return list
}

// plainly is a sandbox in which everything that means the same is written the same.
func plainly(s *policy.Sandbox) policy.Sandbox {
	if s == nil {
		return policy.Sandbox{}
	}
	p := *s
	if p.Seccomp == "none" {
		p.Seccomp = ""
	}
	p.SeccompLog = p.SeccompLog && p.Seccomp != ""
	for _, list := range []*[]string{&p.Capabilities, &p.ReadOnly, &p.LandlockRO, &p.LandlockRW, &p.LandlockScope} {
		*list = sorted(*list)
	}
	p.LandlockBind, p.LandlockConnect = sorted(p.LandlockBind), sorted(p.LandlockConnect)
	p.Limits = slices.Clone(p.Limits)
	slices.SortFunc(p.Limits, func(a, b policy.Limit) int { return strings.Compare(a.Name, b.Name) })
	if len(p.ReadOnly) == 0 {
		p.ReadOnly = nil // it takes nothing away
	}
	if len(p.LandlockScope) == 0 {
		p.LandlockScope = nil
	}
	return p
}

// sorted is a list as a set; nil stays nil, and empty empty.
func sorted[T string | uint16](list []T) []T {
	if list == nil {
		return nil
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// canonical is a sandbox as a text, the same for the same.
func (w *world) canonical(s *policy.Sandbox) string {
	text, err := json.Marshal(w.confined(s))
	if err != nil {
		panic(err) // numbers and strings
	}
	return string(text)
}

// key is one of a sandbox. value is what it says, "" for nothing; looser tells whether
// new takes less away than old in this, where the two differ, and neither of both is
// looser where that is not known.
type key struct {
	name   string
	value  func(policy.Sandbox) string
	looser func(old, new policy.Sandbox) (looser, tighter bool)
}

var keys = append([]key{
	{"seccomp", func(s policy.Sandbox) string { return s.Seccomp }, unlike(func(s policy.Sandbox) bool { return s.Seccomp == "" })},
	{"seccomp_log", func(s policy.Sandbox) string {
		if s.SeccompLog {
			return "yes"
		}
		return ""
	}, func(old, new policy.Sandbox) (bool, bool) { return new.SeccompLog, old.SeccompLog }},
	list("capabilities", func(s policy.Sandbox) []string { return s.Capabilities }, false),
	flag("no_new_privs", func(s policy.Sandbox) bool { return s.NoNewPrivs }),
	flag("memory_deny_write_execute", func(s policy.Sandbox) bool { return s.DenyWriteExec }),
	{"private_keyring", func(s policy.Sandbox) string {
		if s.PrivateKeyring == nil {
			return ""
		}
		return yes(*s.PrivateKeyring)
	}, func(old, new policy.Sandbox) (bool, bool) {
		rank := func(s policy.Sandbox) int {
			switch {
			case s.PrivateKeyring == nil:
				return 1 // where the caller is not root
			case *s.PrivateKeyring:
				return 2
			}
			return 0
		}
		return rank(new) < rank(old), rank(new) > rank(old)
	}},
	flag("private_tmp", func(s policy.Sandbox) bool { return s.PrivateTmp }),
	flag("private_network", func(s policy.Sandbox) bool { return s.PrivateNetwork }),
	flag("private_mounts", func(s policy.Sandbox) bool { return s.PrivateMounts }),
	flag("pin_paths", func(s policy.Sandbox) bool { return s.PinPaths }),
	bestEffort("landlock", func(s policy.Sandbox) bool { return s.BestEffort }),
	label("apparmor_profile", func(s policy.Sandbox) string { return s.AppArmor }),
	bestEffort("apparmor", func(s policy.Sandbox) bool { return s.AppArmorBestEffort }),
	label("selinux_context", func(s policy.Sandbox) string { return s.SELinux }),
	bestEffort("selinux", func(s policy.Sandbox) bool { return s.SELinuxBestEffort }),
	list("read_only", func(s policy.Sandbox) []string { return s.ReadOnly }, true),
	list("landlock_ro", func(s policy.Sandbox) []string { return s.LandlockRO }, false),
	list("landlock_rw", func(s policy.Sandbox) []string { return s.LandlockRW }, false),
	list("landlock_tcp_bind", func(s policy.Sandbox) []string { return numbers(s.LandlockBind) }, false),
	list("landlock_tcp_connect", func(s policy.Sandbox) []string { return numbers(s.LandlockConnect) }, false),
	list("landlock_scope", func(s policy.Sandbox) []string { return s.LandlockScope }, true),
	flag("landlock_log", func(s policy.Sandbox) bool { return s.LandlockLog }),
	number("umask", "%03o", func(s policy.Sandbox) *int { return wide(s.Umask) }),
	number("nice", "%d", func(s policy.Sandbox) *int { return s.Nice }),
	number("oom_score_adj", "%d", func(s policy.Sandbox) *int { return s.OOMScore }),
}, limits()...)

// limits are the keys rlimit_*.
func limits() (all []key) {
	for _, name := range []string{"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"} {
		of := func(s policy.Sandbox) (uint64, bool) {
			i := slices.IndexFunc(s.Limits, func(l policy.Limit) bool { return l.Name == name })
			if i < 0 {
				return ^uint64(0), false
			}
			return s.Limits[i].Value, true
		}
		all = append(all, key{"rlimit_" + name, func(s policy.Sandbox) string {
			switch n, ok := of(s); {
			case !ok:
				return ""
			case n == ^uint64(0):
				return "unlimited"
			default:
				return fmt.Sprint(n)
			}
		}, func(old, new policy.Sandbox) (bool, bool) {
			a, _ := of(old)
			b, _ := of(new)
			return b > a, b < a
		}})
	}
	return all
}

// flag is a key that takes something away where it is set.
func flag(name string, of func(policy.Sandbox) bool) key {
	return key{name, func(s policy.Sandbox) string {
		if !of(s) {
			return ""
		}
		return "yes"
	}, func(old, new policy.Sandbox) (bool, bool) { return !of(new), of(new) }}
}

// bestEffort is a key that lets the command run where something cannot be had.
func bestEffort(name string, of func(policy.Sandbox) bool) key {
	return key{name, func(s policy.Sandbox) string {
		if of(s) {
			return "best-effort"
		}
		return ""
	}, func(old, new policy.Sandbox) (bool, bool) { return of(new), of(old) }}
}

// label is a key that names what a security module holds the command to. What a label
// stops is not known here, nor what the module chooses where none is named: another one
// may be looser and tighter.
func label(name string, of func(policy.Sandbox) string) key {
	return key{name, of, func(old, new policy.Sandbox) (bool, bool) { return true, true }}
}

// list is a key that names what is left, or, if it takes, what is taken away. One that
// is not there takes nothing away.
func list(name string, of func(policy.Sandbox) []string, takes bool) key {
	within := func(a, b []string) bool {
		return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
	}
	return key{name, func(s policy.Sandbox) string {
		switch l := of(s); {
		case l == nil:
			return ""
		case len(l) == 0:
			return "none"
		default:
			return strings.Join(l, ", ")
		}
	}, func(old, new policy.Sandbox) (bool, bool) {
		a, b := of(old), of(new)
		if takes {
			return !within(a, b), !within(b, a)
		}
		if a == nil || b == nil {
			return b == nil, a == nil
		}
		return !within(b, a), !within(a, b)
	}}
}

// number is a key whose numbers nobody calls looser or tighter.
func number(name, format string, of func(policy.Sandbox) *int) key {
	return key{name, func(s policy.Sandbox) string {
		if of(s) == nil {
			return ""
		}
		return fmt.Sprintf(format, *of(s))
	}, unlike(func(s policy.Sandbox) bool { return of(s) == nil })}
}

// unlike is for keys whose values cannot be compared, but with none at all.
func unlike(none func(policy.Sandbox) bool) func(old, new policy.Sandbox) (bool, bool) {
	return func(old, new policy.Sandbox) (bool, bool) { return !none(old), !none(new) }
}

func wide(n *uint32) *int {
	if n == nil {
		return nil
	}
	m := int(*n)
	return &m
}

func numbers(ports []uint16) []string {
	if ports == nil {
		return nil
	}
	list := []string{}
	for _, p := range ports {
		list = append(list, fmt.Sprint(p))
	}
	return list
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// described are the keys of a sandbox, as words.
func described(s policy.Sandbox) (list []string) {
	for _, k := range keys {
		if v := k.value(s); v != "" {
			list = append(list, k.name+" = "+v)
		}
	}
	return list
}

// sandboxChanges are the keys that differ.
func sandboxChanges(old, new []policy.Sandbox) (changes []string) {
	if len(old) > 1 || len(new) > 1 { // of a prefix and of what stands behind it
		return []string{"sandbox: " + whole(old) + " → " + whole(new)}
	}
	a, b := only(old), only(new)
	for _, k := range keys {
		if x, y := k.value(a), k.value(b); x != y {
			changes = append(changes, fmt.Sprintf("sandbox %s: %s → %s", k.name, word(x), word(y)))
		}
	}
	return changes
}

func whole(list []policy.Sandbox) string {
	var all []string
	for _, s := range list {
		all = append(all, strings.Join(described(s), "; "))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, " and ")
}

func only(list []policy.Sandbox) policy.Sandbox {
	if len(list) == 0 {
		return policy.Sandbox{}
	}
	return list[0]
}

func word(value string) string {
	if value == "" {
		return "not set"
	}
	return value
}

// loosens tells whether the new sandboxes of a command take less away than the old ones
// in some respect, and whether more.
func loosens(old, new []policy.Sandbox) (looser, tighter bool) {
	if reflect.DeepEqual(old, new) {
		return false, false
	}
	if len(old) > 1 || len(new) > 1 {
		return len(new) <= len(old), len(old) <= len(new)
	}
	a, b := only(old), only(new)
	for _, k := range keys {
		if k.value(a) != k.value(b) {
			l, t := k.looser(a, b)
			looser, tighter = looser || l, tighter || t
		}
	}
	return looser, tighter
}
