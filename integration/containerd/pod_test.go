package containerd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// withPods is the configuration of the CRI plugin, with a runtime for each
// configuration of the shim.
const withPods = `
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "registry.invalid/busybox:1"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
disable_apparmor = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["/usr/lib/cni", "/opt/cni/bin"]
conf_dir = "DIR/cni"
`

const runtimeOf = `
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.%[1]s]
runtime_type = "io.containerd.saferun.v2"
runtime_path = %[2]q
pod_annotations = ["safe-run.dev/*"]
container_annotations = ["safe-run.dev/*"]
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.%[1]s.options]
%[3]s
`

// namedRuntime has runc's options, which are the only ones that containerd takes
// for pods with user namespaces.
const namedRuntime = `
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.%[1]s]
runtime_type = "io.containerd.runc.v2"
runtime_path = %[2]q
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.%[1]s.options]
BinaryName = %[3]q
`

// pods is the CRI plugin of a containerd.
type pods struct {
	*engine
	cri.RuntimeServiceClient
	ctx context.Context
}

// podNet is the network of the pods of this run, by its first numbers.
func podNet() string { return fmt.Sprint("10.213.", os.Getpid()%250) }

func newPods(t *testing.T) *pods {
	t.Helper()
	if _, err := os.Stat("/usr/lib/cni/ptp"); err != nil {
		t.Skip("NOT CHECKED: pods: there are no CNI plugins: ", err)
	}
	more := withPods + fmt.Sprintf(runtimeOf, "refuse", shimBin, `ConfigPath = "DIR/etc/shim-refuse.yaml"`) +
		fmt.Sprintf(runtimeOf, "strip", shimBin, `ConfigPath = "DIR/etc/shim-strip.yaml"`) +
		fmt.Sprintf(runtimeOf, "strict", shimBin, `profile = "default"`) +
		fmt.Sprintf(namedRuntime, "named", shimBin, "default") + fmt.Sprintf(namedRuntime, "unheld", shimBin, "none")
	e := newEngine(t, more)
	e.conflicts("refuse")
	e.conflicts("strip")
	network := fmt.Sprintf(`{"cniVersion": "1.0.0", "name": "t", "plugins": [{"type": "ptp", "ipam": {"type": "host-local", "subnet": "%s.0/24", "routes": [{"dst": "0.0.0.0/0"}], "dataDir": %q}}]}`, podNet(), e.dir+"/ipam")
	must(t, os.MkdirAll(e.dir+"/cni", 0o755))
	must(t, os.WriteFile(e.dir+"/cni/10-t.conflist", []byte(network), 0o644))
	e.client = "k8s.io"
	e.image("busybox")
	connection, err := grpc.NewClient("unix://"+e.dir+"/s", grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { connection.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	p := &pods{e, cri.NewRuntimeServiceClient(connection), ctx}
	e.eventually("the network is ready", func() bool {
		status, err := p.Status(ctx, &cri.StatusRequest{})
		if err != nil {
			return false
		}
		for _, c := range status.Status.Conditions {
			if !c.Status && (c.Type == cri.RuntimeReady || c.Type == cri.NetworkReady) {
				return false
			}
		}
		return true
	})
	return p
}

func (p *pods) sandbox(name string) *cri.PodSandboxConfig {
	return &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: name, Uid: name, Namespace: "default"},
		LogDirectory: filepath.Join(p.dir, "podlogs", name),
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent:    "/" + p.namespace,
			SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: &cri.NamespaceOption{Pid: cri.NamespaceMode_CONTAINER}},
		},
	}
}

func (p *pods) container(name string, command ...string) *cri.ContainerConfig {
	return &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: name}, Image: &cri.ImageSpec{Image: "registry.invalid/busybox:1"},
		Command: command, LogPath: name + ".log",
		Linux: &cri.LinuxContainerConfig{SecurityContext: &cri.LinuxContainerSecurityContext{
			NamespaceOptions: &cri.NamespaceOption{Pid: cri.NamespaceMode_CONTAINER},
			RunAsUser:        &cri.Int64Value{Value: 1000}, RunAsGroup: &cri.Int64Value{Value: 1000},
		}},
	}
}

// begin makes a pod, which is removed at the end.
func (p *pods) begin(t *testing.T, runtime string, sandbox *cri.PodSandboxConfig) (string, error) {
	t.Helper()
	pod, err := p.RunPodSandbox(p.ctx, &cri.RunPodSandboxRequest{Config: sandbox, RuntimeHandler: runtime})
	if err != nil {
		return "", err
	}
	t.Cleanup(func() {
		_, err := p.StopPodSandbox(p.ctx, &cri.StopPodSandboxRequest{PodSandboxId: pod.PodSandboxId})
		must(t, err)
		_, err = p.RemovePodSandbox(p.ctx, &cri.RemovePodSandboxRequest{PodSandboxId: pod.PodSandboxId})
		must(t, err)
	})
	return pod.PodSandboxId, nil
}

// add starts a container of a pod.
func (p *pods) add(pod string, sandbox *cri.PodSandboxConfig, c *cri.ContainerConfig) (string, error) {
	made, err := p.CreateContainer(p.ctx, &cri.CreateContainerRequest{PodSandboxId: pod, Config: c, SandboxConfig: sandbox})
	if err != nil {
		return "", err
	}
	_, err = p.StartContainer(p.ctx, &cri.StartContainerRequest{ContainerId: made.ContainerId})
	return made.ContainerId, err
}

func (p *pods) inside(t *testing.T, container, script string) (string, int32) {
	t.Helper()
	answer, err := p.ExecSync(p.ctx, &cri.ExecSyncRequest{ContainerId: container, Cmd: []string{"/bin/sh", "-c", script}, Timeout: 30})
	if err != nil {
		t.Error(err)
		return "", -1
	}
	return string(answer.Stdout) + string(answer.Stderr), answer.ExitCode
}

// TestPod: a pod of two containers in one shim, each confined, with the network
// of the pod, and a pause container that is not root.
func TestPod(t *testing.T) {
	p := newPods(t)
	sandbox := p.sandbox("two")
	pod, err := p.begin(t, "refuse", sandbox)
	must(t, err)
	one, err := p.add(pod, sandbox, p.container("one", "/bin/sleep", "1000"))
	must(t, err)
	two, err := p.add(pod, sandbox, p.container("two", "/bin/sh", "-c", "echo to the log; exit 9"))
	must(t, err)
	if shims := p.shims(); len(shims) != 1 {
		t.Errorf("%d shims serve one pod", len(shims))
	}
	out, code := p.inside(t, one, "id -u; grep -E 'CapBnd|NoNew|Seccomp:' /proc/self/status; ls /sys/class/net; exit 5")
	for _, want := range []string{`(?m)^1000$`, `CapBnd:\s0000000000000000`, `NoNewPrivs:\s1`, `Seccomp:\s2`, `eth0`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("inside there is no %s: %s", want, out)
		}
	}
	if code != 5 {
		t.Errorf("the exec's exit code is %d", code)
	}
	p.eventually("the second has ended", func() bool {
		status, err := p.ContainerStatus(p.ctx, &cri.ContainerStatusRequest{ContainerId: two})
		return err == nil && status.Status.State == cri.ContainerState_CONTAINER_EXITED && status.Status.ExitCode == 9
	})
	log, err := os.ReadFile(filepath.Join(sandbox.LogDirectory, "two.log"))
	if err != nil || !strings.Contains(string(log), "to the log") {
		t.Errorf("its log: %q, %v", log, err)
	}
	stats, err := p.ContainerStats(p.ctx, &cri.ContainerStatsRequest{ContainerId: one})
	if err != nil || stats.Stats.Memory.GetWorkingSetBytes().GetValue() == 0 {
		t.Errorf("stats: %v, %v", stats, err)
	}
	for line := range strings.Lines(p.must("task", "ls")) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == pod {
			status, err := os.ReadFile("/proc/" + fields[1] + "/status")
			must(t, err)
			if !regexp.MustCompile(`Uid:\s65535\s`).Match(status) || !strings.Contains(string(status), "CapBnd:\t0000000000000000") {
				t.Errorf("the pause container:\n%s", status)
			}
		}
	}
	_, err = p.UpdateContainerResources(p.ctx, &cri.UpdateContainerResourcesRequest{ContainerId: one, Linux: &cri.LinuxContainerResources{MemoryLimitInBytes: 64 << 20}})
	if err != nil {
		t.Errorf("update: %v", err)
	}
}

// asks are what pods ask and webby forbids, by the field of the pod.
var asks = []struct {
	field   string
	sandbox func(*cri.LinuxSandboxSecurityContext)
	change  func(*cri.ContainerConfig)
	want    string
}{
	{"spec.hostNetwork", func(s *cri.LinuxSandboxSecurityContext) { s.NamespaceOptions.Network = cri.NamespaceMode_NODE }, nil, "the host's network namespace"},
	{"spec.hostIPC", func(s *cri.LinuxSandboxSecurityContext) { s.NamespaceOptions.Ipc = cri.NamespaceMode_NODE }, nil, "the host's ipc namespace"},
	{"securityContext.privileged", func(s *cri.LinuxSandboxSecurityContext) { s.Privileged = true }, func(c *cri.ContainerConfig) { c.Linux.SecurityContext.Privileged = true }, ""},
	{"securityContext.runAsUser", nil, func(c *cri.ContainerConfig) { c.Linux.SecurityContext.RunAsUser.Value = 0 }, "user root"},
	{"securityContext.capabilities.add", nil, func(c *cri.ContainerConfig) {
		c.Linux.SecurityContext.Capabilities = &cri.Capability{AddCapabilities: []string{"SYS_ADMIN"}}
	}, "capability CAP_SYS_ADMIN"},
	{"volumes.hostPath", nil, func(c *cri.ContainerConfig) {
		c.Mounts = []*cri.Mount{{HostPath: "/etc", ContainerPath: "/host"}}
	}, "mount of /etc at /host"},
	{"spec.hostPID", func(s *cri.LinuxSandboxSecurityContext) { s.NamespaceOptions.Pid = cri.NamespaceMode_NODE }, func(c *cri.ContainerConfig) {
		c.Linux.SecurityContext.NamespaceOptions.Pid = cri.NamespaceMode_NODE
	}, "the host's pid namespace"},
}

// TestPodRefused: what the user of a cluster sees names the field of the pod, the
// profile and the reason.
func TestPodRefused(t *testing.T) {
	p := newPods(t)
	for i, c := range asks {
		t.Run(c.field, func(t *testing.T) {
			sandbox := p.sandbox(fmt.Sprint("p", i))
			if c.sandbox != nil {
				c.sandbox(sandbox.Linux.SecurityContext)
			}
			pod, err := p.begin(t, "refuse", sandbox)
			if err == nil && c.change != nil {
				container := p.container("c", "/bin/sleep", "1000")
				c.change(container)
				_, err = p.add(pod, sandbox, container)
			}
			if err == nil {
				t.Fatal("it runs")
			}
			for _, want := range []string{c.field, c.want, "profile webby", "in the pod write"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
		})
	}
}

// TestPodUserNamespace: a profile that asks for a user namespace has pods with
// hostUsers: false, and refuses others with that hint.
func TestPodUserNamespace(t *testing.T) {
	p := newPods(t)
	for _, runtime := range []string{"strict", "named"} {
		if _, err := p.begin(t, runtime, p.sandbox("without")); err == nil || !strings.Contains(err.Error(), "hostUsers: false") {
			t.Errorf("%s, without a user namespace: %v", runtime, err)
		}
	}
	for _, runtime := range []string{"unheld", "named"} {
		sandbox := p.sandbox("with-" + runtime)
		ids := []*cri.IDMapping{{HostId: 1 << 20, ContainerId: 0, Length: 65536}}
		sandbox.Linux.SecurityContext.NamespaceOptions.UsernsOptions = &cri.UserNamespace{Mode: cri.NamespaceMode_POD, Uids: ids, Gids: ids}
		pod, err := p.begin(t, runtime, sandbox)
		must(t, err)
		container := p.container("c", "/bin/sleep", "1000")
		container.Linux.SecurityContext.NamespaceOptions.UsernsOptions = sandbox.Linux.SecurityContext.NamespaceOptions.UsernsOptions
		id, err := p.add(pod, sandbox, container)
		must(t, err)
		out, _ := p.inside(t, id, "cat /proc/self/uid_map; echo x > /dev/stdout; grep -hE 'core|open files' /proc/self/limits /proc/1/limits")
		if !regexp.MustCompile(`0 +1048576 +65536`).MatchString(out) || !strings.Contains(out, "x\n") {
			t.Errorf("%s, inside: %s", runtime, out)
		}
		// Where CAP_SYS_RESOURCE is missing each lowers its own.
		if limits := regexp.MustCompile(`(?m)^Max core file size +0 +0 .*\nMax open files +1024 +4096 `).FindAllString(out, -1); len(limits) != 2 && runtime == "named" {
			t.Errorf("limits of the first process and of one that joins: %s", out)
		}
	}
}
