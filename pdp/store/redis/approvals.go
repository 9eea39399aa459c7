package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

const (
	// approvalsScope stands where others have a tenant, in what this process knows of epochs. No tenant is called so.
	approvalsScope = "\x00approvals"
	// mostConflicts is how often a change is tried that others come before.
	mostConflicts = 32
	// lostAnswers is how often a write is sent whose answer does not come. It has a name, so that it is carried out once.
	lostAnswers = 2
	// loadAtOnce is how many approvals one script reads.
	loadAtOnce = 32
)

// Approvals are the approvals of several processes in one Redis. Every write is one script, a compare-and-set, and has a name of
// its own, so that it can be repeated when its answer was lost. All keys are in one slot, so that changes have one order.
// What Redis may have forgotten it says itself: every approval has an epoch, and one that was live before the epoch that is now
// is Doubtful. Safe for concurrent use.
type Approvals struct {
	l      *Ledger
	window int
	keys   approvalKeys
	scope  string
}

var (
	_ approval.Store    = (*Approvals)(nil)
	_ approval.Clock    = (*Approvals)(nil)
	_ approval.Follower = (*Approvals)(nil)
)

// OpenApprovals returns the approvals in this Redis. window is how many changes are kept to resume from.
func (l *Ledger) OpenApprovals(window int) (*Approvals, error) {
	if window < 1 {
		return nil, fmt.Errorf("replay window of approvals is %d", window)
	}
	a := l.approvalsAt(approvalsScope, l.cfg.Prefix+":{approvals}:", window)
	l.approvals.Store(a)
	return a, nil
}

func (l *Ledger) approvalsAt(scope, prefix string, window int) *Approvals {
	return &Approvals{l: l, window: window, keys: approvalKeys{prefix}, scope: scope}
}

// approvalKeys are those of all approvals.
type approvalKeys struct{ prefix string }

func (k approvalKeys) epoch() string            { return k.prefix + "t" }
func (k approvalKeys) meta() string             { return k.prefix + "m" }
func (k approvalKeys) counts() string           { return k.prefix + "n" }
func (k approvalKeys) changes() string          { return k.prefix + "f" }
func (k approvalKeys) due() string              { return k.prefix + "d" }
func (k approvalKeys) live() string             { return k.prefix + "l" }
func (k approvalKeys) records() string          { return k.prefix + "a:" }
func (k approvalKeys) record(id string) string  { return k.records() + id }
func (k approvalKeys) content(id string) string { return k.prefix + "k:" + id }

// asked, askedIn and digest hold ids by when they were asked: of an agent, of one of its sessions, of one for one action.
func (k approvalKeys) asked(a *approval.Approval) string {
	return k.prefix + "q:" + name(part(a.Tenant)+part(a.Agent))
}

func (k approvalKeys) askedIn(a *approval.Approval) string {
	return k.prefix + "w:" + name(part(a.Tenant)+part(a.Agent)+part(a.Session))
}

func (k approvalKeys) digest(tenant, agent, digest string) string {
	return k.prefix + "g:" + name(part(tenant)+part(agent)+part(digest))
}

// stateIndexes name the index that an approval is in. An approved one that is live is in one of its own, so that what has ended
// can be told without reading it. They are in Redis: never change one.
var stateIndexes = map[approval.State]string{
	approval.Pending: "p", approval.Approved: "a", approval.Rejected: "r", approval.Expired: "e", approval.Cancelled: "c",
}

const approvedLive = "A"

func (k approvalKeys) state(s string) string { return k.prefix + "s:" + s }

func (k approvalKeys) index(a *approval.Approval) string {
	if a.State == approval.Approved && a.Live() {
		return k.state(approvedLive)
	}
	return k.state(stateIndexes[a.State])
}

// Now is the latest that the time in Redis can be: what has run out for anybody has run out for all. Before Redis was reached it
// is this machine's, and nothing can be stored by it.
func (s *Approvals) Now() time.Time {
	if _, latest, known := s.l.clock.bounds(); known {
		return time.UnixMicro(latest).UTC()
	}
	return s.l.source.Wall().UTC().Round(0)
}

// held is an approval as it was read.
type held struct {
	rec   approval.Record
	write string // that made it
	in    int64  // the epoch that was, then
	// err says why rec cannot be read; nil if it was.
	err *approval.Unreadable
}

// Insert adds a pending record within the caps.
func (s *Approvals) Insert(ctx context.Context, rec approval.Record, content []byte, caps approval.Caps) error {
	done, err := s.write(ctx, nil, &rec, content, caps)
	if err == nil && !done {
		err = fmt.Errorf("approval %s is there already", rec.Approval.ID)
	}
	return err
}

// Update changes one record by compare-and-set.
func (s *Approvals) Update(ctx context.Context, id string, change func(*approval.Record) approval.Effect) error {
	for range mostConflicts {
		old, err := s.load(ctx, id)
		if err != nil {
			return err
		}
		rec := old.rec
		rec.Changes, rec.Approval.Votes = slices.Clone(rec.Changes), slices.Clone(rec.Approval.Votes)
		var done bool
		switch change(&rec) {
		case approval.Write:
			done, err = s.write(ctx, &old, &rec, rec.Content, approval.Caps{})
		case approval.Remove:
			done, err = s.write(ctx, &old, nil, nil, approval.Caps{})
		default:
			return nil
		}
		if done || err != nil {
			return err
		}
		if err := pauseFor(ctx, time.Duration(mathrand.N(int64(2*time.Millisecond)))); err != nil { //nolint:gosec // nobody gains by guessing it
			return err
		}
	}
	return fmt.Errorf("%w: approval %s is changed by many at once", ledger.ErrUnavailable, id)
}

// UpdateAll changes one after another.
func (s *Approvals) UpdateAll(ctx context.Context, ids []string, change func(*approval.Record) approval.Effect) error {
	for _, id := range ids {
		if err := s.Update(ctx, id, change); err != nil && !errors.Is(err, approval.ErrNotFound) {
			return err
		}
	}
	return nil
}

// The outcomes of lua/approvals_write.lua.
const (
	writeDone = iota
	writeConflict
	writeUnfit
	writeAgentFull
	writeQueueFull
)

// write puts rec where old was; either may be nil. It is false if somebody else was first.
func (s *Approvals) write(ctx context.Context, old *held, rec *approval.Record, content []byte, caps approval.Caps) (bool, error) {
	keys, args, err := s.encode(old, rec, content, caps)
	if err != nil {
		return false, err
	}
	known, _, err := s.l.tenants.of(s.scope)
	if err != nil {
		return false, unsent(fmt.Errorf("read what this process knew: %w", err))
	}
	var answer []rueidis.RedisMessage
	for range lostAnswers {
		answer, err = s.run(ctx, s.l.scripts.approvalsWrite, keys, append(s.l.caller(known), args...))
		if err == nil || errors.Is(err, ledger.ErrUnsent) || ctx.Err() != nil {
			break
		}
		if _, refused := rueidis.IsRedisErr(err); refused {
			break
		}
	}
	if err != nil {
		return false, err
	}
	in := reader{rest: answer}
	what := in.count(writeQueueFull)
	if in.err == nil && what == writeUnfit {
		return false, fmt.Errorf("%w: redis does not say who it is (run_id and master_replid in INFO)", ledger.ErrUnavailable)
	}
	if err := s.told(&in); err != nil {
		return false, err
	}
	switch what {
	case writeAgentFull:
		return false, approval.ErrAskRate
	case writeQueueFull:
		return false, approval.ErrQueueFull
	}
	return what == writeDone, nil
}

// run sends a script. A time-out is Redis's failure, and no end of the caller's context, unless that has ended.
func (s *Approvals) run(ctx context.Context, script *rueidis.Lua, keys, args []string) ([]rueidis.RedisMessage, error) {
	answer, err := s.l.run(ctx, script, keys, args)
	return answer, notTheCallers(ctx, err)
}

func (s *Approvals) call(ctx context.Context, do func(context.Context, rueidis.Client) rueidis.RedisResult) (rueidis.RedisResult, error) {
	result, err := s.l.call(ctx, do)
	return result, notTheCallers(ctx, err)
}

// silence is an error whose cause is not told any more: it would look like the caller's own.
type silence struct{ error }

func (silence) Unwrap() error { return ledger.ErrUnavailable }

func notTheCallers(ctx context.Context, err error) error {
	if ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return silence{err}
	}
	return err
}

// told takes in the epoch, its changes, and whether memory was lost.
func (s *Approvals) told(in *reader) error {
	state := seen{epoch: in.int(), seq: in.int()}
	lost := in.flag()
	if in.err != nil {
		return in.err
	}
	if _, err := s.l.tenants.told(s.scope, state); err != nil {
		return fmt.Errorf("%w: remember the epoch: %w", ledger.ErrUnavailable, err)
	}
	if lost {
		s.l.cfg.Log.Error("redis has lost approvals, or may have: those that were not used are withdrawn, and have to be asked for again", "epoch", state.epoch)
	}
	return nil
}

// touch enters the epoch that is now, so that what is in doubt is withdrawn although nobody asks for it.
func (s *Approvals) touch(ctx context.Context) error {
	known, _, err := s.l.tenants.of(s.scope)
	if err != nil {
		return err
	}
	k := s.keys
	answer, err := s.run(ctx, s.l.scripts.approvalsTouch, []string{k.epoch(), k.live(), k.due(), k.meta()}, s.l.caller(known))
	if err != nil {
		return err
	}
	return s.told(&reader{rest: answer})
}

// encode writes a change as lua/approvals_write.lua reads it.
func (s *Approvals) encode(old *held, rec *approval.Record, content []byte, caps approval.Caps) (keys []string, a arguments, err error) {
	k := s.keys
	var before *approval.Record
	was, readIn, from := "", int64(0), 1
	if old != nil {
		before, was, readIn, from = &old.rec, old.write, old.in, len(old.rec.Changes)+1
	}
	one, other := cmp.Or(before, rec), cmp.Or(rec, before)
	raw, sequence, erase := []byte(nil), 0, true
	if rec != nil {
		sequence, erase = len(rec.Changes), !rec.Approval.Live()
		if raw, err = json.Marshal(rec); err != nil {
			return nil, nil, fmt.Errorf("encode approval %s: %w", rec.Approval.ID, err)
		}
	}
	id := one.Approval.ID
	keys = []string{
		k.epoch(), k.record(id), k.content(id), k.changes(), k.meta(), k.counts(), k.due(), k.live(),
		k.index(&one.Approval), k.index(&other.Approval),
		k.asked(&one.Approval), k.askedIn(&one.Approval), k.digest(one.Approval.Tenant, one.Approval.Agent, one.Approval.Digest),
	}
	a.int(int64(s.window))
	a.text(id)
	a.int(readIn)
	a.text(was, rand.Text()[:16], string(raw))
	a.int(int64(sequence), int64(from))
	a.text(liveMember(before), liveMember(rec))
	a.int(microsUp(other.Due))
	a.record(content)
	a.flag(erase)
	a.int(microsUp(one.Approval.Created), caps.Since.UnixMicro(), int64(caps.AskedByAgent), int64(caps.AskedInSession))
	pendingBefore, bytesBefore := tally(before)
	pending, bytes := tally(rec)
	a.counts(&one.Approval, pending-pendingBefore, bytes-bytesBefore, caps)
	return keys, a, nil
}

// microsUp rounds up, so that nothing is due before it is.
func microsUp(t time.Time) int64 {
	return max(t.Add(time.Microsecond-1).UnixMicro(), 0)
}

// liveMember is a record in the index of live ones: tenant, agent, id; empty if it is not live.
func liveMember(rec *approval.Record) string {
	if rec == nil || !rec.Approval.Live() {
		return ""
	}
	a := &rec.Approval
	return part(a.Tenant) + part(a.Agent) + a.ID
}

// part is a length and a name, so that no two lists of names make the same text.
func part(name string) string {
	n := min(len(name), math.MaxUint16)
	return string([]byte{byte(n >> 8), byte(n)}) + name[:n]
}

// The scopes under which is counted: pending asks of an agent, of a tenant, of all; and bytes of content.
func agentScope(a *approval.Approval) string  { return tenantScope(a) + part(a.Agent) }
func tenantScope(a *approval.Approval) string { return "p" + part(a.Tenant) }

const (
	pendingScope = "p"
	bytesScope   = "b"
)

// tally is what a record counts for: one pending ask or none, and its bytes.
func tally(rec *approval.Record) (pending, bytes int64) {
	if rec == nil {
		return 0, 0
	}
	if rec.Approval.State == approval.Pending {
		pending = 1
	}
	if rec.Approval.Live() {
		bytes = rec.ContentBytes
	}
	return pending, bytes
}

// counts writes what a change adds to each scope, the most that it may come to (0: no matter), and what is said beyond.
func (a *arguments) counts(of *approval.Approval, pending, bytes int64, caps approval.Caps) {
	a.int(4)
	for _, c := range []struct {
		scope           string
		add, most, said int64
	}{
		{agentScope(of), pending, int64(caps.PerAgent), writeAgentFull},
		{tenantScope(of), pending, int64(caps.PerTenant), writeQueueFull},
		{pendingScope, pending, int64(caps.Total), writeQueueFull},
		{bytesScope, bytes, caps.ContentBytes, writeQueueFull},
	} {
		a.text(c.scope)
		a.int(c.add, c.most, c.said)
	}
}
