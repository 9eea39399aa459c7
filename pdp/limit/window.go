package limit

import (
	"encoding/binary"
	"math"
)

// parts is how many sub-buckets a window has. A sub-bucket counts until it has wholly left the window, so that parts+1
// of them are live: nothing is ever counted too short, and a unit is counted for at most a 60th of the window too long.
const parts = 60

// bucket is the units of one sub-bucket. Index is time divided by the width of the window's sub-buckets.
type bucket struct{ index, units int64 }

// window counts units in any interval of parts*width nanoseconds. Buckets are in the order of time, at most parts+1 of
// them, without empty ones. Its owner's shard lock guards it.
type window struct {
	width   int64
	sum     int64
	buckets []bucket
}

// widthOf rounds up, so that the sub-buckets together are never shorter than the window.
func widthOf(windowSeconds int64) int64 { return (windowSeconds*1e9 + parts - 1) / parts }

// current is the sub-bucket of now, or of the newest units if those are later.
func (w *window) current(now int64) int64 {
	c := now / w.width
	if n := len(w.buckets); n > 0 {
		c = max(c, w.buckets[n-1].index)
	}
	return c
}

// advance drops what has wholly left the window. A bucket i ends before (i+1)*width, which is at least the window's
// length ago once the current one is i+parts+1.
func (w *window) advance(now int64) {
	oldest := w.current(now) - parts
	gone := 0
	for gone < len(w.buckets) && w.buckets[gone].index < oldest {
		gone++
	}
	if gone > 0 {
		w.buckets = w.buckets[:copy(w.buckets, w.buckets[gone:])]
		w.recount()
	}
}

// recount is exact where subtracting from a sum that was capped would not be.
func (w *window) recount() {
	w.sum = 0
	for _, b := range w.buckets {
		w.sum = add(w.sum, b.units)
	}
}

// charge adds units and returns the sub-bucket that holds them.
func (w *window) charge(now, units int64) int64 {
	c := w.current(now)
	if n := len(w.buckets); n > 0 && w.buckets[n-1].index == c {
		w.buckets[n-1].units = add(w.buckets[n-1].units, units)
	} else {
		w.buckets = append(w.buckets, bucket{c, units})
	}
	w.sum = add(w.sum, units)
	return c
}

// giveBack takes units out of the sub-bucket that they were charged to. What is not there any more is not given back;
// nor is anything from a bucket that is at its cap, since nobody knows how much went over it.
func (w *window) giveBack(width, index, units int64) {
	if width != w.width {
		return
	}
	for i := range w.buckets {
		b := &w.buckets[i]
		if b.index != index || b.units == math.MaxInt64 {
			continue
		}
		b.units -= min(units, b.units)
		if b.units == 0 {
			w.buckets = append(w.buckets[:i], w.buckets[i+1:]...)
		}
		w.recount()
		return
	}
}

// resize changes the width of sub-buckets, after a bundle changed the window's length. Units are put at the end of
// where they may have been: they may count too long, never too short. What the old window would drop is kept if the new
// one is longer, so that it makes no difference whether a counter was in memory when the bundle changed.
func (w *window) resize(width, now int64) {
	if width == w.width {
		return
	}
	old := window{width: w.width, buckets: w.buckets}
	latest := now / width
	w.width, w.sum, w.buckets = width, 0, make([]bucket, 0, len(old.buckets))
	for _, b := range old.buckets {
		end := int64(math.MaxInt64)
		if b.index < math.MaxInt64/old.width-1 {
			end = (b.index+1)*old.width - 1
		}
		i := min(end/width, latest)
		if n := len(w.buckets); n > 0 && w.buckets[n-1].index == i {
			w.buckets[n-1].units = add(w.buckets[n-1].units, b.units)
		} else {
			w.buckets = append(w.buckets, bucket{i, b.units})
		}
	}
	w.recount()
	w.advance(now)
}

// resetsAt is when the oldest units leave, or 0 if there are none.
func (w *window) resetsAt() int64 {
	if len(w.buckets) == 0 {
		return 0
	}
	i := w.buckets[0].index + parts + 1
	if i > math.MaxInt64/w.width {
		return math.MaxInt64
	}
	return i * w.width
}

// over says whether nothing is in the window any more.
func (w *window) over(now int64) bool {
	n := len(w.buckets)
	return n == 0 || w.buckets[n-1].index < now/w.width-parts
}

func (w *window) append(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(w.width))
	to = binary.AppendUvarint(to, uint64(len(w.buckets)))
	last := int64(0)
	for _, b := range w.buckets {
		to = binary.AppendUvarint(to, uint64(b.index-last))
		to = binary.AppendUvarint(to, uint64(b.units))
		last = b.index
	}
	return to
}

func (r *reader) window() (w window) {
	w.width = r.positive()
	n := r.positive()
	if r.bad || w.width == 0 || n > parts+1 {
		r.bad = true
		return w
	}
	w.buckets = make([]bucket, 0, n)
	last := int64(0)
	for range n {
		index := add(last, r.positive())
		w.buckets = append(w.buckets, bucket{index, r.positive()})
		last = index
	}
	w.recount()
	return w
}
