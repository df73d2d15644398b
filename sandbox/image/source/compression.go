package source

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

type compression string

const (
	plainTar compression = ""
	gzipped  compression = "gzip"
	zstdized compression = "zstd"
)

// compressionOf goes by the first bytes, never by a media type or a name.
func compressionOf(start []byte) compression {
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return gzipped
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstdized
	}
	return plainTar
}

// Decompress gives the content of r, which may be compressed. Memory is
// bounded whatever the headers ask for.
func Decompress(r *bufio.Reader) (io.ReadCloser, error) {
	start, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch compressionOf(start) {
	case gzipped:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, problem.New("copy the image again", "damaged gzip data: %w", err)
		}
		return z, nil
	case zstdized:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(bounds.Window))
		if err != nil {
			return nil, problem.New("copy the image again", "damaged zstd data: %w", err)
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}
