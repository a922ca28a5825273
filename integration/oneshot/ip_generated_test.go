package oneshot

import (
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Commands that the generator starts from: what neutron and others ask for, and
// what an attacker would.
var ipSeeds = strings.Split(strings.TrimSpace(`
-o -d link list
-o link show lo
-s link
-4 route list dev lo scope link
-6 addr add fd00::1/64 scope link dev d0
-4 addr add 10.0.0.1/24 brd 10.0.0.255 scope global dev d0
addr del 10.0.0.1/24 dev d0
addr show d0 permanent scope global
link add v0 type veth peer name v1
link add v2 type veth peer name v3 netns e
link add link d0 name d0.10 type vlan id 10
link add b0 type bridge
link set d0 netns e
link set dev d0 netns exec
link set v0 netns net
link set d0 address fa:16:3e:00:00:01 mtu 1400 alias a/b
link set d0 up
link property add dev d0 altname netns
link xstats type bridge
link help veth
link delete v0
netns add x
netns delete x
netns list
neigh replace 10.0.0.2 lladdr fa:16:3e:00:00:02 nud permanent dev d0
-6 neigh show
rule add from 10.0.0.1 table 16 priority 10
rule del priority 10
rule show
mrule list
route replace default via 10.0.0.254 dev d0 metric 1
route add 10.1.0.0/16 dev d0 table 16
route flush dev d0
route get 10.0.0.7
route save table 16
route add 10.2.0.0/16 encap mpls 100 via 10.0.0.1 dev d0
tuntap add t0 mode tap
tuntap show
tunnel show
xfrm policy flush
xfrm state list
xfrm monitor all-nsid
monitor
-o monitor address dev lo
-ts mo all-nsid label link
monitor route rule neigh nexthop nsid dev d0
vrf pids e
vrf identify 1
link set dev d0 xdp off
maddress show
mroute show
ntable show
addrlabel list
token list
tcp_metrics show
netconf show dev lo
nexthop add id 1 via 10.0.0.1 dev d0
nexthop list
macsec show
l2tp show tunnel
sr tunsrc show
mptcp endpoint show
ioam namespace show
stats show
vrf show
fou show
ila list
-V
-h
help
-j -p -br -c a
-n e addr
-netns a -n net route
-n netns link set lo up
netns exec e canary
netns exec net ip netns exec e canary
netns monitor
netns attach x 1
netns identify
-all netns exec canary
vrf exec default canary
-b orders
-force -batch /run/iw/orders
-n net netns exec net canary
-n ../iw/orders link
monitor file orders
xfrm monitor file orders
link set d0 xdp obj orders
link add x type ../../../run/iw/evil
link set d0 netns /run/iw/orders
route add 10.3.0.0/16 encap bpf out obj orders dev d0
addr restore
rule restore
`), "\n")

// ipGenerator makes command lines: seeds, taken apart and put together anew.
type ipGenerator struct {
	*rand.Rand
	words []string
}

func newIPGenerator(seed int64) *ipGenerator {
	g := &ipGenerator{Rand: rand.New(rand.NewSource(seed))}
	for _, s := range ipSeeds {
		for _, w := range strings.Fields(s) {
			if !slices.Contains(g.words, w) {
				g.words = append(g.words, w)
			}
		}
	}
	g.words = append(g.words, "", "-", "--", "---", "-4", "-6", "-f", "-l", "-rc", "--netns", "--batch", "-a", "-N", "-echo", "-color=always",
		"-iec", "-ts", "inet6", "1", "65536", "lst", "set", "showdump", "pids", "list-id", "endpoint", "seg6local", "action", "End.BPF",
		"/run/iw/canary", "/run/netns/e", "../netns/e", "xdpgeneric", "pinned", "link-netns", "group", "default", "master", "index", "vf")
	return g
}

func (g *ipGenerator) pick(from []string) string { return from[g.Intn(len(from))] }

func (g *ipGenerator) next() []string {
	args := strings.Fields(g.pick(ipSeeds))
	for range g.Intn(5) {
		at := 0
		if len(args) > 0 {
			at = g.Intn(len(args))
		}
		switch g.Intn(8) {
		case 0, 1: // abbreviate
			if len(args) > 0 && args[at] != "" {
				args[at] = args[at][:1+g.Intn(len(args[at]))]
			}
		case 2: // another way to write the same option
			if len(args) > 0 && strings.HasPrefix(args[at], "-") {
				args[at] = "-" + args[at]
			}
		case 3: // an option before everything
			option := g.pick([]string{"-4", "-o", "-s", "-d", "-force", "-br", "-j", "-n", "-n", "-l", "-f", "-rc", "-a", "--", "-b", "-c", "-h", "-t"})
			args = slices.Insert(args, 0, option)
			if strings.Contains("-n -l -f -rc -b", option) {
				args = slices.Insert(args, 1, g.pick([]string{"e", "net", "netns", "1", "inet6", "orders", g.pick(g.words)}))
			}
		case 4:
			args = slices.Insert(args, at, g.pick(g.words))
		case 5:
			if len(args) > 0 {
				args = slices.Delete(args, at, at+1)
			}
		case 6:
			if len(args) > 0 {
				args[at] = g.pick(g.words)
			}
		case 7: // go on with the end of another command
			other := strings.Fields(g.pick(ipSeeds))
			args = append(args[:at:at], other[g.Intn(len(other)):]...)
		}
	}
	return args
}

// The real ip does nothing wrong with whatever the filter allows. As a control,
// some of what it refuses is run as well, and much of that is caught.
//
// IRONWRAP_IP_RUNS sets how many allowed commands are run, IRONWRAP_IP_SEED where
// the generator starts.
func TestIPFilterAgainstRealIP(t *testing.T) {
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return otherwise
	}
	runs := number("IRONWRAP_IP_RUNS", 600)
	controls := runs / 4
	g, filter, r := newIPGenerator(int64(number("IRONWRAP_IP_SEED", 1))), ipFilter(t), newIPRoom(t)

	var allowed, refused [][]string
	seen := map[string]bool{}
	for n := 0; n < 1000*runs && (len(allowed) < runs || len(refused) < controls); n++ {
		args := g.next()
		key := strings.Join(args, "\x00")
		if seen[key] {
			continue
		}
		seen[key] = true
		if filter.Match(ipArgv(args), nil).Matched {
			if len(allowed) < runs {
				allowed = append(allowed, args)
			}
		} else if len(refused) < controls {
			refused = append(refused, args)
		}
	}

	var mu sync.Mutex
	caught := map[string]int{}
	each := func(commands [][]string, found func(args, deeds []string)) {
		todo := make(chan []string)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for args := range todo {
					if deeds := r.watch(t, args); len(deeds) > 0 {
						mu.Lock()
						found(args, deeds)
						mu.Unlock()
					}
				}
			})
		}
		for _, args := range commands {
			todo <- args
		}
		close(todo)
		wg.Wait()
	}
	each(allowed, func(args, deeds []string) {
		t.Errorf("allowed: ip %q\nand it did: %s", args, strings.Join(deeds, "\n            "))
	})
	each(refused, func(args, deeds []string) {
		all := strings.Join(deeds, "\n")
		for what, sign := range map[string]string{"ran a program": `execve("/run/iw/canary"`, "opened a file": `orders"`, "read standard input": "read(0<"} {
			if strings.Contains(all, sign) {
				caught[what]++
			}
		}
		caught["in all"]++
	})
	t.Logf("%d allowed commands ran; of %d refused ones, run all the same, were caught: %v", len(allowed), len(refused), caught)
	if len(allowed) < runs || len(refused) < controls {
		t.Errorf("the generator made only %d allowed and %d refused commands", len(allowed), len(refused))
	}
	for _, what := range []string{"ran a program", "opened a file", "read standard input"} {
		if caught[what] == 0 {
			t.Errorf("none of %d refused commands %s: the generator or the detector is broken", len(refused), what)
		}
	}
}

// FuzzIPFilterAgainstRealIP is the same with Go's fuzzer as the generator:
//
//	go test -run '^$' -fuzz FuzzIPFilterAgainstRealIP ./integration/oneshot
func FuzzIPFilterAgainstRealIP(f *testing.F) {
	for _, s := range ipSeeds {
		f.Add(s)
	}
	r, filter := newIPRoom(f), ipFilter(f)
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, " ")
		if strings.Contains(line, "\x00") || !filter.Match(ipArgv(args), nil).Matched {
			return
		}
		if deeds := r.watch(t, args); len(deeds) > 0 {
			t.Errorf("allowed: ip %q\nand it did: %s", args, strings.Join(deeds, "\n            "))
		}
	})
}
