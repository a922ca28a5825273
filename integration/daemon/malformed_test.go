package daemon

import (
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// What is no request gets an error, and the next one an answer.
func TestDaemonMalformed(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, "true: CommandFilter, true, root\ntouch: CommandFilter, touch, root\necho: CommandFilter, echo, root")
	s := rig.Serve(t, p)
	before := settle(s)
	c := s.Client()
	run := func(argv string) string { return `["1", "run_one_command", [` + argv + `], {}]` }
	mark := rig.PyString(p.Dir + "/mark")
	cases := map[string]string{}
	for _, value := range []string{"1", "-1", "1.5", "1e3", "null", "true", "false", "[]", `["x"]`, "{}", `{"a": "b"}`, `{"__bytes__": 1}`,
		`{"__bytes__": null}`, `{"__bytes__": "!"}`, `{"__bytes__": "YQ"}`, `{"__bytes__": "YQ==", "x": "y"}`, `{"__bytes__": {"__bytes__": "YQ=="}}`,
		`{"__exception__": "NoFilterMatched"}`, `"a\u0000b"`, `"\u0000"`, `{"__bytes__": "AA=="}`,
		`"\ud800"`, `"\udbff"`, `"\udc00"`, `"\udc7f"`, `"\udd00"`, `"\udfff"`, `"\ud83dx"`, `"\ud83d\ud83d\udc80"`, `"\udc80\ud83d"`} {
		cases[run(`["touch", `+value+`, `+mark+`]`)] = "word 1"
		cases[run(`[`+value+`]`)] = "word 0"
		if value != "null" && !strings.Contains(value, "0000") && !strings.Contains(value, "AA==") {
			cases[run(`["touch", `+mark+`], `+value)] = "input"
		}
	}
	for _, argv := range []string{"1", "null", "{}", `"touch"`, "true"} {
		cases[run(argv)] = "not an array"
	}
	maps := map[string]string{
		run(""): "not 0 arguments", run(`["true"], null, null`): "not 3 arguments", run("[]"): "empty",
		`["1", "run_one_command", [["true"]], {"stdin": "x"}]`: "keyword",
		`["1", "run_one_command", {"userargs": ["true"]}, {}]`: "not an array",
		`["1", "run_one_command", [["true"]]]`:                 "3 parts",
		`["1", "run_one_command", [["true"]], {}, 5]`:          "5 parts",
		`["2", "run_one_command", [["true"]], {}]`:             `no object 2`,
		`[null, "run_one_command", [["true"]], {}]`:            "no object",
		`[1, "run_one_command", [["true"]], {}]`:               "id is a number",
		`["1", 5, [["true"]], {}]`:                             "name is a number",
		`["1", null, [["true"]], {}]`:                          "name is null",
		`["1", "__class__", [], {}]`:                           "not offered",
		`["1", "prepare_timer", ["x"], {}]`:                    "not offered",
		`["1", "cancel_timer", [], {}]`:                        "not offered",
		`["1", "#GETVALUE", [], {}]`:                           "not offered",
		`["1", "run_one_command\u0000", [["true"]], {}]`:       "not offered",
		`{}`:                             "no JSON array",
		`null`:                           "no JSON array",
		``:                               "no JSON array",
		`[`:                              "no JSON array",
		run(`["true"]`) + "x":            "no JSON array",
		run("[\"\xff\"]"):                "UTF-8",
		"\xef\xbb\xbf" + run(`["true"]`): "no JSON array",
		"\xff\xfe":                       "UTF-8",
		strings.Repeat("[", 1<<17):       "no JSON array",
		strings.Repeat("[", 1<<20):       "more than 262144 values",
		run(strings.Repeat("[", 1<<16) + strings.Repeat("]", 1<<16)):              "no JSON array",
		`["1", "run_one_command", [[` + strings.Repeat(`[],`, 1000) + `[]]], {}]`: "word 0",
	}
	for request, why := range maps {
		cases[request] = why
	}
	for request, why := range cases {
		refuses(c, why, request)
	}
	if r := c.Run("echo", "still there"); r.Out != "still there\n" {
		t.Error(r)
	}
	if _, err := os.Stat(p.Dir + "/mark"); err == nil {
		t.Error("one of them was run")
	}

	// The first request on a connection is for the manager.
	for request, want := range map[string]string{
		`[null, "dummy", [], {}]`:                        `["#RETURN", null]`,
		`["", "dummy", [], {}]`:                          `["#RETURN", null]`,
		`[null, "create", ["rootwrap"], {}]`:             `["#RETURN", ["1", ["run_one_command", "shutdown"]]]`,
		`[null, "incref", ["1"], {}]`:                    `["#RETURN", null]`,
		`[null, "decref", ["1"], {}]`:                    `["#RETURN", null]`,
		`[null, "get_methods", ["1"], {}]`:               `["#RETURN", ["run_one_command", "shutdown"]]`,
		`[null, "create", ["other"], {}]`:                "",
		`[null, "create", [], {}]`:                       "",
		`[null, "create", [5], {}]`:                      "",
		`[null, "incref", ["2"], {}]`:                    "",
		`[null, "debug_info", [], {}]`:                   "",
		`[null, "number_of_objects", [], {}]`:            "",
		`[null, "shutdown", [], {}]`:                     "",
		`["1", "shutdown", [], {}]`:                      "",
		`["1", "run_one_command", [["true"], null], {}]`: "",
		`5`: "", ``: "", `[`: "",
	} {
		m := s.Manager("sha256")
		if got := m.Call(request); want == "" && !strings.HasPrefix(got, `["#TRACEBACK", "`) || want != "" && got != want {
			t.Errorf("%s: %s", request, got)
		}
		m.Conn.Close()
	}
	s.DropAll()
	counters := same(s, before)
	if n := counters[`ironwrap_requests_total{verdict="malformed",filter=""}`]; n != float64(len(cases)) {
		t.Errorf("%v malformed requests are counted, not %d", n, len(cases))
	}
}

// A10: bytes are the same words to the filter as to the command.
func TestDaemonBytesAreWords(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, "ip: IpFilter, ip, root\necho: RegExpFilter, echo, root, echo, [a-z]*")
	s := rig.Serve(t, p)
	before := settle(s)
	c := s.Client()
	encoded := func(w string) string {
		return `{"__bytes__": "` + base64.StdEncoding.EncodeToString([]byte(w)) + `"}`
	}
	escaped := func(w string) string {
		var b strings.Builder
		for _, r := range w {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		return `"` + b.String() + `"`
	}
	for _, form := range []func(string) string{encoded, escaped, rig.PyString} {
		words := []string{}
		for _, w := range []string{"ip", "netns", "exec", "foo", "touch", p.Dir + "/mark"} {
			words = append(words, form(w))
		}
		for _, argv := range [][]string{words, slices.Concat([]string{`"ip"`}, words[1:3], []string{`"foo"`, `"touch"`, words[5]}), {form("echo"), form("A")}} {
			if answer := c.Call(`["1", "run_one_command", [[` + strings.Join(argv, ",") + `], null], {}]`); answer != `["#RETURN", [99, "", ""]]` {
				t.Errorf("%s: %s", argv, answer)
			}
		}
		if r := c.Result(c.Call(`["1", "run_one_command", [[` + form("echo") + "," + form("a") + `], null], {}]`)); r.Out != "a\n" {
			t.Errorf("the legitimate neighbour: %v", r)
		}
	}
	if _, err := os.Stat(p.Dir + "/mark"); err == nil {
		t.Error("it was run")
	}
	s.DropAll()
	same(s, before)
}
