package limit

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// unit is one entry of the naive log that the window is compared with.
type unit struct{ at, n int64 }

// within sums the log over the closed interval of a window's length that ends at now.
func within(log []unit, now, length int64) (sum int64) {
	for _, u := range log {
		if u.at >= now-length && u.at <= now {
			sum += u.n
		}
	}
	return sum
}

// most is the fullest interval of a window's length: it suffices to look at those that end with an entry.
func most(log []unit, length int64) (n int64) {
	for _, u := range log {
		n = max(n, within(log, u.at, length))
	}
	return n
}

func TestThreat_E10_NoWindowHoldsMoreThanMax(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(1, 10_000).Draw(t, "window_seconds")
		length := seconds * int64(time.Second)
		limit := rapid.Int64Range(0, 20).Draw(t, "max")
		w := window{width: widthOf(seconds)}
		now := rapid.Int64Range(0, math.MaxInt64/4).Draw(t, "start")
		var log []unit
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now += rapid.OneOf(
				rapid.Int64Range(0, length/30), rapid.Just(length), rapid.Just(w.width), rapid.Just(length-1), rapid.Int64Range(0, 2*length),
			).Draw(t, "pause")
			n := rapid.Int64Range(1, 5).Draw(t, "units")
			w.advance(now)
			if exact := within(log, now, length); w.sum < exact {
				t.Fatalf("the window counts %d, the log %d", w.sum, exact)
			}
			if w.sum+n <= limit {
				w.charge(now, n)
				log = append(log, unit{now, n})
			}
			if len(w.buckets) > parts+1 {
				t.Fatalf("%d sub-buckets", len(w.buckets))
			}
		}
		if got := most(log, length); got > limit {
			t.Fatalf("an interval of the window's length holds %d, max %d", got, limit)
		}
	})
}

// Whoever keeps asking gets at least max × (1 − 1/60) a window, on average.
func TestThreat_E10_WindowIsNotTooStrict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(1, 100_000).Draw(t, "window_seconds")
		length := seconds * int64(time.Second)
		limit := rapid.Int64Range(1, 30).Draw(t, "max")
		windows := rapid.Int64Range(1, 130).Draw(t, "windows")
		start := rapid.Int64Range(0, math.MaxInt64/4).Draw(t, "start")
		w := window{width: widthOf(seconds)}
		start -= start % w.width // asking at the edges of sub-buckets is asking as soon as anything can be free
		var got int64
		for now := start; now <= start+windows*length; now += w.width {
			for w.advance(now); w.sum < limit; {
				w.charge(now, 1)
				got++
			}
		}
		if floor := float64(limit*windows) * (1 - 1.0/60); float64(got) < floor {
			t.Fatalf("admitted %d in %d windows, want at least %.1f", got, windows, floor)
		}
	})
}

func TestWindowSurvivesARecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := window{width: rapid.Int64Range(1, math.MaxInt64/1000).Draw(t, "width")}
		now := int64(0)
		for range rapid.IntRange(0, 80).Draw(t, "charges") {
			now = add(now, rapid.Int64Range(0, w.width*3).Draw(t, "pause"))
			w.advance(now)
			w.charge(now, rapid.Int64Range(1, math.MaxInt64).Draw(t, "units"))
		}
		c := cell{window: w, owner: rapid.String().Draw(t, "owner")}
		owner, got, ok := decodeCell(c.encode())
		if !ok || owner != c.owner || got.width != w.width || got.sum != w.sum || !slices.Equal(got.buckets, w.buckets) {
			t.Fatalf("wrote %+v, read %+v (%v)", w, got, ok)
		}
	})
}

func TestRecordsThatAreDamagedAreRefused(t *testing.T) {
	c := cell{window: window{width: 10, buckets: []bucket{{1, 2}, {3, 4}}}, owner: "a"}
	r := reservation{id: "1", state: stateOpen, tenant: "t", charges: []charge{{key: "k", width: 1, index: 2, units: 3}}}
	key := appendKey(nil, "n", 0, agentBit, &Subject{Tenant: "t", Agent: "a"})
	for name, tc := range map[string]struct {
		value []byte
		read  func([]byte) bool
	}{
		"cell":        {c.encode(), func(v []byte) bool { _, _, ok := decodeCell(v); return ok }},
		"reservation": {r.encode(), func(v []byte) bool { _, ok := decodeReservation("1", v); return ok }},
		"key":         {key, func(v []byte) bool { _, ok := parseKey(v); return ok }},
	} {
		t.Run(name, func(t *testing.T) {
			if !tc.read(tc.value) {
				t.Fatal("a whole record is refused")
			}
			for n := range tc.value {
				if tc.read(tc.value[:n]) {
					t.Fatalf("cut to %d bytes it is accepted", n)
				}
			}
			if tc.read(append(slices.Clone(tc.value), 0)) {
				t.Fatal("with a byte more it is accepted")
			}
		})
	}
}

// A window whose length is changed by a bundle may count too long, never too short.
func TestWindowResizeForgetsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.Int64Range(1, 5_000).Draw(t, "from"), rapid.Int64Range(1, 5_000).Draw(t, "to")
		w := window{width: widthOf(from)}
		now := rapid.Int64Range(0, math.MaxInt64/4).Draw(t, "start")
		var log []unit
		for range rapid.IntRange(0, 50).Draw(t, "charges") {
			now += rapid.Int64Range(0, from*int64(time.Second)/10).Draw(t, "pause")
			w.advance(now)
			w.charge(now, 1)
			log = append(log, unit{now, 1})
		}
		w.resize(widthOf(to), now)
		for range 20 {
			w.advance(now)
			if exact := within(log, now, min(from, to)*int64(time.Second)); w.sum < exact && now == log[len(log)-1].at {
				t.Fatalf("counts %d, the log %d", w.sum, exact)
			}
			if to <= from {
				if exact := within(log, now, to*int64(time.Second)); w.sum < exact {
					t.Fatalf("counts %d, the log %d", w.sum, exact)
				}
			}
			now += to * int64(time.Second) / 15
		}
		if len(w.buckets) > parts+1 {
			t.Fatalf("%d sub-buckets", len(w.buckets))
		}
	})
}

func TestWindowRefundAfterResizeGivesNothingBack(t *testing.T) {
	w := window{width: widthOf(60)}
	now := int64(1e18)
	at, width := w.charge(now, 5), w.width
	w.resize(widthOf(120), now)
	w.giveBack(width, at, 5)
	if w.sum != 5 {
		t.Fatalf("the units are somewhere else now: %d left, want 5", w.sum)
	}
}
