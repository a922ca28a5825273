// Package copied has the type of a policy whose files are copies, of which nobody knows
// who wrote them. Only what lies below policy can name it: no program that executes
// something can have such a policy made.
package copied

import "ironwrap/policy/document"

// Policy is the documents of a policy, by the paths that they have where it is in force.
type Policy struct {
	Path  string // of rootwrap.conf
	Conf  *document.Document
	Files []File // those of filters_path, in the order in which they are read

	Overlay []File // those of policy.OverlayDir, likewise
}

// File is one *.filters or *.sandbox file.
type File struct {
	Path     string
	Document *document.Document
}
