package profile

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	docker "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// published is a file of a module, as its authors published it.
func published(t testing.TB, module, path string) []byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("cannot find module %s: %v", module, err)
	}
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func thisMachine(t testing.TB, caps ...string) Machine {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	parts := strings.FieldsFunc(unix.ByteSliceToString(u.Release[:]), func(r rune) bool { return r == '.' || r == '-' })
	k, err := ParseKernel(parts[0] + "." + parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return Machine{runtime.GOARCH, k, caps}
}

func container(caps []string) *specs.Spec {
	return &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}}
}

// Docker's own published profiles come out as Docker's own code resolves them,
// for each capability that they have conditions on.
func TestAsDocker(t *testing.T) {
	const module = "github.com/moby/profiles/seccomp"
	for _, name := range []string{"default.json", "fixtures/default-old-format.json", "fixtures/conditional_include.json"} {
		data := published(t, module, name)
		p, err := Parse(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sets := [][]string{nil, {"CAP_SYS_ADMIN", "CAP_SYSLOG", "CAP_SYS_PTRACE"}}
		for _, r := range p.Rules {
			for _, c := range append(r.Includes.Caps, r.Excludes.Caps...) {
				sets = append(sets, []string{c})
			}
		}
		if len(p.Rules) < 3 || name == "default.json" && len(sets) < 15 {
			t.Errorf("%s: only %d rules, %d sets of capabilities", name, len(p.Rules), len(sets))
		}
		for _, caps := range sets {
			want, err := docker.LoadProfile(string(data), container(caps))
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Resolve(thisMachine(t, caps...))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, name, got, want)
		}
	}
}

func compare(t *testing.T, name string, got, want *specs.LinuxSeccomp) {
	t.Helper()
	for i := range want.Syscalls { // [] and none are the same
		if len(want.Syscalls[i].Args) == 0 {
			want.Syscalls[i].Args = nil
		}
	}
	if !reflect.DeepEqual(got.Syscalls, want.Syscalls) {
		t.Errorf("%s: %v\nnot %v", name, got.Syscalls, want.Syscalls)
	}
	if got.DefaultAction != want.DefaultAction || !reflect.DeepEqual(got.DefaultErrnoRet, want.DefaultErrnoRet) {
		t.Errorf("%s: by default %s, not %s", name, got.DefaultAction, want.DefaultAction)
	}
	if len(want.Architectures) > 0 && !reflect.DeepEqual(got.Architectures, want.Architectures) {
		t.Errorf("%s: %s, not %s", name, got.Architectures, want.Architectures)
	}
}

// The specification's own example, which is for one architecture with no list of
// the machine's own.
func TestRuntimeSpecExample(t *testing.T) {
	var config struct {
		Linux struct{ Seccomp json.RawMessage }
	}
	data := published(t, "github.com/opencontainers/runtime-spec", "schema/test/config/good/spec-example.json")
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	p, err := Parse(config.Linux.Seccomp)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Resolve(Machine{Arch: "amd64", Kernel: Kernel{6, 1}})
	if err != nil {
		t.Fatal(err)
	}
	var want specs.LinuxSeccomp
	if err := json.Unmarshal(config.Linux.Seccomp, &want); err != nil {
		t.Fatal(err)
	}
	want.Architectures = []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}
	compare(t, "example", got, &want)
	if len(got.Syscalls) == 0 {
		t.Error("no rules")
	}
}

// libseccomp does not take this error number, so it is refused where the file
// can still be shown.
func TestDockerExampleErrno(t *testing.T) {
	_, err := Parse(published(t, "github.com/moby/profiles/seccomp", "fixtures/example.json"))
	if err == nil || err.Error() != "line 30: 12345 is not a whole number from 0 to 4094" {
		t.Error(err)
	}
}

func TestResolve(t *testing.T) {
	p, err := Parse([]byte(`{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "comment": "x",
		"archMap": [
			{"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
			{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X32", "SCMP_ARCH_MIPS"]}],
		"syscalls": [
			{"name": "always", "action": "SCMP_ACT_ALLOW", "args": null, "comment": ""},
			{"names": ["arm"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm", "arm64"]}},
			{"names": ["notarm"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["arm", "arm64"]}, "includes": {}},
			{"names": ["both"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_A", "CAP_B"]}},
			{"names": ["neither"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_A", "CAP_B"]}},
			{"names": ["new"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "5.10"}},
			{"names": ["old"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "5.10"}},
			{"names": ["some"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0, "args": [{"index": 5, "value": 18446744073709551615, "op": "SCMP_CMP_MASKED_EQ", "valueTwo": 1, "comment": "y"}]}
		]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		m      Machine
		arches string
		names  string
	}{
		{Machine{"amd64", Kernel{5, 10}, nil}, "[SCMP_ARCH_X86_64 SCMP_ARCH_X32]", "always notarm neither new some"},
		{Machine{"arm64", Kernel{5, 9}, []string{"CAP_A"}}, "[SCMP_ARCH_AARCH64 SCMP_ARCH_ARM]", "always arm old some"},
		{Machine{"amd64", Kernel{6, 0}, []string{"CAP_B", "CAP_A"}}, "[SCMP_ARCH_X86_64 SCMP_ARCH_X32]", "always notarm both new some"},
		{Machine{"amd64", Kernel{4, 11}, []string{"CAP_C"}}, "[SCMP_ARCH_X86_64 SCMP_ARCH_X32]", "always notarm neither old some"},
	} {
		s, err := p.Resolve(c.m)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, r := range s.Syscalls {
			names = append(names, r.Names...)
		}
		if got := strings.Join(names, " "); got != c.names {
			t.Errorf("%+v: %s, not %s", c.m, got, c.names)
		}
		var arches []string
		for _, a := range s.Architectures {
			arches = append(arches, string(a))
		}
		if got := "[" + strings.Join(arches, " ") + "]"; got != c.arches {
			t.Errorf("%+v: %s, not %s", c.m, got, c.arches)
		}
		if last := s.Syscalls[len(s.Syscalls)-1]; *last.ErrnoRet != 0 || last.Args[0] != (specs.LinuxSeccompArg{Index: 5, Value: 1<<64 - 1, ValueTwo: 1, Op: specs.OpMaskedEqual}) {
			t.Errorf("%+v", last)
		}
	}
	if _, err := p.Resolve(Machine{Arch: "riscv64"}); err == nil {
		t.Error("riscv64 is known")
	}
}

func TestErrors(t *testing.T) {
	rule := func(r string) string {
		return "{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"syscalls\": [\n" + r + "]}"
	}
	arg := func(a string) string {
		return rule(`{"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": [` + a + `]}`)
	}
	for text, want := range map[string]string{
		"":              "line 1: unexpected end of JSON input",
		"{":             "line 1: unexpected end of JSON input",
		"{\n\n\"a\" 1}": "line 3: invalid character '1' after object key",
		"[]":            "line 1: a profile is an object {...}",
		"null":          "line 1: a profile is an object {...}",
		"{}":            "line 1: defaultAction is missing",
		"{} {}":         "line 1: invalid character '{' after top-level value",
		"\n\n{\"defaultaction\": \"SCMP_ACT_ALLOW\"}":                                     "line 3: key \"defaultaction\" is unknown here",
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n\"defaultAction\": \"SCMP_ACT_ALLOW\"}": "line 2: \"defaultAction\" is there twice",
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n\"defaultErrnoRet\": 1}":                "line 2: action SCMP_ACT_ALLOW has no error number",
		"{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"defaultErrnoRet\": -1}":               "line 2: -1 is not a whole number from 0 to 4094",
		"{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"defaultErrnoRet\": 1.0}":              "line 2: 1.0 is not a whole number from 0 to 4094",
		"{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"defaultErrnoRet\": \"1\"}":            "line 2: here must be a number",
		"{\"defaultAction\": 1}":                                                                     "line 1: here must be a string",
		"{\"defaultAction\": \"ALLOW\"}":                                                             "line 1: action \"ALLOW\" is unknown",
		"{\"defaultAction\": \"SCMP_ACT_NOTIFY\"}":                                                   "line 1: action SCMP_ACT_NOTIFY is not for commands: nothing here would answer, and who traces the command could",
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"listenerPath\": \"/x\"}":                          "line 1: listenerPath is set: no agent is asked about a command's system calls",
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_X86\",\n\"X86\"]}":  "line 2: \"X86\" is unknown here",
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"archMap\": [{}]}":                                 "line 1: architecture \"\" is unknown",
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"archMap\": {}}":                                   "line 1: here must be a list [...]",
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": [\"SECCOMP_FILTER_FLAG_NEW_LISTENER\"]}": "line 1: \"SECCOMP_FILTER_FLAG_NEW_LISTENER\" is unknown here",
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_X86\"], \"archMap\": [{\"architecture\": \"SCMP_ARCH_X86\"}]}": "line 1: there are both architectures and archMap: only one may be",
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\xff\"}":                                             "it is not UTF-8",
		strings.Repeat("[", 18) + strings.Repeat("]", 18):                                         "line 1: it is nested too deep",
		strings.Repeat(" ", MaxSize) + "{}":                                                       "it is larger than 1048576 bytes",
		rule(`"x"`):                                                                               "line 3: here must be an object {...}",
		rule(`null`):                                                                              "line 3: names is missing",
		rule(`{"action": "SCMP_ACT_ALLOW"}`):                                                      "line 3: names is missing",
		rule(`{"names": ["a"]}`):                                                                  "line 3: action is missing",
		rule(`{"name": "a", "names": ["b"], "action": "SCMP_ACT_ALLOW"}`):                         "line 3: there are both name and names: only one may be",
		rule(`{"names": [" mount"], "action": "SCMP_ACT_ALLOW"}`):                                 "line 3: \" mount\" is not the name of a system call",
		rule(`{"names": [""], "action": "SCMP_ACT_ALLOW"}`):                                       "line 3: \"\" is not the name of a system call",
		rule(`{"names": ["a"], "action": "SCMP_ACT_TRACE"}`):                                      "line 3: action SCMP_ACT_TRACE is not for commands: nothing here would answer, and who traces the command could",
		rule(`{"names": ["a"], "action": "SCMP_ACT_KILL", "errnoRet": 1}`):                        "line 3: action SCMP_ACT_KILL has no error number",
		rule(`{"names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4095}`):                    "line 3: 4095 is not a whole number from 0 to 4094",
		rule("{\"names\": [\"a\"],\n\n\"acton\": \"SCMP_ACT_ALLOW\"}"):                            "line 5: key \"acton\" is unknown here",
		rule(`{"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"cap": []}}`):             "line 3: key \"cap\" is unknown here",
		rule(`{"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["SYS_ADMIN"]}}`): "line 3: \"SYS_ADMIN\" is not the name of a capability",
		rule(`{"names": ["a"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["x86_64"]}}`):  "line 3: \"x86_64\" is unknown here",
		rule(`{"names": ["a"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "5"}}`):      "line 3: \"5\" is not a kernel version such as 6.1",
		rule(`{"names": ["a"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "0.0"}}`):    "line 3: \"0.0\" is not a kernel version such as 6.1",
		rule(`{"names": ["a"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "5.4.1"}}`):  "line 3: \"5.4.1\" is not a kernel version such as 6.1",
		arg(`{"value": 1, "op": "SCMP_CMP_EQ"}`):                                                  "line 3: index is missing",
		arg(`{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}`):                                      "line 3: 6 is not a whole number from 0 to 5",
		arg(`{"index": 1, "op": "SCMP_CMP_EQ"}`):                                                  "line 3: value is missing",
		arg(`{"index": 1, "value": 18446744073709551616, "op": "SCMP_CMP_EQ"}`):                   "line 3: 18446744073709551616 is not a whole number from 0 to 18446744073709551615",
		arg(`{"index": 1, "value": 1}`):                                                           "line 3: op is missing",
		arg(`{"index": 1, "value": 1, "op": "=="}`):                                               "line 3: op \"==\" is unknown",
		arg(`{"index": 1, "value": 1, "op": "SCMP_CMP_EQ", "valueTwo": 2}`):                       "line 3: only SCMP_CMP_MASKED_EQ has a valueTwo",
		arg(`{"index": 1, "value": 1, "op": "SCMP_CMP_MASKED_EQ", "valueTwo": 2}`):                "line 3: valueTwo 0x2 has bits that the mask, value 0x1, has not: the condition would never hold",
		arg(`{"index": 1, "value": 1, "value2": 1}`):                                              "line 3: key \"value2\" is unknown here",
	} {
		if _, err := Parse([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%.200s\n%v\n%s", text, err, want)
		}
	}
}

// What is accepted means the same to Docker's own reader.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"name": "read", "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}]}`))
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X32"]}], "syscalls": [{"names": ["a", "b"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "includes": {"caps": ["CAP_A"], "minKernel": "4.8"}, "excludes": {"arches": ["arm64"]}}]}`))
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_KILL", "architectures": ["SCMP_ARCH_X86"], "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": null}`))
	f.Add(published(f, "github.com/moby/profiles/seccomp", "fixtures/conditional_include.json"))
	m := thisMachine(f, "CAP_A")
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			return
		}
		got, err := p.Resolve(m)
		if err != nil {
			t.Fatal(err)
		}
		want, err := docker.LoadProfile(string(data), container(m.Caps))
		if err != nil {
			if strings.Contains(err.Error(), "kernel version") { // it takes numbers of 8 bits
				return
			}
			t.Fatalf("Docker says %v", err)
		}
		want.Architectures = nil // it leaves more to runc
		compare(t, string(data), got, want)
	})
}
