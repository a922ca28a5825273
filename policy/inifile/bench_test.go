package inifile

import (
	"fmt"
	"strings"
	"testing"

	"ironwrap/policy/document"
)

// ordinary is a filters file of about 50 lines, as services ship them.
func ordinary() []byte {
	var b strings.Builder
	b.WriteString("# ordinary filters\n# for the benchmarks\n\n[Filters]\n\n")
	for i := range 20 {
		fmt.Fprintf(&b, "tool%d: CommandFilter, /usr/sbin/tool%d, root\n", i, i)
	}
	b.WriteString("\n# with continuation lines\n")
	for i := range 4 {
		fmt.Fprintf(&b, "path%d: PathFilter, cp, root,\n    /var/lib/service,\n    /tmp\n", i)
	}
	b.WriteString("\n; and regular expressions\n")
	for i := range 8 {
		fmt.Fprintf(&b, "re%d = RegExpFilter, /usr/bin/find, root, find, .*/%d$, -name, [a-z]+\n", i, i)
	}
	return []byte(b.String())
}

func keys(n int) []byte {
	var b strings.Builder
	b.WriteString("[Filters]\n")
	for i := range n {
		fmt.Fprintf(&b, "tool%d: CommandFilter, /usr/sbin/tool%d, root\n", i, i)
	}
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"ordinary", ordinary()},
		{"keys=200", keys(200)},
		{"keys=10000", keys(10_000)},
		{"lines=100000", keys(100_000)},
		{"line=1MB", []byte("[Filters]\na: " + strings.Repeat("x", 1<<20) + "\n")},
		{"continued=1MB", []byte("[Filters]\na:\n " + strings.Repeat("x", 1<<20) + "\n")},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse("f", c.data, document.Lenient); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
