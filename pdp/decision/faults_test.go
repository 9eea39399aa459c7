package decision

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
	"github.com/portcullis-pdp/portcullis/pdp/limit"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// faultyStore fails when it is told to.
type faultyStore struct {
	Records
	getBroken, putBroken atomic.Bool
	gets                 atomic.Int64
	onPut                func()
}

func (s *faultyStore) Get(key string) ([]byte, error) {
	s.gets.Add(1)
	if s.getBroken.Load() {
		return nil, errBroken
	}
	return s.Records.Get(key)
}

func (s *faultyStore) Put(key string, value []byte) error {
	if s.onPut != nil {
		s.onPut()
	}
	if s.putBroken.Load() {
		return errBroken
	}
	return s.Records.Put(key, value)
}

type faultyLedger struct {
	limit.Ledger
	broken atomic.Bool
}

func (l *faultyLedger) Load(ctx context.Context, space limit.Space, key []byte) ([]byte, error) {
	if l.broken.Load() {
		return nil, errBroken
	}
	return l.Ledger.Load(ctx, space, key)
}

func (l *faultyLedger) Commit(ctx context.Context, changes []limit.Change) error {
	if l.broken.Load() {
		return errBroken
	}
	return l.Ledger.Commit(ctx, changes)
}

// faultyFuses are the records of breakers.
type faultyFuses struct {
	fuses
	readBroken, swapBroken atomic.Bool
}

type fuses = ledger.Records

func (f *faultyFuses) Records(ctx context.Context, tenant string) (map[string][]byte, error) {
	if f.readBroken.Load() {
		return nil, errBroken
	}
	return f.fuses.Records(ctx, tenant)
}

func (f *faultyFuses) Swap(ctx context.Context, tenant, key string, old, record []byte, keep int64) ([]byte, bool, error) {
	if f.swapBroken.Load() {
		return nil, false, errBroken
	}
	return f.fuses.Swap(ctx, tenant, key, old, record, keep)
}

// faultyAsks fails when it is told to, and can do something in the middle of a redemption.
type faultyAsks struct {
	approval.Store
	insertBroken, loadBroken, updateBroken atomic.Bool
	onUpdate                               func()
}

func (s *faultyAsks) Insert(ctx context.Context, rec approval.Record, content []byte, caps approval.Caps) error {
	if s.insertBroken.Load() {
		return errBroken
	}
	return s.Store.Insert(ctx, rec, content, caps)
}

func (s *faultyAsks) Load(ctx context.Context, id string) (approval.Record, error) {
	if s.loadBroken.Load() {
		return approval.Record{}, errBroken
	}
	return s.Store.Load(ctx, id)
}

func (s *faultyAsks) Update(ctx context.Context, id string, change func(*approval.Record) approval.Effect) error {
	if s.updateBroken.Load() {
		return errBroken
	}
	if s.onUpdate != nil {
		s.onUpdate()
	}
	return s.Store.Update(ctx, id, change)
}

type faultyLog struct {
	Log
	broken atomic.Bool
}

func (l *faultyLog) Append(ctx context.Context, e decisionlog.Entry) error {
	if l.broken.Load() {
		return errBroken
	}
	return l.Log.Append(ctx, e)
}

// logFunc does something before every line.
type logFunc struct {
	Log
	before func()
}

func (l logFunc) Append(ctx context.Context, e decisionlog.Entry) error {
	l.before()
	return l.Log.Append(ctx, e)
}

// inMemory is a ledger that forgets everything with the test.
type inMemory struct {
	mu   sync.Mutex
	data map[string][]byte
}

func (m *inMemory) Load(_ context.Context, space limit.Space, key []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.data[string(rune(space))+string(key)]), nil
}

func (m *inMemory) Commit(_ context.Context, changes []limit.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		m.data = map[string][]byte{}
	}
	for _, c := range changes {
		key := string(rune(c.Space)) + string(c.Key)
		if c.Value == nil {
			delete(m.data, key)
		} else {
			m.data[key] = slices.Clone(c.Value)
		}
	}
	return nil
}

func (m *inMemory) Scan(context.Context, limit.Space, []byte, []byte, int, func(key, value []byte) bool) error {
	return nil // it is scanned at the start only, when it is empty
}
