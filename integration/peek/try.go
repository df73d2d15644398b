package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// tries touch files, and undo what they made.
var tries = map[string]command{
	"write":  {"PATH", write, 1},
	"keep":   {"PATH TEXT", keep, 2},
	"open":   {"PATH ro|wo|rw", open, 2},
	"fill":   {"DIR MIB", fill, 2},
	"inodes": {"DIR N", inodes, 2},
	"mknod":  {"PATH", mknod, 1},
	"setuid": {"DIR", setuidBit, 1},
	"dup":    {"N", dup, 1},
}

// write makes a file and removes it.
func write(args []string) (string, error) {
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer os.Remove(args[0])
	defer f.Close()
	if _, err := f.WriteString("written"); err != nil {
		return "", err
	}
	return "ok", nil
}

// keep makes a file that stays.
func keep(args []string) (string, error) {
	return "ok", os.WriteFile(args[0], []byte(args[1]), 0o644)
}

// open opens and closes, and transfers nothing.
func open(args []string) (string, error) {
	flag, known := map[string]int{"ro": unix.O_RDONLY, "wo": unix.O_WRONLY, "rw": unix.O_RDWR}[args[1]]
	if !known {
		return "", fmt.Errorf("no way to open %s", args[1])
	}
	fd, err := unix.Open(args[0], flag|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	return "ok", unix.Close(fd)
}

// fill writes so many MiB into one file.
func fill(args []string) (string, error) {
	want, err := strconv.Atoi(args[1])
	if err != nil {
		return "", err
	}
	path := filepath.Join(args[0], ".peek-fill")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer os.Remove(path)
	defer f.Close()
	for range want {
		if _, err := f.Write(make([]byte, 1<<20)); err != nil {
			return "", err
		}
	}
	return "ok", nil
}

// inodes makes up to N empty files.
func inodes(args []string) (string, error) {
	want, err := strconv.Atoi(args[1])
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(args[0], ".peek-inodes")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	for i := range want {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600); err != nil {
			return "", err
		}
	}
	return "ok", nil
}

// mknod makes the node of /dev/null, the most harmless there is.
func mknod(args []string) (string, error) {
	err := unix.Mknod(args[0], unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
	if err == nil {
		os.Remove(args[0])
	}
	return "ok", err
}

// setuidBit sets the setuid bit on a file of its own.
func setuidBit(args []string) (string, error) {
	path := filepath.Join(args[0], ".peek-setuid")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return "", err
	}
	defer os.Remove(path)
	return "ok", unix.Chmod(path, 0o4700)
}

// dup duplicates standard input up to N times; the numbers end at the limit.
func dup(args []string) (string, error) {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	for range want {
		if _, err := unix.Dup(0); err != nil {
			return "", err
		}
	}
	return "ok", nil
}
