package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// endings use up a resource, wait, or end in a given way.
var endings = map[string]command{
	"exit":       {"CODE", exit, 1},
	"kill":       {"SIGNAL", killSelf, 1},
	"sleep":      {"DURATION", sleep, 1},
	"then-sleep": {"COMMAND...", thenSleep, 1},
	"signals":    {"", signals, 0},
	"fork":       {"N", fork, 1},
	"failfork":   {"N", failFork, 1},
	"alloc":      {"MIB", alloc, 1},
	"spin":       {"DURATION", spin, 1},
	"orphans":    {"N", orphans, 1},
	"oomchild":   {"MIB", oomChild, 1},
}

func exit(args []string) (string, error) {
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	os.Exit(code)
	return "", nil
}

// killSelf ends by a signal. Pid 1 of a namespace is deaf to its own signals, so
// there it comes back and says so.
func killSelf(args []string) (string, error) {
	if err := unix.Kill(os.Getpid(), unix.SignalNum(args[0])); err != nil {
		return "", err
	}
	time.Sleep(time.Second)
	return "alive", nil
}

func sleep(args []string) (string, error) {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return "", err
	}
	fmt.Println("sleeping")
	time.Sleep(d)
	return "slept", nil
}

// thenSleep says what another command says, and stays for a minute.
func thenSleep(args []string) (string, error) {
	line, err := commands[args[0]].run(args[1:])
	if err != nil {
		line = errName(err)
	}
	fmt.Println(line)
	end := make(chan os.Signal, 1)
	signal.Notify(end, unix.SIGTERM, unix.SIGINT)
	select {
	case <-end:
	case <-time.After(time.Minute):
	}
	return "", nil
}

// signals prints each signal it gets and ends, with 0, on SIGTERM.
func signals([]string) (string, error) {
	got := make(chan os.Signal, 16)
	signal.Notify(got, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTERM, unix.SIGTSTP, unix.SIGCONT)
	fmt.Println("ready")
	for s := range got {
		name := unix.SignalName(s.(syscall.Signal))
		if s == unix.SIGTERM {
			return name, nil
		}
		fmt.Println(name)
	}
	return "", nil
}

// fork keeps up to N children at once and says how many there could be.
func fork(args []string) (string, error) {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	var children []*exec.Cmd
	defer func() {
		for _, child := range children {
			child.Process.Kill()
		}
		for _, child := range children {
			child.Wait()
		}
	}()
	for len(children) < want {
		child := exec.Command(self, "sleep", "1m")
		// One thread each would do, but Go has several: the kernel counts all.
		child.Env = []string{"GOMAXPROCS=1"}
		if err := child.Start(); err != nil {
			return errName(err), nil
		}
		children = append(children, child)
	}
	return "ok", nil
}

// failFork is fork that ends with 1 when it was refused, as programs do.
func failFork(args []string) (string, error) {
	line, err := fork(args)
	if line != "ok" {
		fmt.Fprintln(os.Stderr, "fork:", line)
		os.Exit(1)
	}
	return line, err
}

// alloc touches so many MiB.
func alloc(args []string) (string, error) {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	var held [][]byte
	for range want {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		held = append(held, block)
	}
	return fmt.Sprintf("ok %d", len(held)), nil
}

// spin keeps two threads busy and gives processor time per wall time in percent.
func spin(args []string) (string, error) {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return "", err
	}
	begin, end := time.Now(), time.Now().Add(d)
	var busy sync.WaitGroup
	for range 2 {
		busy.Go(func() {
			for time.Now().Before(end) {
			}
		})
	}
	busy.Wait()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return "", err
	}
	used := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return strconv.Itoa(int(100 * used / time.Since(begin))), nil
}

// orphans leaves N grandchildren behind that end at once, and counts those that
// nobody has reaped after a while.
func orphans(args []string) (string, error) {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	for range want {
		// The child ends at once, its own child a little later, without a parent.
		if err := exec.Command(self, "orphan-parent").Run(); err != nil {
			return "", err
		}
	}
	time.Sleep(500 * time.Millisecond)
	return fmt.Sprintf("%d zombies", zombies()), nil
}

func zombies() int {
	found := 0
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// The name is in parentheses and may have spaces; the state follows it.
		_, after, _ := strings.Cut(string(data), ") ")
		if strings.HasPrefix(after, "Z") {
			found++
		}
	}
	return found
}

// oomChild lets a child use up the memory, and tells whether this process is
// still there after it.
func oomChild(args []string) (string, error) {
	exec.Command(self, "alloc", args[0]).Run()
	time.Sleep(300 * time.Millisecond)
	return "survived", nil
}
