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
