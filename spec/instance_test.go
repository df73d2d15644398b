package spec_test

import (
	"math"
	"testing"

	"github.com/safe-run/safe-run/spec"
)

// TestInstance: a container never gets ids of the host's own users.
func TestInstance(t *testing.T) {
	for _, ids := range []spec.IDRange{
		{}, {First: 0, Count: 65536}, {First: 1000, Count: 65536}, {First: 131072, Count: 1},
		{First: 131072, Count: 131072}, {First: math.MaxUint32 - 65535, Count: 65536}, {First: math.MaxUint32, Count: 65536},
	} {
		in := input(t, "default")
		in.Instance.IDs = ids
		if _, err := spec.Compile(in); err == nil {
			t.Errorf("ids %+v are taken", ids)
		}
	}
	for _, id := range []string{"", "abc", instance().ID[1:] + "/", instance().ID + "0"} {
		in := input(t, "default")
		in.Instance.ID = id
		if _, err := spec.Compile(in); err == nil {
			t.Errorf("id %q is taken", id)
		}
	}
}

func TestCgroupsPath(t *testing.T) {
	for _, c := range []struct {
		host   spec.Host
		parent string
		want   string
	}{
		{hostV1(), "", "/safe-run-0123456789ab"},
		{hostV1(), "/batch/", "/batch/safe-run-0123456789ab"},
		{hostV2(), "", "system.slice:safe-run:0123456789ab"},
		{hostV2(), "machine.slice", "machine.slice:safe-run:0123456789ab"},
	} {
		in := input(t, "default")
		in.Host, in.Request.CgroupParent = c.host, c.parent
		if got := compile(t, in).OCI.Linux.CgroupsPath; got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// TestReservedLabels: labels become annotations, and some of those are orders.
func TestReservedLabels(t *testing.T) {
	for _, name := range []string{"dev.safe-run.landlock", "dev.safe-run.landlock=", "org.systemd.property.MemoryMax", "run.oci.keep_original_groups"} {
		in := input(t, "default")
		in.Request.Labels = map[string]string{name: "{}"}
		if _, err := spec.Compile(in); err == nil {
			t.Errorf("label %s is taken", name)
		}
	}
}

func TestHostname(t *testing.T) {
	in := input(t, "default")
	in.Request.Hostname = "shop-1.example"
	plan := compile(t, in)
	if plan.OCI.Hostname != "shop-1.example" || plan.Rootfs.Files[0].Content != "shop-1.example\n" {
		t.Errorf("%s, %v", plan.OCI.Hostname, plan.Rootfs.Files)
	}
	for _, bad := range []string{"-a", ".", "a b", "a/b", "ä", string(make([]byte, 65))} {
		in.Request.Hostname = bad
		if _, err := spec.Compile(in); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
