package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

var (
	//go:embed c/starter.c
	starterC string
	//go:embed c/floor.c
	floorC string
)

const floorGo = `package main

import (
	"os"
	"syscall"
)

func main() {
	syscall.Exec("/bin/true", []string{"/bin/true"}, []string{"PATH=/usr/bin:/bin"})
	os.Exit(1)
}
`

// buildHelpers puts into dir the program that starts and measures, and the two floors.
func buildHelpers(dir string) error {
	for name, text := range map[string]string{"starter.c": starterC, "floor.c": floorC, "floor.go": floorGo} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, argv := range [][]string{
		{"gcc", "-O2", "-static", "-s", "-o", dir + "/starter", dir + "/starter.c"},
		{"gcc", "-O2", "-static", "-s", "-o", dir + "/floor-c.built", dir + "/floor.c"},
		{"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", dir + "/floor-go.built", dir + "/floor.go"},
	} {
		c := exec.Command(argv[0], argv[1:]...)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot build %s: %v\n%s", argv[len(argv)-1], err, out)
		}
	}
	for _, name := range []string{"floor-c", "floor-go"} {
		if err := replicate(dir+"/"+name+".built", dir+"/"+name, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// replicate copies a program that is measured. How a file came into the page cache (in
// which pieces, written or read) moves a call by 0.1 to 0.5 ms: so all of them come there
// in the same way, and what compares is the program.
func replicate(from, to string, mode os.FileMode) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// usage is what one call cost.
type usage struct {
	wall, cpu float64 // ms; cpu is of the program and of what it waited for
	faults    float64
	rss       float64 // KiB, the largest
}

// starter runs calls and measures them.
type starter struct{ path string }

// once runs argv with env (nil for a small one) and wants the exit status.
func (s starter) once(argv, env []string, status int) (usage, error) {
	if env == nil {
		env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C"}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return usage{}, err
	}
	defer r.Close()
	var stderr bytes.Buffer
	c := exec.Command(s.path, argv...)
	c.Env, c.ExtraFiles, c.Stderr = env, []*os.File{w}, &stderr
	err = c.Run()
	w.Close()
	if err != nil {
		return usage{}, fmt.Errorf("cannot run %.80q: %w", argv, err)
	}
	line, err := io.ReadAll(r)
	if err != nil {
		return usage{}, err
	}
	var ns, us, faults, rss int64
	var ws syscall.WaitStatus
	if _, err := fmt.Sscan(string(line), &ns, &us, &faults, &rss, &ws); err != nil {
		return usage{}, fmt.Errorf("the starter said %q: %w", line, err)
	}
	if !ws.Exited() || ws.ExitStatus() != status {
		return usage{}, fmt.Errorf("%.80q ended with wait status %#x: %.300s", argv, ws, &stderr)
	}
	return usage{float64(ns) / 1e6, float64(us) / 1e3, float64(faults), float64(rss)}, nil
}
