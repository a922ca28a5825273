package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
)

func TestNear(t *testing.T) {
	e := example{filters: `ls: RegExpFilter, ls, root, ls, -[abc], /srv/.*
sleep: CommandFilter, /bin/sleep, root
true: CommandFilter, true, root
cat: PathFilter, cat, root, /srv, pass
read: ReadFileFilter, /etc/hostname
lvs: EnvFilter, env, root, LC_ALL=C, lvs
nice: ChainingRegExpFilter, nice, root, nice, -n, \d+
ip: IpFilter, ip, root
id: CommandFilter, id, nobody
kill: KillFilter, root, /usr/bin/nosuch, -9`}
	dir := e.lay(t)
	p, err := policy.Load(dir+"/rootwrap.conf", trust.Object, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	guide := NewGuide(p)
	m := machine.New(p.ExecDirs, p.Trust)
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"ls -x /srv/a", []string{`ls 1 argument 1: -x does not match -[abc]`}},
		{"ls -a /etc", []string{`ls 2 argument 2: /etc does not match /srv/.*`}},
		{"ls -x /etc", nil},
		{"ls -a", []string{`ls 2 argument 2 is missing: /srv/.*`}},
		{"ls -a /srv/a -l", []string{`ls 3 argument 3: -l is one too many`}},
		{"/usr/bin/ls -a /srv/a", []string{"ls 0 /usr/bin/ls is called ls"}},
		{"sleeep 5", []string{"sleep 0 sleeep is called sleep"}},
		{"/usr/bin/true", []string{"true 0 /usr/bin/true is called true"}},
		{"cat /etc/shadow x", []string{"cat 1 argument 1: /etc/shadow does not match a path in /srv"}},
		{"cat /srv/x", []string{"cat 2 argument 2 is missing: pass", "read 1 argument 1: /srv/x does not match /etc/hostname"}},
		{"env LC_ALL=de lvs", []string{"lvs -1 variable LC_ALL must be C"}},
		{"env lvs", []string{"lvs -1 variable LC_ALL is not given"}},
		{"nice -n x true", nil},
		{"nice -n 5 id -u", []string{"id -1 behind nice -n 5: the command is to run as nobody, and the prefix runs as root"}},
		{"nice -n 5 idd -u", nil},
		{"nice -n 5 ls -x /srv/a", []string{"ls 4 behind nice -n 5: argument 1: -x does not match -[abc]"}},
		{"ip netns exec x ls", []string{"ip -1 ip netns exec runs a command: that takes an IpNetnsExecFilter, and a filter for the command"}},
		{"kill -15 1", []string{"kill -1 the filter does not allow signal -15"}},
		{"privsep-helper --x y", []string{"privsep-helper -1 option --x of privsep-helper is not allowed"}},
		{"mkfs", nil},
		{"ls\x1b -a", nil},
	} {
		var got []string
		for _, miss := range guide.Near(filters.Words(strings.Fields(tt.line)), m) {
			got = append(got, fmt.Sprint(miss.Filter.Name, " ", miss.Argument, " ", miss.Text))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, not %q", tt.line, got, tt.want)
		}
	}
}
