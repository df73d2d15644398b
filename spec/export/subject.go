package export

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// Subject is an input, checked, with what follows from it for every target.
type Subject struct {
	Input
	// UID and GID are whom the first process runs as.
	UID, GID int64
	ReadOnly bool
	Init     bool
	// Places are the writable memory filesystems: the profile's, and one for each
	// volume of the image, which safe-run does not keep on the disk. Sorted.
	Places []Place
	// Capabilities without CAP_, sorted.
	Capabilities []string
	// Rlimits are the profile's, with core dumps off where it says nothing.
	Rlimits []profiles.Rlimit
	// Connected says whether there is a network but the loopback interface.
	Connected bool
	Losses    *Losses
}

// Place is a memory filesystem.
type Place struct {
	Path         string
	Size         int64
	Inodes       int64
	Mode         uint32
	Exec         bool
	UID, GID     int64 // its owner
	FromImage    bool
	OwnedByWhole bool // root's, open to all by its sticky mode
}

// What safe-run gives to a volume of an image (spec).
const (
	volumeSize   = 64 << 20
	volumeInodes = 16384
)

// Prepare checks an input and works out what every target needs.
func Prepare(in Input) (*Subject, error) {
	complete, err := profiles.Complete(in.Profile)
	if err != nil {
		return nil, err
	}
	in.Profile = complete
	if err := check(in); err != nil {
		return nil, err
	}
	p := complete
	s := &Subject{
		Input: in, ReadOnly: *p.Rootfs.ReadOnly, Init: said(p.Process.Init), Losses: LossesOf(p),
		Connected: *p.Network.Mode != profiles.NetworkNone, Rlimits: slices.Clone(p.Process.Rlimits),
	}
	for _, c := range p.Process.Capabilities {
		s.Capabilities = append(s.Capabilities, c.Name)
	}
	slices.Sort(s.Capabilities)
	if !slices.ContainsFunc(s.Rlimits, func(r profiles.Rlimit) bool { return r.Name == "core" }) {
		s.Rlimits = append(s.Rlimits, profiles.Rlimit{Name: "core", Soft: new(int64(0)), Hard: new(int64(0))})
	}
	slices.SortFunc(s.Rlimits, func(a, b profiles.Rlimit) int { return cmp.Compare(a.Name, b.Name) })
	s.user()
	if err := s.places(); err != nil {
		return nil, err
	}
	return s, nil
}

func said(b *bool) bool { return b != nil && *b }

// user decides whom the first process runs as, as spec does it; a name is known
// to the image alone, so the profile's numbers take its place.
func (s *Subject) user() {
	p := s.Profile.Process
	rootOK := p.Root != nil && said(p.Root.Allow)
	s.UID, s.GID = *p.RunAsUser, *p.RunAsGroup
	if *p.UserFrom == profiles.UserFromProfile {
		return
	}
	if !s.Image.Config {
		s.Losses.Different("process.userFrom", string(*p.UserFrom), fmt.Sprintf("the image's config was not read; user %d:%d is asked for whatever the image names", s.UID, s.GID),
			"export again where the image can be read, or write userFrom: profile")
		return
	}
	user, group, hasGroup := strings.Cut(s.Image.User, ":")
	if s.Image.User == "" || user == "root" {
		user = "0"
	}
	uid, err := strconv.ParseUint(user, 10, 16)
	if err != nil {
		s.Losses.Different("process.userFrom", string(*p.UserFrom), fmt.Sprintf("the image names user %.60q, whose number only its own /etc/passwd tells; user %d:%d is asked for", s.Image.User, s.UID, s.GID),
			"write runAsUser and runAsGroup with the numbers of that user, and userFrom: profile")
		return
	}
	if uid == 0 && !rootOK {
		return
	}
	s.UID = int64(uid)
	gid, err := strconv.ParseUint(group, 10, 16)
	switch {
	case uid == 0 && !hasGroup:
		s.GID = 0
	case hasGroup && err == nil && (gid != 0 || rootOK):
		s.GID = int64(gid)
	}
}

// places lists the memory filesystems.
func (s *Subject) places() error {
	taken := map[string]bool{}
	for _, t := range s.Profile.Mounts.Tmpfs {
		p := Place{Path: t.Path, Size: int64(*t.Size), Mode: 0o1777, Exec: said(t.Exec), UID: s.UID, GID: s.GID}
		if t.Inodes != nil {
			p.Inodes = *t.Inodes
		}
		if t.Mode != nil {
			p.Mode = uint32(*t.Mode)
		}
		if p.Mode&0o1000 != 0 {
			p.UID, p.GID, p.OwnedByWhole = 0, 0, true
		}
		taken[t.Path] = true
		s.Places = append(s.Places, p)
	}
	if len(s.Image.Volumes) > 64 {
		return problem.New("build the image with fewer VOLUMEs", "the image has %d volumes, more than 64", len(s.Image.Volumes))
	}
	for _, v := range s.Image.Volumes {
		at := path.Clean(v)
		if !path.IsAbs(v) || at == "/" {
			return problem.New("build the image without it", "the image has a volume that cannot be: %.60q", v)
		}
		if !taken[at] {
			taken[at] = true
			s.Places = append(s.Places, Place{Path: at, Size: volumeSize, Inodes: volumeInodes, Mode: 0o755, UID: s.UID, GID: s.GID, FromImage: true})
		}
	}
	slices.SortFunc(s.Places, func(a, b Place) int { return cmp.Compare(a.Path, b.Path) })
	return nil
}

// Setting is the profile's field that a place comes from.
func (p Place) Setting() string { return "mounts.tmpfs[" + p.Path + "]" }

// ImageName is what an engine is to run: without the transport that engines do
// not write, and with the digest where it is known.
func (s *Subject) ImageName() string {
	name := s.Image.Reference
	for _, transport := range []string{"docker://", "docker-daemon:", "containers-storage:", "containerd:"} {
		name = strings.TrimPrefix(name, transport)
	}
	if d := s.Image.Digest; d != "" && !strings.Contains(name, "@") {
		if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
			name = name[:colon]
		}
		name += "@" + d
	}
	return name
}

// transports of images that no engine finds by name.
var transports = []string{"oci:", "oci-archive:", "docker-archive:", "dir:", "program:"}

// check refuses what no target could be told, or what would be read as
// something else.
func check(in Input) error {
	if n := len(in.Name); n == 0 || n > 63 || strings.Trim(in.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Trim(in.Name, "-") != in.Name {
		return problem.New("write --name with lower-case letters, digits and '-'", "%.60q cannot be the application's name", in.Name)
	}
	if err := checkImage(in.Image); err != nil {
		return err
	}
	for _, list := range []struct {
		what  string
		texts []string
	}{{"command", in.Command}, {"argument", in.Args}, {"variable", in.Env}, {"entrypoint", in.Image.Entrypoint}, {"volume", in.Image.Volumes}} {
		for _, text := range list.texts {
			if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				return problem.New("remove it", "the %s %.60q is not text without zero bytes", list.what, text)
			}
		}
	}
	if in.Command != nil && (len(in.Command) == 0 || in.Command[0] == "") {
		return problem.New("name a program", "the command is empty")
	}
	for _, e := range in.Env {
		name, _, ok := strings.Cut(e, "=")
		if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }) {
			return problem.New("write -e NAME=VALUE", "variable %.60q is not NAME=VALUE", e)
		}
	}
	for _, p := range in.Publish {
		if p.ContainerPort == 0 || p.Protocol != "tcp" && p.Protocol != "udp" {
			return problem.New("write -p [ADDRESS:]PORT:PORT[/udp]", "port %d/%.20s cannot be published", p.ContainerPort, p.Protocol)
		}
	}
	if in.Replicas < 0 || in.Replicas > 10000 {
		return problem.New("write a number up to 10000", "%d replicas cannot be", in.Replicas)
	}
	if len(in.Publish) > 0 && *in.Profile.Network.Mode == profiles.NetworkNone {
		return problem.New("export --profile web, or write network: {mode: bridge, why: ...} in the profile",
			"port %d cannot be published: profile %s has no network", in.Publish[0].ContainerPort, in.Profile.Metadata.Name)
	}
	return nil
}

func checkImage(i Image) error {
	ref := i.Reference
	odd := strings.ContainsFunc(ref, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == utf8.RuneError })
	if ref == "" || odd || ref[0] == '-' {
		return problem.New("name an image, such as ghcr.io/acme/app:1", "%.60q cannot be the name of an image", ref)
	}
	if d := i.Digest; d != "" {
		hex, ok := strings.CutPrefix(d, "sha256:")
		if !ok || len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" {
			return problem.New("write sha256: and 64 hexadecimal digits", "%.80q is not a digest", d)
		}
	}
	return nil
}
