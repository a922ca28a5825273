package usage

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ironwrap/filters"
)

const (
	maxLine  = 256 << 10 // bytes; a record has 7 KiB, and journalctl may write four for each
	examples = 3         // of lines that are not as they should be
)

// Reading is what was read.
type Reading struct {
	Lines   int     `json:"lines"`
	Records int     `json:"records"`
	Other   int     `json:"other_lines"`         // of other programs, or no record
	Odd     Oddness `json:"not_understood"`      // they begin as records
	Forged  Oddness `json:"not_written_by_root"` // the journal says that somebody else sent them
	Long    int     `json:"too_long_lines"`      // not read
	Beyond  int     `json:"beyond_bounds"`       // records whose commands were not kept: there are too many different ones
	First   string  `json:"first_record,omitempty"`
	Last    string  `json:"last_record,omitempty"`
}

// Oddness counts lines, and has the first of them.
type Oddness struct {
	Count    int                 `json:"count"`
	Examples []filters.Untrusted `json:"examples,omitempty"`
}

func (o *Oddness) add(text string) {
	if o.Count++; len(o.Examples) < examples {
		o.Examples = append(o.Examples, filters.Untrusted(text[:min(len(text), 200)]))
	}
}

// Read reads records, and hands each to take. The text is journalctl's JSON, one object
// a line, or lines of a system log's file or of audit_file, in any mixture; gzip too. The
// error is the reader's.
func (g *Reading) Read(in io.Reader, take func(Record)) error {
	lines := bufio.NewReaderSize(in, maxLine)
	if magic, _ := lines.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(lines)
		if err != nil {
			return err
		}
		defer z.Close()
		lines = bufio.NewReaderSize(z, maxLine)
	}
	for {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			g.Lines++
			g.Long++
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = lines.ReadSlice('\n')
			}
		case len(line) > 0:
			g.Lines++
			g.line(strings.TrimRight(string(line), "\r\n"), take)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (g *Reading) line(line string, take func(Record)) {
	m, ok := message{}, false
	if strings.HasPrefix(line, "{") {
		m, ok = journal(line)
	} else {
		m, ok = logged(line)
	}
	if !ok || !tag.MatchString(m.tag) {
		g.Other++
		return
	}
	r, err := Parse(m.text)
	switch {
	case m.text == "": // journalctl without --all writes null for more than 4096 bytes
		g.Long++
		return
	case errors.Is(err, errOther):
		g.Other++
		return
	case m.uid != "" && m.uid != "0":
		g.Forged.add("uid " + m.uid + ": " + m.text)
		return
	case err != nil:
		g.Odd.add(m.text)
		return
	}
	g.Records++
	r.Time = m.time
	if g.First == "" {
		g.First = r.Time
	}
	if r.Time != "" {
		g.Last = r.Time
	}
	take(r)
}

// message is one of a system log.
type message struct{ time, tag, text, uid string }

// tag is what both programs call themselves in a log.
var tag = regexp.MustCompile(`^(ironwrap(-daemon)?|[A-Za-z0-9._-]*rootwrap(-daemon)?)$`)

// A line has the time as syslogd wrote it since 1980, or RFC 3339; the host, which is
// not there in audit_file; the tag.
var logLine = regexp.MustCompile(`^(?:<\d{1,3}>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:?\d\d)) (?:\S+ )?([A-Za-z0-9._-]{1,64})(?:\[\d+\])?: (.*)$`)

func logged(line string) (message, bool) {
	if !strings.Contains(line, "wrap") {
		return message{}, false
	}
	m := logLine.FindStringSubmatch(line)
	if m == nil {
		return message{}, false
	}
	return message{time: m[1], tag: m[2], text: m[3]}, true
}

// journal reads an object of "journalctl -o json" (systemd.journal-fields(7)).
func journal(line string) (message, bool) {
	var object struct {
		Message    field `json:"MESSAGE"`
		Identifier field `json:"SYSLOG_IDENTIFIER"`
		UID        field `json:"_UID"`
		Time       field `json:"__REALTIME_TIMESTAMP"`
	}
	if json.Unmarshal([]byte(line), &object) != nil {
		return message{}, false
	}
	m := message{tag: string(object.Identifier), text: string(object.Message), uid: string(object.UID)}
	if µs, err := strconv.ParseInt(string(object.Time), 10, 64); err == nil {
		m.time = time.UnixMicro(µs).UTC().Format(time.RFC3339)
	}
	return m, true
}

// field is a value of the journal's: a string, or its bytes as numbers where it is no
// text. Anything else is as good as none.
type field string

func (f *field) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*f = field(text)
		return nil
	}
	var numbers []uint8
	var list []int
	if json.Unmarshal(data, &list) == nil {
		for _, n := range list {
			numbers = append(numbers, uint8(n))
		}
		*f = field(numbers)
	}
	return nil
}
