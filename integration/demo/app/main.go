// Command app is the web application of the demonstration. Its page tells what
// it sees of its own confinement, and what becomes of the first things that
// somebody who had taken it over would try.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	server := &http.Server{Addr: ":8080", Handler: http.HandlerFunc(page)}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM)
	go func() {
		<-stop
		server.Close()
	}()
	log.SetFlags(0)
	log.Print("listening on port 8080")
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	log.Print("asked to stop")
}

// line is one row of the page.
type line struct {
	what string
	look func() string
}

var sees = []line{
	{"I am", func() string { return fmt.Sprintf("uid %d, gid %d", os.Getuid(), os.Getgid()) }},
	{"on the host I am", func() string { return "uid " + hostID("/proc/self/uid_map", os.Getuid()) }},
	{"my capabilities", func() string { return status("CapEff") + " (bounding " + status("CapBnd") + ")" }},
	{"no new privileges", func() string { return status("NoNewPrivs") }},
	{"seccomp", func() string { return map[string]string{"0": "none", "2": "a filter"}[status("Seccomp")] }},
	{"processes I see", func() string { return processes() }},
}

var tries = []line{
	{"write to my own program", func() string { return try(os.WriteFile("/app", []byte("evil"), 0o755)) }},
	{"run a program from /tmp", dropped},
	{"become root", func() string { return try(unix.Setuid(0)) }},
	{"mount something", func() string { return try(unix.Mount("none", "/tmp", "tmpfs", 0, "")) }},
	{"trace a process", func() string { return try(unix.PtraceAttach(1)) }},
	{"load a kernel module", func() string { return try(unix.FinitModule(0, "", 0)) }},
	{"make a user namespace", func() string { return try(unix.Unshare(unix.CLONE_NEWUSER)) }},
	{"ask the cloud's metadata", func() string { return dial("169.254.169.254:80") }},
	{"reach out to the internet", func() string { return dial("192.0.2.1:443") }},
}

func page(w http.ResponseWriter, _ *http.Request) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "What I see from inside")
	rows(table, sees)
	fmt.Fprintln(table, "What happens when I try to")
	rows(table, tries)
}

// rows looks at everything at once, for some looks take as long as a timeout.
func rows(table *tabwriter.Writer, lines []line) {
	found := make([]string, len(lines))
	var looks sync.WaitGroup
	for i, l := range lines {
		looks.Go(func() { found[i] = l.look() })
	}
	looks.Wait()
	for i, l := range lines {
		fmt.Fprintf(table, "  %s\t%s\n", l.what, found[i])
	}
}

func try(err error) string {
	if err == nil {
		return "it works!"
	}
	return "refused: " + err.Error()
}

func dial(address string) string {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		conn.Close()
	}
	return try(err)
}

// dropped does what a first stage does: write a program, run it.
func dropped() string {
	const path = "/tmp/dropped"
	self, err := os.ReadFile("/app")
	if err != nil {
		return err.Error()
	}
	if err := os.WriteFile(path, self, 0o755); err != nil {
		return try(err)
	}
	defer os.Remove(path)
	return try(exec.Command(path).Start())
}

// status gives a field of /proc/self/status.
func status(field string) string {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err.Error()
	}
	_, after, _ := strings.Cut(string(data), "\n"+field+":")
	value, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(value)
}

// hostID translates an id through a map of user_namespaces(7).
func hostID(file string, id int) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	var inside, outside, count int
	if _, err := fmt.Sscan(string(data), &inside, &outside, &count); err != nil {
		return err.Error()
	}
	return fmt.Sprint(outside + id - inside)
}

func processes() string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err.Error()
	}
	n := 0
	for _, entry := range entries {
		if strings.Trim(entry.Name(), "0123456789") == "" {
			n++
		}
	}
	return fmt.Sprint(n)
}
