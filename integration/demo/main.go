// Command demo shows safe-run at work: it makes an image of a small web
// application, runs it under the web profile, fetches its page, stops it and
// looks for what is left.
//
// Run it from the top of the repository after make build: go run ./integration/demo
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
)

func main() {
	if err := demo(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo() error {
	if os.Getuid() != 0 {
		return errors.New("run it as root: safe-run makes namespaces, control groups and network links")
	}
	dir, err := os.MkdirTemp("", "safe-run-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	title("An image of a small web application")
	image, err := makeImage(dir)
	if err != nil {
		return err
	}
	before := leaks.Take()
	address, err := chooseAddress()
	if err != nil {
		return err
	}

	title("Run it under the web profile")
	run := []string{"bin/safe-run", "--profile", "web", "-p", address + ":8080", image}
	app, err := start(run)
	if err != nil {
		return err
	}
	// On an error, too, nothing may stay.
	defer app.Process.Signal(syscall.SIGTERM)
	page, err := fetch("http://" + address + "/")
	if err != nil {
		return err
	}

	title("Fetch its page: http://" + address + "/")
	indent(page)
	if strings.Contains(page, "it works!") {
		return errors.New("something that must be refused was not: see above")
	}

	title("Why it is so")
	if err := explain(image); err != nil {
		return err
	}
	title("Stop it")
	return stop(app, before)
}

// makeImage builds the application and packs it as an OCI image.
func makeImage(dir string) (string, error) {
	root := filepath.Join(dir, "root")
	if err := errors.Join(
		os.MkdirAll(filepath.Join(root, "etc"), 0o755),
		os.Mkdir(filepath.Join(root, "tmp"), 0o777),
		os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0::/:\napp:x:10001:10001::/:\n"), 0o644),
		os.WriteFile(filepath.Join(root, "etc/group"), []byte("root:x:0:\napp:x:10001:\n"), 0o644),
	); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(root, "app"), "./integration/demo/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := quietly(build); err != nil {
		return "", err
	}
	image := "oci:" + filepath.Join(dir, "image") + ":demo"
	pack := []string{"bin/safe-run-image", "pack", "--from", root, "--to", image, "--entrypoint", "/app", "--expose", "8080/tcp", "--user", "app"}
	show(pack)
	return image, quietly(exec.Command(pack[0], pack[1:]...))
}

// chooseAddress is 127.0.0.1:8080, or another port when that is taken.
func chooseAddress() (string, error) {
	for _, address := range []string{"127.0.0.1:8080", "127.0.0.1:0"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			fmt.Printf("  port 8080 is taken here; another one is used\n")
			continue
		}
		defer listener.Close()
		return listener.Addr().String(), nil
	}
	return "", errors.New("no port is free on 127.0.0.1")
}

func start(args []string) (*exec.Cmd, error) {
	show(args)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = prefixed{os.Stdout}, prefixed{os.Stderr}
	return cmd, cmd.Start()
}

func fetch(url string) (string, error) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var err error
	for range 100 {
		var response *http.Response
		if response, err = client.Get(url); err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		defer response.Body.Close()
		page, err := io.ReadAll(response.Body)
		return string(page), err
	}
	return "", fmt.Errorf("no page: %w", err)
}

// explain prints the decisions behind what the page shows.
func explain(image string) error {
	args := []string{"bin/safe-run", "explain", "--profile", "web", image}
	show(args)
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	indent(string(out))
	return nil
}

// stop asks the application to end, and looks for what is left.
func stop(app *exec.Cmd, before leaks.State) error {
	begin := time.Now()
	if err := app.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	app.Wait()
	fmt.Printf("  SIGTERM: ended with code %d after %d ms\n", app.ProcessState.ExitCode(), time.Since(begin).Milliseconds())
	if left := before.Settled(leaks.Patience); len(left) > 0 {
		return fmt.Errorf("something is left on the host:\n  %s", strings.Join(left, "\n  "))
	}
	fmt.Println("  nothing is left: no mount, cgroup, process, network link, firewall rule or record")
	return nil
}
