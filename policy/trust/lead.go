package trust

import "golang.org/x/sys/unix"

// Place is what a path leads to, held open.
type Place struct {
	FD   int    // O_PATH; the holder closes it
	Path string // absolute and without symbolic links, as it was while we looked
	Stat unix.Stat_t
}

// Lead opens what path (absolute) leads to, following no symbolic link but root's
// in directories that nobody else can write to: what somebody else put there does
// not decide. Real directories, and the object itself, may be anybody's and of any
// type. It is for a path that root wrote down and the command is held to, such as
// the base of a PathFilter or a rule of a sandbox.
func Lead(path string) (Place, error) {
	w, err := find(path, Object, false)
	if err != nil {
		return Place{}, err
	}
	defer w.close()
	p := Place{FD: w.fd, Path: w.object, Stat: w.st}
	w.fd = -1
	return p, nil
}
