package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"

	"ironwrap/filters"
	"ironwrap/policy/account"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/difference"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/fleet"
	"ironwrap/sandbox/seccomp"
)

// auditFleet audits policies of many hosts. The error is the exit status where something is
// above a limit, or cannot be used.
func auditFleet(out, errs io.Writer, all []member, o auditOptions, limits []exposure.Limit, risks *accepted.List) error {
	print := map[string]func(fleet.Report, io.Writer) error{"text": fleet.Report.Text, "json": fleetJSON, "prometheus": fleet.Report.Metrics, "accepted": fleetAccepted}[o.format]
	if print == nil {
		return fmt.Errorf("format %q is for one configuration: of many there is text, json, prometheus and accepted", o.format)
	}
	before, err := readBaselines(o.baseline, all)
	if err != nil {
		return err
	}
	policies := assessAll(all, o.sudoers)
	acceptAll(policies, risks)
	for _, p := range policies {
		if p.Report != nil && before != nil {
			p.Report.Compare(before.of(p.Host.Raw(), p.Config.Raw()))
		}
	}
	r := fleet.New(policies, exposure.Machine{
		UID:     func(name string) (uint32, error) { u, err := account.Lookup(name); return u.UID, err },
		Seccomp: profiles{}.allows,
		Profile: seccomp.Locate,
	})
	if err := print(r, out); err != nil {
		return err
	}
	return gateAll(errs, r, limits)
}

// acceptAll marks what is accepted. What accepts nothing on one host may on another: an entry
// is unused where it is on all of them.
func acceptAll(policies []*fleet.Policy, risks *accepted.List) {
	var usable []*exposure.Report
	for _, p := range policies {
		if p.Report != nil {
			usable = append(usable, p.Report)
		}
	}
	for range 2 { // the second time all entries have been asked about
		for _, r := range usable {
			r.Accept(risks)
		}
	}
}

// gateAll says of each policy what is above its limit, and of each that cannot be used why.
func gateAll(errs io.Writer, r fleet.Report, limits []exposure.Limit) (err error) {
	unusable := 0
	for _, p := range r.Policies {
		where := p.Host.String() + ": " + p.Config.String()
		if p.Report == nil {
			unusable++
			err = status(1)
			fmt.Fprintf(errs, "ironwrapctl: %s: cannot be used: %s\n", where, filters.Prose(p.Error.Raw()))
			continue
		}
		for _, l := range limits {
			if text := p.Report.Above(l); text != "" {
				fmt.Fprintf(errs, "ironwrapctl: %s: above the threshold: %s\n", where, text)
				err = status(1)
			}
		}
	}
	if unusable == len(r.Policies) {
		return status(2)
	}
	return err
}

// assessAll audits policies, as many at a time as there are processors.
func assessAll(all []member, sudoers string) []*fleet.Policy {
	policies := make([]*fleet.Policy, len(all))
	known := &assessments{reports: map[string]func() exposure.Report{}}
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for i, m := range all {
		free <- struct{}{}
		group.Go(func() {
			policies[i] = known.policy(m, sudoers)
			<-free
		})
	}
	group.Wait()
	return policies
}

// assessments are reports by all that goes into them, so that equal policies of many hosts
// are assessed once.
type assessments struct {
	sync.Mutex
	reports map[string]func() exposure.Report
}

// report is that with a key, which assess makes.
func (known *assessments) report(key string, assess func() exposure.Report) exposure.Report {
	known.Lock()
	report, ok := known.reports[key]
	if !ok {
		report = sync.OnceValue(assess)
		known.reports[key] = report
	}
	known.Unlock()
	return report()
}

// policy audits one policy.
func (known *assessments) policy(m member, sudoers string) *fleet.Policy {
	p := &fleet.Policy{Host: filters.Untrusted(m.host), Config: filters.Untrusted(m.config)}
	root := ""
	if m.tree != nil {
		root = m.tree.Dir()
		p.Root = filters.Untrusted(root)
	}
	side, err := difference.Load(root, m.config)
	if err == nil {
		var r exposure.Report
		if r, err = m.audit(sudoers, known); err == nil {
			p.Side, p.Report = side, &r
		}
	}
	if err != nil {
		p.Error = filters.Untrusted(err.Error())
	}
	return p
}

// baselines are what an earlier report said, by host and configuration.
type baselines map[[2]string]exposure.Baseline

// of is the baseline of a policy; one that was not there has none, and all of it is new.
func (b baselines) of(host, config string) exposure.Baseline { return b[[2]string{host, config}] }

// readBaselines reads the JSON of an audit: of one configuration, which is then for the one
// that is asked, or of many; nil where path is empty.
func readBaselines(path string, asked []member) (baselines, error) {
	data, err := readOptional(path)
	if data == nil || err != nil {
		return nil, err
	}
	cannot := func(err error) (baselines, error) {
		return nil, fmt.Errorf("cannot use the baseline %s: %w", filters.Untrusted(path), err)
	}
	var many struct {
		Policies *[]struct {
			Host   string          `json:"host"`
			Config string          `json:"config"`
			Report json.RawMessage `json:"report"`
		} `json:"policies"`
	}
	if err := json.Unmarshal(data, &many); err != nil {
		return cannot(fmt.Errorf("it is not the JSON of an audit: %w", err))
	}
	if many.Policies == nil {
		b, err := exposure.ReadBaseline(data)
		if err == nil && len(asked) != 1 {
			err = fmt.Errorf("it is of one configuration, and %d are asked: make it of the same ones", len(asked))
		}
		if err != nil {
			return cannot(err)
		}
		return baselines{{asked[0].host, asked[0].config}: b}, nil
	}
	all := baselines{}
	for _, p := range *many.Policies {
		if string(p.Report) == "null" {
			continue
		}
		b, err := exposure.ReadBaseline(p.Report)
		if err != nil {
			return cannot(err)
		}
		key := [2]string{p.Host, p.Config}
		if all[key] == nil {
			all[key] = exposure.Baseline{}
		}
		maps.Copy(all[key], b)
	}
	return all, nil
}

func fleetJSON(r fleet.Report, w io.Writer) error { return writeJSON(w, r) }

// fleetAccepted proposes entries for all hosts at once.
func fleetAccepted(r fleet.Report, w io.Writer) error {
	var risks []accepted.Risk
	for _, p := range r.Policies {
		if p.Report != nil {
			risks = append(risks, p.Report.Unaccepted()...)
		}
	}
	return accepted.Propose(w, slices.Clip(risks))
}
