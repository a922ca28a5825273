package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScript runs testdata/script: each file is a session with the real program.
// What ironwrapctl reads must be root's, so that without root nothing but wrong use
// could be shown.
func TestScript(t *testing.T) {
	if os.Geteuid() != 0 {
		fmt.Println("SKIP ironwrapctl: not root: no session of testdata/script was run; run make test as root")
		t.Skip("not root")
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != ""})
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ironwrapctl": main})
}
