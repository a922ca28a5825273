package exposure

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
)

// givenCommands are commands in which the caller has no word to choose, by band: what they run or
// write comes from standard input or the working directory.
var givenCommands = []struct{ band, lines string }{
	{"root", `
unshare
unshare -m
unshare -fp --mount-proc
unshare --net --fork
setarch x86_64
setarch -R
setarch x86_64 -R
linux64
linux32
linux64 -R
i386
x86_64
su
su -
su -l
su - root
su root
su -m
su -s /bin/sh
su - -s /bin/sh
runuser
runuser -l root
runuser -u root sh
sg root
newgrp root
script
script /dev/null
script -q /dev/null
ip -all netns exec sh
ip -all netns exec bash -i
ip netns exec x sh
ip netns exec x bash
nsenter -t 1 -n
nsenter -at 1
nsenter --net=/run/netns/x
nsenter
socat - EXEC:sh
socat EXEC:/bin/bash,pty,stderr STDIO
socat - SYSTEM:sh
ip -batch -
ip -force -batch -
ip -b /dev/stdin
ip -batch x
bash x
sed -f - /etc/hostname
sed -n -f /dev/stdin /etc/hostname
sed -f x /etc/hostname
sed --file=/proc/self/fd/0 /etc/hostname
find -files0-from - -exec sh {} ;
find . -exec sh {} ;
find /tmp -name x -exec sh {} ;
find -type f -exec bash {} +
run-parts .
run-parts parts
run-parts /dev/stdin
xargs -I{} sh -c {}
xargs -I % sh -c %
xargs -i bash -c {}
xargs -0 -I {} sh -c "echo\x20{}"
xargs sh -c
tar -C / -x
tar -C /etc -x
tar --extract --directory=/etc
tar -x -f - -C /etc
tar -x
sort -o /etc/x
qemu-io /etc/x
qemu-io
patch -p0
patch -p1 -N
git apply
git apply -
git apply x
sudo -i
sudo -s
sudo -u root -i
sudo su
sudo su -
fakeroot
pkexec
aa-exec
systemd-nspawn -D /
m4 -
m4
m4 x
dc -
dc
dc x
perl -de1
perl -d -e 1
perl
perl -
lvm shell
lvm
bash
bash -i
bash --login
bash -li
sh
sh -
sh -i
dash
python3
python3 -
python3 -i
ruby
lua
php
node
tclsh
mysql
sqlite3
sqlite3 /var/lib/x.db
ftp
gdb
ed
bc
make -f -
make
make -f Makefile
env sh
nice bash
timeout 9 sh
sh -c sh
nice /dev/stdin
bash /dev/stdin
awk -f -
crontab -
gdb -x x
chroot / sh
fakechroot
proot
eatmydata
firejail
start-stop-daemon --start --exec /bin/sh
start-stop-daemon -S -b -x /bin/bash
dpkg -i x.deb
rpm -i x.rpm
ansible-playbook x.yml
`},
	{"high", `
ssh-keygen
xargs cp /dev/null
gdisk /dev/sda
fdisk /dev/sda
parted /dev/sda
`},
	{"not assessed", `
iw-nobody-knows
iw-nobody-knows -x
nice iw-nobody-knows
`},
	{"low/little", `
unshare --help
unshare -m true
su --version
script --help
ip netns exec x ls
start-stop-daemon --start --exec /usr/sbin/cron
ip -batch /usr/share/x
sed -f /usr/share/x /etc/hostname
sed -n 1p /etc/hostname
find /usr/share -exec ls {} ;
find /srv -name x -exec ls {} ;
run-parts /usr/share/x
xargs -I{} ls {}
xargs ls
tar -t -f /usr/share/x.tar
sort /etc/hostname
ls
bash --version
nice ls
env ls
lvs
gdisk -l /dev/sda
patch --dry-run -p0
tar -C /etc -t
nft list ruleset
`},
}

// entryOf is a filter for one command.
func entryOf(t *testing.T, command string) *policy.Entry {
	t.Helper()
	words := []string{"RegExpFilter", strings.Fields(command)[0], "root"}
	for _, w := range strings.Fields(command) {
		words = append(words, strings.ReplaceAll(regexp.QuoteMeta(strings.ReplaceAll(strings.Trim(w, `"`), `\x20`, " ")), ",", `\x2c`))
	}
	f, err := filters.New(strings.Join(words, ", "))
	if err != nil {
		t.Fatal(err)
	}
	return &policy.Entry{Filter: f, Name: "x", Class: "RegExpFilter", File: "/x.filters", Line: 1}
}

// TestGiven: that the policy says each word does not make a command harmless.
func TestGiven(t *testing.T) {
	for _, g := range givenCommands {
		for command := range strings.Lines(strings.TrimSpace(g.lines)) {
			command = strings.TrimSpace(command)
			f := Of(entryOf(t, command), Machine{})
			if !strings.Contains("/"+g.band+"/", "/"+f.Band+"/") {
				how := ""
				if len(f.Cells) > 0 {
					how = f.Cells[0].How
				}
				t.Errorf("%s: %s, not %s: %s", command, f.Band, g.band, how)
			}
		}
	}
}

// TestGivenBeside: what check asks of sudoers' lines is what audit says of filters.
func TestGivenBeside(t *testing.T) {
	for _, g := range givenCommands {
		for command := range strings.Lines(strings.TrimSpace(g.lines)) {
			words := strings.Fields(strings.ReplaceAll(strings.TrimSpace(command), `"`, ""))
			if strings.Contains(command, `\x20`) {
				continue
			}
			how, ok := Given("/usr/bin/"+words[0], words[1:], []string{Run, Code, Write, Destroy})
			if !ok {
				how, _, ok = Attempt(words[0], []string{Run, Code, Write}, func(args []string) bool { return slices.Equal(args, words[1:]) }, []string{strings.Join(words[1:], " ")}, true)
			}
			switch {
			case g.band == "root" && !ok:
				t.Errorf("%s: nothing is found", words)
			case (g.band == "low/little" || g.band == "not assessed") && ok:
				t.Errorf("%s: %s", words, how)
			}
		}
	}
}
