// Package services runs the code of real OpenStack services, as Debian has it, in a root of
// its own: what its unprivileged processes ask for through sudo comes through ironwrap as
// through the peer.
package services

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var all = flag.Bool("all", false, "all of neutron's functional tests; without it a selection")

// The services, each with a user of its name and a /etc/NAME/rootwrap.conf.
var services = []string{"neutron", "nova", "cinder", "manila", "ceilometer"}

const ours = "/usr/bin/ironwrap"

func peer(service string) string { return "/usr/bin/" + service + "-rootwrap" }

var (
	debian string // Debian with the services
	tree   string // what lies over it: ironwrap as it is installed, and the scripts
)

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Geteuid() != 0 {
		fmt.Println("SKIP integration/services: not root: no service's code was run; run make test as root")
		os.Exit(0)
	}
	status := m.Run()
	if made != "" {
		os.RemoveAll(made)
	}
	os.Exit(status)
}

var (
	once sync.Once
	made string // the directory with both
	fail error
)

// ready sees to it that both are there. IRONWRAP_SERVICES names a root that root.sh made
// before.
func ready(t *testing.T) {
	t.Helper()
	once.Do(func() { fail = prepare() })
	if fail != nil {
		t.Fatal(fail)
	}
}

func prepare() (err error) {
	if made, err = os.MkdirTemp("/var/tmp", "ironwrap-services-"); err != nil {
		return err
	}
	if err := os.Chmod(made, 0o755); err != nil { // everybody may enter it
		return err
	}
	tree = made + "/tree"
	if debian = os.Getenv("IRONWRAP_SERVICES"); debian == "" {
		debian = made + "/root"
		if err := command("sh", "-c", `command -v mmdebstrap >/dev/null ||
			{ apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends mmdebstrap; }`); err != nil {
			return err
		}
		if err := command("./root.sh", made); err != nil {
			return err
		}
	}
	return build()
}

// build makes ironwrap as it is installed.
func build() error {
	lib := tree + "/usr/lib/ironwrap"
	for _, dir := range []string{tree + "/usr/bin", lib, tree + "/opt"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	flags := "-X ironwrap/sandbox/seccomp.Dir=/usr/lib/ironwrap/profiles -X ironwrap/exec.LauncherPath=/usr/lib/ironwrap/ironwrap-launch" +
		" -X ironwrap/exec/reading.Program=/usr/lib/ironwrap/ironwrap-read -X ironwrap/policy/compiled.Build=" + filepath.Base(made)
	for program, to := range map[string]string{"ironwrap": tree + "/usr/bin", "ironwrap-daemon": tree + "/usr/bin", "ironwrap-read": lib, "ironwrap-launch": lib} {
		if err := command("env", "CGO_ENABLED=0", "go", "build", "-ldflags", flags, "-o", to+"/", "../../cmd/"+program); err != nil {
			return err
		}
	}
	for _, program := range []string{"ironwrap-read", "ironwrap-launch"} {
		if err := os.Chmod(lib+"/"+program, 0o700); err != nil {
			return err
		}
	}
	if err := profiles(lib + "/profiles"); err != nil {
		return err
	}
	return command("cp", "calls.py", "contexts.py", "functional.py", tree+"/opt/")
}

// profiles compiles those that are shipped.
func profiles(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	ctl := made + "/ironwrapctl"
	if err := command("go", "build", "-o", ctl, "../../cmd/ironwrapctl"); err != nil {
		return err
	}
	sources, err := filepath.Glob("../../profiles/*.json")
	if err != nil {
		return err
	}
	for _, source := range sources {
		source, err := filepath.Abs(source)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(source), ".json")
		if err := command(ctl, "seccomp", "compile", "--output", dir+"/"+name+".bpf", source); err != nil {
			return err
		}
	}
	return command(append([]string{"cp", "--target-directory=" + dir}, sources...)...)
}

func command(argv ...string) error {
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot run %q: %w\n%s", argv, err, out)
	}
	return nil
}

// play runs a program as a service's user, on a stage of its own, and returns what it wrote
// to standard output. Trees lie over Debian, the first one above the others.
func play(t *testing.T, service string, trees []string, env []string, argv ...string) []byte {
	t.Helper()
	words := append([]string{"--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--net", "--uts",
		"/bin/sh", "stage.sh", debian, strings.Join(append(trees, tree), ":"),
		"setpriv", "--reuid", service, "--regid", service, "--init-groups",
		"env", "-i", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/var/lib/" + service, "LC_ALL=C.UTF-8"}, env...)
	c := exec.Command("unshare", append(words, argv...)...)
	c.Env = append(os.Environ(), "TMPDIR="+made)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Errorf("%q of %s: %v\n%s\n%s", argv, service, err, out.Bytes(), errs.Bytes())
	}
	return out.Bytes()
}
