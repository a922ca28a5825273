package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"ironwrap/policy"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/lint"
)

var update = flag.Bool("update", false, "write golden files anew")

// TestSARIF compares the results with a golden file, finds all rules in the report,
// and holds it against the schema of SARIF 2.1.0.
func TestSARIF(t *testing.T) {
	rule := func(id string) *lint.Rule {
		for _, r := range lint.Rules() {
			if r.ID == id {
				return r
			}
		}
		t.Fatalf("no rule %s", id)
		return nil
	}
	var out bytes.Buffer
	findings := []lint.Finding{
		{Rule: rule("not-a-filters-file"), Path: "/etc/x y/d/ü.bak", Message: "not read"},
		{Rule: rule("open-shell"), Path: "/etc/x/d/a.filters", Line: 3, Column: 5, Width: 2, Cited: "x: sh", Message: "a \x1b message"},
		{Rule: rule("reads-any-file"), Path: "/etc/x/d/a.filters", Line: 4, Message: "the whole line", Witness: []string{"cat", "/a b"}},
		{Rule: rule("open-shell"), Path: "/srv/r/d/a b.filters", Line: 2, Column: 4, Width: 2, Cited: "x: sh", Message: "below", Known: true, Accepted: &accepted.Mark{Reason: "r\x1b", Who: "w", Until: "2030-01-01"}},
	}
	identify(findings, "/srv/r")
	if err := printSARIF(&out, lint.Report{Findings: findings}, "/srv/r", true, []string{"untrusted-path"}); err != nil {
		t.Fatal(err)
	}
	report, err := sarif.FromBytes(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Validate(); err != nil {
		t.Errorf("not SARIF 2.1.0: %v", err)
	}
	// The schema is really asked.
	report.Runs[0].Results[0].Level = "grave"
	if report.Validate() == nil {
		t.Error("a level that does not exist passes")
	}

	var all map[string]any
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	run := all["runs"].([]any)[0].(map[string]any)
	driver := run["tool"].(map[string]any)["driver"].(map[string]any)
	rules := driver["rules"].([]any)
	if len(rules) != len(lint.Rules()) {
		t.Errorf("%d rules, not %d", len(rules), len(lint.Rules()))
	}
	for i, r := range lint.Rules() {
		if j := rules[i].(map[string]any); j["id"] != r.ID || j["help"].(map[string]any)["text"] != r.Help ||
			j["defaultConfiguration"].(map[string]any)["enabled"] != (r.ID != "untrusted-path") {
			t.Errorf("rule %d is %v, not %s", i, j["id"], r.ID)
		}
	}
	// What changes with each new rule is not for the golden file.
	for _, r := range run["results"].([]any) {
		r := r.(map[string]any)
		if i := int(r["ruleIndex"].(float64)); lint.Rules()[i].ID != r["ruleId"] {
			t.Errorf("rule %d is not %v", i, r["ruleId"])
		}
		r["ruleIndex"] = "of ruleId"
	}
	driver["rules"] = "as lint.Rules has them"
	golden(t, "testdata/check.sarif", all)
}

func golden(t *testing.T, path string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is otherwise; -update writes it anew:\n%s", path, got)
	}
}

// TestFingerprint: it stays when a line moves or is indented, and no two findings share it.
func TestFingerprint(t *testing.T) {
	prints := func(list ...lint.Finding) (all []string) {
		var out bytes.Buffer
		identify(list, "/srv")
		if err := printSARIF(&out, lint.Report{Findings: list}, "/srv", false, nil); err != nil {
			t.Fatal(err)
		}
		report, err := sarif.FromBytes(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range report.Runs[0].Results {
			all = append(all, r.PartialFingerprints["ironwrapFinding/v1"])
		}
		return all
	}
	a := lint.Finding{Rule: lint.Rules()[0], Path: "/etc/a", Line: 3, Column: 4, Width: 1, Cited: "x: a, b", Message: "filter y (/etc/a:2) decides"}
	moved := a
	moved.Line, moved.Cited, moved.Message = 9, "x:  a, b ", "filter y (/etc/a:8) decides"
	if one, other := prints(a), prints(moved); one[0] != other[0] {
		t.Errorf("a line that moved: %s, %s", one, other)
	}
	other, rule, file := a, a, a
	other.Cited, rule.Rule, file.Path = "x: a, c", lint.Rules()[1], "/etc/b"
	whole, also := lint.Finding{Rule: a.Rule, Path: "/etc/a", Message: "m"}, lint.Finding{Rule: a.Rule, Path: "/etc/a", Message: "n"}
	all := prints(a, moved, other, rule, file, whole, also)
	slices.Sort(all)
	if len(slices.Compact(all)) != 7 {
		t.Errorf("two share one: %s", all)
	}
}

// TestColours: none but on a terminal.
func TestColours(t *testing.T) {
	var out bytes.Buffer
	f := lint.Finding{Rule: lint.Rules()[0], Path: "/x", Line: 1, Column: 1, Width: 3, Cited: "abc", Message: "m"}
	printText(&out, lint.Report{Findings: []lint.Finding{f}}, colours(&out))
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	printText(&out, lint.Report{Findings: []lint.Finding{f}}, ink{on: true})
	if !strings.Contains(out.String(), "\x1b[31merror:\x1b[0m") || !strings.Contains(out.String(), "\x1b[31m^^^\x1b[0m") {
		t.Errorf("%q", out.String())
	}
}

func TestNetworkFileSystem(t *testing.T) {
	for path, want := range map[string]string{"/": "", "/proc": "", "/dev/shm": ""} {
		if got, err := (facts{}).NetworkFileSystem(path); got != want || err != nil {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if _, err := (facts{}).NetworkFileSystem("/nosuch"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if networkFileSystems[0x6969] != "nfs" { // NFS_SUPER_MAGIC, statfs(2)
		t.Error("nfs is not known")
	}
}

// TestSeccompFacts compiles profiles for real, and asks what check asks.
func TestSeccompFacts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: no profile was looked at, for only files of root's are loaded")
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-facts-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	const allow = `{"defaultAction": "SCMP_ACT_ERRNO", "architectures": [ARCHES], "syscalls": [
		{"names": ["execve", "read", "write", "reboot"], "action": "SCMP_ACT_ALLOW"},
		{"names": ["acct"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_PACCT"]}}]}`
	profile := func(name, arches string) string {
		return write(t, dir, name+".json", strings.ReplaceAll(allow, "ARCHES", arches))
	}
	plain, foreign := profile("plain", `"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"`), profile("foreign", `"SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM"`)
	ask := func(path string, caps ...string) lint.Profile {
		return facts{}.Seccomp(&policy.Sandbox{Seccomp: path, Capabilities: caps})
	}
	if p := ask(plain); p.Err == nil || !strings.Contains(p.Err.Error(), "not compiled") {
		t.Errorf("not compiled: %v", p.Err)
	}
	if p := ask(dir + "/none.json"); p.Err == nil || !strings.Contains(p.Err.Error(), "install the profile") {
		t.Errorf("missing: %v", p.Err)
	}
	if _, errs, exit := call(t, "compile", plain, foreign); exit != 0 {
		t.Fatal(errs)
	}
	if p := ask(plain); p.Err != nil || p.Foreign != nil || p.Idle != nil || p.Other {
		t.Errorf("plain: %+v", p)
	}
	if p := ask(foreign); p.Err != nil || len(p.Foreign) == 0 {
		t.Errorf("foreign: %+v", p)
	}
	// The profile allows reboot, nothing that CAP_SYS_MODULE is for, and what
	// CAP_SYS_PACCT is for only if it was compiled so.
	p := ask(plain, "cap_sys_boot", "cap_sys_module")
	if len(p.Idle) != 1 || p.Idle[0].Capability != "CAP_SYS_MODULE" || p.Other {
		t.Errorf("capabilities: %+v", p)
	}
	if p := ask(plain, "cap_sys_pacct"); !p.Other {
		t.Errorf("compiled without: %+v", p)
	}
	if _, errs, exit := call(t, "compile", "--capabilities", "CAP_SYS_PACCT", plain); exit != 0 {
		t.Fatal(errs)
	}
	if p := ask(plain, "cap_sys_pacct"); p.Other || p.Idle != nil {
		t.Errorf("compiled with: %+v", p)
	}
	if p := ask(plain, "cap_kill"); !p.Other {
		t.Errorf("compiled with, and not given: %+v", p)
	}
	write(t, dir, "plain.json", strings.ReplaceAll(allow, "ARCHES", ""))
	if p := ask(plain); p.Err == nil || !strings.Contains(p.Err.Error(), "has changed since it was compiled") {
		t.Errorf("stale: %v", p.Err)
	}
}
