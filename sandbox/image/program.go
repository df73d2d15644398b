package image

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// machines are the ELF machines of the architectures that Go names. x32 has
// the machine of amd64 but the class of a 32-bit program.
var machines = map[string]struct {
	machine elf.Machine
	class   elf.Class
}{
	"386":     {elf.EM_386, elf.ELFCLASS32},
	"amd64":   {elf.EM_X86_64, elf.ELFCLASS64},
	"arm":     {elf.EM_ARM, elf.ELFCLASS32},
	"arm64":   {elf.EM_AARCH64, elf.ELFCLASS64},
	"loong64": {elf.EM_LOONGARCH, elf.ELFCLASS64},
	"ppc64le": {elf.EM_PPC64, elf.ELFCLASS64},
	"riscv64": {elf.EM_RISCV, elf.ELFCLASS64},
	"s390x":   {elf.EM_S390, elf.ELFCLASS64},
}

// openProgram takes a static executable as a whole image.
func openProgram(r Reference) (*Image, error) {
	path, err := resolve(r)
	if err != nil {
		return nil, err
	}
	if isDirectory(path) {
		return nil, problem.New(directoryHint(r.Path), "image %s is a directory, not a program", quoteOdd(r.Path))
	}
	// O_NONBLOCK: a FIFO must not hang the launcher before it is refused.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, problem.New("", "program %s: %w", quoteOdd(r.Path), err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, fmt.Errorf("program %s: %w", quoteOdd(r.Path), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, problem.New(Forms, "program %s is not a regular file", quoteOdd(r.Path))
	}
	if err := checkProgram(f, r.Path); err != nil {
		return nil, err
	}
	if st.Mode&0o111 == 0 {
		return nil, problem.New("chmod +x "+r.Path, "program %s is not executable", quoteOdd(r.Path))
	}
	inside := programPath(path)
	return &Image{Spec: spec.Image{
		Program: path, ProgramPath: inside, ProgramUID: st.Uid, ProgramGID: st.Gid,
		Config: spec.ImageConfig{Entrypoint: []string{inside}},
	}}, nil
}

// checkProgram refuses what the kernel could not run alone in an empty tree.
func checkProgram(f io.ReaderAt, name string) (err error) {
	// debug/elf does not promise to survive every malformed file.
	defer func() {
		if recover() != nil {
			err = problem.New(Forms, "program %s is a malformed ELF file", quoteOdd(name))
		}
	}()
	start := make([]byte, 512)
	n, _ := f.ReadAt(start, 0)
	if start = start[:n]; !bytes.HasPrefix(start, []byte(elf.ELFMAG)) {
		return notELF(start, name)
	}
	program, err := elf.NewFile(f)
	if err != nil {
		return problem.New(Forms, "program %s is a malformed ELF file", quoteOdd(name))
	}
	return checkELF(program, name)
}

func checkELF(p *elf.File, name string) error {
	want := machines[runtime.GOARCH]
	switch {
	case p.Machine != want.machine || p.Class != want.class:
		return problem.New("build it for "+runtime.GOARCH, "program %s is built for %s (%s), this machine is %s",
			quoteOdd(name), strings.TrimPrefix(p.Machine.String(), "EM_"), strings.TrimPrefix(p.Class.String(), "ELF"), runtime.GOARCH)
	case p.OSABI != elf.ELFOSABI_NONE && p.OSABI != elf.ELFOSABI_LINUX:
		return problem.New("build it for Linux", "program %s is built for another system (%s)", quoteOdd(name), p.OSABI)
	case p.Type != elf.ET_EXEC && p.Type != elf.ET_DYN:
		return problem.New(Forms, "program %s is an ELF file but no executable (%s)", quoteOdd(name), p.Type)
	}
	for _, segment := range p.Progs {
		if segment.Type == elf.PT_INTERP {
			return dynamic(name, interpreter(segment))
		}
	}
	if needed, err := p.ImportedLibraries(); err == nil && len(needed) > 0 {
		return dynamic(name, needed[0])
	}
	return nil
}

func dynamic(name, needs string) error {
	return problem.New("build it statically (CGO_ENABLED=0, -static), or make an image: dir:ROOTFS",
		"program %s is dynamically linked (needs %s)", quoteOdd(name), oneLine(needs))
}

func interpreter(segment *elf.Prog) string {
	b, err := io.ReadAll(io.LimitReader(segment.Open(), 256))
	if err != nil || len(b) == 0 {
		return "an interpreter"
	}
	return string(bytes.TrimRight(b, "\x00"))
}

// notELF explains a file that starts with start and is no ELF file.
func notELF(start []byte, name string) error {
	if rest, script := bytes.CutPrefix(start, []byte("#!")); script {
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		return problem.New("make an image that has its interpreter: dir:ROOTFS",
			"program %s is a script (needs %s)", quoteOdd(name), oneLine(strings.TrimSpace(string(line))))
	}
	if len(start) == 0 {
		return problem.New(Forms, "program %s is empty", quoteOdd(name))
	}
	hint := Forms
	if isTar(name) {
		hint = fileHint(name)
	}
	return problem.New(hint, "program %s is not an executable", quoteOdd(name))
}

// fileHint says how to write the file at path as an image, by its name.
func fileHint(path string) string {
	if isTar(path) {
		return "for an archive write docker-archive:" + path + " or oci-archive:" + path
	}
	return "for a static executable write " + path + ", for an archive docker-archive:FILE or oci-archive:FILE"
}

// isTar goes by the name.
func isTar(path string) bool {
	return slices.ContainsFunc([]string{".tar", ".tar.gz", ".tgz", ".tar.zst"}, func(suffix string) bool {
		return strings.HasSuffix(path, suffix)
	})
}

// oneLine makes text from an image fit to be shown.
func oneLine(s string) string {
	if len(s) > 128 {
		s = s[:128] + "..."
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || (c >= 0x80 && c < 0xa0) {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}

// taken are the names in the root directory that a sandbox mounts over.
var taken = []string{"bin", "dev", "etc", "proc", "run", "sys", "tmp"}

// programPath is where the program at path appears in its container.
func programPath(path string) string {
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune("._-+", c):
			return c
		}
		return '_'
	}, filepath.Base(path))
	if strings.Trim(name, "._-+") == "" || slices.Contains(taken, name) {
		name = "program"
	}
	return "/" + name
}
