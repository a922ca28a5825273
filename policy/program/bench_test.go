package program

import (
	"testing"

	"ironwrap/policy/trust"
)

// What a call pays for a look at what the program runs by, beside a look at the program.
func BenchmarkFind(b *testing.B) {
	f := Finder{Dirs: []string{"/usr/sbin", "/usr/bin"}, Level: trust.Fixed, Owners: []uint32{0}}
	b.Run("the file alone", func(b *testing.B) {
		for b.Loop() {
			if _, err := trust.Executable("/usr/bin/true", trust.Fixed, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, path := range []string{"/usr/bin/true", "/usr/bin/python3"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				if _, err := f.Find(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a call pays for a look at exec_dirs, and at one program, or two.
func BenchmarkCall(b *testing.B) {
	execDirs := []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
	call := func(dirs bool, names ...string) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				var road trust.Road
				if dirs {
					for _, dir := range execDirs {
						if err := road.Enter(dir, trust.Fixed); err != nil {
							b.Fatal(err)
						}
					}
				}
				f := Finder{Dirs: execDirs, Level: trust.Fixed, Owners: []uint32{0}, Road: &road}
				for _, name := range names {
					if _, err := f.Find(name); err != nil {
						b.Fatal(err)
					}
				}
				road.Close()
			}
		}
	}
	b.Run("exec_dirs", call(true))
	b.Run("true", call(false, "true"))
	b.Run("exec_dirs and true", call(true, "true"))
	b.Run("exec_dirs, nice and true", call(true, "nice", "true"))
}
