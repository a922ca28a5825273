package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"ironwrap/policy/document"
)

// maxLabel is what a security module takes in one write, less its own words: it must fit
// a page (proc_pid_attr(5)).
const maxLabel = 2048

// appArmor reads the name of one profile (apparmor.d(5)).
func appArmor(e document.Entry, to *string) error {
	if strings.HasPrefix(e.Value, ":") || strings.Contains(e.Value, "//&") {
		return fmt.Errorf("%q is not one profile of this namespace: name one", e.Value)
	}
	return label(e, to, "name a profile, or none")
}

// seLinux reads USER:ROLE:TYPE, with a RANGE where the policy has levels (selinux(8)).
func seLinux(e document.Entry, to *string) error {
	fields := strings.Split(e.Value, ":")
	if e.Value != "" && e.Value != "none" && (len(fields) < 3 || slices.Contains(fields, "") || strings.ContainsFunc(e.Value, unicode.IsSpace)) {
		return fmt.Errorf("%q is no context, which is written user:role:type or user:role:type:range", e.Value)
	}
	return label(e, to, "name a context, or none")
}

func label(e document.Entry, to *string, advice string) error {
	switch {
	case e.Value == "":
		return fmt.Errorf("it is empty: %s", advice)
	case len(e.Value) > maxLabel:
		return fmt.Errorf("it is longer than %d bytes", maxLabel)
	case strings.ContainsFunc(e.Value, unicode.IsControl):
		return fmt.Errorf("%q has control characters", e.Value)
	case e.Value == "none":
		*to = ""
		return nil
	}
	*to = e.Value
	return nil
}

func bestEffort(e document.Entry, to *bool) error {
	if e.Value != "best-effort" && e.Value != "required" {
		return fmt.Errorf("%q is neither best-effort nor required", e.Value)
	}
	*to = e.Value == "best-effort"
	return nil
}
