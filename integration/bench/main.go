// Command bench prints what running one command costs through ironwrap and through
// its daemon, beside the other programs that do such work. All run in turn, over
// and over, so that a noisy machine is equally noisy to each; what counts is the
// ratios.
//
// usage: bench [one-shot|daemon]
//
// It runs as root, installs what it compares with, and removes what it made.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

func main() {
	what := ""
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	if err := bench(what); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(what string) error {
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
	if what != "daemon" {
		if err := oneShot(dir); err != nil {
			return err
		}
	}
	if what != "one-shot" {
		return daemons(dir)
	}
	return nil
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
