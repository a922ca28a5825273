package trust

import "golang.org/x/sys/unix"

// Open opens a file of the directory for reading: a regular file of root's with this one
// name, which nobody else can write to. The size is its length in bytes; the caller
// closes fd.
func (d *Directory) Open(name string) (fd int, size int64, err error) {
	return d.records(name, unix.O_RDONLY)
}
