package sandbox

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
	"ironwrap/sandbox/seccomp"
)

// profiled is a policy whose one command makes a file; profile is the value of
// its key seccomp, and dir where the profile is.
type profiled struct {
	rig.Policy
	dir, marker string
}

func newProfiled(t *testing.T, extra ...string) profiled {
	t.Helper()
	p := rig.NewPolicy(t, "", extra...)
	s := profiled{p, p.Dir + "/profiles", p.Dir + "/marker"}
	rig.ProfileIn(t, s.dir)
	s.use(t, s.dir+"/p.json")
	return s
}

func (s *profiled) use(t *testing.T, profile string) {
	t.Helper()
	rig.Write(t, s.Filters, "[Filters]\ntouch: CommandFilter, touch, root\n[Sandbox:touch]\nseccomp = "+profile+"\n")
}

// runs complains unless the command runs.
func (s *profiled) runs(t *testing.T) {
	t.Helper()
	os.Remove(s.marker)
	r := rig.Start(t, s.Policy, "touch", s.marker)
	if _, err := os.Lstat(s.marker); r.Status != 0 || r.Err != "" || err != nil {
		t.Errorf("it does not run: %v", r)
	}
}

// refuses complains unless nothing runs, and one line says why with each of the
// words given.
func (s *profiled) refuses(t *testing.T, words ...string) {
	t.Helper()
	os.Remove(s.marker)
	r := rig.Start(t, s.Policy, "touch", s.marker)
	if _, err := os.Lstat(s.marker); err == nil {
		t.Errorf("it ran: %v", r)
	}
	rig.NotRun(t, r, "cannot set up the sandbox of filter touch: ")
	for _, w := range words {
		if !strings.Contains(r.Err, w) {
			t.Errorf("the message does not say %q: %v", w, r)
		}
	}
}

// remedy is what must be done about a program that is not usable.
func (s *profiled) remedy() string {
	return "seccomp profile " + s.dir + "/p.json is not compiled for this machine: "
}

func (s *profiled) command() string {
	return ": run `ironwrapctl seccomp compile " + s.dir + "/p.json`"
}

// A program's file: a header, four instructions, a checksum of both, the profile.
const (
	firstAt   = 32
	sumAt     = firstAt + 4*8
	profileAt = sumAt + 8
)

// resum puts the right checksum under changed contents.
func resum(data []byte) []byte {
	sum := fnv.New64a()
	sum.Write(data[:sumAt])
	binary.LittleEndian.PutUint64(data[sumAt:], sum.Sum64())
	return data
}

// The contents: whatever is not the program that was compiled from the profile as
// it is, on a machine as this one, is not used.
func TestSandboxProgramContents(t *testing.T) {
	s := newProfiled(t)
	program := []byte(rig.ReadFile(t, s.dir+"/p.bpf"))
	put := func(at int, value uint32) []byte {
		data := append([]byte(nil), program...)
		binary.LittleEndian.PutUint32(data[at:], value)
		return resum(data)
	}
	first := firstAt
	source := rig.ReadFile(t, s.dir+"/p.json")
	if len(program) != profileAt+len(source) {
		t.Fatalf("the program has %d bytes, the profile %d", len(program), len(source))
	}
	bad := map[string][]byte{
		"empty":                        {},
		"one byte":                     program[:1],
		"header alone":                 program[:first],
		"header cut short":             program[:first-1],
		"an instruction missing":       append(append([]byte(nil), program[:sumAt-8]...), program[sumAt:]...),
		"checksum and profile missing": program[:sumAt],
		"checksum missing":             append(append([]byte(nil), program[:sumAt]...), program[profileAt:]...),
		"profile missing":              program[:profileAt],
		"last byte missing":            program[:len(program)-1],
		"a byte more":                  append(append([]byte(nil), program...), 0),
		"twice":                        append(append([]byte(nil), program...), program...),
		"text":                         []byte(strings.Repeat("not a program\n", 20)),
		"the profile itself":           []byte(source),
		"an ELF program":               []byte("\x7fELF" + strings.Repeat("\x02\x01\x01\x00", 64)),
		"foreign machine":              put(12, unix.AUDIT_ARCH_PPC64LE),
		"32 bits":                      put(12, unix.AUDIT_ARCH_I386),
		"no machine":                   put(12, 0),
		"other byte order":             put(12, seccomp.Arch&^0x40000000),
		"later format":                 put(8, 3),
		"earlier format":               put(8, 1),
		"format 0":                     put(8, 0),
		"flags: TSYNC":                 put(20, unix.SECCOMP_FILTER_FLAG_TSYNC),
		"flags: listener":              put(20, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER),
		"flags: all":                   put(20, 1<<32-1),
		"no instruction":               put(24, 0),
		"more than there are":          put(24, 5),
		"2^32-1 instructions":          put(24, 1<<32-1),
		"of a profile of 300 MB":       put(28, 0x12345678),
		"of a shorter profile":         put(28, uint32(len(source)-1)),
		"of no profile":                put(28, 0),
		"of another profile":           put(profileAt, 0x12345678),
		"loads outside":                put(first+4, 64),
		"unknown instruction":          put(first, 0xffff),
		"extended BPF":                 put(first, 0x85),
		"jumps out":                    put(first+8, 0xff000015),
		"answers with a tracer's":      put(first+28, unix.SECCOMP_RET_TRACE),
		"answers with a supervisor's":  put(first+28, unix.SECCOMP_RET_USER_NOTIF),
		"does not end with an answer":  put(first+24, unix.BPF_LD|unix.BPF_W|unix.BPF_ABS),
		"17 MB":                        make([]byte, 17<<20),
		"zeros as long as the program": make([]byte, len(program)),
	}
	// One bit, anywhere, without a new checksum.
	for _, at := range []int{0, 7, 8, 12, 16, 19, 20, 24, 28, firstAt - 1, firstAt, firstAt + 4, firstAt + 7, firstAt + 15, sumAt - 1, sumAt, profileAt - 1, profileAt, len(program) - 1} {
		data := append([]byte(nil), program...)
		data[at] ^= 1
		bad[fmt.Sprintf("a bit of byte %d", at)] = data
	}
	s.runs(t)
	for name, data := range bad {
		t.Run(name, func(t *testing.T) {
			rig.Write(t, s.dir+"/p.bpf", string(data))
			if len(data) > 16<<20 {
				s.refuses(t, s.dir+"/p.bpf")
				return
			}
			s.refuses(t, s.remedy(), s.command())
		})
	}
	rig.Write(t, s.dir+"/p.bpf", string(program))
	s.runs(t)

	// The profile has changed since: stale, be it by a blank.
	for _, text := range []string{source + " ", strings.Replace(source, "fchmodat", "fchownat", 1), "", "{}"} {
		rig.Write(t, s.dir+"/p.json", text)
		s.refuses(t, s.remedy(), "the profile has changed since it was compiled", s.command())
	}
	rig.Write(t, s.dir+"/p.json", source)
	s.runs(t)

	// A program that refuses execve(2) itself, which nothing compiles: the command
	// does not run either.
	mute, err := seccomp.New(rig.Refusing(unix.SYS_EXECVE, unix.EPERM), 0, [3]uint8{2, 5, 4}, []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	rig.Write(t, s.dir+"/p.bpf", string(mute.Encode()))
	os.Remove(s.marker)
	if r := rig.Start(t, s.Policy, "touch", s.marker); r.Status != 96 || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "operation not permitted") {
		t.Errorf("execve refused: %v", r)
	}
	if _, err := os.Lstat(s.marker); err == nil {
		t.Error("it ran")
	}
}

// The files: only what nobody but root can have written, in a directory of which
// the same is true, is read.
func TestSandboxProgramFiles(t *testing.T) {
	chown := func(path string, uid int) func(*profiled) error {
		return func(s *profiled) error { return os.Chown(s.dir+path, uid, 0) }
	}
	chmod := func(path string, mode os.FileMode) func(*profiled) error {
		return func(s *profiled) error { return os.Chmod(s.dir+path, mode) }
	}
	remove := func(path string) func(*profiled) error {
		return func(s *profiled) error { return os.Remove(s.dir + path) }
	}
	// moved puts the file elsewhere, and a link of uid's in its place.
	moved := func(path string, uid int, target func(elsewhere string) error) func(*profiled) error {
		return func(s *profiled) error {
			elsewhere := s.Policy.Dir + "/elsewhere"
			if err := os.Mkdir(elsewhere, 0o755); err != nil {
				return err
			}
			if err := os.Rename(s.dir+path, elsewhere+path); err != nil {
				return err
			}
			if err := os.Symlink(elsewhere+path, s.dir+path); err != nil {
				return err
			}
			if err := os.Lchown(s.dir+path, uid, 0); err != nil {
				return err
			}
			return target(elsewhere + path)
		}
	}
	asItIs := func(string) error { return nil }
	instead := func(path string, make func(path string) error) func(*profiled) error {
		return func(s *profiled) error {
			if err := os.Remove(s.dir + path); err != nil {
				return err
			}
			return make(s.dir + path)
		}
	}
	for name, c := range map[string]struct {
		do    func(*profiled) error
		words []string // of the message; none where the command runs
	}{
		"no program":                      {remove("/p.bpf"), []string{"is not compiled for this machine", "run `ironwrapctl seccomp compile "}},
		"no profile":                      {remove("/p.json"), []string{"p.json: no such file or directory"}},
		"program of somebody else's":      {chown("/p.bpf", 65534), []string{"cannot trust ", "p.bpf", "is owned by uid 65534, not root: look at what is in it, then run \"chown root "}},
		"profile of somebody else's":      {chown("/p.json", 65534), []string{"cannot trust ", "p.json", "is owned by uid 65534, not root: look at what is in it, then run \"chown root "}},
		"program writable by group":       {chmod("/p.bpf", 0o664), []string{"p.bpf", "is writable by group (mode 0664): run \"chmod go-w "}},
		"profile writable by group":       {chmod("/p.json", 0o664), []string{"p.json", "is writable by group (mode 0664): run \"chmod go-w "}},
		"program writable by others":      {chmod("/p.bpf", 0o646), []string{"p.bpf", "is writable by others (mode 0646): run \"chmod go-w "}},
		"directory writable by group":     {chmod("", 0o775), []string{"directory ", "/profiles is writable by group (mode 0775)"}},
		"directory writable by others":    {chmod("", 0o777|os.ModeSticky), []string{"directory ", "/profiles is writable by group and others"}},
		"directory of somebody else's":    {chown("", 65534), []string{"directory ", "/profiles is owned by uid 65534, not root"}},
		"readable by root alone":          {chmod("/p.bpf", 0o600), nil},
		"nobody may read it":              {chmod("/p.json", 0), nil}, // root may
		"link of root's":                  {moved("/p.bpf", 0, asItIs), nil},
		"link of root's, profile":         {moved("/p.json", 0, asItIs), nil},
		"link of somebody else's":         {moved("/p.bpf", 65534, asItIs), []string{"p.bpf", "65534"}},
		"link of another's, profile":      {moved("/p.json", 65534, asItIs), []string{"p.json", "65534"}},
		"link to what others may write":   {moved("/p.bpf", 0, func(p string) error { return os.Chmod(p, 0o666) }), []string{"elsewhere/p.bpf", "is writable by group and others"}},
		"link into another's directory":   {moved("/p.bpf", 0, func(p string) error { return os.Chown(filepath.Dir(p), 65534, 0) }), []string{"elsewhere", "owned by uid 65534"}},
		"link to nothing":                 {moved("/p.bpf", 0, os.Remove), []string{"run `ironwrapctl seccomp compile "}},
		"link to itself":                  {instead("/p.bpf", func(p string) error { return os.Symlink(p, p) }), []string{"p.bpf"}},
		"a directory for a program":       {instead("/p.bpf", func(p string) error { return os.Mkdir(p, 0o755) }), []string{"p.bpf", "a directory"}},
		"a FIFO for a program":            {instead("/p.bpf", func(p string) error { return unix.Mkfifo(p, 0o644) }), []string{"p.bpf", "FIFO"}},
		"a FIFO for a profile":            {instead("/p.json", func(p string) error { return unix.Mkfifo(p, 0o644) }), []string{"p.json", "FIFO"}},
		"a device for a program":          {instead("/p.bpf", func(p string) error { return os.Symlink("/dev/zero", p) }), []string{"/dev/zero", "a device"}},
		"an endless file for a profile":   {instead("/p.json", func(p string) error { return os.Symlink("/proc/self/environ", p) }), []string{"p.json"}},
		"above: a directory of another's": {func(s *profiled) error { return os.Chown(s.Policy.Dir, 65534, 0) }, nil}, // not without strict_paths
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newProfiled(t)
			if err := c.do(&s); err != nil {
				t.Fatal(err)
			}
			if c.words == nil {
				s.runs(t)
				return
			}
			s.refuses(t, c.words...)
		})
	}

	t.Run("strict_paths", func(t *testing.T) {
		t.Parallel()
		s := newProfiled(t, "strict_paths=yes")
		s.runs(t)
		// Only the way to the profile, not the one to the configuration, is weak.
		service := rig.NewPolicy(t, "")
		profile := rig.ProfileIn(t, service.Dir+"/x/y")
		s.use(t, profile)
		s.runs(t)
		if err := os.Chown(service.Dir, 65534, 0); err != nil {
			t.Fatal(err)
		}
		s.refuses(t, service.Dir+" is owned by uid 65534, not root")
	})

	// What names no file.
	s := newProfiled(t)
	for value, why := range map[string]string{
		"no-such-profile":             "/no-such-profile.json: ",
		"../profiles/p":               "is neither the name of a shipped profile",
		"p.json":                      "is neither the name of a shipped profile",
		"profiles/p.json":             "is neither the name of a shipped profile",
		s.dir + "/p":                  "is neither the name of a shipped profile",
		s.dir + "/p.bpf":              "is neither the name of a shipped profile",
		s.dir + "/../profiles/p.json": "is not a plain path",
		s.dir + "//p.json":            "is not a plain path",
		"Default":                     "is neither the name of a shipped profile",
		"default, storage":            "is neither the name of a shipped profile",
		"/nonexistent/p.json":         "cannot open /nonexistent/p.json: /nonexistent: no such file or directory",
		"/proc/self/fd/0.json":        "/proc/self/fd/0.json",
		strings.Repeat("x", 5000):     "name too long",
		"/" + strings.Repeat("x/", 3000) + "p.json": "name too long",
	} {
		s.use(t, value)
		s.refuses(t, why)
	}
}

// The whole way: a profile, the tool that compiles it, and what the kernel says.
func TestSandboxProgramCompiled(t *testing.T) {
	rig.Need(t, "libseccomp-dev", "/usr/include/seccomp.h")
	ctl := filepath.Dir(rig.Ours) + "/ironwrapctl"
	build := exec.Command("go", "build", "-o", ctl, "./cmd/ironwrapctl")
	build.Dir = rig.Root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("cannot build ironwrapctl: %v\n%s", err, out)
	}
	s := newProfiled(t)
	for _, name := range []string{"/p.json", "/p.bpf"} {
		if err := os.Remove(s.dir + name); err != nil {
			t.Fatal(err)
		}
	}
	rig.Write(t, s.Filters, "[Filters]\ntouch: CommandFilter, touch, root\nchmod: CommandFilter, chmod, nobody\n[Sandbox:touch]\nseccomp="+s.dir+"/p.json\n[Sandbox:chmod]\nseccomp="+s.dir+"/p.json\n")
	profile := func(errno string) string {
		return `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["fchmodat","chmod"],"action":"SCMP_ACT_ERRNO","errnoRet":` + errno + `}]}`
	}
	compile := func() {
		t.Helper()
		if r := rig.Run(t, ctl, "seccomp", "compile", s.dir+"/p.json"); r.Status != 0 || r.Out != "" {
			t.Fatal(r)
		}
	}

	rig.Write(t, s.dir+"/p.json", profile("18"))
	s.refuses(t, s.remedy(), s.command())
	compile()
	s.runs(t)
	if r := rig.Start(t, s.Policy, "chmod", "600", s.marker); r.Status != 1 || !strings.Contains(r.Err, "Invalid cross-device link") {
		t.Errorf("%v", r)
	}
	rig.Write(t, s.dir+"/p.json", profile("38"))
	s.refuses(t, s.remedy(), "the profile has changed since it was compiled", s.command())
	compile()
	s.runs(t)
	if r := rig.Start(t, s.Policy, "chmod", "600", s.marker); r.Status != 1 || !strings.Contains(r.Err, "Function not implemented") {
		t.Errorf("%v", r)
	}
	// What compile left can be trusted, whatever the umask it ran under.
	if err := os.Remove(s.dir + "/p.bpf"); err != nil {
		t.Fatal(err)
	}
	old := unix.Umask(0)
	compile()
	unix.Umask(old)
	s.runs(t)
}
