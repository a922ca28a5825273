package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"os/exec"
	"sync"
	"testing"
)

// oracleProgram answers with what Python makes of a message. A request is one byte
// that says what is asked, a length (four bytes, big endian) and data; an answer is
// a length and JSON.
//
//	p  a request: object, method, words and input, as the peer reads them
//	r  a reply to run_one_command: status, output, errors
//	a  authenticate on a socket: {"path", "server", "key", "kind", "digest"}; kind is
//	   "own" for CPython's own code, "new" for what Python 3.12 does
const oracleProgram = `
import base64, hmac, json, os, socket, struct, sys
from multiprocessing import connection

def fs(word):
    if isinstance(word, dict):
        if list(word) != ["__bytes__"]: raise ValueError("object")
        return base64.b64decode(word["__bytes__"].encode("ascii")).hex()
    if not isinstance(word, str): raise TypeError(word)
    return os.fsencode(word).hex()

def parse(data):
    ident, method, args, kwargs = json.loads(data.decode("utf-8"))
    if not isinstance(args, list) or kwargs != {}: raise TypeError("arguments")
    argv, stdin = args[0], args[1] if len(args) > 1 else None
    if not isinstance(argv, list) or len(args) > 2: raise TypeError("arguments")
    return {"ident": "" if ident is None else fs(ident), "method": fs(method),
            "argv": [fs(w) for w in argv], "stdin": "" if stdin is None else fs(stdin)}

def reply(data):
    kind, (status, out, err) = json.loads(data.decode("utf-8"))
    return {"kind": kind, "status": status, "out": fs(out), "err": fs(err)}

class Messages:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(60)
        self.s.connect(path)
    def send_bytes(self, b):
        self.s.sendall(struct.pack("!Q", len(b)) + b)
    def exactly(self, n):
        b = b""
        while len(b) < n:
            more = self.s.recv(n - len(b))
            if not more: raise EOFError
            b += more
        return b
    def recv_bytes(self, limit):
        n = struct.unpack("!Q", self.exactly(8))[0]
        if n > limit: raise OSError("bad message length")
        return self.exactly(n)

# Python 3.12 and newer, from the description of the protocol.
def split(b):
    if len(b) in (16, 20): return "md5", b, False
    if b[:1] != b"{" or b"}" not in b: raise ValueError("no digest")
    name, rest = b[1:].split(b"}", 1)
    if name.decode() not in ("md5", "sha256", "sha384", "sha3_256", "sha3_384"): raise ValueError("digest")
    return name.decode(), rest, True

def new_deliver(c, key, digest):
    message = b"{" + digest.encode() + b"}" + os.urandom(40)
    c.send_bytes(b"#CHALLENGE#" + message)
    name, mac, _ = split(c.recv_bytes(256))
    if mac != hmac.new(key, message, name).digest():
        c.send_bytes(b"#FAILURE#")
        raise connection.AuthenticationError("digest received was wrong")
    c.send_bytes(b"#WELCOME#")

def new_answer(c, key):
    message = c.recv_bytes(256)
    if not message.startswith(b"#CHALLENGE#"): raise ValueError(message)
    message = message[len(b"#CHALLENGE#"):]
    name, _, new = split(message)
    mac = hmac.new(key, message, name).digest()
    c.send_bytes((b"{" + name.encode() + b"}" if new else b"") + mac)
    if c.recv_bytes(256) != b"#WELCOME#": raise connection.AuthenticationError("digest sent was rejected")

def authenticate(data):
    q = json.loads(data)
    c, key = Messages(q["path"]), bytes.fromhex(q["key"])
    if q["kind"] == "own":
        steps = [lambda: connection.answer_challenge(c, key), lambda: connection.deliver_challenge(c, key)]
    else:
        steps = [lambda: new_answer(c, key), lambda: new_deliver(c, key, q["digest"])]
    if q["server"]: steps.reverse()
    for step in steps: step()
    c.send_bytes(b"x" * 300)  # longer than is allowed before
    return {}

asked = {b"p": parse, b"r": reply, b"a": authenticate}
requests, answers = sys.stdin.buffer, sys.stdout.buffer
while True:
    head = requests.read(5)
    if len(head) < 5: break
    data = requests.read(struct.unpack(">I", head[1:])[0])
    try:
        text = asked[head[:1]](data)
    except Exception as error:
        text = {"error": type(error).__name__ + ": " + str(error)}
    text = json.dumps(text).encode("ascii")
    answers.write(struct.pack(">I", len(text)) + text)
    answers.flush()
`

type oracle struct {
	lock sync.Mutex
	in   io.Writer
	out  *bufio.Reader
}

// python starts the oracle once per test binary; it ends with our end of the pipe.
var python = sync.OnceValues(func() (*oracle, error) {
	path, err := exec.LookPath("/usr/bin/python3")
	if err != nil {
		if path, err = exec.LookPath("python3"); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(path, "-I", "-X", "utf8", "-c", oracleProgram)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &oracle{in: in, out: bufio.NewReader(out)}, cmd.Start()
})

// needPython skips the test where there is no CPython to compare with.
func needPython(t testing.TB) *oracle {
	t.Helper()
	o, err := python()
	if err != nil {
		t.Skipf("no comparison with CPython was made: %v", err)
	}
	return o
}

// ask puts a question, and reads the answer into v.
func (o *oracle) ask(t testing.TB, kind byte, data []byte, v any) {
	t.Helper()
	o.lock.Lock()
	defer o.lock.Unlock()
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(data)))
	if _, err := o.in.Write(append(head, data...)); err != nil {
		t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(o.out, size[:]); err != nil {
		t.Fatal("the oracle died: ", err)
	}
	text := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(o.out, text); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}
