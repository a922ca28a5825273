// Package sandbox confines the calling thread until it may become the command.
// Spec says to what; Enter is the privileged section of ironwrap, and the one
// place that gives up rights.
package sandbox

// Spec describes the process that the command will be. The zero value of each
// field is written as such: a Spec is complete.
type Spec struct {
	UID, GID uint32
	Groups   []uint32 // the supplementary groups, all of them

	Umask    uint32
	NoFile   uint64 // soft RLIMIT_NOFILE; 0 for the hard limit
	Nice     int    // -20 to 19
	OOMScore int    // -1000 to 1000
}
