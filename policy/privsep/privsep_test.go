package privsep

import (
	"slices"
	"strings"
	"testing"
)

// Every context is a dotted name, once, in order, and says what was read. A profile has the
// capability without which the helper reaches nobody, and no capability twice.
func TestTable(t *testing.T) {
	before := ""
	for _, c := range All() {
		if c.Name <= before || !strings.Contains(c.Name, ".") || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz_.0123456789") != "" {
			t.Errorf("%q behind %q", c.Name, before)
		}
		before = c.Name
		if found := Find(c.Name); found == nil || found.Name != c.Name {
			t.Errorf("%s is not found", c.Name)
		}
		caps := c.Capabilities()
		if len(slices.Compact(slices.Clone(caps))) != len(caps) {
			t.Errorf("%s: %v", c.Name, caps)
		}
		for _, capability := range caps {
			if !strings.HasPrefix(capability, "cap_") || strings.ToLower(capability) != capability {
				t.Errorf("%s: %q", c.Name, capability)
			}
		}
		if c.How == "" || c.Read == "" {
			t.Errorf("%s: %+v", c.Name, c)
		}
		if c.Profiled() != (c.Tried != "") || c.Profiled() && (!slices.Contains(caps, Reach) || c.Unread) ||
			!c.Profiled() && c.Beside+c.Keys+c.Lost != "" {
			t.Errorf("%s: the profile is not one: %+v", c.Name, c)
		}
	}
	for _, name := range []string{"", "a", "nova.privsep", "nova.privsep.sys_admin_pctxt ", "NOVA.privsep.sys_admin_pctxt", "zzz.z"} {
		if c := Find(name); c != nil || c.Profiled() {
			t.Errorf("%q is %+v", name, c)
		}
	}
}
