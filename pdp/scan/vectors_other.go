//go:build !amd64

package scan

import "sync/atomic"

// These are for the processors that there is assembly for. They are variables for the sake of tests.
var has512, hasVectors, gathers = false, false, false

func markVectors(_ *[bitmapWords]uint64, _ string, from, _, n int, _ *[gramBatch]int32) (marked, next int, high uint32) {
	return n, from, 0
}

func siftVectors(_ *[buckets + 1]gramBucket, _ *siftKinds, _ string, _ *[gramBatch]int32, _, _ int) (kept int) {
	return 0
}

func compareVectors(_ *[buckets + 1]gramBucket, _ []gramSlot, _ string, _ *[gramBatch]int32, from, _ int, _ []gramHit) (stopped, found int) {
	return from, 0
}

func checkVectors(_ *routeCheck, _ *[256]uint8, _ string, _ *gramHit, _ int) (kept int) { return 0 }

func advanceRuns(_ *atomic.Uint32, _ *[256]uint8, _ string, _, _ *int32, _ *uint32, _ int) (kept int) {
	return 0
}
