package daemon

import (
	"fmt"
	"os"
	osexec "os/exec"
	"strings"
	"testing"

	"ironwrap/exec"
	"ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/trust"
)

var program string // ironwrap-daemon, with ironwrap-launch beside it

func TestMain(m *testing.M) {
	if f := os.Getenv("DAEMON_TEST_CHILD"); f != "" {
		children[f]()
		os.Exit(0)
	}
	os.Exit(tests(m))
}

// children is what this binary does where a test starts it as a process.
var children = map[string]func(){}

// tests builds the launcher first, which only root can use.
func tests(m *testing.M) int {
	if os.Geteuid() != 0 {
		return m.Run()
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-test-")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	exec.LauncherPath, program = dir+"/ironwrap-launch", dir+"/ironwrap-daemon"
	build := osexec.Command("go", "build", "-o", dir, "ironwrap/cmd/ironwrap-launch", "ironwrap/cmd/ironwrap-daemon")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("cannot build the programs: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: the daemon, which must be, was not checked here")
	}
}

// conf is a configuration of a test's own. It lies below /var/lib, where every
// directory on the way is root's and nobody else can write.
type conf struct{ dir, path, filters string }

func newConf(t testing.TB, filters string, extra ...string) conf {
	t.Helper()
	needRoot(t)
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/filters.d", 0o755); err != nil {
		t.Fatal(err)
	}
	c := conf{dir, dir + "/rootwrap.conf", dir + "/filters.d/test.filters"}
	c.write(t, c.path, c.config(extra...))
	c.write(t, c.filters, "[Filters]\n"+filters+"\n")
	return c
}

func (c conf) config(extra ...string) string {
	return "[DEFAULT]\nfilters_path=" + c.dir + "/filters.d\nexec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n" + strings.Join(extra, "\n") + "\n"
}

func (c conf) write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (c conf) load(t testing.TB) *policy.Policy {
	t.Helper()
	p, err := policy.Load(c.path, trust.Object, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
