package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// linked is everything beside the standard library that the privileged program
// links. A new line here needs its reason in docs/architecture.md.
var linked = []string{
	"golang.org/x/sys/unix",
	"gopkg.in/ini.v1",
	"ironwrap/cmd/ironwrap",
	"ironwrap/exec",
	"ironwrap/exec/audit",
	"ironwrap/filters",
	"ironwrap/filters/pyre",
	"ironwrap/policy",
	"ironwrap/policy/account",
	"ironwrap/policy/inifile",
	"ironwrap/policy/machine",
	"ironwrap/policy/trust",
	"ironwrap/sandbox",
	"ironwrap/sandbox/seccomp",
}

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
	all := list(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	slices.Sort(all)
	if !slices.Equal(all, linked) {
		t.Errorf("linked: %v\nwant:   %v", all, linked)
	}
	for _, p := range list(t, "-deps", ".") {
		for _, banned := range []string{"runtime/cgo", "net", "net/http", "os/user", "os/exec", "encoding/gob", "encoding/json", "log/syslog", "text/template", "plugin"} {
			if p == banned {
				t.Errorf("links %s", p)
			}
		}
	}
}

// walls: who may import what, of ours and of the kernel.
func TestWalls(t *testing.T) {
	const unix = "golang.org/x/sys/unix"
	for _, wall := range []struct {
		packages string
		banned   []string
	}{
		{"ironwrap/filters/...", []string{"ironwrap/policy", "ironwrap/exec", "ironwrap/sandbox", unix, "os", "syscall"}},
		{"ironwrap/sandbox/...", []string{"ironwrap/policy", "ironwrap/exec", "ironwrap/filters"}},
		{"ironwrap/policy/...", []string{"ironwrap/exec", "ironwrap/sandbox"}},
		{"ironwrap/policy", []string{unix, "ironwrap/policy/lint"}},
		{"ironwrap/policy/lint", []string{unix}},
		{"ironwrap/exec/...", []string{"ironwrap/policy/lint"}},
		{"ironwrap/policy/inifile", []string{unix, "os"}},
		{"ironwrap/policy/account", []string{unix}},
		{"ironwrap/cmd/ironwrap", []string{unix, "syscall"}},
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
