package cli

import (
	"fmt"
	"reflect"
	"testing"
)

func TestParseMount(t *testing.T) {
	tests := []struct{ text, want string }{
		{"type=bind,source=/srv,target=/data", "type=bind,source=/srv,target=/data"},
		{"source=/srv,target=/data,readonly", "type=bind,source=/srv,target=/data,readonly"},
		{"type=bind,src=./a,dst=/b,ro=true,exec", "type=bind,source=./a,target=/b,readonly,exec"},
		{"type=bind,src=./a,destination=/b,readonly=false,bind-propagation=rprivate", "type=bind,source=./a,target=/b"},
		{`type=bind,"source=/a,b:c",target=/d`, `type=bind,"source=/a,b:c",target=/d`},
		{"type=tmpfs,target=/t", "type=tmpfs,target=/t"},
		{"type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=700,tmpfs-inodes=5k,exec", "type=tmpfs,target=/t,tmpfs-size=1MiB,tmpfs-inodes=5120,tmpfs-mode=700,exec"},
		{"type=tmpfs,target=/t,exec=0", "type=tmpfs,target=/t,exec=false"},
		{"", `"" is not a list of key=value`},
		{`type="bind`, `"type=\"bind" is not a list of key=value`},
		{"type=bind,source=/srv", "--mount names no target"},
		{"type=bind,target=/data", "--mount of type=bind names no source"},
		{"type=bind,source=vol,target=/data", `"vol" is no path of the host`},
		{"type=volume,target=/data", "type=volume,target=/data"},
		{"type=volume,src=data,dst=/x,ro,exec,volume-nocopy,volume-driver=local", "type=volume,source=data,target=/x,readonly,exec,volume-nocopy"},
		{"type=volume,source=data,target=/x,volume-opt=size=1g,volume-label=b=c,volume-label=a", "type=volume,source=data,target=/x,volume-opt=size=1GiB,volume-label=a=,volume-label=b=c"},
		{"type=volume,source=/srv,target=/x", `"/srv" is a path, and no name of a volume`},
		{"type=volume,source=a b,target=/x", `"a b" is neither a path of the host nor the name of a volume`},
		{"type=volume,source=data,target=/x,volume-driver=nfs", `there is no volume driver "nfs"`},
		{"type=volume,source=data,target=/x,volume-opt=device=/dev/sda", "option device: a volume is no mount of another filesystem"},
		{"type=volume,source=data,target=/x,volume-opt=size=0", "0 would be without a limit"},
		{"type=volume,source=data,target=/x,volume-subpath=a", "volume-subpath: a part of a volume cannot be mounted"},
		{"type=volume,source=data,target=/x,tmpfs-size=1m", `key "tmpfs-size" does not belong to type=volume`},
		{"type=volume,source=data,target=/x,bind-propagation=private", `key "bind-propagation" does not belong to type=volume`},
		{"type=volume,source=data", "--mount names no target"},
		{"type=npipe,target=/data", `a mount of type "npipe" cannot be had`},
		{"type=tmpfs,source=/a,target=/t", `key "source" does not belong to type=tmpfs`},
		{"type=bind,source=/a,target=/t,tmpfs-size=1m", `key "tmpfs-size" does not belong to type=bind`},
		{"type=bind,source=/a,target=/t,bind-propagation=shared", "option shared is refused: mounts are private, so that none passes between host and container"},
		{"type=bind,source=/a,target=/t,bind-propagation=ro", `"ro" is not a bind propagation`},
		{"type=bind,source=/a,target=/t,readonly=maybe", `"maybe" is not a value of readonly`},
		{"type=bind,source=/a,target=/t,volume-nocopy", `key "volume-nocopy" does not belong to type=bind`},
	}
	for _, test := range tests {
		m, err := parseMount(test.text)
		got := fmt.Sprint(err)
		if err == nil {
			got = formatMount(m)
		}
		if got != test.want {
			t.Errorf("--mount %q: got %s, want %s", test.text, got, test.want)
		}
	}
}

func FuzzParseMount(f *testing.F) {
	for _, seed := range []string{
		"type=bind,source=/a,target=/b,readonly", `"source=/a,b",target=/c`, "type=tmpfs,dst=/t,tmpfs-size=5m,tmpfs-mode=1777",
		"type=tmpfs,target=/t,exec=false", ",", `""`, "type=volume,src=data,dst=/x,volume-nocopy", "type=volume,dst=/x,volume-opt=size=1m,volume-label=a=b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMount(text)
		if err != nil {
			return
		}
		printed := formatMount(m)
		again, err := parseMount(printed)
		if err == nil && m.Bind != nil && again.Bind != nil {
			again.Bind.Flag = m.Bind.Flag
		}
		if err == nil && m.Volume != nil && again.Volume != nil {
			again.Volume.Flag = m.Volume.Flag
		}
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("%q: %+v printed as %q reads as %+v, %v", text, m, printed, again, err)
		}
	})
}
