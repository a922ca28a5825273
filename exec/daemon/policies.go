package daemon

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	failed []state   // of the files, with which the last attempt failed
	at     time.Time // when it was
	why    string    // and its error
}

// stamped is a policy, and what its files looked like when it was loaded.
type stamped struct {
	*policy.Policy
	files sources
	stamp []state // nil before the first look
	fresh bool    // a file had changed a moment before: its times may hide a change since
}

// again is how long what could not be loaded is left alone while what is watched
// stays as it is. The fault may lie elsewhere: in a file that is new, or above.
const again = time.Second

// moment is trust.Settled, but in tests.
var moment = trust.Settled

func newPolicies(p *policy.Policy, tell func(*policy.Policy, error)) *policies {
	h := &policies{tell: tell}
	// The files may have changed since p was read: the first request looks.
	h.inForce.Store(&stamped{Policy: p, files: newSources(p.Sources)})
	return h
}

// loaded is the policy in force, without a look at the files.
func (h *policies) loaded() *policy.Policy { return h.inForce.Load().Policy }

// current is the policy in force, after a look at the files.
func (h *policies) current() *policy.Policy {
	s := h.inForce.Load()
	if !s.fresh && s.files.are(s.stamp) {
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
	stamp, newest := s.files.look()
	same := slices.Equal(stamp, s.stamp)
	changed := !same && s.stamp != nil
	if !always && (same && !s.fresh || slices.Equal(stamp, h.failed) && began.Sub(h.at) < again) {
		return s.Policy // another request was faster, or it cannot be used still
	}
	fresh := began.Sub(newest) < moment
	p, err := policy.Load(s.Path, trust.Object, inifile.Parse)
	if err != nil {
		h.at = began
		if h.failed = stamp; fresh {
			h.failed = nil // more of the change may be to come
		}
		if always || err.Error() != h.why {
			h.tell(nil, err)
		}
		h.why = err.Error()
		return s.Policy
	}
	h.failed, h.why = nil, ""
	// A policy that comes from other files than before is loaded once more by the
	// next request, which knows then which to look at first.
	files := s.files
	if !slices.Equal(p.Sources, s.Sources) {
		files, stamp = newSources(p.Sources), nil
	}
	h.inForce.Store(&stamped{p, files, stamp, fresh})
	if always || changed {
		h.tell(p, nil)
	}
	return p
}
