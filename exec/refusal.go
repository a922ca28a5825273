package exec

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"ironwrap/exec/launch"
	"ironwrap/filters"
	"ironwrap/policy"
)

// Exit statuses, the peer's. A command that ran has its own.
const (
	NotExecutable = 96
	BadConfig     = 97
	NoCommand     = 98
	Unauthorized  = 99
)

// Refusal is what a caller is told of a decision that lets nothing run.
func Refusal(d policy.Decision, argv []filters.Untrusted) (status int, text string) {
	switch {
	case d.Verdict == policy.NotExecutable:
		return NotExecutable, fmt.Sprintf("Executable not found: %s (filter match = %s): %s",
			filters.Show(d.Filter.Exec()), filters.Show(d.Filter.Name), d.Why)
	case d.Verdict == policy.TooLong:
		return BadConfig, d.Why
	case d.Why != "": // nobody's decision, but what hindered one
		return Unauthorized, fmt.Sprintf("Unauthorized command: %s (no filter matched): %s", filters.Line(argv), d.Why)
	}
	return Unauthorized, fmt.Sprintf("Unauthorized command: %s (no filter matched); ironwrapctl explain tells why", filters.Line(argv))
}

// Failure is what a caller is told of an allowed command that could not be run.
func Failure(d policy.Decision, err error) (status int, text string) {
	var program *launch.ExecError
	var signal *launch.SignalError
	switch {
	case errors.As(err, &program):
		return NotExecutable, fmt.Sprintf("Executable not found: %s (filter match = %s): %v",
			program.Path.Show(), filters.Show(d.Filter.Name), program.Err)
	case errors.As(err, &signal):
		text := err.Error()
		if held := d.Confinements(); len(held) > 0 && !errors.Is(err, unix.ESRCH) {
			text += fmt.Sprintf(": the signal is sent within the sandbox of %s, which may not allow it", held[0].Whose)
		}
		return 1, text
	}
	return BadConfig, err.Error()
}
