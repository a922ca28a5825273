package program

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// dynamic is what an ELF program says of where the rest of it comes from (elf(5),
// ld.so(8)).
type dynamic struct {
	interpreter string   // PT_INTERP; empty for a static program
	needed      []string // DT_NEEDED, and what is loaded likewise (DT_FILTER, DT_AUXILIARY)
	audit       []string // DT_AUDIT, DT_DEPAUDIT: lists with colons
	paths       []string // DT_RPATH, DT_RUNPATH: lists with colons
}

// Limits of what is read. The kernel takes no more program headers.
const (
	headSize   = 1024     // has the program headers and PT_INTERP of what linkers write
	maxHeaders = 64 << 10 // bytes of program headers
	maxDynamic = 64 << 10 // bytes of PT_DYNAMIC
	maxString  = 16 << 10 // bytes of one string
	maxStrings = 1 << 20  // bytes that are read for all strings
)

// Types of program headers and dynamic entries.
const (
	ptLoad, ptDynamic, ptInterp = 1, 2, 3

	dtNull, dtNeeded, dtStrtab, dtRpath, dtRunpath = 0, 1, 5, 15, 29
	dtDepAudit, dtAudit, dtAuxiliary, dtFilter     = 0x6ffffefb, 0x6ffffefc, 0x7ffffffd, 0x7fffffff
)

type segment struct {
	kind                  uint32
	offset, address, size uint64 // p_offset, p_vaddr, p_filesz
}

// readELF reads the ELF file r, of which head are the first bytes. A file that no
// kernel or loader could make sense of has no error: it does not run. The byte order
// is that of the machines there are builds for; another is some other machine's.
func readELF(r io.ReaderAt, head []byte) (d dynamic, err error) {
	if len(head) < 64 || string(head[:4]) != "\x7fELF" || head[5] != 1 {
		return d, nil
	}
	wide := head[4] == 2
	if !wide && head[4] != 1 {
		return d, nil
	}
	e := elf{r: r, head: head, wide: wide}
	var most [16]segment
	segments, err := e.segments(most[:0])
	if err != nil {
		return d, err
	}
	for _, s := range segments {
		if s.kind == ptInterp { // the kernel takes the first
			if s.size > 4096 {
				return d, nil // ENOEXEC
			}
			b, err := e.read(s.offset, s.size)
			if err != nil {
				return d, err
			}
			d.interpreter = text(b)
			break
		}
	}
	if d.interpreter == "" {
		return d, nil
	}
	for _, s := range segments {
		if s.kind == ptDynamic {
			return d, e.dynamic(&d, s, segments)
		}
	}
	return d, nil
}

type elf struct {
	r     io.ReaderAt
	head  []byte
	wide  bool   // ELFCLASS64
	part  []byte // for what is read, until the next is
	spent uint64 // bytes read for strings

	window   []byte // read last, for strings
	windowAt uint64
}

// read returns up to size bytes at offset: fewer at the end of the file. They are good
// until the next are read.
func (e *elf) read(offset, size uint64) ([]byte, error) {
	if offset > 1<<62 {
		return nil, nil
	}
	if n := uint64(len(e.head)); offset <= n && size <= n-offset {
		return e.head[offset : offset+size], nil
	}
	if uint64(len(e.part)) < size {
		e.part = make([]byte, max(size, headSize))
	}
	b := e.part[:size]
	n, err := e.r.ReadAt(b, int64(offset))
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}

// word returns an address, offset or size of the file's class.
func (e *elf) word(b []byte) uint64 {
	if e.wide {
		return binary.LittleEndian.Uint64(b)
	}
	return uint64(binary.LittleEndian.Uint32(b))
}

// segments appends the program headers to list.
func (e *elf) segments(list []segment) ([]segment, error) {
	var offset, each, count uint64
	size := uint64(32)
	if e.wide {
		size = 56
		offset, each, count = binary.LittleEndian.Uint64(e.head[32:]), uint64(binary.LittleEndian.Uint16(e.head[54:])), uint64(binary.LittleEndian.Uint16(e.head[56:]))
	} else {
		offset, each, count = uint64(binary.LittleEndian.Uint32(e.head[28:])), uint64(binary.LittleEndian.Uint16(e.head[42:])), uint64(binary.LittleEndian.Uint16(e.head[44:]))
	}
	if each != size || count*size > maxHeaders {
		return nil, nil // ENOEXEC
	}
	b, err := e.read(offset, count*size)
	if err != nil {
		return nil, err
	}
	for ; uint64(len(b)) >= size; b = b[size:] {
		s := segment{kind: binary.LittleEndian.Uint32(b)}
		if e.wide {
			s.offset, s.address, s.size = binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[32:])
		} else {
			s.offset, s.address, s.size = uint64(binary.LittleEndian.Uint32(b[4:])), uint64(binary.LittleEndian.Uint32(b[8:])), uint64(binary.LittleEndian.Uint32(b[16:]))
		}
		list = append(list, s)
	}
	return list, nil
}

func (e *elf) dynamic(d *dynamic, s segment, segments []segment) error {
	b, err := e.read(s.offset, min(s.size, maxDynamic))
	if err != nil {
		return err
	}
	size := 8
	if e.wide {
		size = 16
	}
	type entry struct{ tag, offset uint64 }
	var entries []entry
	var table uint64
	ended := false
	for ; len(b) >= size && !ended; b = b[size:] {
		tag, value := e.word(b), e.word(b[size/2:])
		switch tag {
		case dtNull:
			ended = true
		case dtStrtab:
			table = value
		case dtNeeded, dtAuxiliary, dtFilter, dtAudit, dtDepAudit, dtRpath, dtRunpath:
			entries = append(entries, entry{tag, value})
		}
	}
	if !ended && s.size > maxDynamic {
		return fmt.Errorf("its dynamic section is larger than %d KiB", maxDynamic>>10)
	}
	table, ok := mapped(segments, table)
	if !ok {
		return nil // ld.so would crash
	}
	for _, x := range entries {
		text, err := e.string(table + x.offset)
		if err != nil {
			return err
		}
		switch x.tag {
		case dtNeeded, dtAuxiliary, dtFilter:
			d.needed = append(d.needed, text)
		case dtAudit, dtDepAudit:
			d.audit = append(d.audit, text)
		case dtRpath, dtRunpath:
			d.paths = append(d.paths, text)
		}
	}
	return nil
}

// mapped returns where in the file an address of the running program comes from.
func mapped(segments []segment, address uint64) (offset uint64, ok bool) {
	for _, s := range segments {
		if s.kind == ptLoad && address >= s.address && address-s.address < s.size {
			return s.offset + (address - s.address), true
		}
	}
	return 0, false
}

// string returns the NUL-terminated string at offset. Strings that libraries are
// named by lie together in most files, so that one reading has several.
func (e *elf) string(offset uint64) (string, error) {
	for size := uint64(1024); ; size *= 4 {
		from := offset - e.windowAt
		if offset < e.windowAt || from >= uint64(len(e.window)) || bytes.IndexByte(e.window[from:], 0) < 0 {
			if e.spent += size; size > maxString || e.spent > maxStrings {
				return "", fmt.Errorf("it names libraries by strings of more than %d KiB, or too many", maxString>>10)
			}
			b, err := e.read(offset, size)
			if err != nil {
				return "", err
			}
			e.window, e.windowAt, from = b, offset, 0
			if uint64(len(b)) < size {
				return text(b), nil // the end of the file
			}
		}
		if n := bytes.IndexByte(e.window[from:], 0); n >= 0 {
			return string(e.window[from : from+uint64(n)]), nil
		}
	}
}
