package vm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Vagrant takes the Vagrantfile, with either provider and with either kind of box,
// and would not take one that is wrong. Booting is for make vagrant-test.
func TestVagrantValidate(t *testing.T) {
	if err := install([]string{"vagrant"}, "vagrant", "vagrant-libvirt"); err != nil {
		t.Skipf("no Vagrant to be had here (%v): the Vagrantfile was not checked", err)
	}
	good := read(t, "../../Vagrantfile")
	for _, provider := range []string{"libvirt", "virtualbox"} {
		t.Run(provider, func(t *testing.T) {
			for _, box := range []string{"", "box"} { // a file, where it has a name
				out, err := validate(t, good, provider, box)
				if strings.Contains(out, "'"+provider+"' could not be found") {
					t.Skipf("Vagrant has no provider %s here: the Vagrantfile was not checked for it", provider)
				}
				if err != nil {
					t.Errorf("box %q: %v\n%s", box, err, out)
				}
			}
			bad := strings.Replace(good, provider+".memory", provider+".memorie", 1)
			if out, err := validate(t, bad, provider, ""); err == nil || !strings.Contains(out, "memorie") {
				t.Errorf("a wrong Vagrantfile passed: %v\n%s", err, out)
			}
		})
	}
}

func validate(t *testing.T, vagrantfile, provider, box string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir+"/Vagrantfile", vagrantfile)
	write(t, dir+"/box", "")
	os.MkdirAll(dir+"/bin/vagrant", 0o755)
	write(t, dir+"/bin/vagrant/payload.tar.gz", "") // it has to be there
	// So has VirtualBox, which Debian does not have: what it is asked is its version.
	if err := os.WriteFile(dir+"/bin/VBoxManage", []byte("#!/bin/sh\necho 7.0.20r163906\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("vagrant", "validate")
	c.Dir = dir
	c.Env = append(os.Environ(), "VAGRANT_HOME="+dir+"/home", "VAGRANT_CHECKPOINT_DISABLE=1", "VAGRANT_DEFAULT_PROVIDER="+provider,
		"PATH="+dir+"/bin:"+os.Getenv("PATH"))
	if box != "" {
		c.Env = append(c.Env, "IRONWRAP_BOX="+filepath.Join(dir, box))
	}
	out, err := c.CombinedOutput()
	return string(out), err
}
