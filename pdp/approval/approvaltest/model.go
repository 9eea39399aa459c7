package approvaltest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// Model is a store in memory that looks at everything, each time: slow, and easily seen to be right.
type Model struct {
	window int

	mu       sync.Mutex
	records  map[string]string // JSON, so that nothing is shared
	contents map[string][]byte
	changes  []approval.ChangeRef
}

var _ approval.Store = (*Model)(nil)

// NewModel makes an empty one that keeps window changes.
func NewModel(window int) *Model {
	return &Model{window: window, records: map[string]string{}, contents: map[string][]byte{}}
}

func (m *Model) get(id string) (approval.Record, error) {
	var rec approval.Record
	raw, ok := m.records[id]
	if !ok {
		return rec, approval.ErrNotFound
	}
	return rec, json.Unmarshal([]byte(raw), &rec)
}

// all is every record, by id.
func (m *Model) all() (out []approval.Record) {
	for _, id := range slices.Sorted(maps.Keys(m.records)) {
		rec, err := m.get(id)
		if err != nil {
			panic(err) // it was written here
		}
		out = append(out, rec)
	}
	return out
}

func (m *Model) put(rec approval.Record, seen int) {
	raw, err := json.Marshal(rec)
	if err != nil {
		panic(err)
	}
	m.records[rec.Approval.ID] = string(raw)
	if !rec.Approval.Live() {
		delete(m.contents, rec.Approval.ID)
	}
	for n := seen + 1; n <= len(rec.Changes); n++ {
		m.changes = append(m.changes, approval.ChangeRef{Cursor: uint64(len(m.changes) + 1), ID: rec.Approval.ID, Sequence: uint64(n)})
	}
}

// Insert adds a record.
func (m *Model) Insert(ctx context.Context, rec approval.Record, content []byte, caps approval.Caps) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := &rec.Approval
	if _, err := m.get(a.ID); err == nil {
		return fmt.Errorf("approval %s is there already", a.ID)
	}
	var ofAgent, ofTenant, total, asked, askedHere int
	var size int64
	for _, o := range m.all() {
		tenant := o.Approval.Tenant == a.Tenant
		agent := tenant && o.Approval.Agent == a.Agent
		recent := agent && o.Approval.Created.After(caps.Since)
		if o.Approval.State == approval.Pending {
			total++
			ofTenant += one(tenant)
			ofAgent += one(agent)
		}
		if o.Approval.Live() {
			size += o.ContentBytes
		}
		asked += one(recent)
		askedHere += one(recent && o.Approval.Session == a.Session)
	}
	switch {
	case ofAgent >= caps.PerAgent, caps.AskedByAgent > 0 && asked >= caps.AskedByAgent, caps.AskedInSession > 0 && askedHere >= caps.AskedInSession:
		return approval.ErrAskRate
	case ofTenant >= caps.PerTenant, total >= caps.Total, size+rec.ContentBytes > caps.ContentBytes:
		return approval.ErrQueueFull
	}
	m.contents[a.ID] = bytes.Clone(content)
	m.put(rec, 0)
	return nil
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// Update changes a record.
func (m *Model) Update(ctx context.Context, id string, change func(*approval.Record) approval.Effect) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rec, err := m.get(id)
	if err != nil {
		return err
	}
	seen := len(rec.Changes)
	switch change(&rec) {
	case approval.Keep:
	case approval.Write:
		if rec.Content != nil {
			m.contents[id] = bytes.Clone(rec.Content)
			rec.Content = nil
		}
		m.put(rec, seen)
	case approval.Remove:
		delete(m.records, id)
		delete(m.contents, id)
	}
	return nil
}

// UpdateAll changes many.
func (m *Model) UpdateAll(ctx context.Context, ids []string, change func(*approval.Record) approval.Effect) error {
	for _, id := range ids {
		_ = m.Update(ctx, id, change)
	}
	return nil
}

// Load returns a record.
func (m *Model) Load(_ context.Context, id string) (approval.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.get(id)
}

// Content returns a record with its content.
func (m *Model) Content(_ context.Context, id string) (approval.Record, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec, err := m.get(id)
	return rec, m.contents[id], err
}

// Scan visits records.
func (m *Model) Scan(_ context.Context, states []approval.State, after string, visit func(approval.Record) bool) error {
	m.mu.Lock()
	all := m.all()
	m.mu.Unlock()
	for _, rec := range slices.Backward(all) {
		if slices.Contains(states, rec.Approval.State) && (after == "" || rec.Approval.ID < after) && !visit(rec) {
			return nil
		}
	}
	return nil
}

// Live lists what is live.
func (m *Model) Live(_ context.Context, tenant, agent string) (ids []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, rec := range m.all() {
		a := &rec.Approval
		if a.Live() && (tenant == "" || a.Tenant == tenant && (agent == "" || a.Agent == agent)) {
			ids = append(ids, a.ID)
		}
	}
	return ids, nil
}

// Pending counts what is pending.
func (m *Model) Pending(_ context.Context, tenant string) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, rec := range m.all() {
		n += one(rec.Approval.State == approval.Pending && (tenant == "" || rec.Approval.Tenant == tenant))
	}
	return n, nil
}

// ByDigest lists what was asked for one action.
func (m *Model) ByDigest(_ context.Context, tenant, agent, digest string, limit int) (out []approval.Record, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, rec := range m.all() {
		if a := &rec.Approval; a.Tenant == tenant && a.Agent == agent && a.Digest == digest {
			out = append(out, rec)
		}
	}
	slices.SortFunc(out, func(a, b approval.Record) int {
		return cmp.Or(b.Approval.Created.Compare(a.Approval.Created), strings.Compare(b.Approval.ID, a.Approval.ID))
	})
	return out[:min(limit, len(out))], nil
}

// Due lists what is due.
func (m *Model) Due(_ context.Context, at time.Time, limit int) (ids []string, next time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.all()
	slices.SortStableFunc(all, func(a, b approval.Record) int { return a.Due.Compare(b.Due) })
	for _, rec := range all {
		if rec.Due.After(at) || len(ids) == limit {
			return ids, rec.Due, nil
		}
		ids = append(ids, rec.Approval.ID)
	}
	return ids, time.Time{}, nil
}

// Surplus lists the oldest of what has ended.
func (m *Model) Surplus(_ context.Context, keep, limit int) (ids []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, rec := range m.all() {
		if !rec.Approval.Live() {
			ids = append(ids, rec.Approval.ID)
		}
	}
	ids = ids[:max(len(ids)-keep, 0)]
	return ids[:min(limit, len(ids))], nil
}

// Snapshot lists what is pending.
func (m *Model) Snapshot(context.Context) (out []approval.Record, cursor uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, rec := range m.all() {
		if rec.Approval.State == approval.Pending {
			out = append(out, rec)
		}
	}
	return out, uint64(len(m.changes)), nil
}

// Changes lists changes.
func (m *Model) Changes(_ context.Context, after uint64, limit int) ([]approval.ChangeRef, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if after > uint64(len(m.changes)) || len(m.changes)-int(after) > m.window {
		return nil, approval.ErrCursor
	}
	rest := m.changes[after:]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}
