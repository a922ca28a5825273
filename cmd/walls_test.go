package cmd

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// linked is everything beside the standard library that each privileged program
// links, and ironwrap-call, which is in the place of one. A new line here needs its reason in docs/architecture.md.
var linked = map[string][]string{
	"ironwrap": append([]string{
		"ironwrap/exec/reading",
		"ironwrap/exec/stack",
		"ironwrap/policy/store",
	}, deciding...),
	"ironwrap-read": {
		"golang.org/x/sys/unix",
		"gopkg.in/ini.v1",
		"ironwrap/exec/reading",
		"ironwrap/exec/stack",
		"ironwrap/filters",
		"ironwrap/filters/pyre",
		"ironwrap/policy",
		"ironwrap/policy/compiled",
		"ironwrap/policy/document",
		"ironwrap/policy/environ",
		"ironwrap/policy/inifile",
		"ironwrap/policy/internal/copied",
		"ironwrap/policy/privsep",
		"ironwrap/policy/program",
		"ironwrap/policy/store",
		"ironwrap/policy/trust",
	},
	"ironwrap-daemon": append([]string{
		"gopkg.in/ini.v1",
		"ironwrap/policy/inifile",
		"github.com/coreos/go-systemd/v22/activation",
		"github.com/coreos/go-systemd/v22/daemon",
		"ironwrap/exec/call",
		"ironwrap/exec/daemon",
		"ironwrap/exec/daemon/wire",
	}, deciding...),
	"ironwrap-call": {
		"golang.org/x/sys/unix",
		"ironwrap/exec/call",
		"ironwrap/exec/stack",
		"ironwrap/exec/stderr",
		"ironwrap/filters",
		"ironwrap/filters/pyre",
		"ironwrap/sandbox",
		"ironwrap/sandbox/seccomp",
	},
	"ironwrap-launch": {
		"golang.org/x/sys/unix",
		"ironwrap/exec/launch",
		"ironwrap/exec/stderr",
		"ironwrap/filters",
		"ironwrap/filters/pyre",
		"ironwrap/sandbox",
		"ironwrap/sandbox/seccomp",
	},
}

// deciding is what it takes to decide, and to carry a decision out.
var deciding = []string{
	"golang.org/x/sys/unix",
	"ironwrap/exec",
	"ironwrap/exec/audit",
	"ironwrap/exec/launch",
	"ironwrap/exec/stderr",
	"ironwrap/filters",
	"ironwrap/filters/pyre",
	"ironwrap/policy",
	"ironwrap/policy/account",
	"ironwrap/policy/compiled",
	"ironwrap/policy/document",
	"ironwrap/policy/environ",
	"ironwrap/policy/internal/copied",
	"ironwrap/policy/machine",
	"ironwrap/policy/privsep",
	"ironwrap/policy/program",
	"ironwrap/policy/trust",
	"ironwrap/sandbox",
	"ironwrap/sandbox/seccomp",
}

// banned is what none of them links, and daemonOnly what only the daemon does, but for the
// signals that ironwrap-call passes on; parsing is what those do that read documents, and
// whose start costs.
var (
	banned     = []string{"runtime/cgo", "net/http", "os/user", "os/exec", "encoding/gob", "log/syslog", "text/template", "debug/elf", "plugin", "C"}
	daemonOnly = []string{"crypto", "net", "encoding/json", "os/signal"}
	parsing    = []string{"regexp"}
)

func list(t *testing.T, args ...string) []string {
	t.Helper()
	c := exec.Command("go", append([]string{"list"}, args...)...)
	c.Env = append(c.Environ(), "CGO_ENABLED=0")
	out, err := c.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Fields(string(out))
}

func TestLinked(t *testing.T) {
	for program, want := range linked {
		path := "ironwrap/cmd/" + program
		all := list(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", path)
		want = append([]string{path}, want...)
		slices.Sort(all)
		slices.Sort(want)
		if !slices.Equal(all, want) {
			t.Errorf("%s links %v\nwant:   %v", program, all, want)
		}
		for _, p := range list(t, "-deps", path) {
			if slices.Contains(banned, p) || program != "ironwrap-daemon" && slices.Contains(daemonOnly, p) && !(program == "ironwrap-call" && p == "os/signal") {
				t.Errorf("%s links %s", program, p)
			}
			if slices.Contains(parsing, p) && (program == "ironwrap" || program == "ironwrap-launch") {
				t.Errorf("%s links %s", program, p)
			}
		}
	}
}

// What only draws charts for the documentation is in no program that is installed.
func TestNoCharts(t *testing.T) {
	for _, p := range list(t, "-e", "-deps", "ironwrap/cmd/...") {
		if strings.HasPrefix(p, "gonum.org/") || strings.HasPrefix(p, "ironwrap/integration/") {
			t.Errorf("a program links %s", p)
		}
	}
}

// What reviews a policy is for tools of people.
func TestNoReview(t *testing.T) {
	for program := range linked {
		for _, p := range list(t, "-deps", "ironwrap/cmd/"+program) {
			if strings.HasPrefix(p, "ironwrap/policy/review") {
				t.Errorf("%s links %s", program, p)
			}
			if slices.Contains(parsing, p) && (program == "ironwrap" || program == "ironwrap-launch") {
				t.Errorf("%s links %s", program, p)
			}
		}
	}
}

// A policy of which nobody knows who wrote it is made for reviews: its type is named by the
// engine, which takes it, and by what reads trees. The compiler keeps it from all that does
// not lie below policy.
func TestCopied(t *testing.T) {
	users := list(t, "-e", "-f", `{{range .Imports}}{{if eq . "ironwrap/policy/internal/copied"}}{{$.ImportPath}}{{end}}{{end}}`, "ironwrap/...")
	if want := []string{"ironwrap/policy", "ironwrap/policy/review/collected"}; !slices.Equal(users, want) {
		t.Errorf("%v import it, not %v", users, want)
	}
}

// walls: who may import what, of ours and of the kernel.
func TestWalls(t *testing.T) {
	const unix = "golang.org/x/sys/unix"
	for _, wall := range []struct {
		packages string
		banned   []string
	}{
		{"ironwrap/filters/...", []string{"ironwrap/policy", "ironwrap/exec", "ironwrap/sandbox", unix, "os", "syscall", "regexp"}},
		{"ironwrap/sandbox/...", []string{"ironwrap/policy", "ironwrap/exec", "ironwrap/filters"}},
		{"ironwrap/policy/...", []string{"ironwrap/exec", "ironwrap/sandbox"}},
		{"ironwrap/policy", []string{unix, "ironwrap/policy/review", "ironwrap/policy/inifile", "ironwrap/policy/store"}},
		{"ironwrap/policy/compiled", []string{unix, "os", "syscall", "ironwrap/policy/inifile", "ironwrap/filters"}},
		{"ironwrap/policy/document", []string{"ironwrap", unix, "os"}},
		{"ironwrap/policy/review/lint", []string{unix}},
		{"ironwrap/policy/review/language", []string{unix, "os", "syscall", "regexp", "ironwrap/policy"}},
		{"ironwrap/policy/review/expect", []string{unix, "syscall", "ironwrap/policy/machine"}},
		{"ironwrap/policy/review/usage", []string{unix, "syscall", "os", "os/exec", "ironwrap/policy/machine"}},
		{"ironwrap/policy/review/accepted", []string{unix, "syscall", "os"}},
		{"ironwrap/policy/review/plainyaml", []string{unix, "syscall", "ironwrap/policy"}},
		{"ironwrap/policy/review/collected", []string{unix, "os/exec", "ironwrap/policy/machine", "ironwrap/policy/account"}},
		{"ironwrap/policy/review/fleet", []string{unix, "syscall", "os", "regexp"}},
		{"ironwrap/policy/review/difference/...", []string{unix, "syscall", "regexp"}},
		{"ironwrap/policy/review/programs", []string{unix, "os", "syscall", "regexp"}},
		{"ironwrap/policy/program", []string{unix, "syscall", "debug/elf", "ironwrap/policy/account", "ironwrap/policy/machine"}},
		{"ironwrap/exec/...", []string{"ironwrap/policy/review"}},
		{"ironwrap/policy/inifile", []string{unix, "os"}},
		{"ironwrap/policy/privsep", []string{"ironwrap", unix, "os", "syscall"}},
		{"ironwrap/policy/environ", []string{"ironwrap", unix, "os"}},
		{"ironwrap/policy/account", []string{unix}},
		{"ironwrap/cmd/ironwrap", []string{unix, "syscall"}},
		{"ironwrap/cmd/ironwrap-read", []string{unix, "syscall"}},
		{"ironwrap/cmd/ironwrap-daemon", []string{unix, "syscall"}},
		{"ironwrap/cmd/ironwrap-launch", []string{unix, "syscall", "ironwrap/policy", "ironwrap/exec/daemon"}},
		{"ironwrap/exec/launch", []string{"ironwrap/policy"}},
		{"ironwrap/exec/daemon/wire", []string{"ironwrap/policy", "ironwrap/sandbox", unix, "os"}},
	} {
		lines := list(t, "-f", `{{range .Imports}}{{$.ImportPath}}>{{.}} {{end}}`, wall.packages)
		for _, l := range lines {
			from, to, _ := strings.Cut(l, ">")
			for _, b := range wall.banned {
				if to == b || strings.HasPrefix(to, b+"/") {
					t.Errorf("%s imports %s", from, to)
				}
			}
		}
	}
}
