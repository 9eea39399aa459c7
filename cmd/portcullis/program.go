package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/portcullis-pdp/portcullis/bundles"
	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/breaker"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/delegation"
	"github.com/portcullis-pdp/portcullis/pdp/event"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
	"github.com/portcullis-pdp/portcullis/pdp/killswitch"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/memory"
	"github.com/portcullis-pdp/portcullis/pdp/metrics"
	"github.com/portcullis-pdp/portcullis/pdp/notify"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/provenance"
	"github.com/portcullis-pdp/portcullis/pdp/seal"
	"github.com/portcullis-pdp/portcullis/pdp/server"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis"
)

// program is one server's rooms, built and valid, with nothing listening. close gives back what complete has opened,
// in the opposite order.
type program struct {
	log       *slog.Logger
	started   time.Time
	events    *event.Hub
	metrics   *metrics.Metrics
	policies  *policy.Manager
	evaluator *policy.Evaluator
	ledger    ledger.Ledger
	// ledgerKind is ledgerEmbedded or ledgerRedis.
	ledgerKind string
	shared     *redis.Ledger // nil: this server is alone
	limits     *limit.Engine
	breakers   *breaker.Breakers
	records    ledger.Records
	approvals  *approval.Queue
	notifier   *notify.Notifier
	memory     *memory.Book
	switches   *killswitch.Board
	revoked    *delegation.Revocations
	decisions  *decisionlog.Log
	state      *embedded.KV
	engine     *decision.Engine
	callers    *identity.Live // nil in development mode
	tracing    *tracing
	closers    []func() error
}

// The kinds of ledgers, as the contract names them.
const (
	ledgerEmbedded = "embedded"
	ledgerRedis    = "redis"
)

// sweepEvery is how often what is over is forgotten.
const sweepEvery = time.Minute

// complete builds the rooms.
func (c serveCmd) complete(ctx context.Context, at places, log *slog.Logger) (p *program, err error) {
	p = &program{log: log, started: time.Now(), events: event.NewHub(time.Now), metrics: metrics.New(), callers: at.live}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if err := p.openState(c, at); err != nil {
		return p, err
	}
	if err := p.openLog(c, at); err != nil {
		return p, err
	}
	if err := p.openPolicies(ctx, c); err != nil {
		return p, err
	}
	if p.evaluator, err = policy.NewEvaluator(c.Memo); err != nil {
		return p, err
	}
	p.closers = append(p.closers, func() error { p.evaluator.Close(); return nil })
	if p.tracing, err = openTracing(ctx, c.OTLP); err != nil {
		return p, err
	}
	p.closers = append(p.closers, p.tracing.close)
	sessions, err := provenance.New(provenance.Config{}, p.state.Space("session/"), time.Now)
	if err != nil {
		return p, err
	}
	p.closers = append(p.closers, func() error { sessions.Close(); return nil })
	p.engine, err = decision.New(decision.Config{DeniedPaths: c.denied(at)}, decision.Deps{
		Policies: p.policies, Evaluator: p.evaluator, Limits: p.limits, Breakers: p.breakers,
		Sessions:  sessions,
		Memory:    p.memory,
		Approvals: p.approvals, Notified: at.notify.Covers, Switches: p.switches, Revocations: p.revoked, Records: p.state.Space("decision/"), Keys: at.keys,
		Log: p.decisions, Events: p.events, Observer: p.metrics, Logger: log, Now: time.Now,
	})
	return p, err
}

// denied are the places that no action may name: where the server keeps its data and keys, and the files that it is told
// what to do by.
func (c serveCmd) denied(at places) []string {
	out := []string{at.data, at.operator, filepath.Dir(at.keyFile)}
	for _, name := range append([]string{
		c.TLSKey, c.TLSCert, c.ClientCA, string(c.Config), c.Notify, c.Shared.RedisPasswordFile, c.Shared.RedisSentinelPasswordFile, c.Shared.RedisKey,
	}, slices.Concat(c.Bundle, at.notify.Files(), at.callerFiles())...) {
		if name == "" || strings.Contains(name, "://") {
			continue
		}
		if abs, err := filepath.Abs(name); err == nil {
			out = append(out, abs)
		}
	}
	return out
}

// openState opens the database and what lives in it.
func (p *program) openState(c serveCmd, at places) error {
	store, err := embedded.Open(at.data)
	if err != nil {
		return err
	}
	p.closers = append(p.closers, store.Close)
	if p.state, err = store.OpenKV("state"); err != nil {
		return err
	}
	p.closers = append(p.closers, p.state.Close)
	if err := p.openLimits(store, c, at); err != nil {
		return err
	}
	if err := p.openApprovals(store, at); err != nil {
		return err
	}
	if err := p.openMemory(store, at.keys); err != nil {
		return err
	}
	if p.switches, err = killswitch.Open(context.Background(), store, time.Now); err != nil {
		return err
	}
	if p.shared != nil {
		p.switches.Share(p.shared)
	}
	if p.revoked, err = delegation.OpenRevocations(context.Background(), store, time.Now); err != nil {
		return err
	}
	return p.openNotifier(at)
}

// openNotifier makes what tells others of asks. It sends nothing yet.
func (p *program) openNotifier(at places) (err error) {
	for _, t := range at.notify.Targets {
		p.metrics.NotifyTarget(t.Name)
	}
	p.notifier, err = notify.New(at.notify, notify.Deps{
		Feed: p.approvals, Store: p.records, Holder: uuid.NewString(), Alone: at.redis == nil, Now: p.approvals.Now,
		Observe: p.metrics.Notified, Log: p.log,
	})
	return err
}

// openLimits opens the ledger of limits and breakers: shared with other replicas, or alone in the data directory.
func (p *program) openLimits(store *embedded.Store, c serveCmd, at places) error {
	memory, err := store.OpenMemory()
	if err != nil {
		return err
	}
	if at.redis != nil {
		p.records, err = p.openShared(*at.redis, memory)
	} else if err = mayCountAlone(memory, c.Shared.AbandonRedis, p.log); err == nil {
		p.records, err = p.openAlone(store)
	}
	if err != nil {
		return err
	}
	// A holder that no other run is, with a name that people know.
	holder := strings.TrimPrefix(c.Shared.ReplicaName+"/"+uuid.NewString(), "/")
	if p.limits, err = limit.New(limit.Config{}, p.ledger, holder); err != nil {
		return err
	}
	p.closers = append(p.closers, timely(p.limits.Close))
	var cfg breaker.Config
	if at.redis != nil {
		cfg.Timeout = at.redis.Timeout // no decision waits longer for Redis
	}
	p.breakers, err = breaker.New(cfg, p.records)
	return err
}

// openApprovals opens the queue of what people are asked: shared with other replicas, or in the data directory.
func (p *program) openApprovals(store *embedded.Store, at places) error {
	own, err := store.OpenApprovals(approval.ReplayWindow)
	if err != nil {
		return err
	}
	if p.approvals, err = approval.New(approval.Config{}, own, at.keys, time.Now); err != nil || p.shared == nil {
		return err
	}
	// Nobody would look here again: what still waits in the data directory is withdrawn, and not left to hang.
	n, err := p.approvals.CancelAll(context.Background(), "approvals are shared with other replicas from now on")
	if _, damaged := errors.AsType[*approval.Unreadable](err); damaged { // all others are withdrawn
		p.log.Error("approvals in the data directory cannot be read, and so not be withdrawn; nobody can use them", "error", err.Error())
	} else if err != nil {
		return err
	}
	if n > 0 {
		p.log.Warn("approvals are in redis from now on: those in the data directory are withdrawn, and have to be asked for again", "approvals", n)
	}
	shared, err := p.shared.OpenApprovals(approval.ReplayWindow)
	if err != nil {
		return err
	}
	p.approvals, err = approval.New(approval.Config{}, shared, at.keys, time.Now)
	return err
}

// openMemory opens the record of what agents remember: shared with other replicas, or in the data directory.
func (p *program) openMemory(store *embedded.Store, keys *seal.Keys) error {
	if p.shared != nil {
		p.memory = memory.New(p.shared.OpenMemoryItems(), keys, time.Now)
		return nil
	}
	items, err := store.OpenMemoryItems()
	p.memory = memory.New(items, keys, time.Now)
	return err
}

// openShared does not wait for Redis: one that is down now is used as soon as it is up, and limits deny until then.
func (p *program) openShared(cfg redis.Config, memory redis.Memory) (ledger.Records, error) {
	cfg.Memory, cfg.Log = memory, p.log
	shared, err := redis.Open(cfg)
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, shared.Close)
	p.shared, p.ledger, p.ledgerKind = shared, p.metrics.Ledger(shared), ledgerRedis
	return shared, nil
}

func (p *program) openAlone(store *embedded.Store) (ledger.Records, error) {
	counters, err := store.OpenCounters(embedded.CountersConfig{}, ledger.System())
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, counters.Close)
	p.ledger, p.ledgerKind = p.metrics.Ledger(counters), ledgerEmbedded
	records, err := store.OpenRecords(ledger.System())
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, records.Close)
	return records, nil
}

func (p *program) openLog(c serveCmd, at places) (err error) {
	cfg := decisionlog.DefaultConfig(filepath.Join(at.data, decisionsDir))
	cfg.Mode, cfg.Sync = decisionlog.Mode(c.LogMode), c.LogSync
	if p.decisions, err = decisionlog.Open(cfg, time.Now); err != nil {
		return err
	}
	p.closers = append(p.closers, timely(p.decisions.Close))
	return nil
}

// timely bounds what closing may take.
func timely(closing func(ctx context.Context) error) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return closing(ctx)
	}
}

// openPolicies loads the bundle. The built-in one was tested when it was built; any other runs its tests now.
func (p *program) openPolicies(ctx context.Context, c serveCmd) error {
	var fixed []*policy.Bundle
	if c.Dev {
		demo, err := fs.Sub(bundles.Demo, "demo")
		if err != nil {
			return err
		}
		b, err := policy.ReadFS(demo, "demo agents")
		if err != nil {
			return err
		}
		fixed = append(fixed, b)
	}
	origin, err := stack(c.Bundle, fixed...)
	if err != nil {
		return err
	}
	tools, err := toolchain()
	if err != nil {
		return err
	}
	p.policies, err = policy.NewManager(ctx, policy.ManagerConfig{
		Origin: origin, Toolchain: tools, Tested: len(c.Bundle) == 0, Now: time.Now, Log: p.log, OnLoad: p.bundleLoaded,
	})
	if err != nil {
		return err
	}
	active, err := p.policies.Active()
	if err != nil {
		return err
	}
	p.metrics.BundleLoaded(active.Revision, false)
	return nil
}

// bundleLoaded hears of every reload that changed something or failed.
func (p *program) bundleLoaded(revision string, err error) {
	p.metrics.BundleLoaded(revision, err != nil)
	act := decisionlog.Admin{
		Caller: decisionlog.Caller{Subject: "portcullis"}, Act: "bundle_reloaded", Applied: err == nil, BundleRevision: revision,
	}
	message := "bundle " + revision + " is active"
	if err != nil {
		act.Error = "the bundle did not load; the server's own log says why"
		message = "a bundle did not load; " + revision + " stays active"
	}
	p.record(decisionlog.Entry{Type: decisionlog.TypeAdmin, Admin: &act})
	p.events.Publish(event.Event{Type: event.Bundle, Message: message, Attributes: map[string]string{"revision": revision}})
}

// record writes a line that has no answer to hold back. The log's health shows a failure; it is never silent.
func (p *program) record(e decisionlog.Entry) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := p.decisions.Append(ctx, e); err != nil {
		p.log.Error("decision log failed", "type", e.Type, "error", err.Error())
	}
}

// serverConfig is the edge's part of the flags.
func (c serveCmd) serverConfig() server.Config {
	hold := c.Hold
	if hold == 0 {
		hold = -1
	}
	oldest := uint16(tls.VersionTLS13)
	if c.TLSMin == "1.2" {
		oldest = tls.VersionTLS12
	}
	return server.Config{
		Listen: c.Listen, CertFile: c.TLSCert, KeyFile: c.TLSKey, ClientCAFile: c.ClientCA, TLSMin: oldest, DevMode: c.Dev, Hold: hold, Drain: c.Drain,
		Console: c.Console, ConsoleURL: c.ConsoleURL,
	}
}

func (p *program) serverDeps(at places) server.Deps {
	p.metrics.Watch(metrics.Sources{
		MemoStats:  p.evaluator.MemoStats,
		LogDropped: func() uint64 { return p.decisions.Health().Dropped },
		LogFailing: func() bool { return p.decisions.Health().Err != nil },
		Pending:    func() float64 { return float64(p.pending(context.Background(), "")) },
		Ledger:     func() ledger.Status { return p.ledgerReport().Status },
		Limits:     p.limitStats,
	})
	return server.Deps{
		Engine: p.engine, Approvals: desk{p.approvals, p}, Admin: office{p}, Authenticator: at.auth, Checks: p.checks(),
		Metrics: p.metrics.Registry, Logger: p.log, Tracer: p.tracing.provider(),
	}
}

// run serves until ctx ends, with the background work beside it, and closes everything.
func (p *program) run(ctx context.Context, srv *server.Server, ready func(addr string) error) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { p.approvals.Run(background) })
	wg.Go(func() { p.followApprovals(background) })
	wg.Go(func() { p.notifier.Run(background) })
	if p.callers != nil {
		wg.Go(func() { p.callers.Run(background) })
	}
	wg.Go(func() { p.switches.Follow(background, p.log) })
	wg.Go(func() { p.followLedger(background) })
	wg.Go(func() { p.sweep(background) })
	wg.Go(func() {
		if err := p.policies.Run(background); err != nil {
			p.log.Error("the bundle is not watched: changes need ReloadBundle", "error", err.Error())
		}
	})
	var announced error
	wg.Go(func() {
		select {
		case <-srv.Listening():
			if announced = ready(srv.Addr().String()); announced != nil {
				cancel()
			}
		case <-background.Done():
		}
	})
	err := srv.Run(serving)
	stop()
	wg.Wait()
	if errors.Is(err, server.ErrListen) {
		err = &exitError{4, err}
	}
	if errors.Is(err, server.ErrStuck) {
		return errors.Join(err, announced) // what they use must not be closed under them
	}
	return errors.Join(err, announced, p.close())
}

func (p *program) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := p.engine.Sweep(); err != nil {
			p.log.Error("sweep failed; it is tried again", "error", err.Error())
		}
	}
}

func (p *program) close() error {
	var errs []error
	for _, v := range slices.Backward(p.closers) {
		errs = append(errs, v())
	}
	p.closers = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}
