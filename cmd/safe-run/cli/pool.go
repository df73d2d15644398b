package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// A pool keeps sandboxes whose first process waits for its program:
//
//	run --pool=NAME ──socket──> pool ──order──> first process ──> program
//	      └──────────── the program's own pipes ────────────────────┘
//
// The caller is plain C (sandbox/initproc/poolclient.c). Every sandbox has a
// worker: it prepares one, hands it to a run, and prepares the next.
type pool struct {
	std  IO
	o    runOptions
	name string
	size int

	ready  chan *member
	making chan struct{}         // bounds how many are made at a time
	failed atomic.Pointer[error] // why none can be made just now
	work   sync.WaitGroup        // workers and runs
}

// member is one prepared sandbox.
type member struct {
	*prepared
	cmd   *sandbox.Cmd
	words *os.File // what is to be said on the caller's standard error
	ended chan struct{}
	exit  sandbox.Exit
	err   error
}

func newPool(std IO, o runOptions, size int) *pool {
	p := &pool{std: std, o: o, name: poolName(o), size: size, ready: make(chan *member), making: make(chan struct{}, 2)}
	p.o.Name, p.o.Stdin, p.o.Request.Prepared = "", true, true
	return p
}

// run serves until a signal ends it.
func (p *pool) run(ctx context.Context) (err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer stop()
	listener, err := p.listen()
	if err != nil {
		return launcherError(err)
	}
	first, err := p.prepare(ctx) // what is wrong shows at once
	if err != nil {
		listener.Close()
		return launcherError(err)
	}
	p.keep(ctx, first)
	for range p.size - 1 {
		p.keep(ctx, nil)
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	fmt.Fprintf(p.std.Out, "pool %s takes runs: safe-run run --pool=%s [COMMAND...]\n", p.name, p.name)
	p.accept(ctx, listener)
	p.work.Wait()
	return nil
}

// poolsDir has a socket for each pool.
const poolsDir = state.DefaultRoot + "/pools"

// listen makes the socket. Only root gets into its directory. A socket that
// nobody answers is what a killed pool left.
func (p *pool) listen() (*net.UnixListener, error) {
	if err := os.MkdirAll(poolsDir, 0o700); err != nil {
		return nil, asRoot(err)
	}
	dir, err := lockPools()
	if err != nil {
		return nil, asRoot(err)
	}
	defer dir.Close()
	path := filepath.Join(poolsDir, p.name)
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, problem.New("choose another --name, or end the other", "pool %s is there already", p.name)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, asRoot(err)
	}
	return net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
}

func (p *pool) accept(ctx context.Context, listener *net.UnixListener) {
	for ctx.Err() == nil {
		conn, err := listener.AcceptUnix()
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of descriptors, for example
			continue
		}
		p.work.Go(func() { p.serve(ctx, conn) })
	}
}

// keep has one sandbox ready at all times, until the context ends.
func (p *pool) keep(ctx context.Context, m *member) {
	p.work.Go(func() {
		for pause := time.Duration(0); ctx.Err() == nil; m = nil {
			if m == nil {
				m = p.make(ctx, &pause)
			}
			if m == nil {
				continue
			}
			select {
			case p.ready <- m:
				pause = 0
			case <-m.ended: // killed: by somebody, or for want of memory
				pause = p.fails(ctx, pause, problem.New("see whether its --memory is enough to wait in, and whether the host has enough",
					"a prepared sandbox has ended before it was used"))
				m.end(p.std)
			case <-ctx.Done():
				m.end(p.std)
			}
		}
	})
}

// make prepares one. After a failure it waits, longer each time.
func (p *pool) make(ctx context.Context, pause *time.Duration) *member {
	select {
	case <-time.After(*pause):
	case <-ctx.Done():
		return nil
	}
	m, err := p.prepare(ctx)
	if err != nil {
		*pause = p.fails(ctx, *pause, err)
		return nil
	}
	p.failed.Store(nil) // the pause stays until somebody has had one
	return m
}

// fails says why there is no sandbox, once, and gives how long to wait.
func (p *pool) fails(ctx context.Context, pause time.Duration, err error) time.Duration {
	if p.failed.Swap(&err) == nil && ctx.Err() == nil {
		report(p.std.Err, paletteFor(p.std.Err), problem.New(problem.HintOf(err), "pool %s: %w", p.name, err))
	}
	return min(max(2*pause, 100*time.Millisecond), 10*time.Second)
}

// prepare makes one sandbox as run does, up to the program.
func (p *pool) prepare(ctx context.Context) (*member, error) {
	p.making <- struct{}{}
	defer func() { <-p.making }()
	made, err := prepare(ctx, p.std, p.o, taker(sandbox.BeginAs(state.DefaultRoot, sandbox.NewID())))
	if err != nil {
		return nil, err
	}
	m := &member{prepared: made, ended: make(chan struct{})}
	if m.words, err = words(); err != nil {
		return nil, errors.Join(err, made.close(), made.giveBack())
	}
	std := p.std
	std.Err = m.words
	m.cmd = made.command(std, p.o)
	m.cmd.Pool = p.name
	if err := m.cmd.Start(ctx); err != nil {
		m.words.Close()
		return nil, errors.Join(err, m.cmd.Close(), made.close())
	}
	go func() {
		m.exit, m.err = m.cmd.Wait()
		close(m.ended)
	}()
	return m, nil
}

// nameless is O_TMPFILE, which package syscall does not have.
const nameless = 0o20000000 | syscall.O_DIRECTORY

// words is a file that never has a name: a pool that is killed leaves none.
func words() (*os.File, error) {
	f, err := os.OpenFile(poolsDir, os.O_RDWR|nameless, 0o600)
	return f, asRoot(err)
}

// take gives a prepared sandbox, or says why there is none.
func (p *pool) take(ctx context.Context) (*member, error) {
	for {
		select {
		case m := <-p.ready:
			if !m.dead() {
				return m, nil
			}
			m.end(p.std)
		case <-ctx.Done():
			return nil, problem.New("start it again", "pool %s has ended", p.name)
		case <-time.After(20 * time.Millisecond):
			if err := p.failed.Load(); err != nil {
				return nil, problem.New(problem.HintOf(*err), "pool %s has no sandbox: %w", p.name, *err)
			}
		}
	}
}

func (m *member) dead() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

// end removes a sandbox, whatever runs in it.
func (m *member) end(std IO) {
	_ = m.cmd.Signal(sigKill)
	<-m.ended
	for _, stream := range m.cmd.Streams() {
		stream.Close()
	}
	err := errors.Join(m.cmd.Close(), m.close(), m.words.Close())
	if err != nil {
		report(std.Err, paletteFor(std.Err), err)
	}
}

// command puts the process that reaps in front of a program, where the plan has it.
func (m *member) command(args []string) []string {
	if m.plan.Lifecycle.Init {
		return append([]string{spec.InitPath}, args...)
	}
	return args
}
