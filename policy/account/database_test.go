package account

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// What is remembered is what a look-up says, whatever becomes of the files.
func TestDatabase(t *testing.T) {
	databases(t, passwd, group)
	dir := strings.TrimSuffix(PasswdFile, "/passwd")
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	same := func(from, to string) string { return strings.Replace(passwd, from, to, 1) }
	d := new(Database)
	for _, step := range []struct {
		what, why string // a part of the error, "" for none
		do        func()
	}{
		{"as it is", "", func() {}},
		{"in the same length", "", func() { put(t, PasswdFile, same("64055", "64056")) }},
		{"at once once more", "", func() { put(t, PasswdFile, same("64055", "64057")) }},
		{"another file", "", func() {
			put(t, dir+"/new", same("64055", "64058"))
			fail(os.Rename(dir+"/new", PasswdFile))
		}},
		{"other groups", "", func() { put(t, GroupFile, strings.Replace(group, "107", "109", 2)) }},
		{"writable", "writable", func() { fail(os.Chmod(PasswdFile, 0o666)) }},
		{"mended", "", func() { fail(os.Chmod(PasswdFile, 0o644)) }},
		{"somebody's", "uid 65534", func() { fail(os.Chown(GroupFile, 65534, 0)) }},
		{"mended", "", func() { fail(os.Chown(GroupFile, 0, 0)) }},
		{"in a writable directory", "writable", func() { fail(os.Chmod(dir, 0o777)) }},
		{"mended", "", func() { fail(os.Chmod(dir, 0o755)) }},
		{"without the user", "no such user", func() { put(t, PasswdFile, "root:x:0:0::/:/bin/sh\n") }},
		{"again", "", func() { put(t, PasswdFile, passwd) }},
		{"gone", "no such file", func() { fail(os.Rename(GroupFile, GroupFile+".off")) }},
		{"a link", "", func() { fail(os.Symlink(GroupFile+".off", GroupFile)) }},
		{"where the link leads", "", func() { put(t, GroupFile+".off", group) }},
	} {
		for _, wait := range []time.Duration{0, 2 * settled} {
			time.Sleep(wait)
			if wait == 0 {
				step.do()
			}
			for range 3 {
				want, wantErr := Lookup("nova")
				got, err := d.Lookup("nova")
				if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
					t.Errorf("%s: %+v, %v, not %+v, %v", step.what, got, err, want, wantErr)
				}
				if step.why == "" && err != nil || err != nil && !strings.Contains(err.Error(), step.why) {
					t.Errorf("%s: %v", step.what, err)
				}
				for i := range got.Groups {
					got.Groups[i] = 0 // the caller's own
				}
			}
		}
	}
	if u, err := (*Database)(nil).Lookup("root"); err != nil || u.Name != "root" {
		t.Errorf("without one: %+v, %v", u, err)
	}
	if _, err := d.Lookup("nobody-here"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

// Nothing is read of files that have not changed.
func TestDatabaseReadsOnce(t *testing.T) {
	databases(t, passwd, group)
	time.Sleep(2 * settled)
	d := new(Database)
	want, err := d.Lookup("nova")
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if got, err := d.Lookup("nova"); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, %v", got, err)
		}
	}); n > 12 {
		t.Errorf("%v allocations for a user who is known", n)
	}
}

// The file systems that tests run on have stamps of some milliseconds.
func init() { settled = 50 * time.Millisecond }
