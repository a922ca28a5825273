package program

import (
	"bytes"
	goelf "debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestELF reads the programs and libraries of this machine, and compares with
// debug/elf of the standard library.
func TestELF(t *testing.T) {
	paths, _ := filepath.Glob("/usr/bin/*")
	more, _ := filepath.Glob("/usr/lib/x86_64-linux-gnu/*.so*")
	others, _ := filepath.Glob("/usr/sbin/*")
	programs, bare := 0, 0
	for _, path := range slices.Concat(paths, more, others) {
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		want, err := goelf.NewFile(file)
		if err != nil {
			file.Close()
			continue
		}
		head := make([]byte, headSize)
		n, _ := file.ReadAt(head, 0)
		got, err := readELF(file, head[:n])
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		interpreter := ""
		for _, p := range want.Progs {
			if p.Type == goelf.PT_INTERP {
				b := make([]byte, p.Filesz)
				p.ReadAt(b, 0)
				interpreter = strings.TrimRight(string(b), "\x00")
			}
		}
		if got.interpreter != interpreter {
			t.Errorf("%s: interpreter %q, not %q", path, got.interpreter, interpreter)
		}
		if interpreter != "" {
			programs++
			needed, _ := want.DynString(goelf.DT_NEEDED)
			if !slices.Equal(got.needed, needed) {
				t.Errorf("%s: needs %q, not %q", path, got.needed, needed)
			}
			run, _ := want.DynString(goelf.DT_RUNPATH)
			r, _ := want.DynString(goelf.DT_RPATH)
			if both := append(r, run...); !slices.Equal(got.paths, both) {
				t.Errorf("%s: RPATH and RUNPATH %q, not %q", path, got.paths, both)
			}
		} else {
			bare++
		}
		file.Close()
	}
	if programs < 50 || bare < 5 {
		t.Errorf("only %d programs and %d others were there to compare with", programs, bare)
	}
	t.Logf("%d programs, %d others", programs, bare)
}

// narrow makes an ELF file of the 32-bit class, which few machines have any of.
func narrow(interpreter string, dynamic map[uint32]string) []byte {
	var b bytes.Buffer
	le := binary.LittleEndian
	put := func(v ...any) {
		for _, x := range v {
			binary.Write(&b, le, x)
		}
	}
	strings := []byte{0}
	var entries []uint32
	for tag, s := range dynamic {
		entries = append(entries, tag, uint32(len(strings)))
		strings = append(append(strings, s...), 0)
	}
	const base, at = 0x10000, 2048
	table := at + uint32(len(entries)+4)*4
	entries = append(entries, dtStrtab, base+table, dtNull, 0)
	put([]byte("\x7fELF\x01\x01\x01"), make([]byte, 9), uint16(2), uint16(3), uint32(1), uint32(0), uint32(52), uint32(0), uint32(0), uint16(52), uint16(32), uint16(3), uint16(0), uint16(0), uint16(0))
	header := func(kind, offset, size uint32) {
		put(kind, offset, base+offset, base+offset, size, size, uint32(4), uint32(4))
	}
	header(ptInterp, 1500, uint32(len(interpreter)+1))
	header(ptLoad, 0, table+uint32(len(strings)))
	header(ptDynamic, at, uint32(len(entries))*4)
	out := make([]byte, 4096)
	copy(out, b.Bytes())
	copy(out[1500:], interpreter)
	for i, e := range entries {
		le.PutUint32(out[at+i*4:], e)
	}
	copy(out[table:], strings)
	return out
}

func TestNarrowELF(t *testing.T) {
	data := narrow("/lib/ld-linux.so.2", map[uint32]string{dtNeeded: "libx.so", dtRpath: "/old", dtRunpath: "$ORIGIN/../lib:/x", dtAudit: "a.so:/b.so", dtFilter: "f.so"})
	got, err := readELF(bytes.NewReader(data), data[:headSize])
	slices.Sort(got.needed)
	slices.Sort(got.paths)
	if err != nil || got.interpreter != "/lib/ld-linux.so.2" || !slices.Equal(got.needed, []string{"f.so", "libx.so"}) ||
		!slices.Equal(got.paths, []string{"$ORIGIN/../lib:/x", "/old"}) || !slices.Equal(got.audit, []string{"a.so:/b.so"}) {
		t.Errorf("%+v, %v", got, err)
	}
	long := narrow("/lib/ld-linux.so.2", map[uint32]string{dtRunpath: strings.Repeat("x", 5000)})
	long = append(long, make([]byte, 4096)...)
	if _, err := readELF(bytes.NewReader(long), long[:headSize]); err != nil {
		t.Error(err)
	}
}

func FuzzELF(f *testing.F) {
	if data, err := os.ReadFile("/bin/true"); err == nil {
		f.Add(data[:min(len(data), 4096)])
	}
	f.Add(narrow("/lib/ld.so", map[uint32]string{dtNeeded: "libx.so", dtRunpath: "$ORIGIN"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := readELF(bytes.NewReader(data), data[:min(len(data), headSize)])
		all := slices.Concat(d.needed, d.audit, d.paths)
		if d.interpreter == "" && (err == nil && len(all) > 0) || len(all) > maxDynamic/8 {
			t.Errorf("%d strings", len(all))
		}
		for _, s := range append(all, d.interpreter) {
			if strings.Contains(s, "\x00") || len(s) > maxString {
				t.Errorf("%.100q", s)
			}
		}
	})
}
