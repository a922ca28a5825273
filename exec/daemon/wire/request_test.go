package wire

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
)

// command reads a request as the daemon does.
func command(message string) (c Call, argv []filters.Untrusted, stdin []byte, err error) {
	if c, err = Parse([]byte(message)); err == nil {
		argv, stdin, err = c.Command()
	}
	return c, argv, stdin, err
}

func TestCommand(t *testing.T) {
	const run = `["1", "run_one_command", `
	for message, want := range map[string]string{
		run + `[["cat"]], {}]`:                                        `["cat"] ""`,
		run + `[["cat", ""], null], {}]`:                              `["cat" ""] ""`,
		run + `[["a\u0001\"\\\/\b\f\n\r\t"], "\u0000\udcff"], {}]`:    `["a\x01\"\\/\b\f\n\r\t"] "\x00\xff"`,
		run + `[["\udc80\udcff", "\u00e9é", "\ud83d\ude00"]], {}]`:    `["\x80\xff" "éé" "😀"] ""`,
		run + `[["\udcc3\udca9"]], {}]`:                               `["é"] ""`,
		run + `[["\uDC80\uDCfF"]], {}]`:                               `["\x80\xff"] ""`,
		run + `[[{"__bytes__": "/w=="}], {"__bytes__": "AP8="}], {}]`: `["\xff"] "\x00\xff"`,
		run + `[[{"\u005f_bytes__" : "YQ==", "__bytes__"
			:  "Yg=="}, "a\"],[{" , "\\"] , "x" ] , { } ]`: `["b" "a\"],[{" "\\"] "x"`,
		` [ null , "m" , [ [ "x" ] , "" ] , { } ] `: `["x"] ""`,
		run + `[["\\udc80"]], {}]`:                  `["\\udc80"] ""`,

		run + `[["\ud83d"]], {}]`:                           "word 0 of the command holds U+D83D, which stands for nothing",
		run + `[["x\ud83d\ud83d\ude00"]], {}]`:              "word 0 of the command holds U+D83D, which stands for nothing",
		run + `[["\udc7f"]], {}]`:                           "word 0 of the command holds U+DC7F, which stands for nothing",
		run + `[["\udd00"]], {}]`:                           "word 0 of the command holds U+DD00, which stands for nothing",
		run + `[["a", "b\u0000"]], {}]`:                     "word 1 of the command holds a NUL byte",
		run + `[[{"__bytes__": "AA=="}]], {}]`:              "word 0 of the command holds a NUL byte",
		run + `[["a", 1]], {}]`:                             "word 1 of the command is a number, not a string",
		run + `[["a", null]], {}]`:                          "word 1 of the command is null, not a string",
		run + `[["a", true]], {}]`:                          "word 1 of the command is a boolean, not a string",
		run + `[["a", ["b"]]], {}]`:                         "word 1 of the command is an array, not a string",
		run + `[["a", {}]], {}]`:                            "word 1 of the command is an object, not a string",
		run + `[["a", {"__bytes__": "", "x": 1}]], {}]`:     "word 1 of the command is an object, not a string",
		run + `[["a", {"__bytes__": 1}]], {}]`:              "word 1 of the command has __bytes__ that is a number, not a string",
		run + `[["a", {"__bytes__": "A"}]], {}]`:            "word 1 of the command has __bytes__ that are no base64",
		run + `[["a", {"__bytes__": "YR=="}]], {}]`:         "word 1 of the command has __bytes__ that are no base64",
		run + `[["a"], 1], {}]`:                             "the input of the command is a number, not a string",
		run + `[["a"], "\ud800"], {}]`:                      "the input of the command holds U+D800, which stands for nothing",
		run + `["a"], {}]`:                                  "the command is a string, not an array",
		run + `[[]], {}]`:                                   "the command is empty",
		run + `[], {}]`:                                     "run_one_command takes a command and its input, not 0 arguments",
		run + `[["a"], null, null], {}]`:                    "run_one_command takes a command and its input, not 3 arguments",
		run + `null, {}]`:                                   "the arguments are null, not an array",
		run + `{}, {}]`:                                     "the arguments are an object, not an array",
		run + `[["a"]], {"stdin": ""}]`:                     "keyword arguments are not taken",
		run + `[["a"]], null]`:                              "keyword arguments are not taken",
		run + `[["a"]]]`:                                    "the request has 3 parts, not 4",
		run + `[["a"]], {}] x`:                              "the request is no JSON array",
		`{}`:                                                "the request is no JSON array",
		`null`:                                              "the request is no JSON array",
		``:                                                  "the request is no JSON array",
		"[\"\xff\"]":                                        "the request is not UTF-8",
		"[\"\xed\xb2\x80\"]":                                "the request is not UTF-8",
		"\ufeff" + run + `[["a"]], {}]`:                     "the request is no JSON array",
		run + "[[\"a\nb\"]], {}]":                           "the request is no JSON array",
		run + `[[NaN]], {}]`:                                "the request is no JSON array",
		`[1, "m", [["a"]], {}]`:                             "the object's id is a number, not a string",
		`["1", null, [["a"]], {}]`:                          "the method's name is null, not a string",
		strings.Repeat("[", 1<<17):                          "the request is no JSON array",
		`["1", "m", [["a"]], ` + strings.Repeat("[", 1<<17): "the request is no JSON array",
	} {
		_, argv, stdin, err := command(message)
		got := fmt.Sprintf("%q %q", raw(argv), stdin)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.80s\n got %s\nwant %s", message, got, want)
		}
	}
}

func raw(words []filters.Untrusted) (list []string) {
	for _, w := range words {
		list = append(list, w.Raw())
	}
	return list
}

func TestStrings(t *testing.T) {
	c, err := Parse([]byte(`[null, "create", ["rootwrap", "\udc80"], {}]`))
	if err != nil {
		t.Fatal(err)
	}
	if list, err := c.Strings(); err != nil || !slices.Equal(list, []string{"rootwrap", "\x80"}) {
		t.Errorf("%q, %v", list, err)
	}
	c, _ = Parse([]byte(`[null, "create", ["rootwrap", 1], {}]`))
	if _, err := c.Strings(); err == nil || err.Error() != "argument 1 is a number, not a string" {
		t.Error(err)
	}
}

// Many small values take many times their length: 48 MB of empty words took 2 GB.
func TestManyValues(t *testing.T) {
	many := func(n int) string {
		return `["1", "m", [["x"` + strings.Repeat(`,""`, n) + `], "a,[{\",[{"], {}]`
	}
	const others = 10 // values besides those
	if _, argv, stdin, err := command(many(maxValues - others)); err != nil || len(argv) != maxValues-others+1 || string(stdin) != `a,[{",[{` {
		t.Errorf("%d words, input %q, %v", len(argv), stdin, err)
	}
	long := many(16 << 20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, _, err := command(long)
	runtime.ReadMemStats(&after)
	if err == nil || err.Error() != "the request has more than 262144 values" {
		t.Error(err)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 2*uint64(len(long)) {
		t.Errorf("%d bytes were taken for a request of %d", taken, len(long))
	}
}

// Whatever is taken means to Python what it means here. More may be refused here.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`["1", "run_one_command", [["cat", "\udc80", "é\ud83d\ude00"], "\u0000"], {}]`,
		`[null, "run_one_command", [[{"__bytes__": "/w=="}], {"__bytes__": "AP8="}], {}]`,
		`["1", "m", [["\ud83d"], null], {}]`,
		`["1", "m", [["\ud83d\udc80\ude00\/\b"]], {"a": 1}]`,
		`[null,"m",[["a"],{"__bytes__":"YQ=\n=","__bytes__":"YQ\n=="}],{}]`,
		`["1", "m", [["a", 1, 1e5, NaN, true]], {}]`,
	} {
		f.Add([]byte(s))
	}
	o := needPython(f)
	f.Fuzz(func(t *testing.T, message []byte) {
		c, argv, stdin, err := command(string(message))
		if err != nil {
			return
		}
		var want struct {
			Error, Ident, Method, Stdin string
			Argv                        []string
		}
		o.ask(t, 'p', message, &want)
		same := want.Error == "" && len(argv) == len(want.Argv) && hex.EncodeToString(stdin) == want.Stdin &&
			hex.EncodeToString([]byte(c.Ident)) == want.Ident && hex.EncodeToString([]byte(c.Method)) == want.Method
		for i := range argv {
			same = same && hex.EncodeToString([]byte(argv[i])) == want.Argv[i]
		}
		if !same {
			t.Errorf("%q\n got %q %q %q %q\nwant %q", message, c.Ident, c.Method, raw(argv), stdin, want)
		}
	})
}

// FuzzEscape sends any bytes on the way that they take to a client and back.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain", "\x00\x7f\x80\xff", "é\xc3", "\xed\xa0\xbd\xed\xb8\x80", "\u2028\U0001f600\U0010ffff\ufffd", "\"\\/\b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var escaped []byte
		_ = escape(text, func(piece []byte) error { escaped = append(escaped, piece...); return nil })
		if len(escaped) != escapedLength(text) {
			t.Errorf("%d bytes, announced as %d", len(escaped), escapedLength(text))
		}
		message := `[null, "m", [["x"], "` + string(escaped) + `"], {}]`
		_, _, back, err := command(message)
		if err != nil || string(back) != string(text) {
			t.Errorf("%q came back as %q, %v", text, back, err)
		}
		if !json.Valid([]byte(message)) {
			t.Errorf("not JSON: %q", message)
		}
	})
}

// FuzzElements: the parts are those that encoding/json finds.
func FuzzElements(f *testing.F) {
	for _, text := range []string{`[]`, `[ ]`, `["a,b", [1,[2]], {"a":"]"} , null]`, `["\"", "\\"]`, `["\\\"",","]`, `[[[],{}],"{"]`, "[\t1\r,\n2 ]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		raw := blank([]byte(text))
		if !json.Valid(raw) || raw[0] != '[' {
			return
		}
		var want []json.RawMessage
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		got := elements(raw)
		if len(got) != len(want) {
			t.Fatalf("%q: %d parts, not %d", raw, len(got), len(want))
		}
		for i := range got {
			if string(got[i]) != string(want[i]) {
				t.Errorf("%q: part %d is %q, not %q", raw, i, got[i], want[i])
			}
		}
	})
}
