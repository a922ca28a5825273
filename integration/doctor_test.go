package integration

import "testing"

func TestDoctor(t *testing.T) {
	c := newClinic(t)
	d := c.doctor()
	t.Log(d)
	t.Log(c.shell("ironwrapctl doctor neutron"))
}
