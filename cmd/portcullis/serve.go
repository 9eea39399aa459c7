package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/notify"
	"github.com/portcullis-pdp/portcullis/pdp/seal"
	"github.com/portcullis-pdp/portcullis/pdp/server"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis"
)

type serveCmd struct {
	Dev         bool          `help:"Development mode: makes tokens and a key on first start, and adds the demo agents."`
	Listen      string        `default:"127.0.0.1:7070" help:"Address to listen on."`
	DataDir     string        `default:".portcullis" help:"Where counters, approvals and the decision log are kept."`
	OperatorDir string        `help:"Where approver and admin tokens and the key are kept in development mode. Default: portcullis in the user's configuration directory."`
	Bundle      []string      `help:"Bundle: a folder, an archive or a URL; again for overlays, lowest first. Default: the built-in policies."`
	Config      configFile    `help:"YAML file with these flags by their names; flags on the command line win."`
	Credentials string        `help:"YAML file that says who may call: keys (hashes only), certificates, issuers of tokens. Read again when it changes. Needed without --dev."`
	KeyFile     string        `help:"File with the keys that seal memory items and approvals; made on first start. Keep it outside the data directory. Needed without --dev."`
	TLSCert     string        `name:"tls-cert" help:"PEM certificate chain. Needed off loopback."`
	TLSKey      string        `name:"tls-key" help:"PEM private key. Both files are read again when they change."`
	TLSMin      string        `name:"tls-min" default:"1.3" enum:"1.2,1.3" help:"Oldest version of TLS: 1.2 or 1.3."`
	ClientCA    string        `name:"client-ca" help:"PEM authorities whose client certificates are taken (mTLS). Read again when it changes."`
	AddrFile    string        `help:"Write the address that was bound to this file, for scripts that listen on port 0."`
	Hold        time.Duration `default:"0s" help:"On shutdown, stay NOT_SERVING for so long before draining, so that load balancers notice."`
	Drain       time.Duration `default:"10s" help:"On shutdown, wait at most so long for calls under way."`
	LogFormat   string        `default:"text" enum:"text,json" help:"Format of the server's own log: text or json."`
	LogMode     string        `default:"block" enum:"block,spool,drop" help:"What a decision log that cannot be written does: block denies, spool and drop count what is lost."`
	LogSync     bool          `help:"Sync the decision log to the disk before each answer. Without it lines survive a kill, but not a power cut."`
	Memo        int64         `default:"100000" help:"How many policy answers are remembered; 0: none."`
	Console     string        `help:"Serve a page on which people approve on this address, such as 127.0.0.1:7080. Off loopback it needs TLS, as --listen does. Default: none."`
	ConsoleURL  string        `name:"console-url" help:"Where people reach that page from outside, such as https://portcullis.example: a name that it answers to, and where links of notifications lead."`
	Notify      string        `name:"notify" help:"YAML file that says whom to tell of asks by webhook; see docs/approvals.md."`
	Shared      sharedFlags   `embed:""`
	OTLP        string        `name:"otlp" help:"Send traces to this OTLP gRPC endpoint, for example localhost:4317."`
}

// Run builds everything, then serves until the context ends. Nothing listens until all of it is valid.
func (c serveCmd) Run(ctx context.Context, io streams) error {
	log := slog.New(slog.NewTextHandler(io.err, nil))
	if c.LogFormat == "json" {
		log = slog.New(slog.NewJSONHandler(io.err, nil))
	}
	tuneMemory()
	paths, err := c.prepare(log)
	if err != nil {
		return &exitError{2, err}
	}
	p, err := c.complete(ctx, paths, log)
	if err != nil && ctx.Err() != nil {
		log.Info("told to stop before it served")
		return nil //nolint:nilerr // what was being built is not to blame: it was cut short
	}
	if err != nil {
		return err
	}
	srv, err := server.Complete(c.serverConfig(), p.serverDeps(paths))
	if err != nil {
		return errors.Join(err, p.close())
	}
	return p.run(ctx, srv, func(addr string) error { return c.announce(io, paths, addr, srv.Console(), p) })
}

// tuneMemory lets the heap grow to five times what is live before it is collected, unless GOGC says otherwise. A
// decision leaves little behind and makes much on the way: with the default the collector runs all the time.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// places are the files of one server, as absolute paths.
type places struct {
	data, operator string
	keyFile        string
	auth           identity.Authenticator
	live           *identity.Live // who may call, as its file has it; nil in development mode
	keys           *seal.Keys
	dev            identity.Paths
	redis          *redis.Config // nil: limits are counted alone
	notify         notify.Config
}

// callerFiles are those that say who may call.
func (p places) callerFiles() []string {
	if p.live == nil {
		return nil
	}
	return p.live.Files()
}

// prepare makes directories and reads credentials and keys.
func (c serveCmd) prepare(log *slog.Logger) (out places, err error) {
	if out.data, err = filepath.Abs(c.DataDir); err != nil {
		return out, fmt.Errorf("data directory: %w", err)
	}
	if err := makeDir(out.data); err != nil {
		return out, fmt.Errorf("data directory: %w", err)
	}
	if out.operator, err = operatorDir(c.OperatorDir); err != nil {
		return out, err
	}
	if out.operator, err = filepath.Abs(out.operator); err != nil {
		return out, fmt.Errorf("operator's directory: %w", err)
	}
	if c.Dev {
		tokens, paths, err := identity.DevTokens(out.data, out.operator)
		if err != nil {
			return out, err
		}
		out.auth, out.dev = tokens, paths
		out.keyFile = filepath.Join(out.operator, "keys.json")
	} else {
		if c.Credentials == "" || c.KeyFile == "" {
			return out, errors.New("give --credentials and --key-file, or --dev to try things out on loopback")
		}
		if out.live, err = identity.Open(c.Credentials, time.Now, log); err != nil {
			return out, err
		}
		out.auth = out.live
	}
	if c.KeyFile != "" {
		if out.keyFile, err = filepath.Abs(c.KeyFile); err != nil {
			return out, fmt.Errorf("key file: %w", err)
		}
	}
	if within(out.keyFile, out.data) {
		return out, errors.New("the key file must stand outside the data directory: who copies the data must not get the key")
	}
	if out.keys, err = seal.LoadOrCreate(out.keyFile); err != nil {
		return out, err
	}
	if c.Notify != "" {
		if out.notify, err = notify.Load(c.Notify); err != nil {
			return out, err
		}
	}
	if out.notify.ConsoleURL == "" {
		out.notify.ConsoleURL = c.serverConfig().ConsoleLink()
	}
	out.redis, err = c.Shared.redis()
	return out, err
}

func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("cannot be written: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// within says whether path is inside dir; both are absolute.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// announce tells people where things are, and scripts the address.
func (c serveCmd) announce(io streams, paths places, addr, console string, p *program) error {
	if c.AddrFile != "" {
		if err := writeFile(c.AddrFile, []byte(addr)); err != nil {
			return fmt.Errorf("write --addr-file: %w", err)
		}
	}
	if !c.Dev {
		return nil
	}
	active, err := p.policies.Active()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(io.out, `Portcullis %s is ready on %s (development mode, loopback only)
  policies   %s from %s
  agents use %s
  approvers  %s
  admins     %s
`, version, addr, active.Revision, p.policies.Source(), paths.dev.AgentToken, paths.dev.ApproverToken, paths.dev.AdminToken)
	if err == nil && console != "" {
		_, err = fmt.Fprintf(io.out, "  console    %s, signed in to with the approver's token\n", console)
	}
	return err
}
