package packages

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// diagnosis is what doctor says, as JSON.
type diagnosis struct {
	Verdict string
	Answers []struct{ ID, State, Text string }
}

func doctor(t *testing.T, root, service string) (d diagnosis) {
	t.Helper()
	_, out := in(t, root, "root", "ironwrapctl", "doctor", "--format", "json", service)
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatalf("doctor %s: %v\n%s", service, err, out)
	}
	return d
}

// faults are the ids of what is wrong, or not known.
func (d diagnosis) faults() (ids []string) {
	for _, a := range d.Answers {
		if a.State != "ok" && a.State != "note" && !slices.Contains(ids, a.ID) {
			ids = append(ids, a.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func (d diagnosis) has(state, id string) bool {
	return slices.ContainsFunc(d.Answers, func(a struct{ ID, State, Text string }) bool { return a.State == state && a.ID == id })
}

// shipped are the faults of Debian's own configuration: filters that give much away, and
// no records; for nova a line of sudoers besides.
func shipped(service string) []string {
	list := []string{"policy-check", "records-place"}
	if service == "nova" {
		list = append(list, "sudoers-privsep-helper")
	}
	return list
}

// TestDoctor: in Debian's layout of each service doctor finds what is Debian's own, and
// besides what was broken, each thing by itself.
func TestDoctor(t *testing.T) {
	built(t)
	root := aDebian(t)
	must(t, root, append([]string{"dpkg", "-i"}, amd64(t, root, building.first)...)...)
	t.Cleanup(func() { must(t, root, append([]string{"dpkg", "--purge"}, ours(t, root)...)...) })
	for _, service := range services() {
		mine := glob(t, root+"/var/tmp/ironwrap-"+service+"_*_all.deb")[0]
		wrapper, conf := "/usr/bin/"+service+"-rootwrap", "/etc/"+service+"/rootwrap.conf"
		sudoers := root + "/etc/sudoers.d/zz-test"
		byHand := func(t *testing.T) {
			must(t, root, "dpkg", "--purge", "ironwrap-"+service)
			must(t, root, "ln", "-sf", "ironwrap", wrapper)
		}
		for _, c := range []struct {
			name         string
			break_, heal func(t *testing.T)
			state, id    string
		}{
			{"as it is", func(t *testing.T) {}, func(t *testing.T) {}, "ok", "helper-program"},
			{"a link made by hand, which the service's upgrade will replace", byHand, func(t *testing.T) {}, "warning", "helper-upgrade"},
			{"a link made by hand, which the service's upgrade has replaced", func(t *testing.T) {
				byHand(t)
				again(t, root, service)
			}, func(t *testing.T) {}, "problem", "helper-original"},
			{"sudo takes the original too", func(t *testing.T) {
				write(t, sudoers, service+" ALL = (root) NOPASSWD: "+wrapper+".oslo "+conf+" *\n", 0o440)
			}, func(t *testing.T) { os.Remove(sudoers) }, "problem", "sudoers-original"},
			{"sudo takes everything", func(t *testing.T) {
				write(t, sudoers, service+" ALL = (ALL) NOPASSWD: ALL\n", 0o440)
			}, func(t *testing.T) { os.Remove(sudoers) }, "problem", "sudoers-gives-root"},
			{"the service may write filters", func(t *testing.T) {
				must(t, root, "chown", service, "/etc/"+service+"/rootwrap.d")
			}, func(t *testing.T) { must(t, root, "chown", "root", "/etc/"+service+"/rootwrap.d") }, "problem", "policy-use"},
			{"others may change the program", func(t *testing.T) {
				must(t, root, "chmod", "0757", "/usr/bin/ironwrap")
			}, func(t *testing.T) { must(t, root, "chmod", "0755", "/usr/bin/ironwrap") }, "problem", "helper-writable"},
			{"a daemon of the program before", func(t *testing.T) {
				daemon := inside(root, "root", "ironwrap-daemon", conf)
				out, err := daemon.StdoutPipe()
				if err == nil {
					err = daemon.Start()
				}
				if err == nil {
					_, err = out.Read(make([]byte, 1)) // where it serves
				}
				if err != nil {
					t.Fatal(err)
				}
				go daemon.Wait()
				must(t, root, "sh", "-c", "cd /usr/bin && cp -p ironwrap-daemon new && mv new ironwrap-daemon")
			}, func(t *testing.T) { endAllIn(t, root) }, "warning", "daemon-old"},
		} {
			t.Run(service+", "+c.name, func(t *testing.T) {
				var d diagnosis
				func() {
					defer func() {
						c.heal(t)
						must(t, root, "dpkg", "-i", strings.TrimPrefix(mine, root)) // the links as they were
					}()
					c.break_(t)
					d = doctor(t, root, service)
				}()
				if !d.has(c.state, c.id) {
					t.Errorf("no %s [%s] in\n%+v", c.state, c.id, d)
				}
				if healed := doctor(t, root, service).faults(); !slices.Equal(healed, shipped(service)) {
					t.Errorf("afterwards: %q", healed)
				}
			})
		}
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
