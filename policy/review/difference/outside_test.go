package difference

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ironwrap/policy/review/exposure"
	"ironwrap/sandbox/seccomp"
)

// TestOutside: two hosts with the same policy, and not the same behind what its sandboxes
// name.
func TestOutside(t *testing.T) {
	m := exposure.Machine{Profile: seccomp.Locate}
	for _, c := range []struct {
		name, keys string
		old, new   map[string]string // files; "-> x" is a link
		want       string
	}{
		{"a profile", "seccomp = /etc/x/p.json", map[string]string{"/etc/x/p.json": "a"}, map[string]string{"/etc/x/p.json": "b"}, Other},
		{"the same profile", "seccomp = /etc/x/p.json", map[string]string{"/etc/x/p.json": "a"}, map[string]string{"/etc/x/p.json": "a"}, Same},
		{"its program", "seccomp = /etc/x/p.json", map[string]string{"/etc/x/p.json": "a", "/etc/x/p.bpf": "a"}, map[string]string{"/etc/x/p.json": "a", "/etc/x/p.bpf": "b"}, Other},
		{"no program", "seccomp = /etc/x/p.json", map[string]string{"/etc/x/p.json": "a", "/etc/x/p.bpf": "a"}, map[string]string{"/etc/x/p.json": "a"}, Other},
		{"a profile that is a link", "seccomp = /etc/x/p.json", map[string]string{"/etc/x/p.json": "-> /srv/p", "/srv/p": "a"}, map[string]string{"/etc/x/p.json": "a"}, Same},
		{"another behind a link", "seccomp = /etc/x/p.json", map[string]string{"/etc/x/p.json": "-> ../../srv/p", "/srv/p": "a"}, map[string]string{"/etc/x/p.json": "-> ../../srv/p", "/srv/p": "b"}, Other},
		{"a profile that nobody collected", "seccomp = /etc/x/p.json", nil, nil, NotSettled},
		{"or only of one", "seccomp = /etc/x/p.json", nil, map[string]string{"/etc/x/p.json": "a"}, NotSettled},
		{"a shipped one", "seccomp = storage", nil, nil, Same},
		{"that somebody changed", "seccomp = storage", nil, map[string]string{"/usr/lib/ironwrap/profiles/storage.json": "a"}, Other},
		{"none", "seccomp = none", nil, nil, Same},
		{"a label", "apparmor_profile = p", nil, nil, NotSettled},
		{"with the same files", "apparmor_profile = p", map[string]string{"/etc/apparmor.d/p": "a"}, map[string]string{"/etc/apparmor.d/p": "a"}, Same},
		{"with another file", "apparmor_profile = p", map[string]string{"/etc/apparmor.d/p": "a"}, map[string]string{"/etc/apparmor.d/p": "b"}, NotSettled},
		{"which it includes", "apparmor_profile = p", map[string]string{"/etc/apparmor.d/p": "a", "/etc/apparmor.d/a/b": "a"}, map[string]string{"/etc/apparmor.d/p": "a", "/etc/apparmor.d/a/b": "b"}, NotSettled},
		{"a context", "selinux_context = u:r:t:s0", nil, nil, NotSettled},
		{"a path", "landlock_rw = /var/a", nil, nil, Same},
		{"that is a link", "landlock_rw = /var/a", nil, map[string]string{"/var/a": "-> /"}, Other},
		{"on both", "landlock_ro = /var/a/b", map[string]string{"/var/a": "-> c"}, map[string]string{"/var/a": "-> /var/c"}, Same},
		{"a directory of it", "read_only = /var/a/b", map[string]string{"/var/a": "-> /srv"}, map[string]string{"/var/a/b/x": ""}, Other},
		{"links that go round", "landlock_rw = /var/a", map[string]string{"/var/a": "-> b", "/var/b": "-> a"}, nil, Same},
	} {
		var sides [2]*Side
		for i, files := range []map[string]string{c.old, c.new} {
			dir := t.TempDir()
			lay(t, dir, files)
			lay(t, dir, map[string]string{
				"/etc/x/rootwrap.conf": "[DEFAULT]\nfilters_path = /etc/x/d\n",
				"/etc/x/d/a.filters":   "[Filters]\nt: CommandFilter, id, root\n[Sandbox:t]\n" + c.keys + "\n",
			})
			var err error
			if sides[i], err = Load(dir, "/etc/x/rootwrap.conf"); err != nil {
				t.Fatal(err)
			}
		}
		r := Compare(sides[0], sides[1], m)
		got := r.Verdict
		if len(r.Differences) > 0 {
			got = r.Differences[0].Direction
		}
		if got != c.want || r.Fails(true) != (c.want != Same) {
			t.Errorf("%s: %s, %+v %+v", c.name, got, r.Differences, r.Open)
		}
		if alike := sides[0].Outside("a", m) == sides[1].Outside("b", m); alike != (c.want == Same) {
			t.Errorf("%s: of one variant: %v", c.name, alike)
		}
		r.Accept(nil)
		for _, risk := range r.Unaccepted() {
			if risk.Rule == NotFound && !strings.Contains(risk.Text, "confines to the same") {
				t.Errorf("%s: %q", c.name, risk.Text)
			}
		}
	}
}

func lay(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for p, text := range files {
		p = dir + p
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		if to, ok := strings.CutPrefix(text, "-> "); err == nil && ok {
			err = os.Symlink(to, p)
		} else if err == nil {
			err = os.WriteFile(p, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
