package scan

import (
	"math/rand/v2"
	"testing"
)

func TestWordMap_IsAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 15)) // #nosec G404 -- cases that can be repeated
	var m wordMap[uint32]
	for turn := range 6 {
		if turn == 3 {
			m.round = 1<<32 - 1 // the next one is the first again
		}
		m.reset()
		want := make(map[uint64]uint32)
		for n := range uint32(2000) {
			key := rnd.Uint64N(1500) << (8 * rnd.UintN(8)) // zero among them, and many that differ in few bits
			value, known := m.at(key)
			if old, there := want[key]; known != there || *value != old {
				t.Fatalf("%x: %d, %t, want %d, %t", key, *value, known, old, there)
			}
			*value, want[key] = n, n
		}
		if m.used != len(want) {
			t.Errorf("%d words, want %d", m.used, len(want))
		}
	}
}
