package peer

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"ironwrap/integration/rig"
)

// A1 to A30, A38 and A48: what the filter classes let through.

const allowChain = `ip_exec: IpNetnsExecFilter, ip, root
nice: ChainingRegExpFilter, nice, root, nice, -n, \d+
`

var chainRows = []weakness{
	{id: "A1",
		attempts: []attempt{
			{name: "path as typed, below ip netns exec", filters: allowChain + "id: CommandFilter, id, root", setup: plants("bin/id"), netns: "blue",
				argv: rig.Words("ip netns exec blue {home}/bin/id")},
			{name: "path as typed, below nice", filters: allowChain + "id: CommandFilter, id, root", setup: plants("bin/id"),
				argv: rig.Words("nice -n 5 {home}/bin/id")},
			{name: "relative path", filters: allowChain + "id: CommandFilter, id, root", setup: plants("bin/id"),
				argv: rig.Words("nice -n 5 ./bin/id")},
			{name: "path as typed, for a leaf with a path", filters: allowChain + "id: CommandFilter, /usr/bin/id, root", setup: plants("bin/id"),
				argv: rig.Words("nice -n 5 {home}/bin/id")},
			{name: "command without a filter", filters: allowChain, setup: plants("bin/id"),
				argv: rig.Words("nice -n 5 {home}/bin/id"), want: itRefused(99)},
			{name: "leaf of another user", filters: allowChain + "id: CommandFilter, id, nobody",
				argv: rig.Words("nice -n 5 id"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "bare name below ip netns exec", filters: allowChain + "id: CommandFilter, id, root", netns: "blue",
				argv: rig.Words("ip netns exec blue id -u"), want: itPrinted("0")},
			{name: "bare name below nice", filters: allowChain + "id: CommandFilter, id, root",
				argv: rig.Words("nice -n 5 id -u"), want: itPrinted("0")},
			{name: "the path that the leaf has", filters: allowChain + "id: CommandFilter, /usr/bin/id, root",
				argv: rig.Words("nice -n 5 /usr/bin/id -u"), want: itPrinted("0")},
			{name: "the path that the leaf resolves to", filters: allowChain + "id: CommandFilter, id, root",
				argv: rig.Words("nice -n 5 /usr/bin/id -u"), want: itPrinted("0")},
		}},
	{id: "A2",
		attempts: []attempt{
			{name: "PATH of the caller, below nice", filters: allowChain + "id: CommandFilter, id, root", setup: plants("bin/id"),
				unit: true, env: []string{"PATH={home}/bin:/usr/bin"}, argv: rig.Words("nice -n 5 id -u")},
			{name: "PATH of the caller, below ip netns exec", filters: allowChain + "id: CommandFilter, id, root", setup: plants("bin/id"), netns: "blue",
				unit: true, env: []string{"PATH={home}/bin:/usr/bin"}, argv: rig.Words("ip netns exec blue id -u")},
			{name: "PATH of the caller, for a leaf with a path", filters: allowChain + "id: CommandFilter, /usr/bin/id, root", setup: plants("bin/id"),
				unit: true, env: []string{"PATH={home}/bin:/usr/bin"}, argv: rig.Words("nice -n 5 id -u")},
		},
		neighbours: []attempt{
			{name: "PATH of the system", filters: allowChain + "id: CommandFilter, id, root",
				unit: true, env: []string{"PATH=/usr/bin:/bin"}, argv: rig.Words("nice -n 5 id -u"), want: itPrinted("0")},
		}},
	{id: "A3",
		attempts: []attempt{
			{name: "word of a PathFilter below nice", filters: allowChain + "echo: PathFilter, echo, root, {dir}/images",
				setup: rootFiles("images/f", ""), argv: rig.Words("nice -n 5 echo {dir}/images/../images/f")},
			{name: "file outside, below nice", filters: allowChain + "cat: PathFilter, cat, root, {dir}/images",
				setup: rootFiles("images/f", "", "secret", "secret"), argv: rig.Words("nice -n 5 cat {dir}/images/../secret"), want: itRefused(99)},
			{name: "process of another program, below nice", filters: allowChain + "kill: KillFilter, root, {dir}/sbin/daemon",
				setup: runs("{dir}/other"), argv: rig.Words("nice -n 5 kill {pid}"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "file inside, below nice", filters: allowChain + "cat: PathFilter, cat, root, {dir}/images",
				setup: rootFiles("images/f", "image"), argv: rig.Words("nice -n 5 cat {dir}/images/f"), want: itPrinted("image")},
			{name: "variable for a leaf", filters: allowChain + "tag: EnvFilter, env, root, TAG=, printenv", netns: "blue",
				argv: rig.Words("ip netns exec blue env TAG=x printenv TAG"), want: itPrinted("x")},
			{name: "kill below nice", filters: allowChain + "kill: KillFilter, root, {dir}/sbin/daemon",
				setup: runs("{dir}/sbin/daemon"), argv: rig.Words("nice -n 5 kill {pid}"), want: itKilled},
		}},
	{id: "A48",
		attempts: []attempt{
			{name: "path, where the filter has a name", filters: "true: CommandFilter, true, root", argv: rig.Words("/usr/bin/true"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "name, where the filter has a path", filters: "true: CommandFilter, /usr/bin/true, root", argv: rig.Words("true"), want: itRan},
			{name: "path, where the filter has it", filters: "true: CommandFilter, /usr/bin/true, root", argv: rig.Words("/usr/bin/true"), want: itRan},
		}},
}

const allowIP = "ip: IpFilter, ip, root"

// An ip that only says what it was asked.
const sayingIP = "#!/bin/sh\necho ip \"$@\"\n"

// A library of Debian's libc6 that writes to $PCPROFILE_OUTPUT as soon as it is
// loaded.
func pcprofile(s *stage) string {
	found, _ := filepath.Glob(map[string]string{"amd64": "/lib/x86_64-*/libpcprofile.so", "arm64": "/lib/aarch64-*/libpcprofile.so"}[runtime.GOARCH])
	if len(found) == 0 {
		s.Fatal("no /lib/*/libpcprofile.so, which is of Debian's libc6")
	}
	return found[0]
}

var ipRows = []weakness{
	{id: "A4",
		attempts: []attempt{
			{name: "namespace named net", filters: allowIP, netns: "net", argv: rig.Words("ip -n net netns exec net {home}/evil")},
			{name: "namespace named netn", filters: allowIP, netns: "netn", argv: rig.Words("ip -netns netn netns e netn {home}/evil")},
			{name: "two dashes", filters: allowIP, netns: "net", argv: rig.Words("ip --netns net netns ex net {home}/evil")},
			{name: "plain", filters: allowIP, netns: "blue", argv: rig.Words("ip netns exec blue {home}/evil"), want: itRefused(99)},
			{name: "in all namespaces", filters: allowIP, netns: "blue", argv: rig.Words("ip -all netns exec {home}/evil"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "link in a namespace named net", filters: allowIP, netns: "net", argv: rig.Words("ip -n net -br link show lo"),
				want: itPrinted("lo               DOWN           00:00:00:00:00:00 <LOOPBACK> ")},
			{name: "family", filters: allowIP, netns: "blue", argv: rig.Words("ip -f inet address show"), want: itRan},
		}},
	{id: "A5",
		attempts: []attempt{
			{name: "-b", filters: allowIP, netns: "blue", setup: homeFiles("batch", "netns exec blue {home}/evil\n"), argv: rig.Words("ip -b {home}/batch")},
			{name: "-batch", filters: allowIP, netns: "blue", setup: homeFiles("batch", "netns exec blue {home}/evil\n"), argv: rig.Words("ip -batch {home}/batch")},
			{name: "--batch", filters: allowIP, netns: "blue", setup: homeFiles("batch", "netns exec blue {home}/evil\n"), argv: rig.Words("ip --batch {home}/batch")},
			{name: "-force -batch", filters: allowIP, netns: "blue", setup: homeFiles("batch", "netns exec blue {home}/evil\n"),
				argv: rig.Words("ip -force -batch {home}/batch")},
			{name: "standard input", filters: allowIP, netns: "blue", stdin: "netns exec blue {home}/evil\n", argv: rig.Words("ip -b -")},
		},
		neighbours: []attempt{
			{name: "-br", filters: allowIP, netns: "blue", argv: rig.Words("ip -br link show lo"),
				want: itPrinted("lo               DOWN           00:00:00:00:00:00 <LOOPBACK> ")},
		}},
	{id: "A6",
		attempts: []attempt{
			{name: "vrf exec", filters: allowIP, netns: "blue", argv: rig.Words("ip vrf exec default {home}/evil")},
			{name: "vrf e", filters: allowIP, netns: "blue", argv: rig.Words("ip vrf e default {home}/evil")},
		},
		neighbours: []attempt{
			{name: "vrf show", filters: allowIP, netns: "blue",
				argv: rig.Words("ip vrf show"), want: itPrinted("Name              Table\n-----------------------\nNo VRF has been configured")},
		}},
	{id: "A7",
		attempts: []attempt{
			{name: "monitor", filters: allowIP, conf: "exec_dirs={dir}/bin", setup: rootFiles("bin/ip", sayingIP), argv: rig.Words("ip netns monitor")},
			{name: "set", filters: allowIP, netns: "blue", argv: rig.Words("ip netns set blue 5")},
			{name: "attach", filters: allowIP, conf: "exec_dirs={dir}/bin", setup: rootFiles("bin/ip", sayingIP), argv: rig.Words("ip netns attach red 1")},
			{name: "identify", filters: allowIP, conf: "exec_dirs={dir}/bin", setup: rootFiles("bin/ip", sayingIP), argv: rig.Words("ip netns identify 1")},
			{name: "pids", filters: allowIP, netns: "blue", argv: rig.Words("ip netns pids blue")},
			{name: "list-id", filters: allowIP, netns: "blue", argv: rig.Words("ip netns list-id")},
			{name: "-all netns delete", filters: allowIP, netns: "blue", argv: rig.Words("ip -all netns delete")},
			{name: "-all netns delete, with a name", filters: allowIP, netns: "blue", argv: rig.Words("ip -all netns delete blue")},
		},
		neighbours: []attempt{
			{name: "list", filters: allowIP, netns: "blue", argv: rig.Words("ip netns list"), want: itPrinted("blue")},
			{name: "add", filters: allowIP, netns: "blue", argv: rig.Words("ip netns add red"), want: itRan},
			{name: "delete", filters: allowIP, netns: "blue", argv: rig.Words("ip netns delete blue"), want: itRan},
		}},
	{id: "A8",
		attempts: []attempt{
			{name: "path to another process's namespace", filters: allowIP, netns: "blue", argv: rig.Words("ip -n ../../proc/self/ns/net -br link show lo")},
		},
		neighbours: []attempt{
			{name: "name", filters: allowIP, netns: "blue", argv: rig.Words("ip -n blue -br link show lo"),
				want: itPrinted("lo               DOWN           00:00:00:00:00:00 <LOOPBACK> ")},
		}},
	{id: "A9",
		attempts: []attempt{
			{name: "namespace named e", filters: allowIP, netns: "e", argv: rig.Words("ip link add v0 type veth peer name v1 netns e")},
			{name: "full path", filters: "ip: IpFilter, /usr/sbin/ip, root", netns: "blue", argv: rig.Words("/usr/sbin/ip netns list")},
		},
		neighbours: []attempt{
			{name: "namespace named blue", filters: allowIP, netns: "blue", argv: rig.Words("ip link add v0 type veth peer name v1 netns blue"), want: itRan},
			{name: "base name", filters: "ip: IpFilter, /usr/sbin/ip, root", netns: "blue", argv: rig.Words("ip netns list"), want: itPrinted("blue")},
		}},
	{id: "A11",
		attempts: []attempt{
			{name: "library from IP_LIB_DIR", filters: allowIP, netns: "blue",
				setup: func(s *stage) { s.homeFile("lib/x", "", 0o644); s.link(pcprofile(s), s.home+"/lib/link_evil.so") },
				unit:  true, env: []string{"IP_LIB_DIR={home}/lib", "PCPROFILE_OUTPUT={home}/mark"},
				argv: rig.Words("ip link add x0 type evil"), finds: rootWrote},
			{name: "no such variable", filters: allowIP, netns: "blue", unit: true, argv: rig.Words("ip link add x0 type evil"), want: "ended with status 2"},
		},
		neighbours: []attempt{
			{name: "device that is known", filters: allowIP, netns: "blue", unit: true, argv: rig.Words("ip link add v0 type veth peer name v1"), want: itRan},
		}},
}

var pathRows = []weakness{
	{id: "A12",
		attempts: []attempt{
			{name: "directory whose name goes on", filters: "cat: PathFilter, cat, root, {dir}/images",
				setup: rootFiles("images/f", "image", "images-evil/f", "secret"), argv: rig.Words("cat {dir}/images-evil/f")},
			{name: "the base itself", filters: "ls: PathFilter, ls, root, -d, {dir}/images",
				setup: rootFiles("images/f", ""), argv: rig.Words("ls -d {dir}/images"), want: itPrinted("{dir}/images")},
		},
		neighbours: []attempt{
			{name: "file inside", filters: "cat: PathFilter, cat, root, {dir}/images",
				setup: rootFiles("images/f", "image"), argv: rig.Words("cat {dir}/images/f"), want: itPrinted("image")},
		}},
	{id: "A13",
		attempts: []attempt{
			{name: "dots out of the base", filters: "cat: PathFilter, cat, root, {dir}/images",
				setup: rootFiles("images/f", "", "secret", "secret"), argv: rig.Words("cat {dir}/images/../secret"), want: itRefused(99)},
			{name: "link out of the base", filters: "cat: PathFilter, cat, root, {home}/images",
				setup: allOf(homeFiles("images/f", ""), func(s *stage) {
					s.rootFile("secret", "secret", 0o600)
					s.link(s.Dir+"/secret", s.home+"/images/link")
				}), argv: rig.Words("cat {home}/images/link"), want: itRefused(99)},
			{name: "dots through a directory apart", filters: "cat: PathFilter, cat, root, {dir}/images",
				setup: rootFiles("images/f", "image", "apart/f", ""), argv: rig.Words("cat {dir}/apart/../images/f")},
			{name: "swap after the check", run: swapAfterCheck,
				want: itPrinted("what was put there after the check")},
		},
		neighbours: []attempt{
			{name: "dots inside", filters: "echo: PathFilter, echo, root, {dir}/images",
				setup: rootFiles("images/f", "", "images/sub/f", ""), argv: rig.Words("echo {dir}/images/sub/../f"), want: itPrinted("{dir}/images/f")},
			{name: "link inside", filters: "echo: PathFilter, echo, root, {dir}/images",
				setup: allOf(rootFiles("images/f", ""), func(s *stage) { s.link("f", s.Dir+"/images/link") }),
				argv:  rig.Words("echo {dir}/images/link"), want: itPrinted("{dir}/images/f")},
			{name: "file that is to be made", filters: "touch: PathFilter, touch, root, {dir}/images",
				setup: rootFiles("images/f", ""), argv: rig.Words("touch {dir}/images/new"), want: itRan},
		}},
	{id: "A14",
		attempts: []attempt{
			{name: "base that is a link", filters: "cat: PathFilter, cat, root, {dir}/link",
				setup: allOf(rootFiles("images/f", "image"), func(s *stage) { s.link("images", s.Dir+"/link") }), argv: rig.Words("cat {dir}/link/f")},
			{name: "base below a link", filters: "cat: PathFilter, cat, root, {dir}/link/sub",
				setup: allOf(rootFiles("images/sub/f", "image"), func(s *stage) { s.link("images", s.Dir+"/link") }), argv: rig.Words("cat {dir}/link/sub/f")},
			{name: "base that is a link of the caller's", filters: "cat: PathFilter, cat, root, {home}/images",
				setup: allOf(rootFiles("secret/f", "secret"), links("{dir}/secret", "{home}/images")), argv: rig.Words("cat {home}/images/f"), want: itRefused(99)},
			{name: "base that is a link of the caller's, by another path", filters: "cat: PathFilter, cat, root, {home}/images",
				setup: allOf(rootFiles("secret/f", "secret"), links("{dir}/secret", "{home}/images")), argv: rig.Words("cat {dir}/secret/f"), want: itRefused(99)},
			{name: "base below a link of the caller's", filters: "cat: PathFilter, cat, root, {home}/a/images",
				setup: allOf(rootFiles("secret/images/f", "secret"), links("{dir}/secret", "{home}/a")), argv: rig.Words("cat {dir}/secret/images/f"), want: itRefused(99)},
			{name: "base with a slash, itself", filters: "ls: PathFilter, ls, root, -d, {dir}/images/",
				setup: rootFiles("images/f", ""), argv: rig.Words("ls -d {dir}/images"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "base with a slash", filters: "cat: PathFilter, cat, root, {dir}/images/",
				setup: rootFiles("images/f", "image"), argv: rig.Words("cat {dir}/images/f"), want: itPrinted("image")},
			{name: "base as it is", filters: "cat: PathFilter, cat, root, {dir}/images",
				setup: allOf(rootFiles("images/f", "image"), func(s *stage) { s.link("images", s.Dir+"/link") }),
				argv:  rig.Words("cat {dir}/link/f"), want: itPrinted("image")},
		}},
	{id: "A15",
		attempts: []attempt{
			{name: "option where any word passes", filters: "cp: PathFilter, cp, root, pass, {home}/images",
				setup: allOf(rootFiles("only-roots/f", ""), homeFiles("images/planted", "")),
				argv:  rig.Words("cp --target-directory={dir}/only-roots {home}/images/planted"), finds: wasCopied,
				want: "the caller's file was copied to root's directory"},
		},
		neighbours: []attempt{
			{name: "plain word", filters: "cp: PathFilter, cp, root, pass, {home}/images",
				setup: allOf(rootFiles("only-roots/f", ""), homeFiles("images/f", "", "g", "")), argv: rig.Words("cp {home}/g {home}/images"), finds: wasCopied, want: itRan},
		}},
	{id: "A16",
		attempts: []attempt{
			{name: "relative word", filters: "cat: PathFilter, cat, root, {home}/images",
				setup: homeFiles("images/f", "image"), argv: rig.Words("cat images/f")},
			{name: "empty word", filters: "echo: PathFilter, echo, root, {home}", argv: []string{"echo", ""}},
		},
		neighbours: []attempt{
			{name: "absolute word", filters: "cat: PathFilter, cat, root, {home}/images",
				setup: homeFiles("images/f", "image"), argv: rig.Words("cat {home}/images/f"), want: itPrinted("image")},
		}},
}

// wasCopied looks for the caller's file where only root may make one.
func wasCopied(s *stage, r rig.Result) string {
	if _, err := os.Stat(s.Dir + "/only-roots/planted"); err == nil {
		return "the caller's file was copied to root's directory"
	}
	return s.outcome(r)
}

// swapAfterCheck has a directory replaced by a link after the filter's check, and
// before the command opens the path that it was given.
func swapAfterCheck(s *stage) string {
	s.homeFile("images/sub/f", "image", 0o644)
	s.rootFile("secret/f", "what was put there after the check", 0o600)
	s.rootFile("bin/slowcat", "#!/bin/sh\nread go <"+s.home+"/gate\nexec cat \"$1\"\n", 0o755)
	if err := syscall.Mkfifo(s.home+"/gate", 0o600); err != nil {
		s.Fatal(err)
	}
	rig.Write(s, s.Filters, s.expand("[Filters]\nslowcat: PathFilter, {dir}/bin/slowcat, root, {home}/images\n"))
	s.attempt.argv = rig.Words("slowcat {home}/images/sub/f")

	c := s.command()
	done := make(chan rig.Result)
	go func() { done <- rig.RunCmd(s, c) }()
	var gate *os.File
	s.wait("the command to run", func() (open bool) {
		var err error
		gate, err = os.OpenFile(s.home+"/gate", os.O_WRONLY|syscall.O_NONBLOCK, 0)
		return err == nil
	})
	defer gate.Close()
	if err := os.Rename(s.home+"/images/sub", s.home+"/images/old"); err != nil {
		s.Fatal(err)
	}
	s.link(s.Dir+"/secret", s.home+"/images/sub")
	fmt.Fprintln(gate, "go")
	s.last = <-done
	return s.outcome(s.last)
}

var regexpRows = []weakness{
	{id: "A17",
		attempts: []attempt{
			{name: "alternation", filters: `echo: RegExpFilter, echo, root, echo, start|stop`, argv: []string{"echo", "start --evil"}},
		},
		neighbours: []attempt{
			{name: "first branch", filters: `echo: RegExpFilter, echo, root, echo, start|stop`, argv: rig.Words("echo start"), want: itPrinted("start")},
			{name: "last branch", filters: `echo: RegExpFilter, echo, root, echo, start|stop`, argv: rig.Words("echo stop"), want: itPrinted("stop")},
		}},
	{id: "A18",
		attempts: []attempt{
			{name: "newline at the end", filters: `echo: RegExpFilter, echo, root, echo, stop`, argv: []string{"echo", "stop\n"}},
		},
		neighbours: []attempt{
			{name: "nothing at the end", filters: `echo: RegExpFilter, echo, root, echo, stop`, argv: rig.Words("echo stop"), want: itPrinted("stop")},
			{name: "newline that the pattern has", filters: `echo: RegExpFilter, echo, root, echo, stop\s`, argv: []string{"echo", "stop\n"}, want: itPrinted("stop\n")},
		}},
	{id: "A19",
		attempts: []attempt{
			{name: "Arabic-Indic digit", filters: `echo: RegExpFilter, echo, root, echo, -?\d+`, argv: rig.Words("echo ٣")},
			{name: "full-width digit", filters: `echo: RegExpFilter, echo, root, echo, -?\d+`, argv: rig.Words("echo ３")},
		},
		neighbours: []attempt{
			{name: "ASCII digit", filters: `echo: RegExpFilter, echo, root, echo, -?\d+`, argv: rig.Words("echo -3"), want: itPrinted("-3")},
		}},
	{id: "A20",
		attempts: []attempt{
			{name: "inner newline", filters: `echo: RegExpFilter, echo, root, echo, .*`, argv: []string{"echo", "a\nb"}, want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "one line", filters: `echo: RegExpFilter, echo, root, echo, .*`, argv: []string{"echo", "a b"}, want: itPrinted("a b")},
		}},
	{id: "A21",
		attempts: []attempt{
			{name: "comma in a pattern", filters: `echo: RegExpFilter, echo, root, echo, [a-z]{1,3}`, argv: rig.Words("echo abc"), want: itRefused(99)},
			{name: "two halves of a pattern", filters: `echo: RegExpFilter, echo, root, echo, [a-z]{1,3}`, argv: rig.Words("echo a{1 3}"), want: itPrinted("a{1 3}")},
			{name: "more words than patterns", filters: `echo: RegExpFilter, echo, root, echo, [a-z]`, argv: rig.Words("echo a b"), want: itRefused(99)},
			{name: "fewer words than patterns", filters: `echo: RegExpFilter, echo, root, echo, [a-z], .*`, argv: rig.Words("echo a"), want: itRefused(99)},
			{name: "no pattern at all", filters: `echo: RegExpFilter, echo, root, echo, [a-z`, argv: rig.Words("echo [a-z"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "count without a comma", filters: `echo: RegExpFilter, echo, root, echo, [a-z]{3}`, argv: rig.Words("echo abc"), want: itPrinted("abc")},
		}},
	{id: "A22",
		attempts: []attempt{
			{name: "pattern that backtracks", filters: `echo: RegExpFilter, echo, root, echo, (a+)+b`, run: growth},
			{name: "lookahead that refuses", filters: `echo: RegExpFilter, echo, root, echo, /etc/(?!\.\.).*`, argv: rig.Words("echo /etc/../x"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "the same, and it matches", filters: `echo: RegExpFilter, echo, root, echo, (a+)+b`, argv: rig.Words("echo aaab"), want: itPrinted("aaab")},
			{name: "lookahead", filters: `echo: RegExpFilter, echo, root, echo, /etc/(?!\.\.).*`, argv: rig.Words("echo /etc/x"), want: itPrinted("/etc/x")},
		}},
	{id: "A23",
		attempts: []attempt{
			{name: "shell with an open pattern", filters: `shcat: RegExpFilter, sh, root, sh, -c, echo '((.|\n)*)' > /.*`,
				argv: []string{"sh", "-c", "echo ''; {home}/evil; echo '' > /dev/null"}, want: evilAsRoot},
		},
		neighbours: []attempt{
			{name: "as it is meant", filters: `shcat: RegExpFilter, sh, root, sh, -c, echo '((.|\n)*)' > /.*`,
				argv: []string{"sh", "-c", "echo 'a\nb' > /dev/null"}, want: itRan},
		}},
	{id: "A24",
		attempts: []attempt{
			{name: "dots behind a directory", filters: `cat: RegExpFilter, cat, root, cat, /dev/.*`,
				setup: rootFiles("secret", "secret"), argv: rig.Words("cat /dev/..{dir}/secret"), want: itPrinted("secret")},
			{name: "dots that a lookahead misses", filters: `cat: RegExpFilter, cat, root, cat, {dir}/(?!\.\.).*`,
				setup: rootFiles("a/f", "", "secret", "secret"), argv: rig.Words("cat {dir}/a/../secret"), want: itPrinted("secret")},
			{name: "dot that was meant as one", filters: `echo: RegExpFilter, echo, root, echo, os_brick.privileged`,
				argv: rig.Words("echo os_brickXprivileged"), want: itPrinted("os_brickXprivileged")},
		},
		neighbours: []attempt{
			{name: "as it is meant", filters: `cat: RegExpFilter, cat, root, cat, {dir}/.*`,
				setup: rootFiles("f", "device"), argv: rig.Words("cat {dir}/f"), want: itPrinted("device")},
		}},
}

const (
	allowTag    = "tag: EnvFilter, env, root, TAG=, printenv"
	allowLocale = "locale: EnvFilter, env, root, LC_ALL=C, printenv"
	allowScript = "script: EnvFilter, env, root, PROCESS_TAG=, sh, -f, .*"
)

var envRows = []weakness{
	{id: "A25",
		attempts: []attempt{
			{name: "other arguments than the filter has", filters: allowScript, argv: rig.Words("env PROCESS_TAG=x sh -c {home}/evil")},
			{name: "more arguments than the filter has", filters: allowScript, setup: rootFiles("script", "echo $#"),
				argv: rig.Words("env PROCESS_TAG=x sh -f {dir}/script more")},
			{name: "a user behind the program", filters: "tag: EnvFilter, env, root, TAG=, printenv, root", argv: rig.Words("env TAG=x printenv TAG")},
		},
		neighbours: []attempt{
			{name: "the arguments that the filter has", filters: allowScript, setup: rootFiles("script", "echo $PROCESS_TAG"),
				argv: rig.Words("env PROCESS_TAG=x sh -f {dir}/script"), want: itPrinted("x")},
			{name: "any arguments, where the filter has none", filters: allowTag, argv: rig.Words("env TAG=x printenv TAG"), want: itPrinted("x")},
		}},
	{id: "A26",
		attempts: []attempt{
			{name: "other value than the filter has", filters: allowLocale, argv: rig.Words("env LC_ALL=anything printenv LC_ALL")},
		},
		neighbours: []attempt{
			{name: "the value that the filter has", filters: allowLocale, argv: rig.Words("env LC_ALL=C printenv LC_ALL"), want: itPrinted("C")},
			{name: "any value, where the filter has none", filters: allowTag, argv: rig.Words("env TAG=anything printenv TAG"), want: itPrinted("anything")},
		}},
	{id: "A27",
		attempts: []attempt{
			{name: "some of the variables", filters: "two: EnvFilter, env, root, A=, B=, printenv", argv: rig.Words("env A=1 printenv A"), want: itRefused(99)},
			{name: "one variable more", filters: allowTag, argv: rig.Words("env TAG=x MORE=y printenv TAG"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "all of the variables", filters: "two: EnvFilter, env, root, A=, B=, printenv", argv: rig.Words("env B=2 A=1 printenv A"), want: itPrinted("1")},
		}},
	{id: "A28",
		attempts: []attempt{
			{name: "env before a command that another filter allows", filters: allowTag + "\nid: CommandFilter, id, root", argv: rig.Words("env id -u")},
			{name: "the same, filters in the other order", filters: "id: CommandFilter, id, root\n" + allowTag, argv: rig.Words("env id -u"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "the command itself", filters: allowTag + "\nid: CommandFilter, id, root", argv: rig.Words("id -u"), want: itPrinted("0")},
			{name: "env without the word env", filters: allowTag, argv: rig.Words("TAG=x printenv TAG"), want: itPrinted("x")},
		}},
	{id: "A29",
		attempts: []attempt{
			{name: "variable that makes a program run something", filters: "bash: EnvFilter, env, root, BASH_ENV=, bash, {dir}/script",
				setup: rootFiles("script", ":"), argv: rig.Words("env BASH_ENV={home}/evil bash {dir}/script"), want: evilAsRoot},
		},
		neighbours: []attempt{
			{name: "variable that does not", filters: "bash: EnvFilter, env, root, TAG=, bash, {dir}/script",
				setup: rootFiles("script", "echo $TAG"), argv: rig.Words("env TAG=x bash {dir}/script"), want: itPrinted("x")},
		}},
	{id: "A30",
		attempts: []attempt{
			{name: "empty value", filters: "tag: EnvFilter, env, root, LC_TIME=, printenv", env: []string{"LC_TIME=from the caller"},
				argv: rig.Words("env LC_TIME= printenv LC_TIME")},
		},
		neighbours: []attempt{
			{name: "value", filters: "tag: EnvFilter, env, root, LC_TIME=, printenv", env: []string{"LC_TIME=from the caller"},
				argv: rig.Words("env LC_TIME=C printenv LC_TIME"), want: itPrinted("C")},
		}},
}

// growth asks for a word that does not match, once short and once long, and says
// how the time grows. It compares each program with itself: how fast the machine
// is, and how long the peer takes to start, does not matter.
func growth(s *stage) string {
	took := func(letters int) time.Duration {
		s.attempt.argv = []string{"echo", strings.Repeat("a", letters)}
		c := s.command()
		s.last = rig.RunCmd(s, c)
		if got := s.outcome(s.last); got != itRefused(99) {
			s.Errorf("%d letters: %s", letters, got)
		}
		return c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	for range 2 { // chance alone does not do it twice
		if took(25) < 5*took(5) {
			return "takes as long for 25 letters as for 5"
		}
	}
	return "takes many times as long for 25 letters as for 5"
}

// sayingHelper is a stand-in for oslo.privsep's, which says what it was asked.
const sayingHelper = "#!/bin/sh\necho \"$@\"\n"

const (
	privsepDirs    = "exec_dirs={dir}/bin,/usr/bin"
	legitimateCall = "--privsep_context os_brick.privileged.default --privsep_sock_path /run/iw/privsep.sock"
)

var privsepRows = []weakness{
	{id: "A38",
		attempts: []attempt{
			{name: "logging configuration of the caller's", setup: realHelper, conf: "exec_dirs=/usr/bin",
				argv: rig.Words("privsep-helper --log-config-append {home}/log.ini --privsep_context os.path --privsep_sock_path /n")},
			{name: "log file", conf: privsepDirs, setup: rootFiles("bin/privsep-helper", sayingHelper),
				argv: rig.Words("privsep-helper --log-file {dir}/planted " + legitimateCall)},
			{name: "option behind an equals sign", conf: privsepDirs, setup: rootFiles("bin/privsep-helper", sayingHelper),
				argv: rig.Words("privsep-helper --log-file={dir}/planted " + legitimateCall)},
			{name: "context of no service", conf: privsepDirs, setup: rootFiles("bin/privsep-helper", sayingHelper),
				argv: rig.Words("privsep-helper --privsep_context os.path --privsep_sock_path /n")},
			{name: "configuration of the caller's", conf: privsepDirs, setup: allOf(rootFiles("bin/privsep-helper", sayingHelper), homeFiles("x.conf", "")),
				argv: rig.Words("privsep-helper --config-file {home}/x.conf " + legitimateCall)},
			{name: "configuration behind the context", conf: privsepDirs, setup: rootFiles("bin/privsep-helper", sayingHelper),
				argv: rig.Words("privsep-helper " + legitimateCall + " --config-file {dir}/rootwrap.conf")},
			{name: "no arguments", conf: privsepDirs, setup: rootFiles("bin/privsep-helper", sayingHelper), argv: rig.Words("privsep-helper")},
			{name: "path", conf: privsepDirs, setup: rootFiles("bin/privsep-helper", sayingHelper),
				argv: rig.Words("{dir}/bin/privsep-helper " + legitimateCall), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "as oslo.privsep calls it", conf: privsepDirs, setup: rootFiles("bin/privsep-helper", sayingHelper),
				argv: rig.Words("privsep-helper " + legitimateCall), want: itPrinted(legitimateCall)},
			{name: "with configuration of the service's", conf: privsepDirs,
				setup: allOf(rootFiles("bin/privsep-helper", sayingHelper, "x.conf", ""), func(s *stage) { s.give(s.Dir + "/x.conf") }),
				argv:  rig.Words("privsep-helper --config-file {dir}/x.conf " + legitimateCall), want: itPrinted("--config-file {dir}/x.conf " + legitimateCall)},
			{name: "with configuration of root's", conf: privsepDirs, setup: rootFiles("bin/privsep-helper", sayingHelper),
				argv: rig.Words("privsep-helper --config-file /etc/passwd " + legitimateCall), want: itPrinted("--config-file /etc/passwd " + legitimateCall)},
		}},
}

// realHelper is Debian's own, and a file of the caller's for it. (In the logging
// configuration of Python values are code.) It is not installed for this alone: it
// brings eventlet, which the peer then loads for every command.
func realHelper(s *stage) {
	if _, err := os.Stat("/usr/bin/privsep-helper"); err != nil {
		s.Skip("python3-oslo.privsep is not installed: that its helper runs what a logging configuration says was not checked")
	}
	s.eventlet = true
	s.homeFile("log.ini", "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n"+
		"[handler_h]\nclass=NullHandler\nargs=(__import__('os').system('"+s.home+"/evil'),)[1:]\n", 0o644)
}
