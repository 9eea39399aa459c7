package limit

import (
	"runtime"
	"testing"
)

// TestABusyReplicaLeavesRoomForOthers: what one replica holds ahead is a small part of the limit however fast it calls, so
// that a kill costs little, and others are not denied for what nobody spends.
func TestABusyReplicaLeavesRoomForOthers(t *testing.T) {
	const most = 100_000
	e := replica(t, newShared(), Config{})
	defs, worst := set(t, calls(most)), int64(0)
	for range most / 4 {
		var h Hold
		if err := e.Reserve(ctx, defs, who("s"), &Amounts{Calls: 1}, ReserveOptions{}, &h); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched() // let blocks be drawn
		for i := range e.shards {
			s := &e.shards[i]
			s.mu.Lock()
			for _, c := range s.cells {
				worst = max(worst, c.left)
			}
			s.mu.Unlock()
		}
	}
	if worst > most/8 {
		t.Errorf("one replica held %d of %d", worst, most)
	}
}
