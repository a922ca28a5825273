// Command bench prints what running one command costs through ironwrap, beside
// the other programs that do such work. All run in turn, over and over, so that
// a noisy machine is equally noisy to each; what counts is the ratios.
//
// It runs as root, installs what it compares with, and removes what it made.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

const noop = `package main

import (
	"os"
	"syscall"
)

func main() {
	syscall.Exec("/bin/true", []string{"/bin/true"}, []string{"PATH=/usr/bin:/bin"})
	os.Exit(1)
}
`

type contender struct {
	name string
	argv []string
	// slow ones run in every tenth round only.
	slow  bool
	times []time.Duration
}

func main() {
	if err := bench(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("needs root, for sudo, doas and ironwrap alike")
	}
	for file, pkg := range map[string]string{
		"/usr/bin/oslo-rootwrap": "python3-oslo.rootwrap", "/usr/bin/sudo": "sudo", "/usr/bin/doas": "opendoas",
	} {
		if _, err := os.Stat(file); err != nil {
			c := exec.Command("apt-get", "install", "-y", "--no-install-recommends", pkg)
			c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
			if out, err := c.CombinedOutput(); err != nil {
				return fmt.Errorf("cannot install %s: %v\n%s", pkg, err, out)
			}
		}
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Mkdir(dir+"/filters.d", 0o755); err != nil {
		return err
	}
	for path, text := range map[string]string{
		dir + "/rootwrap.conf":          "[DEFAULT]\nfilters_path=" + dir + "/filters.d\nexec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n",
		dir + "/filters.d/test.filters": "[Filters]\n" + filters() + "true: CommandFilter, true, root\n",
		dir + "/sandboxed.conf":         "[DEFAULT]\nfilters_path=" + dir + "/filters.d\nexec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n" + sandbox(dir),
		dir + "/noop.go":                noop,
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := compileProfile(dir); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-o", dir+"/noop", dir+"/noop.go")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the program that does nothing: %v\n%s", err, out)
	}
	ironwrap, err := filepath.Abs("bin/ironwrap")
	if err != nil {
		return err
	}
	restore, err := doasConf()
	if err != nil {
		return err
	}
	defer restore()

	conf := dir + "/rootwrap.conf"
	contenders := []*contender{
		{name: "bare exec", argv: []string{"/bin/true"}},
		{name: "static Go, execve only", argv: []string{dir + "/noop"}},
		{name: "ironwrap", argv: []string{ironwrap, conf, "true"}},
		{name: "ironwrap, sandboxed", argv: []string{ironwrap, dir + "/sandboxed.conf", "true"}},
		{name: "setpriv", argv: []string{"/usr/bin/setpriv", "--reuid=0", "--regid=0", "--clear-groups", "/bin/true"}},
		{name: "doas", argv: []string{"/usr/bin/doas", "-n", "/bin/true"}},
		{name: "sudo", argv: []string{"/usr/bin/sudo", "-n", "/bin/true"}},
		{name: "oslo-rootwrap", argv: []string{"/usr/bin/oslo-rootwrap", conf, "true"}, slow: true},
	}
	const rounds = 500
	for i := range rounds {
		for _, c := range contenders {
			if c.slow && i%10 != 0 {
				continue
			}
			cmd := exec.Command(c.argv[0], c.argv[1:]...)
			start := time.Now()
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("%s: %v", c.name, err)
			}
			c.times = append(c.times, time.Since(start))
		}
	}
	report(contenders)
	return nil
}

// report prints the lower quartile, which noise moves less than the median, and
// what each adds over running the command itself.
func report(contenders []*contender) {
	quartile := func(c *contender) time.Duration {
		slices.Sort(c.times)
		return c.times[len(c.times)/4]
	}
	bare := quartile(contenders[0])
	unit := quartile(contenders[1]) - bare
	fmt.Printf("\n%-24s %10s %10s %10s   %s\n", "", "median", "quartile", "added", "added, in units of a static Go program that only calls execve")
	for _, c := range contenders {
		q := quartile(c)
		fmt.Printf("%-24s %10s %10s %10s   %.2f\n", c.name,
			ms(c.times[len(c.times)/2]), ms(q), ms(q-bare), float64(q-bare)/float64(unit))
	}
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

// filters is a policy of the usual size: 40 lines before the one that matches.
func filters() (text string) {
	for i := range 40 {
		text += fmt.Sprintf("f%d: RegExpFilter, tool%d, root, tool%d, (add|del), /dev/[a-z]+\n", i, i, i)
	}
	return text
}

// sandbox is all at once: capabilities, no_new_privs, Landlock, and the profile that
// compileProfile puts into dir.
func sandbox(dir string) string {
	return "[Sandbox]\ncapabilities = CAP_NET_ADMIN\nno_new_privs = yes\nseccomp = " + dir + "/default.json\n" +
		"landlock_ro = /usr, /lib, /lib64, /etc\n"
}

func compileProfile(dir string) error {
	text, err := os.ReadFile("profiles/default.json")
	if err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/default.json", text, 0o644); err != nil {
		return err
	}
	if out, err := exec.Command("bin/ironwrapctl", "seccomp", "compile", dir+"/default.json").CombinedOutput(); err != nil {
		return fmt.Errorf("cannot compile the profile: %v\n%s", err, out)
	}
	return nil
}

// doasConf lets root use doas without a password, until restored.
func doasConf() (restore func(), err error) {
	const path = "/etc/doas.conf"
	old, readErr := os.ReadFile(path)
	restore = func() {
		if readErr == nil {
			os.WriteFile(path, old, 0o600)
		} else {
			os.Remove(path)
		}
	}
	return restore, os.WriteFile(path, []byte("permit nopass root\n"), 0o600)
}
