package pull

import (
	"errors"
	"testing"

	"github.com/safe-run/safe-run/sandbox/image"
)

// TestExplainNamesOnce: a message names the image once, as it was written or
// as it was found, and always says which image was asked for.
func TestExplainNamesOnce(t *testing.T) {
	for _, c := range []struct{ ref, message, want string }{
		{"app:1", "it is damaged", "image app:1: it is damaged"},
		{"app:1", "image app:1 is not signed", "image app:1 is not signed"},
		{"app:1", "image docker://app:1 is not signed", "image docker://app:1 is not signed"},
		{"app", "image docker-daemon:app:latest: EOF", "image docker-daemon:app:latest: EOF"},
		{"app:1", "image dir:/srv/rootfs is from no registry", "image app:1: image dir:/srv/rootfs is from no registry"},
		{"oci:app", "image oci:/srv/app is damaged", "image oci:app: image oci:/srv/app is damaged"},
	} {
		ref, err := image.Parse(c.ref)
		if err != nil {
			t.Fatal(err)
		}
		if got := explain(ref, errors.New(c.message)).Error(); got != c.want {
			t.Errorf("%s: %q became %q, want %q", c.ref, c.message, got, c.want)
		}
	}
}
