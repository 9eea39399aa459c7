package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json/v1"
	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// The buckets of approvals. approvals_index.go says what their rows are.
var (
	approvalsBucket        = []byte("approvals")         // id → record, JSON
	approvalContentsBucket = []byte("approval_contents") // id → sealed content, while live
	approvalGroupsBucket   = []byte("approval_groups")   // group, id
	approvalLiveBucket     = []byte("approval_live")     // tenant, agent, id, while live
	approvalDueBucket      = []byte("approval_due")      // due, id
	approvalAskedBucket    = []byte("approval_asked")    // tenant, agent, when, id → session
	approvalDigestsBucket  = []byte("approval_digests")  // tenant, agent, digest, when, id
	approvalCountsBucket   = []byte("approval_counts")   // scope → number of pending asks, or of bytes
	approvalChangesBucket  = []byte("approval_changes")  // cursor → sequence, id; the newest window of them
)

// Approvals implements approval.Store: every write is one synced transaction, or one synced entry of the journal. It is safe for
// concurrent use: one writer goes at a time, and readers see what was durable when they began.
type Approvals struct {
	db      *bbolt.DB
	window  uint64
	decoded decoded
	writing sync.Mutex
	journal *journal
}

var _ approval.Store = (*Approvals)(nil)

// OpenApprovals returns the approvals of this database. window is how many changes are kept to resume from. They can be opened
// once: there is one journal.
func (s *Store) OpenApprovals(window int) (*Approvals, error) {
	if window < 1 {
		return nil, fmt.Errorf("replay window of approvals is %d", window)
	}
	if s.approvals.Load() != nil {
		return nil, errors.New("the approvals are open already")
	}
	err := s.buckets(approvalsBucket, approvalContentsBucket, approvalGroupsBucket, approvalLiveBucket,
		approvalDueBucket, approvalAskedBucket, approvalDigestsBucket, approvalCountsBucket, approvalChangesBucket, approvalJournalBucket)
	if err != nil {
		return nil, err
	}
	j, left, err := openJournal(filepath.Dir(s.db.Path()))
	if err != nil {
		return nil, err
	}
	a := &Approvals{db: s.db, window: uint64(window), journal: j}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		t := a.on(tx, nil)
		if err := t.adoptRecent(); err != nil {
			return err
		}
		if t.formerIndex() {
			if err := t.index(); err != nil {
				return err
			}
		}
		return t.recoverJournal(left, j.run)
	})
	if err != nil {
		return nil, errors.Join(err, j.file.Close())
	}
	j.clear() // the database has it
	s.approvals.Store(a)
	return a, nil
}

// close leaves nothing in the journal, so that a version of the program that knows none reads all there is. A yes that comes
// meanwhile waits, and finds the file closed.
func (s *Approvals) close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.commit(func(tx approvalsTx) error { return tx.bucket(approvalJournalBucket).Delete(journalRun) })
	return errors.Join(err, s.journal.file.Close())
}

// Insert adds a pending record within the caps.
func (s *Approvals) Insert(ctx context.Context, rec approval.Record, content []byte, caps approval.Caps) error {
	return s.write(ctx, func(tx approvalsTx) error {
		a := &rec.Approval
		if tx.bucket(approvalsBucket).Get([]byte(a.ID)) != nil {
			return fmt.Errorf("approval %s is there already", a.ID)
		}
		switch {
		case tx.count(agentScope(a)) >= int64(caps.PerAgent), tx.askedTooOften(a, caps):
			return approval.ErrAskRate
		case tx.count(tenantScope(a)) >= int64(caps.PerTenant), tx.count(pendingScope) >= int64(caps.Total),
			tx.count(bytesScope)+rec.ContentBytes > caps.ContentBytes:
			return approval.ErrQueueFull
		}
		if err := tx.bucket(approvalContentsBucket).Put([]byte(a.ID), content); err != nil {
			return err
		}
		if err := tx.replace(nil, &rec); err != nil {
			return err
		}
		return tx.forget(0)
	})
}

// Update changes one record.
func (s *Approvals) Update(ctx context.Context, id string, change func(*approval.Record) approval.Effect) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	var before approval.Record
	var newest uint64
	err := s.read(ctx, func(tx approvalsTx) (err error) {
		newest = tx.newest()
		before, err = tx.load([]byte(id))
		return err
	})
	if err != nil {
		return err
	}
	after := before
	effect := change(&after)
	if effect == approval.Keep || effect == approval.Write && waitedFor(&before, &after) && s.journal.append(&before, &after, newest+1) {
		return nil
	}
	return s.commit(func(tx approvalsTx) error {
		if err := tx.put(effect, &before, &after); err != nil {
			return err
		}
		return tx.forget(overdue)
	})
}

// waitedFor says whether a change is one for the journal: a yes, in its own words. It leaves the record live and unused, and its
// index rows and content as they are.
func waitedFor(before, after *approval.Record) bool {
	return after.Approval.Live() && after.Approval.RedeemedBy == "" && after.Content == nil && placeOf(before) == placeOf(after)
}

// UpdateAll changes many records in one transaction.
func (s *Approvals) UpdateAll(ctx context.Context, ids []string, change func(*approval.Record) approval.Effect) error {
	return s.write(ctx, func(tx approvalsTx) error {
		for _, id := range ids {
			before, err := tx.load([]byte(id))
			if err == approval.ErrNotFound { //nolint:errorlint // the very value
				continue
			}
			if err != nil {
				return err
			}
			after := before
			if err := tx.put(change(&after), &before, &after); err != nil {
				return err
			}
		}
		return tx.forget(overdue)
	})
}

// Load returns one record.
func (s *Approvals) Load(ctx context.Context, id string) (approval.Record, error) {
	var rec approval.Record
	err := s.read(ctx, func(tx approvalsTx) (err error) {
		rec, err = tx.load([]byte(id))
		return err
	})
	return rec, err
}

// Content returns one record and what is sealed with it.
func (s *Approvals) Content(ctx context.Context, id string) (approval.Record, []byte, error) {
	var rec approval.Record
	var content []byte
	err := s.read(ctx, func(tx approvalsTx) (err error) {
		content = bytes.Clone(tx.bucket(approvalContentsBucket).Get([]byte(id)))
		rec, err = tx.load([]byte(id))
		return err
	})
	return rec, content, err
}

// Scan visits records newest first.
func (s *Approvals) Scan(ctx context.Context, states []approval.State, after string, visit func(approval.Record) bool) error {
	return s.read(ctx, func(tx approvalsTx) error { return tx.scan(states, after, visit) })
}

// Live returns the ids of what can still change.
func (s *Approvals) Live(ctx context.Context, tenant, agent string) ([]string, error) {
	var prefix []byte
	if tenant != "" {
		prefix = part(prefix, tenant)
	}
	if tenant != "" && agent != "" {
		prefix = part(prefix, agent)
	}
	var ids []string
	err := s.read(ctx, func(tx approvalsTx) error {
		c := tx.bucket(approvalLiveBucket).Cursor()
		for k, id := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, id = c.Next() {
			ids = append(ids, string(id))
		}
		return nil
	})
	return ids, err
}

// Pending counts what is pending.
func (s *Approvals) Pending(ctx context.Context, tenant string) (int, error) {
	scope := pendingScope
	if tenant != "" {
		scope = tenantScope(&approval.Approval{Tenant: tenant})
	}
	var n int64
	err := s.read(ctx, func(tx approvalsTx) error {
		n = tx.count(scope)
		return nil
	})
	return int(n), err
}

// ByDigest returns the records of an agent for one action.
func (s *Approvals) ByDigest(ctx context.Context, tenant, agent, digest string, limit int) ([]approval.Record, error) {
	prefix := digestPrefix(tenant, agent, digest)
	var recs []approval.Record
	err := s.read(ctx, func(tx approvalsTx) error {
		var ids [][]byte
		c := tx.bucket(approvalDigestsBucket).Cursor()
		for k, id := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, id = c.Next() {
			ids = append(ids, id)
		}
		for _, id := range slices.Backward(ids) {
			if len(recs) == limit {
				return nil
			}
			rec, err := tx.load(id)
			if err != nil {
				return err
			}
			recs = append(recs, rec)
		}
		return nil
	})
	return recs, err
}

// Due returns what the sweeper has to look at.
func (s *Approvals) Due(ctx context.Context, at time.Time, limit int) ([]string, time.Time, error) {
	var ids []string
	var next time.Time
	err := s.read(ctx, func(tx approvalsTx) error {
		c := tx.bucket(approvalDueBucket).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if len(k) < 8 {
				continue // damaged
			}
			due := time.Unix(0, int64(binary.BigEndian.Uint64(k))).UTC()
			if due.After(at) || len(ids) == limit {
				next = due
				return nil
			}
			ids = append(ids, string(k[8:]))
		}
		return nil
	})
	return ids, next, err
}

// Surplus returns the oldest ended records beyond the newest keep.
func (s *Approvals) Surplus(ctx context.Context, keep, limit int) ([]string, error) {
	var ids []string
	err := s.read(ctx, func(tx approvalsTx) error {
		for id := range tx.newestFirst(endedGroups, "") {
			if keep > 0 {
				keep--
				continue
			}
			ids = append(ids, string(id))
		}
		return nil
	})
	slices.Reverse(ids)
	return ids[:min(limit, len(ids))], err
}

// Snapshot returns what is pending and the newest cursor, from one moment.
func (s *Approvals) Snapshot(ctx context.Context) ([]approval.Record, uint64, error) {
	var recs []approval.Record
	var cursor uint64
	err := s.read(ctx, func(tx approvalsTx) error {
		cursor = tx.newest()
		return tx.scan([]approval.State{approval.Pending}, "", func(rec approval.Record) bool {
			recs = append(recs, rec)
			return true
		})
	})
	slices.Reverse(recs)
	return recs, cursor, err
}

// Changes returns what changed after a cursor.
func (s *Approvals) Changes(ctx context.Context, after uint64, limit int) ([]approval.ChangeRef, error) {
	var refs []approval.ChangeRef
	err := s.read(ctx, func(tx approvalsTx) error {
		last := tx.newest()
		if after > last || last-after > s.window { // some that have left the window may still be there
			return approval.ErrCursor
		}
		next := after + 1
		for ref := range tx.changes(next) {
			if len(refs) == limit || ref.Cursor != next {
				break
			}
			refs = append(refs, ref)
			next++
		}
		if len(refs) == 0 && after < last { // no cursor is left out but by damage, or on purpose: see overtaken
			return approval.ErrCursor
		}
		return nil
	})
	return refs, err
}

func (s *Approvals) write(ctx context.Context, do func(approvalsTx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.commit(do)
}

// commit makes one transaction of what is held in the journal and of what is to be done.
func (s *Approvals) commit(do func(approvalsTx) error) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		t := s.on(tx, s.journal.held())
		if err := t.take(s.journal.last); err != nil {
			return err
		}
		return do(t)
	})
	if err == nil {
		s.journal.taken()
	}
	return err
}

// read shows what is durable now. What is held is looked up before the transaction begins: if the database gets it in between, the
// transaction knows by its number.
func (s *Approvals) read(ctx context.Context, do func(approvalsTx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	held := s.journal.held()
	return s.db.View(func(tx *bbolt.Tx) error { return do(s.on(tx, held)) })
}

// approvalsTx is one transaction on the buckets of approvals.
type approvalsTx struct {
	tx      *bbolt.Tx
	window  uint64
	decoded *decoded
	held    []entry // of the journal, what the database lacks
}

func (s *Approvals) on(tx *bbolt.Tx, held []entry) approvalsTx {
	t := approvalsTx{tx: tx, window: s.window, decoded: &s.decoded}
	t.held = t.lacks(held)
	return t
}

func (t approvalsTx) bucket(name []byte) *bbolt.Bucket { return t.tx.Bucket(name) }

func (t approvalsTx) load(id []byte) (approval.Record, error) {
	if rec, ok := t.heldRecord(id); ok {
		return rec, nil
	}
	return t.decoded.read(id, t.bucket(approvalsBucket).Get(id))
}

// decode reads a record; no bytes are none.
func decode(id, raw []byte) (approval.Record, error) {
	var rec approval.Record
	if raw == nil {
		return rec, approval.ErrNotFound
	}
	if err := json.Unmarshal(raw, &rec); err != nil {
		return rec, &approval.Unreadable{ID: string(id), Cause: err}
	}
	if err := rec.Damaged(); err != nil {
		return rec, &approval.Unreadable{ID: string(id), Cause: err}
	}
	if rec.Approval.ID != string(id) {
		return rec, &approval.Unreadable{ID: string(id), Cause: errors.New("it is another")}
	}
	return rec, nil
}

// put makes what a change has made of a record.
func (t approvalsTx) put(effect approval.Effect, before, after *approval.Record) error {
	switch effect {
	case approval.Write:
		if after.Content != nil {
			if err := t.bucket(approvalContentsBucket).Put([]byte(after.Approval.ID), after.Content); err != nil {
				return fmt.Errorf("replace content: %w", err)
			}
		}
		return t.replace(before, after)
	case approval.Remove:
		return t.replace(before, nil)
	default:
		return nil
	}
}

// scan visits records in these states, newest first, beginning after an id, until visit returns false. It leaves out
// what cannot be read.
func (t approvalsTx) scan(states []approval.State, after string, visit func(approval.Record) bool) error {
	for id := range t.newestFirst(groupsOf(states), after) {
		rec, err := t.load(id)
		if _, damaged := errors.AsType[*approval.Unreadable](err); damaged {
			continue
		}
		if err != nil {
			return err
		}
		if slices.Contains(states, rec.Approval.State) && !visit(rec) {
			return nil
		}
	}
	return nil
}

// newestFirst yields ids in these groups, beginning after an id.
func (t approvalsTx) newestFirst(groups []byte, after string) func(yield func(id []byte) bool) {
	type head struct {
		group  byte
		cursor *bbolt.Cursor
		id     []byte
	}
	settle := func(h *head, k, _ []byte) {
		h.id = nil
		if len(k) > 0 && k[0] == h.group {
			h.id = k[1:]
		}
	}
	return func(yield func([]byte) bool) {
		var heads []*head
		for _, g := range groups {
			h := &head{group: g, cursor: t.bucket(approvalGroupsBucket).Cursor()}
			// The last row before the end of the group, or before the row of after.
			end := []byte{g + 1}
			if after != "" {
				end = append([]byte{g}, after...)
			}
			if found, _ := h.cursor.Seek(end); found == nil {
				k, v := h.cursor.Last()
				settle(h, k, v)
			} else {
				k, v := h.cursor.Prev()
				settle(h, k, v)
			}
			heads = append(heads, h)
		}
		for len(heads) > 0 {
			h := slices.MaxFunc(heads, func(a, b *head) int { return bytes.Compare(a.id, b.id) })
			if h.id == nil || !yield(h.id) {
				return
			}
			k, v := h.cursor.Prev()
			settle(h, k, v)
		}
	}
}
