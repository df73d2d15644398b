package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// engineImage is what the image is called in docker and podman.
const engineImage = "localhost/bench:1"

// engine is a dockerd of its own.
type engine struct {
	client  []string // docker -H ...
	without string
}

// startDocker starts a dockerd that changes nothing of the host's network.
func (w *world) startDocker() {
	w.engine = &engine{}
	if _, err := exec.LookPath("dockerd"); err != nil {
		w.engine.without = "dockerd is not installed"
		return
	}
	dir := filepath.Join(w.dir, "d")
	socket := filepath.Join(dir, "s")
	config := filepath.Join(dir, "config.json")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(config, []byte("{}"), 0o600)); err != nil {
		w.engine.without = err.Error()
		return
	}
	cmd := exec.Command("dockerd", "--data-root", dir+"/root", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid", "-H", "unix://"+socket,
		"--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none", "--config-file", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		w.engine.without = err.Error()
		return
	}
	w.closes = append(w.closes, func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it ends by our signal
		return nil
	})
	w.engine.client = []string{"docker", "-H", "unix://" + socket}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			w.engine.without = "dockerd did not answer"
			return
		}
	}
	if err := quietly(append([]string{"sh", "-c", `tar -C "$1" -c . | ` + strings.Join(w.engine.client, " ") + ` import - ` + engineImage, "sh"}, w.root)...); err != nil {
		w.engine.without = firstLine(err)
	}
}

// loadPodman puts the image into a store of its own.
func (w *world) loadPodman() {
	if _, err := exec.LookPath("podman"); err != nil {
		return
	}
	dir := filepath.Join(w.dir, "p")
	client := []string{"podman", "--root", dir + "/root", "--runroot", dir + "/run"}
	err := quietly("sh", "-c", `tar -C "$1" -c . | `+strings.Join(client, " ")+` import -q - `+engineImage, "sh", w.root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "not measured: podman:", firstLine(err))
		return
	}
	w.podman = client
	w.closes = append(w.closes, func() error {
		_ = quietly(append(client, "rm", "-fa", "-t", "0")...) // nothing may be left to remove
		_ = quietly("umount", "-l", dir+"/root/overlay")       // it is mounted on itself, where podman has run anything
		return nil
	})
}

// dockerArgs is a command of docker's, or why there is none.
func (w *world) dockerArgs(args ...string) ([]string, string) {
	return append(append([]string{}, w.engine.client...), args...), w.engine.without
}

func (w *world) podmanArgs(args ...string) ([]string, string) {
	if w.podman == nil {
		return nil, "podman is not installed, or cannot import"
	}
	return append(append([]string{}, w.podman...), args...), ""
}
