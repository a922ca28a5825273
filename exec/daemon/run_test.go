package daemon

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	osexec "os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/exec/daemon/wire"
)

// running is a daemon that a test has started.
type running struct {
	*osexec.Cmd
	path  string
	key   []byte
	ended chan error
}

// start runs the real program, as its client would.
func start(t testing.TB, c conf) *running {
	t.Helper()
	r := &running{Cmd: osexec.Command(program, c.path), ended: make(chan error, 1)}
	r.Env = []string{}
	var stderr bytes.Buffer
	r.Stderr = &stderr
	out, err := r.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	r.path, r.key = strings.TrimSuffix(line, "\n"), make([]byte, keySize)
	if _, keyErr := io.ReadFull(lines, r.key); err != nil || keyErr != nil {
		r.Wait()
		t.Fatalf("the daemon did not start: %s", &stderr)
	}
	go func() { r.ended <- r.Wait() }()
	t.Cleanup(func() {
		r.Process.Kill()
		<-r.ended
		os.RemoveAll(strings.TrimSuffix(r.path, "/rootwrap.sock"))
	})
	return r
}

// ends waits for the end of the daemon.
func (r *running) ends(t testing.TB) {
	t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- err
		if err != nil {
			t.Errorf("the daemon: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the daemon does not end")
	}
}

// dial connects, and shows the key where it is told to.
func dial(t testing.TB, path string, key []byte) *wire.Conn {
	t.Helper()
	raw, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	c, err := wire.NewConn(raw, time.Now().Add(time.Minute))
	if err == nil && key != nil {
		err = c.AuthenticateClient(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call sends a request, and reads the reply: its kind, and its value.
func calls(t testing.TB, c *wire.Conn, request string) (kind string, value json.RawMessage) {
	t.Helper()
	if err := c.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	m, err := c.Read()
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	if err := json.Unmarshal(m, &[]any{&kind, &value}); err != nil {
		t.Fatalf("%s: %v", m, err)
	}
	return kind, value
}

// client is a connection that may ask for commands.
func (r *running) client(t testing.TB) *wire.Conn {
	t.Helper()
	c := dial(t, r.path, r.key)
	if kind, _ := calls(t, c, `[null, "accept_connection", ["x"], {}]`); kind != "#RETURN" {
		t.Fatal(kind)
	}
	return c
}

func request(argv ...string) string {
	words, _ := json.Marshal(argv)
	return `["1", "run_one_command", [` + string(words) + `, null], {}]`
}

// run is one command: its status, and what it printed.
func runs(t testing.TB, c *wire.Conn, argv ...string) string {
	t.Helper()
	kind, value := calls(t, c, request(argv...))
	return kind + " " + string(value)
}

func TestRun(t *testing.T) {
	c := newConf(t, "echo: CommandFilter, echo, root\nx: CommandFilter, /nonexistent/x, root\nkill: RegExpFilter, sh, root, sh, -c, kill -9 .*")
	r := start(t, c)
	client := r.client(t)
	for want, argv := range map[string][]string{
		`#RETURN [0, "hello\u000a", ""]`: {"echo", "hello"},
		`#RETURN [99, "", ""]`:           {"ls"},
		`#RETURN [96, "", ""]`:           {"/nonexistent/x"},
		`#RETURN [-9, "", ""]`:           {"sh", "-c", "kill -9 $$"},
	} {
		if got := runs(t, client, argv...); got != want {
			t.Errorf("%q: %s, want %s", argv, got, want)
		}
	}
	for want, ask := range map[string]string{
		`#TRACEBACK "debug_info is not offered"`:                       `["1", "debug_info", [], {}]`,
		`#TRACEBACK "there is no object 2"`:                            `["2", "run_one_command", [["ls"]], {}]`,
		`#TRACEBACK "word 0 of the command is a number, not a string"`: `["1", "run_one_command", [[1]], {}]`,
		`#TRACEBACK "the request is no JSON array"`:                    `hello`,
	} {
		if kind, value := calls(t, client, ask); kind+" "+string(value) != want {
			t.Errorf("%s: %s %s, want %s", ask, kind, value, want)
		}
	}
	// On a connection for the manager.
	for ask, want := range map[string]string{
		`[null, "dummy", [], {}]`:                 `#RETURN `,
		`[null, "create", ["rootwrap"], {}]`:      `#RETURN ["1", ["run_one_command", "shutdown"]]`,
		`[null, "incref", ["1"], {}]`:             `#RETURN `,
		`[null, "decref", ["1"], {}]`:             `#RETURN `,
		`["1", "get_methods", [], {}]`:            `#RETURN ["run_one_command", "shutdown"]`,
		`[null, "create", ["other"], {}]`:         `#TRACEBACK`,
		`[null, "incref", ["2"], {}]`:             `#TRACEBACK`,
		`[null, "shutdown", [], {}]`:              `#TRACEBACK`,
		`["1", "run_one_command", [["ls"]], {}]`:  `#TRACEBACK`,
		`["1", "run_one_command", 5, {}]`:         `#TRACEBACK`,
		`[null, "debug_info", [], {}]`:            `#TRACEBACK`,
		`[null, "create", [["rootwrap"]], {}]`:    `#TRACEBACK`,
		`[null, "number_of_objects", [], {}, ""]`: `#TRACEBACK`,
	} {
		kind, value := calls(t, dial(t, r.path, r.key), ask)
		if got := kind + " " + string(value); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", ask, got, want)
		}
	}
	if kind, _ := calls(t, client, `["1", "shutdown", [], {}]`); kind != "#RETURN" {
		t.Error(kind)
	}
	r.ends(t)
	if _, err := os.Stat(strings.TrimSuffix(r.path, "/rootwrap.sock")); err == nil {
		t.Error("the directory of the socket was left")
	}
}

func TestCutOutput(t *testing.T) {
	r := start(t, newConf(t, "sh: CommandFilter, sh, root", "max_output = 10"))
	client := r.client(t)
	for script, want := range map[string]int{"echo 0123456789": cutStatus, "echo 0123456789; exit 3": 3, "printf 0123456789": 0} {
		_, value := calls(t, client, request("sh", "-c", script))
		var status int
		var out, errs string
		json.Unmarshal(value, &[]any{&status, &out, &errs})
		cut := strings.Contains(errs, fmt.Sprintf("1 bytes of the output are missing here"))
		if status != want || out != "0123456789" || cut != (want != 0) {
			t.Errorf("%s: %d, %q, %q", script, status, out, errs)
		}
	}
}

func TestIdle(t *testing.T) {
	r := start(t, newConf(t, "sleep: CommandFilter, sleep, root", "daemon_timeout = 1"))
	client := r.client(t)
	if got := runs(t, client, "sleep", "2"); got != `#RETURN [0, "", ""]` { // longer than the timeout
		t.Error(got)
	}
	r.ends(t)
}

func TestKillOnDisconnect(t *testing.T) {
	for _, kill := range []string{"yes", "no"} {
		c := newConf(t, "sh: CommandFilter, sh, root", "kill_on_disconnect = "+kill)
		r := start(t, c)
		client := r.client(t)
		mark := c.dir + "/mark"
		if err := client.Write([]byte(request("sh", "-c", "trap 'echo killed >"+mark+"; exit' TERM; echo begun >"+mark+"; sleep 1 & wait; echo ended >"+mark))); err != nil {
			t.Fatal(err)
		}
		text := func() string { b, _ := os.ReadFile(mark); return string(b) }
		until(t, "it has begun", func() bool { return text() == "begun\n" })
		client.Close()
		want := map[string]string{"yes": "killed\n", "no": "ended\n"}[kill]
		until(t, want, func() bool { return text() != "begun\n" && text() != "" })
		if text() != want {
			t.Errorf("kill_on_disconnect = %s: the command was %s", kill, text())
		}
	}
}

// What becomes of connections is counted once, in the file that is there in the end.
func TestRefusedCounts(t *testing.T) {
	c := newConf(t, one)
	c.write(t, c.path, c.config("metrics_file = "+c.dir+"/m.prom"))
	r := start(t, c)
	for range maxWaiting + 3 {
		_, _ = dial(t, r.path, nil).Read() // it has been taken in when it is challenged
	}
	raw, err := net.Dial("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	stranger, err := wire.NewConn(raw, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.AuthenticateClient(make([]byte, keySize)); err == nil {
		t.Error("let in with a wrong key")
	}
	r.Process.Signal(syscall.SIGTERM)
	r.ends(t)
	text, err := os.ReadFile(c.dir + "/m.prom")
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, m := range families(t, string(text))["ironwrap_connections_refused_total"].GetMetric() {
		got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
	}
	if len(got) != 2 || got["crowd"] != 4 || got["key"] != 1 {
		t.Errorf("counted: %v", got)
	}
}

// A client may send the next request, and go away, while the last one runs.
func TestReadsAhead(t *testing.T) {
	c := newConf(t, "sleep: CommandFilter, sleep, root\nwc: CommandFilter, wc, root\nsh: CommandFilter, sh, root", "kill_on_disconnect = yes")
	r := start(t, c)
	client := r.client(t)
	long := `["1", "run_one_command", [["wc", "-c"], "` + strings.Repeat("x", 4<<20) + `"], {}]`
	for range 2 {
		for _, ask := range []string{request("sleep", "0.3"), long} { // both are taken before one is answered
			if err := client.Write([]byte(ask)); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{`["#RETURN", [0, "", ""]]`, `["#RETURN", [0, "4194304\u000a", ""]]`} {
			if m, err := client.Read(); err != nil || string(m) != want {
				t.Fatalf("%s, %v, not %s", m, err, want)
			}
		}
	}
	mark := c.dir + "/mark"
	for _, ask := range []string{request("sleep", "0.3"), request("sh", "-c", "trap 'echo killed >"+mark+"; exit' TERM; echo begun >"+mark+"; sleep 20 & wait; echo ended >"+mark)} {
		if err := client.Write([]byte(ask)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the second has begun", func() bool { b, _ := os.ReadFile(mark); return string(b) == "begun\n" })
	client.Close()
	until(t, "it was killed", func() bool { b, _ := os.ReadFile(mark); return string(b) == "killed\n" })
}
