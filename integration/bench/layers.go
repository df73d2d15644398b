package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/spec"
)

// layers is how the launch from the store grows with the image.
func (w *world) layers() scene {
	s := scene{name: "layers", title: "true, from images of more and more layers", rounds: 15,
		note: "overlayfs stacks 500 directories at most, of which one is the sandbox's own. An image of more layers is refused before anything of it is unpacked; Docker and Podman stack 125 and 128."}
	for _, n := range []int{1, 10, 100, spec.MaxLayers} {
		layout := filepath.Join(w.dir, fmt.Sprint("layers", n))
		made := sync.OnceValue(func() error { return w.tall(layout, n) })
		s.contestants = append(s.contestants, contestant{
			name: fmt.Sprintf("%s, %d layers", own, n), args: []string{w.safeRun, "-q", "oci:" + layout, "/true"}, before: made,
		})
	}
	const most = 1000
	layout := filepath.Join(w.dir, "layersmost")
	s.contestants = append(s.contestants, contestant{
		name: fmt.Sprintf("%s, %d layers", own, most), what: "is refused, in one line and a hint",
		before: sync.OnceValue(func() error { return w.tall(layout, most) }),
		value:  func() (float64, error) { return w.refused("oci:"+layout, "more than 499 layers") },
	})
	return s
}

// tall makes an image of n layers.
func (w *world) tall(layout string, n int) error {
	files, err := w.programFiles()
	if err != nil {
		return err
	}
	layers := []imagetest.Files{files}
	if n > 1 {
		layers = append(layers, imagetest.Files{"usr/lib/layer": {Content: "x"}})
	}
	return imagetest.New(spec.ImageConfig{}, layers...).Tall(layout, n-len(layers))
}

// refused times a launch that has to be refused.
func (w *world) refused(image, words string) (float64, error) {
	began := time.Now()
	out, err := exec.Command(w.safeRun, image, "/true").CombinedOutput()
	took := time.Since(began).Seconds()
	if text := strings.TrimSpace(string(out)); err == nil || !strings.Contains(text, words) || strings.Count(text, "\n") != 1 || !strings.Contains(text, "\nhint: ") {
		return 0, fmt.Errorf("not refused with %q in one line and a hint: %v: %s", words, err, text)
	}
	return took, nil
}

// deepest is how deep profiles may extend each other.
const deepest = 16

// extended is how the launch grows with a profile that extends others, each with a
// setting of its own.
func (w *world) extended() scene {
	s := scene{name: "extends", title: "true, with profiles that extend each other", rounds: 15}
	for _, depth := range []int{1, 4, 8, deepest} {
		profile := "default"
		if depth > 1 {
			profile = filepath.Join(w.dir, fmt.Sprintf("depth%d-%d.yaml", depth, depth-1))
		}
		s.contestants = append(s.contestants, contestant{
			name: fmt.Sprintf("%s, %d deep", own, depth), args: []string{w.safeRun, "--profile", profile, "dir:" + w.root, "/true"},
			before: sync.OnceValue(func() error { return w.deep(depth) }),
		})
	}
	s.contestants[len(s.contestants)-1].what = "the most that is allowed"
	return s
}

// deep writes a chain of profiles; default, which the lowest one extends, is the
// first of them.
func (w *world) deep(depth int) error {
	extends := "default"
	for i := 1; i < depth; i++ {
		name := fmt.Sprintf("depth%d-%d.yaml", depth, i)
		text := fmt.Sprintf("apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: depth-%d}\nextends: %s\nresources: {pids: %d}\n", i, extends, 100-i)
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
		extends = "./" + name
	}
	return nil
}
