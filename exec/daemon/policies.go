package daemon

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/trust"
)

// policies holds the policy in force, and looks for each request whether the files
// it came from have changed. A policy that cannot be loaded never takes the place
// of one that could.
type policies struct {
	inForce atomic.Pointer[stamped]
	tell    func(*policy.Policy, error) // of each attempt

	mu     sync.Mutex
	failed string    // the stamp that the last attempt failed with
	at     time.Time // when it was
	why    string    // and its error
}

// stamped is a policy, and what its files looked like when it was loaded.
type stamped struct {
	*policy.Policy
	stamp string
	fresh bool // a file had changed a moment before: its times may hide a change since
}

// again is how long what could not be loaded is left alone while what is watched
// stays as it is. The fault may lie elsewhere: in a file that is new, or above.
const again = time.Second

// moment is longer than the clock of any file system's time stamps takes to move.
const moment = 50 * time.Millisecond

func newPolicies(p *policy.Policy, tell func(*policy.Policy, error)) *policies {
	h := &policies{tell: tell}
	// The files may have changed since p was read: the first request looks.
	h.inForce.Store(&stamped{Policy: p})
	return h
}

// loaded is the policy in force, without a look at the files.
func (h *policies) loaded() *policy.Policy { return h.inForce.Load().Policy }

// current is the policy in force, after a look at the files.
func (h *policies) current() *policy.Policy {
	s := h.inForce.Load()
	if stamp, _ := look(s.Sources); stamp == s.stamp && !s.fresh {
		return s.Policy
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.load(false)
}

// reload loads the policy whether or not its files have changed.
func (h *policies) reload() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.load(true)
}

func (h *policies) load(always bool) *policy.Policy {
	s := h.inForce.Load()
	began := time.Now()
	stamp, newest := look(s.Sources)
	changed := stamp != s.stamp && s.stamp != ""
	if !always && (stamp == s.stamp && !s.fresh || stamp == h.failed && began.Sub(h.at) < again) {
		return s.Policy // another request was faster, or it cannot be used still
	}
	fresh := began.Sub(newest) < moment
	p, err := policy.Load(s.Path, trust.Object, inifile.Parse)
	if err != nil {
		h.at = began
		if h.failed = stamp; fresh {
			h.failed = "" // more of the change may be to come
		}
		if always || err.Error() != h.why {
			h.tell(nil, err)
		}
		h.why = err.Error()
		return s.Policy
	}
	h.failed, h.why = "", ""
	// A policy that comes from other files than before is loaded once more by the
	// next request, which knows then which to look at first.
	if !slices.Equal(p.Sources, s.Sources) {
		stamp = ""
	}
	h.inForce.Store(&stamped{p, stamp, fresh})
	if always || changed {
		h.tell(p, nil)
	}
	return p
}

// look describes files and directories by what changes whenever they do, and tells
// when the last change was. Links are followed.
func look(paths []string) (stamp string, newest time.Time) {
	var b []byte
	for _, path := range paths {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			b = append(append(b, err.Error()...), ';')
			continue
		}
		for _, n := range []uint64{st.Dev, st.Ino, uint64(st.Size), uint64(st.Mtim.Nano()), uint64(st.Ctim.Nano())} {
			b = append(strconv.AppendUint(b, n, 36), ',')
		}
		b = append(b, ';')
		if changed := time.Unix(st.Ctim.Unix()); changed.After(newest) {
			newest = changed
		}
	}
	return string(b), newest
}
