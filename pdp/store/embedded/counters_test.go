package embedded

import (
	"context"
	"errors"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

func openCounters(t *testing.T, dir string) (*Counters, func()) {
	t.Helper()
	s := openStore(t, dir)
	c, err := s.OpenCounters(CountersConfig{}, ledger.System())
	if err != nil {
		t.Fatal(err)
	}
	return c, func() {
		if err := errors.Join(c.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

func line(key string, want, most int64) ledger.Line {
	return ledger.Line{
		Key: []byte(key), Owner: "a", Period: ledger.SlidingOver(3600), Want: want, Max: most, Class: ledger.Hard, Lease: 60_000_000,
	}
}

func do(t *testing.T, c *Counters, b *ledger.Batch) *ledger.Receipt {
	t.Helper()
	r, err := c.Do(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestABlockOfAProcessThatIsGoneIsSpent opens the database again, as after a kill: nobody says what became of the block.
func TestABlockOfAProcessThatIsGoneIsSpent(t *testing.T) {
	dir := t.TempDir()
	c, shut := openCounters(t, dir)
	l := line("k", 1, 100)
	l.Need = 20
	r := do(t, c, &ledger.Batch{Tenant: "t", Holder: "first", Seq: 1, Lines: []ledger.Line{l}})
	if got := r.Lines[0]; got.Used != 21 || got.Block != 20 {
		t.Fatalf("%+v", got)
	}
	shut()
	c, shut = openCounters(t, dir)
	defer shut()
	r = do(t, c, &ledger.Batch{Tenant: "t", Holder: "second", Seq: 1, Lines: []ledger.Line{line("k", 79, 100)}})
	if r.Verdict != ledger.Allowed || r.Lines[0].Used != 100 || r.Lines[0].Block != 0 {
		t.Fatalf("%v %+v", r.Verdict, r.Lines[0])
	}
	if r = do(t, c, &ledger.Batch{Tenant: "t", Holder: "second", Seq: 2, Lines: []ledger.Line{line("k", 1, 100)}}); r.Verdict != ledger.Denied {
		t.Fatalf("%v %+v", r.Verdict, r.Lines[0])
	}
}
