package trust

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLead(t *testing.T) {
	within(t, 60*time.Second)
	base := tree(t)
	plant(t, base, "dir d 755 0", "file d/f 644 0", "dir d/sub 755 65534", "dir u 755 65534", "dir u/r 755 0", "file u/f 600 65534",
		"dir u/own 700 65534", "dir s 1777 0", "dir g 775 0", "dir w 757 0",
		"link l 0 d", "link a 0 BASE/d", "link c 0 l/sub", "link top 0 /", "link intou 0 u/own", "link up 0 u/..",
		"link m 65534 d", "link u/l 0 ../d", "link u/m 65534 ../d", "link s/l 0 ../d", "link s/m 65534 ../d", "link g/l 0 ../d", "link w/l 0 ../d",
		"link u/r/l 0 ../../d", "dir u/r/q 755 0", "link u/r/q/l 0 ../../../d", "link viaur 0 u/r/l", "dir s/r 755 0", "link s/r/l 0 ../../d", "dir s/u 755 65534", "dir s/u/r 755 0", "link s/u/r/l 0 ../../../d", "dir g/r 755 0", "link g/r/l 0 ../../d", "dir w/r 755 0", "link w/r/l 0 ../../d",
		"link viam 0 m", "link viau 0 u/m", "link gone 0 nowhere", "link goneu 65534 nowhere", "link o 0 o", "link u/gone 65534 nowhere",
		"fifo p 666 65534")
	const theirs = "somebody besides root decides where it leads: symbolic link BASE/"
	for _, c := range []struct {
		path, want string // what it leads to, below base; else a part of the error
	}{
		{"", ""}, {"/", ""}, {"/d", "/d"}, {"/d/", "/d"}, {"/d/.", "/d"}, {"/d/f", "/d/f"}, {"//d//f", "/d/f"}, {"/d/sub", "/d/sub"}, {"/d/sub/..", "/d"},
		{"/u", "/u"}, {"/u/own", "/u/own"}, {"/u/f", "/u/f"}, {"/u/r", "/u/r"}, {"/u/own/..", "/u"}, {"/s", "/s"}, {"/p", "/p"},
		{"/l", "/d"}, {"/l/f", "/d/f"}, {"/a", "/d"}, {"/c", "/d/sub"}, {"/intou", "/u/own"}, {"/up", ""}, {"/s/r/l", "/d"}, {"/u/../l/f", "/d/f"},
		{"/m", theirs + "m is owned by uid 65534, not root: name the directory or file that is meant, not a link to it"},
		{"/m/f", theirs + "m is owned"}, {"/m/", theirs + "m is owned"}, {"/m/../d", theirs + "m is owned"}, {"/viam", theirs + "m is owned"},
		{"/u/l", theirs + "u/l lies in BASE/u, which is owned by uid 65534, not root: name"}, {"/u/m", theirs + "u/m is owned"}, {"/viau", theirs + "u/m is owned"},
		{"/s/l", theirs + "s/l lies in BASE/s, which is writable by group and others (mode 1777)"}, {"/s/m", theirs + "s/m is owned"},
		{"/g/l", theirs + "g/l lies in BASE/g, which is writable by group (mode 0775)"}, {"/w/l/f", theirs + "w/l lies in BASE/w, which is writable by others"},
		{"/u/r/l", theirs + "u/r/l lies below BASE/u, where uid 65534 can put another directory in the place of that of the link: name"}, {"/viaur/f", theirs + "u/r/l lies below BASE/u"}, {"/u/r/q/l", theirs + "u/r/q/l lies below BASE/u"},
		{"/s/u/r/l", theirs + "s/u/r/l lies below BASE/s/u, where uid 65534"}, {"/g/r/l", theirs + "g/r/l lies below BASE/g, where group can put another directory in the place of that of the link (mode 0775)"}, {"/w/r/l", theirs + "w/r/l lies below BASE/w, where others can"},
		{"/top/proc/self", "symbolic link /proc/self lies in /proc, which is in a proc file system: name"},
		{"/goneu", theirs + "goneu is owned"}, {"/u/gone/x", theirs + "u/gone is owned"},
		{"/o", "too many levels"}, {"/d/f/x", "not a directory"}, {"/d/f/", "not a directory"}, {"/d/f/..", "not a directory"},
	} {
		want := strings.ReplaceAll(c.want, "BASE", base)
		leads := want == "" || want[0] == '/'
		got, err := Canonical(base + c.path)
		p, lerr := Lead(base + c.path)
		if leads {
			checkErr(t, c.path, err, "")
			checkErr(t, c.path, lerr, "")
			if got != base+want || p.Path != base+want {
				t.Errorf("%s leads to %s, %s, not to %s", c.path, got, p.Path, base+want)
			}
			var st, fd unix.Stat_t
			if err := unix.Lstat(base+want, &st); err != nil {
				t.Error(err)
			}
			if err := unix.Fstat(p.FD, &fd); err != nil || fd.Ino != st.Ino || p.Stat.Ino != st.Ino {
				t.Errorf("%s is another file: %v", c.path, err)
			}
			unix.Close(p.FD)
			continue
		}
		checkErr(t, c.path, err, want)
		checkErr(t, c.path, lerr, want)
		if redirected := strings.Contains(want, "symbolic link"); errors.Is(err, ErrRedirected) != redirected || errors.Is(lerr, ErrRedirected) != redirected {
			t.Errorf("%s: %v, %v", c.path, err, lerr)
		}
	}

	// What is not there yet.
	for path, want := range map[string]string{
		"/d/new": "/d/new", "/d/new/": "/d/new", "/d/new/x/y": "/d/new/x/y", "/u/new": "/u/new", "/l/new": "/d/new", "/c/new/x": "/d/sub/new/x", "/d/./new/.": "/d/new",
		"/d/../u/new": "/u/new",
		"/gone":       "", "/gone/x": "", "/d/new/..": "", "/d/new/../f": "", "/m/new": "", "/u/m/new": "", "/u/gone/new": "", "/d/new/../../m": "",
	} {
		got, err := Canonical(base + path)
		if want == "" && err == nil || want != "" && (err != nil || got != base+want) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
		if _, err := Lead(base + path); err == nil {
			t.Errorf("%s: Lead opens what is not there", path)
		}
	}
	for _, path := range []string{"", "d", "./d", "/d\x00", base + "/d\x00", "/" + strings.Repeat("x", 5000)} {
		if got, err := Canonical(path); err == nil || !oneLine(err.Error()) {
			t.Errorf("%.40q: %q, %v", path, got, err)
		}
	}
	checkNoLeak(t)
}

// A proc file system mounted elsewhere is one all the same.
func TestLeadProcElsewhere(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir p 755 0")
	inOwnMounts(t, func() {
		if err := unix.Mount("proc", base+"/p", "proc", 0, ""); err != nil {
			t.Error(err)
			return
		}
		for path, want := range map[string]string{"/p": "", "/p/sys/kernel": "", "/p/self": "in a proc file system", "/p/self/root/etc": "in a proc file system", "/p/1/root": "in a proc file system"} {
			_, err := Canonical(base + path)
			checkErr(t, path, err, want)
		}
	})
}

// Whoever exchanges a directory for a link all the time decides whether there is an
// answer, and not which.
func TestLeadRace(t *testing.T) {
	for _, tt := range []struct {
		name    string
		objects []string
		path    string
		swap    [2]string
	}{
		{"directory and link", []string{"dir u 755 65534", "dir u/d 755 65534", "dir e 755 0", "link u/l 65534 ../e"}, "/u/d", [2]string{"u/d", "u/l"}},
		{"parent and link", []string{"dir u 755 65534", "dir u/d 755 65534", "dir u/d/x 755 65534", "dir e 755 0", "dir e/x 755 0", "link u/l 65534 ../e"}, "/u/d/x", [2]string{"u/d", "u/l"}},
		{"directory and link of root's", []string{"dir u 755 65534", "dir u/d 755 65534", "dir e 755 0", "link u/l 0 ../e"}, "/u/d", [2]string{"u/d", "u/l"}},
		{"behind a link of root's", []string{"dir u 755 65534", "dir u/d 755 65534", "dir e 755 0", "link u/l 65534 ../e", "link to 0 u/d"}, "/to/.", [2]string{"u/d", "u/l"}},
		{"what is not there", []string{"dir u 755 65534", "dir u/d 755 65534", "dir e 755 0", "link u/l 65534 ../e"}, "/u/d/new", [2]string{"u/d", "u/l"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			within(t, 60*time.Second)
			base := tree(t)
			plant(t, base, tt.objects...)
			want, err := Canonical(base + tt.path)
			if err != nil {
				t.Fatal(err)
			}
			defer exchange(t, base+"/"+tt.swap[0], base+"/"+tt.swap[1])()
			led, refused := 0, 0
			begin := time.Now()
			for i := 0; led == 0 || refused == 0 || i < 4000 && time.Since(begin) < 250*time.Millisecond; i++ {
				if time.Since(begin) > 10*time.Second {
					t.Fatalf("the race has not taken place: %d led, %d refused", led, refused)
				}
				got, err := Canonical(base + tt.path)
				p, lerr := Lead(base + tt.path)
				if lerr == nil {
					unix.Close(p.FD)
				}
				switch {
				case err == nil && got != want, lerr == nil && p.Path != want:
					t.Fatalf("call %d: it leads to %q, %q", i, got, p.Path)
				case err == nil:
					led++
				case !oneLine(err.Error()):
					t.Fatalf("call %d: error %q", i, err)
				default:
					refused++
				}
			}
		})
	}
	checkNoLeak(t)
}
