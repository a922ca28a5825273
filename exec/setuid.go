package exec

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
)

// ConfigDir is where the configuration must lie when the caller is not root but
// the program is setuid: a packager fixes it with -ldflags -X.
var ConfigDir = "/etc/ironwrap"

// Setuid tells that an unprivileged user called, by way of the set-user-id bit,
// and so chose all arguments.
func (c Caller) Setuid() bool { return c.UID != 0 }

// FixedConfig returns nil when a path lies in ConfigDir.
func FixedConfig(config string) error {
	if path.Clean(config) != config || !strings.HasPrefix(config, ConfigDir+"/") {
		return fmt.Errorf("%s: not in %s, where the configuration must lie when ironwrap is setuid", filters.Show(config), ConfigDir)
	}
	return nil
}

// MayCall returns nil for root, and for those whom the policy names in
// allow_users and allow_groups. What counts is the ids that the kernel says: names
// stand for them as the user database has it, so that two names of one id are one
// caller, and a number is no name.
func (c Caller) MayCall(p *policy.Policy) error {
	if c.UID == 0 {
		return nil
	}
	for _, name := range p.AllowUsers {
		if uid, err := account.UID(name); err == nil && int(uid) == c.UID {
			return nil
		}
	}
	for _, name := range p.AllowGroups {
		if gid, err := account.GID(name); err == nil && (int(gid) == c.GID || slices.Contains(c.Groups, int(gid))) {
			return nil
		}
	}
	return fmt.Errorf("user %s may not call ironwrap: neither allow_users nor allow_groups in %s names them",
		filters.Show(account.Name(uint32(c.UID))), filters.Show(p.Path))
}
