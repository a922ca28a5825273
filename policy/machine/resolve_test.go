package machine

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/policy/account"
	"ironwrap/policy/trust"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: what other users see was not checked")
	}
}

// tree makes a directory that everybody may enter, and in it what the entries
// say: "name/" a directory, "name -> target" a symbolic link, "name" a file.
func tree(t *testing.T, entries ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-machine-")
	if err != nil {
		t.Skipf("no directory for the test: nothing was checked: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	for _, e := range entries {
		path, target, link := strings.Cut(e, " -> ")
		path = dir + "/" + path
		must(t, os.MkdirAll(filepath.Dir(strings.TrimSuffix(path, "/")), 0o755))
		switch {
		case link:
			must(t, os.Symlink(strings.ReplaceAll(target, "@", dir), path))
		case strings.HasSuffix(e, "/"):
			must(t, os.MkdirAll(path, 0o755))
		default:
			must(t, os.WriteFile(path, []byte("x"), 0o644))
		}
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestResolve(t *testing.T) {
	dir := tree(t, "a/b/c/", "a/file", "a/b/deep", "other/",
		"abs -> @/a", "rel -> a/b", "up -> a/b/../../other", "chain -> abs", "tofile -> a/file", "a/out -> ../other",
		"dangling -> nowhere", "danglingabs -> @/nowhere/at/all", "loop -> loop", "ping -> pong", "pong -> ping", "inloop -> loop/x",
		"new -> a/b", "cwd -> /proc/self/cwd", "self -> /proc/self/root")
	long := strings.Repeat("x", 255)

	for path, want := range map[string]string{ // "" for an error
		"":                "@",
		"/":               "@",
		"/a":              "@/a",
		"/a/":             "@/a",
		"/a/.":            "@/a",
		"/a//b/":          "@/a/b",
		"//a///file":      "@/a/file",
		"/a/..":           "@",
		"/a/b/../file":    "@/a/file",
		"/a/b/c/../../..": "@",
		"/a/./b/./c/.":    "@/a/b/c",
		"/abs":            "@/a",
		"/abs/b":          "@/a/b",
		"/rel":            "@/a/b",
		"/rel/":           "@/a/b",
		"/rel/..":         "@/a", // where the link leads to, not where it stands
		"/rel/../file":    "@/a/file",
		"/up":             "@/other",
		"/chain/b/c":      "@/a/b/c",
		"/tofile":         "@/a/file",
		"/a/out":          "@/other",

		// What is not there yet.
		"/a/new":         "@/a/new",
		"/a/new/":        "@/a/new",
		"/a/new/er/est":  "@/a/new/er/est",
		"/a/new/.":       "@/a/new",
		"/rel/new":       "@/a/b/new",
		"/rel/../new":    "@/a/new",
		"/new/new":       "@/a/b/new",
		"/a/b/../x/y":    "@/a/x/y",
		"/a/" + long:     "@/a/" + long,
		"/a/\xff\x01":    "@/a/\xff\x01",
		"/a/with\nbreak": "@/a/with\nbreak",

		// What cannot be said, or would be said of a name that may lead elsewhere.
		"/a/new/..":                      "",
		"/a/new/../x":                    "",
		"/a/new/../..":                   "",
		"/a/new/x/../../../b":            "",
		"/dangling":                      "",
		"/dangling/":                     "",
		"/dangling/x":                    "",
		"/danglingabs":                   "",
		"/loop":                          "",
		"/loop/x":                        "",
		"/ping":                          "",
		"/inloop":                        "",
		"/a/file/":                       "",
		"/a/file/.":                      "",
		"/a/file/..":                     "",
		"/a/file/x":                      "",
		"/a/" + long + "x":               "",
		"/" + strings.Repeat("a/", 2500): "",
		"/a\x00b":                        "",
		"/a/new\x00":                     "",
		"/cwd":                           "", // what a process holds, it decides
		"/self":                          "",
		"/self/etc":                      "",
	} {
		got, err := New(nil, trust.Parent).Resolve(filters.Untrusted(dir+path), "/", "root")
		if want == "" {
			if err == nil {
				t.Errorf("%.60q leads to %q", path, got.Raw())
			} else if strings.ContainsAny(err.Error(), "\n\x00") || !strings.HasPrefix(err.Error(), "cannot resolve ") {
				t.Errorf("%.60q: %q", path, err)
			}
			continue
		}
		if want = strings.Replace(want, "@", dir, 1); err != nil || got.Raw() != want {
			t.Errorf("%q: %q, %v, not %q", path, got.Raw(), err, want)
		}
	}

	for _, path := range []string{"/proc/self/cwd", "/proc/self/exe", "/proc/self/fd/0", "/proc/thread-self/root/etc", "/dev/fd/0", "/dev/stdin"} {
		if got, err := New(nil, trust.Parent).Resolve(filters.Untrusted(path), "/", "root"); err == nil {
			t.Errorf("%s leads to %q", path, got.Raw())
		}
	}
	for _, path := range []string{"/", "//", "/..", "/../..", "/.", "/./"} {
		if got, err := New(nil, trust.Parent).Resolve(filters.Untrusted(path), "/", "root"); err != nil || got != "/" {
			t.Errorf("%s: %q, %v", path, got.Raw(), err)
		}
	}
	if got, err := New(nil, trust.Parent).Resolve("/new-"+filters.Untrusted(long[:10]), "/", "root"); err != nil || got != "/new-xxxxxxxxxx" {
		t.Errorf("a new name in /: %q, %v", got.Raw(), err)
	}
	for _, user := range []string{"nosuchuser", "", "-1", "0"} {
		if got, err := New(nil, trust.Parent).Resolve("/", "/", user); err == nil {
			t.Errorf("as user %q: %q", user, got.Raw())
		}
	}
}

// What exists resolves to what the standard library says, in random trees full
// of links, and what does not stays below what does.
func TestResolveSameAsEvalSymlinks(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	dir := tree(t)
	names := []string{"a", "b", "c", "d", "e"}
	path := func() string {
		var parts []string
		for range 1 + r.Intn(5) {
			parts = append(parts, append(names, "..", ".", "")[r.Intn(len(names)+3)])
		}
		return strings.Join(parts, "/")
	}
	for range 200 {
		at := filepath.Join(dir, filepath.Clean("/"+path()))
		switch r.Intn(3) {
		case 0:
			os.MkdirAll(at, 0o755)
		case 1:
			os.Symlink(path(), at)
		default:
			os.WriteFile(at, nil, 0o644)
		}
	}
	agree := 0
	for range 3000 {
		p := dir + "/" + path()
		want, wantErr := filepath.EvalSymlinks(p)
		got, err := resolve(p, "/")
		if wantErr == nil && err == nil {
			agree++
		}
		// EvalSymlinks takes file/.. for what holds the file, where the kernel has
		// ENOTDIR.
		if wantErr == nil && err != nil && !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
			t.Errorf("%s: %v, not %s", p, err, want)
		}
		if wantErr == nil && err == nil && got != want {
			t.Errorf("%s: %s, not %s", p, got, want)
		}
		if wantErr != nil && err == nil {
			// A new name: what is above it is canonical.
			above := got
			for {
				if _, err := os.Lstat(above); err == nil {
					break
				}
				above = filepath.Dir(above)
			}
			if above == got || filepath.Clean(got) != got {
				t.Errorf("%s: %s, though %v", p, got, wantErr)
			}
			if real, err := filepath.EvalSymlinks(above); err != nil || real != above {
				t.Errorf("%s: %s is new in %s, which is %s, %v", p, got, above, real, err)
			}
		}
	}
	if agree < 100 {
		t.Errorf("only %d paths existed: too little was compared", agree)
	}
}

// The path is followed with the rights of the run-as user: what that user may
// not look into is an error, and who decides what is there is not asked about.
func TestResolveAsUser(t *testing.T) {
	needRoot(t)
	dir := tree(t, "closed/in/", "closed/file", "group/file", "pass/in/", "into -> closed/in", "intogroup -> group/file")
	must(t, os.Chmod(dir+"/closed", 0o700))
	must(t, os.Chmod(dir+"/pass", 0o711))
	must(t, os.Chown(dir+"/group", 0, 4711))
	must(t, os.Chmod(dir+"/group", 0o750))

	old := lookup
	t.Cleanup(func() { lookup = old })
	lookup = func(name string) (account.User, error) {
		switch name {
		case "stranger":
			return account.User{Name: name, UID: 64711, GID: 64711, Groups: []uint32{64711}}, nil
		case "member":
			return account.User{Name: name, UID: 64712, GID: 64712, Groups: []uint32{64712, 4711}}, nil
		case "primary":
			return account.User{Name: name, UID: 64713, GID: 4711, Groups: []uint32{4711}}, nil
		case "alone":
			return account.User{Name: name, UID: 64714, GID: 64714}, nil
		}
		return old(name)
	}

	m := New(nil, trust.Parent)
	for _, c := range []struct {
		path, user string
		ok         bool
	}{
		{"/closed/in", "root", true},
		{"/closed", "stranger", true},
		{"/closed/in", "stranger", false},
		{"/closed/file", "stranger", false},
		{"/closed/new", "stranger", false},
		{"/closed/in/..", "stranger", false},
		{"/closed/..", "stranger", false},
		{"/into", "stranger", false},
		{"/into", "root", true},
		{"/pass/in", "stranger", true},
		{"/pass/new", "stranger", true},
		{"/group/file", "stranger", false},
		{"/group/file", "alone", false},
		{"/group/file", "member", true},
		{"/group/file", "primary", true},
		{"/intogroup", "member", true},
		{"/intogroup", "stranger", false},
		{"/closed/file", "member", false},
		{"/group/file", "nobody", false},
	} {
		before := credentials(t)
		got, err := m.Resolve(filters.Untrusted(dir+c.path), "/", c.user)
		if (err == nil) != c.ok {
			t.Errorf("%s as %s: %q, %v", c.path, c.user, got.Raw(), err)
		}
		if !c.ok && !errors.Is(err, unix.EACCES) {
			t.Errorf("%s as %s: %v, not EACCES", c.path, c.user, err)
		}
		if after := credentials(t); after != before {
			t.Errorf("%s as %s: the thread was %s, and is %s", c.path, c.user, before, after)
		}
	}
}

// credentials are those of the thread, which the caller has locked: real,
// effective, saved and file system ids, groups, and the capabilities that go and
// come with the file system uid (capabilities(7)).
func credentials(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for line := range strings.Lines(string(data)) {
		for _, name := range []string{"Uid:", "Gid:", "Groups:", "CapEff:", "CapPrm:", "CapInh:"} {
			if strings.HasPrefix(line, name) {
				have = append(have, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return strings.Join(have, ", ")
}

// The rights are the thread's own business: others of the process keep root's at
// the same time, and get none of the user's. No panic of what is done in between
// leaves the thread behind as the user.
func TestAsIsOneThread(t *testing.T) {
	needRoot(t)
	u := account.User{Name: "stranger", UID: 64711, GID: 64712, Groups: []uint32{64712, 64713}}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := credentials(t)
	var during string
	must(t, as(u, func() error { during = credentials(t); return nil }))
	if !strings.Contains(during, "Uid: 0 0 0 64711") || !strings.Contains(during, "Gid: 0 0 0 64712") || !strings.Contains(during, "Groups: 64712 64713") {
		t.Errorf("as the user the thread is %s", during)
	}
	failed := errors.New("x")
	if err := as(u, func() error { return failed }); err != failed {
		t.Error(err)
	}
	func() {
		defer func() { recover() }()
		as(u, func() error { panic("x") })
	}()
	if after := credentials(t); after != before {
		t.Errorf("the thread was %s, and is %s", before, after)
	}

	dir := tree(t, "closed/file")
	must(t, os.Chmod(dir+"/closed", 0o700))
	stop := time.Now().Add(300 * time.Millisecond)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				if i%2 == 0 {
					err := as(u, func() error { _, err := os.Stat(dir + "/closed/file"); return err })
					if !errors.Is(err, os.ErrPermission) {
						t.Errorf("the user looked in: %v", err)
						return
					}
				} else if _, err := os.Stat(dir + "/closed/file"); err != nil {
					t.Errorf("root did not look in: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A user with uid 0 is root, whatever the name.
func TestResolveAsAnotherRoot(t *testing.T) {
	needRoot(t)
	old := lookup
	t.Cleanup(func() { lookup = old })
	lookup = func(name string) (account.User, error) { return account.User{Name: name}, nil }
	dir := tree(t, "closed/file")
	must(t, os.Chmod(dir+"/closed", 0o700))
	if got, err := New(nil, trust.Parent).Resolve(filters.Untrusted(dir+"/closed/file"), "/", "toor"); err != nil || got.Raw() != dir+"/closed/file" {
		t.Errorf("%q, %v", got.Raw(), err)
	}
}

// Neither an answer nor an error leaves a descriptor open.
func TestResolveLeaksNothing(t *testing.T) {
	dir := tree(t, "a/b/", "dangling -> nowhere", "loop -> loop")
	before := descriptors(t)
	for _, path := range []string{"/a", "/a/b/new/new", "/dangling", "/loop", "/a/new/../x", "/a/../a/b", "/a/../loop/..", "/a/b/../../dangling", "/a/b/../../dangling/x/..", "/\x00"} {
		for _, user := range []string{"root", "nobody", "nosuchuser"} {
			New(nil, trust.Parent).Resolve(filters.Untrusted(dir+path), "/", user)
			New(nil, trust.Parent).Resolve(filters.Untrusted(dir+path), dir+"/a/b", user)
			New(nil, trust.Parent).Base(dir+path, user)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, and %d afterwards", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func BenchmarkResolve(b *testing.B) {
	for _, user := range []string{"root", "nobody"} {
		b.Run(fmt.Sprint("as ", user), func(b *testing.B) {
			m := New(nil, trust.Parent)
			for b.Loop() {
				if _, err := m.Resolve("/usr/bin/../bin/env", "/usr", user); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A path that leads out of a directory apart from the base, and back, is refused
// whether or not there is such a directory; links of root's own may do so.
func TestResolveTellsNothing(t *testing.T) {
	needRoot(t)
	dir := tree(t, "base/f", "base/sub/f", "apart/yes/", "apart/file", "yes -> apart/yes/../../base", "above -> apart/../base/f",
		"base/out -> ../apart/yes/../../base/f", "base/outnone -> ../apart/none/../../base/f", "base/tofile -> ../apart/file/../../base/f")
	must(t, os.Chmod(dir+"/base", 0o777)) // so that its links are not root's alone
	for path, want := range map[string]string{
		"/base/f": "/base/f", "/base/../base/f": "/base/f", "/base/sub/../f": "/base/f", "/base/sub/../../base/f": "/base/f", "/base/../base/new": "/base/new",
		"/yes/f": "/base/f", "/above": "/base/f", // root's links
		"/apart/yes/../../base/f": "", "/apart/none/../../base/f": "", "/apart/file/../../base/f": "",
		"/apart/yes/../../base/new": "", "/apart/../base/f": "", "/none/../base/f": "",
		"/base/out": "", "/base/outnone": "", "/base/tofile": "", "/base/../apart/yes/../../base/f": "", "/base/../apart/none/../../base/f": "",
	} {
		got, err := New(nil, trust.Parent).Resolve(filters.Untrusted(dir+path), dir+"/base", "root")
		if want == "" && err == nil || want != "" && (err != nil || got.Raw() != dir+want) {
			t.Errorf("%s: %q, %v", path, got.Raw(), err)
		}
	}
	for _, name := range []string{"apart/%s/../../base/f", "apart/%s/../../base/new", "base/../apart/%s/../../base/f"} {
		said := map[string]bool{}
		for _, one := range []string{"yes", "none"} {
			_, err := New(nil, trust.Parent).Resolve(filters.Untrusted(dir+"/"+fmt.Sprintf(name, one)), dir+"/base", "root")
			said[strings.ReplaceAll(fmt.Sprint(err), one, "")] = true
		}
		if len(said) != 1 {
			t.Errorf("%s: %v", name, said)
		}
	}
}

// What a filter names leads where root's links lead, for the run-as user as well.
func TestBase(t *testing.T) {
	needRoot(t)
	dir := tree(t, "real/sub/", "closed/in/", "link -> real", "theirs -> real", "u/l -> ../real")
	must(t, os.Lchown(dir+"/theirs", 65534, 65534))
	must(t, os.Chown(dir+"/u", 65534, 65534))
	must(t, os.Chmod(dir+"/closed", 0o700))
	m := New(nil, trust.Parent)
	for _, c := range []struct {
		path, user, want string
		is               error
	}{
		{"/real", "root", "/real", nil}, {"/link/sub", "nobody", "/real/sub", nil}, {"/link/new", "nobody", "/real/new", nil}, {"/u", "nobody", "/u", nil},
		{"/theirs", "root", "", filters.ErrRedirected}, {"/theirs", "nobody", "", filters.ErrRedirected}, {"/u/l", "nobody", "", filters.ErrRedirected},
		{"/closed/in", "root", "/closed/in", nil}, {"/closed/in", "nobody", "", unix.EACCES},
	} {
		got, err := m.Base(dir+c.path, c.user)
		if c.want != "" && (err != nil || got != dir+c.want) || c.want == "" && (got != "" || !errors.Is(err, c.is)) {
			t.Errorf("%s as %s: %q, %v", c.path, c.user, got, err)
		}
	}
	if _, err := m.Base(dir, "nosuchuser"); err == nil {
		t.Error("a base for a user that does not exist")
	}
}
