package sandbox

import (
	"fmt"
	"math/bits"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The names of capabilities(7) with the kernel's numbers (linux/capability.h).
var known = map[string]int{
	"chown": unix.CAP_CHOWN, "dac_override": unix.CAP_DAC_OVERRIDE, "dac_read_search": unix.CAP_DAC_READ_SEARCH,
	"fowner": unix.CAP_FOWNER, "fsetid": unix.CAP_FSETID, "kill": unix.CAP_KILL, "setgid": unix.CAP_SETGID,
	"setuid": unix.CAP_SETUID, "setpcap": unix.CAP_SETPCAP, "linux_immutable": unix.CAP_LINUX_IMMUTABLE,
	"net_bind_service": unix.CAP_NET_BIND_SERVICE, "net_broadcast": unix.CAP_NET_BROADCAST, "net_admin": unix.CAP_NET_ADMIN,
	"net_raw": unix.CAP_NET_RAW, "ipc_lock": unix.CAP_IPC_LOCK, "ipc_owner": unix.CAP_IPC_OWNER,
	"sys_module": unix.CAP_SYS_MODULE, "sys_rawio": unix.CAP_SYS_RAWIO, "sys_chroot": unix.CAP_SYS_CHROOT,
	"sys_ptrace": unix.CAP_SYS_PTRACE, "sys_pacct": unix.CAP_SYS_PACCT, "sys_admin": unix.CAP_SYS_ADMIN,
	"sys_boot": unix.CAP_SYS_BOOT, "sys_nice": unix.CAP_SYS_NICE, "sys_resource": unix.CAP_SYS_RESOURCE,
	"sys_time": unix.CAP_SYS_TIME, "sys_tty_config": unix.CAP_SYS_TTY_CONFIG, "mknod": unix.CAP_MKNOD, "lease": unix.CAP_LEASE,
	"audit_write": unix.CAP_AUDIT_WRITE, "audit_control": unix.CAP_AUDIT_CONTROL, "setfcap": unix.CAP_SETFCAP,
	"mac_override": unix.CAP_MAC_OVERRIDE, "mac_admin": unix.CAP_MAC_ADMIN, "syslog": unix.CAP_SYSLOG,
	"wake_alarm": unix.CAP_WAKE_ALARM, "block_suspend": unix.CAP_BLOCK_SUSPEND, "audit_read": unix.CAP_AUDIT_READ,
	"perfmon": unix.CAP_PERFMON, "bpf": unix.CAP_BPF, "checkpoint_restore": unix.CAP_CHECKPOINT_RESTORE,
}

func TestCapability(t *testing.T) {
	if len(known) != unix.CAP_LAST_CAP+1 {
		t.Fatalf("%d names for %d capabilities", len(known), unix.CAP_LAST_CAP+1)
	}
	for name, n := range known {
		for _, spelling := range []string{"cap_" + name, "CAP_" + strings.ToUpper(name)} {
			c, err := Capability(spelling)
			if err != nil || c != (Capabilities{Set: 1 << n}) {
				t.Errorf("%s: %+v, %v, not bit %d", spelling, c, err, n)
			}
			for i := 0; i < 64; i++ {
				if c.has(uintptr(i)) != (i == n) {
					t.Errorf("%s: has(%d) is %v", spelling, i, i != n)
				}
			}
		}
	}
	for _, name := range []string{"", "cap_", "cap_foo", "net_admin", "all", "none", "CAP_ALL", "cap_net_admin ", " cap_net_admin", "cap_net", "cap_cap_net_admin", "12", "cap_12", "unknown", "cap_unknown", "cap_net_admin\x00"} {
		if c, err := Capability(name); err == nil || c != (Capabilities{}) || !strings.Contains(err.Error(), fmt.Sprintf("%q is not a capability", name)) {
			t.Errorf("%q: %+v, %v", name, c, err)
		}
	}
}

// Of two sets, what is in both; a set that is not limited limits nothing. The
// zero value has nothing, and nothing comes of it.
func TestAnd(t *testing.T) {
	all := Capabilities{All: true}
	sets := []Capabilities{all, {}, {Set: 1}, {Set: 1 << 40}, {Set: 1 << 63}, {Set: 0xff}, {Set: 0xf0f0}, {Set: ^uint64(0)}}
	for _, a := range sets {
		if a.And(all) != a || all.And(a) != a || a.And(a) != a {
			t.Errorf("%+v and all: %+v, %+v; and itself: %+v", a, a.And(all), all.And(a), a.And(a))
		}
		if a.And(Capabilities{}) != (Capabilities{}) || (Capabilities{}).And(a) != (Capabilities{}) {
			t.Errorf("%+v and none: %+v", a, a.And(Capabilities{}))
		}
		for _, b := range sets {
			both := a.And(b)
			if both != b.And(a) {
				t.Errorf("%+v and %+v: the order counts", a, b)
			}
			for n := uintptr(0); n < 64; n++ {
				if both.has(n) != (a.has(n) && b.has(n)) {
					t.Errorf("%+v and %+v: has(%d) is %v", a, b, n, both.has(n))
				}
			}
		}
	}
}

// What the process keeps until execve(2), and what it hands on: never more than
// the Spec says, CAP_SYS_ADMIN excepted, which some last steps need and execve(2)
// takes away.
func TestWorkingSets(t *testing.T) {
	const admin = 1 << unix.CAP_SYS_ADMIN
	limited := Capabilities{Set: 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_KILL}
	for _, c := range []struct {
		name             string
		spec             Spec
		ambient, working uint64
	}{
		{"zero", Spec{UID: 1}, 0, 0},
		{"user, all", Spec{UID: 1, Capabilities: Capabilities{All: true}}, 0, 0},
		{"user, some", Spec{UID: 1, Capabilities: limited}, limited.Set, limited.Set},
		{"user, some, landlock", Spec{UID: 1, Capabilities: limited, Landlock: []int{9}}, limited.Set, limited.Set | admin},
		{"user, landlock", Spec{UID: 1, Landlock: []int{9}}, 0, admin},
		{"user, landlock, no_new_privs", Spec{UID: 1, Landlock: []int{9}, NoNewPrivs: true}, 0, 0},
		{"user, all, landlock", Spec{UID: 1, Capabilities: Capabilities{All: true}, Landlock: []int{9}}, 0, admin},
		{"root", Spec{Capabilities: Capabilities{All: true}}, 0, ^uint64(0)},
		{"root, none", Spec{}, 0, 0},
		{"root, some", Spec{Capabilities: limited}, 0, limited.Set},
		{"root, none, landlock", Spec{Landlock: []int{9}}, 0, admin},
		{"root, none, landlock, no_new_privs", Spec{Landlock: []int{9}, NoNewPrivs: true}, 0, 0},
	} {
		if a, w := c.spec.ambient(), c.spec.working(); a != c.ambient || w != c.working {
			t.Errorf("%s: ambient %x, working %x, not %x, %x", c.name, a, w, c.ambient, c.working)
		}
	}
}

// The confirmation, asked about this very process, whose bounding set is what it
// is: a Spec that allows less than the process has is never confirmed.
func TestConfirmCapabilities(t *testing.T) {
	needRoot(t)
	have, err := capget()
	if err != nil {
		t.Fatal(err)
	}
	if have.effective == 0 || have.effective != have.permitted {
		t.Fatalf("root has %+v", have)
	}
	if err := confirmCapabilities(&Spec{Capabilities: Capabilities{All: true}}); err != nil {
		t.Errorf("root with all: %v", err)
	}
	if err := confirmCapabilities(&Spec{Capabilities: Capabilities{Set: have.permitted}}); err != nil {
		t.Errorf("root with what it has: %v", err)
	}
	first := bits.TrailingZeros64(have.permitted)
	for name, s := range map[string]Spec{
		"none":              {},
		"one less":          {Capabilities: Capabilities{Set: have.permitted &^ (1 << first)}},
		"another user":      {UID: 1, Capabilities: Capabilities{All: true}},
		"another, ambient":  {UID: 1, Capabilities: Capabilities{Set: 1 << first}},
		"another, the same": {UID: 1, Capabilities: Capabilities{Set: have.permitted}},
	} {
		if err := confirmCapabilities(&s); err == nil || !strings.HasPrefix(err.Error(), "the kernel says ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Enter, in a process of its own: what is left in all five sets.
func TestEnterCapabilities(t *testing.T) {
	needRoot(t)
	own, err := capget()
	if err != nil {
		t.Fatal(err)
	}
	some := uint64(1<<unix.CAP_NET_RAW | 1<<unix.CAP_CHOWN)
	if own.permitted&some != some {
		t.Skip("root has neither CAP_NET_RAW nor CAP_CHOWN here: the sets were not checked")
	}
	hex := func(set uint64) string { return fmt.Sprintf("%016x", set) }
	for _, c := range []struct {
		name                    string
		spec                    Spec
		inh, prm, eff, bnd, amb string
	}{
		{"root, all", Spec{Capabilities: Capabilities{All: true}}, none, hex(own.permitted), hex(own.effective), "", none},
		{"root, some", Spec{Capabilities: Capabilities{Set: some}}, none, hex(some), hex(some), hex(some), none},
		{"root, none", Spec{}, none, none, none, none, none},
		{"user, all", Spec{UID: 7, GID: 7, Capabilities: Capabilities{All: true}}, none, none, none, "", none},
		{"user, some", Spec{UID: 7, GID: 7, Capabilities: Capabilities{Set: some}}, hex(some), hex(some), hex(some), hex(some), hex(some)},
		{"user, none", Spec{UID: 7, GID: 7}, none, none, none, none, none},
	} {
		have, fault := enter(t, c.spec, nil)
		if fault != "" {
			t.Errorf("%s: %s", c.name, fault)
			continue
		}
		for key, want := range map[string]string{"CapInh": c.inh, "CapPrm": c.prm, "CapEff": c.eff, "CapBnd": c.bnd, "CapAmb": c.amb} {
			if want != "" && have[key] != want {
				t.Errorf("%s: %s is %s, not %s", c.name, key, have[key], want)
			}
		}
	}
	// One that root does not have itself cannot be handed on.
	for n := 0; n <= unix.CAP_LAST_CAP; n++ {
		if own.permitted>>n&1 == 0 {
			_, fault := enter(t, Spec{UID: 7, GID: 7, Capabilities: Capabilities{Set: 1 << n}}, nil)
			if !strings.HasPrefix(fault, "cannot set the capabilities: operation not permitted: CAP_"+strings.ToUpper(names[n])+" is missing here: ") {
				t.Errorf("capability %d, which root lacks: %q", n, fault)
			}
		}
	}
}
