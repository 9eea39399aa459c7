// Command portcullis is the policy decision point and everything that people do with it. Each sub-command is a struct
// that tests can run; this file only parses and hands on.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "dev"

// streams are where a command reads and writes, so that tests can look.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

type cli struct {
	Serve      serveCmd      `cmd:"" help:"Run the server."`
	Decide     decideCmd     `cmd:"" help:"Ask for one decision: a DecideRequest as JSON."`
	Observe    observeCmd    `cmd:"" help:"Tell what entered a session without a decision: an ObserveRequest as JSON."`
	Approvals  approvalsCmd  `cmd:"" help:"List, show, approve, reject and watch approvals."`
	Status     statusCmd     `cmd:"" help:"Show how the server is; --watch streams events."`
	Limits     limitsCmd     `cmd:"" help:"Show live usage of limits; accept a loss of the shared store."`
	Memory     memoryCmd     `cmd:"" help:"List what agents remember, put it into quarantine, roll it back."`
	Kill       killCmd       `cmd:"" help:"Stop a tenant, an agent, a session or a tool, or let it go again."`
	Breaker    breakerCmd    `cmd:"" help:"Close circuit breakers by hand."`
	Delegation delegationCmd `cmd:"" help:"Let one agent act for another: make, hand on, show and revoke tokens."`
	Keys       keysCmd       `cmd:"" help:"Make keys for callers, and their rows in the file of credentials."`
	Bundle     bundleCmd     `cmd:"" help:"Build, check and test policy bundles."`
	Log        logCmd        `cmd:"" help:"Look into the decision log."`
	Inspect    inspectCmd    `cmd:"" help:"Show an action's canonical form, digest and facts, without a server."`
	Scan       scanCmd       `cmd:"" help:"Show what inspection finds in a text, without a server."`
	Trace      traceCmd      `cmd:"" help:"Play recorded agent traffic against a running server and count the answers."`
	Bench      benchCmd      `cmd:"" help:"Measure decisions against a bare gRPC echo in the same run."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

type versionCmd struct{}

func (versionCmd) Run(io streams) error {
	_, err := fmt.Fprintln(io.out, "portcullis", version)
	return err
}

// exitError carries an exit code; docs/operations.md has the list.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// fromEnvironment are the flags of commands other than serve that the environment may set: where the server is and who
// asks. What a command does stands on its own line: a stray PORTCULLIS_OFF must not let go what `kill` should stop.
var fromEnvironment = []string{"addr", "data-dir", "operator-dir", "token", "token-file", "tls-ca", "tls-cert", "tls-key"}

func narrowEnvironment(k *kong.Kong) error {
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		if command, ok := node.(*kong.Node); ok {
			for _, flag := range command.Flags {
				// Who abandons the shared ledger says so each time.
				if command.Name != "serve" && !slices.Contains(fromEnvironment, flag.Name) || flag.Name == "abandon-redis" {
					flag.Envs, flag.Tag.Envs = nil, nil
				}
			}
		}
		return next(nil)
	})
}

// run is main without the process: it parses, runs one command and returns the exit code.
func run(ctx context.Context, args []string, io streams) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("portcullis"),
		kong.Description("A policy decision point for AI agents: allow, deny or require approval, from Rego that a security team owns."),
		kong.UsageOnError(),
		kong.Writers(io.out, io.err),
		kong.Exit(func(code int) { exited = code }),
		kong.DefaultEnvars("PORTCULLIS"),
		kong.PostBuild(narrowEnvironment),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(io),
	)
	if err != nil {
		fmt.Fprintln(io.err, "portcullis:", err)
		return 1
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintln(io.err, "portcullis:", err)
		return 2
	}
	err = parsed.Run()
	if exit, ok := errors.AsType[*exitError](err); ok {
		fmt.Fprintln(io.err, "portcullis:", exit.err)
		return exit.code
	}
	if err != nil {
		fmt.Fprintln(io.err, "portcullis:", err)
		return 1
	}
	return 0
}
