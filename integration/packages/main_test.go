// Package packages makes the packages, and installs, upgrades and removes them in a
// Debian of its own, beside Debian's packages of the services. The parts that take
// longest are run by make test-packages alone.
package packages

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	dir string // everything that is made lies here
	top string // of the repository
	all = os.Getenv("IRONWRAP_PACKAGES") == "all"
)

func TestMain(m *testing.M) {
	if os.Args[0] == guard {
		fmt.Fprintln(os.Stderr, becomeGuarded(os.Args[1], os.Args[2:]))
		os.Exit(125)
	}
	if os.Geteuid() != 0 {
		fmt.Println("SKIP integration/packages: not root: no package was made or installed; run make test as root")
		os.Exit(0)
	}
	status := 1
	if err := prepare(); err != nil {
		fmt.Println("integration/packages:", err)
	} else {
		status = m.Run()
	}
	if err := clean(); err != nil {
		fmt.Println("integration/packages:", err)
		status = 1
	}
	os.Exit(status)
}

func prepare() (err error) {
	if top, err = filepath.Abs("../.."); err != nil {
		return err
	}
	if dir, err = os.MkdirTemp("/var/lib", "ironwrap-packages-"); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	return installed(map[string]string{"lintian": "lintian", "rpmlint": "rpmlint", "rpm": "rpm", "shellcheck": "shellcheck", "mmdebstrap": "mmdebstrap", "systemd-analyze": "systemd", "man": "man-db"})
}

// clean removes all that was made, and nothing that is mounted there.
func clean() error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	if dir == "" || strings.Contains(string(mounts), " "+dir+"/") {
		return fmt.Errorf("%s is kept: something is mounted there", dir)
	}
	return os.RemoveAll(dir)
}

// installed sees to it that programs are there, each of a Debian package.
func installed(programs map[string]string) error {
	var missing []string
	for program, pkg := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// Of this machine, and of Debian's alone: nothing of ours is installed so.
	c := exec.Command("sh", "-c", `apt-get update -qq; apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@"`, "sh")
	c.Args = append(c.Args, missing...)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot install %s: %v\n%s", missing, err, out)
	}
	return nil
}

// do runs argv, which must end well, and returns what it printed.
func do(t *testing.T, argv ...string) string {
	t.Helper()
	return doIn(t, "", nil, argv...)
}

// environ is this process's without what a make above it has set.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "MAKE") || slices.Contains([]string{"MFLAGS", "GOARCH", "VERSION", "DESTDIR", "PREFIX", "CONFDIR", "SETUID", "MAINTAINER"}, name)
	})
}

func doIn(t *testing.T, where string, env []string, argv ...string) string {
	t.Helper()
	c := exec.Command(argv[0], argv[1:]...)
	if changes(argv[0]) {
		c, env = guarded(argv...), append(env, "TMPDIR="+dir)
	}
	c.Dir, c.Env = where, append(environ(), env...)
	var both bytes.Buffer
	c.Stdout, c.Stderr, c.WaitDelay = &both, &both, time.Second
	if err := c.Run(); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, &both)
	}
	return both.String()
}

// source is a copy of the source, without what was built, in a directory of its own.
func source(t *testing.T, name string) string {
	t.Helper()
	to := filepath.Join(dir, name)
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	do(t, "sh", "-c", `tar -C "$0" --exclude=./bin --exclude=./dist --exclude=./.git -c . | tar -C "$1" --no-same-owner -x`, top, to)
	if tools, err := os.Stat(top + "/bin/tools"); err == nil && tools.IsDir() {
		do(t, "sh", "-c", `mkdir "$1/bin" && cp -a "$0/bin/tools" "$1/bin/"`, top, to)
	}
	return to
}

// The versions that are made: the first one, the same elsewhere, and a newer one.
const (
	first, newer = "1.0.0", "1.0.1"
	epoch        = "1700000000"
	publisher    = "Anne O'Neill: #1 <anne@example.org>" // of the newer one
)

var building struct {
	once                sync.Once
	first, again, newer string // directories of packages
	tried               bool
}

// built makes all packages, once.
func built(t *testing.T) {
	t.Helper()
	building.once.Do(func() {
		arches := "amd64"
		if all {
			arches = "amd64 arm64"
			do(t, "make", "-C", top, "deps", "GOARCH=arm64")
		}
		here := source(t, "a")
		if _, err := os.Stat(top + "/bin/tools/nfpm"); err != nil { // the next one has it
			do(t, "make", "-C", top, "bin/tools/nfpm")
		}
		there := source(t, "another/and a longer name/of a directory")
		packages := func(where, version, to string, env ...string) string {
			doIn(t, where, env, "sh", "-c", `umask "${MASK:-022}" && exec make packages VERSION="v$0" ARCHES="$1"`, version, arches)
			if err := os.Rename(where+"/dist", dir+"/"+to); err != nil {
				t.Fatal(err)
			}
			return dir + "/" + to
		}
		newerEpoch := "SOURCE_DATE_EPOCH=1700003600"
		one := packages(here, first, "dist", "SOURCE_DATE_EPOCH="+epoch)
		again := packages(there, first, "dist-again", "SOURCE_DATE_EPOCH="+epoch, "TZ=Pacific/Auckland", "MASK=077", "LANG=C.UTF-8")
		building.newer = packages(here, newer, "dist-newer", newerEpoch, "MAINTAINER="+publisher)
		building.first, building.again = one, again
	})
	if building.newer == "" {
		t.Fatal("the packages could not be made: see the first test")
	}
}

// sums are those of the files in a directory.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	files, err := filepath.Glob(dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			t.Fatal(err)
		}
		f.Close()
		found[filepath.Base(path)] = fmt.Sprintf("%x", h.Sum(nil))
	}
	return found
}

// glob is what a pattern finds, which must be something.
func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("there is no %s: %v", pattern, err)
	}
	return found
}
