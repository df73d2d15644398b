package containerd

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	bootapi "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// asked is the task service of a shim, asked without containerd.
func (e *engine) asked(address string) taskapi.TTRPCTaskService {
	e.t.Helper()
	conn, err := net.Dial("unix", strings.TrimPrefix(address, "unix://"))
	must(e.t, err)
	client := ttrpc.NewClient(conn)
	e.t.Cleanup(func() { client.Close() })
	return taskapi.NewTTRPCTaskClient(client)
}

// TestKeptSignal: a signal that comes while an exec is being started, here while
// it waits for the reader of its output, is the exec's when it runs.
func TestKeptSignal(t *testing.T) {
	e := newEngine(t, "")
	e.must(append(e.plain("-d"), e.rootfs(), "c", "/bin/sleep", "1000")...)
	defer e.remove("c")
	var boot struct{ Address string }
	text, err := os.ReadFile(filepath.Join(e.bundles()[0], "bootstrap.json"))
	must(t, err)
	must(t, json.Unmarshal(text, &boot))
	task := e.asked(boot.Address)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	out := filepath.Join(e.dir, "out")
	must(t, syscall.Mkfifo(out, 0o600))
	process, err := json.Marshal(map[string]any{
		"args": []string{"/bin/sh", "-c", "echo it ran; exec sleep 1000"}, "cwd": "/", "env": []string{"PATH=/bin"}, "user": map[string]int{"uid": 0, "gid": 0},
	})
	must(t, err)
	_, err = task.Exec(ctx, &taskapi.ExecProcessRequest{ID: "c", ExecID: "a", Stdout: out, Spec: &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Process", Value: process}})
	must(t, err)
	started := make(chan error, 1)
	go func() {
		_, err := task.Start(ctx, &taskapi.StartRequest{ID: "c", ExecID: "a"})
		started <- err
	}()
	e.eventually("a signal is kept", func() bool {
		_, err := task.Kill(ctx, &taskapi.KillRequest{ID: "c", ExecID: "a", Signal: uint32(syscall.SIGTERM)})
		return err == nil
	})
	select {
	case err := <-started:
		t.Logf("NOT CHECKED: it was started before the signal came: %v", err)
	default:
	}
	reader, err := os.OpenFile(out, os.O_RDWR, 0)
	must(t, err)
	defer reader.Close()
	must(t, <-started)
	ended, err := task.Wait(ctx, &taskapi.WaitRequest{ID: "c", ExecID: "a"})
	must(t, err)
	if want := 128 + uint32(syscall.SIGTERM); ended.ExitStatus != want {
		t.Errorf("exit %d, want %d", ended.ExitStatus, want)
	}
	_, err = task.Delete(ctx, &taskapi.DeleteRequest{ID: "c", ExecID: "a"})
	must(t, err)
}

// TestShimCgroup: the service is in the control group that runc's options name.
func TestShimCgroup(t *testing.T) {
	e := newEngine(t, "")
	hierarchy := "pids"
	if there("/sys/fs/cgroup/cgroup.controllers") {
		hierarchy = ""
	}
	group := "/" + e.namespace + "/shims"
	dir := filepath.Join("/sys/fs/cgroup", hierarchy, group)
	must(t, os.MkdirAll(dir, 0o755))
	bundle := t.TempDir()
	must(t, os.WriteFile(filepath.Join(bundle, "config.json"), []byte("{}"), 0o600))
	must(t, syscall.Mkfifo(filepath.Join(bundle, "log"), 0o600))
	log, err := os.OpenFile(filepath.Join(bundle, "log"), os.O_RDWR, 0)
	must(t, err)
	defer log.Close()
	options, err := anypb.New(&runcoptions.Options{ShimCgroup: group})
	must(t, err)
	said, err := proto.Marshal(&bootapi.BootstrapParams{
		InstanceID: "c", Namespace: e.namespace, ContainerdGrpcAddress: e.dir + "/s", SocketDir: proto.String(e.dir), Extensions: []*bootapi.Extension{{Value: options}},
	})
	must(t, err)
	start := exec.Command(shimBin, "-namespace", e.namespace, "-address", e.dir+"/s", "-id", "c", "start")
	start.Dir, start.Stdin, start.Env = bundle, bytes.NewReader(said), append(os.Environ(), "TTRPC_ADDRESS="+e.dir+"/t")
	answered, err := start.Output()
	must(t, err)
	var result bootapi.BootstrapResult
	must(t, proto.Unmarshal(answered, &result))
	task := e.asked(result.Address)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	connected, err := task.Connect(ctx, &taskapi.ConnectRequest{ID: "c"})
	must(t, err)
	found, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(int(connected.ShimPid)), "cgroup"))
	must(t, err)
	if !strings.Contains(string(found), ":"+group+"\n") {
		t.Errorf("its control groups:\n%s", found)
	}
	_, err = task.Shutdown(ctx, &taskapi.ShutdownRequest{ID: "c"})
	must(t, err)
	e.eventually("it has ended", func() bool { return len(e.shims()) == 0 })
	e.eventually("its group is empty", func() bool { return syscall.Rmdir(dir) == nil })
}

// TestOOM: that the memory ran out is told before the end that comes of it.
func TestOOM(t *testing.T) {
	e := newEngine(t, "")
	told, err := os.Create(filepath.Join(e.dir, "events"))
	must(t, err)
	defer told.Close()
	events := exec.Command(filepath.Join(tools, "ctr"), "-a", e.dir+"/s", "-n", e.namespace, "events")
	events.Stdout = told
	must(t, events.Start())
	defer func() { _ = events.Process.Kill(); _ = events.Wait() }()
	all := func() string {
		text, _ := os.ReadFile(told.Name())
		return string(text)
	}
	e.eventually("events are told", func() bool {
		e.ctr("namespace", "label", e.namespace, "asked="+strconv.FormatInt(time.Now().UnixNano(), 10))
		return strings.Contains(all(), "/namespaces/update")
	})
	for i := range 3 {
		id := "c" + strconv.Itoa(i)
		code, out := e.ctr(append(e.plain("--rm", "--memory-limit", strconv.Itoa(16<<20)), e.rootfs(), id, "/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=64M")...)
		if code != 128+int(syscall.SIGKILL) {
			t.Errorf("exit %d: %s", code, out)
		}
		e.eventually("its end is told", func() bool { return strings.Contains(all(), `/tasks/delete {"container_id":"`+id) })
		oom, exit := strings.Index(all(), `/tasks/oom {"container_id":"`+id), strings.Index(all(), `/tasks/exit {"container_id":"`+id)
		if oom < 0 || oom > exit {
			t.Errorf("out of memory told at %d, the exit at %d:\n%s", oom, exit, all())
		}
	}
}
