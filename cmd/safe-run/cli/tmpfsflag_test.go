package cli

import (
	"fmt"
	"reflect"
	"testing"
)

func TestParseTmpfs(t *testing.T) {
	tests := []struct{ text, want string }{
		{"/run", "/run"},
		{"/run/../x/", "/x"},
		{"/run:size=64m,mode=1777", "/run:size=64MiB,mode=1777"},
		{"/run:rw,noexec,nosuid,nodev,size=65536k", "/run:size=64MiB,noexec"},
		{"/run:exec,nr_inodes=1k", "/run:nr_inodes=1024,exec"},
		{"", `the container path "" is not absolute`},
		{"run", `the container path "run" is not absolute`},
		{"/", "the container's root cannot be mounted over"},
		{"/run:size=0", "0 would be without a limit"},
		{"/run:size=0.1", `"0.1" is less than one byte`},
		{"/run:size=50%", `"50%" is not a size`},
		{"/run:mode=999", `"999" is not a file mode`},
		{"/run:mode=77777", `"77777" is not a file mode`},
		{"/run:uid=5", "tmpfs option uid cannot be had"},
		{"/run:suid", "tmpfs option suid is refused: it would be a way to privileges"},
		{"/run:ro", "a tmpfs that is read-only holds nothing"},
		{"/run:", `tmpfs option "" is not known`},
	}
	for _, test := range tests {
		tmpfs, err := parseTmpfs(test.text)
		got := fmt.Sprint(err)
		if err == nil {
			got = formatTmpfs(tmpfs)
		}
		if got != test.want {
			t.Errorf("--tmpfs %q: got %s, want %s", test.text, got, test.want)
		}
	}
}

func FuzzTmpfs(f *testing.F) {
	for _, seed := range []string{"/run", "/run:size=64m,mode=1777,nr_inodes=5,exec", "/x:noexec", "/:", "a:b=c,,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tmpfs, err := parseTmpfs(text)
		if err != nil {
			return
		}
		printed := formatTmpfs(tmpfs)
		again, err := parseTmpfs(printed)
		if err != nil || !reflect.DeepEqual(again, tmpfs) {
			t.Fatalf("%q: %+v printed as %q reads as %+v, %v", text, tmpfs, printed, again, err)
		}
	})
}
