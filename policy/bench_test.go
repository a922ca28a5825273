package policy

import (
	"fmt"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
)

// benchTree lays out n filters in files of 100, in the proportions in which the
// classes are deployed. The last filter of the last file allows "last x".
func benchTree(b *testing.B, n int) string {
	b.Helper()
	files := map[string]string{"rootwrap.conf": "[DEFAULT]\nfilters_path=DIR/d\nexec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n"}
	var text strings.Builder
	for i := range n - 1 {
		if i%100 == 0 {
			text.Reset()
			text.WriteString("[Filters]\n")
		}
		fmt.Fprintf(&text, "filter%d: ", i)
		switch i % 10 {
		case 0:
			fmt.Fprintf(&text, `RegExpFilter, program%d, root, program%d, --size=\d+, /dev/(?!.*/\.\.).*`+"\n", i, i)
		case 1:
			fmt.Fprintf(&text, "EnvFilter, env, root, LC_ALL=C, program%d\n", i)
		case 2:
			fmt.Fprintf(&text, "KillFilter, root, /usr/sbin/program%d, -9, -HUP\n", i)
		case 3:
			fmt.Fprintf(&text, "PathFilter, /bin/program%d, root, pass, /var/lib/images\n", i)
		default:
			fmt.Fprintf(&text, "CommandFilter, program%d, root\n", i)
		}
		files[fmt.Sprintf("d/%04d.filters", i/100)] = text.String()
	}
	files["d/last.filters"] = "[Filters]\nlast: RegExpFilter, true, root, last, [a-z]+\n"
	return tree(b, files) + "/rootwrap.conf"
}

// BenchmarkOnce is what a call of the one-shot program costs in this package:
// everything is read, and the last filter is the one that matches.
func BenchmarkOnce(b *testing.B) {
	for _, n := range []int{40, 200, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			conf := benchTree(b, n)
			b.ReportAllocs()
			for b.Loop() {
				p, err := Load(conf, trust.Parent, inifile.Parse)
				if err != nil {
					b.Fatal(err)
				}
				d := p.Decide(Request{Argv: words("last x"), Machine: machine.New(p.ExecDirs, trust.Parent)})
				if d.Verdict != Allowed || d.Filter.Name != "last" || len(p.Filters) != n+1 {
					b.Fatalf("%s, %d filters", outcome(d), len(p.Filters))
				}
			}
		})
	}
}

// BenchmarkDecide is what a request to the daemon costs: the policy is there.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{40, 200, 10_000} {
		for _, c := range []struct{ name, line string }{{"last", "last x"}, {"denied", "last 1"}} {
			b.Run(fmt.Sprintf("%d/%s", n, c.name), func(b *testing.B) {
				p, err := Load(benchTree(b, n), trust.Parent, inifile.Parse)
				if err != nil {
					b.Fatal(err)
				}
				m, argv := machine.New(p.ExecDirs, trust.Parent), filters.Words(strings.Split(c.line, " "))
				b.ReportAllocs()
				for b.Loop() {
					if d := p.Decide(Request{Argv: argv, Machine: m}); (d.Verdict == Allowed) != (c.name == "last") {
						b.Fatal(outcome(d))
					}
				}
			})
		}
	}
}
