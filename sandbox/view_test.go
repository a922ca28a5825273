package sandbox

import (
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// The filter refuses the calls that it names, of setns(2) what can be a mount
// namespace, and whatever comes from an architecture that it does not know.
func TestGuard(t *testing.T) {
	for name, spaces := range map[string][]guardedCalls{
		runtime.GOARCH: guardedSpaces(),
		"none":         {},
		"one":          {{7, []uint32{16}, []uint32{5}}},
		"three":        {{7, []uint32{16, 17, 18}, []uint32{5}}, {8, []uint32{1, 2}, []uint32{3, 4, 5}}, {9, nil, []uint32{54}}},
		"no setns":     {{7, []uint32{16}, nil}},
	} {
		program := guard(spaces)
		checkProgram(t, name, program)
		numbers := []uint32{0, 1, 2, 3, 4, 5, 6, 15, 16, 17, 18, 53, 54, 55, 1<<32 - 1, 0x40000000}
		for _, s := range spaces {
			for _, n := range append(slices.Clone(s.refused), s.setns...) {
				numbers = append(numbers, n, n+1, n-1, n^0x40000000)
			}
		}
		seen := map[uint32]int{}
		for _, arch := range []uint32{0, 7, 8, 9, unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_AARCH64, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_PPC64LE} {
			i := slices.IndexFunc(spaces, func(s guardedCalls) bool { return s.arch == arch })
			for _, nr := range numbers {
				for _, kind := range []uint64{0, unix.CLONE_NEWNS, unix.CLONE_NEWNET, unix.CLONE_NEWNS | unix.CLONE_NEWNET, unix.CLONE_NEWNET | 1<<32, 1 << 32, unix.CLONE_NEWUSER} {
					want := pass
					switch {
					case i < 0, slices.Contains(spaces[i].refused, nr):
						want = refuse
					case slices.Contains(spaces[i].setns, nr) && (uint32(kind) == 0 || kind&unix.CLONE_NEWNS != 0):
						want = refuse
					}
					got, err := eval(program, data{nr, arch, 1, [6]uint64{1, kind, 1, 1, 1, 1}})
					if err != nil || got != want {
						t.Fatalf("%s: arch %#x, number %#x, kind %#x: %#x, %v, not %#x", name, arch, nr, kind, got, err, want)
					}
					seen[got]++
				}
			}
		}
		if len(spaces) > 0 && seen[pass] == 0 || seen[refuse] == 0 {
			t.Errorf("%s: %d passed and %d refused: one side was not tried", name, seen[pass], seen[refuse])
		}
	}
}

// The numbers of the machine itself, from its system call table (syscalls(2)).
func TestGuardedNumbers(t *testing.T) {
	// open_tree, open_tree_attr, move_mount, mount_setattr, fsopen, fsmount, fspick
	common := []uint32{428, 467, 429, 442, 430, 432, 433}
	type space struct{ handle, fanotify, setns uint32 }
	own := map[string][]space{"amd64": {{304, 300, 308}, {342, 338, 346}}, "arm64": {{265, 262, 268}, {371, 367, 375}}}[runtime.GOARCH]
	spaces := guardedSpaces()
	if len(spaces) != len(own) {
		t.Fatalf("%d number spaces, not %d", len(spaces), len(own))
	}
	for i, s := range spaces {
		want := append(slices.Clone(common), own[i].handle, own[i].fanotify)
		for _, n := range s.refused {
			if !slices.Contains(want, n&^0x40000000) {
				t.Errorf("%d: %d is refused", i, n)
			}
		}
		for _, n := range want {
			if !slices.Contains(s.refused, n) || s.arch == unix.AUDIT_ARCH_X86_64 && !slices.Contains(s.refused, n|0x40000000) {
				t.Errorf("%d: %d is not refused", i, n)
			}
		}
		if s.setns[0] != own[i].setns {
			t.Errorf("%d: setns is %d", i, s.setns[0])
		}
	}
}

func TestHolds(t *testing.T) {
	for _, c := range []struct {
		place, path string
		want        bool
	}{
		{"/", "/", true}, {"/", "/x", true}, {"/a", "/a", true}, {"/a", "/a/b", true}, {"/a", "/ab", false}, {"/a", "/", false}, {"/a/b", "/a", false}, {"/a", "a", false}, {"/a", "", false},
	} {
		if got := (Place{Path: c.place}).Holds(c.path); got != c.want {
			t.Errorf("%q in %q: %v", c.path, c.place, got)
		}
	}
}

// A descriptor counts as covered unless its file is found by an uncovered name.
func TestCovers(t *testing.T) {
	dir := t.TempDir()
	open := func(path string, flags int) int {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	file := open(dir+"/f", unix.O_CREAT|unix.O_RDWR)
	moved := open(dir+"/moved", unix.O_CREAT|unix.O_RDWR)
	gone := open(dir+"/gone", unix.O_CREAT|unix.O_RDWR)
	if err := unix.Unlink(dir + "/gone"); err != nil {
		t.Fatal(err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fd    int
		place string
		want  bool
	}{
		{file, "/nowhere", false}, {file, dir, true}, {file, dir + "/f", true}, {file, dir + "/moved", false}, {moved, dir + "/f", false},
		{gone, "/nowhere", true}, {pipe[0], "/nowhere", true}, {open("/proc/self/ns/mnt", unix.O_RDONLY), "/nowhere", true}, {open("/dev/null", unix.O_RDWR), "/nowhere", false},
	} {
		for name, s := range map[string]Spec{"read-only": {ReadOnly: []Place{{Path: c.place}}}, "private": {PrivateTmp: []Place{{Path: c.place}}}} {
			if got := s.covers(c.fd); got != c.want {
				t.Errorf("%s, descriptor %d, %q: %v", name, c.fd, c.place, got)
			}
		}
	}
}
