package main

import (
	"slices"
	"strings"
	"testing"

	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
)

// A profile gets one rule more, and loses what refuses the same by name. What else is
// written in it stays, to the byte.
func TestWithRule(t *testing.T) {
	const execve = `{"names":["execve"],"action":"SCMP_ACT_ALLOW"}`
	profileOf := func(rules string) string {
		return `{"comment": "mine", "defaultAction":"SCMP_ACT_ERRNO","syscalls":[` + rules + `], "flags" : [ ] }`
	}
	for name, c := range map[string]struct{ rules, keeps, loses string }{
		"one":            {execve, execve, ""},
		"spaces":         {"\n  " + execve + "  ,{\"names\" : [ \"read\" ] , \"action\":\"SCMP_ACT_ALLOW\"}\n", `{"names" : [ "read" ] , "action":"SCMP_ACT_ALLOW"}`, ""},
		"refused":        {execve + `,{"names":["mount","reboot"],"action":"SCMP_ACT_KILL"}`, `["reboot"]`, ""},
		"refused alone":  {`{"name":"mount","action":"SCMP_ACT_ERRNO","errnoRet":38},` + execve, execve, "38"},
		"under some":     {execve + `,{"names":["mount"],"action":"SCMP_ACT_ALLOW","args":[{"index":3,"value":1,"op":"SCMP_CMP_EQ"}]}`, `"index":3`, ""},
		"as the default": {execve + `,{"names":["mount"],"action":"SCMP_ACT_ERRNO"}`, execve, `["mount"],"action":"SCMP_ACT_ERRNO"`},
	} {
		out, err := withRule([]byte(profileOf(c.rules)), []string{"mkdir", "mount"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text := string(out)
		if !strings.HasPrefix(text, `{"comment": "mine", "defaultAction":"SCMP_ACT_ERRNO","syscalls":[`) || !strings.HasSuffix(text, `], "flags" : [ ] }`) ||
			!strings.Contains(text, c.keeps) || c.loses != "" && strings.Contains(text, c.loses) {
			t.Errorf("%s: %s", name, text)
		}
		m, err := compile.ThisMachine(nil)
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := compile.Program(out, m)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		for call, allowed := range map[string]bool{"mkdir": true, "mount": true, "execve": true, "reboot": false, "ptrace": false} {
			n, err := compile.Number(call)
			if err != nil {
				t.Fatal(err)
			}
			if answers := bpf.Answers(p.Filter(), seccomp.Arch, n); slices.ContainsFunc(answers, bpf.Allows) != allowed || len(answers) != 1 {
				t.Errorf("%s: %s: %v\n%s", name, call, answers, text)
			}
		}
	}
	for _, bad := range []string{"", "[]", `{"defaultAction":"SCMP_ACT_ERRNO"}`, profileOf("1"), profileOf(execve) + "x"} {
		if out, err := withRule([]byte(bad), []string{"mkdir"}); err == nil {
			t.Errorf("%s: %s", bad, out)
		}
	}
}

// Every call of the table is one, so that none is missed for its spelling.
func TestPowerful(t *testing.T) {
	for name := range powerful {
		if _, err := compile.Number(name); err != nil {
			t.Error(err)
		}
	}
}
