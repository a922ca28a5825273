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

// oneShot starts each program anew for each command.
func oneShot(dir string) error {
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
