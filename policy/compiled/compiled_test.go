package compiled

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ironwrap/policy/document"
	"ironwrap/policy/trust"
)

func TestMain(m *testing.M) {
	Build = "test-1"
	m.Run()
}

// alphabet are words of filters, with those that a careless reader would stumble over.
var alphabet = []string{"", "ip", "kill", "cat", "/bin/ip", "\xff\xfe", "eight-ch", "eight-chx", "\x00", "a\nb", strings.Repeat("w", 300), "ä"}

// random makes a policy of so many lines.
func random(r *rand.Rand, lines int) *Policy {
	p := &Policy{Build: Build, Path: "/etc/" + text(r, 20) + "/rootwrap.conf", Conf: &document.Document{Defaults: entries(r, 5)}}
	for i := range r.IntN(5) {
		p.Conf.Sections = append(p.Conf.Sections, &document.Section{Name: fmt.Sprintf("Profile:%d", i), Line: r.IntN(1000), Own: entries(r, 4)})
	}
	for i := range 1 + r.IntN(6) {
		p.Sources = append(p.Sources, Source{Kind: Kind(r.IntN(4)), Path: fmt.Sprintf("/etc/%d/%s", i, text(r, 30)), Identity: identityOf(r)})
	}
	for i := range lines {
		l := Line{Entry: document.Entry{Key: fmt.Sprintf("f%d", i), Value: text(r, 60), Line: r.IntN(1 << 20)}, Source: r.IntN(len(p.Sources))}
		switch r.IntN(4) {
		case 0:
			l.Own = []document.Entry{}
		case 1:
			l.Own = append(l.Own, document.Entry{Key: "seccomp", Value: "none", Line: 7})
		}
		for range r.IntN(4) {
			l.Words = append(l.Words, word(r, lines))
		}
		l.Always = r.IntN(20) == 0
		l.Prefix = max(0, r.IntN(30)-25)
		p.Lines = append(p.Lines, l)
	}
	return p
}

func word(r *rand.Rand, lines int) string {
	if r.IntN(3) == 0 {
		return alphabet[r.IntN(len(alphabet))]
	}
	return fmt.Sprintf("program%d", r.IntN(lines+1))
}

func text(r *rand.Rand, most int) string {
	b := make([]byte, r.IntN(most))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func entries(r *rand.Rand, most int) (list []document.Entry) {
	for i := range r.IntN(most) {
		list = append(list, document.Entry{Key: fmt.Sprint("key", i), Value: text(r, 40), Line: r.IntN(100)})
	}
	return list
}

func identityOf(r *rand.Rand) trust.Identity {
	return trust.Identity{
		Dev: r.Uint64(), Ino: r.Uint64(), Size: r.Uint64(), Nlink: r.Uint64(), Mtime: int64(r.Uint64()), Ctime: int64(r.Uint64()),
		Mode: r.Uint32(), UID: r.Uint32(), GID: r.Uint32(), Local: r.IntN(2) == 0,
	}
}

func encode(t testing.TB, p *Policy) []byte {
	t.Helper()
	data, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// search is what Book.Lines is to say, by the plainest way.
func search(p *Policy, words []string) []Line {
	found := []Line{}
	for _, l := range p.Lines {
		if l.Always || slices.ContainsFunc(l.Words, func(w string) bool { return slices.Contains(words, w) }) {
			l.Words, l.Always, l.Prefix = nil, false, 0 // which are not read back
			found = append(found, l)
		}
	}
	return found
}

func prefixes(p *Policy) []int {
	list := []int{}
	for _, l := range p.Lines {
		if l.Prefix > 0 && !slices.Contains(list, l.Prefix) {
			list = append(list, l.Prefix)
		}
	}
	return list
}

func sources(b *Book) (list []Source) {
	for _, s := range b.Sources() {
		list = append(list, s)
	}
	return list
}

// same tells that b says what p does, of rootwrap.conf and of each set of words. The error
// is a reader's.
func same(p *Policy, b *Book, questions [][]string) (bool, error) {
	if b.Path != p.Path || !slices.Equal(sources(b), p.Sources) || !slices.Equal(b.Prefixes(), prefixes(p)) ||
		!reflect.DeepEqual(b.Conf.Defaults, p.Conf.Defaults) || !slices.EqualFunc(b.Conf.Sections, p.Conf.Sections, func(x, y *document.Section) bool { return reflect.DeepEqual(x, y) }) {
		return false, nil
	}
	for _, words := range questions {
		lines, err := b.Lines(words)
		if err != nil {
			return true, err
		}
		if !reflect.DeepEqual(lines, search(p, words)) {
			return false, nil
		}
	}
	return true, nil
}

// questions are sets of words: none, each alone, and some together.
func questions(r *rand.Rand, p *Policy) [][]string {
	list := [][]string{nil, {"not there"}, alphabet, {"ip", "ip"}}
	var all []string
	for _, l := range p.Lines {
		all = append(all, l.Words...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, w := range all {
		list = append(list, []string{w})
	}
	for range min(20, len(all)) {
		list = append(list, []string{all[r.IntN(len(all))], "not there", all[r.IntN(len(all))], all[r.IntN(len(all))]})
	}
	return list
}

func TestRoundTrip(t *testing.T) {
	for lines, seeds := range map[int]uint64{0: 20, 1: 20, 2: 20, 17: 20, 229: 10, 1500: 1} { // of 1500 there are more pages than one
		for seed := range seeds {
			r := rand.New(rand.NewPCG(seed, uint64(lines)))
			p := random(r, lines)
			data := encode(t, p)
			if again := encode(t, p); !bytes.Equal(again, data) {
				t.Fatalf("%d lines, seed %d: encoded twice it is not the same", lines, seed)
			}
			b, err := Open(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatalf("%d lines, seed %d: %v", lines, seed, err)
			}
			if ok, err := same(p, b, questions(r, p)); !ok || err != nil {
				t.Errorf("%d lines, seed %d: it is not read as it was written (%v)", lines, seed, err)
			}
		}
	}
}

// Words of one hash share a list, so that what is asked in vain is asked in its place.
func TestSharedList(t *testing.T) {
	p := small()
	p.Lines = []Line{
		{Entry: document.Entry{Key: "a"}, Words: []string{"x", "y"}},
		{Entry: document.Entry{Key: "b"}, Words: []string{"y"}, Always: true},
		{Entry: document.Entry{Key: "c"}, Words: []string{"x", "x"}},
	}
	data := encode(t, p)
	b, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := same(p, b, [][]string{{"x", "y"}, {"y", "x", "y"}, {"x"}, {"y"}, nil}); !ok || err != nil {
		t.Errorf("a line is missing, out of its order or there twice (%v)", err)
	}
}

// What another build has written is not obeyed, nor what none has.
func TestBuild(t *testing.T) {
	for _, build := range []string{"", "test-2", "test-1 ", "test-"} {
		p := small()
		p.Build = build
		data := encode(t, p)
		if _, err := Open(bytes.NewReader(data), int64(len(data))); err != ErrDamaged {
			t.Errorf("of build %q: %v", build, err)
		}
	}
}

// counting counts what is read.
type counting struct {
	*bytes.Reader
	calls, bytes int
}

func (c *counting) ReadAt(p []byte, at int64) (int, error) {
	c.calls++
	c.bytes += len(p)
	return c.Reader.ReadAt(p, at)
}

// deployed is a policy of n lines of usual length in n/10 files of usual paths, each line
// with a word of its own and its path, eight of them with one that they share.
func deployed(n int) *Policy {
	p := small()
	for i := range n {
		if i%10 == 0 {
			p.Sources = append(p.Sources, Source{Kind: File, Path: fmt.Sprintf("/etc/neutron/rootwrap.d/%05d.filters", i)})
		}
		name := fmt.Sprintf("program%d", i)
		l := Line{
			Entry:  document.Entry{Key: fmt.Sprint("filter", i), Value: "CommandFilter, /usr/bin/" + name + ", root", Line: i%10 + 2},
			Source: len(p.Sources) - 1,
			Words:  []string{"/usr/bin/" + name, name},
		}
		if i%(n/8) == 0 {
			l.Words = append(l.Words, "ip")
		}
		p.Lines = append(p.Lines, l)
	}
	return p
}

// TestReads holds what a call reads: of a large policy hardly more than of a small one,
// and nothing twice. The head grows with the files, the rest does not with anything.
func TestReads(t *testing.T) {
	const page, list, line = pageEntries*entrySize + sumSize, placeSize + sumSize, 150
	for _, c := range []struct {
		lines, opening, head int // pread calls of Open, size of its blocks in bytes
	}{
		{229, 1, tailSize},
		{10_003, 2, 130 << 10},
		{50_000, 2, 620 << 10},
	} {
		data := encode(t, deployed(c.lines))
		in := &counting{Reader: bytes.NewReader(data)}
		b, err := Open(in, int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if in.calls != c.opening || in.bytes > tailSize+c.head {
			t.Errorf("%d lines: opening takes %d calls and %d bytes", c.lines, in.calls, in.bytes)
		}
		last := fmt.Sprintf("program%d", c.lines-1)
		for _, q := range []struct {
			words            []string
			found, calls, of int
		}{
			{nil, 0, 0, 0},
			{[]string{last}, 1, 3, page + list + line},
			{[]string{"/usr/bin/" + last}, 1, 3, page + list + line},
			{[]string{"not there"}, 0, 1, page},
			{[]string{"ip"}, 8, 2 + 8, page + list + 8*(placeSize+line)},
			{[]string{"env", last}, 1, 4, 2*page + list + line},
		} {
			in.calls, in.bytes = 0, 0
			lines, err := b.Lines(q.words)
			if err != nil {
				t.Fatal(err)
			}
			if q.words != nil && q.words[0] == "ip" {
				if len(lines) != 8 && len(lines) != 9 {
					t.Fatalf("%d lines: ip finds %d", c.lines, len(lines))
				}
				q.calls, q.of = q.calls+1, q.of+placeSize+line
			} else if len(lines) != q.found {
				t.Errorf("%d lines: %q finds %d", c.lines, q.words, len(lines))
			}
			if in.calls > q.calls || in.bytes > q.of {
				t.Errorf("%d lines: %q takes %d calls and %d bytes, not %d and %d", c.lines, q.words, in.calls, in.bytes, q.calls, q.of)
			}
		}
	}
}

// A reader's error is told as it is: nothing is known of the file then.
func TestReaderFails(t *testing.T) {
	data := encode(t, deployed(2000))
	for n := range 5 {
		in := &failing{counting{Reader: bytes.NewReader(data)}, n}
		b, err := Open(in, int64(len(data)))
		if err == nil {
			_, err = b.Lines([]string{"program1999"})
		}
		if err != io.ErrUnexpectedEOF {
			t.Errorf("failing at call %d: %v", n, err)
		}
	}
}

type failing struct {
	counting
	at int
}

func (f *failing) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.counting.ReadAt(p, at)
	if f.calls > f.at {
		return n / 2, io.ErrUnexpectedEOF
	}
	return n, err
}

// No size is too small, too large or wrong.
func TestSizes(t *testing.T) {
	data := encode(t, small())
	for _, size := range []int64{math.MinInt64, -1, 0, 1, int64(endSize) - 1, int64(endSize), int64(len(data)) - 1, int64(len(data)) + 1, 1<<31 + 1, 1<<32 + int64(len(data)), math.MaxInt64} {
		if b, err := Open(bytes.NewReader(data), size); err == nil {
			t.Errorf("%d bytes said to be %d: %+v", len(data), size, b)
		}
	}
}
