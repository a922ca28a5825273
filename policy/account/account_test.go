package account

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// databases puts two files of the test's own in place of /etc/passwd and
// /etc/group. They must be root's, as those are.
func databases(t testing.TB, passwd, group string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: no look-up was checked, since the databases must be root's")
	}
	dir := t.TempDir()
	oldPasswd, oldGroup, oldGetent := PasswdFile, GroupFile, Getent
	t.Cleanup(func() { PasswdFile, GroupFile, Getent = oldPasswd, oldGroup, oldGetent })
	PasswdFile, GroupFile, Getent = dir+"/passwd", dir+"/group", dir+"/getent"
	put(t, PasswdFile, passwd)
	put(t, GroupFile, group)
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const passwd = `root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin

#gone:x:10:10::/:/bin/sh
nova:x:64055:64060:Nova,,,:/var/lib/nova:/bin/sh
nova:x:0:0:second:/:/bin/sh
toor:x:0:0::/root:/bin/sh
empty:x:20:20:::
four:x:21:21
six:x:22:22::/
eight:x:23:23::/:/bin/sh:x
minus1:x:-1:24::/:/bin/sh
minusg:x:25:-1::/:/bin/sh
max:x:4294967295:26::/:/bin/sh
maxg:x:27:4294967295::/:/bin/sh
over:x:4294967296:28::/:/bin/sh
overg:x:29:4294967296::/:/bin/sh
blank:x: 30:30::/:/bin/sh
plus:x:+31:31::/:/bin/sh
hex:x:0x20:32::/:/bin/sh
none:x::33::/:/bin/sh
noneg:x:33:::/:/bin/sh
word:x:abc:34::/:/bin/sh
octal:x:010:010::/:/bin/sh
largest:x:4294967294:4294967294::/:/bin/sh
bytes:x:35:35::/h` + "\xff\x01" + `:/s
+::::::
+nis:x:36:36::/:/bin/sh
badgroup:x:37:37::/:/bin/sh
last:x:38:38::/:/bin/zsh`

const group = `root:x:0:
daemon:x:1:nova
nova:x:64060:nova
kvm:x:107:libvirt,nova
libvirt:x:108:nova,nova
again:x:107:nova
part:x:200:nov,novas,xnova,NOVA
blanks:x:201:x, nova
trailing:x:207:nova ,x
five:x:202:nova:x
three:x:203
empty:x:204:,,,
both:x:205:,nova,
minus:x:-1:badgroup
shadow:x:42:daemon
last:x:206:nova`

func TestLookup(t *testing.T) {
	databases(t, passwd, group)
	for name, want := range map[string]User{
		"root":    {"root", 0, 0, "/root", "/bin/bash", []uint32{0}},
		"daemon":  {"daemon", 1, 1, "/usr/sbin", "/usr/sbin/nologin", []uint32{1, 42}},
		"nova":    {"nova", 64055, 64060, "/var/lib/nova", "/bin/sh", []uint32{64060, 1, 107, 108, 201, 205, 206}}, // the first line of the name
		"toor":    {"toor", 0, 0, "/root", "/bin/sh", []uint32{0}},
		"empty":   {"empty", 20, 20, "", "", []uint32{20}},
		"octal":   {"octal", 10, 10, "/", "/bin/sh", []uint32{10}}, // decimal, whatever it looks like
		"largest": {"largest", 1<<32 - 2, 1<<32 - 2, "/", "/bin/sh", []uint32{1<<32 - 2}},
		"bytes":   {"bytes", 35, 35, "/h\xff\x01", "/s", []uint32{35}},
		"+nis":    {"+nis", 36, 36, "/", "/bin/sh", []uint32{36}},
		"last":    {"last", 38, 38, "/", "/bin/zsh", []uint32{38}}, // no newline at the end
	} {
		u, err := Lookup(name)
		if err != nil || !slices.Equal(u.Groups, want.Groups) {
			t.Errorf("%s: %+v, %v, not %+v", name, u, err, want)
			continue
		}
		u.Groups, want.Groups = nil, nil
		if fmt.Sprint(u) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, not %+v", name, u, want)
		}
	}
}

// What is not one good line of the database is nobody: never the id 0, nor the
// id -1 that setresuid(2) takes for "leave it" (CVE-2019-14287).
func TestLookupRefuses(t *testing.T) {
	databases(t, passwd, group)
	for _, name := range []string{
		"", "nobody", "0", "64055", "-1", "#-1", "#0", "4294967295", "Root", "ROOT", "roo", "roott", " root", "root ", "root\n", "root\x00", "root:", ":",
		"root:x", "root:x:0:0:root:/root:/bin/bash", "x", "%", "*", "\xff", "\n", "four", "six", "eight", "#gone", "../root", strings.Repeat("r", 1<<20),
	} {
		u, err := Lookup(name)
		if err == nil || !errors.Is(err, ErrUnknown) || u.Name != "" || u.Groups != nil {
			t.Errorf("%.40q: %+v, %.100v", name, u, err)
			continue
		}
		if strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%.40q: the error is not one line: %.100q", name, err)
		}
	}
	for _, name := range []string{
		"minus1", "minusg", "max", "maxg", "over", "overg", "blank", "plus", "hex", "none", "noneg", "word", "+", "badgroup",
	} {
		u, err := Lookup(name)
		if err == nil || errors.Is(err, ErrUnknown) || u.Name != "" || u.Groups != nil {
			t.Errorf("%s: %+v, %v", name, u, err)
			continue
		}
		if !strings.Contains(err.Error(), "is not an id") || strings.Contains(err.Error(), "\n") ||
			!strings.Contains(err.Error(), PasswdFile) && !strings.Contains(err.Error(), GroupFile) {
			t.Errorf("%s: %v", name, err)
		}
		// The message says a thing once.
		if strings.Count(err.Error(), PasswdFile) > 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDatabasesThatCannotBeRead(t *testing.T) {
	databases(t, passwd, group)
	gone := func(file *string, message string) {
		t.Helper()
		defer func(old string) { *file = old }(*file)
		*file += ".missing"
		u, err := Lookup("nova")
		if err == nil || errors.Is(err, ErrUnknown) || u.Name != "" || !strings.HasPrefix(err.Error(), message) || strings.Count(err.Error(), *file) > 1 {
			t.Errorf("%s is missing: %+v, %v", *file, u, err)
		}
		gid, err := GID("kvm")
		if got := fmt.Sprintln(Name(64055), gid, err == nil); got != "nova 0 false\n" && got != "64055 107 true\n" {
			t.Errorf("%s is missing: %s", *file, got)
		}
	}
	gone(&PasswdFile, "cannot read the user database: ")
	gone(&GroupFile, "cannot read the group database: ")

	// Who else can write the database decides who is who.
	for _, file := range []string{PasswdFile, GroupFile} {
		if err := os.Chmod(file, 0o666); err != nil {
			t.Fatal(err)
		}
		if u, err := Lookup("nova"); err == nil {
			t.Errorf("%s is writable by others: %+v", file, u)
		}
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Lookup("nova"); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	databases(t, passwd, group)
	for uid, want := range map[uint32]string{
		0: "root", 1: "daemon", 64055: "nova", 38: "last", 1<<32 - 2: "largest",
		10: "10", 2: "2", 21: "21", 23: "23", 1<<32 - 1: "4294967295", 31: "31", 8: "8",
	} {
		if got := Name(uid); got != want {
			t.Errorf("uid %d: %q, not %q", uid, got, want)
		}
	}
	for name, want := range map[string]uint32{"root": 0, "kvm": 107, "again": 107, "last": 206} {
		if got, err := GID(name); err != nil || got != want {
			t.Errorf("group %s: %d, %v, not %d", name, got, err, want)
		}
	}
	for _, name := range []string{"", "107", "KVM", "five", "three", "minus", "kvm:x", "kvm\n", "last:x:206:nova"} {
		if got, err := GID(name); err == nil || got != 0 || errors.Is(err, ErrUnknown) == (name == "minus") {
			t.Errorf("group %q: %d, %v", name, got, err)
		}
	}
}

// The C library, asked about the same files in a mount namespace of its own,
// names the same ids and the same groups.
func TestSameAsCLibrary(t *testing.T) {
	databases(t, passwd, group)
	script := fmt.Sprintf("mount --bind %s /etc/passwd && mount --bind %s /etc/group && for n; do echo \"$n $(id -u -- $n) $(id -g -- $n) $(id -G -- $n)\"; done", PasswdFile, GroupFile)
	names := []string{"root", "daemon", "nova", "toor", "empty", "octal", "largest", "last"}
	out, err := exec.Command("unshare", append([]string{"--mount", "sh", "-c", script, "sh"}, names...)...).CombinedOutput()
	if err != nil {
		t.Skipf("no mount namespace to ask the C library in: that it says the same was not checked: %v: %s", err, out)
	}
	checked := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		u, err := Lookup(f[0])
		if err != nil {
			t.Errorf("%s: %v; the C library says %q", f[0], err, line)
			continue
		}
		var groups []string
		for _, g := range u.Groups {
			groups = append(groups, strconv.FormatUint(uint64(g), 10))
		}
		slices.Sort(groups)
		theirs := slices.Clone(f[3:])
		slices.Sort(theirs)
		theirs = slices.Compact(theirs)
		if fmt.Sprint(u.UID, u.GID) != f[1]+" "+f[2] || !slices.Equal(groups, theirs) {
			t.Errorf("%+v; the C library says %q", u, line)
		}
		checked++
	}
	if checked != len(names) {
		t.Errorf("%d of %d users: %s", checked, len(names), out)
	}
}

// This machine's own databases.
func TestSameAsMachine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: the databases are as they are for anybody")
	}
	for _, name := range []string{"root", "daemon", "nobody"} {
		u, err := Lookup(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		out, err := exec.Command("id", "-u", name).Output()
		if err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(u.UID) {
			t.Errorf("%s: uid %d, id(1) says %s, %v", name, u.UID, out, err)
		}
		if u.UID != 0 && Name(u.UID) != name {
			t.Errorf("uid %d is %q, not %q", u.UID, Name(u.UID), name)
		}
	}
}

// Whatever stands in the files, a user that is found is the first good line of
// that very name, and no id is -1.
func FuzzLookup(f *testing.F) {
	f.Add(passwd, group, "nova")
	f.Add(passwd, group, "max")
	f.Add("a:x:1:1:::\n", "g:x:2:a\ng:x:4294967295:a\n", "a")
	f.Add("a:x:1:1:::", "", "a")
	f.Add(":x:0:0:::\n", "g:x:2:\n", "")
	f.Add("a:x:1:1:::\r\n", "\r\n", "a")
	f.Add("a\x00:x:1:1:::\n", "", "a\x00")
	f.Add("a:x:1:1:::\na:x:0:0:::\n", "root:x:0:a\n", "a")
	if os.Geteuid() != 0 {
		f.Skip("not root: no look-up was checked, since the databases must be root's")
	}
	dir := f.TempDir()
	PasswdFile, GroupFile, Getent = dir+"/passwd", dir+"/group", dir+"/getent"
	f.Cleanup(func() { PasswdFile, GroupFile, Getent = "/etc/passwd", "/etc/group", "/usr/bin/getent" })
	f.Fuzz(func(t *testing.T, passwd, group, name string) {
		put(t, PasswdFile, passwd)
		put(t, GroupFile, group)
		u, err := Lookup(name)
		if err != nil {
			if u.Name != "" || u.Groups != nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%+v, %q", u, err)
			}
			return
		}
		if u.Name != name || name == "" || u.UID == 1<<32-1 || len(u.Groups) == 0 || u.Groups[0] != u.GID || slices.Contains(u.Groups, 1<<32-1) {
			t.Fatalf("%+v", u)
		}
		if sorted := slices.Sorted(slices.Values(u.Groups)); len(slices.Compact(sorted)) != len(u.Groups) {
			t.Fatalf("a group twice: %v", u.Groups)
		}
		var first []string
		for _, line := range strings.Split(passwd, "\n") {
			if f := strings.Split(line, ":"); len(f) == 7 && f[0] == name {
				first = f
				break
			}
		}
		if first == nil {
			t.Fatalf("%+v stands in no line", u)
		}
		uid, err1 := strconv.ParseUint(first[2], 10, 32)
		gid, err2 := strconv.ParseUint(first[3], 10, 32)
		if err1 != nil || err2 != nil || uint64(u.UID) != uid || uint64(u.GID) != gid || u.Home != first[5] || u.Shell != first[6] {
			t.Fatalf("%+v is not %q", u, first)
		}
		for _, g := range u.Groups[1:] {
			if !strings.Contains(group, fmt.Sprintf(":%d:", g)) && !strings.Contains(group, "0"+fmt.Sprint(g)+":") {
				t.Fatalf("group %d stands in no line", g)
			}
		}
	})
}
