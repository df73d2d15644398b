package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"

	"golang.org/x/sys/unix"
)

// streams read and write standard input and output.
var streams = map[string]command{
	"stdin":         {"", hashInput, 0},
	"cat":           {"", func([]string) (string, error) { _, err := io.Copy(os.Stdout, os.Stdin); return "", err }, 0},
	"echo":          {"", echo, 0},
	"both":          {"", both, 0},
	"pour":          {"MIB", pour, 1},
	"tty":           {"", terminal, 0},
	"resizes":       {"N", resizes, 1},
	"orphan-parent": {"", orphanParent, 0},
}

// hashInput gives the length and hash of all of standard input.
func hashInput([]string) (string, error) {
	hash := sha256.New()
	n, err := io.Copy(hash, os.Stdin)
	return fmt.Sprintf("%d %x", n, hash.Sum(nil)), err
}

// echo repeats each line that it reads, and says when there are no more.
func echo([]string) (string, error) {
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println("got", lines.Text())
	}
	return "no more", lines.Err()
}

// both writes one line to each of standard output and error.
func both([]string) (string, error) {
	fmt.Fprintln(os.Stderr, "to stderr")
	return "to stdout", nil
}

// pour writes so many MiB of zeros to standard output.
func pour(args []string) (string, error) {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	block := make([]byte, 1<<20)
	for range want {
		if _, err := os.Stdout.Write(block); err != nil {
			return "", err
		}
	}
	return "", nil
}

// terminal gives rows and columns of standard input, or says that it is none.
func terminal([]string) (string, error) {
	size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		return "no terminal", nil
	}
	return fmt.Sprintf("%d rows %d columns", size.Row, size.Col), nil
}

// resizes prints the size of the terminal at the start and after each change.
func resizes(args []string) (string, error) {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	changes := make(chan os.Signal, 16)
	signal.Notify(changes, unix.SIGWINCH)
	for range want {
		line, _ := terminal(nil)
		fmt.Println(line)
		<-changes
	}
	return terminal(nil)
}

// orphanParent leaves a child behind that has no time to be waited for.
func orphanParent([]string) (string, error) {
	return "", exec.Command(self, "exit", "0").Start()
}
