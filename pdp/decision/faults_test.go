package decision

import (
	"context"
	"sync/atomic"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/decisionlog"
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
	ledger.Ledger
	broken atomic.Bool
}

func (l *faultyLedger) Do(ctx context.Context, b *ledger.Batch) (*ledger.Receipt, error) {
	if l.broken.Load() {
		return nil, errBroken
	}
	return l.Ledger.Do(ctx, b)
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
