package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The rights that each version of Landlock brought (linux/landlock.h): 13 at
// first, then REFER, TRUNCATE, TCP, IOCTL_DEV. A ruleset handles all that the
// kernel knows of what it is about, and nothing that it does not know.
func TestHandled(t *testing.T) {
	const bind, connect = unix.LANDLOCK_ACCESS_NET_BIND_TCP, unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	fs := map[int]uint64{-1: 0, 0: 0, 1: 1<<13 - 1, 2: 1<<14 - 1, 3: 1<<15 - 1, 4: 1<<15 - 1, 5: 1<<16 - 1, 6: 1<<16 - 1, 7: 1<<16 - 1, 99: 1<<16 - 1}
	for v, wantFS := range fs {
		net := func(access uint64) uint64 {
			if v < 4 {
				return 0
			}
			return access
		}
		none, ports := []Place{}, []uint16{}
		for _, c := range []struct {
			name    string
			rules   Rules
			fs, net uint64
		}{
			{"nothing", Rules{}, 0, 0},
			{"best effort alone", Rules{BestEffort: true}, 0, 0},
			{"read", Rules{ReadOnly: []Place{{"/", 0}}}, wantFS, 0},
			{"write", Rules{ReadWrite: []Place{{"/", 0}}}, wantFS, 0},
			{"read nowhere", Rules{ReadOnly: none}, wantFS, 0},
			{"write nowhere", Rules{ReadWrite: none}, wantFS, 0},
			{"bind", Rules{Bind: []uint16{80}}, 0, net(bind)},
			{"bind nowhere", Rules{Bind: ports}, 0, net(bind)},
			{"connect", Rules{Connect: []uint16{80}}, 0, net(connect)},
			{"connect nowhere", Rules{Connect: ports}, 0, net(connect)},
			{"all", Rules{ReadOnly: none, ReadWrite: none, Bind: ports, Connect: ports, BestEffort: true}, wantFS, net(bind | connect)},
		} {
			if f, n := handled(c.rules, v); f != c.fs || n != c.net {
				t.Errorf("version %d, %s: %#x and %#x, not %#x and %#x", v, c.name, f, n, c.fs, c.net)
			}
		}
	}
}

// What may be granted below a read-only path is part of what is handled, and so
// is what may be granted on a file: the kernel refuses any other rule (EINVAL).
func TestAccessRights(t *testing.T) {
	for _, version := range []uint64{version1, version2, version3, version5} {
		if readAccess&^version != 0 {
			t.Errorf("reading is %#x, of %#x", uint64(readAccess), version)
		}
	}
	const writes = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_SYM |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR |
		unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	if readAccess&writes != 0 || readAccess|writes != version5 {
		t.Errorf("reading is %#x, writing is %#x, all is %#x", uint64(readAccess), uint64(writes), uint64(version5))
	}
	if fileAccess&(unix.LANDLOCK_ACCESS_FS_READ_DIR|unix.LANDLOCK_ACCESS_FS_MAKE_REG|unix.LANDLOCK_ACCESS_FS_REFER) != 0 {
		t.Errorf("a file is granted what only directories have: %#x", uint64(fileAccess))
	}
}

func TestNewRuleset(t *testing.T) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		if _, err := NewRuleset(Rules{ReadOnly: []Place{}}); !errors.Is(err, errNoLandlock) {
			t.Errorf("without Landlock: %v", err)
		}
		t.Skip("no Landlock here: no ruleset was made")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	place := func(path string) Place {
		fd, err := openat(unix.AT_FDCWD, path, unix.O_PATH)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return Place{path, fd}
	}
	top, dir, device, single := place("/"), place(filepath.Dir(file)), place("/dev/null"), place(file)
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := open()

	for name, r := range map[string]Rules{"nothing": {}, "best effort alone": {BestEffort: true}} {
		if fd, err := NewRuleset(r); fd != -1 || err != nil {
			t.Errorf("%s: %d, %v", name, fd, err)
		}
	}
	good := map[string]Rules{
		"directory and file": {ReadOnly: []Place{top, single}, ReadWrite: []Place{dir, single, device}},
		"nowhere":            {ReadOnly: []Place{}, ReadWrite: []Place{}},
		"a path twice":       {ReadOnly: []Place{dir, dir}, ReadWrite: []Place{dir}},
		"unknown left out":   {Bind: []uint16{1}, Connect: []uint16{1}, ReadOnly: []Place{top}, BestEffort: true},
	}
	if version >= 4 {
		good["ports"] = Rules{Bind: []uint16{0, 1, 65535}, Connect: []uint16{80, 80}}
	} else {
		t.Logf("Landlock %d: rules for ports were not checked", version)
	}
	for name, r := range good {
		fd, err := NewRuleset(r)
		if err != nil || fd < 0 {
			t.Errorf("%s: %d, %v", name, fd, err)
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: the ruleset would reach the command: %v", name, err)
		}
		unix.Close(fd)
	}
	for name, c := range map[string]struct {
		rules Rules
		why   string
	}{
		"not open":    {Rules{ReadOnly: []Place{dir, {"/x", 999}}}, `cannot open "/x" for a Landlock rule: bad file descriptor`},
		"not open rw": {Rules{ReadWrite: []Place{{"/x", -1}}}, `cannot open "/x" for a Landlock rule: bad file descriptor`},
		"best effort": {Rules{ReadOnly: []Place{{"/x", 999}}, BestEffort: true}, "bad file descriptor"},
	} {
		if fd, err := NewRuleset(c.rules); fd != -1 || err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %d, %v", name, fd, err)
		}
	}
	if after := open(); after != before {
		t.Errorf("%d descriptors were open before, %d after", before, after)
	}
}
