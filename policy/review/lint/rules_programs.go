package lint

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/program"
	"ironwrap/policy/trust"
)

// programRules are about what comes with a program: who can change that.
var programRules = []*Rule{
	{
		ID: "capabilities-for-theirs", Here: true, Severity: Error,
		Title: "a sandbox gives capabilities to a program that its run-as user can change",
		Help:  "The user would have those capabilities whenever they like: whoever can write the program, or what it loads, decides what it does. The command ends with exit status 97. Let all of it be root's; run an interpreter as root with these capabilities alone, or (python3) with -I.",
		check: capableTheirs,
		finds: []example{
			{filters: "x: CommandFilter, DIR/x, nobody\n[Sandbox:x]\ncapabilities=CAP_CHOWN", setup: "cp /bin/true x; chown nobody x", at: "a.filters:2:19", says: "DIR/x is owned by uid 65534, who can change what it does"},
			{filters: "x: CommandFilter, DIR/x, nobody\n[Sandbox:x]\ncapabilities=CAP_CHOWN", setup: "echo '#!/bin/bash -l' >x; chmod 755 x", says: "bash can load code from the home of nobody"},
			{filters: "x: CommandFilter, bash, nobody\n[Sandbox:x]\ncapabilities=CAP_CHOWN", says: "bash can load code"},
			{conf: "[Sandbox]\ncapabilities=CAP_CHOWN", filters: "x: CommandFilter, bash, nobody", says: "bash can load code"},
		},
		passes: []example{
			{filters: "x: CommandFilter, DIR/x, nobody\n[Sandbox:x]\ncapabilities=CAP_CHOWN", setup: "cp /bin/true x"},
			{filters: "x: CommandFilter, DIR/x, nobody\n[Sandbox:x]\ncapabilities=none", setup: "cp /bin/true x; chown nobody x"},
			{filters: "x: CommandFilter, DIR/x, nobody", setup: "cp /bin/true x; chown nobody x"},
			{filters: "x: CommandFilter, DIR/x, nobody\n[Sandbox:x]\ncapabilities=CAP_CHOWN", setup: "echo '#!/bin/sh' >x; chmod 755 x"},
			{filters: "x: CommandFilter, bash, root\n[Sandbox:x]\ncapabilities=CAP_CHOWN"},
			{filters: "x: RegExpFilter, bash, nobody, bash, -e, /x\n[Sandbox:x]\ncapabilities=CAP_CHOWN"},
		},
	},
	{
		ID: "library-of-others", Here: true, Severity: Error, Score: 10,
		Title: "a library of a program can be changed by somebody besides root",
		Help:  "It runs with the rights of the command. The executor looks at what the program itself names (RUNPATH); this looks at the libraries of libraries too, where ld.so.conf and ld.so.preload lead, and the places that they are looked for in. Let the library, and every directory above it, be root's.",
		check: foreignLibraries,
		finds: []example{
			{gcc: true, filters: "x: CommandFilter, DIR/x, root", at: "a.filters:2:19", says: "DIR/t/libb.so: its directory DIR/t is owned by uid 65534", setup: libraryExample + "chown 65534 t"},
			{gcc: true, filters: "x: CommandFilter, DIR/x, root", says: "DIR/t/libb.so: it is owned by uid 65534", setup: libraryExample + "chown 65534 t/libb.so"},
			{gcc: true, filters: "x: CommandFilter, DIR/s, root", says: "DIR/t/libb.so: it is writable by others", setup: libraryExample + "chmod 757 t/libb.so; echo \"#!$PWD/x\" >s; chmod 755 s"},
		},
		passes: []example{
			{gcc: true, filters: "x: CommandFilter, DIR/x, root", setup: libraryExample},
			{filters: "x: CommandFilter, id, root"},
		},
	},
}

// libraryExample is a program that needs a library of root's, which needs another one.
const libraryExample = `mkdir l t
echo 'int b(void) { return 0; }' | gcc -shared -fPIC -x c - -o t/libb.so
echo 'int b(void); int a(void) { return b(); }' | gcc -shared -fPIC -x c - -x none -o l/liba.so -Lt -lb "-Wl,-rpath,$PWD/t"
echo 'int a(void); int main(void) { return a(); }' | gcc -x c - -x none -o x -Ll -la "-Wl,-rpath,$PWD/l" "-Wl,-rpath-link,$PWD/t"
`

// runnable calls look for each filter of which the program can be had.
func (c *config) runnable(look func(f *filter, p program.Program) string) (found []Finding) {
	if c.machine == nil {
		return nil
	}
	for _, f := range c.filters {
		if f.file == nil || f.Class == "KillFilter" {
			continue
		}
		p, err := c.find(f)
		if err != nil {
			continue
		}
		if message := look(f, p); message != "" {
			found = append(found, f.at(f.execField(), message, ""))
		}
	}
	return found
}

func capableTheirs(c *config) []Finding {
	return c.runnable(func(f *filter, p program.Program) string {
		if f.Sandbox == nil || len(f.Sandbox.Capabilities) == 0 || f.RunAs() == "root" {
			return ""
		}
		if f.Class == "RegExpFilter" { // whose patterns are words in most filters
			var words []string
			for _, x := range f.rest(4) {
				words = append(words, x.text)
			}
			p = p.Called(filters.Words(words))
		}
		return p.Theirs(f.RunAs())
	})
}

func foreignLibraries(c *config) []Finding {
	said := map[string]string{} // by program
	return c.runnable(func(_ *filter, p program.Program) string {
		message, known := said[p.ELF]
		if !known && p.ELF != "" {
			if err := libraries(p.ELF); err != nil {
				message = "it uses " + err.Error()
			}
			said[p.ELF] = message
		}
		return message
	})
}

// libraries returns an error for the first library that an ELF file loads, or may
// load, that is not root's alone: those that it needs, and that those need, as
// ld.so(8) finds them.
func libraries(file string) error {
	type need struct{ name, by string }
	seen := map[string]bool{}
	system := loaderDirs("/etc/ld.so.conf", 0)
	var todo []need
	if preload, err := os.ReadFile("/etc/ld.so.preload"); err == nil {
		for _, name := range strings.FieldsFunc(string(preload), func(r rune) bool { return strings.ContainsRune(" \t\n:", r) }) {
			todo = append(todo, need{name, file})
		}
	}
	inherited := map[string][]string{} // where what a file needs is looked for first
	open := func(file string) {
		f, err := elf.Open(file)
		if err != nil {
			return
		}
		defer func() { _ = f.Close() }()
		var dirs []string
		for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
			lists, _ := f.DynString(tag)
			for _, list := range lists {
				for _, dir := range strings.Split(list, ":") {
					if dir != "" {
						dirs = append(dirs, strings.NewReplacer("$ORIGIN", path.Dir(file), "${ORIGIN}", path.Dir(file)).Replace(dir))
					}
				}
			}
		}
		inherited[file] = dirs
		needed, _ := f.ImportedLibraries()
		for _, name := range needed {
			todo = append(todo, need{name, file})
		}
	}
	open(file)
	for len(todo) > 0 && len(seen) < 1000 {
		n := todo[0]
		todo = todo[1:]
		places := []string{n.name}
		if !strings.Contains(n.name, "/") {
			places = nil
			for _, dir := range slices.Concat(inherited[n.by], inherited[file], system) {
				places = append(places, dir+"/"+n.name)
			}
		}
		for _, place := range places {
			if seen[place] {
				break
			}
			id, err := trust.Regular(place, trust.Fixed)
			if errors.Is(err, fs.ErrPermission) {
				continue
			}
			// What is missing in a directory of ld.so.conf is not looked for there: only
			// what root has put into ld.so.cache is.
			if _, missing := os.Lstat(place); err != nil && (trust.Absent(place) || missing != nil && slices.Contains(system, path.Dir(place))) {
				continue
			}
			seen[place] = true
			if err != nil {
				shown := filters.Untrusted(place).String()
				return fmt.Errorf("%s: %s", shown, strings.TrimPrefix(err.Error(), "cannot trust "+shown+": "))
			}
			open(id.Path)
			break
		}
	}
	return nil
}

// loaderDirs are the directories of ld.so.conf, and those that are built in.
func loaderDirs(conf string, depth int) (dirs []string) {
	data, _ := os.ReadFile(conf)
	for _, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 2 && words[0] == "include" && depth < 5:
			pattern := words[1]
			if !filepath.IsAbs(pattern) {
				pattern = filepath.Dir(conf) + "/" + pattern
			}
			files, _ := filepath.Glob(pattern)
			for _, f := range files {
				dirs = append(dirs, loaderDirs(f, depth+1)...)
			}
		case len(words) == 1 && filepath.IsAbs(words[0]):
			dirs = append(dirs, strings.TrimRight(words[0], "/"))
		}
	}
	if depth == 0 {
		dirs = append(dirs, "/lib", "/usr/lib", "/lib64", "/usr/lib64")
	}
	return dirs
}
