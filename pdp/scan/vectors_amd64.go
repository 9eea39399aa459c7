package scan

import (
	"sync/atomic"

	"golang.org/x/sys/cpu"
)

// hasVectors says whether the processor has what the assembly is made of: Intel's from Ice Lake on, and AMD's from Zen 4.
// cpu asks the operating system too, which must keep the registers of each thread. Tests set it to have all else tried by either.
var hasVectors = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VBMI && cpu.X86.HasAVX512VBMI2 && cpu.X86.HasPOPCNT && cpu.X86.HasBMI2

// markVectors is markPlaces for as many bytes as are of blocks of thirty-two, with two more of the text behind each. It looks
// at sixteen places at a time and takes two fifths of the time. next is where it stopped, and high is 0 if all of that is ASCII.
// to-from must be gramBatch at most, for there is no bound on places: of two bytes at most one is a place, and it writes up to
// sixteen behind the last, which the next ones or nobody reads.
//
//go:noescape
func markVectors(bitmap *[bitmapWords]uint64, text string, from, to int, places *[gramBatch]int32) (n, next int, high uint32)

// siftVectors is siftPlaces for places[from:to], none of which may be at an end of the text: siftBack bytes before each and
// siftAhead from it on are read. What it keeps begins at from. It reads and writes up to fifteen places behind to.
//
//go:noescape
func siftVectors(buckets *[buckets + 1]gramBucket, kinds *siftKinds, text string, places *[gramBatch]int32, from, to int) (kept int)

// compareVectors is comparePlaces. It writes up to eight hits behind the last.
//
//go:noescape
func compareVectors(buckets *[buckets + 1]gramBucket, slots []gramSlot, text string, places *[gramBatch]int32, from, to int, hits []gramHit) (stopped, found int)

// checkVectors is checkHits for n hits. The text must have routeChecked bytes or more.
//
//go:noescape
func checkVectors(checks *routeCheck, classes *[256]uint8, text string, hits *gramHit, n int) (kept int)

// advanceVectors is tailTable.advanceEach for n runs. It reads and writes up to fifteen runs behind the last.
//
//go:noescape
func advanceVectors(next *atomic.Uint32, classes *[256]uint8, text string, hits, places *int32, states *uint32, n int) (kept int)
