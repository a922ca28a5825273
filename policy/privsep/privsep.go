// Package privsep is the table of oslo.privsep's contexts that released OpenStack services
// and libraries define: what each declares, what it does for its caller, and within what it
// was seen to work. It is data, which a program that does not ask for it never touches.
package privsep

import (
	"slices"
	"strings"
)

// Context is one that oslo.privsep's helper can be asked for. The helper is root, and calls
// the functions of the context for whoever started it.
//
// What a context declares holds for its Python code alone: oslo.privsep's daemon keeps user
// id 0 and its bounding set, so that a program which a function executes has all
// capabilities again (capabilities(7); oslo_privsep/daemon.py).
type Context struct {
	Name     string // as --privsep_context has it: module and attribute
	Declared string // capabilities, "cap_net_admin", with blanks between; "" for none
	Unread   bool   // Declared is a guess: the module itself was not read

	// The profile: Declared, Beside and Keys. There is none where Calls is 0.
	Beside string // capabilities that its helper, and what it executes, were found to need besides
	Keys   string // further keys of a sandbox section, "key=value", with blanks between
	Calls  int    // how many calls integration/services makes within it
	Work   int    // how many of these end as they do without it
	Lost   string // what is known not to work within it, or was not tried; "" for nothing

	Powers string // ids of package exposure, with blanks between; "" for none
	How    string // what gives them away
	Read   string // what was read, and its version
}

// Reach is the capability without which the helper does not get to its service: the socket
// lies in a directory of mode 0700 that is the service's (oslo_privsep/daemon.py, mkdtemp).
const Reach = "cap_dac_override"

// All are the contexts, sorted by name.
func All() []Context { return table[:] }

// Find returns the context of that name; nil for one that is not in the table.
func Find(name string) *Context {
	i, ok := slices.BinarySearchFunc(table[:], name, func(c Context, name string) int { return strings.Compare(c.Name, name) })
	if !ok {
		return nil
	}
	return &table[i]
}

// Profiled tells that there is a profile.
func (c *Context) Profiled() bool { return c != nil && c.Calls > 0 }

// Capabilities are those of the profile, sorted.
func (c *Context) Capabilities() []string {
	list := strings.Fields(c.Declared + " " + c.Beside)
	slices.Sort(list)
	return list
}
