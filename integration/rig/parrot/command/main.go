// Command command does what its arguments say, for tests of the daemon: see package
// parrot.
package main

import (
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ironwrap/integration/rig/parrot"
)

func main() {
	var o parrot.Order
	if len(os.Args) < 3 || json.Unmarshal([]byte(os.Args[2]), &o) != nil {
		os.Exit(90)
	}
	stdin, err := io.ReadAll(os.Stdin)
	if err != nil {
		os.Exit(91)
	}
	stdout, stderr := o.Say(os.Args[3:], stdin)
	for f, text := range map[*os.File][]byte{os.Stdout: stdout, os.Stderr: stderr} {
		if _, err := f.Write(text); err != nil {
			os.Exit(92)
		}
	}
	time.Sleep(time.Duration(o.Sleep) * time.Millisecond)
	if o.Status < 0 {
		// The runtime catches most signals.
		signal.Reset()
		syscall.Kill(os.Getpid(), syscall.Signal(-o.Status))
		time.Sleep(time.Minute)
	}
	os.Exit(o.Status)
}
