package program

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/trust"
)

// maxDepth is how many files execve(2) goes through for one call, as in the kernel
// (ELOOP), with what env(1) executes in its turn.
const maxDepth = 6

// chain is one look at what a program runs.
type chain struct {
	Finder
	found Program
}

// program looks at the file at path, which is the program itself (depth 0) or an
// interpreter that is called with words, the last of them the path of a script.
// It returns the path without links.
func (c *chain) program(path string, words []string, depth int) (real string, err error) {
	if depth == maxDepth {
		return "", errors.New("it leads through too many interpreters")
	}
	file, err := c.Road.Open(path, c.Level, c.Owners...)
	if err != nil {
		return "", err
	}
	defer file.Close()
	c.note(path, file.ID)
	name, known := knownAs(path, file.Path)
	if known && c.found.Personal == "" && (depth == 0 || !impersonal(name, words)) {
		c.found.Personal = path[strings.LastIndexByte(path, '/')+1:]
	}
	if python(name) {
		if err := c.venv(path); err != nil {
			return "", err
		}
	}
	head := make([]byte, headSize)
	n, err := file.ReadAt(head, 0)
	script := strings.HasPrefix(string(head[:n]), "#!")
	if known && depth == 0 && !script { // what a script does with its arguments is its own affair
		c.found.direct = name
	}
	switch {
	case hidden(err):
		return file.Path, nil
	case err != nil:
		// execve(2) would run it, but nobody can say by which interpreter.
		return "", fmt.Errorf("cannot tell what it runs by: %v", err)
	}
	if script {
		return file.Path, c.script(path, head[:n], depth)
	}
	return file.Path, c.elf(&file, head[:n], known)
}

// note remembers whose a file is.
func (c *chain) note(path string, id trust.ID) {
	if id.UID != 0 && c.found.Others == "" {
		c.found.Others = fmt.Sprintf("%s is owned by uid %d", filters.Show(path), id.UID)
	}
}

// hidden tells of an error that only who explains a policy without being root meets.
func hidden(err error) bool { return errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 }

func (c *chain) script(path string, head []byte, depth int) error {
	interpreter, words, ok := shebang(head)
	if !ok {
		return nil // ENOEXEC
	}
	real, err := c.interpreter(interpreter, append(slices.Clone(words), path), depth)
	if err != nil {
		return err
	}
	if name, _ := knownAs(interpreter, real); name != "env" || len(words) == 0 {
		return nil
	}
	words, clean, err := env(words[0])
	switch {
	case err != nil:
		return err
	case len(words) == 0 || words[0] == "":
		return nil
	case strings.Contains(words[0], "/"):
		_, err := c.interpreter(words[0], append(words[1:], path), depth)
		return err
	}
	// As execvp(3) does, which goes on where the run-as user may not look: so all that
	// have the name count. Without PATH it looks where the C library says.
	dirs := c.Dirs
	if clean {
		dirs = []string{"/usr/local/bin", "/bin", "/usr/bin"}
	}
	c.found.InPATH = !clean
	any := false
	for _, dir := range dirs {
		found := dir + "/" + words[0]
		_, err := c.Road.Executable(found, c.Level, c.Owners...)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		any = true
		if _, err = c.interpreter(found, append(slices.Clone(words[1:]), path), depth); err != nil {
			return err
		}
	}
	if any {
		return nil
	}
	return fmt.Errorf("its interpreter %s is %v", filters.Show(words[0]), ErrNotFound)
}

func (c *chain) interpreter(path string, words []string, depth int) (real string, err error) {
	if !strings.HasPrefix(path, "/") {
		return "", fmt.Errorf("its interpreter %s is not named by an absolute path, so that the caller's directory would decide: write all of it", filters.Show(path))
	}
	if real, err = c.program(path, words, depth+1); err != nil {
		return "", about("cannot use its interpreter", path, err)
	}
	// env(1) is looked through: what it executes comes here again.
	name, known := knownAs(path, real)
	if name == "env" {
		return real, nil
	}
	for _, p := range operands(words[:len(words)-1], known) {
		if err := c.operand(p); err != nil {
			return "", err
		}
	}
	return real, nil
}

// operand looks at a path that an interpreter is given besides the script.
func (c *chain) operand(path string) error {
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("its first line names %s, which is not an absolute path, so that the caller's directory would decide: write all of it", filters.Show(path))
	}
	id, err := c.Road.Any(path, c.Level, c.Owners...)
	if err != nil && !c.Road.Absent(path) && !hidden(err) {
		return about("cannot use what its first line names,", path, err)
	}
	c.note(path, id)
	return nil
}

// about puts before an error what it is about. What is missing there is not the
// program that was looked for: it is no reason to look further.
func about(what, path string, err error) error {
	shown := filters.Untrusted(path).String()
	return fmt.Errorf("%s %s: %s", what, shown, strings.TrimPrefix(err.Error(), "cannot trust "+shown+": "))
}

// elf looks at an ELF file; known tells that its name has said whether it is an
// interpreter.
func (c *chain) elf(file *trust.Program, head []byte, known bool) error {
	if len(head) >= 4 && string(head[:4]) == "\x7fELF" {
		c.found.ELF = file.Path
	}
	d, err := readELF(file, head)
	if err != nil {
		return fmt.Errorf("cannot tell where its libraries come from: %v", err)
	}
	if d.interpreter == "" {
		return nil
	}
	if d.interpreter[0] != '/' {
		return fmt.Errorf("its loader %s (PT_INTERP) is not named by an absolute path, so that the caller's directory would decide: link it anew", filters.Show(d.interpreter))
	}
	id, err := c.Road.Executable(d.interpreter, c.Level, c.Owners...)
	if err != nil && !hidden(err) {
		return about("cannot use its loader (PT_INTERP)", d.interpreter, err)
	}
	c.note(d.interpreter, id)
	if library := embedded(d.needed); library != "" && !known && c.found.Personal == "" {
		c.found.Personal = fmt.Sprintf("%s, by %s,", file.Path[strings.LastIndexByte(file.Path, '/')+1:], library)
	}
	return c.libraries(file.Path, d)
}

// libraries looks at the places that an ELF file itself names for libraries. Those of
// the system are in files of root's (ld.so.cache).
func (c *chain) libraries(path string, d dynamic) error {
	origin := path[:max(strings.LastIndexByte(path, '/'), 1)]
	names, paths := d.needed, []string(nil)
	for _, list := range d.audit {
		names = append(names, strings.Split(list, ":")...)
	}
	var bare []string
	for _, name := range names {
		switch {
		case name == "":
		case strings.ContainsAny(name, "/$"):
			paths = append(paths, name)
		default:
			bare = append(bare, name)
		}
	}
	for _, name := range paths {
		for _, p := range expand(name, origin) {
			if !strings.HasPrefix(p, "/") {
				return fmt.Errorf("it needs the library %s by a path that is not absolute, so that the caller's directory would decide: link it anew", filters.Show(p))
			}
			id, err := c.Road.Regular(p, c.Level, c.Owners...)
			if err != nil && !c.Road.Absent(p) && !hidden(err) {
				return about("cannot use its library", p, err)
			}
			c.note(p, id)
		}
	}
	for _, list := range d.paths {
		if list == "" { // ld.so ignores it
			continue
		}
		for _, entry := range strings.Split(list, ":") {
			for _, dir := range expand(entry, origin) {
				if !strings.HasPrefix(dir, "/") {
					return fmt.Errorf("it takes libraries from %q (RUNPATH), which is not an absolute path, so that the caller's directory would decide: link it anew", dir)
				}
				if err := c.directory(dir, bare, 0); err != nil {
					return about("it takes libraries (RUNPATH) from", dir, err)
				}
			}
		}
	}
	return nil
}

// directory looks at one directory that libraries are taken from.
func (c *chain) directory(dir string, names []string, depth int) error {
	d, err := c.Road.Dir(dir, c.Level)
	if err != nil {
		if c.Road.Absent(dir) || hidden(err) {
			return nil
		}
		return err
	}
	defer d.Close()
	for _, name := range names {
		id, err := d.Regular(name, c.Owners...)
		if err != nil && !d.Absent(name) && !hidden(err) {
			return err
		}
		c.note(dir+"/"+name, id)
	}
	if len(names) == 0 || depth == deepest {
		return nil
	}
	there, err := d.Names()
	if err != nil {
		if hidden(err) {
			return nil
		}
		return err
	}
	for _, sub := range there {
		if !slices.Contains(subdirectories, sub) && !strings.HasSuffix(dir, "/"+subdirectories[0]) {
			continue
		}
		if err := c.directory(dir+"/"+sub, names, depth+1); err != nil && !errors.Is(err, trust.ErrNotDirectory) {
			return fmt.Errorf("%s: %w", filters.Show(sub), err)
		}
	}
	return nil
}

// subdirectories are what ld.so(8) looks into first (HARDWARE CAPABILITIES): in the first
// every directory that the processor is good for. The others, which may lie in each other,
// are those of glibc before 2.37.
var subdirectories = []string{"glibc-hwcaps", "tls", "haswell", "xeon_phi", "avx512_1", "x86_64", "i686", "i586", "i486", "i386", "sse2", "cmov",
	"aarch64", "atomics", "fp", "asimd", "v8l", "v7l", "v6l", "neon", "vfp", "half", "thumb", "fastmult", "edsp"}

const deepest = 4

// These are what ld.so(8) replaces besides ORIGIN. Which value it takes depends on
// how it was built, and on the processor: none of them may be anybody's.
var (
	libTokens      = []string{"lib", "lib64", "lib32", "libx32", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib/i386-linux-gnu", "lib/arm-linux-gnueabihf"}
	platformTokens = []string{"x86_64", "haswell", "xeon_phi", "i686", "aarch64", "v8l", "v7l"}
)

// expand returns what a path with tokens may stand for.
func expand(path, origin string) []string {
	replace := func(list []string, name string, values []string) (all []string) {
		for _, p := range list {
			if !strings.Contains(p, "$"+name) && !strings.Contains(p, "${"+name+"}") {
				all = append(all, p)
				continue
			}
			for _, v := range values {
				all = append(all, strings.NewReplacer("${"+name+"}", v, "$"+name, v).Replace(p))
			}
		}
		return all
	}
	list := replace([]string{path}, "ORIGIN", []string{origin})
	if !strings.Contains(path, "$") {
		return list
	}
	list = replace(list, "LIB", libTokens)
	return replace(list, "PLATFORM", platformTokens)
}
