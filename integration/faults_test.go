package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// faultRounds is how often something is killed; SAFE_RUN_FAULT_ROUNDS says
// another number.
const faultRounds = 100

// faultLanes is how many containers it is done to at the same time.
const faultLanes = 4

// TestDetachedKilledAtAnyMoment: a supervisor or a command is killed at a random moment
// of what it does. What ps says is true afterwards, gc leaves nothing behind, no
// container goes on without its supervisor, and its name can be used again.
func TestDetachedKilledAtAnyMoment(t *testing.T) {
	y := newYard(t)
	rounds := faultRounds
	if text := os.Getenv("SAFE_RUN_FAULT_ROUNDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	} else if testing.Short() {
		rounds = 12
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d rounds", seed, rounds)
	var next atomic.Int32
	var slowest atomic.Int64
	var lanes sync.WaitGroup
	for i := range faultLanes {
		v := &victim{yard: y, name: fmt.Sprintf("victim-%d", i), random: rand.New(rand.NewPCG(seed, uint64(i))), slowest: &slowest}
		lanes.Go(func() {
			for int(next.Add(1)) <= rounds && !t.Failed() {
				v.round(t)
			}
		})
	}
	lanes.Wait()
	y.must(t, "gc")
	if half, _ := filepath.Glob(filepath.Join(y.ledger, ".gone-*")); len(half) > 0 {
		t.Errorf("left half removed: %q", half)
	}
	if left, _ := os.ReadDir(filepath.Join(y.ledger, "names")); len(left) > 0 {
		t.Errorf("names left: %v", left)
	}
	t.Logf("the slowest end of a container whose supervisor was killed: %v", time.Duration(slowest.Load()))
}

// victim is one container that has bad luck.
type victim struct {
	*yard
	name    string
	mark    string // an argument of its program that nothing else has
	random  *rand.Rand
	slowest *atomic.Int64
}

// The states that a container is in when something is done to it.
const (
	absent = iota
	stopped
	live
)

// deeds are what is done to a container, and the state that it has before.
var deeds = []struct {
	before int
	args   string
}{
	{absent, "run -d --name NAME IMAGE sleep MARK"}, {absent, "run -d --name NAME IMAGE sleep MARK"},
	{absent, "run -d --rm --name NAME IMAGE sleep MARK"},
	{stopped, "start NAME"}, {stopped, "rm NAME"}, {stopped, "rename NAME NAME-b"},
	{live, "stop -t 1 NAME"}, {live, "kill NAME"}, {live, "rm -f NAME"}, {live, "restart -t 0 NAME"},
	{live, "exec NAME sleep 0.05"}, {live, "rename NAME NAME-b"}, {live, "update --memory 100m NAME"}, {live, "pause NAME"},
}

// round has something done to the container, kills who does it or its
// supervisor, and looks.
func (v *victim) round(t *testing.T) {
	deed := deeds[v.random.IntN(len(deeds))]
	v.mark = fmt.Sprintf("%d.%d", 1000+v.random.IntN(1e6), v.random.IntN(1e6))
	if deed.before != absent {
		v.must(t, "run", "-d", "--name", v.name, "dir:"+v.root, "sleep", v.mark)
	}
	if deed.before == stopped {
		v.must(t, "stop", "-t", "0", v.name)
	}
	words := strings.NewReplacer("NAME", v.name, "IMAGE", "dir:"+v.root, "MARK", v.mark).Replace(deed.args)
	cmd := v.command(t, strings.Fields(words)...)
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	time.Sleep(time.Duration(v.random.IntN(80_000)) * time.Microsecond)
	who, pid := "the command", cmd.Process.Pid
	if found := v.supervisors(); len(found) > 0 && v.random.IntN(2) == 0 {
		who, pid = "the supervisor", found[0]
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	killed := time.Now()
	_ = cmd.Wait()
	if why := v.settles(t, pid, killed); why != "" {
		t.Errorf("%s, %s was killed: %s", words, who, why)
		return
	}
	v.collect(t, words+", "+who+" was killed")
}

// settles waits until what ps says and what runs are the same, and says what is
// wrong otherwise.
func (v *victim) settles(t *testing.T, killed int, at time.Time) string {
	var why string
	for deadline := at.Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		found, running, owners := v.rows(t), processesWith(v.mark), v.supervisors()
		if orphaned(running, killed) {
			why = "it runs without its supervisor"
			continue
		}
		if n := int64(time.Since(at)); len(running) == 0 && n > v.slowest.Load() {
			v.slowest.Store(n)
		}
		active := found.active()
		if len(active) == len(running) && len(running) == len(owners) && (len(active) == 0 || v.supervised(active[0].ID)) {
			return ""
		}
		why = fmt.Sprintf("ps has %+v, these processes run: %v, and these are supervisors: %v", found, running, owners)
	}
	return why
}
