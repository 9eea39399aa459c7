package limit

import (
	"bytes"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger/ledgertest"
)

// FuzzDecodeReservation: no record makes the reader panic, and what it accepts is written and read again as the same
// reservation, of which every ledger can carry out the settlement.
func FuzzDecodeReservation(f *testing.F) {
	e, err := open(Config{HotCells: 64}, ledgertest.NewModel(ledgertest.Bounds{}, 1, 1), "fuzz")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close(ctx) })
	r := &reservation{
		id: "id", tenant: "t", agent: "a", state: stateOpen, expires: 1_800_000_000_000_000, reserved: money{5, 700},
		charges: []charge{
			{key: "k", period: ledger.SlidingOver(60), index: 1_920_000_000, units: 5, measure: costCode},
			{key: "l", period: ledger.Period{Kind: ledger.Month}, index: 24_300, units: 700, measure: tokensCode},
		},
	}
	f.Add(r.encode())
	r.state, r.settled, r.charges = stateSettled, &Settled{Late: true, Charged: Amounts{CostMicroUSD: 9, Tokens: 700}}, nil
	f.Add(r.encode())
	f.Add([]byte{})
	f.Add([]byte{format, stateOpen, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, ok := e.decodeReservation("id", raw)
		if !ok {
			return
		}
		once := r.encode()
		again, ok := e.decodeReservation("id", once)
		if !ok || !bytes.Equal(again.encode(), once) {
			t.Fatalf("%x was written as %x, which reads as %+v", raw, once, again)
		}
		for i := range r.charges {
			c := &r.charges[i]
			for _, actual := range []int64{0, c.units, ledger.MaxUnits} {
				l := correction(c, r.agent, &Set{}, &Amounts{CostMicroUSD: actual, Tokens: actual})
				if l.Want < 0 || len(l.Refunds) > 0 && l.Refunds[0].Units < 0 {
					t.Fatalf("%x settled with %d: %+v", raw, actual, l)
				}
			}
		}
	})
}
