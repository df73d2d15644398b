package compiled

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sealed: nobody changes what is in it any more.
const sealed = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// Sealed gives an encoded entry as a file that cannot be changed any more, for
// another process.
func Sealed(encoded []byte) (*os.File, error) {
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("filter", flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // Linux before 6.3
		fd, err = unix.MemfdCreate("filter", flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "filter")
	_, err = f.Write(encoded)
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, sealed)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// IsSealed says whether a descriptor is what Sealed makes.
func IsSealed(fd int) bool {
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	return err == nil && seals&sealed == sealed
}

// packed begins what has rules for Landlock in front of an entry.
const packed = "SRCONFIN"

// Pack puts rules for Landlock, as JSON, in front of an encoded entry; either
// may be nothing.
func Pack(rules, encoded []byte) []byte {
	if len(rules) == 0 {
		return encoded
	}
	out := binary.LittleEndian.AppendUint32([]byte(packed), uint32(len(rules)))
	return append(append(out, rules...), encoded...)
}

// unpack undoes Pack.
func unpack(data []byte) (rules, encoded []byte, err error) {
	rest, ok := bytes.CutPrefix(data, []byte(packed))
	if !ok {
		return nil, data, nil
	}
	if len(rest) < 4 {
		return nil, nil, errDamaged
	}
	length := binary.LittleEndian.Uint32(rest)
	if rest = rest[4:]; length == 0 || uint64(length) > uint64(len(rest)) {
		return nil, nil, errDamaged
	}
	return rest[:length], rest[length:], nil
}

// Unseal reads the entry that Sealed was given. Whoever sealed it has checked it.
func Unseal(fd int) (Entry, error) {
	data, err := unseal(fd)
	if err != nil {
		return Entry{}, err
	}
	return split(data)
}

// unseal reads what Sealed was given.
func unseal(fd int) ([]byte, error) {
	if !IsSealed(fd) {
		return nil, errDamaged
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	if stat.Size > 2*MaxSize {
		return nil, errDamaged
	}
	data := make([]byte, stat.Size)
	for at := 0; at < len(data); {
		n, err := unix.Pread(fd, data[at:], int64(at))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		at += n
	}
	return data, nil
}
