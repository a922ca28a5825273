// Command ironwrap-launch runs what ironwrap-daemon decided about. It is started
// by the daemon alone, ahead of need, and is of no use to anybody else: it takes
// its orders from a socket that only a parent of root's can have made.
package main

import (
	"fmt"
	"os"

	"ironwrap/exec/launch"
	"ironwrap/filters"
)

func main() {
	if err := launch.Serve(); err != nil {
		fmt.Fprintln(os.Stderr, "ironwrap-launch:", filters.Prose(err.Error()))
		os.Exit(1)
	}
}
