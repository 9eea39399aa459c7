package breaker

import (
	"hash/maphash"
	"slices"
	"sync"
)

// tally counts successes in this process's memory, so that a tool that works costs no write to the store. What it loses
// (a process that ends, a key too many) only ever makes a failure rate look higher. Safe for concurrent use; the calls for
// one key that take out and mark must not overlap, and Breakers lets only one report on a key in at a time. Keys are hashed
// with a seed of this process, for they are as long as callers make them.
type tally struct {
	most int
	seed maphash.Seed

	mu   sync.Mutex
	keys map[uint64]*counted
}

// counted are the successes under one key, by part of the window.
type counted struct {
	width int64
	parts []successes
}

// successes of one part. Those that are merged stand in the record too, as long as there is one: when it goes, they are
// the only ones to know.
type successes struct{ index, n, merged int64 }

func newTally(most int) *tally {
	return &tally{most: most, seed: maphash.MakeSeed(), keys: map[uint64]*counted{}}
}

func (t *tally) hash(key string) uint64 { return maphash.String(t.seed, key) }

// add counts one success.
func (t *tally) add(key string, width int64, now moment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.hash(key)
	c := t.keys[h]
	if c == nil || c.width != width {
		if c == nil && len(t.keys) >= t.most {
			t.evict(now)
		}
		c = &counted{width: width}
		t.keys[h] = c
	}
	c.prune(now)
	index := now.latest / width
	if n := len(c.parts); n == 0 || c.parts[n-1].index < index {
		c.parts = append(c.parts, successes{index: index})
	}
	c.parts[len(c.parts)-1].n++
}

func (c *counted) prune(now moment) {
	oldest := now.earliest/c.width - parts
	c.parts = slices.DeleteFunc(c.parts, func(s successes) bool { return s.index < oldest })
}

// evict makes room: of a few keys that chance picks, those go whose window is over, or else the one with the fewest
// successes. So a flood of new keys pushes out itself, and not the tools that work.
func (t *tally) evict(now moment) {
	const few = 8
	looked, room := 0, false
	var least uint64
	fewest := int64(-1)
	for h, c := range t.keys {
		if c.prune(now); len(c.parts) == 0 {
			delete(t.keys, h)
			room = true
		} else if n := c.sum(); fewest < 0 || n < fewest {
			least, fewest = h, n
		}
		if looked++; looked == few {
			break
		}
	}
	if !room {
		delete(t.keys, least)
	}
}

func (c *counted) sum() (n int64) {
	for _, s := range c.parts {
		n += s.n
	}
	return n
}

// unmerged are the successes that no record holds. Where there is none, that is all of them.
func (t *tally) unmerged(key string, recorded bool, width int64, now moment) []part {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.keys[t.hash(key)]
	if c == nil || c.width != width {
		return nil
	}
	c.prune(now)
	var out []part
	for i := range c.parts {
		s := &c.parts[i]
		if !recorded {
			s.merged = 0
		}
		if s.n > s.merged {
			out = append(out, part{index: s.index, calls: s.n - s.merged})
		}
	}
	return out
}

// mark notes that a record holds these now, or may.
func (t *tally) mark(key string, list []part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.keys[t.hash(key)]
	if c == nil {
		return
	}
	for _, p := range list {
		for i := range c.parts {
			if c.parts[i].index == p.index {
				c.parts[i].merged += p.calls
			}
		}
	}
}

// forget drops what is counted under a key: a breaker that opens begins anew.
func (t *tally) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.keys, t.hash(key))
}
