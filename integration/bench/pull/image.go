package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
)

// The image: what a small Debian system with an interpreter has.
const (
	files  = 8000
	layers = 5
	seed   = 1
)

// makeImage writes an OCI layout of 8,000 files, about 200 MB that compress to
// about 70, most of them in the lowest layer.
func makeImage(dir string) error {
	random := rand.New(rand.NewPCG(seed, seed))
	content := make([]imagetest.Files, layers)
	for i := range content {
		content[i] = imagetest.Files{}
	}
	for n := range files {
		layer := 0
		if n%10 == 0 {
			layer = 1 + n/10%(layers-1)
		}
		path := fmt.Sprintf("usr/lib/d%d/d%d/file%d", n%17, n%131, n)
		content[layer][path] = imagetest.File{Content: text(random, 25_000)}
	}
	return imagetest.New(spec.ImageConfig{Cmd: []string{"/bin/true"}}, content...).Layout(dir, "1")
}

// text is n bytes on average that gzip makes about a third of.
func text(random *rand.Rand, n int) string {
	size := random.IntN(2 * n)
	out := make([]byte, 0, size+32)
	for len(out) < size {
		out = append(out, "entry_"+strconv.FormatUint(random.Uint64(), 36)+" = value; // of some kind\n"...)
	}
	return string(out)
}

// serve starts a registry on a free port of the loopback address.
func serve(ctx context.Context, dir string) (address string, stop func(), err error) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = probe.Addr().String()
	if err := probe.Close(); err != nil {
		return "", nil, err
	}
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: %q}\n", dir, address)
	file := filepath.Join(dir, "registry.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, "docker-registry", "serve", file)
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for range 100 {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return address, stop, c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return "", nil, errors.New("docker-registry does not answer")
}
