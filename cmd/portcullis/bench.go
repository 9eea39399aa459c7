package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

type benchCmd struct {
	remote
	Running    bool          `help:"Measure the server at --addr instead of starting one. Its limits must let the load pass, and it must know the agent demo-basic."`
	Bundle     []string      `help:"Bundles for the server that is started, as for serve. One with large limits is laid on top."`
	At         []int         `name:"concurrency" default:"1,64" help:"Calls at once."`
	Duration   time.Duration `default:"3s" help:"How long each round of each workload lasts."`
	Rounds     int           `default:"3" help:"How many rounds; medians are printed."`
	EchoServer bool          `hidden:"" help:"Be the echo."`
	AddrFile   string        `hidden:"" help:"Where the echo writes its address."`
}

// Validate is called by the parser.
func (c *benchCmd) Validate() error {
	switch {
	case c.EchoServer:
		return nil
	case c.Rounds < 1 || c.Rounds > 1000:
		return fmt.Errorf("--rounds is 1 to 1000, not %d", c.Rounds)
	case c.Duration < time.Millisecond || c.Duration > time.Hour:
		return fmt.Errorf("--duration is 1ms to 1h, not %s", c.Duration)
	case len(c.At) == 0 || slices.Min(c.At) < 1 || slices.Max(c.At) > 1000:
		return errors.New("--concurrency is 1 to 1000 each")
	case c.Running && len(c.Bundle) > 0:
		return errors.New("--bundle is for a server that bench starts, --running for one that runs")
	}
	return nil
}

// workload is one kind of question.
type workload struct {
	name, tool string
	arguments  func(n int) string
	want       pb.Effect
}

// workloads differ from call to call, so that no answer is an old one, and are as an agent would ask.
var workloads = []workload{
	{"allow", "calculator", func(n int) string { return fmt.Sprintf(`{"expression":"2 + %d"}`, n) }, pb.Effect_EFFECT_ALLOW},
	{"allow, 1 KB", "read_file", func(n int) string {
		return fmt.Sprintf(`{"path":"reports/%d.txt","why":"%s"}`, n, kilobyte)
	}, pb.Effect_EFFECT_ALLOW},
	{"deny", "send_email", func(n int) string { return fmt.Sprintf(`{"to":"team@example.com","subject":"Report %d"}`, n) }, pb.Effect_EFFECT_DENY},
}

// kilobyte makes the arguments 1,000 bytes and a few.
var kilobyte = strings.Repeat("The figures of the last quarter are in this file. ", 19)

func (w workload) request(session string, n int) *pb.DecideRequest {
	return &pb.DecideRequest{
		Principal: &pb.Principal{Agent: "demo-basic", Session: session},
		Action: &pb.Action{
			Kind: pb.ActionKind_ACTION_KIND_TOOL_CALL, Tool: w.tool,
			Args: &pb.Action_ArgumentsJson{ArgumentsJson: w.arguments(n)},
		},
	}
}

// Run measures and prints.
func (c benchCmd) Run(ctx context.Context, io streams) error {
	if c.EchoServer {
		return serveEcho(ctx, c.AddrFile)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	subjects, stop, err := c.start(ctx, self)
	if err != nil {
		return err
	}
	defer stop()
	results, err := c.measure(ctx, io, subjects)
	if err != nil {
		return err
	}
	if !c.JSON {
		return printBench(io.out, results)
	}
	out := json.NewEncoder(io.out)
	for _, r := range results {
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// subjects are the two servers, each in a process of its own, each with one connection.
type subjects struct {
	decide, echo *grpc.ClientConn
}

// call makes one call of a workload against either server.
type call func(ctx context.Context, session string, n int) error

func (s subjects) decideCall(w workload) call {
	client := pb.NewDecisionServiceClient(s.decide)
	return func(ctx context.Context, session string, n int) error {
		resp, err := client.Decide(ctx, w.request(session, n))
		if err == nil && resp.GetEffect() != w.want {
			return fmt.Errorf("workload %q: answered %s (%s) instead of %s: what is measured would not be what it says", w.name,
				short(resp.GetEffect().String(), "EFFECT_"), codesOf(resp.GetReasons()), short(w.want.String(), "EFFECT_"))
		}
		return err
	}
}

func (s subjects) echoCall(w workload) call {
	return func(ctx context.Context, session string, n int) error {
		return s.echo.Invoke(ctx, echoMethod, w.request(session, n), &pb.DecideRequest{})
	}
}

// measure goes round after round, the two servers one right after the other, so that a busy machine hits both.
func (c benchCmd) measure(ctx context.Context, io streams, s subjects) ([]benchResult, error) {
	p := newProgress(io.err)
	p.begin("bench", 2*c.Rounds*len(c.At)*len(workloads))
	defer p.end()
	nonce := rand.Text()[:8]
	measured := make([]benchRounds, len(c.At)*len(workloads))
	for round := range c.Rounds {
		for i := range measured {
			at, w := c.At[i/len(workloads)], workloads[i%len(workloads)]
			m := &measured[i]
			pair := []struct {
				call call
				into *[]sample
			}{{s.echoCall(w), &m.echo}, {s.decideCall(w), &m.decide}}
			if round%2 == 1 {
				slices.Reverse(pair)
			}
			for _, one := range pair {
				l := load{call: one.call, concurrency: at, duration: c.Duration, session: fmt.Sprintf("bench-%s-%d-%d", nonce, round, i)}
				if round == 0 { // connections, caches and grown stacks
					warm := l
					warm.duration = min(c.Duration/4, 500*time.Millisecond)
					if _, err := warm.run(ctx); err != nil {
						return nil, err
					}
				}
				got, err := l.run(ctx)
				if err != nil {
					return nil, err
				}
				*one.into = append(*one.into, got)
				p.step()
			}
		}
	}
	out := make([]benchResult, len(measured))
	for i, m := range measured {
		out[i] = m.result()
		out[i].Workload, out[i].Concurrency = workloads[i%len(workloads)].name, c.At[i/len(workloads)]
		out[i].Rounds, out[i].Seconds = c.Rounds, c.Duration.Seconds()
	}
	return out, nil
}

// start starts what is to be measured, from the program of that name, and connects. stop ends only what was started.
func (c benchCmd) start(ctx context.Context, program string) (_ subjects, stop func(), err error) {
	var s subjects
	var undo []func()
	undoAll := func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	}
	defer func() {
		if err != nil {
			undoAll()
		}
	}()
	place, err := newBenchPlace()
	if err != nil {
		return s, nil, err
	}
	undo = append(undo, place.remove)

	echo, err := startChild(ctx, program, "bench", "--echo-server", "--addr-file", place.file("echo.addr"))
	if err != nil {
		return s, nil, err
	}
	undo = append(undo, echo.stop)
	server := c.remote
	if !c.Running {
		child, err := startChild(ctx, program, c.serveArguments(place)...)
		if err != nil {
			return s, nil, err
		}
		undo = append(undo, child.stop)
		server = remote{DataDir: place.file("data"), OperatorDir: place.file("operator")}
		if server.Addr, err = child.addr(ctx, place.file("serve.addr")); err != nil {
			return s, nil, fmt.Errorf("start a server: %w", err)
		}
	}
	// The echo looks at no credential; it is sent one, because the other server is.
	bare := remote{Token: "none"}
	if bare.Addr, err = echo.addr(ctx, place.file("echo.addr")); err != nil {
		return s, nil, fmt.Errorf("start the echo: %w", err)
	}
	if s.decide, err = server.connect(asAgent); err != nil {
		return s, nil, err
	}
	undo = append(undo, func() { _ = s.decide.Close() })
	if s.echo, err = bare.connect(asAgent); err != nil {
		return s, nil, err
	}
	undo = append(undo, func() { _ = s.echo.Close() })
	return s, undoAll, nil
}

func (c benchCmd) serveArguments(place benchPlace) []string {
	args := []string{
		"serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", place.file("data"), "--operator-dir", place.file("operator"),
		"--addr-file", place.file("serve.addr"),
	}
	for _, b := range append(slices.Clone(c.Bundle), place.file("limits")) {
		if abs, err := filepath.Abs(b); err == nil && !strings.Contains(b, "://") {
			b = abs
		}
		args = append(args, "--bundle", b)
	}
	return args
}
