package exposure

import "slices"

// PrivsepContext is what a context of oslo.privsep's is good for to its callers.
type PrivsepContext struct {
	Powers []string // Run, Write and so on
	How    string   // the functions that give them
}

// Context is the context of that dotted name, if it is one of a released service.
func Context(name string) (PrivsepContext, bool) {
	i := slices.IndexFunc(contexts, func(c privsepContext) bool { return c.name == name })
	if i < 0 {
		return PrivsepContext{}, false
	}
	return PrivsepContext{contexts[i].powers, contexts[i].how}, true
}
