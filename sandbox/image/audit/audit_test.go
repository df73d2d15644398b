package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

// tarLayer opens a tar that is in memory.
func tarLayer(content []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
}

// image is an input of these layers that has nothing else to find.
func image(config v1.Config, layers ...imagetest.Files) Input {
	if config.User == "" {
		config.User = "10001"
	}
	if config.Healthcheck == nil {
		config.Healthcheck = &v1.HealthConfig{Test: []string{"CMD", "/health"}}
	}
	in := Input{
		Reference: "app@sha256:00", Pinned: true, Config: &v1.ConfigFile{Config: config},
		Now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC),
	}
	for _, l := range layers {
		in.Layers = append(in.Layers, tarLayer(l.Tar()))
	}
	return in
}

func audit(t testing.TB, in Input) []Finding {
	t.Helper()
	found, err := Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// short shows what a test compares: the rule, the severity and the place.
func short(all []Finding) []string {
	out := []string{}
	for _, f := range all {
		out = append(out, fmt.Sprintf("%s %v %v", f.ID, f.Severity, f.Where))
	}
	slices.Sort(out)
	return out
}

func expect(t *testing.T, in Input, want ...string) []Finding {
	t.Helper()
	found := audit(t, in)
	slices.Sort(want)
	if got := short(found); !slices.Equal(got, want) {
		t.Errorf("found\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	return found
}

const passwd = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n"

func TestConfig(t *testing.T) {
	accounts := imagetest.Files{"etc/passwd": {Content: passwd}}
	tests := []struct {
		name   string
		change func(*Input)
		want   []string
	}{
		{"nothing", func(*Input) {}, nil},
		{"no user", func(in *Input) { in.Config.Config.User = "" }, []string{"SR-IMG-001 high config.User"}},
		{"root", func(in *Input) { in.Config.Config.User = "root" }, []string{"SR-IMG-001 high config.User"}},
		{"0:0", func(in *Input) { in.Config.Config.User = "0:0" }, []string{"SR-IMG-001 high config.User"}},
		{"00", func(in *Input) { in.Config.Config.User = "00" }, []string{"SR-IMG-001 high config.User"}},
		{"another root", func(in *Input) { in.Config.Config.User = "toor:app" }, []string{"SR-IMG-001 high config.User"}},
		{"a user", func(in *Input) { in.Config.Config.User = "app:app" }, nil},
		{"a number", func(in *Input) { in.Config.Config.User = "1000" }, nil},
		{"an unknown user", func(in *Input) { in.Config.Config.User = "nobody" }, []string{"SR-IMG-002 low config.User"}},
		{"latest", func(in *Input) { in.Pinned, in.Tag = false, "latest" }, []string{"SR-IMG-003 medium reference"}},
		{"a tag", func(in *Input) { in.Pinned = false }, []string{"SR-IMG-003 low reference"}},
		{"latest, pinned", func(in *Input) { in.Tag = "latest" }, nil},
		{"no health check", func(in *Input) { in.Config.Config.Healthcheck = nil }, []string{"SR-IMG-006 info config.Healthcheck"}},
		{"health check off", func(in *Input) { in.Config.Config.Healthcheck = &v1.HealthConfig{Test: []string{"NONE"}} },
			[]string{"SR-IMG-006 info config.Healthcheck"}},
		{"port 22", func(in *Input) {
			in.Config.Config.ExposedPorts = map[string]struct{}{"22/tcp": {}, "80/tcp": {}, "22/udp": {}}
		},
			[]string{"SR-IMG-043 low config.ExposedPorts"}},
		{"port 2222", func(in *Input) { in.Config.Config.ExposedPorts = map[string]struct{}{"2222/tcp": {}, "80": {}} }, nil},
		{"volumes", func(in *Input) {
			in.Config.Config.Volumes = map[string]struct{}{"/etc": {}, "/proc/sys": {}, "/var/run/docker.sock": {}, "usr/": {}}
		}, slices.Repeat([]string{"SR-IMG-060 medium config.Volumes"}, 4)},
		{"volumes for data", func(in *Input) {
			in.Config.Config.Volumes = map[string]struct{}{"/data": {}, "/var/lib/postgresql/data": {}, "/etc/nginx/conf.d": {}, "/home/app": {}}
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := image(v1.Config{}, accounts)
			test.change(&in)
			expect(t, in, test.want...)
		})
	}
}

func TestEnvironment(t *testing.T) {
	secretsIn := []string{
		"DB_PASSWORD=hunter2hunter2", "API_KEY=q9w8e7r6t5", "aws_secret_access_key=abcdefgh", "MYSQL_ROOT_PASSWORD=changeme",
		"TOKEN=abc123def456", "DATABASE_URL=postgres://app:hunter2@db/app", "X=" + githubToken(),
	}
	for _, entry := range secretsIn {
		name, value, _ := strings.Cut(entry, "=")
		found := audit(t, image(v1.Config{Env: []string{entry}}))
		if len(found) != 1 || found[0].ID != "SR-IMG-020" || found[0].Where.Field != "config.Env "+name {
			t.Errorf("%s: found %v", name, short(found))
		}
		if strings.Contains(fmt.Sprint(found), value) {
			t.Errorf("%s: the secret is in the finding", name)
		}
	}
	for _, entry := range []string{
		"GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568", "POSTGRES_PASSWORD_FILE=/run/secrets/p", "TOKEN_URL=https://a.example/t",
		"ALLOW_EMPTY_PASSWORD=yes", "PASSWORD_MIN_LENGTH=8", "SECRET_KEY=", "API_TOKEN=${TOKEN}", "PWD=/app", "OLDPWD=/", "MAX_TOKENS=4096",
		"SSH_PUBLIC_KEY=AAAAC3Nza", "DB_PASSWORD=<password>", "KEY=x", "MONKEY=banana", "TOKEN=xxxxxxxx", "SSL_KEY=/etc/ssl/k",
		"AWS_ID=AKIAIOSFODNN7EXAMPLE", "URL=http://proxy:3128/", "PYTHON_SHA256=0a1b", "PASSWORD", "=x",
	} {
		if found := audit(t, image(v1.Config{Env: []string{entry}})); len(found) > 0 {
			t.Errorf("%s: found %v", entry, short(found))
		}
	}
}

func TestSearchPaths(t *testing.T) {
	files := imagetest.Files{
		"usr/bin": {Mode: fs.ModeDir | 0o755}, "open": {Mode: fs.ModeDir | fs.ModeSticky | 0o777}, "own": {Mode: fs.ModeDir | 0o755, UID: 10001},
		"link": {Mode: fs.ModeSymlink | 0o777, Content: "open"}, "lib/ok.so": {}, "lib/own.so": {UID: 10001},
	}
	tests := []struct {
		env  string
		want []string
	}{
		{"PATH=/usr/bin:/bin:/none", nil},
		{"PATH=/usr/bin:", []string{"SR-IMG-032 medium config.Env PATH"}},
		{"PATH=bin:/usr/bin", []string{"SR-IMG-032 medium config.Env PATH"}},
		{"PATH=/link:/usr/bin", []string{"SR-IMG-032 high config.Env PATH"}},
		{"PATH=/own", []string{"SR-IMG-032 low config.Env PATH"}},
		{"LD_LIBRARY_PATH=/usr/bin", nil},
		{"LD_LIBRARY_PATH=/usr/bin:", []string{"SR-IMG-032 low config.Env LD_LIBRARY_PATH"}},
		{"LD_LIBRARY_PATH=.", []string{"SR-IMG-032 medium config.Env LD_LIBRARY_PATH"}},
		{"LD_PRELOAD=/lib/ok.so", []string{"SR-IMG-032 low config.Env LD_PRELOAD"}},
		{"LD_PRELOAD=/lib/own.so /lib/ok.so", []string{"SR-IMG-032 low config.Env LD_PRELOAD", "SR-IMG-032 medium config.Env LD_PRELOAD"}},
		{"LD_PRELOAD=", nil},
		{"MANPATH=.", nil},
	}
	for _, test := range tests {
		t.Run(test.env, func(t *testing.T) { expect(t, image(v1.Config{Env: []string{test.env}}, files), test.want...) })
	}
}

func TestHistory(t *testing.T) {
	const at = "history[0]"
	tests := []struct{ line, want string }{
		{"RUN |1 NPM_TOKEN=abcd1234efgh /bin/sh -c npm ci # buildkit", "SR-IMG-021 high " + at},
		{"/bin/sh -c #(nop)  ARG DB_PASSWORD=hunter2", "SR-IMG-021 high " + at},
		{"RUN /bin/sh -c curl -H 'Authorization: Bearer abcdefgh12345678' https://a.example", "SR-IMG-021 high " + at},
		{"RUN /bin/sh -c git clone https://me:hunter2@git.example/x", "SR-IMG-021 high " + at},
		{"RUN /bin/sh -c docker login --password hunter2", "SR-IMG-021 high " + at},
		{"RUN /bin/sh -c echo " + githubToken() + " > /t", "SR-IMG-021 high " + at},
		{"RUN /bin/sh -c helper --build-arg=API_TOKEN=hunter2", "SR-IMG-021 high " + at},
		{"RUN /bin/sh -c a=b=c=PASSWORD=hunter2 make", "SR-IMG-021 high " + at},
		{"RUN /bin/sh -c A=b=c=d make", ""},
		{"ENV LEGACY_PASSWORD hunter2", "SR-IMG-021 high " + at},
		{"RUN |1 VERSION=1.2.3 /bin/sh -c make", ""},
		{"RUN /bin/sh -c curl -H \"Authorization: Bearer $TOKEN\" https://a.example", ""},
		{"RUN /bin/sh -c TOKEN=$(cat /run/secrets/t) make", ""},
		{"RUN /bin/sh -c echo $PW | docker login --password-stdin", ""},
		{"ADD https://a.example/x.tar.gz /opt/ # buildkit", "SR-IMG-050 medium " + at},
		{"ADD --checksum=sha256:00 https://a.example/x.tar.gz /opt/", ""},
		{"/bin/sh -c #(nop) ADD file:0123 in / ", ""},
		{"ADD rootfs.tar.xz / # buildkit", ""},
		{"ADD app.tgz /opt # buildkit", ""},
		{"ADD config.json /etc/app/ # buildkit", "SR-IMG-051 info " + at},
		{"COPY config.json /etc/app/ # buildkit", ""},
		{"RUN /bin/sh -c apt-get -q update # buildkit", "SR-IMG-052 low " + at},
		{"/bin/sh -c apk update", "SR-IMG-052 low " + at},
		{"RUN /bin/sh -c apt-get update && apt-get install -y curl", ""},
		{"RUN /bin/sh -c apk add --update curl", ""},
		{`CMD ["apt-get" "update"]`, ""},
	}
	for _, test := range tests {
		t.Run(test.line, func(t *testing.T) {
			in := image(v1.Config{})
			in.Config.History = []v1.History{{CreatedBy: test.line, EmptyLayer: true}}
			var want []string
			if test.want != "" {
				want = []string{test.want}
			}
			found := expect(t, in, want...)
			for _, secret := range []string{"hunter2", "abcdefgh12345678", "abcd1234efgh", githubToken()} {
				if strings.Contains(fmt.Sprint(found), secret) {
					t.Errorf("the secret is in %v", found)
				}
			}
		})
	}
}

// TestSecretOfTheEnvironmentIsToldOnce: ENV is in the config and in the history.
func TestSecretOfTheEnvironmentIsToldOnce(t *testing.T) {
	in := image(v1.Config{Env: []string{"DB_PASSWORD=hunter2"}})
	in.Config.History = []v1.History{{CreatedBy: "ENV DB_PASSWORD=hunter2", EmptyLayer: true}}
	expect(t, in, "SR-IMG-020 high config.Env DB_PASSWORD")
}

func TestLayerErrors(t *testing.T) {
	broken := errors.New("disk on fire")
	in := image(v1.Config{})
	in.Layers = []func() (io.ReadCloser, error){func() (io.ReadCloser, error) { return nil, broken }}
	if _, err := Run(context.Background(), in); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	in.Layers = []func() (io.ReadCloser, error){nil}
	if _, err := Run(context.Background(), in); err == nil {
		t.Error("a layer without an opener was taken")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, image(v1.Config{}, imagetest.Files{"a": {}})); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that it was interrupted", err)
	}
}
