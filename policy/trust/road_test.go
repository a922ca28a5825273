package trust

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ask puts a path before every method of a Road, and returns the answers as text.
func ask(r *Road, path string, lvl Level) (answers []string) {
	say := func(what string, answer any, err error) {
		answers = append(answers, fmt.Sprintf("%s: %+v, %v", what, answer, err))
	}
	entered := r.Enter(path, lvl)
	data, id, err := r.Read(path, lvl)
	say("Read", fmt.Sprintf("%q %+v", data, id), err)
	id, err = r.Look(path, lvl)
	say("Look", id, err)
	x, err := r.Executable(path, lvl)
	say("Executable", x, err)
	x, err = r.Executable(path, lvl, nobody)
	say("Executable of nobody's", x, err)
	x, err = r.Regular(path, lvl, nobody)
	say("Regular", x, err)
	x, err = r.Any(path, lvl, nobody)
	say("Any", x, err)
	say("Absent", r.Absent(path), nil)
	p, err := r.Open(path, lvl, nobody)
	if err == nil {
		b := make([]byte, 100)
		n, err := p.ReadAt(b, 0)
		p.Close()
		say("ReadAt", string(b[:n]), err)
	}
	say("Open", p.ID, err)
	d, err := r.Dir(path, lvl)
	if fmt.Sprint(entered) != fmt.Sprint(err) {
		say("Enter and Dir differ", entered, err)
	}
	if err != nil {
		say("Dir", nil, err)
		return answers
	}
	say("Dir", d.Identity(), nil)
	x, err = d.Executable("f")
	say("Directory.Executable", x, err)
	say("Directory.Absent", d.Absent("l"), nil)
	data, id, err = d.Read("l")
	say("Directory.Read", fmt.Sprintf("%q %+v", data, id), err)
	d.Close()
	return answers
}

func sameAnswers(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("%s:\n got %q\nwant %q", what, got[min(i, len(got)):], want[min(i, len(want)):])
			return
		}
	}
}

// Whatever a Road has passed before, it answers as if it had not, to the word.
func TestRoad(t *testing.T) {
	needRoot(t)
	within(t, 60*time.Second)
	for _, tt := range fileTests {
		base := tree(t)
		plant(t, base, tt.objects...)
		path := base + "/" + strings.ReplaceAll(tt.path, "BASE", base)
		var all Road // one for all levels
		for _, lvl := range []Level{Fixed, Ancestors, Object, Parent, 99} {
			for _, p := range []string{path, filepath.Dir(path)} {
				what := fmt.Sprintf("%s, level %d, %s", tt.name, lvl, p)
				want := ask(nil, p, lvl)
				if strings.Contains(strings.Join(want, ""), "differ") {
					t.Errorf("%s: %q", what, want)
				}
				sameAnswers(t, what, ask(&all, p, lvl), want)
				sameAnswers(t, what+" again", ask(&all, p, lvl), want)
				var own Road
				sameAnswers(t, what+" alone", ask(&own, p, lvl), want)
				own.Close()
			}
		}
		all.Close()
	}
	checkNoLeak(t)
}

// What may be passed on the way is not what may hold an object, and what one level lets
// pass another does not.
func TestRoadSticky(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir s 1777 0", "file s/x 755 0", "dir s/d 755 0", "file s/d/x 755 0", "link s/l 0 d", "link l 0 s", "dir w 777 0", "dir w/d 755 0", "file w/d/x 755 0")
	var r Road
	defer r.Close()
	for range 2 {
		for path, want := range map[string]string{"s/d/x": "", "s/l/x": "", "l/d/x": "", "l/l/x": "", "s/x": "its directory BASE/s is writable", "l/x": "its directory BASE/s is writable",
			"w/d/x": "directory BASE/w is writable by group and others"} {
			_, err := r.Executable(base+"/"+path, Fixed)
			checkErr(t, path, err, strings.ReplaceAll(want, "BASE", base))
			_, err = r.Executable(base+"/"+path, Ancestors)
			checkErr(t, path, err, "is writable by group and others")
		}
		checkErr(t, "s", r.Enter(base+"/s", Fixed), "cannot trust "+base+"/s: it is writable by group and others (mode 1777)")
		checkErr(t, "s/d", r.Enter(base+"/s/d", Fixed), "")
		checkErr(t, "s/d", r.Enter(base+"/s/d", Ancestors), "directory "+base+"/s is writable")
	}
}

// A Road holds the directories that it has passed, and nothing that it refused.
func TestRoadHolds(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir d 755 0", "file d/f 755 0", "dir e 755 0", "file e/f 755 0", "dir w 777 0", "file w/f 755 0")
	var r Road
	if err := r.Enter(base+"/d", Fixed); err != nil {
		t.Fatal(err)
	}
	first, err := r.Executable(base+"/d/f", Fixed)
	if err != nil {
		t.Fatal(err)
	}
	checkErr(t, "w", r.Enter(base+"/w", Fixed), "it is writable by group and others")
	for _, err := range []error{os.Rename(base+"/d", base+"/old"), os.Rename(base+"/e", base+"/d"), os.Chmod(base+"/w", 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if id, err := r.Executable(base+"/d/f", Fixed); id != first || err != nil {
		t.Errorf("root moved the directory: %+v, %v; want %+v", id, err, first)
	}
	if _, err := r.Executable(base+"/w/f", Fixed); err != nil {
		t.Errorf("what was refused once is refused for ever: %v", err)
	}
	r.Close()
	if id, err := r.Executable(base+"/d/f", Fixed); id.Ino == first.Ino || err != nil {
		t.Errorf("after Close: %+v, %v", id, err)
	}
	r.Close()
	r.Close()
	checkNoLeak(t)
}

// Not even root's directories are all held at once.
func TestRoadIsBounded(t *testing.T) {
	base := tree(t)
	var r Road
	for i := range 3 * maxPassed {
		plant(t, base, fmt.Sprintf("dir %d 755 0", i), fmt.Sprintf("file %d/f 755 0", i), fmt.Sprintf("link l%d 0 %d", i, i))
		for _, path := range []string{fmt.Sprintf("%s/%d", base, i), fmt.Sprintf("%s/l%d", base, i)} {
			if err := r.Enter(path, Fixed); err != nil {
				t.Error(err)
			}
			if id, err := r.Executable(path+"/f", Fixed); err != nil || id.Path != fmt.Sprintf("%s/%d/f", base, i) {
				t.Errorf("%+v, %v", id, err)
			}
		}
	}
	if len(r.passed) != maxPassed {
		t.Errorf("it holds %d directories and links, want %d", len(r.passed), maxPassed)
	}
	r.Close()
	checkNoLeak(t)
}

// Somebody exchanges a directory on the way for one of theirs, all the time. A Road
// refuses the one, or holds the other.
func TestRoadRace(t *testing.T) {
	needRoot(t)
	for _, tt := range []struct {
		objects []string
		swap    [2]string
	}{
		{[]string{"dir d 755 0", "dir d/x 755 0", "file d/x/f 755 0", "dir e 755 65534", "dir e/x 755 0", "file e/x/f 755 0"}, [2]string{"d", "e"}},
		{[]string{"dir d 755 0", "dir d/x 755 0", "file d/x/f 755 0", "dir e 755 0", "dir e/x 755 0", "file e/x/f 755 0", "link l 65534 e"}, [2]string{"d", "l"}},
		{[]string{"dir d 755 0", "dir d/x 755 0", "file d/x/f 755 0", "dir d/y 777 0", "file d/y/f 755 0"}, [2]string{"d/x", "d/y"}},
	} {
		within(t, 60*time.Second)
		base := tree(t)
		plant(t, base, tt.objects...)
		good, err := Executable(base+"/d/x/f", Fixed)
		if err != nil {
			t.Fatal(err)
		}
		stop := exchange(t, base+"/"+tt.swap[0], base+"/"+tt.swap[1])
		found, refused := 0, 0
		for begin := time.Now(); (found == 0 || refused == 0 || time.Since(begin) < 250*time.Millisecond) && time.Since(begin) < 10*time.Second; {
			var r Road
			r.Enter(base+"/d/x", Fixed)
			held := len(r.passed) > 0 && r.passed[len(r.passed)-1].path == base+"/d/x"
			for range 3 {
				id, err := r.Executable(base+"/d/x/f", Fixed)
				switch {
				case err == nil && id.Ino != good.Ino:
					t.Fatalf("%v: accepted %+v, want %+v", tt.swap, id, good)
				case err == nil:
					found++
				case held:
					t.Fatalf("%v: what was held is refused: %v", tt.swap, err)
				default:
					refused++
				}
			}
			r.Close()
		}
		stop()
		if found == 0 || refused == 0 {
			t.Errorf("%v: the race has not taken place: %d found, %d refused", tt.swap, found, refused)
		}
	}
	checkNoLeak(t)
}

// Where no directory on the way is looked at, they are passed at once: to the same place,
// and with the same words where there is none.
func TestAtOnce(t *testing.T) {
	needRoot(t)
	atOnce := 0
	for _, tt := range fileTests {
		base := tree(t)
		plant(t, base, tt.objects...)
		for _, lvl := range []Level{Object, Parent} {
			for _, path := range []string{base + "/" + strings.ReplaceAll(tt.path, "BASE", base), base, base + "/.", base + "//d//", "/", "/etc/passwd", "/lib64/..", "/proc/self/exe"} {
				sameWalk(t, path, lvl)
				w := (*Road)(nil).walk(path, lvl)
				if _, ok := w.atOnce(); ok {
					atOnce++
				}
				w.close()
			}
		}
	}
	if atOnce == 0 {
		t.Error("not checked: openat2 does not work here")
	}
	checkNoLeak(t)
}

// sameWalk compares how find walks with a walk through all components.
func sameWalk(t *testing.T, path string, lvl Level) {
	t.Helper()
	for _, wantDir := range []bool{false, true} {
		for _, lead := range []bool{false, true} {
			if lead && lvl != Object {
				continue
			}
			describe := func(w walk, err error) string {
				if err != nil {
					return err.Error()
				}
				defer w.close()
				return fmt.Sprintf("%s in %s, name %s, device %d, inode %d, mode %o", w.object, w.at, w.name, w.st.Dev, w.st.Ino, w.st.Mode)
			}
			fast, slow := (*Road)(nil).walk(path, lvl), (*Road)(nil).walk(path, lvl)
			fast.lead, slow.lead = lead, lead
			err := fast.find(wantDir)
			got := describe(fast, err)
			err = slow.possible()
			if err == nil {
				err = slow.fromRoot()
			}
			if err == nil {
				err = slow.run(components(path), wantDir)
			}
			if want := describe(slow, err); got != want {
				t.Errorf("%q, level %d, directory %v, lead %v:\n got %s\nwant %s", path, lvl, wantDir, lead, got, want)
			}
		}
	}
}
