package scan

import (
	"sync/atomic"

	"golang.org/x/sys/cpu"
)

var (
	// has512 says whether the processor has what the assembly for AVX-512 is made of: Intel's from Ice Lake on, and AMD's from Zen 4.
	// cpu asks the operating system too, which must keep the registers of each thread. Tests set it to have all else tried by either.
	has512 = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VBMI && cpu.X86.HasAVX512VBMI2 && hasVectors
	// hasVectors says whether it has at least what that for AVX2 is made of: Intel's from Haswell on, and AMD's from Excavator on.
	hasVectors = cpu.X86.HasAVX2 && cpu.X86.HasPOPCNT && cpu.X86.HasBMI2
	// gathers says whether an instruction that loads from sixteen places is the quickest way to do that. On AMD's Zen 4
	// it is not: sixteen loads one by one, and what puts them together, take four fifths of the time there.
	gathers = vendor() != amd
)

// amd is how the name begins that AMD's processors give, "AuthenticAMD".
const amd = 'A' | 'u'<<8 | 't'<<16 | 'h'<<24

// vendor is how the name begins that the processor gives for its maker.
func vendor() (name uint32)

// markVectors is markPlaces for as many bytes as are of blocks of thirty-two or sixteen, with two more of the text behind each.
// next is where it stopped, and high is 0 if all of that is ASCII. to-from and n must not be more than gramBatch and half of it
// together, for there is no bound on places: of two bytes at most one is a place, and it writes up to sixteen behind the last,
// which the next ones or nobody reads.
func markVectors(bitmap *[bitmapWords]uint64, text string, from, to, n int, places *[gramBatch]int32) (marked, next int, high uint32) {
	if has512 {
		return mark512(bitmap, text, from, to, n, places, gathers)
	}
	return mark256(bitmap, text, from, to, n, places, &together)
}

//go:noescape
func mark512(bitmap *[bitmapWords]uint64, text string, from, to, n int, places *[gramBatch]int32, gather bool) (marked, next int, high uint32)

//go:noescape
func mark256(bitmap *[bitmapWords]uint64, text string, from, to, n int, places *[gramBatch]int32, together *lanes) (marked, next int, high uint32)

// siftVectors is siftPlaces for places[from:to], none of which may be at an end of the text: siftBack bytes before each and
// vectorReach from it on are read. What it keeps begins at from. It reads and writes up to fifteen places behind to.
func siftVectors(buckets *[buckets + 1]gramBucket, kinds *siftKinds, text string, places *[gramBatch]int32, from, to int) (kept int) {
	if from == to {
		return 0
	}
	for i := range siftLanes - 1 { // which are read with the last one: they must be of the text, too
		places[to+i] = places[to-1]
	}
	if has512 {
		return sift512(buckets, kinds, text, places, from, to)
	}
	return sift256(buckets, text, places, from, to, &together)
}

// siftLanes is how many places are sifted at a time, at most.
const siftLanes = 16

//go:noescape
func sift512(buckets *[buckets + 1]gramBucket, kinds *siftKinds, text string, places *[gramBatch]int32, from, to int) (kept int)

// sift256 has the kinds in its instructions.
//
//go:noescape
func sift256(buckets *[buckets + 1]gramBucket, text string, places *[gramBatch]int32, from, to int, together *lanes) (kept int)

// compareVectors is comparePlaces. It writes up to eight hits behind the last.
func compareVectors(buckets *[buckets + 1]gramBucket, slots []gramSlot, text string, places *[gramBatch]int32, from, to int, hits []gramHit) (stopped, found int) {
	if has512 {
		return compare512(buckets, slots, text, places, from, to, hits)
	}
	return compare256(buckets, slots, text, places, from, to, hits, &together)
}

//go:noescape
func compare512(buckets *[buckets + 1]gramBucket, slots []gramSlot, text string, places *[gramBatch]int32, from, to int, hits []gramHit) (stopped, found int)

//go:noescape
func compare256(buckets *[buckets + 1]gramBucket, slots []gramSlot, text string, places *[gramBatch]int32, from, to int, hits []gramHit, together *lanes) (stopped, found int)

// checkVectors is checkHits for n hits. The text must have routeChecked bytes or more.
func checkVectors(checks *routeCheck, classes *[256]uint8, text string, hits *gramHit, n int) (kept int) {
	if has512 {
		return check512(checks, classes, text, hits, n)
	}
	return check256(checks, classes, text, hits, n)
}

//go:noescape
func check512(checks *routeCheck, classes *[256]uint8, text string, hits *gramHit, n int) (kept int)

//go:noescape
func check256(checks *routeCheck, classes *[256]uint8, text string, hits *gramHit, n int) (kept int)

// advanceRuns is tailTable.advanceEach for n runs. Any processor for amd64 could do it.
//
//go:noescape
func advanceRuns(next *atomic.Uint32, classes *[256]uint8, text string, hits, places *int32, states *uint32, n int) (kept int)

// lanes has for each set of eight lanes of a register those that are in it, one after the other.
type lanes [256][8]uint8

var together = func() (l lanes) {
	for set := range l {
		n := 0
		for lane := range uint8(8) {
			if set>>lane&1 != 0 {
				l[set][n] = lane
				n++
			}
		}
	}
	return l
}()
