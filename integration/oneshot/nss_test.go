package oneshot

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// Users and groups that only a name service knows, here libnss-extrausers, which
// reads /var/lib/extrausers as if it were a directory server. All takes place in
// mount namespaces of the test's own, whose /etc/nsswitch.conf names that service.
func TestNameService(t *testing.T) {
	rig.Need(t, "libnss-extrausers", "/usr/share/doc/libnss-extrausers")
	in := rig.SetuidInstallation(t, "", "allow_users=remote", "allow_groups=remoteops")
	if err := os.Symlink("/usr/bin/getent", in.Dir+"/bin/getent"); err != nil {
		t.Fatal(err)
	}
	rig.Write(t, in.Dir+"/etc/nsswitch.conf", "passwd: files extrausers\ngroup: files extrausers\nshadow: files\n")
	rig.Write(t, in.Dir+"/extrausers/passwd", strings.Join([]string{
		"remote:x:70000:70001:Remote:" + in.Dir + "/remotehome:/bin/dash",
		"other:x:70010:70010::/nonexistent:/bin/sh",
		"nobody:x:70020:70020::/nonexistent:/bin/sh", // a local name
		"70099:x:70099:70099::/:/bin/sh",
		"member:x:70030:70030::/:/bin/sh",
	}, "\n")+"\n")
	rig.Write(t, in.Dir+"/extrausers/group", "remote:x:70001:\nextra:x:70002:remote\nremoteops:x:70003:member,remote\nroot:x:70004:member\n")
	rig.Write(t, in.Dir+"/remotehome/private/file", "mine\n")
	for path, mode := range map[string]os.FileMode{"/remotehome": 0o700, "/remotehome/private": 0o700, "/remotehome/private/file": 0o600} {
		if err := os.Chown(in.Dir+path, 70000, 70001); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(in.Dir+path, mode); err != nil {
			t.Fatal(err)
		}
	}
	rig.Write(t, in.Filters, strings.Join([]string{
		"[Filters]", "id: CommandFilter, id, remote", "env: CommandFilter, env, remote", "whoami: CommandFilter, whoami, nobody",
		"false: CommandFilter, false, 70099", "ls: CommandFilter, ls, -s", "pwd: CommandFilter, pwd, missing",
		"cat: PathFilter, cat, remote, " + in.Dir + "/remotehome/private", "groups: CommandFilter, groups, other",
	}, "\n")+"\n")

	inside := func(argv ...string) *exec.Cmd {
		script := fmt.Sprintf("mount --bind %[1]s/etc/nsswitch.conf /etc/nsswitch.conf && mount --bind %[1]s/extrausers /var/lib/extrausers && exec \"$@\"", in.Dir)
		c := exec.Command("/usr/bin/unshare", append([]string{"--mount", "--propagation", "private", "/bin/sh", "-c", script, "sh"}, argv...)...)
		c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
		return c
	}
	request := func(words ...string) rig.Result {
		t.Helper()
		return rig.RunCmd(t, inside(append([]string{in.Program, in.Conf}, words...)...))
	}

	// The same ids and groups as the C library says.
	theirs := rig.RunCmd(t, inside("/usr/bin/id", "remote"))
	if r := request("id"); r.Status != 0 || r.Out == "" || strings.Split(r.Out, " ")[0] != strings.Split(theirs.Out, " ")[0] {
		t.Errorf("%v; id(1) says %v", r, theirs)
	}
	ids := func(s string) []string { f := strings.Fields(s); slices.Sort(f); return f }
	theirs = rig.RunCmd(t, inside("/usr/bin/id", "-G", "remote"))
	if r := request("id", "-G"); r.Status != 0 || !slices.Equal(ids(r.Out), ids(theirs.Out)) || !slices.Equal(ids(r.Out), []string{"70001", "70002", "70003"}) {
		t.Errorf("%v; id(1) says %v", r, theirs)
	}
	if r := request("env"); r.Status != 0 || !strings.Contains(r.Out, "\nHOME="+in.Dir+"/remotehome\nUSER=remote\nLOGNAME=remote\nSHELL=/bin/dash\n") {
		t.Errorf("%v", r)
	}
	if r := request("cat", in.Dir+"/remotehome/private/file"); r.Status != 0 || r.Out != "mine\n" {
		t.Errorf("a path that only the remote user can follow: %v", r)
	}
	// What is local is local; numbers and options are no names.
	if r := request("whoami"); r.Status != 0 || r.Out != "nobody\n" {
		t.Errorf("%v", r)
	}
	for name, why := range map[string]string{
		"false": `no such user "70099" in /etc/passwd`,
		"ls":    `no such user "-s" in /etc/passwd`, "pwd": `no such user "missing" in /etc/passwd, and no name service has one`,
	} {
		if r := request(name); r.Status != 97 || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, why) {
			t.Errorf("%s: %v", name, r)
		}
	}

	// Callers of the setuid program, by name and by group.
	for name, c := range map[string]struct {
		who    string
		status int
	}{
		"by name":             {"--reuid=70000 --regid=70001 --clear-groups", 0},
		"by group":            {"--reuid=70030 --regid=70030 --groups=70003", 0},
		"not of the group":    {"--reuid=70030 --regid=70030 --clear-groups", 99},
		"another":             {"--reuid=70010 --regid=70010 --clear-groups", 99},
		"uid of a local name": {"--reuid=70020 --regid=70020 --clear-groups", 99},
	} {
		argv := append(append([]string{"/usr/bin/setpriv"}, strings.Fields(c.who)...), in.Program, in.Conf, "id", "-u")
		if r := rig.RunCmd(t, inside(argv...)); r.Status != c.status || c.status == 0 && r.Out != "70000\n" {
			t.Errorf("%s: %v", name, r)
		}
	}
	// Without the service nobody knows them.
	if r := rig.Run(t, in.Program, in.Conf, "id"); r.Status != 97 || !strings.Contains(r.Err, `no such user "remote"`) {
		t.Errorf("%v", r)
	}
}
