package compiled

import (
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

// Unseal reads what Sealed was given. Whoever sealed it has checked it.
func Unseal(fd int) (Entry, error) {
	if !IsSealed(fd) {
		return Entry{}, errDamaged
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return Entry{}, os.NewSyscallError("fstat", err)
	}
	if stat.Size > MaxSize {
		return Entry{}, errDamaged
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
			return Entry{}, err
		}
		at += n
	}
	return split(data)
}
