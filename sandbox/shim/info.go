package shim

import (
	"fmt"
	"io"

	"github.com/containerd/containerd/api/types"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// echo puts the options into the answer, as containerd wants them back.
func echo(info *types.RuntimeInfo, options io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(options, maxBody))
	if err != nil || len(data) == 0 {
		return err
	}
	given := &anypb.Any{}
	if err := proto.Unmarshal(data, given); err != nil {
		return fmt.Errorf("the runtime's options: %w", err)
	}
	if _, err := readOptions(given); err != nil {
		return err
	}
	info.Options = given
	return nil
}
