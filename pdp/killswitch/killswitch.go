// Package killswitch holds what an operator has stopped: a tenant, an agent, a session or a tool.
//
// A switch works from the moment that Set returns, for decisions and for redeeming approvals, and survives
// a restart: it is written before it is announced. Matching reads one immutable list behind an atomic
// pointer, so a decision never waits for an operator. pdp/decision asks; pdp/server sets.
package killswitch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Max is how many switches may be on at once. Beyond it the wider switch (the whole agent or tenant) is the
// answer, and the list stays cheap to match.
const Max = 1000

// Errors of Set.
var (
	ErrTooMany  = errors.New("too many kill switches are on: stop the agent or the tenant as a whole")
	ErrNothing  = errors.New("a kill switch names an agent, a session or a tool, or stops the whole tenant")
	ErrNoTenant = errors.New("a kill switch needs a tenant")
)

// Switch stops everything that matches all of its non-empty names.
type Switch struct {
	Tenant, Agent, Session, Tool string
	// WholeTenant is set where Agent, Session and Tool are empty on purpose.
	WholeTenant bool
	Reason      string
	SetBy       string
	SetAt       time.Time
}

// Target is what is about to act.
type Target struct {
	Tenant, Agent, Session, Tool string
}

// Store keeps the list. Save is durable when it returns.
type Store interface {
	LoadSwitches(ctx context.Context) ([]Switch, error)
	SaveSwitches(ctx context.Context, list []Switch) error
}

// Board is the list of switches that are on. It is safe for concurrent use: readers take the pointer,
// writers hold mu for the time of one durable write.
type Board struct {
	store Store
	now   func() time.Time

	records Records // nil: this board is alone

	mu   sync.Mutex
	seen map[string]int64 // the last N of each shared record
	list atomic.Pointer[[]Switch]
}

// Open reads the switches that were on.
func Open(ctx context.Context, store Store, now func() time.Time) (*Board, error) {
	list, err := store.LoadSwitches(ctx)
	if err != nil {
		return nil, fmt.Errorf("load kill switches: %w", err)
	}
	b := &Board{store: store, now: now}
	b.list.Store(&list)
	return b, nil
}

// Match returns the first switch that stops the target.
func (b *Board) Match(t Target) (Switch, bool) {
	for _, s := range *b.list.Load() {
		if s.stops(t) {
			return s, true
		}
	}
	return Switch{}, false
}

func (s Switch) stops(t Target) bool {
	return s.Tenant == t.Tenant &&
		(s.Agent == "" || s.Agent == t.Agent) &&
		(s.Session == "" || s.Session == t.Session) &&
		(s.Tool == "" || sameTool(s.Tool, t.Tool))
}

// sameTool ignores case: stopping `send_email` must not leave `Send_Email` running.
func sameTool(a, b string) bool { return strings.EqualFold(a, b) }

// List returns the switches of a tenant that are on; all of them for an empty tenant.
func (b *Board) List(tenant string) []Switch {
	var out []Switch
	for _, s := range *b.list.Load() {
		if tenant == "" || s.Tenant == tenant {
			out = append(out, s)
		}
	}
	return out
}

// Set turns a switch on or off and returns those of the tenant that are on then. Turning on what is on
// renews reason and author; turning off what is off changes nothing.
func (b *Board) Set(ctx context.Context, s Switch, on bool) ([]Switch, error) {
	switch {
	case s.Tenant == "":
		return nil, ErrNoTenant
	case s.Agent == "" && s.Session == "" && s.Tool == "" && !s.WholeTenant:
		return nil, ErrNothing
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(*b.list.Load()), func(o Switch) bool { return o.key() == s.key() })
	if on {
		if len(list) >= Max {
			return nil, ErrTooMany
		}
		s.SetAt = b.now().UTC()
		list = append(list, s)
	}
	sortSwitches(list)
	if on { // stopping takes effect even where the disk fails; the error says that it will not survive
		b.list.Store(&list)
	}
	if b.records != nil {
		if _, err := b.publish(ctx, s, on, true); err != nil {
			if on { // it holds here, and over a restart
				err = errors.Join(err, b.store.SaveSwitches(ctx, list))
			}
			return nil, err
		}
	}
	if err := b.store.SaveSwitches(ctx, list); err != nil {
		return nil, fmt.Errorf("save kill switches: %w", err)
	}
	b.list.Store(&list)
	return b.List(s.Tenant), nil
}

func (s Switch) key() string {
	return strings.Join([]string{s.Tenant, s.Agent, s.Session, strings.ToLower(s.Tool)}, "\x00")
}
