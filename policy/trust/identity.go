package trust

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Identity is what stat(2) says of a file or directory that cannot stay the same when
// its contents, the names in it, its owner or its mode change. That holds where Local
// is true, and where it had not changed for some seconds when it was taken: the clock
// of time stamps stands still for some milliseconds, on a file system with small
// inodes for a second. Two that are equal (==) are of one state of one object.
type Identity struct {
	Dev, Ino, Size, Nlink uint64
	Mtime, Ctime          int64  // nanoseconds since 1970
	Mode, UID, GID        uint32 // Mode with the type of the object, as st_mode

	// Local tells that the object is on a disk of this machine, or in its memory, where
	// this kernel alone makes the time stamps. False where that is not known.
	Local bool
}

// Settled is how long an object must have been left alone before two identities of it are
// believed: within the time for which the clock of its stamps stands still (a second, on an
// ext4 with small inodes) it could change again and look the same.
const Settled = 2 * time.Second

// Changed is when the object has last changed (ctime), by the clock of Now.
func (i Identity) Changed() time.Time { return time.Unix(0, i.Ctime) }

// Now is the time that a change would be stamped with (CLOCK_REALTIME_COARSE,
// clock_getres(2)), or earlier by less than a millisecond.
func Now() (time.Time, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &ts); err != nil {
		return time.Time{}, fmt.Errorf("cannot read the clock: %w", err)
	}
	return time.Unix(ts.Unix()), nil
}

// local are the file systems whose time stamps this kernel makes and nobody else
// (statfs(2)): ext2, ext3, ext4, XFS, Btrfs, F2FS, tmpfs, overlayfs, SquashFS, EROFS.
// What lies below an overlay must not change while it is mounted
// (Documentation/filesystems/overlayfs.rst).
func local(system int64) bool {
	switch system {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC,
		unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC, unix.SQUASHFS_MAGIC, unix.EROFS_SUPER_MAGIC_V1:
		return true
	}
	return false
}

func identity(st *unix.Stat_t, local bool) Identity {
	return Identity{
		Dev: uint64(st.Dev), Ino: st.Ino, Size: uint64(st.Size), Nlink: uint64(st.Nlink),
		Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(),
		Mode: st.Mode, UID: st.Uid, GID: st.Gid,
		Local: local,
	}
}

// Identity is that of the directory when it was opened, before any name was read.
func (d *Directory) Identity() Identity { return d.identity }

// Look returns the identity of the regular file at path (absolute) where Read would
// read it now, with the same errors. It does not open the file for reading: that the
// kernel would refuse that (EACCES), it does not notice.
func Look(path string, lvl Level) (Identity, error) { return (*Road)(nil).Look(path, lvl) }

// Look is like the function Look for the entry of that name, with the level the
// directory was opened with.
func (d *Directory) Look(name string) (Identity, error) {
	w, err := d.find(name)
	if err != nil {
		return Identity{}, err
	}
	defer w.close()
	return w.look()
}

func (w *walk) look() (Identity, error) {
	if err := w.readable(); err != nil {
		return Identity{}, err
	}
	if err := w.checkObject(nil); err != nil {
		return Identity{}, err
	}
	if w.st.Size > MaxSize {
		return Identity{}, w.tooLarge()
	}
	return identity(&w.st, w.local), nil
}
