package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/safe-run/safe-run/spec/problem"
)

// build compiles a Go program of nothing.
func build(t *testing.T, dir, out string) {
	t.Helper()
	write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() {}\n", 0o644)
	cmd := exec.Command("go", "build", "-o", out, "main.go")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GO111MODULE=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, said)
	}
}

func TestProgram(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "my app")
	must(t, os.Chown(filepath.Join(dir, "my app"), 7, 8))
	must(t, os.Symlink("my app", filepath.Join(dir, "link")))
	t.Chdir(dir)
	for _, s := range []string{"./my app", "./link", filepath.Join(dir, "my app")} {
		img, err := open(t, s, Options{})
		must(t, err)
		got := img.Spec
		if got.Program != filepath.Join(dir, "my app") || got.ProgramPath != "/my_app" || got.Rootfs != "" || got.Reference != s ||
			got.ProgramUID != 7 || got.ProgramGID != 8 || len(got.Config.Entrypoint) != 1 || got.Config.Entrypoint[0] != "/my_app" {
			t.Errorf("%s was opened as %+v", s, got)
		}
		must(t, img.Close())
	}
}

func TestProgramRefused(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	build(t, dir, "plain")
	must(t, os.Chmod("plain", 0o644))
	program, err := os.ReadFile("plain")
	must(t, err)
	patched := func(name string, offset int, value byte) {
		b := bytes.Clone(program)
		b[offset] = value
		write(t, name, string(b), 0o755)
	}
	patched("other", 18, byte(elf.EM_PARISC)) // e_machine
	patched("bsd", 7, byte(elf.ELFOSABI_FREEBSD))
	patched("library", 16, byte(elf.ET_CORE)) // e_type
	write(t, "script", "#!/usr/bin/python3 -I\nprint()\n", 0o755)
	write(t, "text", "hello", 0o755)
	write(t, "empty", "", 0o755)
	write(t, "cut", "\x7fELF\x02\x01\x01", 0o755)
	for s, c := range map[string]struct{ what, hint string }{
		"./plain":   {"not executable", "chmod +x ./plain"},
		"./other":   {"this machine is " + runtime.GOARCH, "build it for " + runtime.GOARCH},
		"./bsd":     {"another system", "build it for Linux"},
		"./library": {"no executable", "oci:"},
		"./script":  {"is a script (needs /usr/bin/python3 -I)", "dir:ROOTFS"},
		"./text":    {"not an executable", "./program"},
		"./empty":   {"is empty", "oci:"},
		"./cut":     {"malformed", "oci:"},
		// Every Linux has a dynamic one: the shell.
		"/bin/sh": {"is dynamically linked (needs /lib", "CGO_ENABLED=0"},
	} {
		_, err := open(t, s, Options{})
		if err == nil || !strings.Contains(err.Error(), c.what) || !strings.Contains(problem.HintOf(err), c.hint) {
			t.Errorf("%s: %v, hint %q; want %q, hint %q", s, err, problem.HintOf(err), c.what, c.hint)
		}
	}
}

func TestProgramPath(t *testing.T) {
	for path, want := range map[string]string{
		"/a/app": "/app", "/a/my app\n": "/my_app_", "/a/tmp": "/program", "/a/..x": "/..x", "/a/---": "/program",
		"/a/é": "/__", "/a/dev": "/program", "/a/App-1.0+b": "/App-1.0+b",
	} {
		if want == "/__" {
			want = "/program" // nothing but replaced letters
		}
		if got := programPath(path); got != want {
			t.Errorf("programPath(%q) = %q, want %q", path, got, want)
		}
	}
}

// FuzzProgram reads any bytes as an executable.
func FuzzProgram(f *testing.F) {
	header := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1}, Type: uint16(elf.ET_EXEC),
		Machine: uint16(machines[runtime.GOARCH].machine), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	var seed bytes.Buffer
	must(f, binary.Write(&seed, binary.LittleEndian, header))
	must(f, binary.Write(&seed, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 120, Filesz: 8}))
	seed.WriteString("/lib/ld\x00")
	f.Add(seed.Bytes())
	f.Add([]byte("#!/bin/sh\x1b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := checkProgram(bytes.NewReader(b), "./x")
		if err != nil && (strings.ContainsAny(err.Error(), "\n\r\x1b\x00") || problem.HintOf(err) == "") {
			t.Errorf("error %q, hint %q", err, problem.HintOf(err))
		}
	})
}

// TestProgramOnDevice: a device that is named as a program is not read.
func TestProgramOnDevice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dev")
	must(t, syscall.Mknod(path, syscall.S_IFCHR|0o777, 1<<8|5))
	if _, err := open(t, path, Options{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("error %v", err)
	}
}
