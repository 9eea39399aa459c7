package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
	// childOutput is how much of what a child says is kept, for when it fails.
	childOutput = 8 << 10
	// benchMax is a limit that no load reaches.
	benchMax = 1_000_000_000_000
)

// echoMethod returns its request.
const echoMethod = "/portcullis.bench.Echo/Echo"

// serveEcho is the bare gRPC server that decisions are compared with. What it has of the real one are the options that
// gRPC itself makes faster or slower by.
func serveEcho(ctx context.Context, addrFile string) error {
	tuneMemory()
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.NumStreamWorkers(64), grpc.MaxConcurrentStreams(1000), grpc.MaxRecvMsgSize(4<<20), grpc.WaitForHandlers(true))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "portcullis.bench.Echo",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Echo",
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				in := &pb.DecideRequest{}
				return in, decode(in)
			},
		}},
	}, nil)
	if addrFile != "" {
		if err := writeFile(addrFile, []byte(ln.Addr().String())); err != nil {
			return errors.Join(err, ln.Close())
		}
	}
	unwatch := context.AfterFunc(ctx, s.Stop)
	defer unwatch()
	return s.Serve(ln)
}

// child is a process that bench started. Nobody else's is ever stopped.
type child struct {
	cmd   *exec.Cmd
	said  *tail
	ended chan struct{} // closed once it has ended; err is written before
	err   error
}

// startChild starts a program, which is this one but in tests.
func startChild(ctx context.Context, program string, args ...string) (*child, error) {
	c := &child{cmd: exec.CommandContext(ctx, program, args...), said: &tail{}, ended: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c.said, c.said
	c.cmd.Env = childEnv(os.Environ())
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = stopTimeout
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// childEnv leaves out the settings of other servers: what is measured is what the flags say.
func childEnv(env []string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, "PORTCULLIS_") {
			out = append(out, e)
		}
	}
	return out
}

// addr waits for the child to write its address down.
func (c *child) addr(ctx context.Context, file string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		raw, err := os.ReadFile(file)
		if err == nil {
			return strings.TrimSpace(string(raw)), nil
		}
		select {
		case <-c.ended:
			return "", fmt.Errorf("it ended: %w\n%s", c.err, c.said)
		case <-ctx.Done():
			return "", fmt.Errorf("it does not listen: %w\n%s", ctx.Err(), c.said)
		case <-tick.C:
		}
	}
}

func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(stopTimeout, func() { _ = c.cmd.Process.Kill() })
	defer late.Stop()
	<-c.ended
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - childOutput; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}

// benchPlace is a folder for what the servers of one run write, gone with it.
type benchPlace struct{ dir string }

func newBenchPlace() (benchPlace, error) {
	dir, err := os.MkdirTemp("", "portcullis-bench-")
	if err != nil {
		return benchPlace{}, err
	}
	p := benchPlace{dir}
	if err := p.writeLimits(); err != nil {
		p.remove()
		return benchPlace{}, fmt.Errorf("write a bundle with large limits: %w", err)
	}
	return p, nil
}

func (p benchPlace) file(name string) string { return filepath.Join(p.dir, name) }

func (p benchPlace) remove() { _ = os.RemoveAll(p.dir) }

// writeLimits writes an overlay in which every limit and threshold of the built-in policies is out of reach. They are
// counted all the same.
func (p benchPlace) writeLimits() error {
	b, err := builtIn()
	if err != nil {
		return err
	}
	tables, _ := b.Data["tables"].(map[string]any)
	for _, table := range []string{"limits", "anomalies"} {
		rows, err := raised(tables[table], table)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(map[string]any{table: rows}) // JSON is YAML
		if err != nil {
			return err
		}
		if err := writeFile(p.file(filepath.Join("limits", "tables", table, "data.yaml")), raw); err != nil {
			return err
		}
	}
	return nil
}

// raised gives the rows of a table by name, each with a maximum out of reach.
func raised(table any, name string) ([]map[string]any, error) {
	columns, _ := table.(map[string]any)
	rows, _ := columns[name].([]any)
	var out []map[string]any
	for _, r := range rows {
		row, _ := r.(map[string]any)
		if row["name"] == nil {
			return nil, fmt.Errorf("the table %s has a row without a name", name)
		}
		out = append(out, map[string]any{"name": row["name"], "max": benchMax})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the built-in policies have no table %s", name)
	}
	return out, nil
}
