package inifile

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"ironwrap/policy/document"
)

// oracleProgram answers documents with what RawConfigParser makes of them. A
// request is the mode (one byte, 1 for strict), a length (four bytes, big
// endian) and the document; an answer is a length and JSON. The dictionaries
// note the line at which a value was set, since configparser does not keep it.
const oracleProgram = `
import configparser, io, json, struct, sys

version = list(sys.version_info[:2])
line = 0

class Lines:
    def __init__(self, data):
        self.file = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    def __iter__(self):
        global line
        for line, text in enumerate(self.file, 1):
            yield text

class Noting(dict):
    def __init__(self):
        self.lines = {}
        self.began = line
    def __setitem__(self, key, value):
        if isinstance(value, list):
            self.lines[key] = line
        super().__setitem__(key, value)

def entries(section):
    return [[k, v, section.lines[k]] for k, v in section.items()]

def answer(strict, data):
    global line
    line = 0
    parser = configparser.RawConfigParser(strict=strict, dict_type=Noting)
    try:
        parser.read_file(Lines(data), "f")
    except (configparser.Error, UnicodeDecodeError) as error:
        return {"error": type(error).__name__}
    return {
        "defaults": entries(parser._defaults),
        "sections": [
            {"name": name, "line": parser._sections[name].began,
             "own": entries(parser._sections[name]),
             "items": [list(item) for item in parser.items(name)]}
            for name in parser.sections()
        ],
    }

def unicode_tables():
    every = [chr(c) for c in range(0x110000) if not 0xd800 <= c < 0xe000]
    return {
        "lowered": [ord(c) for c in every if c.lower() != c],
        "spaces": [ord(c) for c in every if c.isspace()],
        "stripped": [ord(c) for c in every if c.strip() == ""],
    }

requests, answers = sys.stdin.buffer, sys.stdout.buffer
while True:
    head = requests.read(5)
    if len(head) < 5:
        break
    mode, size = struct.unpack(">BI", head)
    data = requests.read(size)
    if mode == 2:
        reply = {"version": version, "tables": unicode_tables()}
    else:
        reply = answer(mode == 1, data)
    text = json.dumps(reply).encode("ascii")
    answers.write(struct.pack(">I", len(text)) + text)
    answers.flush()
`

// oracle is a running CPython.
type oracle struct {
	lock sync.Mutex
	in   io.Writer
	out  *bufio.Reader
}

type oracleEntry struct {
	Key, Value string
	Line       int
}

func (e *oracleEntry) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&e.Key, &e.Value, &e.Line})
}

type oracleAnswer struct {
	Error    string // name of the exception
	Defaults []oracleEntry
	Sections []struct {
		Name  string
		Line  int
		Own   []oracleEntry
		Items [][2]string
	}
	Version []int
	Tables  struct{ Lowered, Spaces, Stripped []rune }
}

// python starts the oracle once per test binary; it ends with our end of the pipe.
var python = sync.OnceValues(func() (*oracle, error) {
	path, err := exec.LookPath("/usr/bin/python3")
	if err != nil {
		if path, err = exec.LookPath("python3"); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(path, "-I", "-S", "-c", oracleProgram)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &oracle{in: in, out: bufio.NewReader(out)}, nil
})

// needPython skips the test where there is no CPython to compare with.
func needPython(t testing.TB) *oracle {
	t.Helper()
	o, err := python()
	if err != nil {
		t.Skipf("no comparison with CPython's configparser was made: %v", err)
	}
	return o
}

func (o *oracle) request(mode byte, data []byte) (oracleAnswer, error) {
	o.lock.Lock()
	defer o.lock.Unlock()
	var answer oracleAnswer
	head := binary.BigEndian.AppendUint32([]byte{mode}, uint32(len(data)))
	if _, err := o.in.Write(append(head, data...)); err != nil {
		return answer, err
	}
	var size uint32
	if err := binary.Read(o.out, binary.BigEndian, &size); err != nil {
		return answer, fmt.Errorf("python died: %w", err)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(o.out, text); err != nil {
		return answer, err
	}
	return answer, json.Unmarshal(text, &answer)
}

func (o *oracle) parse(data []byte, mode document.Mode) (oracleAnswer, error) {
	if mode == document.Lenient {
		return o.request(0, data)
	}
	return o.request(1, data)
}

// mayRefuse says why a document that CPython accepts may be refused here: the
// whole list of what we do not read.
func mayRefuse(data []byte) string {
	doc := string(data)
	lines := strings.Count(doc, "\n") + strings.Count(doc, "\r")
	switch {
	case strings.Contains(doc, "\x00"):
		return "a nul byte"
	case strings.ContainsAny(doc, "\x1c\x1d\x1e\x1f"):
		return "a separator that is a blank to Python only"
	case strings.ContainsFunc(doc, func(r rune) bool { return r >= utf8.RuneSelf && unicode.ToLower(r) != r }):
		return "an upper-case letter that is not ASCII"
	case lines >= maxLines:
		return "many lines, maybe of one value"
	case len(doc) > maxSize:
		return "the size"
	}
	return ""
}

// compare has both read a document and returns our refusal, CPython's, and
// where they differ in any other way than mayRefuse allows: in names, values,
// order or line numbers.
func compare(o *oracle, data []byte, mode document.Mode) (ours, theirs, difference error) {
	file, ours := Parse("f", data, mode)
	if err := wellFormed(file, ours, data); err != nil {
		return ours, nil, err
	}
	answer, err := o.parse(data, mode)
	if err != nil {
		return ours, nil, err
	}
	if answer.Error != "" {
		theirs = errors.New(answer.Error)
	}
	switch {
	case ours == nil && theirs == nil:
		return nil, nil, sameContent(file, answer)
	case ours == nil:
		return ours, theirs, fmt.Errorf("accepted, but CPython says %v", theirs)
	case theirs == nil && mayRefuse(data) == "":
		return ours, theirs, fmt.Errorf("refused (%v), but CPython accepts it", ours)
	}
	return ours, theirs, nil
}

func sameContent(file *document.Document, theirs oracleAnswer) error {
	differ := func(what string, ours, theirs []document.Entry) error {
		if slices.Equal(ours, theirs) {
			return nil
		}
		return fmt.Errorf("%s:\n ours     %#v\n CPython's %#v", what, ours, theirs)
	}
	convert := func(entries []oracleEntry) (list []document.Entry) {
		for _, e := range entries {
			list = append(list, document.Entry(e))
		}
		return list
	}
	if err := differ("defaults", file.Defaults, convert(theirs.Defaults)); err != nil {
		return err
	}
	sections := file.Sections
	if len(sections) != len(theirs.Sections) {
		return fmt.Errorf("our sections %v, CPython's %v", sections, theirs.Sections)
	}
	for i, s := range theirs.Sections {
		if sections[i].Name != s.Name || sections[i].Line != s.Line {
			return fmt.Errorf("our section %v, CPython's %v", sections[i], s)
		}
		if err := differ("own keys of "+s.Name, file.Own(s.Name), convert(s.Own)); err != nil {
			return err
		}
		items, ok := file.Items(s.Name)
		if !ok {
			return fmt.Errorf("no items of %q", s.Name)
		}
		var names [][2]string
		for _, e := range items {
			names = append(names, [2]string{e.Key, e.Value})
		}
		if !slices.Equal(names, s.Items) {
			return fmt.Errorf("items of %q:\n ours     %q\n CPython's %q", s.Name, names, s.Items)
		}
	}
	return nil
}

// wellFormed checks what holds for every document, whoever else has read it.
func wellFormed(file *document.Document, err error, data []byte) error {
	if err == nil {
		if file == nil {
			return errors.New("neither a file nor an error")
		}
		return nil
	}
	if file != nil {
		return errors.New("a file beside an error")
	}
	var e *Error
	if !errors.As(err, &e) {
		return fmt.Errorf("error is a %T", err)
	}
	text := strings.ReplaceAll(strings.ReplaceAll(string(data), "\r\n", "\n"), "\r", "\n")
	if last := 1 + strings.Count(text, "\n"); e.Line < 1 || e.Line > last {
		return fmt.Errorf("line %d of %d in %q", e.Line, last, err)
	}
	message := err.Error()
	if !strings.HasPrefix(message, fmt.Sprintf("f:%d: ", e.Line)) {
		return fmt.Errorf("message does not begin with file and line: %q", message)
	}
	if len(message) > 600 {
		return fmt.Errorf("message of %d bytes", len(message))
	}
	for _, r := range message {
		if r < ' ' || r > '~' {
			return fmt.Errorf("message is not one plain line: %q", message)
		}
	}
	// Every refusal says its own reason; that of the second reader is for
	// what only it is afraid of.
	if strings.Contains(message, "ini.v1") && !strings.ContainsAny(text, "\x1c\x1d\x1e\x1f") {
		return fmt.Errorf("refused by the cross-check alone: %v", err)
	}
	return nil
}
