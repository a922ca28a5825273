// Package man holds the man pages to the code.
package man

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
)

// pages are all man pages, by name and section ("ironwrap.8"), those of ironwrapctl among
// them, which it writes.
func pages(t *testing.T) map[string]string {
	t.Helper()
	list, err := allPages()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var allPages = sync.OnceValues(func() (map[string]string, error) {
	dir, err := os.MkdirTemp("", "ironwrap-man-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("go", "run", "ironwrap/cmd/ironwrapctl", "man", dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("ironwrapctl man: %w\n%s", err, out)
	}
	ours, _ := filepath.Glob("*.[1-8]")
	theirs, _ := filepath.Glob(dir + "/*.1")
	if len(ours) == 0 || len(theirs) == 0 {
		return nil, fmt.Errorf("%d pages of ours, %d of ironwrapctl's", len(ours), len(theirs))
	}
	list := map[string]string{}
	for _, path := range append(ours, theirs...) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		list[filepath.Base(path)] = string(text)
	}
	return list, nil
})

// described are the names of the entries of a page: ".It Cm umask No = ..." describes umask,
// and ".It Cm a , Cm b" both.
func described(page string) (names []string) {
	for line := range strings.Lines(page) {
		list, ok := strings.CutPrefix(strings.TrimSpace(line), ".It Cm ")
		if !ok {
			continue
		}
		list, _, _ = strings.Cut(list, " No =")
		for name := range strings.SplitSeq(list, " , ") {
			names = append(names, strings.TrimPrefix(name, "Cm "))
		}
	}
	return names
}

// TestKeys: every key and every filter class has its entry in its page, and there is no
// other.
func TestKeys(t *testing.T) {
	profiles, _ := filepath.Glob("../profiles/*.json")
	for i, path := range profiles {
		profiles[i] = strings.TrimSuffix(filepath.Base(path), ".json")
	}
	for page, want := range map[string][]string{
		"ironwrap.conf.5":     policy.Keys(),
		"ironwrap.sandbox.5":  policy.SandboxKeys(),
		"ironwrap.filters.5":  filters.Classes(),
		"ironwrap-profiles.7": profiles,
	} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		have := described(string(text))
		for _, name := range want {
			if !slices.Contains(have, name) {
				t.Errorf("man/%s: no entry for %q: add the line \".It Cm %s\", and below it what it does", page, name, name)
			}
		}
		for i, name := range have {
			if !slices.Contains(want, name) {
				t.Errorf("man/%s: the entry %q is for nothing that there is", page, name)
			}
			if slices.Contains(have[:i], name) {
				t.Errorf("man/%s: two entries for %q", page, name)
			}
		}
	}
}

// programs are those with a page that is written by hand.
var programs = map[string]string{"ironwrap": "8", "ironwrap-daemon": "8", "ironwrap-call": "1"}

// TestOptions: the page of each program names the options that the program takes, and no
// other.
func TestOptions(t *testing.T) {
	option := regexp.MustCompile(`case len\(argv\) == 2 && argv\[1\] == "-(-[a-z]+)"`)
	entry := regexp.MustCompile(`(?m)^\.It Fl (-[a-z]+)$`)
	for program, section := range programs {
		source, err := os.ReadFile("../cmd/" + program + "/main.go")
		if err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(program + "." + section)
		if err != nil {
			t.Fatal(err)
		}
		takes, names := found(option, string(source)), found(entry, string(page))
		if len(takes) == 0 || !slices.Equal(takes, names) {
			t.Errorf("man/%s.%s: it has entries for the options %q, and cmd/%s/main.go takes %q", program, section, names, program, takes)
		}
	}
}

// found are what the first group of a pattern matches, sorted.
func found(pattern *regexp.Regexp, text string) (list []string) {
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	slices.Sort(list)
	return list
}

// TestReferences: each page of ours that a page names is there, and lies in the section
// that it is named with. Each page is one of a program, or is named by another.
func TestReferences(t *testing.T) {
	reference := regexp.MustCompile(`(?m)^\.(?:Pq )?Xr (ironwrap\S*) (\d)`)
	all := pages(t)
	named := map[string]bool{"ironwrap.8": true}
	for page, text := range all {
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			to := m[1] + "." + m[2]
			if _, ok := all[to]; !ok {
				t.Errorf("man/%s names %s(%s), which is not there", page, m[1], m[2])
			}
			named[to] = named[to] || to != page
		}
	}
	for page := range all {
		if !named[page] {
			t.Errorf("no page names %s", page)
		}
	}
}

// wanted is the way a page is named in prose, and in the names of files.
var wanted = regexp.MustCompile(`\b(ironwrap(?:[-.][a-z]+)*)(?:\(([1-8])\)|\.([1-8])\b)`)

// TestNames: what the sources, the documents and the units call a page is one of ours, in
// its section. The pages have moved: ironwrap is in section 8.
func TestNames(t *testing.T) {
	all := pages(t)
	looked := 0
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "bin" || d.Name() == ".git" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.Contains(".md.go.service.socket.yml.yaml.sh", filepath.Ext(path)) && filepath.Base(path) != "Makefile":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		looked++
		for _, m := range wanted.FindAllStringSubmatch(string(text), -1) {
			if _, ok := all[m[1]+"."+m[2]+m[3]]; !ok {
				t.Errorf("%s: %s is no page of ours", path, m[0])
			}
		}
		return nil
	})
	if err != nil || looked < 100 {
		t.Errorf("%d files were looked at: %v", looked, err)
	}
}

var install = flag.Bool("install", os.Geteuid() == 0, "install mandoc, where it is missing, to read the pages with")

// TestLint: mandoc and man have nothing to say of any page.
func TestLint(t *testing.T) {
	for _, program := range []string{"mandoc", "man"} {
		if _, err := exec.LookPath(program); err != nil && *install {
			if out, err := exec.Command("sh", "-c", "apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends mandoc man-db").CombinedOutput(); err != nil {
				t.Fatalf("cannot install mandoc: %v\n%s", err, out)
			}
		}
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no %s: the pages were not looked at; apt-get install mandoc man-db", program)
		}
	}
	dir := t.TempDir()
	for page, text := range pages(t) {
		path := filepath.Join(dir, page)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		out, _ := exec.Command("mandoc", "-Tlint", path).Output()
		for line := range strings.Lines(string(out)) {
			// Which pages this machine has is no matter of ours.
			if !strings.Contains(line, "referenced manual not found") {
				t.Errorf("%s", line)
			}
		}
		man := exec.Command("man", "--warnings", "--local-file", path)
		man.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8")
		var said strings.Builder
		man.Stderr = &said
		if out, err := man.Output(); err != nil || said.String() != "" || len(out) < 500 {
			t.Errorf("man %s: %d bytes, %v: %s", page, len(out), err, said.String())
		}
	}
}
