package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ironwrap/integration/rig/rootwrapclient"
	"ironwrap/integration/rig/sized"
)

// contender is one way to have one command run.
type contender struct {
	name   string
	argv   []string
	env    []string
	status int
	every  int    // it runs in every so many-th round; 0 is 1
	bare   string // the contender that is the command alone
	twin   string // the contender that is the same call with the other build
	conf   string // of ours: to make it cold, or warm
	build  build
	cold   bool
	serves string        // the rootwrap.conf of a daemon that has a part in it; or empty
	daemon int           // its process
	before time.Duration // what that had used

	usages []usage
}

func (c *contender) series(f func(usage) float64) (s []float64) {
	for _, u := range c.usages {
		s = append(s, f(u))
	}
	return s
}

func wall(u usage) float64   { return u.wall }
func cpu(u usage) float64    { return u.cpu }
func faults(u usage) float64 { return u.faults }
func rss(u usage) float64    { return u.rss }

// policySizes are those of the one-shot calls: a small policy, all of OpenStack's on one
// machine, and more than anybody has.
var policySizes = []int{3, 229, 10_003}

const usualSize = sized.Usual

// contenders are all one-shot calls. For each of ours there is a twin with the other
// build, where there is one.
func (s *scene) contenders() ([]*contender, error) {
	image := s.dir + "/images/disk"
	if err := os.MkdirAll(filepath.Dir(image), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		return nil, err
	}
	command := []string{"/usr/bin/true"}
	all := []*contender{
		{name: bareName, argv: command},
		{name: bareName + ", in a chain", argv: []string{"/usr/bin/nice", "-n", "5", "/usr/bin/true"}},
		{name: "floor, C", argv: []string{s.dir + "/floor-c"}},
		{name: "floor, Go", argv: []string{s.dir + "/floor-go"}},
		{name: "setpriv", argv: append([]string{s.dir + "/setpriv", "--reuid=0", "--regid=0", "--clear-groups"}, command...)},
		{name: "doas", argv: append([]string{s.dir + "/doas", "-n"}, command...)},
		{name: "sudo", argv: append([]string{s.dir + "/sudo", "-n"}, command...)},
	}
	if _, err := os.Stat(s.dir + "/sudo-rs"); err == nil {
		all = append(all, &contender{name: "sudo-rs", argv: append([]string{s.dir + "/sudo-rs", "-n"}, command...)})
	}
	ours := func(c contender, conf string, argv ...string) {
		for _, b := range []*build{&s.ours, s.base} {
			if b == nil {
				continue
			}
			c := c
			c.argv, c.conf, c.build = append([]string{b.ironwrap(), conf}, argv...), conf, *b
			if b == s.base {
				c.name += baseSuffix
			} else if s.base != nil {
				c.twin = c.name + baseSuffix
			}
			all = append(all, &c)
		}
	}
	for _, n := range policySizes {
		conf, err := s.policy(fmt.Sprint("p", n), n, []string{"true: CommandFilter, true, root"}, "")
		if err != nil {
			return nil, err
		}
		ours(contender{name: fmt.Sprintf("ironwrap, %s filters", grouped(float64(n)))}, conf, "true")
		every := 10
		if n > 1000 {
			every = 50
		}
		all = append(all, &contender{name: fmt.Sprintf("oslo-rootwrap, %s filters", grouped(float64(n))), argv: []string{peerProgram, conf, "true"}, every: every})
	}
	for _, k := range []struct {
		name, filter, extra string
		argv                []string
		c                   contender
	}{
		{name: "cold call", filter: "CommandFilter, true, root", argv: []string{"true"}, c: contender{cold: true}},
		{name: "refused", filter: "CommandFilter, true, root", argv: []string{"false"}, c: contender{status: 99}},
		{name: "RegExpFilter", filter: `RegExpFilter, true, root, true, (add|del), /dev/[a-z]+\d*, --size=\d+`, argv: []string{"true", "add", "/dev/sda1", "--size=4096"}},
		{name: "look-ahead", filter: `RegExpFilter, true, root, true, /dev/(?!.*/\.\.).*`, argv: []string{"true", "/dev/disk/by-path/ip-192.0.2.1:3260-iscsi-iqn.2010-10.org.openstack:volume-1-lun-1"}},
		{name: "chain", filter: "ChainingRegExpFilter, nice, root, nice, -n, -?\\d+\ninner: CommandFilter, true, root", argv: []string{"nice", "-n", "5", "true"}, c: contender{bare: bareName + ", in a chain"}},
		{name: "PathFilter", filter: "PathFilter, true, root, pass, " + filepath.Dir(image), argv: []string{"true", "x", image}},
		{name: "full sandbox", filter: "CommandFilter, true, root", extra: sized.FullSandbox(s.dir + "/default.json"), argv: []string{"true"}},
	} {
		conf, err := s.policy(strings.ReplaceAll(k.name, " ", "-"), usualSize, []string{"last: " + k.filter}, k.extra)
		if err != nil {
			return nil, err
		}
		k.c.name = "ironwrap, " + k.name
		ours(k.c, conf, k.argv...)
	}
	through, err := s.throughDaemon()
	if err != nil {
		return nil, err
	}
	all = append(all, through...)
	for _, c := range all {
		if c.bare == "" && !strings.HasPrefix(c.name, bareName) {
			c.bare = bareName
		}
	}
	return all, nil
}

// throughDaemon are ironwrap-call with a daemon, and what it is for: sudo and ironwrap.
func (s *scene) throughDaemon() ([]*contender, error) {
	socket := s.dir + "/calls/s/t.call"
	conf, err := s.policy("calls", usualSize, []string{"true: CommandFilter, true, root"}, "call_socket="+socket+"\n")
	if err != nil {
		return nil, err
	}
	return []*contender{
		{name: "sudo, ironwrap", argv: []string{s.dir + "/sudo", "-n", s.ours.ironwrap(), conf, "true"}},
		{name: "ironwrap-call", argv: []string{s.ours.call(), socket, "true"}, serves: conf, build: s.ours},
	}, nil
}

const baseSuffix = " (base)"

// play runs all contenders for so many rounds, each round in another order, until the
// deadline. Every contender has at least three measurements.
func (s *scene) play(all []*contender, rounds int, deadline time.Time) error {
	for _, c := range all {
		if c.conf != "" && !c.cold {
			if err := warm(s.starter, c.build, c.conf, c.argv[2:], c.env, c.status); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		} else if _, err := s.starter.once(c.argv, c.env, c.status); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for _, c := range all {
		if c.daemon != 0 {
			c.before = cpuOf(c.daemon)
		}
	}
	defer func() { // the clock of a process is too coarse for one call
		for _, c := range all {
			if c.daemon == 0 {
				continue
			}
			each := (cpuOf(c.daemon) - c.before).Seconds() * 1000 / float64(max(len(c.usages), 1))
			for i := range c.usages {
				c.usages[i].cpu += each
			}
		}
	}()
	random := rand.New(rand.NewPCG(7, 8))
	for round := range rounds {
		late := time.Now().After(deadline)
		order := slices.Clone(all)
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		done := true
		for _, c := range order {
			few := len(c.usages) < 3
			if late && !few || !few && c.every > 0 && round%c.every != 0 {
				continue
			}
			done = false
			if c.cold {
				if err := chill(c.conf); err != nil {
					return err
				}
			}
			u, err := s.starter.once(c.argv, c.env, c.status)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.usages = append(c.usages, u)
		}
		if late && done {
			break
		}
	}
	return nil
}

// calls plays all one-shot calls.
func (s *scene) calls(rounds int, deadline time.Time) (*calls, error) {
	all, err := s.contenders()
	for _, c := range all {
		if err == nil && c.serves != "" {
			var d *rootwrapclient.Daemon
			if d, err = s.start(c.build.daemon(), c.serves); err == nil {
				c.daemon = d.PID
			}
		}
	}
	if err == nil {
		err = s.play(all, rounds, deadline)
	}
	if err != nil {
		return nil, err
	}
	return summarize(all), nil
}

// calls is what the one-shot calls came to.
type calls struct {
	Rounds int
	Rows   []callRow
	Ratios []ratioRow
	Base   []baseRow
}

// callRow is one contender. Times are in ms; Added is beyond the command alone.
type callRow struct {
	Name                string
	Wall, CPU, Faults   stat
	AddedWall, AddedCPU float64
	ToFloor             estimate // added CPU time, to the static Go program
	RSS                 float64  // MiB
}

// ratioRow is one thing that the project wants to be true of this table.
type ratioRow struct {
	What      string
	Wall, CPU estimate
	Wanted    float64
	Of        string // wall or cpu: what is wanted; both may be
}

// baseRow compares two builds: new over old, of what each adds to the command.
type baseRow struct {
	Name      string
	Wall, CPU estimate
}

// wants are the targets: one contender's added time over another's.
var wants = []struct {
	a, b   string
	wanted float64
	of     string
}{
	{"ironwrap, 229 filters", "floor, Go", 1.4, "CPU"},
	{"ironwrap, 229 filters", "doas", 0.5, ""},
	{"ironwrap, 229 filters", "sudo", 1.0 / 3, ""},
	{"ironwrap, 229 filters", "oslo-rootwrap, 229 filters", 1.0 / 40, ""},
	{"ironwrap-call", "sudo, ironwrap", 0.4, ""},
	{"ironwrap-call", "sudo", 1, ""},
	{"ironwrap, 10,003 filters", "ironwrap, 229 filters", 1.1, ""},
	{"ironwrap, full sandbox", "doas", 0.7, ""},
	{"ironwrap, cold call", "ironwrap, 229 filters", 0, ""},
}

func summarize(all []*contender) *calls {
	byName := make(map[string]*contender)
	for _, c := range all {
		byName[c.name] = c
	}
	added := func(a, b *contender, f func(usage) float64) estimate {
		return ratioAdded(a.series(f), byName[a.bare].series(f), b.series(f), byName[b.bare].series(f))
	}
	sum := &calls{}
	for _, c := range all {
		sum.Rounds = max(sum.Rounds, len(c.usages))
		row := callRow{Name: c.name, Wall: summary(c.series(wall)), CPU: summary(c.series(cpu)), Faults: summary(c.series(faults)),
			RSS: slices.Max(c.series(rss)) / 1024}
		if bare := byName[c.bare]; bare != nil {
			row.AddedWall = row.Wall.Median - summary(bare.series(wall)).Median
			row.AddedCPU = row.CPU.Median - summary(bare.series(cpu)).Median
			row.ToFloor = added(c, byName["floor, Go"], cpu)
		}
		sum.Rows = append(sum.Rows, row)
		if twin := byName[c.twin]; twin != nil {
			sum.Base = append(sum.Base, baseRow{c.name, added(c, twin, wall), added(c, twin, cpu)})
		}
	}
	for _, w := range wants {
		a, b := byName[w.a], byName[w.b]
		sum.Ratios = append(sum.Ratios, ratioRow{w.a + " / " + w.b, added(a, b, wall), added(a, b, cpu), w.wanted, w.of})
	}
	return sum
}
