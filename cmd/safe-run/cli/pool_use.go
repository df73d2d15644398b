package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// use is what one run asks of a pool.
type use struct {
	spec.ExecRequest
	stdin bool
	quiet bool
	form  format
}

// pooled are the flags of run that a prepared sandbox can still follow.
var pooled = []string{"env", "interactive", "quiet", "rm", "sig-proxy", "workdir"}

// parseUse reads the command line of `run --pool=NAME`, without those two words.
func parseUse(args []string, lookup func(string) (string, bool)) (use, error) {
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	fs.Usage = func() {}
	seen := addRunFlags(fs)
	form := fs.String("format", string(formatTable), "")
	if err := fs.Parse(args); err != nil {
		return use{form: formatTable}, flagError("safe-run run", fs, err)
	}
	u := use{ExecRequest: spec.ExecRequest{Args: fs.Args()}}
	var err error
	if u.form, err = parseFormat(*form); err != nil {
		return use{form: formatTable}, err
	}
	for _, f := range *seen {
		if !slices.Contains(pooled, f.name) {
			return u, problem.New("give it to `safe-run pool`, or leave --pool out", "--%s: a prepared sandbox is what its pool has made it", f.name)
		}
		if err := u.set(f, lookup); err != nil {
			return u, problem.New(problem.HintOf(err), "--%s: %w", f.name, err)
		}
	}
	return u, nil
}

func (u *use) set(f occurrence, lookup func(string) (string, bool)) (err error) {
	switch f.name {
	case "env":
		entry, given, err := parseEnv(f.value, lookup)
		if given {
			u.Env = append(u.Env, entry)
		}
		return err
	case "workdir":
		u.WorkingDir = f.value
	case "interactive":
		u.stdin, err = parseBool(f.value)
	case "quiet":
		u.quiet, err = parseBool(f.value)
	}
	return err
}

// process is what runs in a sandbox for it: as with run, arguments follow the
// entrypoint and replace the rest.
func (u use) process(m *member, o runOptions) (*specs.Process, error) {
	request := u.ExecRequest
	entrypoint := m.image.Spec.Config.Entrypoint
	if o.Request.Entrypoint != nil {
		entrypoint = nil
		if *o.Request.Entrypoint != "" {
			entrypoint = []string{*o.Request.Entrypoint}
		}
	}
	if m.image.Spec.Program != "" && len(entrypoint) == 0 {
		entrypoint = []string{m.image.Spec.ProgramPath}
	}
	if len(request.Args) == 0 {
		request.Args = sandbox.Program(m.plan)
	} else {
		request.Args = slices.Concat(entrypoint, request.Args)
	}
	p, err := spec.CompileExec(m.plan, request)
	if err == nil {
		p.Args = m.command(p.Args)
	}
	return p, err
}

// caller is who runs something in a pool.
type caller struct {
	conn *net.UnixConn

	mu     sync.Mutex
	runs   *member // nil until it has a sandbox
	tale   *tale
	giveUp context.CancelFunc
	sig    syscall.Signal // for which it was given up
}

// The frames of a pool's answer; see poolclient.c.
const (
	saysStreams = 'S'
	saysText    = 'T'
	saysEnd     = 'E'
)

func (c *caller) send(kind byte, value int, payload []byte, files ...*os.File) error {
	data := binary.NativeEndian.AppendUint32([]byte{kind, 0, 0, 0}, uint32(value))
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = syscall.UnixRights(fds...)
	}
	_, _, err := c.conn.WriteMsgUnix(data, rights, nil)
	if err == nil {
		_, err = c.conn.Write(payload) // all of it, which one message may not hold
	}
	return err
}

// end tells how it ended.
func (c *caller) end(words []byte, code int) {
	if len(words) > 0 {
		_ = c.send(saysText, len(words), words)
	}
	_ = c.send(saysEnd, code, nil)
}

// mostAsked bounds a command line with its environment: what execve(2) takes.
const mostAsked = 8 << 20

// read takes a command line and an environment.
func (c *caller) read() (args, env []string, err error) {
	head := make([]byte, 12)
	if _, err := io.ReadFull(c.conn, head); err != nil {
		return nil, nil, err
	}
	size, argc, envc := binary.NativeEndian.Uint32(head), binary.NativeEndian.Uint32(head[4:]), binary.NativeEndian.Uint32(head[8:])
	if size > mostAsked {
		return nil, nil, errors.New("the command line is too long")
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(c.conn, data); err != nil {
		return nil, nil, err
	}
	return texts(data, argc, envc)
}

// texts are the strings of a request, each of which a zero byte ends.
func texts(data []byte, argc, envc uint32) (args, env []string, err error) {
	parts := bytes.Split(data, []byte{0})
	if n := len(parts) - 1; len(parts[n]) != 0 || uint64(n) != uint64(argc)+uint64(envc) {
		return nil, nil, errors.New("the request is not one of safe-run's")
	}
	for i, part := range parts[:len(parts)-1] {
		if i < int(argc) {
			args = append(args, string(part))
		} else {
			env = append(env, string(part))
		}
	}
	return args, env, nil
}

// lookupIn finds a variable of another process's environment.
func lookupIn(env []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, text := range env {
			if rest, found := strings.CutPrefix(text, name+"="); found {
				return rest, true
			}
		}
		return "", false
	}
}

// serve runs one program for one caller.
func (p *pool) serve(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	c := &caller{conn: conn}
	_ = conn.SetReadDeadline(time.Now().Add(askPatience))
	args, env, err := c.read()
	if err != nil {
		return // no caller of safe-run's
	}
	_ = conn.SetReadDeadline(time.Time{})
	u, err := parseUse(args, lookupIn(env))
	var m *member
	if err == nil {
		m, err = p.meet(ctx, c)
	}
	if err != nil {
		if !errors.As(err, new(*exitError)) {
			err = launcherError(err)
		}
		c.end(said(u, err), exitCode(err, exitLauncher))
		return
	}
	defer m.end(p.std)
	words, code := p.use(ctx, c, m, u)
	c.end(words, code)
}

// askPatience bounds how long a caller may take to send its command line.
const askPatience = 10 * time.Second

// said is an error as the caller's standard error gets it.
func said(u use, err error) []byte {
	var exit *exitError
	if errors.As(err, &exit) && exit.Err == nil {
		return nil
	}
	var text bytes.Buffer
	if u.form == formatJSON {
		reportJSON(&text, err)
	} else {
		report(&text, false, err)
	}
	return text.Bytes()
}

// use runs it in a sandbox, and gives what is to be said and the exit code.
func (p *pool) use(ctx context.Context, c *caller, m *member, u use) (words []byte, code int) {
	process, err := u.process(m, p.o)
	if err != nil {
		return said(u, launcherError(err)), exitLauncher
	}
	streams := m.cmd.Streams()
	files := streams[1:]
	if u.stdin {
		files = append(slices.Clone(files), streams[0])
	}
	if c.send(saysStreams, len(files), nil, files...) != nil {
		return nil, exitLauncher // the caller has gone
	}
	for _, stream := range streams {
		stream.Close() // they are the caller's
	}
	told, begun := make(chan error, 1), make(chan struct{})
	p.work.Go(func() {
		defer close(begun)
		err := m.cmd.Tell(process)
		if told <- err; err == nil {
			c.tale.begin()
		}
	})
	defer p.work.Go(func() {
		<-begun
		c.tale.end(&m.exit)
	})
	stop := context.AfterFunc(ctx, func() { _ = m.cmd.Signal(sigKill) })
	defer stop()
	<-m.ended
	err = <-told
	if err == nil && m.err == nil {
		o := p.o
		o.Quiet, o.Format = u.quiet, u.form
		std := p.std
		std.Err = m.words
		err = tell(std, o, m.exit)
		_, _ = m.words.Seek(0, io.SeekStart)
		words, _ = io.ReadAll(io.LimitReader(m.words, mostWords))
		return words, exitCode(err, 0)
	}
	err = launcherError(explainExec(m.plan, errors.Join(err, m.err)))
	return said(u, err), exitCode(err, exitLauncher)
}

// mostWords bounds what is said of one run.
const mostWords = 1 << 19

// meet gives a caller a sandbox, unless it goes away or is to end before.
func (p *pool) meet(ctx context.Context, c *caller) (*member, error) {
	waiting, giveUp := context.WithCancel(ctx)
	defer giveUp()
	c.giveUp = giveUp
	go c.listen()
	m, err := p.take(waiting)
	c.mu.Lock()
	defer c.mu.Unlock()
	if waiting.Err() != nil && ctx.Err() == nil { // also between the two
		if m != nil {
			go m.end(p.std)
		}
		return nil, &exitError{Code: 128 + int(c.sig)}
	}
	if err == nil {
		c.runs, c.tale = m, newTale(m.prepared, p.o)
	}
	return m, err
}

// listen passes signals of the caller on, and kills what runs when it is gone.
// Before anything runs, either ends the wait.
func (c *caller) listen() {
	one := make([]byte, 1)
	for {
		n, err := c.conn.Read(one)
		if !c.heard(syscall.Signal(one[0]), n != 1 || err != nil) {
			return
		}
	}
}

func (c *caller) heard(sig syscall.Signal, gone bool) (more bool) {
	c.mu.Lock()
	m, tale := c.runs, c.tale
	if m == nil {
		if !gone {
			c.sig = sig
		}
		c.giveUp()
	}
	c.mu.Unlock()
	switch {
	case m == nil || m.dead():
		return false
	case gone:
		_ = m.cmd.Signal(sigKill)
		return false
	}
	if sig > 0 && sig <= 64 && m.cmd.Signal(sig) == nil {
		tale.signalled(sig)
	}
	return true
}
