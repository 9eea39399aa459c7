package limit

import "testing"

// TestADebtBlocksAlsoWhatWasLeasedBeforeIt: the block in hand was drawn while there was room.
func TestADebtBlocksAlsoWhatWasLeasedBeforeIt(t *testing.T) {
	e := replica(t, newShared(), Config{})
	d := set(t, cost(1000))
	reserve(t, e, "1", who("s"), Amounts{CostMicroUSD: 100}, d)
	if _, err := e.Settle(ctx, d, "t", "1", Amounts{CostMicroUSD: 5000}); err != nil {
		t.Fatal(err)
	}
	if s := reserve(t, e, "2", who("s"), Amounts{CostMicroUSD: 1}, d)[0]; !s.Exceeded || s.Used != 5000 {
		t.Fatalf("one more passed a debt: %+v", s)
	}
}
