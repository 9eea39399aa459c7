package provenance

import (
	"encoding/binary"
	"slices"
)

// maxCycle is the longest round of calls that is looked for.
const maxCycle = 4

// Cycle is a round of 2 to 4 calls that is gone through again and again. What makes two calls the same is their digest. The
// calls at the end of a session are a cycle of length n if each is the same as the one n before it, for two rounds or more, and
// the round is not one call over and over, which is a repetition. Where two lengths fit (A B A B is A B twice, and A B A B
// once), the one with more rounds is meant.
type Cycle struct {
	Length int64 // 0 if there is none
	Rounds int64 // gone through in full, at least 2
	Calls  int64 // in the cycle, those of a round that has only begun among them
}

// history is the calls of one session: how often each of the latest different ones was proposed, and whether they go
// round in circles. It keeps no text. A digest that has fallen out, because so many other calls came since it was last
// proposed, starts again at one: who comes back to a call only after hundreds of others does not run in a loop.
type history struct {
	counted []counted        // the most recent first
	last    [maxCycle]uint64 // digests of the last calls, the latest first
	known   int64            // how many of last are set
	runs    [maxCycle]int64  // runs[n-1] is how many calls in a row were the same as the one n before
}

type counted struct {
	digest uint64
	times  int64
}

// repeats is how often a call was proposed so far.
func (h *history) repeats(digest uint64) int64 {
	for _, c := range h.counted {
		if c.digest == digest {
			return c.times
		}
	}
	return 0
}

// count adds a call, and forgets the one that was longest not proposed if there are more than most.
func (h *history) count(digest uint64, most int) {
	times := h.repeats(digest) + 1
	h.counted = slices.DeleteFunc(h.counted, func(c counted) bool { return c.digest == digest })
	h.counted = slices.Insert(h.counted, 0, counted{digest, times})
	h.counted = h.counted[:min(len(h.counted), most)]
	h.runs = h.runsWith(digest)
	copy(h.last[1:], h.last[:])
	h.last[0], h.known = digest, min(h.known+1, maxCycle)
}

// runsWith is runs once this call is added.
func (h *history) runsWith(digest uint64) [maxCycle]int64 {
	var runs [maxCycle]int64
	for n := range h.known {
		if h.last[n] == digest {
			runs[n] = h.runs[n] + 1
		}
	}
	return runs
}

// again is what repeats and cycle said of a call when it was counted, or would say now if others came in between.
func (h *history) again(digest uint64) (repeats int64, c Cycle) {
	if h.known > 0 && h.last[0] == digest {
		c = longest(h.runs)
	} else {
		c = h.cycle(digest)
	}
	return max(h.repeats(digest)-1, 0), c
}

// cycle is the cycle that this call goes on with, if it is added.
func (h *history) cycle(digest uint64) Cycle { return longest(h.runsWith(digest)) }

func longest(runs [maxCycle]int64) Cycle {
	var best Cycle
	for n := int64(2); n <= maxCycle; n++ {
		// Each call of the run equals the one n before it, so the calls in the cycle are the run and the n before it.
		c := Cycle{Length: n, Rounds: runs[n-1]/n + 1, Calls: runs[n-1] + n}
		if c.Rounds < 2 || c.Rounds <= best.Rounds || runs[0] >= n-1 { // the last n calls are one call
			continue
		}
		best = c
	}
	return best
}

func (h *history) append(out []byte) []byte {
	out = binary.AppendVarint(out, h.known)
	for n := range h.known {
		out = binary.BigEndian.AppendUint64(out, h.last[n])
	}
	for _, run := range h.runs {
		out = binary.AppendVarint(out, run)
	}
	for _, c := range h.counted {
		out = binary.BigEndian.AppendUint64(out, c.digest)
		out = binary.AppendVarint(out, c.times)
	}
	return out
}

// history reads what append wrote, to the end.
func (r *reader) history() history {
	var h history
	h.known = r.signed()
	if h.known < 0 || h.known > maxCycle {
		r.bad = true
		return history{}
	}
	for n := range h.known {
		h.last[n] = r.digest()
	}
	for n := range h.runs {
		h.runs[n] = r.signed()
	}
	for len(r.rest) > 0 && !r.bad {
		h.counted = append(h.counted, counted{r.digest(), r.signed()})
	}
	return h
}

func (r *reader) digest() uint64 {
	raw := r.take(8)
	if r.bad {
		return 0
	}
	return binary.BigEndian.Uint64(raw)
}
