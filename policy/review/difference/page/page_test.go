package page

import (
	"bytes"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy/review/difference"
	"ironwrap/policy/review/exposure"
)

// TestWrite: all of a report is on the page, and what comes from files is only text.
func TestWrite(t *testing.T) {
	filter := difference.Filter{Name: "<b>one", Class: "CommandFilter", File: "/etc/x/a.filters", Line: 7, Score: exposure.NotAssessed, Band: exposure.Unknown}
	outcome := &difference.Outcome{Filter: filter, Leaf: &filter, RunAs: "nova", Argv: []filters.Untrusted{"/bin/id", "<script>"}, Env: []string{"A=1"}, Sandbox: []string{"umask = 077"}}
	r := difference.Report{
		Old: "/old", New: "/new", Verdict: difference.Different,
		Settings: []difference.Setting{{Direction: difference.Wider, Key: "env_keep", Old: "none", New: "TZ", About: "variables"}},
		Differences: []difference.Difference{{Direction: difference.Wider, Title: "allowed by NEW only", Changes: []string{"run-as: a → b"}, Items: []difference.Item{{
			Witness: []filters.Untrusted{"id", "<i>", "\x1b[31m"}, Given: "process 1001", New: outcome,
			Also: []difference.Item{{Witness: []filters.Untrusted{"nice", "id"}}},
		}}}},
		Open: []difference.Question{{Text: "whether <u> so"}}, Absent: []filters.Untrusted{"gone"},
	}
	var page bytes.Buffer
	if err := Write(&page, r, "1.0"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/old", "/new", "env_keep", "TZ", "allowed by NEW only", "run-as: a → b", "&lt;i&gt;", "process 1001", "refuses it",
		"nova", "&lt;b&gt;one", "/etc/x/a.filters:7", "not assessed", "umask = 077", "A=1", "nice id", "whether &lt;u&gt; so", "gone", "ironwrapctl 1.0"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	for _, bad := range []string{"<script", "<i>", "<u>", "\x1b", "http:", "https:"} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("%q is on the page", bad)
		}
	}
}
