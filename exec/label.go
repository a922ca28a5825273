package exec

import (
	"fmt"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/sandbox"
)

// label adds the AppArmor profile and the SELinux context that a section names. Of a chain
// only one of each can hold.
func label(spec *sandbox.Spec, b *policy.Sandbox) error {
	for _, l := range []struct {
		module     *sandbox.Module
		to         *string
		label, key string
		bestEffort bool
	}{
		{sandbox.AppArmor, &spec.AppArmor, b.AppArmor, "apparmor", b.AppArmorBestEffort},
		{sandbox.SELinux, &spec.SELinux, b.SELinux, "selinux", b.SELinuxBestEffort},
	} {
		if l.label == "" {
			continue
		}
		present, err := l.module.Present()
		switch {
		case err != nil:
			return err
		case !present && l.bestEffort:
			continue
		case !present:
			return fmt.Errorf("this kernel has no %s, or it is turned off: set %s = best-effort to do without", l.module.Name, l.key)
		case *l.to != "" && *l.to != l.label:
			return fmt.Errorf("it names the %s %s %s, the filter before it %s, and the command can be held to one alone: name the same in both",
				l.module.Name, l.module.Noun, filters.Show(l.label), filters.Show(*l.to))
		}
		*l.to = l.label
	}
	return nil
}
