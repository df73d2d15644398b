package machine

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// apart says of files of package integration why none of their tests is asked in a
// machine. All of them run in make test-vm-debian, where what they need is there.
var apart = map[string]string{
	"execlatency_test.go":    "measures, which an emulated processor spoils",
	"export_test.go":         "needs Podman and systemd's programs",
	"filter_test.go":         "needs strace, under which an emulated processor takes minutes",
	"imagekill_test.go":      "is about files of the store, of which one kernel thinks as another",
	"images_test.go":         "is about formats of images",
	"imagetrust_test.go":     "is about signatures",
	"install_podman_test.go": "needs Podman",
	"nginx_test.go":          "needs a Debian with nginx",
	"oci_docker_test.go":     "needs Docker",
	"oci_podman_test.go":     "needs Podman",
	"oci_same_test.go":       "builds runc, and there is no compiler",
	"oci_test.go":            "needs runc beside it",
	"pull_test.go":           "needs a registry",
	"pullbad_test.go":        "needs a registry",
	"pullremove_test.go":     "needs a registry",
	"registryconf_test.go":   "needs a registry",
	"size_test.go":           "is about what is linked",
	"sources_test.go":        "is about formats of images",
	"syscalls_test.go":       "needs strace, under which an emulated processor takes minutes",
	"systemd_test.go":        "needs systemd",
	"transcript_test.go":     "is about what is written to a terminal",
	"verify_program_test.go": "needs a compiler",
	"verify_cve_test.go":     "is in TestBattery, as far as attacks go",
	"verify_probe_test.go":   "is in TestBattery",
	"verify_test.go":         "is in TestBattery",
	"version_test.go":        "is about what is built",
	"memory_test.go":         "measures, which an emulated processor spoils",
	"faults_test.go":         "takes minutes where the processor is emulated",
	"copyrace_test.go":       "takes minutes where the processor is emulated",
	"denialscounted_test.go": "takes minutes where the processor is emulated",
}

// beside is the reason for all others.
const beside = "for the time that it takes; make test-vm-debian has it"

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// suiteTests are the tests of package integration, by their files.
func suiteTests(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("../*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("the suite's files: %q, %v", files, err)
	}
	all := map[string][]string{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range testName.FindAllStringSubmatch(string(text), -1) {
			all[filepath.Base(path)] = append(all[filepath.Base(path)], one[1])
		}
	}
	return all
}

// listChosen tells which tests of the suite run in the machine and which do not.
func listChosen(t *testing.T, tests string) {
	t.Helper()
	runs := regexp.MustCompile(tests)
	all := suiteTests(t)
	var list strings.Builder
	for _, file := range slices.Sorted(maps.Keys(all)) {
		var in, out []string
		for _, name := range all[file] {
			if runs.MatchString(name) {
				in = append(in, name)
			} else {
				out = append(out, name)
			}
		}
		why, is := apart[file]
		if !is {
			why = beside
		}
		if len(in) > 0 {
			fmt.Fprintf(&list, "%s: in the machine: %s\n", file, strings.Join(in, " "))
		}
		if len(out) > 0 {
			fmt.Fprintf(&list, "%s: not: %s: %s\n", file, strings.Join(out, " "), why)
		}
	}
	t.Logf("of the suite\n%s", list.String())
}

// TestChosen: what is named is there, so that a test which gets another name is
// missed in machines.
func TestChosen(t *testing.T) {
	all := suiteTests(t)
	names := slices.Concat(slices.Collect(maps.Values(all))...)
	for _, list := range []string{chosen, few} {
		for name := range strings.SplitSeq(strings.Trim(list, "^$()"), "|") {
			if !slices.Contains(names, name) {
				t.Errorf("there is no %s in package integration", name)
			}
		}
	}
	for file := range apart {
		if len(all[file]) == 0 {
			t.Errorf("there are no tests in %s", file)
		}
		for _, name := range all[file] {
			if regexp.MustCompile(chosen).MatchString(name) {
				t.Errorf("%s of %s is in the machine, and is said not to be: %s", name, file, apart[file])
			}
		}
	}
}
