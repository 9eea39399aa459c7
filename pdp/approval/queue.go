package approval

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// contentPurpose is what the content is encrypted for.
const contentPurpose = "approval-content"

// Queue is the queue of asks. It is safe for concurrent use by any number of goroutines; what it keeps in memory is
// who watches, and its clock.
type Queue struct {
	cfg      Config
	store    Store
	sealer   Sealer
	clock    func() time.Time
	watchers watchers
	sooner   chan struct{} // tells the sweeper of a new ask
	after    func(time.Duration) <-chan time.Time
	health   atomic.Pointer[error]
}

// New makes a queue over a store. If the store is a Clock, its time counts. Else time is now's, and New reads from the
// store what it must not fall behind: an approval that is live does not get younger by a clock that was set back while
// the server was down.
func New(cfg Config, store Store, sealer Sealer, now func() time.Time) (*Queue, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if store == nil || sealer == nil || now == nil {
		return nil, errors.New("approvals: a store, a sealer and a clock are needed")
	}
	q := &Queue{cfg: cfg.withDefaults(), store: store, sealer: sealer, watchers: newWatchers(), sooner: make(chan struct{}, 1), after: time.After}
	if shared, ok := store.(Clock); ok {
		q.clock = shared.Now
		return q, nil // the store need not be there yet
	}
	floor, err := lastChange(store)
	if err != nil {
		return nil, failed("read the approvals", err)
	}
	q.clock = newClock(now, floor).read
	return q, nil
}

// Now is the time that asks go by.
func (q *Queue) Now() time.Time { return q.clock() }

func lastChange(store Store) (time.Time, error) {
	ids, err := store.Live(context.Background(), "", "")
	if err != nil {
		return time.Time{}, err
	}
	var last time.Time
	for _, id := range ids {
		rec, err := store.Load(context.Background(), id)
		if _, damaged := errors.AsType[*Unreadable](err); damaged {
			continue // nobody can use it at any time
		}
		if err != nil {
			return time.Time{}, err
		}
		last = later(last, rec.Changes[len(rec.Changes)-1].At)
	}
	return last, nil
}

// Create puts an action to people. The approval is durable when it returns. ErrAskRate and ErrQueueFull (both are
// ErrTooManyPending) refuse it; nothing was kept then.
func (q *Queue) Create(ctx context.Context, ask Ask) (Approval, error) {
	if err := q.check(&ask); err != nil {
		return Approval{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Approval{}, failed("make an id", err)
	}
	now := q.clock()
	a := Approval{
		ID: id.String(), Tenant: ask.Tenant, Agent: ask.Agent, Session: ask.Session, Run: ask.Run, User: ask.User,
		RequestedBy: ask.RequestedBy, RequestedByPerson: ask.RequestedByPerson, Owner: ask.Owner, Kind: ask.Kind, Tool: ask.Tool, Server: ask.Server, SchemaDigest: ask.SchemaDigest,
		Digest: ask.Digest, BundleRevision: ask.BundleRevision, DecisionID: ask.DecisionID,
		Reasons: slices.Clone(ask.Reasons), Rules: slices.Clone(ask.Rules), ActionBytes: int64(len(ask.Action)),
		Credential: ask.Credential, Grantable: ask.Grantable,
		EstimateCostMicroUSD: ask.EstimateCostMicroUSD, EstimateTokens: ask.EstimateTokens,
		Quorum: ask.Quorum, Stages: slices.Clone(ask.Stages), Created: now, Expires: now.Add(ask.TTL),
	}
	content, err := q.sealContent(&a, ask.View, ask.Action)
	if err != nil {
		return Approval{}, failed("encrypt the action", err)
	}
	rec := begin(a, int64(len(content)))
	err = q.store.Insert(ctx, rec, content, Caps{
		PerAgent: q.cfg.MaxPendingPerAgent, PerTenant: q.cfg.MaxPendingPerTenant, Total: q.cfg.MaxPending,
		ContentBytes: q.cfg.MaxContentTotalBytes,
		Since:        now.Add(-ask.Rate.Window), AskedByAgent: ask.Rate.PerAgent, AskedInSession: ask.Rate.PerSession,
	})
	if err != nil {
		return Approval{}, failed("store the ask", err)
	}
	q.changed(a.ID)
	return rec.Approval, nil
}

// check bounds an ask and fills in its defaults.
func (q *Queue) check(ask *Ask) error {
	for _, f := range []struct {
		name, value string
		needed      bool
	}{
		{"tenant", ask.Tenant, true},
		{"agent", ask.Agent, true},
		{"requested_by", ask.RequestedBy, true},
		{"digest", ask.Digest, true},
		{"bundle_revision", ask.BundleRevision, true},
		{"decision_id", ask.DecisionID, true},
		{"session", ask.Session, false},
		{"requested_by_person", ask.RequestedByPerson, false},
		{"owner", ask.Owner, false},
		{"run", ask.Run, false},
		{"user", ask.User, false},
		{"kind", ask.Kind, false},
		{"tool", ask.Tool, false},
		{"server", ask.Server, false},
		{"schema_digest", ask.SchemaDigest, false},
	} {
		if f.needed && f.value == "" {
			return invalid(f.name, "is needed")
		}
		if len(f.value) > maxNameBytes {
			return invalid(f.name, "has %d bytes, at most %d", len(f.value), maxNameBytes)
		}
	}
	if len(ask.Reasons) > maxReasons || len(ask.Rules) > maxReasons {
		return invalid("reasons", "more than %d", maxReasons)
	}
	for _, r := range ask.Reasons {
		if len(r.Code)+len(r.Rule)+len(r.Message)+len(r.Severity) > maxMessageBytes {
			return invalid("reasons", "one has more than %d bytes", maxMessageBytes)
		}
	}
	for _, r := range ask.Rules {
		if len(r) > maxNameBytes {
			return invalid("rules", "one has more than %d bytes", maxNameBytes)
		}
	}
	if n := int64(len(ask.View)) + int64(len(ask.Action)); n > q.cfg.MaxContentBytes {
		return invalid("action", "has %d bytes with its view, at most %d", n, q.cfg.MaxContentBytes)
	}
	if ask.EstimateCostMicroUSD < 0 || ask.EstimateTokens < 0 {
		return invalid("estimate", "is negative")
	}
	if err := checkStages(ask.Stages); err != nil {
		return err
	}
	if len(ask.Stages) > 0 {
		ask.Quorum = ask.Stages[0].Quorum
	}
	if ask.Quorum == 0 {
		ask.Quorum = 1
	}
	if ask.Quorum < 0 || ask.Quorum > maxQuorum {
		return invalid("quorum", "is %d, 1 to %d are possible", ask.Quorum, maxQuorum)
	}
	if ask.TTL < 0 {
		return invalid("ttl", "is negative")
	}
	if ask.TTL == 0 {
		ask.TTL = q.cfg.DefaultTTL
	}
	ask.TTL = min(ask.TTL, q.cfg.MaxTTL)
	return nil
}

// Get returns an approval as it stands now, or ErrNotFound.
func (q *Queue) Get(ctx context.Context, id string) (Approval, error) {
	rec, err := q.load(ctx, id)
	return rec.Approval, err
}

// load reads a record, and writes down first that it has run out if nobody did so yet.
func (q *Queue) load(ctx context.Context, id string) (Record, error) {
	rec, err := q.store.Load(ctx, id)
	if err != nil || !rec.settle(q.clock(), q.cfg.Retention) {
		return rec, failed("read the approval", err)
	}
	return q.update(ctx, id, func(*Record, time.Time) {})
}

// update runs one transition in one transaction, after what time has done by itself, and tells the watchers.
func (q *Queue) update(ctx context.Context, id string, transition func(rec *Record, now time.Time)) (Record, error) {
	var after Record
	wrote := false
	err := q.store.Update(ctx, id, func(rec *Record) Effect {
		before, now := len(rec.Changes), q.clock()
		rec.settle(now, q.cfg.Retention)
		transition(rec, now)
		after, wrote = *rec, len(rec.Changes) > before
		if wrote {
			return Write
		}
		return Keep
	})
	if err != nil {
		return Record{}, failed("change the approval", err)
	}
	if wrote {
		q.committed(after)
	}
	return after, nil
}

// List returns a page of approvals, newest first, and the token of the next page, empty at the end. A page may be
// short, even empty, and yet not the last. A size of 0 is 50, at most 200.
func (q *Queue) List(ctx context.Context, f Filter, pageSize int, pageToken string) ([]Approval, string, error) {
	if pageToken != "" {
		if _, err := uuid.Parse(pageToken); err != nil || len(pageToken) != 36 {
			return nil, "", invalid("page_token", "is not one that was given out")
		}
	}
	if pageSize < 0 || pageSize > maxPage {
		return nil, "", invalid("page_size", "is %d, 0 to %d are possible", pageSize, maxPage)
	}
	size, states := orDefault(pageSize, defaultPage), f.States
	for _, s := range states {
		if !slices.Contains(States, s) {
			return nil, "", invalid("states", "names a state that does not exist")
		}
	}
	if len(states) == 0 {
		states = States
	}
	var page []Record
	var last string
	looked := 0
	err := q.store.Scan(ctx, states, pageToken, func(rec Record) bool {
		if len(page) == size || looked == scanBudget {
			last = pageToken
			return false
		}
		looked++
		pageToken = rec.Approval.ID
		if f.namesMatch(&rec.Approval) {
			page = append(page, rec)
		}
		return true
	})
	if err != nil {
		return nil, "", failed("list the approvals", err)
	}
	out := make([]Approval, 0, len(page))
	now := q.clock()
	for _, rec := range page {
		a := rec.Approval
		if rec.settle(now, q.cfg.Retention) { // ran out a moment ago
			if a, err = q.Get(ctx, a.ID); errors.Is(err, ErrNotFound) {
				continue
			} else if err != nil {
				return nil, "", err
			}
		}
		if f.matches(&a) {
			out = append(out, a)
		}
	}
	return out, last, nil
}

func (f Filter) namesMatch(a *Approval) bool {
	return (f.Tenant == "" || f.Tenant == a.Tenant) && (f.Agent == "" || f.Agent == a.Agent) && (f.Tool == "" || f.Tool == a.Tool)
}

func (f Filter) matches(a *Approval) bool {
	return f.namesMatch(a) && (len(f.States) == 0 || slices.Contains(f.States, a.State))
}

// Reveal decrypts what a reviewer has to see, while the approval is pending. After that it is ErrEnded.
func (q *Queue) Reveal(ctx context.Context, id string) (Revealed, error) {
	rec, content, err := q.store.Content(ctx, id)
	if err != nil {
		return Revealed{}, failed("read the action", err)
	}
	rec.settle(q.clock(), q.cfg.Retention)
	if rec.Approval.State != Pending {
		return Revealed{}, ErrEnded
	}
	view, action, err := q.openContent(&rec.Approval, content)
	if err != nil {
		return Revealed{}, failed("decrypt the action", err)
	}
	return Revealed{Approval: rec.Approval, View: view, Action: action}, nil
}

// sealEdit encrypts an edited action for the approval that it is to be put into.
func (q *Queue) sealEdit(ctx context.Context, id string, e *Edit) ([]byte, error) {
	if e == nil {
		return nil, nil
	}
	if n := int64(len(e.View)) + int64(len(e.Action)); n > q.cfg.MaxContentBytes {
		return nil, invalid("edited_arguments_json", "makes an action of %d bytes with its view, at most %d", n, q.cfg.MaxContentBytes)
	}
	a, err := q.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	a.EditedDigest = e.Digest
	sealed, err := q.sealContent(&a, e.View, e.Action)
	return sealed, failed("encrypt the edited action", err)
}

// Edited decrypts the action with a reviewer's arguments, for an approval that can still be redeemed; nil if nobody has
// changed them. ErrEnded once it can't.
func (q *Queue) Edited(ctx context.Context, id string) ([]byte, error) {
	rec, content, err := q.store.Content(ctx, id)
	if err != nil {
		return nil, failed("read the action", err)
	}
	rec.settle(q.clock(), q.cfg.Retention)
	switch {
	case !rec.Approval.Live():
		return nil, ErrEnded
	case rec.Approval.EditedDigest == "":
		return nil, nil
	}
	_, action, err := q.openContent(&rec.Approval, content)
	return action, failed("decrypt the action", err)
}

// sealContent encrypts both texts together, bound to the approval, so that no content can be put under another.
func (q *Queue) sealContent(a *Approval, view, action []byte) ([]byte, error) {
	plain := slices.Concat(binary.AppendUvarint(nil, uint64(len(view))), view, action)
	return q.sealer.Encrypt(contentPurpose, boundTo(a), plain)
}

func (q *Queue) openContent(a *Approval, content []byte) (view, action []byte, err error) {
	plain, err := q.sealer.Decrypt(contentPurpose, boundTo(a), content)
	if err != nil {
		return nil, nil, err
	}
	size, n := binary.Uvarint(plain)
	if n <= 0 || size > uint64(len(plain)-n) {
		return nil, nil, fmt.Errorf("content of %d bytes is damaged", len(plain))
	}
	plain = plain[n:]
	return plain[:size:size], plain[size:], nil
}

func boundTo(a *Approval) []byte {
	var ad []byte
	parts := []string{a.ID, a.Tenant, a.Digest}
	if a.EditedDigest != "" {
		parts = append(parts, a.EditedDigest)
	}
	for _, part := range parts {
		ad = binary.AppendUvarint(ad, uint64(len(part)))
		ad = append(ad, part...)
	}
	return ad
}

// Health is the sweeper's last failure, or nil.
func (q *Queue) Health() error {
	if err := q.health.Load(); err != nil {
		return *err
	}
	return nil
}
