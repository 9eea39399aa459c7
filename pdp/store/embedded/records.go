package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Buckets of the database. recordsMeta holds the clock's mark.
var (
	recordsBucket = []byte("records")
	recordsMeta   = []byte("records.meta")
)

const (
	// recordsTimeout ends the wait for a disk that hangs. What was asked for may still be carried out then.
	recordsTimeout = 5 * time.Second
	// mostSwaps is how many swaps one transaction takes.
	mostSwaps = 1024
	// mostRecords bounds the memory of all tenants together; a bound on each is their user's business.
	mostRecords = 1_000_000
	// mostRecordBytes bounds a record, and mostRecordName a tenant's name and a key.
	mostRecordBytes, mostRecordName = 16 << 10, 8192
)

// Records are the small records of a single process that are read for each decision: breakers. All of them stand in memory,
// which shows what is on the disk and nothing else. One goroutine writes: what has come in while the last commit went to
// the disk is one transaction and one sync. After a commit that failed nothing is read, until one succeeds, and memory is
// read from the disk again. Safe for concurrent use.
type Records struct {
	db      *bbolt.DB
	clock   *ledger.Clock
	commit  func(*bbolt.Tx) error // tests let it fail
	queue   chan *swap
	stop    context.CancelFunc
	done    chan struct{}
	trouble atomic.Pointer[error]
	busy    commitWatch

	mu      sync.RWMutex
	size    int
	tenants map[string]*shelf
}

// shelf is what one tenant has.
type shelf struct {
	records map[string]kept
	// shown is what Records returned last, and is never changed; nil if it has to be made again, as it has after shownUntil,
	// when the first of them is over.
	shown      map[string][]byte
	shownUntil int64
}

// kept is a record, until a time in microseconds.
type kept struct {
	value []byte
	until int64
}

// swap is a call that waits for the goroutine.
type swap struct {
	tenant, key string
	old, new    []byte
	keep        int64

	current []byte
	swapped bool
	err     error
	done    chan struct{}
}

var _ ledger.Records = (*Records)(nil)

// OpenRecords opens the records and reads all of them. Close them before the store.
func (s *Store) OpenRecords(source ledger.Source) (*Records, error) {
	return s.openRecords(source, (*bbolt.Tx).Commit)
}

func (s *Store) openRecords(source ledger.Source, commit func(*bbolt.Tx) error) (*Records, error) {
	if err := s.buckets(recordsBucket, recordsMeta); err != nil {
		return nil, err
	}
	r := &Records{db: s.db, commit: commit, queue: make(chan *swap, 4*mostSwaps), done: make(chan struct{})}
	err := s.db.View(func(tx *bbolt.Tx) (err error) {
		r.clock, err = ledger.NewClock(source, tx.Bucket(recordsMeta).Get(clockKey))
		return err
	})
	if err == nil {
		err = r.load()
	}
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go r.run(ctx)
	return r, nil
}

// load makes memory what the disk says.
func (r *Records) load() error {
	tenants, size, bad := map[string]*shelf{}, 0, 0
	err := r.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(recordsBucket).ForEach(func(name, value []byte) error {
			tenant, key, whole := splitKey(name)
			k, ok := decodeKept(value)
			if !ok || !whole {
				bad++
				return nil
			}
			if tenants[tenant] == nil {
				tenants[tenant] = &shelf{records: map[string]kept{}}
			}
			tenants[tenant].records[string(key)] = k
			size++
			return nil
		})
	})
	if err == nil && bad > 0 {
		err = fmt.Errorf("%d records cannot be read: were they written by a later version, or is the disk failing?", bad)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tenants, r.size = tenants, size
	return nil
}

func encodeKept(k kept) []byte {
	w := newWriter(16 + len(k.value))
	w.int(k.until)
	w.text(string(k.value))
	return w.seal()
}

func decodeKept(value []byte) (k kept, ok bool) {
	in := newReader(value)
	k = kept{until: in.int(), value: []byte(in.text())}
	return k, in.err() == nil
}

// Now is exact: the ledger is here.
func (r *Records) Now() (earliest, latest int64, known bool) {
	now := r.clock.Now()
	return now, now, true
}

// Records returns what is on the disk. It fails after a commit that failed, and while one hangs.
func (r *Records) Records(ctx context.Context, tenant string) (map[string][]byte, error) {
	if err := errors.Join(ctx.Err(), r.Health()); err != nil {
		return nil, fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
	}
	now := r.clock.Now()
	r.mu.RLock()
	s := r.tenants[tenant]
	if s == nil {
		r.mu.RUnlock()
		return nil, nil
	}
	shown, fresh := s.shown, s.shown != nil && now < s.shownUntil
	r.mu.RUnlock()
	if fresh {
		return shown, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s = r.tenants[tenant]; s == nil {
		return nil, nil
	}
	s.show(now)
	return s.shown, nil
}

func (s *shelf) show(now int64) {
	s.shown, s.shownUntil = make(map[string][]byte, len(s.records)), int64(1)<<62
	for key, k := range s.records {
		if k.until > now {
			s.shown[key] = k.value
			s.shownUntil = min(s.shownUntil, k.until)
		}
	}
}

// Swap sets a record if it is what the caller takes it for. It is on the disk when Swap returns without an error.
func (r *Records) Swap(ctx context.Context, tenant, key string, old, new []byte, forgetAfter int64) ([]byte, bool, error) {
	if key == "" || max(len(key), len(tenant)) > mostRecordName || len(new) > mostRecordBytes || forgetAfter < 0 {
		return nil, false, fmt.Errorf("a record has a key of 1 to %d bytes and at most %d bytes, and is kept for some time", mostRecordName, mostRecordBytes)
	}
	s := &swap{tenant: tenant, key: key, old: bytes.Clone(old), new: bytes.Clone(new), keep: forgetAfter, done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(ctx, recordsTimeout)
	defer cancel()
	select {
	case <-r.done:
		return nil, false, fmt.Errorf("%w: %w", ledger.ErrUnavailable, errClosed)
	default:
	}
	select {
	case r.queue <- s:
	case <-r.done:
		return nil, false, fmt.Errorf("%w: %w", ledger.ErrUnavailable, errClosed)
	case <-ctx.Done():
		return nil, false, fmt.Errorf("%w: %w", ledger.ErrUnavailable, ctx.Err())
	}
	select {
	case <-s.done:
		return s.current, s.swapped, s.err
	case <-ctx.Done():
		return nil, false, fmt.Errorf("%w: %w", ledger.ErrUnavailable, ctx.Err())
	case <-r.done:
	}
	select { // the last group may have had it
	case <-s.done:
		return s.current, s.swapped, s.err
	default:
		return nil, false, fmt.Errorf("%w: %w", ledger.ErrUnavailable, errClosed)
	}
}

// Health says what keeps records from being read, or nil.
func (r *Records) Health() error {
	select {
	case <-r.done:
		return errClosed
	default:
	}
	if err := r.trouble.Load(); err != nil {
		return *err
	}
	if r.busy.hangs(recordsTimeout) {
		return errHangs
	}
	return nil
}

// Close finishes what waits, and stops. Nothing is read or swapped afterwards.
func (r *Records) Close() error {
	r.stop()
	<-r.done
	return r.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(recordsMeta).Put(clockKey, r.clock.Mark()) })
}
