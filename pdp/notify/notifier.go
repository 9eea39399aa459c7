package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Deps are what notifications are made from. All are needed but Resolver and TLS.
type Deps struct {
	Feed  Feed
	Store Store
	// Holder names this run of this replica, and no other. Alone says that no other replica uses Store.
	Holder string
	Alone  bool
	// Now is the time that approvals go by.
	Now func() time.Time
	// Observe hears of each outcome. It must not block.
	Observe func(target string, outcome Outcome)
	Log     *slog.Logger
	// Resolver is the system's if nil. TLS says whom to trust; the system's authorities if nil.
	Resolver Resolver
	TLS      *tls.Config
}

// Notifier tells all targets. Run it once.
type Notifier struct {
	couriers []*courier
	senders  []*sender
}

// New makes a notifier. Nothing is sent before Run.
func New(cfg Config, deps Deps) (*Notifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Feed == nil || deps.Store == nil || deps.Now == nil || deps.Observe == nil || deps.Log == nil || deps.Holder == "" {
		return nil, errors.New("notifications: a feed, a store, a holder, a clock, an observer and a logger are needed")
	}
	if deps.Resolver == nil {
		deps.Resolver = net.DefaultResolver
	}
	n := &Notifier{}
	for i := range cfg.Targets {
		t := &cfg.Targets[i]
		s := newSender(t, deps.Resolver, deps.TLS, time.Now) // receivers compare the time with their own clocks
		n.senders = append(n.senders, s)
		n.couriers = append(n.couriers, &courier{
			target: t, feed: deps.Feed, send: s.send, consoleURL: cfg.ConsoleURL, now: deps.Now, observe: deps.Observe, log: deps.Log,
			progress: &progress{store: deps.Store, key: t.Name, holder: deps.Holder, alone: deps.Alone, now: deps.Now},
		})
	}
	return n, nil
}

// Run tells until ctx ends.
func (n *Notifier) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, c := range n.couriers {
		wg.Go(func() { c.run(ctx) })
	}
	wg.Wait()
	for _, s := range n.senders {
		s.close()
	}
}
