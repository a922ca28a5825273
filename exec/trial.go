package exec

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"ironwrap/policy/trust"
	"ironwrap/sandbox/seccomp"
)

// actionsLogged lists what the kernel writes records of (seccomp(2), /proc interfaces).
const actionsLogged = "/proc/sys/kernel/seccomp/actions_logged"

// Trial is Program for a section with seccomp_log: what the profile refuses is allowed,
// and the kernel writes a record. It is an error where it would write none, as the
// command would run without a profile and nobody would learn anything.
func Trial(name string, level trust.Level) (*seccomp.Program, error) {
	p, err := Program(name, level)
	if err != nil {
		return nil, err
	}
	logged, err := os.ReadFile(actionsLogged)
	if err != nil {
		return nil, fmt.Errorf("cannot tell whether the kernel writes records of system calls (seccomp_log): %w", err)
	}
	if !slices.Contains(strings.Fields(string(logged)), "log") {
		return nil, fmt.Errorf("cannot try seccomp profile %s (seccomp_log): the kernel writes no records, since %s lacks the word log: add it, or take seccomp_log out of the section", name, actionsLogged)
	}
	if p, err = p.Trial(); err != nil {
		return nil, fmt.Errorf("cannot try seccomp profile %s (seccomp_log): %w", name, err)
	}
	return p, nil
}
