package containerd

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// notices is where the shim is told to write down what containers are refused.
func (e *engine) notices() string { return filepath.Join(e.dir, "denials") }

// told is a line of the file of a pod.
type told struct {
	What, ID, Container, Pod, PodNamespace, PodName, Profile, Message, Hint string
	Denial                                                                  struct {
		Control, Syscall, Address, Process string
		Port                               uint16
		Count                              uint64
	}
}

// told gives the lines of a pod's file, those before a rotation first.
func (e *engine) told(group string) (out []told) {
	e.t.Helper()
	namespace := e.namespace
	if e.client != "" {
		namespace = e.client
	}
	for _, name := range []string{"denials.1.jsonl", "denials.jsonl"} {
		path := filepath.Join(e.notices(), namespace, group, name)
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			e.t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		for line := range strings.Lines(string(data)) {
			var one told
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				e.t.Errorf("%s: %v in %q", path, err, line)
			}
			out = append(out, one)
		}
	}
	return out
}

// of gives those about a call.
func of(call string, list []told) (out []told) {
	for _, one := range list {
		if one.Denial.Syscall == call {
			out = append(out, one)
		}
	}
	return out
}

// hear begins to listen to containerd's events, and gives what was heard so far.
func (e *engine) hear() func() string {
	e.t.Helper()
	namespace := e.namespace
	if e.client != "" {
		namespace = e.client
	}
	heard, err := os.Create(filepath.Join(e.dir, "heard"))
	must(e.t, err)
	listener := exec.Command(filepath.Join(tools, "ctr"), "-a", e.dir+"/s", "-n", namespace, "events")
	listener.Stdout = heard
	must(e.t, listener.Start())
	e.t.Cleanup(func() {
		_ = listener.Process.Kill()
		_ = listener.Wait()
		heard.Close()
	})
	all := func() string {
		text, _ := os.ReadFile(heard.Name())
		return string(text)
	}
	e.eventually("the listener hears", func() bool {
		e.ctr("namespace", "label", namespace, "heard=x")
		return all() != ""
	})
	return all
}

func (e *engine) logged() string {
	text, err := os.ReadFile(e.dir + "/log")
	must(e.t, err)
	return string(text)
}

const allowMount = "to allow it, in a profile: seccomp.allow: [{name: mount, why: ...}]"

// TestDenialsTold: a call that the filter refuses is told of in containerd's
// events, in its log and in a file, with what would allow it, at once; how often
// it came, at the end. So are those of a process that joins.
func TestDenialsTold(t *testing.T) {
	e := newEngine(t, "")
	config, heard := e.conflicts("refuse"), e.hear()
	e.must(e.run("-d", "--runtime-config-path", config, "--user", "1000:1000", e.rootfs(), "c", "/bin/sh", "-c",
		"i=0; while [ $i -lt 200 ]; do mount -t tmpfs x /tmp 2>/tmp/x; i=$((i+1)); done; sleep 1000")...)
	e.eventually("the first is told of while the container runs", func() bool { return len(of("mount", e.told("c"))) > 0 })
	first := of("mount", e.told("c"))[0]
	if !strings.Contains(first.Hint, allowMount) || first.What != "denied" || first.ID != "c" || first.Profile != "webby" || first.Denial.Process != "mount" {
		t.Errorf("%+v", first)
	}
	for where, text := range map[string]func() string{"event": heard, "log": e.logged} {
		e.eventually("it is in the "+where, func() bool {
			for line := range strings.Lines(text()) {
				if strings.Contains(line, "denied by seccomp: mount failed with EPERM in mount") && strings.Contains(line, allowMount) {
					return where == "log" || strings.Contains(line, ` /saferun/denied {"code":7,"message":"c: `)
				}
			}
			return false
		})
	}
	e.ctr("task", "exec", "--exec-id", "a", "c", "/bin/chroot", "/tmp")
	e.eventually("a process that joined is told of", func() bool { return len(of("chroot", e.told("c"))) > 0 })
	e.remove("c")
	mounts := of("mount", e.told("c"))
	if last := mounts[len(mounts)-1]; last.Denial.Count < 2 || len(mounts) > 5 {
		t.Errorf("%d lines about mount, the last with %d calls", len(mounts), last.Denial.Count)
	}
	for where, text := range map[string]string{"events": heard(), "log": e.logged()} {
		if n := strings.Count(text, "seccomp: mount failed"); n < 1 || n > 5 {
			t.Errorf("%d lines about mount in the %s", n, where)
		}
	}
}

// TestDenialsOfPods: the file of a pod says whose denials they are, has what was
// refused and stripped, too, and goes with the pod.
func TestDenialsOfPods(t *testing.T) {
	p := newPods(t)
	heard := p.hear()
	sandbox := p.sandbox("hostile\n\x1b[2J\u202e" + strings.Repeat("n", 300))
	sandbox.LogDirectory = filepath.Join(p.dir, "podlogs")
	made, err := p.RunPodSandbox(p.ctx, &cri.RunPodSandboxRequest{Config: sandbox, RuntimeHandler: "strip"})
	must(t, err)
	pod := made.PodSandboxId
	container := p.container("one", "/bin/sh", "-c", "mount -t tmpfs x /tmp; sleep 1000")
	container.Mounts = []*cri.Mount{{HostPath: "/etc", ContainerPath: "/host"}}
	_, err = p.add(pod, sandbox, container)
	must(t, err)
	p.eventually("the call is told of", func() bool { return len(of("mount", p.told(pod))) > 0 })
	stripped := false
	for _, one := range p.told(pod) {
		if one.Pod != pod || one.Container != "one" || one.PodNamespace != "default" || len(one.PodName) > 512 || strings.ContainsAny(one.PodName, "\n\x1b\u202e") || !strings.HasPrefix(one.PodName, "hostile") {
			t.Errorf("%+v", one)
		}
		stripped = stripped || one.What == "stripped" && strings.Contains(one.Message, "instead of mount of /etc at /host")
	}
	if !stripped || !strings.Contains(heard(), " /saferun/stripped {") {
		t.Errorf("what was stripped is not told of: %+v", p.told(pod))
	}
	_, err = p.StopPodSandbox(p.ctx, &cri.StopPodSandboxRequest{PodSandboxId: pod})
	must(t, err)
	if len(p.told(pod)) == 0 {
		t.Error("the file went before the pod")
	}
	_, err = p.RemovePodSandbox(p.ctx, &cri.RemovePodSandboxRequest{PodSandboxId: pod})
	must(t, err)
	refused := p.sandbox("refused")
	refused.Linux.SecurityContext.NamespaceOptions.Ipc = cri.NamespaceMode_NODE
	if _, err := p.begin(t, "refuse", refused); err == nil {
		t.Fatal("it runs")
	}
	p.eventually("a refusal is told of", func() bool { return strings.Contains(heard(), " /saferun/refused {") })
	p.eventually("the file of the removed pod is gone", func() bool { return len(p.told(pod)) == 0 })
}

// TestViolationKills: a profile's onViolation is followed.
func TestViolationKills(t *testing.T) {
	e := newEngine(t, "")
	profile := e.write("kills.yaml", strings.Replace(webby, "webby", "kills", 1)+"seccomp: {onViolation: {high: kill}}\n")
	config := e.write("shim.yaml", head+"kind: Shim\nprofile: "+profile+"\ndenials: "+e.notices()+"\n")
	code, out := e.ctr(e.run("--rm", "--runtime-config-path", config, "--user", "1000:1000", e.rootfs(), "c", "/bin/sh", "-c", "mount -t tmpfs x /tmp; echo went on")...)
	if code != 137 || strings.Contains(out, "went on") {
		t.Errorf("exit %d: %s", code, out)
	}
	if len(of("mount", e.told("c"))) == 0 {
		t.Errorf("it is not told of: %+v", e.told("c"))
	}
}

// TestViolationFreezes: and so is a freeze, as a pause that can be taken back.
func TestViolationFreezes(t *testing.T) {
	e := newEngine(t, "")
	profile := e.write("freezes.yaml", strings.Replace(webby, "webby", "freezes", 1)+"seccomp: {onViolation: {high: freeze}}\n")
	config := e.write("shim.yaml", head+"kind: Shim\nprofile: "+profile+"\ndenials: "+e.notices()+"\n")
	e.must(e.run("-d", "--runtime-config-path", config, "--user", "1000:1000", e.rootfs(), "c", "/bin/sh", "-c", "mount -t tmpfs x /tmp 2>/tmp/x; echo on > /tmp/on; sleep 1000")...)
	e.eventually("it is frozen", func() bool { return e.status("c") == "PAUSED" })
	e.eventually("it is told of", func() bool { return len(of("mount", e.told("c"))) > 0 })
	e.must("task", "resume", "c")
	if code, out := e.ctr("task", "exec", "--exec-id", "a", "c", "/bin/sh", "-c", "until [ -s /tmp/on ]; do sleep 0.1; done; echo it goes on"); code != 0 || !strings.Contains(out, "it goes on") {
		t.Errorf("exit %d: %s", code, out)
	}
	e.remove("c")
}

// TestLimitsTold: what the limits of memory and processes refuse is told of, with
// what would allow it.
func TestLimitsTold(t *testing.T) {
	e := newEngine(t, "")
	profile := e.write("small.yaml", strings.Replace(webby, "webby", "small", 1)+"resources: {memory: 16MiB, pids: 10}\n")
	config := e.write("shim.yaml", head+"kind: Shim\nprofile: "+profile+"\ndenials: "+e.notices()+"\n")
	e.must(e.run("-d", "--runtime-config-path", config, "--user", "1000:1000", e.rootfs(), "c", "/bin/sh", "-c",
		"tail /dev/zero; (i=0; while [ $i -lt 20 ]; do sleep 1000 & i=$((i+1)); done); sleep 1000")...)
	about := func(control string) (out []told) {
		for _, one := range e.told("c") {
			if one.Denial.Control == control {
				out = append(out, one)
			}
		}
		return out
	}
	e.eventually("memory is told of while it runs", func() bool { return len(about("memory")) > 0 })
	e.eventually("the processes are there", func() bool { return strings.Count(e.must("task", "ps", "c"), "\n") > 9 })
	e.ctr("task", "exec", "--exec-id", "a", "c", "/bin/true") // one more than there may be
	e.remove("c")
	for control, hint := range map[string]string{"memory": "memory: 32MiB", "pids": "pids: 20"} {
		if got := about(control); len(got) == 0 || !strings.Contains(got[0].Hint, hint) || got[0].Denial.Count == 0 {
			t.Errorf("%s: %+v", control, got)
		}
	}
}
