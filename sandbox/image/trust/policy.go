package trust

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// policyTimeout bounds the look for signatures that policy.json asks for.
const policyTimeout = time.Minute

// DefaultPolicyFiles are where containers/image keeps its policy: the user's
// own, then the host's.
func DefaultPolicyFiles() []string {
	var out []string
	if dir, err := os.UserConfigDir(); err == nil {
		out = append(out, filepath.Join(dir, "containers", "policy.json"))
	}
	return append(out, "/etc/containers/policy.json")
}

// checkPolicyFile wants policy.json to let the image run, where there is one.
// It is the host's policy, and counts whatever the profile says.
func checkPolicyFile(ctx context.Context, _ spec.Trust, s Subject) ([]Step, error) {
	path, policy, err := readPolicy(s.PolicyFiles)
	if policy == nil || err != nil {
		return nil, err
	}
	ref, err := scope(s)
	if err != nil {
		return nil, problem.New("", "image %s cannot be judged by %s: %s", plain(s.Reference), path, plain(err.Error()))
	}
	if err := ref.knownTo(policy); err != nil {
		return nil, problem.New("scope it as \"\" in "+path, "image %s cannot be judged by %s: %s", plain(s.Reference), path, plain(err.Error()))
	}
	if err := allowed(ctx, policy, ref, s); err != nil {
		return nil, problem.New("see "+path+" for what it asks of "+ref.shown(), "image %s is refused by %s: %s", plain(s.Reference), path, strings.TrimSuffix(plain(err.Error()), "."))
	}
	return []Step{{Name: "policy.json", Held: path + " allows " + ref.shown()}}, nil
}

// readPolicy reads the first of the files that exists; no policy when none
// does.
func readPolicy(paths []string) (string, *signature.Policy, error) {
	if paths == nil {
		paths = DefaultPolicyFiles()
	}
	for _, path := range paths {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		data, err := readFile(path, "containers' policy")
		if err != nil {
			return path, nil, err
		}
		policy, err := signature.NewPolicyFromBytes(data)
		if err != nil {
			return path, nil, problem.New("man containers-policy.json says how it is written", "containers' policy %s is malformed: %s", path, plain(err.Error()))
		}
		return path, policy, nil
	}
	return "", nil, nil
}

// allowed asks the policy. Most policies ask for no signature, and then nothing
// is fetched; when one does, it is asked again with the registry at hand.
func allowed(ctx context.Context, policy *signature.Policy, ref *scoped, s Subject) error {
	judge, err := signature.NewPolicyContext(policy)
	if err != nil {
		return err
	}
	defer judge.Destroy()
	local := &unfetched{ref: ref, manifest: s.Manifest}
	ok, err := judge.IsRunningImageAllowed(ctx, local)
	if ok && err == nil {
		return nil
	}
	if !local.asked || ref.remote == nil {
		return refusal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, policyTimeout)
	defer cancel()
	src, err := ref.remote.NewImageSource(ctx, s.Registry)
	if err != nil {
		return err
	}
	defer src.Close()
	instance := digest.Digest(s.Digests[0].String())
	if ok, err = judge.IsRunningImageAllowed(ctx, image.UnparsedInstance(src, &instance)); ok && err == nil {
		return nil
	}
	return refusal(err)
}

// refusal is never nil.
func refusal(err error) error {
	if err == nil {
		return errors.New("it does not allow it")
	}
	return err
}

// unfetched is an image whose signatures were not fetched.
type unfetched struct {
	ref      *scoped
	manifest []byte
	asked    bool // for its signatures
}

// Reference implements types.UnparsedImage.
func (u *unfetched) Reference() types.ImageReference { return u.ref }

// Manifest implements types.UnparsedImage.
func (u *unfetched) Manifest(context.Context) ([]byte, string, error) {
	return u.manifest, manifest.GuessMIMEType(u.manifest), nil
}

// Signatures implements types.UnparsedImage. Other sources than registries have
// none.
func (u *unfetched) Signatures(context.Context) ([][]byte, error) {
	u.asked = true
	return nil, nil
}

// remoteReference is the image in its registry, as containers/image finds it.
func remoteReference(named string) (types.ImageReference, error) {
	return docker.ParseReference("//" + named)
}
