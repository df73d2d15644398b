package integration

import (
	"debug/elf"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The launcher is started for every container, and started again inside it:
// what it links is paid twice.
const (
	maxBinary   = 16 << 20
	maxOCI      = 16 << 20 // safe-run-oci: started several times for each container
	maxHelper   = 32 << 20 // safe-run-image: registries, signatures, archives; not started on a warm launch
	maxPolicy   = 32 << 20 // safe-run-policy: started by people
	maxPackages = 330
	// The same libraries, without what makes images into roots and networks.
	maxPackagesOCI = 300
	tags           = "netgo osusergo seccomp containers_image_openpgp exclude_graphdriver_btrfs"
)

// unlinked are packages that the launcher and safe-run-oci do without, and why.
var unlinked = map[string]string{
	"net/http":                               "the launcher speaks no HTTP; what fetches is another program",
	"crypto/tls":                             "the launcher opens no connections",
	"github.com/google/go-containerregistry": "foreign image formats are parsed by safe-run-image",
	"github.com/containerd/containerd":       "foreign image formats are parsed by safe-run-image",
	"google.golang.org/grpc":                 "nothing is served",
	"archive/tar":                            "archives are unpacked by safe-run-image",
	"testing":                                "made for tests",
	"pgregory.net/rapid":                     "made for tests",
}

func TestLinkedPackages(t *testing.T) {
	for program, most := range map[string]int{"safe-run": maxPackages, "safe-run-oci": maxPackagesOCI} {
		out, err := exec.Command("go", "list", "-deps", "-tags", tags, "../cmd/"+program).Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages := strings.Fields(string(out))
		if len(packages) > most {
			t.Errorf("%s links %d packages, more than %d", program, len(packages), most)
		}
		for _, name := range packages {
			for never, why := range unlinked {
				if name == never || strings.HasPrefix(name, never+"/") {
					t.Errorf("%s links %s, but %s", program, name, why)
				}
			}
		}
		t.Logf("%s: %d packages", program, len(packages))
	}
}

// TestBinaries: small enough, and in need of nothing on the host.
func TestBinaries(t *testing.T) {
	bin := built(t).safeRun
	for path, most := range map[string]int64{bin: maxBinary, bin + "-oci": maxOCI, bin + "-image": maxHelper, bin + "-policy": maxPolicy} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > most {
			t.Errorf("%s has %d bytes, more than %d", path, info.Size(), most)
		}
		file, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, program := range file.Progs {
			if program.Type == elf.PT_INTERP {
				t.Errorf("%s is not static: it asks for a dynamic loader", path)
			}
		}
		file.Close()
	}
}
