package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// How long a server may take to come and to go on a busy machine.
const (
	startWithin = time.Minute
	stopWithin  = 30 * time.Second
)

// pdp is one running server and the folders that it works in.
type pdp struct {
	dir, data, operator string
	addr                string
	said                *output

	cmd   *exec.Cmd
	ended chan struct{}
	exit  error // of the process; set before ended is closed
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start is a server in development mode in folders of its own. It is stopped when the test ends, and must end well.
func start(t *testing.T, args ...string) *pdp {
	t.Helper()
	return startIn(t, t.TempDir(), args...)
}

// startIn uses the folders of an earlier server.
func startIn(t *testing.T, dir string, args ...string) *pdp {
	t.Helper()
	p, err := launch(dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.terminate(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the server said:\n%s", p.said.String())
		}
	})
	return p
}

// launch starts a server and waits until health says that it serves.
func launch(dir string, args ...string) (*pdp, error) {
	binary, err := tool("portcullis")
	if err != nil {
		return nil, err
	}
	p := &pdp{dir: dir, data: filepath.Join(dir, "data"), operator: filepath.Join(dir, "operator")}
	file := filepath.Join(dir, "addr")
	if err := os.RemoveAll(file); err != nil {
		return nil, err
	}
	p.begin(exec.Command(binary, append([]string{
		"serve", "--dev", "--listen", "127.0.0.1:0", "--addr-file", file, "--data-dir", p.data, "--operator-dir", p.operator,
	}, args...)...))
	if err := p.await(file); err != nil {
		_ = p.terminate()
		return nil, fmt.Errorf("%w\n%s", err, p.said.String())
	}
	return p, nil
}

// begin runs the command in the background.
func (p *pdp) begin(cmd *exec.Cmd) {
	p.cmd, p.said, p.ended = cmd, &output{}, make(chan struct{})
	cmd.Stdout, cmd.Stderr = p.said, p.said
	if cmd.Env == nil {
		cmd.Env = environment(p.dir)
	}
	p.exit = cmd.Start()
	if p.exit != nil {
		close(p.ended)
		return
	}
	go func() {
		defer close(p.ended)
		p.exit = cmd.Wait()
	}()
}

// await reads the address and polls health.
func (p *pdp) await(file string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(startWithin)
	for {
		if raw, err := os.ReadFile(file); err == nil && len(raw) > 0 {
			p.addr = strings.TrimSpace(string(raw))
			if p.serves() {
				return nil
			}
		}
		select {
		case <-p.ended:
			return fmt.Errorf("the server ended: %w", errors.Join(p.exit, errors.New("before it served")))
		case <-late:
			return errors.New("the server does not serve")
		case <-tick.C:
		}
	}
}

func (p *pdp) serves() bool {
	conn, err := grpc.NewClient(p.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return false
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	return err == nil && answer.GetStatus() == healthpb.HealthCheckResponse_SERVING
}

// terminate asks the server to end, and is content only with exit code 0. One that was stopped before is left alone.
func (p *pdp) terminate() error {
	select {
	case <-p.ended:
		if p.killed() {
			return nil
		}
		return p.exit
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
		if p.exit != nil {
			return fmt.Errorf("the server did not end well: %w", p.exit)
		}
		return nil
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("the server did not end within %s of SIGTERM", stopWithin)
	}
}

// stop ends the server as an operator does.
func (p *pdp) stop(t *testing.T) {
	t.Helper()
	if err := p.terminate(); err != nil {
		t.Fatal(err)
	}
}

// crash is kill -9.
func (p *pdp) crash(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
}

func (p *pdp) killed() bool {
	exit, ok := errors.AsType[*exec.ExitError](p.exit)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
