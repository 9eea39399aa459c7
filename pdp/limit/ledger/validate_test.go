package ledger

import (
	"bytes"
	"strings"
	"testing"
)

func TestBatchesThatNoLedgerCouldKeepAreRefused(t *testing.T) {
	good := func() *Batch {
		return &Batch{Tenant: "t", Holder: "h", Seq: 1, Lines: []Line{
			{Key: []byte("k"), Period: SlidingOver(60), Want: 1, Max: 10},
			{Key: []byte{0, 0xff, '{', '}'}, Period: Period{Kind: Month}, Max: -1},
		}, Reservations: []Reservation{{ID: "r", New: []byte{}}}}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(b *Batch){
		"no tenant":         func(b *Batch) { b.Tenant = "" },
		"long tenant":       func(b *Batch) { b.Tenant = strings.Repeat("t", MaxTenant+1) },
		"no holder":         func(b *Batch) { b.Holder = "" },
		"negative number":   func(b *Batch) { b.Seq = -1 },
		"no key":            func(b *Batch) { b.Lines[0].Key = nil },
		"long key":          func(b *Batch) { b.Lines[0].Key = bytes.Repeat([]byte("k"), MaxName+1) },
		"same key":          func(b *Batch) { b.Lines[1].Key = []byte("k") },
		"no period":         func(b *Batch) { b.Lines[0].Period = Period{} },
		"huge width":        func(b *Batch) { b.Lines[0].Period.Width = maxSpan + 1 },
		"no class":          func(b *Batch) { b.Lines[0].Class = Soft + 1 },
		"negative want":     func(b *Batch) { b.Lines[0].Want = -1 },
		"want past 2^53":    func(b *Batch) { b.Lines[0].Want = MaxUnits + 1 },
		"max below -1":      func(b *Batch) { b.Lines[0].Max = -2 },
		"negative returned": func(b *Batch) { b.Lines[0].Returned = -1 },
		"long lease":        func(b *Batch) { b.Lines[0].Lease = maxSpan + 1 },
		"negative refund":   func(b *Batch) { b.Lines[0].Refunds = []Stamp{{1, -1}} },
		"negative index":    func(b *Batch) { b.Lines[0].Spent = []Stamp{{-1, 1}} },
		"too many stamps":   func(b *Batch) { b.Lines[0].Spent = make([]Stamp, MaxStamps+1) },
		"too many lines":    func(b *Batch) { b.Lines = make([]Line, MaxLines+1) },
		"no id":             func(b *Batch) { b.Reservations[0].ID = "" },
		"same id":           func(b *Batch) { b.Reservations = append(b.Reservations, b.Reservations[0]) },
		"long record":       func(b *Batch) { b.Reservations[0].New = make([]byte, MaxRecord+1) },
	} {
		b := good()
		if spoil(b); b.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
