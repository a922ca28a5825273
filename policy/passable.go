package policy

import (
	"fmt"
	"os"

	"ironwrap/filters"
)

// What execve(2) takes (fs/exec.c): one word with its NUL byte, MAX_ARG_STRLEN, 32
// pages; all words and variables with theirs, and eight bytes for each, a quarter of
// the stack limit, but at least 128 KiB and at most 6 MiB.
const (
	leastTotal = 128 << 10
	mostTotal  = 6 << 20
)

var maxWord = 32*os.Getpagesize() - 1

// TooLongError tells that execve(2) cannot take a command's words and variables.
type TooLongError struct{ what string }

func (e *TooLongError) Error() string {
	return "cannot pass the arguments: argument list too long: " + e.what
}

// Passable returns a *TooLongError where no limit of the stack lets words through
// execve(2). It is asked before any filter, so that none has to read more.
func Passable(words []filters.Untrusted) error { return passable(words, nil, mostTotal) }

// Fits returns a *TooLongError where execve(2) would not take the words, the first of
// which is the program, and variables, with a stack limit of so many bytes.
func Fits(words []filters.Untrusted, env []filters.Var, stack uint64) error {
	return passable(words, env, int(min(max(stack/4, leastTotal), mostTotal)))
}

func passable(words []filters.Untrusted, env []filters.Var, most int) error {
	const overhead = 1 + 8 // the NUL byte, the pointer
	total := 0
	for i, w := range words {
		if len(w) > maxWord {
			return &TooLongError{fmt.Sprintf("word %d has %d bytes, execve(2) takes %d at most", i, len(w), maxWord)}
		}
		total += len(w) + overhead
	}
	for _, v := range env {
		n := len(v.Name) + 1 + len(v.Value)
		if n > maxWord {
			return &TooLongError{fmt.Sprintf("variable %s has %d bytes, execve(2) takes %d at most", v.Name, n, maxWord)}
		}
		total += n + overhead
	}
	if env != nil { // the program's path stands before the words once more
		total += len(words[0]) + 1
	}
	if total > most {
		return &TooLongError{fmt.Sprintf("%d words and %d variables take %d bytes, execve(2) takes %d at most", len(words), len(env), total, most)}
	}
	return nil
}
