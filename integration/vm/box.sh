#!/bin/sh
# box.sh IMAGE FILE
#
# Makes FILE, a box for Vagrant's libvirt, of what image.sh left in the directory
# IMAGE. It boots its kernel directly, and without KVM, as make vm-test does.
set -eu
image=$(realpath "$1") file=$(realpath "$2")
dir=$(mktemp -d "$file.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
qemu-img convert -f raw -O qcow2 "$image/root.raw" box.img
cp "$image/vmlinuz" "$image/initrd" .
echo '{"provider": "libvirt", "format": "qcow2", "virtual_size": 2}' >metadata.json
cat >Vagrantfile <<'END'
Vagrant.configure("2") do |config|
  config.vm.boot_timeout = 900
  config.vm.provider "libvirt" do |libvirt|
    libvirt.driver = "qemu"
    libvirt.cpu_mode = "custom"
    libvirt.cpu_model = "Nehalem"
    libvirt.kernel = File.expand_path("vmlinuz", __dir__)
    libvirt.initrd = File.expand_path("initrd", __dir__)
    libvirt.cmd_line = "console=ttyS0 root=/dev/vda rw quiet net.ifnames=0 mitigations=off"
  end
end
END
tar -cf "$file" metadata.json Vagrantfile box.img vmlinuz initrd
