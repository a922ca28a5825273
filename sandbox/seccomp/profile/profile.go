// Package profile reads seccomp profiles as container runtimes have them: the
// `seccomp` object of the OCI runtime specification (config-linux.md), with what
// Docker's files have beside: archMap, includes and excludes by capability,
// architecture and kernel, name for names, and comments. What it does not know
// it refuses.
package profile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"ironwrap/sandbox/seccomp"
)

// MaxSize is the size of the largest profile that is read, in bytes.
const MaxSize = seccomp.MaxProfile

// Profile is a file as it is written, for all machines.
type Profile struct {
	DefaultAction specs.LinuxSeccompAction
	DefaultErrno  *uint
	Architectures []specs.Arch
	ArchMap       []Family
	Flags         []specs.LinuxSeccompFlag
	Rules         []Rule
}

// Family is a machine's own architecture, and the others whose programs it runs.
type Family struct {
	Arch specs.Arch
	Sub  []specs.Arch
}

// Rule is an element of `syscalls`.
type Rule struct {
	specs.LinuxSyscall
	Comment  string
	Line     int
	Includes Condition // the rule is for machines of which all of this holds
	Excludes Condition // and for none of which any of this holds
}

// Condition is about a machine and the command's capabilities. An empty list and
// the zero Kernel say nothing.
type Condition struct {
	Caps   []string // CAP_*
	Arches []string // as Docker names them: amd64, arm64
	Kernel Kernel   // this or a later one
}

// Kernel is a version of Linux.
type Kernel struct{ Major, Minor uint }

// Machine is what a profile is resolved for.
type Machine struct {
	Arch   string // GOARCH: amd64 or arm64
	Kernel Kernel
	Caps   []string // what the command may have: CAP_*
}

const maxErrno = 4094 // libseccomp takes no greater one, and the kernel cuts at 4095

// Parse reads a profile. Its errors have a line.
func Parse(data []byte) (*Profile, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("it is larger than %d bytes", MaxSize)
	}
	top, err := read(data)
	if err != nil {
		return nil, err
	}
	if _, ok := top.value.([]member); !ok {
		return nil, top.errorf("a profile is an object {...}")
	}

	p := new(Profile)
	var listenerPath string
	var errno *node
	err = top.object(map[string]func(node) error{
		"comment":          comment,
		"defaultAction":    text(&p.DefaultAction),
		"defaultErrnoRet":  func(n node) error { errno = &n; return nil },
		"architectures":    known(&p.Architectures, arches),
		"archMap":          p.archMap,
		"flags":            known(&p.Flags, flags),
		"listenerPath":     text(&listenerPath),
		"listenerMetadata": comment,
		"syscalls":         func(n node) error { return n.list(p.rule) },
	})
	if err != nil {
		return nil, err
	}
	if p.DefaultAction == "" {
		return nil, top.errorf("defaultAction is missing")
	}
	if p.DefaultErrno, err = action(top, p.DefaultAction, errno); err != nil {
		return nil, err
	}
	if len(p.Architectures) > 0 && len(p.ArchMap) > 0 {
		return nil, top.errorf("there are both architectures and archMap: only one may be")
	}
	if listenerPath != "" {
		return nil, top.errorf("listenerPath is set: no agent is asked about a command's system calls")
	}
	return p, nil
}

// What the fields may say, on any machine: a word that is none of these is an
// error rather than a rule that never applies.
var (
	flags = []specs.LinuxSeccompFlag{
		"SECCOMP_FILTER_FLAG_TSYNC",
		specs.LinuxSeccompFlagLog,
		specs.LinuxSeccompFlagSpecAllow,
		specs.LinuxSeccompFlagWaitKillableRecv,
	}
	arches = []specs.Arch{
		specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64,
		specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32,
		specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32,
		specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X,
		specs.ArchPARISC, specs.ArchPARISC64, specs.ArchRISCV64, specs.ArchLOONGARCH64,
		specs.ArchM68K, specs.ArchSH, specs.ArchSHEB,
	}
	dockerArches = []string{
		"amd64", "arm", "arm64", "loong64", "loongarch64",
		"mips", "mips64", "mips64n32", "mips3l64n32", "mipsel", "mipsel64", "mipsel64n32",
		"ppc", "ppc64", "ppc64le", "riscv64", "s390", "s390x", "x32", "x86",
	}
)

func (p *Profile) archMap(n node) error {
	return n.list(func(e node) error {
		var f Family
		err := e.object(map[string]func(node) error{
			"architecture":     text(&f.Arch),
			"subArchitectures": known(&f.Sub, arches),
		})
		if err == nil && !slices.Contains(arches, f.Arch) {
			err = e.errorf("architecture %q is unknown", string(f.Arch))
		}
		p.ArchMap = append(p.ArchMap, f)
		return err
	})
}

func (p *Profile) rule(n node) error {
	r := Rule{Line: n.line}
	var name string
	var errno *node
	err := n.object(map[string]func(node) error{
		"name":     text(&name),
		"names":    texts(&r.Names),
		"action":   text(&r.Action),
		"errnoRet": func(n node) error { errno = &n; return nil },
		"args":     func(n node) error { return n.list(r.arg) },
		"comment":  text(&r.Comment),
		"includes": r.Includes.read,
		"excludes": r.Excludes.read,
	})
	if err != nil {
		return err
	}
	switch {
	case name != "" && len(r.Names) > 0:
		return n.errorf("there are both name and names: only one may be")
	case name != "":
		r.Names = []string{name}
	case len(r.Names) == 0:
		return n.errorf("names is missing")
	}
	for _, name := range r.Names {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || name == "" {
			return n.errorf("%q is not the name of a system call", name)
		}
	}
	if r.ErrnoRet, err = action(n, r.Action, errno); err != nil {
		return err
	}
	p.Rules = append(p.Rules, r)
	return nil
}

// action looks at an action, and the error number that goes with it.
func action(at node, a specs.LinuxSeccompAction, errno *node) (*uint, error) {
	max := uint64(0)
	switch a {
	case "":
		return nil, at.errorf("action is missing")
	case specs.ActErrno:
		max = maxErrno
	case specs.ActTrace, specs.ActNotify:
		return nil, at.errorf("action %s is not for commands: nothing here would answer, and who traces the command could", a)
	case specs.ActAllow, specs.ActLog, specs.ActTrap, specs.ActKill, specs.ActKillThread, specs.ActKillProcess:
	default:
		return nil, at.errorf("action %q is unknown", string(a))
	}
	if errno == nil || errno.value == nil {
		return nil, nil
	}
	if max == 0 {
		return nil, errno.errorf("action %s has no error number", a)
	}
	var v uint
	err := number(&v, max)(*errno)
	return &v, err
}

func (r *Rule) arg(n node) error {
	a := specs.LinuxSeccompArg{Index: math.MaxUint}
	value := false
	err := n.object(map[string]func(node) error{
		"comment":  comment,
		"index":    number(&a.Index, 5),
		"value":    func(n node) error { value = true; return number(&a.Value, math.MaxUint64)(n) },
		"valueTwo": number(&a.ValueTwo, math.MaxUint64),
		"op":       text(&a.Op),
	})
	switch {
	case err != nil:
		return err
	case a.Index == math.MaxUint:
		return n.errorf("index is missing")
	case !value:
		return n.errorf("value is missing")
	}
	switch a.Op {
	case specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan, specs.OpGreaterEqual:
		if a.ValueTwo != 0 {
			return n.errorf("only SCMP_CMP_MASKED_EQ has a valueTwo")
		}
	case specs.OpMaskedEqual:
		if a.ValueTwo&^a.Value != 0 {
			return n.errorf("valueTwo %#x has bits that the mask, value %#x, has not: the condition would never hold", a.ValueTwo, a.Value)
		}
	case "":
		return n.errorf("op is missing")
	default:
		return n.errorf("op %q is unknown", string(a.Op))
	}
	r.Args = append(r.Args, a)
	return nil
}

func (c *Condition) read(n node) error {
	return n.object(map[string]func(node) error{
		"caps": func(n node) error {
			if err := texts(&c.Caps)(n); err != nil {
				return err
			}
			for _, name := range c.Caps {
				if rest, ok := strings.CutPrefix(name, "CAP_"); !ok || strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
					return n.errorf("%q is not the name of a capability", name)
				}
			}
			return nil
		},
		"arches": known(&c.Arches, dockerArches),
		"minKernel": func(n node) error {
			var s string
			if err := text(&s)(n); err != nil || s == "" {
				return err
			}
			k, err := ParseKernel(s)
			if err != nil {
				return n.errorf("%w", err)
			}
			c.Kernel = k
			return nil
		},
	})
}

// ParseKernel reads "6.1".
func ParseKernel(s string) (Kernel, error) {
	major, minor, ok := strings.Cut(s, ".")
	a, err1 := strconv.ParseUint(major, 10, 16)
	b, err2 := strconv.ParseUint(minor, 10, 16)
	if !ok || err1 != nil || err2 != nil || a == 0 {
		return Kernel{}, fmt.Errorf("%q is not a kernel version such as 6.1", s)
	}
	return Kernel{uint(a), uint(b)}, nil
}

func (k Kernel) atLeast(min Kernel) bool {
	return k.Major > min.Major || k.Major == min.Major && k.Minor >= min.Minor
}

// native are the architectures a machine runs programs of, its own first.
var native = map[string][]specs.Arch{
	"amd64": {specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
	"arm64": {specs.ArchAARCH64, specs.ArchARM},
}

// Resolve is the profile for one machine, as an OCI runtime would be given it:
// without conditions, with the machine's own architecture first, and of the
// others only those it can run at all.
func (p *Profile) Resolve(m Machine) (*specs.LinuxSeccomp, error) {
	runs := native[m.Arch]
	if runs == nil {
		return nil, errors.New("machines of architecture " + m.Arch + " are not known")
	}
	wanted := p.Architectures
	for _, f := range p.ArchMap {
		if f.Arch == runs[0] {
			wanted = f.Sub
		}
	}
	s := &specs.LinuxSeccomp{
		DefaultAction:   p.DefaultAction,
		DefaultErrnoRet: p.DefaultErrno,
		Architectures:   []specs.Arch{runs[0]},
		Flags:           p.Flags,
	}
	for _, a := range runs[1:] {
		if slices.Contains(wanted, a) {
			s.Architectures = append(s.Architectures, a)
		}
	}
	for _, r := range p.Rules {
		if r.Includes.all(m) && !r.Excludes.any(m) {
			s.Syscalls = append(s.Syscalls, r.LinuxSyscall)
		}
	}
	return s, nil
}

func (c Condition) all(m Machine) bool {
	for _, name := range c.Caps {
		if !slices.Contains(m.Caps, name) {
			return false
		}
	}
	return (len(c.Arches) == 0 || slices.Contains(c.Arches, m.Arch)) && m.Kernel.atLeast(c.Kernel)
}

func (c Condition) any(m Machine) bool {
	for _, name := range c.Caps {
		if slices.Contains(m.Caps, name) {
			return true
		}
	}
	return slices.Contains(c.Arches, m.Arch) || c.Kernel != Kernel{} && m.Kernel.atLeast(c.Kernel)
}
