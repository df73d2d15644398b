package network

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// writeSysctl writes a key below /proc/sys/net of the calling thread's network
// namespace. A key of IPv6 that does not exist is no error: the kernel runs
// without IPv6.
func writeSysctl(key, value string) error {
	f, err := os.OpenFile(filepath.Join("/proc/sys/net", key), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(key, "ipv6/") {
		return nil
	}
	if err != nil {
		return explain(err, "set net.%s", strings.ReplaceAll(key, "/", "."))
	}
	_, err = f.WriteString(value)
	if err = errors.Join(err, f.Close()); err != nil {
		return explain(err, "set net.%s to %s", strings.ReplaceAll(key, "/", "."), value)
	}
	return nil
}

func readSysctl(key string) (string, error) {
	data, err := os.ReadFile(filepath.Join("/proc/sys/net", key))
	if err != nil {
		return "", explain(err, "read net.%s", strings.ReplaceAll(key, "/", "."))
	}
	return strings.TrimSpace(string(data)), nil
}
