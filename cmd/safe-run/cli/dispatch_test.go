package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestDispatch(t *testing.T) {
	tests := []struct{ line, want string }{
		{"", "--help"},
		{"--help", "--help"},
		{"-h", "--help"},
		{"--version", "version"},
		{"oci:app", "run oci:app"},
		{"--profile web oci:app --profile x", "run --profile web oci:app --profile x"},
		{"-it dir:root sh", "run -it dir:root sh"},
		{"-e profile ./app", "run -e profile ./app"},
		{"run oci:app", "run oci:app"},
		{"--profile web run oci:app", "run --profile web oci:app"},
		{"--profile web explain oci:app", "explain --profile web oci:app"},
		{"--format json profile ls", "profile --format json ls"},
		{"profile ls --format json", "profile ls --format json"},
		{"--help run", "run --help"},
		{"./profile", "run ./profile"},
		{"./ps x", "run ./ps x"},
		{"dir:gc", "run dir:gc"},
		{"-- profile", "run -- profile"},
		{"run profile", "run profile"},
		{"--no-such-flag profile", "run --no-such-flag profile"},
		{"--privileged profile ls", "profile --privileged ls"},
		{"--profile web", "run --profile web"},
		{"-m", "run -m"},
		{"nginx", "run nginx"},
		{"run -h", "run -h"},
		{"-h box oci:app", "run -h box oci:app"},
		{"ps -h", "ps -h"},
		{"pull nginx", "image pull nginx"},
		{"--profile web pull nginx", "image pull --profile web nginx"},
		{"images -q", "image ls -q"},
		{"rmi -f a b", "image rm -f a b"},
		{"--profile web image verify nginx", "image --profile web verify nginx"},
		{"image", "image"},
		{"--help image", "image --help"},
		{"./pull", "run ./pull"},
		{"load -i x.tar", `there is no verb "load": an image gets its name when it is imported`},
		{"-it create x sh", "create -it x sh"},
		{"container ls -a", "ps -a"},
		{"--format json container stop x", "stop --format json x"},
		{"container inspect x", "inspect --type=container x"},
		{"container run -it x sh", "run -it x sh"},
		{"container", "container"},
		{"container --help", "container --help"},
		{"container prune -f", "container prune -f"},
		{"container remove x", "rm x"},
		{"container image x", `there is no verb "image" about containers`},
		{"container rn x", `there is no verb "rn" about containers`},
		{"container container ls", `there is no verb "container" about containers`},
		{"./container ls", "run ./container ls"},
		{"__complete container stop a", "__complete stop a"},
		{"__complete container st", "__complete container st"},
		{"./create", "run ./create"},
		{"run create", "run create"},
		{"profle", `there is no verb "profle"`},
		{"explian oci:app", `there is no verb "explian"`},
		{"__complete pro", "__complete pro"},
		{"__complete --prof", "__complete run --prof"},
		{"__complete --profile w", "__complete run --profile w"},
		{"__complete profile show w", "__complete profile show w"},
		{"__complete --profile web explain --network b", "__complete explain --profile web --network b"},
		{"__complete image pu", "__complete image pu"},
		{"__complete rmi -f a", "__complete image rm -f a"},
		{"__complete oci:app x", "__complete run oci:app x"},
	}
	for _, test := range tests {
		args, err := new(app).dispatch(strings.Fields(test.line))
		got := fmt.Sprint(err)
		if err == nil {
			got = strings.Join(args, " ")
		}
		if got != test.want {
			t.Errorf("safe-run %s: got %s, want %s", test.line, got, test.want)
		}
	}
}

// TestVerbs: a verb that is not in the list would be taken for an image.
func TestVerbs(t *testing.T) {
	var names []string
	for _, cmd := range new(app).root().Commands() {
		names = append(names, cmd.Name())
	}
	if !slices.Contains(names, "help") {
		names = append(names, "help") // cobra adds it when it runs
	}
	want := slices.Sorted(slices.Values(verbs))
	if slices.Sort(names); !slices.Equal(names, want) {
		t.Errorf("verbs of the tree are %q, of the list %q", names, want)
	}
}

// TestDockerVerbs: none of docker's verbs that are answered is one of ours, and
// every answer has a next step.
func TestDockerVerbs(t *testing.T) {
	for word, v := range dockerVerbs {
		if isVerb(word) {
			t.Errorf("%s is a verb", word)
		}
		if v.why == "" || v.instead == "" {
			t.Errorf("%s has no reason or no next step", word)
		}
	}
}

// TestEveryVerbExplainsItself: each has a line, a group where it is listed in
// one, and an example or verbs of its own.
func TestEveryVerbExplainsItself(t *testing.T) {
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Short == "" {
			t.Errorf("%s has no description", cmd.CommandPath())
		}
		if cmd.Example == "" && cmd.Name() != "help" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		if cmd.HasParent() && !cmd.Parent().HasParent() && cmd.GroupID == "" {
			t.Errorf("%s is in no group of the help text", cmd.CommandPath())
		}
		for _, c := range cmd.Commands() {
			visit(c)
		}
	}
	visit(new(app).root())
}

func FuzzDispatch(f *testing.F) {
	for _, seed := range []string{"", "--profile web oci:x", "__complete --profile ", "-it\x00run", "--\x00--", "-mp"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args, err := new(app).dispatch(strings.Split(line, " "))
		if err == nil && len(args) == 0 {
			t.Fatalf("%q has no verb", line)
		}
	})
}
