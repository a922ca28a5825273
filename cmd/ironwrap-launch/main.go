// Command ironwrap-launch becomes one command that ironwrap-daemon decided about.
// It is started by the daemon alone, ahead of need, and is of no use to anybody
// else: it takes its order from a socket that only a parent of root's can have
// made.
package main

import (
	"fmt"
	"os"

	"ironwrap/exec/launch"
	"ironwrap/filters"
)

func main() {
	told, err := launch.Serve()
	if err == nil {
		return
	}
	// What the daemon knows it tells its client; standard error is the command's.
	if !told {
		fmt.Fprintln(os.Stderr, "ironwrap-launch:", filters.Prose(err.Error()))
	}
	os.Exit(1)
}
