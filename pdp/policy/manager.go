package policy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// reloadTestBudget bounds the tests before a swap, so that an edit is live within a second or two.
const reloadTestBudget = time.Second

// Origin reads a bundle from where it lives.
type Origin interface {
	// Read gives the bundle as it is now, overlays merged.
	Read(ctx context.Context) (*Bundle, error)
	// Changes yields a value whenever Read may give something new; it ends with ctx.
	Changes(ctx context.Context, log *slog.Logger) (<-chan struct{}, error)
	// Name says where that is, for people.
	Name() string
}

// Manager keeps the active snapshot up to date. A bundle that does not load changes nothing but Status and a log
// line. Reloads are serialised; decisions are not touched by them.
type Manager struct {
	Holder
	origin    Origin
	toolchain *Toolchain
	trusted   bool // the first load skips tests: the bundle is part of the program
	now       func() time.Time
	log       *slog.Logger
	onLoad    func(revision string, err error)

	mu   sync.Mutex // one reload at a time; guards last
	last error
}

// ManagerConfig is what a Manager needs.
type ManagerConfig struct {
	Origin    Origin
	Toolchain *Toolchain
	// Tested says that the bundle's tests have run before, for the one inside the program.
	Tested bool
	Now    func() time.Time
	Log    *slog.Logger
	// OnLoad hears of every attempt that changed something or failed. Never nil.
	OnLoad func(revision string, err error)
}

// NewManager loads the first snapshot. An error here means: do not start.
func NewManager(ctx context.Context, cfg ManagerConfig) (*Manager, error) {
	m := &Manager{
		origin: cfg.Origin, toolchain: cfg.Toolchain, trusted: cfg.Tested,
		now: cfg.Now, log: cfg.Log, onLoad: cfg.OnLoad,
	}
	b, err := m.origin.Read(ctx)
	if err != nil {
		return nil, err
	}
	s, err := Load(ctx, b, LoadOptions{Toolchain: m.toolchain, SkipTests: m.trusted, Now: m.now})
	if err != nil {
		return nil, err
	}
	m.swap(s)
	return m, nil
}

// Reload reads the bundle again and swaps if it changed and is good.
func (m *Manager) Reload(ctx context.Context) (revision string, changed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	active, err := m.Active()
	if err != nil {
		return "", false, err
	}
	next, err := m.load(ctx, active)
	failedBefore := m.last != nil
	m.last = err
	switch {
	case err != nil:
		m.log.Error("bundle not loaded; the one before stays active",
			"source", m.origin.Name(), "active_revision", active.Revision, "error", err.Error())
		m.onLoad(active.Revision, err)
		return active.Revision, false, err
	case next == nil:
		if failedBefore {
			m.onLoad(active.Revision, nil)
		}
		return active.Revision, false, nil
	}
	m.swap(next)
	m.log.Info("bundle loaded", "source", m.origin.Name(), "revision", next.Revision, "before", active.Revision)
	m.onLoad(next.Revision, nil)
	return next.Revision, true, nil
}

// swap makes s active, and says which of its suppressions do nothing any more.
func (m *Manager) swap(s *Snapshot) {
	m.Swap(s)
	for _, old := range s.Tables.Expired(m.now()) {
		m.log.Warn("suppression has expired; the findings count again",
			"name", old.Name, "rule", old.Rule, "owner", old.Owner, "until", old.Until)
	}
}

// load returns nil if the content is what is active.
func (m *Manager) load(ctx context.Context, active *Snapshot) (*Snapshot, error) {
	b, err := m.origin.Read(ctx)
	if err != nil {
		return nil, err
	}
	if b.Revision() == active.Revision {
		return nil, nil
	}
	return Load(ctx, b, LoadOptions{Toolchain: m.toolchain, TestBudget: reloadTestBudget, Since: active, Now: m.now})
}

// Source says where the bundle comes from.
func (m *Manager) Source() string { return m.origin.Name() }

// LastError says what was wrong with the last attempt to load, or nil if it is what is active.
func (m *Manager) LastError() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// Run reloads on every change until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	changes, err := m.origin.Changes(ctx, m.log)
	if err != nil {
		return fmt.Errorf("watch bundle %s: %w", m.origin.Name(), err)
	}
	for range changes {
		_, _, _ = m.Reload(ctx) // reported by Reload itself
	}
	return nil
}
