package program

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// scriptSize is how many bytes of a script the kernel looks at (BINPRM_BUF_SIZE).
const scriptSize = 256

// shebang returns the interpreter that the first line of a script names, with its
// argument (one word, which may be empty, or none), step by step as load_script of the
// kernel finds them (fs/binfmt_script.c); ok is false where execve(2) answers ENOEXEC.
func shebang(head []byte) (interpreter string, args []string, ok bool) {
	const last = scriptSize - 1
	var buf [scriptSize]byte
	copy(buf[:], head)
	if buf[0] != '#' || buf[1] != '!' {
		return "", nil, false
	}
	end := bytes.IndexByte(buf[:], '\n')
	if nul := bytes.IndexByte(buf[:], 0); nul >= 0 && nul < end {
		end = -1
	}
	if end < 0 {
		// Without a blank or NUL behind it the path may have been cut off.
		name := next(buf[:], 2, last, func(c byte) bool { return !blank(c) })
		if name < 0 || next(buf[:], name, last, terminator) < 0 {
			return "", nil, false
		}
		end = last
	}
	for blank(buf[end-1]) {
		end--
	}
	name := next(buf[:], 2, end, func(c byte) bool { return !blank(c) })
	if name < 0 || name == end {
		return "", nil, false
	}
	word := -1
	if stop := next(buf[:], name, end, terminator); stop >= 0 && buf[stop] != 0 {
		word = next(buf[:], stop, end, func(c byte) bool { return !blank(c) })
	}
	if word >= 0 {
		args = []string{text(buf[word:end])}
	}
	interpreter = text(buf[name:end])
	if i := strings.IndexAny(interpreter, " \t"); i >= 0 {
		interpreter = interpreter[:i]
	}
	return interpreter, args, true
}

// next returns the first index from from up to and with to that holds such a byte; -1
// for none.
func next(buf []byte, from, to int, such func(byte) bool) int {
	for i := from; i <= to; i++ {
		if such(buf[i]) {
			return i
		}
	}
	return -1
}

func blank(c byte) bool      { return c == ' ' || c == '\t' }
func terminator(c byte) bool { return blank(c) || c == 0 }

// text is what stands before the first NUL.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// errEnv tells that an argument of env(1) says more than what to run.
var errEnv = errors.New("its first line makes env(1) do more than look for an interpreter: name the interpreter by its path there")

// env returns the words that env(1) executes when it is called with one argument, as
// in "#!/usr/bin/env python3" or "#!/usr/bin/env -S python3 -I"; none where it
// executes the script itself again, or nothing. clean tells that it takes PATH away.
func env(arg string) (words []string, clean bool, err error) {
	split, ok := "", false
	if option, value, given := strings.Cut(arg, "="); given && len(option) > len("--") && strings.HasPrefix("--split-string", option) {
		split, ok = value, true // options may be shortened (getopt_long(3))
	}
	if !ok && strings.HasPrefix(arg, "-") {
		options, rest, found := strings.Cut(arg[1:], "S")
		if !found || strings.Trim(options, "iv0") != "" {
			return nil, false, nil // the script is its next word
		}
		split, ok, clean = rest, true, strings.Contains(options, "i")
	}
	if !ok {
		if arg == "" || strings.Contains(arg, "=") {
			return nil, false, nil
		}
		return []string{arg}, false, nil
	}
	// A word with any of these means something else than it says.
	if strings.ContainsAny(split, "\\'\"$#") {
		return nil, false, errEnv
	}
	words = strings.FieldsFunc(split, func(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r", r) })
	for len(words) > 0 {
		name, _, assigned := strings.Cut(words[0], "=")
		switch {
		case words[0] == "-i" || words[0] == "-" || words[0] == "--ignore-environment":
			clean = true
		case strings.HasPrefix(words[0], "-"):
			return nil, false, errEnv
		case !assigned:
			return words, clean, nil
		case name == "PATH" || strings.HasPrefix(name, "LD_"):
			return nil, false, fmt.Errorf("its first line makes env(1) set %s: name the interpreter by its path there", name)
		}
		words = words[1:]
	}
	return nil, false, nil
}

// operands returns the paths that the first line of a script gives its interpreter
// besides the script: a script of its own, a program to run, a directory to load from
// ("/lib/x.pl", "-I/lib", "--file=/x"). What stands behind another "=" is data, and so is
// a word with a slash ("s/a/b/"), but for what is known to run scripts.
func operands(words []string, known bool) (paths []string) {
	for i, w := range words {
		for j, f := range strings.Fields(w) {
			at := strings.IndexByte(f, '/')
			if at < 0 {
				continue
			}
			switch option := f[:at]; {
			case option == "", strings.HasPrefix(option, "-"):
				paths = append(paths, f[at:])
			case known && i+j == 0 && !strings.Contains(option, "="):
				paths = append(paths, f)
			}
		}
	}
	return paths
}
