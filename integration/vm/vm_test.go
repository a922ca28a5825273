// Package vm plays the scenarios that only a whole machine can show, on Debian's own
// kernel: in a virtual machine that it makes from Debian's packages and boots with
// QEMU, no hardware virtualisation needed. What must come of them, with the peer and
// with ironwrap, is the table of docs/scenarios.md, row by row.
package vm

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	update = flag.Bool("update", false, "write what came of the run into the table of docs/scenarios.md")
	table  = flag.String("table", "../../docs/scenarios.md", "the `file` with the table")
	played = flag.String("rows", "", "compare the rows in `file`, which another machine left, and boot none")
	image  = flag.Bool("image", false, "make the image, say where it is, and boot none")
	long   = flag.Bool("long", false, "boot the machines that take longer")
)

const cache = "../../bin/vm" // what .gitignore covers and make clean removes

// For a machine, so that one that hangs ends. It takes some minutes where
// nobody else works.
const patience = 55 * time.Minute

func TestScenarios(t *testing.T) {
	if *played != "" {
		compare(t, read(t, *played), scripts(t, "scenarios"))
		return
	}
	skip := t.Skipf
	if *image {
		skip = t.Fatalf
	}
	if os.Geteuid() != 0 {
		skip("not root, who alone can make the image: no scenario of docs/scenarios.md was checked")
	}
	programs := []string{"qemu-system-x86_64", "qemu-img", "mmdebstrap", "mke2fs", "cpio"}
	if err := install(programs, "qemu-system-x86", "qemu-utils", "mmdebstrap", "e2fsprogs", "cpio"); err != nil {
		skip("no QEMU to be had here (%v): no scenario of docs/scenarios.md was checked", err)
	}
	kind := map[bool]string{false: "short", true: "long"}[*long]
	from := makeImage(t, kind)
	if *image {
		fmt.Println(from)
		return
	}
	dir := t.TempDir()
	makePayload(t, kind, dir)
	list := machines(t, kind)
	rows, names := make([]string, len(list)), []string{}
	t.Run("machines", func(t *testing.T) {
		for i, m := range list {
			names = append(names, m.scripts...)
			t.Run(strings.Join(m.scripts, " "), func(t *testing.T) {
				t.Parallel()
				rows[i] = m.play(t, from, dir+"/payload")
			})
		}
	})
	if *update && t.Failed() {
		t.Fatal("the table stays as it was: not all scenarios were played to their end")
	}
	compare(t, together(rows), names)
}

// machine is a line of the file machines. Those of a kind run beside each other, since
// a script keeps one processor busy.
type machine struct {
	kind    string // short or long
	module  string // the security module of its kernel
	scripts []string
}

func machines(t *testing.T, kind string) (list []machine) {
	t.Helper()
	for line := range strings.Lines(read(t, "machines")) {
		f := strings.Fields(line)
		if len(f) < 3 {
			t.Fatalf("not a machine: %q", line)
		}
		if f[0] == kind {
			list = append(list, machine{f[0], f[1], f[2:]})
		}
	}
	return list
}

// play boots the machine, and returns the rows of its scripts.
func (m machine) play(t *testing.T, image, payload string) string {
	t.Helper()
	parameters := "security=" + m.module + " ironwrap.scenarios=" + strings.Join(m.scripts, ",")
	if m.module == "selinux" {
		parameters += " enforcing=1"
	}
	out := boot(t, image, payload, parameters)
	t.Logf("the machine's log:\n%s", read(t, out+"/log"))
	if rc := strings.TrimSpace(read(t, out+"/rc")); rc != "0" {
		t.Errorf("run.sh ended with status %s", rc)
	}
	return read(t, out+"/rows")
}

// together are the rows of all machines, script by script. One that more of them play
// counts once where it came out the same.
func together(machines []string) string {
	var all []string
	for _, rows := range machines {
		before := len(all)
		for line := range strings.Lines(rows) {
			if !slices.Contains(all[:before], line) {
				all = append(all, line)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b string) int {
		a, _, _ = strings.Cut(a, "/")
		b, _, _ = strings.Cut(b, "/")
		return strings.Compare(a, b)
	})
	return strings.Join(all, "")
}

// install sees to it that the programs are there, from Debian's packages.
func install(programs []string, packages ...string) error {
	missing := func() bool {
		return slices.ContainsFunc(programs, func(program string) bool {
			_, err := exec.LookPath(program)
			return err != nil
		})
	}
	if !missing() {
		return nil
	}
	c := exec.Command("sh", "-c", `apt-get update -qq; apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@"`, "sh")
	c.Args = append(c.Args, packages...)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := c.CombinedOutput(); err != nil || missing() {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%v: %s", err, lines[len(lines)-1])
	}
	return nil
}

// makeImage returns the directory with root.raw, vmlinuz and initrd. They depend on
// two scripts alone, so that a run finds those of a run before.
func makeImage(t *testing.T, kind string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(read(t, "image.sh") + read(t, "debian.sh")))
	dir, err := filepath.Abs(fmt.Sprintf("%s/%s-%x", cache, kind, sum[:8]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir + "/done"); err == nil {
		return dir
	}
	old, _ := filepath.Glob(cache + "/" + kind + "-*")
	for _, dir := range old {
		os.RemoveAll(dir)
	}
	run(t, ".", nil, "./image.sh", dir, kind)
	write(t, dir+"/done", "")
	return dir
}

// makePayload writes dir/payload, a tar of scripts and programs.
func makePayload(t *testing.T, kind, dir string) {
	t.Helper()
	run(t, ".", nil, "./payload.sh", dir+"/payload", kind)
	truncate(t, dir+"/payload", 256<<20)
}

// boot runs a machine to its end and returns the directory with what it left.
func boot(t *testing.T, image, payload string, parameters string) string {
	t.Helper()
	dir := t.TempDir()
	disk, result := dir+"/root.qcow2", dir+"/result"
	run(t, dir, nil, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image+"/root.raw", disk)
	truncate(t, result, 16<<20)
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "file:" + dir + "/console",
		// Without KVM always, and so everywhere the same: some machines have one that
		// hangs.
		"-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem", "-smp", "2", "-m", "1536",
		"-kernel", image + "/vmlinuz",
		"-append", "console=ttyS0 root=/dev/nvme0n1 rootfstype=ext4 rw quiet panic=-1 mitigations=off systemd.unit=ironwrap-vm.target" +
			" systemd.mask=systemd-udevd.service systemd.mask=systemd-udev-trigger.service " + parameters,
		"-device", "virtio-rng-pci",
		"-drive", "if=none,id=root,cache=unsafe,file=" + disk, "-device", "nvme,drive=root,serial=root", // the kernel has NVMe built in
		"-drive", "if=none,id=payload,format=raw,readonly=on,file=" + payload, "-device", "virtio-blk-pci,drive=payload,serial=payload",
		"-drive", "if=none,id=result,format=raw,cache=unsafe,file=" + result, "-device", "virtio-blk-pci,drive=result,serial=result",
	}
	start := time.Now()
	c := exec.Command("qemu-system-x86_64", args...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { c.Process.Kill() })
	err := c.Wait()
	late.Stop()
	t.Logf("the machine ran for %v", time.Since(start).Round(time.Second))
	out := dir + "/out"
	os.Mkdir(out, 0o755)
	if tar, tarErr := exec.Command("tar", "-xf", result, "-C", out).CombinedOutput(); err != nil || tarErr != nil {
		console, _ := os.ReadFile(dir + "/console")
		t.Fatalf("the machine left no result (QEMU: %v, %s; tar: %v, %s); its console:\n%s", err, said.Bytes(), tarErr, tar, console[max(0, len(console)-8000):])
	}
	return out
}

func run(t *testing.T, dir string, env []string, argv0 string, args ...string) {
	t.Helper()
	c := exec.Command(argv0, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", argv0, args, err, out)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// truncate makes a file as long as a disk.
func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
}
