package limit

import (
	"math/bits"
	"sync"
)

const shards = 256

// shard is a 256th of all cells and reservations, by the hash of their keys.
type shard struct {
	mu    sync.Mutex
	cells table[*cell]
	held  table[*reservation]

	// recent are the reservations of the last moments, oldest overwritten first.
	recent map[string]*reservation
	order  []string
	next   int
}

func newShard(recent int) *shard {
	return &shard{
		cells: newTable[*cell](), held: newTable[*reservation](),
		recent: make(map[string]*reservation, min(recent, 16)), order: make([]string, recent),
	}
}

// remember keeps a reservation among the recent. makeRoom must have been called before.
func (s *shard) remember(r *reservation) {
	s.recent[r.id] = r
	s.order[s.next] = r.id
	s.next = (s.next + 1) % len(s.order)
}

// makeRoom takes the oldest recent reservation out. It returns an object to use for the next one: that very object if
// no commit needs it any more.
func (s *shard) makeRoom() *reservation {
	old, ok := s.recent[s.order[s.next]]
	if !ok {
		return &reservation{}
	}
	delete(s.recent, old.id)
	if waits := old.epoch == s.held.epoch || s.held.frozen != nil && old.epoch == s.held.epoch-1; waits {
		return &reservation{}
	}
	*old = reservation{charges: old.charges[:0]}
	return old
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

func (e *Engine) shard(hash uint64) *shard { return e.shards[hash>>56] }
