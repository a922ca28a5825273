package fleet

import (
	"io"
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"ironwrap/policy/review/exposure"
)

// Metrics writes numbers in the text format of Prometheus, for the textfile collector of
// its node exporter.
func (r Report) Metrics(w io.Writer) error {
	families := []*family{
		gauge("ironwrap_policy_usable", "Whether the configuration can be used: 0 or 1."),
		gauge("ironwrap_policy_score", "Score of the worst filter, from 0 to 10, without what is accepted. What was not assessed counts as 10."),
		gauge("ironwrap_policy_filters", "Filters by band."),
		gauge("ironwrap_policy_root_ways", "Ways to root that the filters give, also those that are accepted."),
		gauge("ironwrap_policy_new", "Powers that the baseline has not got."),
		gauge("ironwrap_policy_accepted", "Powers that are accepted."),
		gauge("ironwrap_policy_accepted_stale", "Entries of the accepted risks that have expired, or accept nothing."),
		gauge("ironwrap_policy_unusual", "Whether it decides otherwise than on most hosts: 0 or 1."),
	}
	usable, score, filters, ways, fresh, accepted, stale, unusual := families[0], families[1], families[2], families[3], families[4], families[5], families[6], families[7]
	for _, p := range r.Policies {
		at := []string{"host", p.Host.Raw(), "config", p.Config.Raw()}
		usable.set(float64(truth(p.Report != nil)), at...)
		if p.Report == nil {
			continue
		}
		score.set(p.Report.Gate(), at...)
		ways.set(float64(p.Report.Root.Ways), at...)
		unusual.set(float64(truth(p.Variant != letter(0))), at...)
		for _, band := range exposure.Bands {
			filters.set(float64(p.Report.Counts[band]), append(at, "band", band)...)
		}
		if p.Report.Compared {
			fresh.set(float64(len(p.Report.New)), at...)
		}
		if a := p.Report.Accepted; a != nil {
			accepted.set(float64(a.Powers), at...)
			stale.set(float64(len(a.Stale)), at...)
		}
	}
	return write(w, families)
}

// Findings writes how many findings check has for a host, by severity.
func Findings(w io.Writer, counts map[string]map[string]int) error {
	f := gauge("ironwrap_check_findings", "Findings that are neither accepted nor in the baseline, by severity.")
	for _, host := range slices.Sorted(maps.Keys(counts)) {
		for _, severity := range slices.Sorted(maps.Keys(counts[host])) {
			f.set(float64(counts[host][severity]), "host", host, "severity", severity)
		}
	}
	return write(w, []*family{f})
}

// family is one metric.
type family struct{ dto.MetricFamily }

func gauge(name, help string) *family {
	kind := dto.MetricType_GAUGE
	f := &family{}
	f.Name, f.Help, f.Type = &name, &help, &kind
	return f
}

// set adds a value; labels are names, each with its value.
func (f *family) set(value float64, labels ...string) {
	m := &dto.Metric{Gauge: &dto.Gauge{Value: &value}}
	for i := 0; i+1 < len(labels); i += 2 {
		text := strings.ToValidUTF8(labels[i+1], "\uFFFD")
		m.Label = append(m.Label, &dto.LabelPair{Name: &labels[i], Value: &text})
	}
	f.Metric = append(f.Metric, m)
}

func write(w io.Writer, families []*family) error {
	e := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if len(f.Metric) == 0 {
			continue
		}
		if err := e.Encode(&f.MetricFamily); err != nil {
			return err
		}
	}
	return nil
}
