// Package sized writes policies of a given size, for benchmarks and for the budget.
package sized

import (
	"fmt"
	"os"
	"strings"
)

// Usual is about how many filters a machine has that runs all of OpenStack's services.
const Usual = 229

// Policy writes a policy of so many filters below dir, in files of 10 (of 100 above 1,000
// filters). The last ones, in a file of their own, are those given. It returns the path of
// rootwrap.conf, whose end is extra.
func Policy(dir string, count int, last []string, extra string) (conf string, err error) {
	if err := os.MkdirAll(dir+"/filters.d", 0o755); err != nil {
		return "", err
	}
	perFile := 10
	if count > 1000 {
		perFile = 100
	}
	fill := fillers(count - len(last))
	for i := 0; len(fill) > 0; i++ {
		n := min(perFile, len(fill))
		if err := write(fmt.Sprintf("%s/filters.d/%04d.filters", dir, i), fill[:n]); err != nil {
			return "", err
		}
		fill = fill[n:]
	}
	if err := write(dir+"/filters.d/last.filters", last); err != nil {
		return "", err
	}
	conf = dir + "/rootwrap.conf"
	text := "[DEFAULT]\nfilters_path=" + dir + "/filters.d\nexec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n" + extra
	return conf, os.WriteFile(conf, []byte(text), 0o644)
}

func write(path string, lines []string) error {
	return os.WriteFile(path, []byte("[Filters]\n"+strings.Join(lines, "\n")+"\n"), 0o644)
}

// fillers are filters that do not match, in the proportions in which the classes are
// deployed.
func fillers(n int) (lines []string) {
	for i := range n {
		line := fmt.Sprintf("CommandFilter, program%d, root", i)
		switch i % 10 {
		case 0:
			line = fmt.Sprintf(`RegExpFilter, program%d, root, program%d, --size=\d+, /dev/(?!.*/\.\.).*`, i, i)
		case 1:
			line = fmt.Sprintf("EnvFilter, env, root, LC_ALL=C, program%d", i)
		case 2:
			line = fmt.Sprintf("KillFilter, root, /usr/sbin/program%d, -9, -HUP", i)
		case 3:
			line = fmt.Sprintf("PathFilter, /bin/program%d, root, pass, /var/lib/images", i)
		}
		lines = append(lines, fmt.Sprintf("filter%d: %s", i, line))
	}
	return lines
}

// FullSandbox is all at once, for the end of rootwrap.conf: capabilities, no_new_privs,
// Landlock, and a seccomp profile, which has to be compiled.
func FullSandbox(profile string) string {
	return "[Sandbox]\ncapabilities = CAP_NET_ADMIN\nno_new_privs = yes\nseccomp = " + profile + "\n" +
		"landlock_ro = /usr, /lib, /lib64, /etc\n"
}
