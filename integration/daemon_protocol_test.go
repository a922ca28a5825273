package integration

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// Both generations of Python's handshake, and what is between them: each side may
// choose the form of its own challenge, and an old client answers a new challenge
// in the old way.
func TestDaemonHandshake(t *testing.T) {
	s := serve(t, daemonPolicy(t, allowTrue))
	before := s.settle()
	for _, theirs := range []string{"", "md5", "sha256", "sha384", "sha3_256", "sha3_384"} {
		for _, mine := range []string{"", "md5", "sha256", "sha384", "sha3_256", "sha3_384"} {
			c := s.over(s.dial())
			challenge, err := c.challenge()
			if err != nil || !bytes.HasPrefix(challenge, []byte("{sha256}")) || len(challenge) != 48 {
				t.Fatalf("challenge %q, %v", challenge, err)
			}
			answer := mac("md5", s.key, challenge)
			if theirs != "" {
				answer = append([]byte("{"+theirs+"}"), mac(theirs, s.key, challenge)...)
			}
			c.write(answer)
			if verdict, err := c.read(); string(verdict) != "#WELCOME#" {
				t.Fatalf("answer by %q: %q, %v", theirs, verdict, err)
			}
			if err := c.prove(s.key, mine); err != nil {
				t.Fatalf("challenge by %q: %v", mine, err)
			}
			if answer := c.call(`[null, "accept_connection", ["x"], {}]`); answer != `["#RETURN", null]` {
				t.Fatal(answer)
			}
			if r := c.run("true"); r.status != 0 {
				t.Errorf("%q, %q: %v", theirs, mine, r)
			}
			c.conn.Close()
		}
	}
	s.same(before)
}

// Nobody is served who has not shown the key, in the form that is asked for.
func TestDaemonHandshakeRefused(t *testing.T) {
	s := serve(t, daemonPolicy(t, allowTrue))
	before := s.settle()
	other := bytes.Repeat([]byte{7}, 32)
	braces := func(name string, mac []byte) []byte { return append([]byte("{"+name+"}"), mac...) }
	for name, answer := range map[string]func(challenge []byte) []byte{
		"empty":               func(c []byte) []byte { return nil },
		"another key, md5":    func(c []byte) []byte { return mac("md5", other, c) },
		"another key, sha256": func(c []byte) []byte { return braces("sha256", mac("sha256", other, c)) },
		"no key":              func(c []byte) []byte { return mac("md5", nil, c) },
		"prefix left out":     func(c []byte) []byte { return braces("sha256", mac("sha256", s.key, c[8:])) },
		"prefix left out, md5": func(c []byte) []byte {
			return mac("md5", s.key, c[8:])
		},
		"a byte less":       func(c []byte) []byte { return braces("sha256", mac("sha256", s.key, c)[:31]) },
		"a byte more":       func(c []byte) []byte { return append(braces("sha256", mac("sha256", s.key, c)), 0) },
		"a byte less, md5":  func(c []byte) []byte { return mac("md5", s.key, c)[:15] },
		"a byte more, md5":  func(c []byte) []byte { return append(mac("md5", s.key, c), 0) },
		"four more, md5":    func(c []byte) []byte { return append(mac("md5", s.key, c), 0, 0, 0, 0) },
		"no mac":            func(c []byte) []byte { return []byte("{sha256}") },
		"no name":           func(c []byte) []byte { return braces("", mac("sha256", s.key, c)) },
		"no end of name":    func(c []byte) []byte { return append([]byte("{sha256"), mac("sha256", s.key, c)...) },
		"name in capitals":  func(c []byte) []byte { return braces("SHA256", mac("sha256", s.key, c)) },
		"name of another":   func(c []byte) []byte { return braces("sha384", mac("sha256", s.key, c)) },
		"name with a blank": func(c []byte) []byte { return braces("sha256 ", mac("sha256", s.key, c)) },
		"bare sha256":       func(c []byte) []byte { return mac("sha256", s.key, c) },
		"digest not allowed": func(c []byte) []byte {
			h := hmac.New(sha512.New, s.key)
			h.Write(c)
			return braces("sha512", h.Sum(nil))
		},
		"unknown digest": func(c []byte) []byte { return braces("none", nil) },
		"256 bytes":      func(c []byte) []byte { return make([]byte, 256) },
		"257 bytes":      func(c []byte) []byte { return make([]byte, 257) },
		"welcome":        func(c []byte) []byte { return []byte("#WELCOME#") },
		"the challenge":  func(c []byte) []byte { return append([]byte("#CHALLENGE#"), c...) },
		"a request":      func(c []byte) []byte { return []byte(`[null, "dummy", [], {}]`) },
	} {
		c := s.over(s.dial())
		challenge, err := c.challenge()
		if err != nil {
			t.Fatal(err)
		}
		c.write(answer(challenge))
		if verdict, err := c.read(); err == nil && string(verdict) != "#FAILURE#" {
			t.Errorf("%s: %q", name, verdict)
		}
		c.notServed(name)
	}

	// Who has shown the key must let the daemon show it, too.
	for name, message := range map[string]string{
		"no challenge": `[null, "dummy", [], {}]`, "empty": "", "challenge of 5 bytes": "#CHALLENGE#abcde", "challenge of none": "#CHALLENGE#",
		"unknown digest": "#CHALLENGE#{none}" + strings.Repeat("x", 40), "over 256 bytes": "#CHALLENGE#{sha256}" + strings.Repeat("x", 238),
	} {
		c := s.halfWay()
		c.write([]byte(message))
		c.notServed(name)
	}
	for _, last := range []string{"#FAILURE#", "", "#WELCOME", "#WELCOME#x", `[null, "dummy", [], {}]`} {
		c := s.halfWay()
		c.write([]byte("#CHALLENGE#" + strings.Repeat("x", 20)))
		if answer, err := c.read(); err != nil || !bytes.Equal(answer, mac("md5", s.key, []byte(strings.Repeat("x", 20)))) {
			t.Errorf("%q, %v", answer, err)
		}
		c.write([]byte(last))
		c.notServed("last word " + last)
	}
	if r := s.client().run("true"); r.status != 0 {
		t.Error(r)
	}
	s.dropAll()
	s.same(before)
}

// halfWay is a connection on which the client alone has shown the key.
func (s *server) halfWay() *rpc {
	s.Helper()
	c := s.over(s.dial())
	challenge, err := c.challenge()
	if err != nil {
		s.Fatal(err)
	}
	c.write(mac("md5", s.key, challenge))
	if verdict, err := c.read(); string(verdict) != "#WELCOME#" {
		s.Fatalf("%q, %v", verdict, err)
	}
	return c
}

// notServed complains if there is an answer to a request.
func (c *rpc) notServed(what string) {
	c.Helper()
	c.write([]byte(`[null, "accept_connection", ["x"], {}]`)) // it may be closed already
	c.write([]byte(request("", "true")))
	c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if answer, err := io.ReadAll(c.in); len(answer) > 0 || os.IsTimeout(err) {
		c.Errorf("%s: answered %q, %v", what, answer, err)
	}
	c.conn.Close()
}

// Requests may come in any pieces, and before the answer to the one before.
func TestDaemonFraming(t *testing.T) {
	s := serve(t, daemonPolicy(t, allowTrue+"\ncat: CommandFilter, cat, root\necho: CommandFilter, echo, root"))
	before := s.settle()
	c := s.client()
	for _, b := range frame([]byte(request("in", "cat"))) {
		if _, err := c.conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if r := c.result(c.reply()); r.out != "in" {
		t.Error(r)
	}
	var many []byte
	for i := range 100 {
		many = append(many, frame([]byte(request("", "echo", fmt.Sprint(i))))...)
	}
	go c.conn.Write(many)
	for i := range 100 {
		if r := c.result(c.reply()); r.out != fmt.Sprintln(i) {
			t.Errorf("%d: %v", i, r)
		}
	}
	// Two in one packet, the second of which has an error.
	c.conn.Write(append(frame([]byte(request("", "true"))), frame([]byte("[]"))...))
	if r := c.result(c.reply()); r.status != 0 {
		t.Error(r)
	}
	if answer := c.reply(); !strings.HasPrefix(answer, `["#TRACEBACK"`) {
		t.Error(answer)
	}
	large := strings.Repeat("0123456789abcde\n", 1<<20)
	if r := c.feed(large, "cat"); r.out != large || r.status != 0 {
		t.Errorf("16 MB became %d bytes, status %d, %q", len(r.out), r.status, r.err)
	}
	// The end of the stream in a message is the end of the connection.
	half := s.client()
	half.conn.Write(frame([]byte(request("", "true")))[:20])
	half.conn.(*net.UnixConn).CloseWrite()
	if rest, err := io.ReadAll(half.in); len(rest) > 0 || err != nil {
		t.Errorf("half a request: %q, %v", rest, err)
	}
	// A client that says no more still hears.
	last := s.client()
	last.write([]byte(request("", "echo", "last")))
	last.conn.(*net.UnixConn).CloseWrite()
	if r := last.result(last.reply()); r.out != "last\n" {
		t.Error(r)
	}
	s.dropAll()
	s.same(before)
}

// What is no request gets an error, and the next one an answer.
func TestDaemonMalformed(t *testing.T) {
	p := daemonPolicy(t, "true: CommandFilter, true, root\ntouch: CommandFilter, touch, root\necho: CommandFilter, echo, root")
	s := serve(t, p)
	before := s.settle()
	c := s.client()
	run := func(argv string) string { return `["1", "run_one_command", [` + argv + `], {}]` }
	mark := pyString(p.dir + "/mark")
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
		strings.Repeat("[", 1<<20):       "no JSON array",
		run(strings.Repeat("[", 1<<16) + strings.Repeat("]", 1<<16)):              "no JSON array",
		`["1", "run_one_command", [[` + strings.Repeat(`[],`, 1000) + `[]]], {}]`: "word 0",
	}
	for request, why := range maps {
		cases[request] = why
	}
	for request, why := range cases {
		c.refuses(why, request)
	}
	if r := c.run("echo", "still there"); r.out != "still there\n" {
		t.Error(r)
	}
	if _, err := os.Stat(p.dir + "/mark"); err == nil {
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
		m := s.manager("sha256")
		if got := m.call(request); want == "" && !strings.HasPrefix(got, `["#TRACEBACK", "`) || want != "" && got != want {
			t.Errorf("%s: %s", request, got)
		}
		m.conn.Close()
	}
	s.dropAll()
	counters := s.same(before)
	if n := counters[`ironwrap_requests_total{verdict="malformed",filter=""}`]; n != float64(len(cases)) {
		t.Errorf("%v malformed requests are counted, not %d", n, len(cases))
	}
}

// A10: bytes are the same words to the filter as to the command.
func TestDaemonBytesAreWords(t *testing.T) {
	p := daemonPolicy(t, "ip: IpFilter, ip, root\necho: RegExpFilter, echo, root, echo, [a-z]*")
	s := serve(t, p)
	before := s.settle()
	c := s.client()
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
	for _, form := range []func(string) string{encoded, escaped, pyString} {
		words := []string{}
		for _, w := range []string{"ip", "netns", "exec", "foo", "touch", p.dir + "/mark"} {
			words = append(words, form(w))
		}
		for _, argv := range [][]string{words, slices.Concat([]string{`"ip"`}, words[1:3], []string{`"foo"`, `"touch"`, words[5]}), {form("echo"), form("A")}} {
			if answer := c.call(`["1", "run_one_command", [[` + strings.Join(argv, ",") + `], null], {}]`); answer != `["#RETURN", [99, "", ""]]` {
				t.Errorf("%s: %s", argv, answer)
			}
		}
		if r := c.result(c.call(`["1", "run_one_command", [[` + form("echo") + "," + form("a") + `], null], {}]`)); r.out != "a\n" {
			t.Errorf("the legitimate neighbour: %v", r)
		}
	}
	if _, err := os.Stat(p.dir + "/mark"); err == nil {
		t.Error("it was run")
	}
	s.dropAll()
	s.same(before)
}
