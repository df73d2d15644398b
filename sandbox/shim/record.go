package shim

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// record is how the first process of a bundle ended, for who cleans up after a
// shim that was killed.
type record struct {
	Pid  int       `json:"pid"`
	Code uint32    `json:"exitStatus"`
	At   time.Time `json:"exitedAt"`
}

func recordFile(bundle string) string { return filepath.Join(stateOf(bundle), "exit.json") }

func (r record) write(bundle string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	name := recordFile(bundle)
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func deletedFile(bundle string) string { return filepath.Join(stateOf(bundle), "deleted") }

// answerDelete writes down what delete answers for a container of which nothing
// is left: whoever reads it (early.c) needs the address only to see that its
// socket is not left either, and what the bundle is known by to see that it is
// about this one.
func (s *Service) answerDelete(t *task) {
	socket, is := strings.CutPrefix(s.address, "unix://")
	if !is || t.config == nil || t.lost() {
		return
	}
	config := t.config.Sys().(*syscall.Stat_t)
	code, at := t.init.exit()
	data, err := proto.Marshal(&taskapi.DeleteResponse{Pid: t.init.pid(), ExitStatus: code, ExitedAt: timestamppb.New(at)})
	if err == nil {
		head := fmt.Sprintf("%s\x00%d %d.%d\x00", socket, config.Ino, config.Mtim.Sec, config.Mtim.Nsec)
		_ = os.WriteFile(deletedFile(t.bundle), append([]byte(head), data...), 0o600)
	}
}

func readRecord(bundle string) (r record, err error) {
	data, err := os.ReadFile(recordFile(bundle))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(data, &r)
}
