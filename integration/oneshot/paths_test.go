package oneshot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// A path that root wrote down means what root's own links make of it. Here others
// put theirs on the way, in each way that ironwrap is called, with the peer beside.

// ground is a directory of root's, and in it:
//
//	u/          the caller's, with real/f, which says "public"
//	n/          nobody's, with real/f
//	secret/     root's alone, with f, which says "SECRET"
//	images/     root's, with f, which says "image"
//	closed/     root's alone, with yes/ and file
type ground struct {
	testing.TB
	rig.Policy
	in     *rig.Installation
	server *rig.Server
}

func newGround(t *testing.T) *ground {
	t.Helper()
	g := &ground{TB: t, Policy: rig.DaemonPolicy(t, ""), in: rig.SetuidInstallation(t, "", "allow_users="+rig.Caller.Name)}
	for _, name := range []string{"u/real/f", "n/real/f", "secret/f", "images/f", "images/sub/f", "closed/yes/f", "closed/file"} {
		text := map[byte]string{'s': "SECRET", 'i': "image"}[name[0]]
		if text == "" {
			text = "public"
		}
		rig.Write(t, g.Dir+"/"+name, text)
	}
	g.sh("chmod 700 secret closed; chmod 600 secret/f; chown -R " + fmt.Sprint(rig.Caller.UID) + " u; chown -R nobody n")
	g.server = rig.Serve(t, g.Policy)
	return g
}

// expand puts in where things are: {d} the ground, {u} and {n} its parts, {uid} the
// caller.
func (g *ground) expand(text string) string {
	return strings.NewReplacer("{d}", g.Dir, "{u}", g.Dir+"/u", "{n}", g.Dir+"/n", "{uid}", fmt.Sprint(rig.Caller.UID)).Replace(text)
}

// sh runs a script of root's in the ground.
func (g *ground) sh(script string) {
	g.Helper()
	if r := rig.Run(g, "/bin/sh", "-ec", "cd "+g.Dir+"; "+g.expand(script)); r.Status != 0 {
		g.Fatalf("%s: %v", script, r)
	}
}

// allow writes the filters for all doors.
func (g *ground) allow(lines string) {
	g.Helper()
	for _, path := range []string{g.Filters, g.in.Filters} {
		rig.Write(g, path, "[Filters]\n"+g.expand(lines)+"\n")
	}
}

// doors are the ways in which the caller calls.
func (g *ground) doors() map[string]func(argv ...string) rig.Result {
	return map[string]func(argv ...string) rig.Result{
		"sudo": func(argv ...string) rig.Result {
			return rig.ThroughSudo(g, rig.Ours, append([]string{g.Conf}, argv...)...)
		},
		"setuid": func(argv ...string) rig.Result {
			return rig.RunCmd(g, g.in.Called(append([]string{g.in.Conf}, argv...)...))
		},
		"daemon": func(argv ...string) rig.Result { return g.server.Client().Run(argv...) },
	}
}

// Somebody redirects the directory of a PathFilter: nothing matches, and the line
// says which link it is, and whose.
func TestPathBaseRedirected(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.sh("mkdir tree tree/images; cp secret/f tree/images/f; chmod 600 tree/images/f; mkdir grp; chmod 775 grp; chmod 1777 .")
	g.sh("chmod 755 .")
	tmp := fmt.Sprintf("/tmp/ironwrap-paths-%d", os.Getpid())
	t.Cleanup(func() { os.Remove(tmp) })
	for _, c := range []struct {
		name, before, base string
		words              []string // what is asked for
		link, whose        string   // what the line says
	}{
		{"the base", "ln -s / u/images; chown -h {uid} u/images", "{u}/images",
			[]string{"{d}/secret/f", "{u}/images{d}/secret/f", "{u}/images/secret/f"}, "{u}/images", "owned by uid {uid}, not root"},
		{"the base, with a slash", "ln -s / u/images; chown -h {uid} u/images", "{u}/images/", []string{"{d}/secret/f"}, "{u}/images", "owned by uid {uid}"},
		{"the base, written with dots", "ln -s / u/images; chown -h {uid} u/images", "{u}/real/.././images", []string{"{d}/secret/f"}, "{u}/images", "owned by uid {uid}"},
		{"a relative link", "ln -s ../secret u/images; chown -h {uid} u/images", "{u}/images", []string{"{d}/secret/f", "{u}/images/f"}, "{u}/images", "owned by uid {uid}"},
		{"a parent", "ln -s {d}/tree u/a; chown -h {uid} u/a", "{u}/a/images", []string{"{d}/tree/images/f", "{u}/a/images/f"}, "{u}/a", "owned by uid {uid}"},
		{"a parent of what is not there", "ln -s {d}/secret u/a; chown -h {uid} u/a", "{u}/a/new", []string{"{d}/secret/new", "{u}/a/new"}, "{u}/a", "owned by uid {uid}"},
		{"a link that leads nowhere", "ln -s {d}/secret/new u/a; chown -h {uid} u/a", "{u}/a", []string{"{d}/secret/new", "{u}/a"}, "{u}/a", "owned by uid {uid}"},
		{"a link to a link", "ln -s secret one; ln -s ../one u/images; chown -h {uid} u/images", "{u}/images", []string{"{d}/secret/f"}, "{u}/images", "owned by uid {uid}"},
		{"the end of a link of root's", "ln -s secret one; ln -s {d}/one u/images; chown -h {uid} u/images; ln -s u/images two", "{d}/two", []string{"{d}/secret/f"}, "{u}/images", "owned by uid {uid}"},
		{"a link of root's in the caller's directory", "ln -s {d}/secret u/images", "{u}/images", []string{"{d}/secret/f"}, "{u}/images", "lies in {u}, which is owned by uid {uid}"},
		{"a directory of root's, with a link, that the caller moves to the base's", "rm -rf u/r u/q; mkdir u/r u/q; ln -s {d}/images u/r/images; ln -s {d}/secret u/q/images; mv -T u/r u/gone; mv -T u/q u/r; rm -r u/gone", "{u}/r/images",
			[]string{"{d}/secret/f", "{u}/r/images/f"}, "{u}/r/images", "lies below {u}, where uid {uid} can put another directory in the place"},
		{"a link of root's where a group may write", "ln -s {d}/secret grp/images", "{d}/grp/images", []string{"{d}/secret/f"}, "{d}/grp/images", "lies in {d}/grp, which is writable by group"},
		{"a link of a third user's in a directory of root's", "ln -s secret one; chown -h nobody one", "{d}/one", []string{"{d}/secret/f", "{d}/one/f"}, "{d}/one", "owned by uid 65534"},
		{"a link of root's in /tmp", "ln -s {d}/secret " + tmp, tmp, []string{"{d}/secret/f", tmp + "/f"}, tmp, "lies in /tmp, which is writable by group and others"},
		{"a link of the caller's in /tmp", "ln -s {d}/secret " + tmp + "; chown -h {uid} " + tmp, tmp + "/sub/..", []string{"{d}/secret/f"}, tmp, "owned by uid {uid}"},
		{"what a process holds", "", "/proc/self/root{d}/secret", []string{"{d}/secret/f"}, "/proc/self", "lies in /proc, which is in a proc file system"},
		{"the run-as user's link", "ln -s {d}/n/own n/images; mkdir n/own; cp secret/f n/own/f; chown -Rh nobody n/images n/own; chmod -R go= n/own", "{n}/images",
			[]string{"{d}/n/own/f", "{n}/images/f"}, "{n}/images", "owned by uid 65534"},
	} {
		user := "root"
		if strings.HasPrefix(c.base, "{n}") {
			user = "nobody"
		}
		t.Run(c.name, func(t *testing.T) {
			g.sh("rm -rf u/images u/a one two grp/images n/images n/own " + tmp + "; " + c.before)
			for _, pinned := range []string{"", "\n[Sandbox:cat]\npin_paths = yes\n[Sandbox:chown]\npin_paths = yes"} {
				g.allow(fmt.Sprintf("cat: PathFilter, cat, %[1]s, %[2]s\nchown: PathFilter, chown, %[1]s, {uid}, %[2]s\nmkdir: PathFilter, mkdir, %[1]s, %[2]s\nnice: ChainingRegExpFilter, nice, %[1]s, nice, -n, 1%[3]s", user, c.base, pinned))
				says := g.expand("symbolic link " + c.link + " ")
				if r := rig.Run(t, rig.Ctl(t), "check", g.Conf); !strings.Contains(r.Out, says) || !strings.Contains(r.Out, "[redirected-path]") {
					t.Errorf("check: %v", r)
				}
				for i, word := range c.words {
					word = g.expand(word)
					commands := [][]string{{"cat", word}, {"chown", fmt.Sprint(rig.Caller.UID), word}, {"mkdir", word}, {"nice", "-n", "1", "cat", word}}
					if pinned != "" || i > 0 {
						commands = commands[:2]
					}
					for _, argv := range commands {
						for door, ask := range g.doors() {
							r := ask(argv...)
							if r.Status != 99 || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, says) || !strings.Contains(r.Err, g.expand(c.whose)) {
								t.Errorf("%s, %q: %v", door, argv, r)
							}
						}
					}
					if pinned != "" || i > 0 {
						continue
					}
					// The peer compares with the text.
					if r := rig.ThroughSudo(t, rig.Peer, g.Conf, "cat", word); strings.Contains(r.Out, "SECRET") {
						t.Errorf("the peer: %v", r)
					}
				}
			}
			if st, err := os.Stat(g.Dir + "/secret/f"); err != nil || st.Sys().(*syscall.Stat_t).Uid != 0 {
				t.Errorf("the secret is the caller's: %v", err)
			}
			if _, err := os.Lstat(g.Dir + "/secret/new"); err == nil {
				t.Error("a directory was made")
			}
		})
	}
}

// What root's own links lead to works, as does what the caller really owns, and the
// caller's links in between.
func TestPathBaseOfRoots(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.sh(`ln -s images abs; ln -s {d}/abs chain; ln -s images/sub rel; ln -s ../d-none dangling; ln -s u/real tocaller
		ln -s f u/real/l; ln -s real u/in; ln -s {d}/images/f u/real/out; ln -s {d}/images u/real/outdir; ln -s ../real/f u/real/dots; chown -h {uid} u/in u/real/*`)
	tmp := fmt.Sprintf("/tmp/ironwrap-paths-dir-%d", os.Getpid())
	g.sh("mkdir " + tmp + "; echo public >" + tmp + "/f; chown -R {uid} " + tmp)
	t.Cleanup(func() { os.RemoveAll(tmp) })
	for _, c := range []struct{ base, word, want string }{
		{"{u}/real", "{u}/real/f", "{u}/real/f"},
		{"{u}/real", "{u}/real/l", "{u}/real/f"},
		{"{u}/real", "{u}/in/f", "{u}/real/f"}, // the caller's link, in the word
		{"{u}/real", "{u}/real/dots", "{u}/real/f"},
		{"{u}/real", "{u}/real/../real/f", "{u}/real/f"},
		{"{u}/real", "{u}/../u/real/f", "{u}/real/f"},
		{"{u}/real", "{u}/real/out", ""},
		{"{u}/real", "{u}/real/outdir/f", ""},
		{"{u}/real", "{u}/real/new", "{u}/real/new"},
		{"{u}/real", "{u}/real/new/er", "{u}/real/new/er"},
		{"{u}/real/", "{u}/real", ""},
		{"{u}/real/", "{u}/real/f", "{u}/real/f"},
		{"{u}/none", "{u}/none", "{u}/none"},
		{"{u}/none", "{u}/none/x", "{u}/none/x"},
		{"{u}/none", "{u}/real/f", ""},
		{"{u}/none/none", "{u}/none/none", "{u}/none/none"},
		{"{u}", "{u}/real/f", "{u}/real/f"},
		{"{d}/abs", "{d}/abs/f", "{d}/images/f"},
		{"{d}/abs", "{d}/images/f", "{d}/images/f"},
		{"{d}/abs/", "{d}/abs/f", "{d}/images/f"},
		{"{d}/abs/sub", "{d}/images/sub/f", "{d}/images/sub/f"},
		{"{d}/chain", "{d}/images/f", "{d}/images/f"},
		{"{d}/chain", "{u}/real/out", "{d}/images/f"},
		{"{d}/rel", "{d}/rel/f", "{d}/images/sub/f"},
		{"{d}/rel/..", "{d}/images/f", "{d}/images/f"},
		{"{d}/dangling", "{d}/dangling/x", ""},
		{"{d}/tocaller", "{u}/real/f", "{u}/real/f"},
		{"{d}/tocaller", "{d}/tocaller/l", "{u}/real/f"},
		{tmp, tmp + "/f", tmp + "/f"},
		{"/", "{u}/real/f", "{u}/real/f"},
		{"/lib", "/lib/os-release", "/usr/lib/os-release"},
		{"/var/run", "/var/run/x", "/run/x"},
		{"/proc/sys", "/proc/sys/kernel/ostype", "/proc/sys/kernel/ostype"},
	} {
		g.allow("echo: PathFilter, echo, root, " + c.base)
		if r := rig.Run(t, rig.Ctl(t), "check", g.Conf); r.Out == "" || strings.Contains(r.Out, "[redirected-path]") {
			t.Errorf("check, %s: %v", c.base, r)
		}
		for door, ask := range g.doors() {
			r := ask("echo", g.expand(c.word))
			if c.want == "" && (r.Status != 99 || r.Out != "" || strings.Contains(r.Err, "symbolic link")) || c.want != "" && (r.Status != 0 || r.Out != g.expand(c.want)+"\n") {
				t.Errorf("%s, %s below %s: %v", door, c.word, c.base, r)
			}
		}
	}
	// A base that is made by the command itself.
	g.allow("mkdir: PathFilter, mkdir, root, {u}/made")
	for door, ask := range g.doors() {
		if r := ask("mkdir", g.Dir+"/u/made"); r.Status != 0 {
			t.Errorf("%s: %v", door, r)
		}
		if err := os.Remove(g.Dir + "/u/made"); err != nil {
			t.Error(err)
		}
	}
}

// The same in a race: the base, or a parent of it, is exchanged for a link of the
// caller's all the time. The secret is never below the base; and with pin_paths not
// even the command's own look-up leads there.
func TestPathBaseRace(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.sh("ln -s {d}/secret u/link; mkdir u/p u/p/real; echo public >u/p/real/f; mkdir decoy decoy/real; cp secret/f decoy/real/f; chmod 700 decoy; ln -s {d}/decoy u/plink; chown -Rh {uid} u")
	for name, c := range map[string]struct{ base, a, b, secret string }{
		"base":   {"u/real", "u/real", "u/link", "secret/f"},
		"parent": {"u/p/real", "u/p", "u/plink", "decoy/real/f"},
	} {
		for _, pinned := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, pinned %v", name, pinned), func(t *testing.T) {
				lines := "cat: PathFilter, cat, root, {d}/" + c.base
				if pinned {
					lines += "\n[Sandbox:cat]\npin_paths = yes"
				}
				g.allow(lines)
				var stop atomic.Bool
				var swaps atomic.Int64
				done := make(chan struct{})
				go func() {
					defer close(done)
					for !stop.Load() {
						if err := rig.Exchange(g.Dir+"/"+c.a, g.Dir+"/"+c.b); err != nil {
							t.Error(err)
							return
						}
						swaps.Add(1)
						time.Sleep(time.Duration(swaps.Load()%5) * 20 * time.Microsecond)
					}
				}()
				read, refused, hits := 0, 0, 0
				for i := range 240 {
					word := c.base + "/f"
					if i%3 == 2 {
						word = c.secret
					}
					r := g.doors()[[]string{"sudo", "setuid", "daemon"}[i/3%3]]("cat", g.Dir+"/"+word)
					switch {
					case strings.Contains(r.Out, "SECRET"):
						if hits++; pinned || word == c.secret {
							t.Errorf("call %d, %s: %v", i, word, r)
						}
					case r.Status == 0 && strings.TrimSpace(r.Out) == "public":
						read++
					case (r.Status == 97 || r.Status == 99) && r.Out == "" && (r.Err == "" || rig.OneCleanLine(r.Err)): // the daemon says nothing of what no filter allows
						refused++
					case !pinned && r.Status == 1: // cat found nothing, or a link
						refused++
					default:
						t.Errorf("call %d, %s: %v", i, word, r)
					}
				}
				stop.Store(true)
				<-done
				if read == 0 || refused == 0 || swaps.Load() < 240 {
					t.Errorf("%d read, %d refused, %d swaps: nothing was tried", read, refused, swaps.Load())
				}
				t.Logf("%d read, %d refused, %d hits of what is open without pin_paths, %d swaps", read, refused, hits, swaps.Load())
				// As it was.
				if st, err := os.Lstat(g.Dir + "/" + c.a); err == nil && st.Mode()&os.ModeSymlink != 0 {
					if err := rig.Exchange(g.Dir+"/"+c.a, g.Dir+"/"+c.b); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// A file that is held open is not below what read_only is mounted on: where that is
// root's word alone tells.
func TestPinBesideReadOnlyRedirected(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.sh("mkdir u/keep u/other; cp u/real/f u/keep/f; ln -s u/keep roots; ln -s keep u/theirs; chown -Rh {uid} u")
	for dir, c := range map[string]struct {
		status int
		says   string
	}{
		"{u}/keep":   {97, "it lies in"},
		"{d}/roots":  {97, "it lies in"},
		"{u}/theirs": {97, "symbolic link {u}/theirs is owned by uid {uid}"},
		"{u}/other":  {0, ""},
	} {
		g.allow("cat: PathFilter, cat, root, {u}/keep\n[Sandbox:cat]\npin_paths = yes\nread_only = " + dir)
		for door, ask := range g.doors() {
			r := ask("cat", g.Dir+"/u/keep/f")
			if r.Status != c.status || !strings.Contains(r.Err, g.expand(c.says)) || c.status != 0 && (r.Out != "" || !rig.OneCleanLine(r.Err)) {
				t.Errorf("%s, %s: %v", door, dir, r)
			}
		}
	}
}

// A path that leads through a directory and back tells nothing of whether there is
// such a directory: the same comes of it for one that is there and one that is not.
func TestPathTellsNothing(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.allow("cat: PathFilter, cat, root, {u}/real\nls: PathFilter, ls, nobody, {u}/real")
	for _, form := range []string{
		"{d}/closed/NAME/../../u/real/f",
		"{d}/closed/NAME/./../../u/real/f",
		"{d}/closed//NAME//../../u/real/f",
		"{d}/closed/NAME/../../u/real/new",
		"{d}/closed/NAME/f/../../../u/real/f",
		"{d}/closed/NAME/..",
		"{d}/closed/NAME",
		"{d}/closed/NAME/f",
		"{u}/real/../../closed/NAME/../../u/real/f",
		"{u}/../closed/NAME/../../u/real/f",
		"/{d}/closed/NAME/../../../../../../../../../{u}/real/f",
		"{d}/closed/../closed/NAME/../../u/real/f",
		"LINK:{d}/closed/NAME/../../u/real/f",
		"LINK:../../closed/NAME/../../u/real/f",
		"LINK:../../closed/NAME",
		"LINK:{d}/closed/NAME/",
		"LINK/../f:{d}/closed/NAME/../../u/real",
		"LINK/../f:{d}/closed/NAME",
		"LINK/f:{d}/closed/NAME/../../u/real",
		"CHAIN:{d}/closed/NAME/../../u/real/f",
	} {
		for _, there := range []string{"yes", "file"} {
			for door, ask := range g.doors() {
				for _, program := range []string{"cat", "ls"} {
					var answers []rig.Result
					for _, name := range []string{there, "none"[:len(there)]} {
						form, target, _ := strings.Cut(strings.ReplaceAll(g.expand(form), "NAME", name), ":")
						os.Remove(g.Dir + "/u/real/link")
						os.Remove(g.Dir + "/u/real/chain")
						if target != "" {
							if err := os.Symlink(target, g.Dir+"/u/real/link"); err != nil {
								t.Fatal(err)
							}
							if err := os.Symlink("link", g.Dir+"/u/real/chain"); err != nil {
								t.Fatal(err)
							}
							g.sh("chown -h {uid} u/real/link u/real/chain")
						}
						word := strings.NewReplacer("LINK", g.Dir+"/u/real/link", "CHAIN", g.Dir+"/u/real/chain").Replace(form)
						r := ask(program, word)
						r.Err = strings.ReplaceAll(r.Err, name, "NAME")
						answers = append(answers, r)
					}
					a, b := answers[0], answers[1]
					if a.Status != 99 || b.Status != 99 || a.Out != "" || b.Out != "" || a.Err != b.Err {
						t.Errorf("%s, %s %s: where it is there: %v; where not: %v", door, program, form, a, b)
					}
				}
			}
		}
	}
}

// A ReadFileFilter's file that is not there: cat says so, where nobody but root
// could put one there.
func TestReadFileMissing(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.sh("mkdir sticky sub; chmod 1777 sticky; ln -s sub/none tonone; ln -s {u}/none toutheirs; ln -s sub/none u/theirs; chown -h {uid} u/theirs; mkdir grp; chmod 775 grp")
	for file, runs := range map[string]bool{
		"{d}/none": true, "{d}/none/none": true, "{d}/sub/none": true, "{d}/tonone": true, "{d}/none/../secret/f": true,
		"{u}/none": false, "{u}/none/none": false, "{u}/theirs": false, "{d}/toutheirs": false, "{d}/sticky/none": false, "{d}/grp/none": false,
		"/tmp/ironwrap-none": false, "/proc/self/none": false, "{n}/none": false, "{d}/images/f/none": false,
	} {
		file = g.expand(file)
		g.allow("read: ReadFileFilter, " + file)
		for door, ask := range g.doors() {
			switch r := ask("cat", file); {
			case runs && (r.Status != 1 || !strings.Contains(r.Err, "cat: "+file+": No such file or directory")):
				t.Errorf("%s, %s: %v", door, file, r)
			case !runs && (r.Status != 99 || r.Out != ""):
				t.Errorf("%s, %s: %v", door, file, r)
			}
		}
		if !runs {
			continue
		}
		if r := rig.ThroughSudo(t, rig.Peer, g.Conf, "cat", file); r.Status != 1 {
			t.Errorf("the peer, %s: %v", file, r)
		}
	}
	// One that is there is read all the same.
	g.allow("read: ReadFileFilter, {d}/images/f")
	for door, ask := range g.doors() {
		if r := ask("cat", g.Dir+"/images/f"); r.Out != "image" {
			t.Errorf("%s: %v", door, r)
		}
	}
}

// A KillFilter's program is the file that a process really runs: a link of the
// caller's in its place names no other process.
func TestKillFilterRedirected(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	sleeper := exec.Command("/usr/bin/sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleeper.Process.Kill(); sleeper.Wait() }()
	pid := fmt.Sprint(sleeper.Process.Pid)
	g.sh("ln -s /usr/bin/sleep u/prog; ln -s /usr/bin u/bin; chown -h {uid} u/prog u/bin")
	for _, target := range []string{"{u}/prog", "{u}/bin/sleep", "{u}/real/../bin/sleep"} {
		g.allow("kill: KillFilter, root, " + target + ", -0, -9\nrun: CommandFilter, " + target + ", root")
		for door, ask := range g.doors() {
			if r := ask("kill", "-0", pid); r.Status != 99 {
				t.Errorf("%s, %s: %v", door, target, r)
			}
			// Nor is it executed.
			if r := ask(g.expand(target), "0"); r.Status != 96 || r.Out != "" {
				t.Errorf("%s, %s: %v", door, target, r)
			}
		}
		if r := rig.ThroughSudo(t, rig.Peer, g.Conf, "kill", "-0", pid); r.Status != 99 {
			t.Errorf("the peer, %s: %v", target, r)
		}
	}
	g.allow("kill: KillFilter, root, /usr/bin/sleep, -0, -9")
	for door, ask := range g.doors() {
		if r := ask("kill", "-0", pid); r.Status != 0 {
			t.Errorf("%s: %v", door, r)
		}
	}
}

// The file that privsep-helper reads, as root, is the one that was looked at: the
// caller's links and directories are no part of the path that it gets.
func TestPrivsepConfigFixed(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	g.allow("")
	for _, p := range []rig.Policy{g.Policy, g.in.Policy} {
		rig.Write(t, p.Dir+"/bin/privsep-helper", "#!/bin/sh\necho \"$2\"\n")
		if err := os.Chmod(p.Dir+"/bin/privsep-helper", 0o755); err != nil {
			t.Fatal(err)
		}
		conf := strings.ReplaceAll(rig.ReadFile(t, p.Conf), "exec_dirs=", "exec_dirs="+p.Dir+"/bin,")
		rig.Write(t, p.Conf, conf)
		rig.Write(t, p.Dir+"/x.conf", "x")
	}
	g.sh("mkdir -p u/d/e/f etc; echo x >etc/y.conf; chown -R {uid} u/d")
	home := "/var/lib/" + rig.Caller.Name
	if err := os.WriteFile(home+"/x.conf", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(home + "/x.conf") })
	depth := strings.Repeat("../", strings.Count(g.Dir, "/")+2)
	for door, ask := range g.doors() {
		dir := g.Dir
		if door == "setuid" {
			dir = g.in.Dir
		}
		os.Remove(g.Dir + "/u/l.conf")
		if err := os.Symlink(dir+"/x.conf", g.Dir+"/u/l.conf"); err != nil {
			t.Fatal(err)
		}
		for word, want := range map[string]string{
			dir + "/x.conf":                               dir + "/x.conf",
			g.Dir + "/u/l.conf":                           dir + "/x.conf", // not the link
			g.Dir + "/etc/y.conf":                         g.Dir + "/etc/y.conf",
			dir + "/../" + filepath.Base(dir) + "/x.conf": dir + "/x.conf",
			g.Dir + "/closed/yes/../../etc/y.conf":        map[bool]string{true: "", false: g.Dir + "/etc/y.conf"}[door == "setuid"],
			g.Dir + "/closed/none/../../etc/y.conf":       "",
			"/etc/adduser.conf":                           "/etc/adduser.conf",
			home + "/x.conf":                              "",
			g.Dir + "/u/d/" + depth + "etc/adduser.conf":  "", // who owns u can put another d there
		} {
			r := ask("privsep-helper", "--config-file", word, "--privsep_context", "vif_plug_ovs.privsep.vif_plug", "--privsep_sock_path", "/tmp/x/privsep.sock")
			if want == "" && (r.Status != 99 || r.Out != "") || want != "" && filepath.Clean(strings.TrimSpace(r.Out)) != want {
				t.Errorf("%s, %s: %v", door, word, r)
			}
		}
	}
}
