package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// flushEvery is how long a write may stay in memory only. A kill inside it costs at most what those
// records say: outcomes of the last few decisions (their reservations then count in full) and what a
// session did last.
const flushEvery = 10 * time.Millisecond

// maxPending is how many changed records may wait for the disk.
const maxPending = 100_000

// ErrPendingFull says that the disk does not keep up. Callers fail closed.
var ErrPendingFull = errors.New("too many records wait for the disk")

// KV is a bucket with group-committed writes: Put returns at once and the record is on disk within
// flushEvery; Get sees it at once. It exists because one fsync a decision would cost more than the decision.
// Nothing that was promised to anybody may go through it: approvals, verdicts and kill switches are written
// through. Safe for concurrent use.
type KV struct {
	db     *bbolt.DB
	bucket []byte

	mu      sync.Mutex
	pending map[string][]byte // nil value: delete
	flying  map[string][]byte // being committed; still visible to Get
	err     error             // last commit's failure; nil once one succeeds

	wake chan struct{}
	done chan struct{}
	stop context.CancelFunc
}

// OpenKV opens a write-behind bucket and starts its flusher.
func (s *Store) OpenKV(name string) (*KV, error) {
	if err := s.buckets([]byte(name)); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	kv := &KV{
		db: s.db, bucket: []byte(name), pending: map[string][]byte{},
		wake: make(chan struct{}, 1), done: make(chan struct{}), stop: stop,
	}
	go kv.run(ctx)
	return kv, nil
}

// Put stores a copy of nothing: the caller must not change value afterwards. A nil value deletes.
func (kv *KV) Put(key string, value []byte) error {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	if _, there := kv.pending[key]; !there && len(kv.pending) >= maxPending {
		return ErrPendingFull
	}
	if kv.err != nil && len(kv.pending) > maxPending/10 {
		return fmt.Errorf("records cannot be written: %w", kv.err)
	}
	kv.pending[key] = value
	select {
	case kv.wake <- struct{}{}:
	default:
	}
	return nil
}

// Get returns the newest value, or nil if there is none. The result must not be changed.
func (kv *KV) Get(key string) ([]byte, error) {
	kv.mu.Lock()
	for _, layer := range []map[string][]byte{kv.pending, kv.flying} {
		if v, there := layer[key]; there {
			kv.mu.Unlock()
			return v, nil
		}
	}
	kv.mu.Unlock()
	var out []byte
	err := kv.db.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket(kv.bucket).Get([]byte(key)); v != nil {
			out = append([]byte{}, v...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", kv.bucket, err)
	}
	return out, nil
}

// Space is the part of a KV whose keys begin with a prefix. All spaces of a KV share its commits: what was put first,
// in whatever space, is never on disk later than what was put after it.
type Space struct {
	kv     *KV
	prefix string
}

// Space returns the records below a prefix, which should end in a separator.
func (kv *KV) Space(prefix string) Space { return Space{kv, prefix} }

// Get is KV.Get below the prefix.
func (s Space) Get(key string) ([]byte, error) { return s.kv.Get(s.prefix + key) }

// Put is KV.Put below the prefix.
func (s Space) Put(key string, value []byte) error { return s.kv.Put(s.prefix+key, value) }

// Range hands every record that is on disk to see, until it returns false. Meant for the start, when nothing is
// pending.
func (s Space) Range(see func(key string, value []byte) bool) error {
	err := s.kv.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(s.kv.bucket).Cursor()
		for k, v := c.Seek([]byte(s.prefix)); k != nil && strings.HasPrefix(string(k), s.prefix); k, v = c.Next() {
			if !see(string(k[len(s.prefix):]), v) {
				break
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", s.prefix, err)
	}
	return nil
}

// Sweep deletes records that dead says are over, at most limit of them, and returns how many. What waits for the disk
// is new and stays: the deletion runs where no commit can come between looking and deleting.
func (s Space) Sweep(limit int, dead func(key string, value []byte) bool) (int, error) {
	n := 0
	err := s.kv.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(s.kv.bucket)
		var keys [][]byte
		c := b.Cursor()
		for k, v := c.Seek([]byte(s.prefix)); k != nil && strings.HasPrefix(string(k), s.prefix) && len(keys) < limit; k, v = c.Next() {
			if dead(string(k[len(s.prefix):]), v) && !s.kv.waiting(string(k)) {
				keys = append(keys, bytes.Clone(k))
			}
		}
		n = len(keys)
		for _, k := range keys {
			if err := b.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("sweep %s: %w", s.prefix, err)
	}
	return n, nil
}

// waiting says whether a record is not on disk yet.
func (kv *KV) waiting(key string) bool {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	_, pending := kv.pending[key]
	_, flying := kv.flying[key]
	return pending || flying
}

// Health returns the last commit's failure, or nil.
func (kv *KV) Health() error {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	return kv.err
}

// Close writes what is pending and stops the flusher.
func (kv *KV) Close() error {
	kv.stop()
	<-kv.done
	return kv.flush()
}

func (kv *KV) run(ctx context.Context) {
	defer close(kv.done)
	timer := time.NewTicker(flushEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-kv.wake:
		}
		select { // let more arrive: one commit for all of them
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := kv.flush(); err != nil {
			select { // the disk is in trouble: the records stay pending, try again at the next tick
			case kv.wake <- struct{}{}:
			default:
			}
		}
	}
}

func (kv *KV) flush() error {
	kv.mu.Lock()
	batch := kv.pending
	kv.flying, kv.pending = batch, map[string][]byte{}
	kv.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := kv.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(kv.bucket)
		for k, v := range batch {
			var err error
			if v == nil {
				err = b.Delete([]byte(k))
			} else {
				err = b.Put([]byte(k), v)
			}
			if err != nil {
				return fmt.Errorf("write %s: %w", kv.bucket, err)
			}
		}
		return nil
	})
	kv.mu.Lock()
	defer kv.mu.Unlock()
	kv.err = err
	if err != nil { // put back what is not newer by now
		newer := kv.pending
		kv.pending = batch
		maps.Copy(kv.pending, newer)
	}
	kv.flying = nil
	return err
}
