package shim

import (
	"bytes"
	"context"
	"testing"

	bootapi "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// TestOlderIsTold: which protocol containerd speaks is seen from what it says.
func TestOlderIsTold(t *testing.T) {
	params, err := proto.Marshal(&bootapi.BootstrapParams{InstanceID: "c", Namespace: "n"})
	must(t, err)
	var options anypb.Any
	must(t, options.MarshalFrom(&runcoptions.Options{ShimCgroup: "/shims"}))
	given, err := proto.Marshal(&options)
	must(t, err)
	for _, c := range []struct {
		name          string
		said          []byte
		id, namespace string
		want          bool
	}{
		{"parameters", params, "c", "n", true},
		{"another container's", params, "d", "n", false},
		{"another namespace's", params, "c", "m", false},
		{"options", given, "c", "n", false},
		{"nothing", nil, "c", "n", false},
		{"nothing that can be read", []byte{0xff, 0xff}, "c", "n", false},
	} {
		if got := isBootstrap(c.said, c.id, c.namespace); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	in, err := olderParams([]string{"-namespace", "n", "-address", "/a", "-id", "c", "-debug", "start"}, given)
	must(t, err)
	var found runcoptions.Options
	if ok, err := in.FindExtension(&found); err != nil || !ok || found.ShimCgroup != "/shims" {
		t.Errorf("options: %v, %v, %+v", ok, err, &found)
	}
	if in.GetInstanceID() != "c" || in.GetNamespace() != "n" || in.GetContainerdGrpcAddress() != "/a" || in.GetLogLevel() != bootapi.LogLevel_LOG_LEVEL_DEBUG {
		t.Errorf("parameters: %v", in)
	}
}

// TestOlderBadStart: what nobody can answer is an error, and other commands are
// left to the library.
func TestOlderBadStart(t *testing.T) {
	m := &manager{name: "x"}
	for _, c := range []struct {
		args []string
		said []byte
		done bool
	}{
		{[]string{"start"}, nil, true},
		{[]string{"-id", "c", "start"}, nil, true},
		{[]string{"-namespace", "n", "-id", "c", "start"}, []byte{0xff, 0xff}, true},
		{[]string{"-id"}, nil, false},
		{[]string{"-id", "start", "delete"}, nil, false},
		{nil, nil, false},
	} {
		var out bytes.Buffer
		done, err := m.older(context.Background(), c.args, bytes.NewReader(c.said), &out)
		if done != c.done || (err != nil) != c.done || out.Len() > 0 {
			t.Errorf("%q: %v, %v, %q", c.args, done, err, out.String())
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
