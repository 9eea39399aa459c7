package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// pages are records of tenants as they were last read. They exist because every decision reads breakers, which change rarely:
// whether a page is current costs one look at its version, which Redis tells us to forget when it changes (client-side caching)
// and which is read anew after a second whatever Redis says. Safe for concurrent use.
type pages struct {
	mu    sync.Mutex
	all   map[string]*page
	swaps uint64 // of this process: what was read before one is not kept after it
}

type page struct {
	version string
	records map[string][]byte // never changed once it is here
}

// longestRecord is how long a record is kept at most, microseconds.
const longestRecord = int64(366 * 24 * time.Hour / time.Microsecond)

// staleAfter is how old the version may be.
const staleAfter = time.Second

// Records returns all records of a tenant, which are at most a second old. They may be shared: change none.
func (l *Ledger) Records(ctx context.Context, tenant string) (map[string][]byte, error) {
	k := l.keys(tenant)
	result, err := l.call(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.DoCache(ctx, c.B().Get().Key(k.version()).Cache(), staleAfter)
	})
	if err != nil {
		return nil, err
	}
	if result.IsCacheHit() {
		l.trips.Add(^uint64(0)) // nothing was sent
	}
	version, err := result.ToString()
	if err != nil && !rueidis.IsRedisNil(err) {
		return nil, fmt.Errorf("%w: read the records: %w", ledger.ErrUnavailable, err)
	}
	l.pages.mu.Lock()
	p := l.pages.all[tenant]
	l.pages.mu.Unlock()
	if p != nil && p.version == version {
		return p.records, nil
	}
	return l.readRecords(ctx, tenant, k)
}

func (l *Ledger) readRecords(ctx context.Context, tenant string, k keys) (map[string][]byte, error) {
	l.pages.mu.Lock()
	swaps := l.pages.swaps
	l.pages.mu.Unlock()
	answer, err := l.run(ctx, l.scripts.records, []string{k.tenant(), k.records(), k.version()}, l.caller(seen{}))
	if err != nil {
		return nil, err
	}
	in := reader{rest: answer}
	p := &page{version: in.text(), records: make(map[string][]byte, len(in.rest)/2)}
	for len(in.rest) > 0 && in.err == nil {
		key := in.text()
		p.records[key] = []byte(in.text())
	}
	if in.err != nil {
		return nil, in.err
	}
	l.pages.mu.Lock()
	defer l.pages.mu.Unlock()
	if l.pages.swaps == swaps {
		l.pages.all[tenant] = p
	}
	return p.records, nil
}

// Swap sets a record by compare-and-set.
func (l *Ledger) Swap(ctx context.Context, tenant, key string, old, record []byte, forgetAfter int64) (current []byte, swapped bool, err error) {
	if len(key) == 0 || len(key) > ledger.MaxName || max(len(old), len(record)) > ledger.MaxRecord {
		return nil, false, fmt.Errorf("a record has a key of 1 to %d bytes, and at most %d itself", ledger.MaxName, ledger.MaxRecord)
	}
	k := l.keys(tenant)
	a := arguments(l.caller(seen{}))
	a.text(key)
	a.int(min(max(forgetAfter, 1), longestRecord), int64(l.cfg.MaxRecords))
	a.record(old)
	a.record(record)
	// Whatever comes of it, what is in memory may be old now.
	defer func() {
		l.pages.mu.Lock()
		defer l.pages.mu.Unlock()
		l.pages.swaps++
		delete(l.pages.all, tenant)
	}()
	answer, err := l.run(ctx, l.scripts.swap, []string{k.tenant(), k.records(), k.recordEnds(), k.version()}, a)
	if err != nil {
		return nil, false, err
	}
	in := reader{rest: answer}
	what := in.int()
	current = in.record()
	switch {
	case in.err != nil:
		return nil, false, in.err
	case what == 2:
		return nil, false, errors.New("the tenant has as many breakers as it may")
	}
	return current, what == 1, nil
}
