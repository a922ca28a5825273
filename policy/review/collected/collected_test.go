package collected

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/program"
	"ironwrap/policy/trust"
)

// tree writes files into a directory that everybody may write to.
func tree(t *testing.T, files map[string]string) (*Tree, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := dir + "/" + name
		if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
			t.Fatal(err)
		}
		if target, link := strings.CutPrefix(text, "-> "); link {
			if err := os.Symlink(target, p); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(p, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	open, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(open.Close)
	return open, dir
}

const conf = "[DEFAULT]\nfilters_path=/etc/x/d,/none\nexec_dirs=/usr/sbin,/usr/bin\n"

// TestLoad: the policy of a tree is that of the host, with the host's paths.
func TestLoad(t *testing.T) {
	open, _ := tree(t, map[string]string{
		"etc/x/rootwrap.conf": conf, "etc/x/d/b.filters": "[Filters]\nid: CommandFilter, id, root\n[Sandbox:id]\nno_new_privs = yes\n",
		"etc/x/d/a.filters": "-> ../real", "etc/x/real": "[Filters]\ncat: CommandFilter, cat, root\n",
		"etc/x/d/c.bak": "", "etc/x/d/.d.filters": "?", "etc/x/d/gone.filters": "-> nowhere",
	})
	p, err := open.Load("/etc/x/rootwrap.conf", inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range p.Filters {
		got = append(got, f.Name+" "+f.File)
	}
	if want := []string{"cat /etc/x/d/a.filters", "id /etc/x/d/b.filters", "privsep-helper "}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	if p.Path != "/etc/x/rootwrap.conf" || p.Filters[1].Sandbox == nil || len(p.Notes) != 3 {
		t.Errorf("%s, %v, %v", p.Path, p.Filters[1].Sandbox, p.Notes)
	}
}

// TestSame: it is what the executor has, where that would take the files.
func TestSame(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: the executor takes files of root's alone")
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-collected-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, text := range map[string]string{
		"rootwrap.conf": "[DEFAULT]\nfilters_path=" + dir + "/d\nexec_dirs=/usr/sbin,/usr/bin\nallow_users=nova\n[Sandbox]\numask = 077\n",
		"d/a.filters":   "[Filters]\ncat: RegExpFilter, cat, root, cat, /proc/\\d+\nid: CommandFilter, id, nobody\nodd: NoFilter, x\n",
		"d/b.filters":   "[Filters]\nid: EnvFilter, env, root, A=, id\n[Sandbox:id]\nno_new_privs = yes\n",
	} {
		if err := os.MkdirAll(filepath.Dir(dir+"/"+name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := policy.Load(dir+"/rootwrap.conf", trust.Object, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	root, err := Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	got, err := root.Load(dir+"/rootwrap.conf", inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Config, want.Config) || !reflect.DeepEqual(got.Notes, want.Notes) || len(got.Filters) != len(want.Filters) {
		t.Fatalf("%+v\nnot\n%+v", got, want)
	}
	for i, f := range got.Filters {
		w := want.Filters[i]
		if f.Name != w.Name || f.Class != w.Class || f.File != w.File || f.Line != w.Line || !reflect.DeepEqual(f.Sandbox, w.Sandbox) || !reflect.DeepEqual(filters.ShapeOf(f.Filter), filters.ShapeOf(w.Filter)) {
			t.Errorf("%+v, not %+v", f, w)
		}
	}
}

// TestRefused: what leads out of the tree, and what cannot be read.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		file, text, says string
	}{
		"a link to a file here":       {"etc/x/d/a.filters", "-> /etc/passwd", "a link leads out of the tree"},
		"a link upwards":              {"etc/x/d/a.filters", "-> ../../../../a", "a link leads out of the tree"},
		"a directory here":            {"none", "-> /etc", "a link leads out of the tree"},
		"a configuration here":        {"etc/x/rootwrap.conf", "-> /etc/passwd", "a link leads out of the tree"},
		"no configuration":            {"etc/x/rootwrap.conf", "-> nowhere", "no such file"},
		"filters that cannot be read": {"etc/x/d/a.filters", "[Filters\n", "a.filters"},
		"no directory of filters":     {"etc/x/rootwrap.conf", "[DEFAULT]\n", "filters_path"},
	} {
		files := map[string]string{"etc/x/rootwrap.conf": conf, "etc/x/d/x": ""}
		files[c.file] = c.text
		open, _ := tree(t, files)
		if _, err := open.Load("/etc/x/rootwrap.conf", inifile.Parse); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open("/nosuch"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestHost: names, users and programs are the host's.
func TestHost(t *testing.T) {
	open, dir := tree(t, map[string]string{
		"etc/hostname": "# c\nc7\n", "etc/passwd": "x:x:64055:1::/:\n", "usr/bin/tool": "", "usr/bin/vi": "-> /etc/alternatives/vi", "sbin/no": "-> gone",
	})
	if open.Host() != "c7" {
		t.Error(open.Host())
	}
	bare, dir2 := tree(t, nil)
	if bare.Host() != filepath.Base(dir2) || dir == dir2 {
		t.Error(bare.Host())
	}
	if id, err := open.UID("x"); id != 64055 || err != nil {
		t.Error(id, err)
	}
	if _, err := open.UID("daemon"); err == nil {
		t.Error("a user of this machine is known")
	}
	if _, err := bare.UID("x"); err == nil {
		t.Error("a user is known without /etc/passwd")
	}
	for name, want := range map[string]string{"tool": "/usr/bin/tool", "vi": "/usr/bin/vi", "/usr/bin/tool": "/usr/bin/tool", "no": "", "sh": ""} {
		p, err := open.Find(name, []string{"/sbin", "/usr/bin"})
		if p.Path != want || (want == "") != errors.Is(err, program.ErrNotFound) {
			t.Errorf("%s is %q, %v", name, p.Path, err)
		}
	}
	if list, err := open.Glob("/etc/*name"); err != nil || len(list) != 1 || list[0] != "/etc/hostname" {
		t.Error(list, err)
	}
}
