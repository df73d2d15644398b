package network

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// explain says what failed and, by the kernel's answer, what to do. Of the
// error itself it shows the kernel's answer only: a library wraps it in words
// of its own, and a batch has one for each message.
func explain(err error, format string, args ...any) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	var errno unix.Errno
	if errors.As(err, &errno) {
		text = errno.Error()
	}
	hint := ""
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		hint = "run safe-run as root, with CAP_NET_ADMIN and CAP_SYS_ADMIN"
	case errors.Is(err, unix.EROFS):
		hint = "mount -o remount,rw /proc/sys"
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		hint = "this kernel lacks a part: modprobe -a bridge veth nf_tables nft_ct nft_nat nft_masq nft_reject_inet nft_fib_inet nft_limit nft_log nfnetlink_log nf_conntrack_netlink"
	case errors.Is(err, unix.ENOENT):
		hint = "this kernel may lack a part of nf_tables: modprobe -a nf_tables nft_ct nft_nat nft_masq nft_reject_inet nft_fib_inet nft_limit nft_log nfnetlink_log nf_conntrack_netlink"
	case errors.Is(err, unix.EEXIST), errors.Is(err, unix.EBUSY):
		hint = "see what has the name or address: ip -d link; nft list ruleset"
	case errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
		hint = "the kernel is out of memory for it: stop a sandbox"
	case errors.Is(err, os.ErrDeadlineExceeded):
		hint = "the kernel did not answer: dmesg | tail"
	}
	return &problem.Error{What: fmt.Sprintf(format, args...) + ": " + text, Hint: hint, Err: err}
}
