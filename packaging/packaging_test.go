// Package packaging has what is installed beside the programs, and what makes packages.
package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRequirements takes one tool after the other away, or an older one in its place:
// a line says so.
func TestRequirements(t *testing.T) {
	wanted := goWanted(t)
	for _, c := range []struct {
		name, mode string
		fake       map[string]string // the text of a shell script; "" is no such program
		env        []string
		want       []string // the lines, in part
	}{
		{name: "all there", mode: "build"},
		{name: "all there to run", mode: "host"},
		{name: "no Go", mode: "build", fake: map[string]string{"go": ""}, want: []string{"Go " + wanted + " or newer is not there"}},
		{name: "Debian's Go", mode: "host", fake: map[string]string{"go": "echo go1.19.8"}, want: []string{"Go " + wanted + " or newer is needed, and this is go1.19.8"}},
		{name: "a newer Go", mode: "host", fake: map[string]string{"go": "echo go1.111.2"}},
		{name: "a Go that may fetch no other", mode: "host", fake: map[string]string{"go": `[ "$GOTOOLCHAIN" = local ] && echo go1.24.1`}, want: []string{"this is go1.24.1"}},
		{name: "a Go that says nothing", mode: "host", fake: map[string]string{"go": "exit 1"}, want: []string{"this is of no version"}},
		{name: "another Go by GO", mode: "host", fake: map[string]string{"go": "", "go1.99": "echo go1.99"}, env: []string{"GO=go1.99"}},
		{name: "an old kernel", mode: "host", fake: map[string]string{"uname": kernel("5.10.0-9-amd64")}, want: []string{"Linux 5.11 or newer is needed, and this is 5.10.0-9-amd64"}},
		{name: "an old kernel to build on", mode: "build", fake: map[string]string{"uname": kernel("4.18.0-553.el8")}, want: []string{"note: ironwrap runs on Linux 5.11 and newer, and this is 4.18.0-553.el8"}},
		{name: "the oldest kernel", mode: "host", fake: map[string]string{"uname": kernel("5.11.0")}},
		{name: "a make of others", mode: "build", fake: map[string]string{"make": "echo usage: make >&2; exit 1"}, want: []string{"GNU make is not there: apt-get install make"}},
		{name: "no compiler", mode: "build", fake: map[string]string{"gcc": ""}, want: []string{"not there: gcc libc6-dev. make deps installs them"}},
		{name: "a compiler without headers", mode: "build", fake: map[string]string{"gcc": "exit 1"}, want: []string{"not there: gcc libc6-dev. make deps installs them"}},
		{name: "no libseccomp", mode: "build", fake: map[string]string{"pkg-config": "exit 1"}, want: []string{"not there: libseccomp-dev. make deps"}},
		{name: "no pkg-config and no git", mode: "build", fake: map[string]string{"pkg-config": "", "git": ""}, env: []string{"checkout=1"}, want: []string{"not there: git pkg-config libseccomp-dev. make deps"}},
		{name: "no git, and no checkout", mode: "build", fake: map[string]string{"git": ""}},
		{name: "no certificates, and modules are missing", mode: "build", fake: map[string]string{"go": `[ "$1" = env ] && echo go1.99`}, env: []string{"CERTIFICATES=/nowhere"}, want: []string{"not there: ca-certificates. make deps"}},
		{name: "no certificates, and no module is missing", mode: "build", env: []string{"CERTIFICATES=/nowhere"}},
		{name: "arm64", mode: "build", fake: map[string]string{"cross-gcc": "exit 1", "pkg-config": "exit 1", "qemu-aarch64-static": ""}, env: []string{"GOARCH=arm64", "CC=cross-gcc"},
			want: []string{"not there: qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross libseccomp-dev:arm64. make deps GOARCH=arm64 installs them"}},
		{name: "much", mode: "build", fake: map[string]string{"go": "", "gcc": ""}, want: []string{"Go " + wanted, "not there: gcc libc6-dev."}},
		{name: "install nothing", mode: "install"},
		{name: "install", mode: "install", fake: map[string]string{"gcc": "", "apt-get": `echo "apt-get $*" >&2`}, want: []string{"apt-get update -qq", "--no-install-recommends gcc libc6-dev"}},
		{name: "install for a user", mode: "install", fake: map[string]string{"git": "", "id": "echo 1000", "sudo": `echo "sudo $*" >&2`}, env: []string{"checkout=1"},
			want: []string{"sudo apt-get update -qq", "sudo env DEBIAN_FRONTEND=noninteractive apt-get"}},
		{name: "install for a user without sudo", mode: "install", fake: map[string]string{"gcc": "", "id": "echo 1000", "sudo": "", "apt-get": "exit 9"}, want: []string{"cannot install packages: not root, and sudo is not there"}},
		{name: "install where there is no apt-get", mode: "install", fake: map[string]string{"gcc": "", "apt-get": ""}, want: []string{"not there: gcc libc6-dev (Debian's names). There is no apt-get"}},
		{name: "install for arm64", mode: "install", fake: map[string]string{"pkg-config": "exit 1", "dpkg": `echo "dpkg $*" >&2`, "apt-get": `echo "apt-get $*" >&2`}, env: []string{"GOARCH=arm64"},
			want: []string{"dpkg --add-architecture arm64", "apt-get update", "libseccomp-dev:arm64"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := t.TempDir()
			tools(t, top+"/tools", c.fake)
			copyFile(t, "requirements.sh", top+"/packaging/requirements.sh")
			copyFile(t, "../go.mod", top+"/go.mod")
			run := exec.Command(top+"/packaging/requirements.sh", c.mode)
			run.Env = append([]string{"PATH=" + top + "/tools"}, c.env...)
			if strings.Contains(strings.Join(c.env, " "), "checkout=1") {
				if err := os.Mkdir(top+"/.git", 0o755); err != nil {
					t.Fatal(err)
				}
			}
			out, err := run.CombinedOutput()
			if fails := strings.Contains(string(out), "requirements: ") && !strings.Contains(string(out), "requirements: note"); fails != (err != nil) {
				t.Errorf("%v, with %q", err, out)
			}
			lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
			if len(c.want) == 0 && len(out) != 0 || len(c.want) > 0 && len(lines) != len(c.want) {
				t.Fatalf("it says %q, expected %q", out, c.want)
			}
			for i, want := range c.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("it says %q, expected %q", lines[i], want)
				}
			}
		})
	}
}

func goWanted(t *testing.T) string {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if version, ok := strings.CutPrefix(line, "go "); ok {
			return version
		}
	}
	t.Fatal("go.mod names no version of Go")
	return ""
}

func kernel(release string) string {
	return fmt.Sprintf(`[ "$1" = -m ] && echo x86_64 || echo %s`, release)
}

// tools fills dir with what a good machine has, apart from fake.
func tools(t *testing.T, dir string, fake map[string]string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sh", "sed", "sort", "head", "paste", "grep", "dirname", "env", "cat"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	all := map[string]string{
		"go": `[ "$1" != env ] || echo go1.99.0`, "uname": kernel("6.1.0"), "make": "echo GNU Make 4.3", "gcc": "exec cat >/dev/null",
		"pkg-config": "exit 0", "git": "exit 0", "id": "echo 0", "apt-get": "exit 9", "dpkg": "exit 9", "sudo": "exit 9", "qemu-aarch64-static": "exit 0",
	}
	for name, text := range fake {
		all[name] = text
	}
	for name, text := range all {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestTree installs twice, the second time another version, and removes: what was
// there before is there again, and nothing else.
func TestTree(t *testing.T) {
	dest := t.TempDir()
	for path, text := range map[string]string{"usr/bin/other": "x", "usr/share/man/man1/other.1": "y", "usr/lib/other/lib": "z"} {
		put(t, dest+"/"+path, text)
	}
	for _, empty := range []string{"usr/share/fish", "usr/lib/ironwrap-other"} {
		if err := os.MkdirAll(dest+"/"+empty, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	before := listing(t, dest)

	const list = "/usr/lib/ironwrap/installed"
	for _, version := range []map[string]string{
		{"usr/bin/ironwrap": "1", "usr/lib/ironwrap/secret": "1", "usr/share/fish/c": "1", "usr/share/man/man8/gone.8": "1", "usr/share/man/man1/i.1": "1"},
		{"usr/bin/ironwrap": "2", "usr/lib/ironwrap/secret": "2", "usr/share/fish/c": "2", "usr/share/man/man1/i.1": "2", "usr/share/new/n": "2"},
	} {
		stage := t.TempDir()
		for path, text := range version {
			put(t, stage+"/"+path, text)
		}
		if err := os.Chmod(stage+"/usr/lib/ironwrap/secret", 0o700); err != nil {
			t.Fatal(err)
		}
		tree(t, "put", stage, dest, list)
		after := listing(t, dest)
		for path, text := range version {
			if !strings.HasSuffix(after[path], " "+text) {
				t.Errorf("%s is %q", path, after[path])
			}
		}
		if after["usr/lib/ironwrap/secret"][:10] != "-rwx------" {
			t.Errorf("secret is %q", after["usr/lib/ironwrap/secret"])
		}
	}

	if err := os.Symlink("ironwrap", dest+"/usr/bin/nova-rootwrap"); err != nil {
		t.Fatal(err)
	}
	if out := tree(t, "take", dest, list); strings.Count(out, "nova-rootwrap leads to what is gone now") != 1 {
		t.Errorf("of the link that leads nowhere it says %q", out)
	}
	os.Remove(dest + "/usr/bin/nova-rootwrap")
	after := listing(t, dest)
	for path, what := range after {
		if before[path] != what {
			t.Errorf("left: %s %s", path, what)
		}
	}
	for path := range before {
		if after[path] == "" {
			t.Errorf("%s is gone", path)
		}
	}
	if out, err := exec.Command("./tree.sh", "take", dest, list).CombinedOutput(); err == nil || !strings.Contains(string(out), "nothing that make install put is known here") {
		t.Errorf("removed again: %v %q", err, out)
	}
}

func tree(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("./tree.sh", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("tree.sh %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// listing is the mode and the text of each path below dir.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		what := info.Mode().String()
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += " " + string(text)
		}
		found[strings.TrimPrefix(path, dir+"/")] = what
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestVersion: what git describe says, as packages have it.
func TestVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3": "1.2.3", "v1.2.3-rc1": "1.2.3~rc1", "v1.2.3-4-gabcdef0": "1.2.3+4.gabcdef0", "v1.2.3-rc1-4-gabcdef0-dirty": "1.2.3~rc1+4.gabcdef0+dirty",
		"1.0": "1.0", "abcdef0": "0~19700102000000.abcdef0", "1234567": "0~19700102000000.1234567", "unknown": "0~19700102000000.unknown", "v1.0_a b": "1.0.a.b",
	} {
		out, err := exec.Command("./version.sh", version, "86400").CombinedOutput()
		if got := strings.TrimSuffix(string(out), "\n"); err != nil || got != want {
			t.Errorf("%s: %q, %v, expected %q", version, got, err, want)
		}
	}
}
