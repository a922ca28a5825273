package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/syndtr/gocapability/capability"

	"ironwrap/exec"
	"ironwrap/policy"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/lint"
	"ironwrap/policy/trust"
	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
)

// facts is this machine, for the rules of package lint.
type facts struct {
	profiles profiles
	sudoers  *lint.Sudoers
	accepted *accepted.List
}

func (f facts) Sudoers() *lint.Sudoers   { return f.sudoers }
func (f facts) Accepted() *accepted.List { return f.accepted }

// networkFileSystems are the values of f_type in statfs(2) whose files come from
// another machine, or are shared with others. One that FUSE serves is never trusted
// anyway.
var networkFileSystems = map[uint32]string{
	0x6969: "nfs", 0x517b: "smb", 0xff534d42: "cifs", 0xfe534d42: "smb2", 0x5346414f: "afs", 0x6b414653: "afs", 0x73757245: "coda", 0x564c: "ncp",
	0x00c36400: "ceph", 0x01021997: "9p", 0x01161970: "gfs2", 0x7461636f: "ocfs2", 0x0bd00bd0: "lustre", 0x19830326: "beegfs", 0x47504653: "gpfs", 0x20030528: "orangefs",
}

func (facts) NetworkFileSystem(path string) (string, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return "", fmt.Errorf("cannot ask for the file system of %s: %w", path, err)
	}
	return networkFileSystems[uint32(st.Type)], nil
}

func (f facts) Allows(profile string, call exposure.Syscall) (bool, error) {
	return f.profiles.allows(profile, call)
}

func (facts) Seccomp(s *policy.Sandbox) lint.Profile {
	p, err := exec.Program(s.Seccomp, trust.Parent)
	if err == nil && s.SeccompLog {
		_, err = exec.Trial(s.Seccomp, trust.Parent)
	}
	if err != nil {
		return lint.Profile{Err: err}
	}
	return lint.Profile{Foreign: foreign(p), Idle: idle(p, s.Capabilities), Other: otherwise(p, s)}
}

// A system call as programs of other architectures make it: AUDIT_ARCH_*
// (linux/audit.h), and the bit that makes a number one of x32.
var foreigners = map[string][]struct {
	name      string
	arch, bit uint32
}{
	"amd64": {{"32-bit (i386)", 0x40000003, 0}, {"x32", 0xc000003e, 1 << 30}},
	"arm64": {{"32-bit (arm)", 0x40000028, 0}},
}

// foreign names the other architectures of which some call is allowed for sure:
// with all arguments 0 or all 1.
func foreign(p *seccomp.Program) (names []string) {
	for _, f := range foreigners[runtime.GOARCH] {
		if slices.ContainsFunc(numbers, func(n uint32) bool {
			for _, arg := range []uint64{0, 1} {
				a, err := bpf.Answer(p.Filter(), bpf.Call{Number: n | f.bit, Arch: f.arch, Args: [6]uint64{arg, arg, arg, arg, arg, arg}})
				if err == nil && bpf.Allows(a) {
					return true
				}
			}
			return false
		}) {
			names = append(names, f.name)
		}
	}
	return names
}

// numbers are those that system calls have.
var numbers = func() []uint32 {
	list := make([]uint32, 1024)
	for i := range list {
		list[i] = uint32(i)
	}
	return list
}()

// uses are capabilities that exist for a few system calls (capabilities(7)).
// Capabilities that also serve for files or devices are not listed.
var uses = []lint.Idle{
	{Capability: "cap_sys_boot", Calls: []string{"reboot", "kexec_load", "kexec_file_load"}},
	{Capability: "cap_sys_module", Calls: []string{"init_module", "finit_module", "delete_module"}},
	{Capability: "cap_sys_pacct", Calls: []string{"acct"}},
	{Capability: "cap_bpf", Calls: []string{"bpf"}},
}

// idle lists the capabilities of a sandbox of which p refuses every use.
func idle(p *seccomp.Program, capabilities []string) (list []lint.Idle) {
	for _, u := range uses {
		if slices.Contains(capabilities, u.Capability) && !slices.ContainsFunc(u.Calls, func(call string) bool { return mayAllow(p, call) }) {
			list = append(list, lint.Idle{Capability: strings.ToUpper(u.Capability), Calls: u.Calls})
		}
	}
	return list
}

// mayAllow tells whether p allows a call with some arguments; a call that cannot be
// named on this machine counts as refused.
func mayAllow(p *seccomp.Program, call string) bool {
	n, err := compile.Number(call)
	return err == nil && slices.ContainsFunc(bpf.Answers(p.Filter(), seccomp.Arch, n), bpf.Allows)
}

// otherwise tells whether the profile of s, compiled now for the capabilities that
// s gives, would come to another program than p by the same libseccomp.
func otherwise(p *seccomp.Program, s *policy.Sandbox) bool {
	if s.Capabilities == nil {
		return false
	}
	path, _, err := seccomp.Locate(s.Seccomp)
	if err != nil {
		return false
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	var caps []string
	for _, c := range capability.List() {
		if slices.Contains(s.Capabilities, "cap_"+c.String()) {
			caps = append(caps, strings.ToUpper("cap_"+c.String()))
		}
	}
	m, err := compile.ThisMachine(caps)
	if err != nil {
		return false
	}
	now, _, err := compile.Program(data, m)
	return err == nil && now.Libseccomp() == p.Libseccomp() && p.Check(data) == nil && !slices.Equal(now.Filter(), p.Filter())
}
