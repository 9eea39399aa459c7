package limit

import (
	"math/bits"
	"sync"
)

const shards = 256

// shard is a 256th of all cells and reservations, by the hash of their keys.
type shard struct {
	mu sync.Mutex
	// cells are those that the ledger must hear of: no cache may lose them. By hash, which is seeded: two keys with one
	// hash are next to impossible, and the second is then denied.
	cells map[uint64]*cell
	// urgent are cells that must be reported soon.
	urgent []*cell
	// held are reservations that the ledger does not have yet.
	held map[string]*reservation
	_    [64]byte // a shard's lock is not its neighbour's business
}

// lockSet is a set of shards that are locked in the order of their numbers, so that no two callers wait for each other.
type lockSet [shards / 64]uint64

func (l *lockSet) add(hash uint64) { n := hash >> 56; l[n/64] |= 1 << (n % 64) }

func (l *lockSet) lock(e *Engine) {
	for i, word := range l {
		for ; word != 0; word &= word - 1 {
			e.shards[i*64+bits.TrailingZeros64(word)].mu.Lock()
		}
	}
}

func (l *lockSet) unlock(e *Engine) {
	for i, word := range l {
		for ; word != 0; word &= word - 1 {
			e.shards[i*64+bits.TrailingZeros64(word)].mu.Unlock()
		}
	}
}

func (e *Engine) shard(hash uint64) *shard { return &e.shards[hash>>56] }
