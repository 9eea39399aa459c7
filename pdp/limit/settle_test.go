package limit

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger/ledgertest"
)

// hurried is a ledger whose time may be later than it says that it is at least.
type hurried struct {
	*shared
	ahead int64
}

func (h *hurried) Now() (earliest, latest int64, known bool) {
	now, _, _ := h.Model.Now()
	return now, now + h.ahead, true
}

// TestThreat_E7_AReservationThatIsNeverSettled stays charged in full, and so does one that is settled too late.
func TestThreat_E7_AReservationThatIsNeverSettled(t *testing.T) {
	l := &hurried{shared: newShared()}
	e, d := still(t, l), cost(100)
	d.WindowSeconds = 86_400
	s := set(t, d)
	for _, id := range []string{"quiet", "late", "over"} { // each for an hour
		reserve(t, e, id, who("s"), Amounts{CostMicroUSD: 10}, s)
	}
	if err := e.reportAll(ctx, true); err != nil {
		t.Fatal(err)
	}
	settle := func(id string, actual int64) (Settled, error) {
		return e.Settle(ctx, s, "t", id, Amounts{CostMicroUSD: actual})
	}
	l.ahead = micros(90 * time.Minute) // the ledger has them still
	for id, want := range map[string]struct{ actual, charged int64 }{"late": {1, 10}, "over": {25, 25}} {
		got, err := settle(id, want.actual)
		if err != nil || !got.Late || got.Charged.CostMicroUSD != want.charged {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	l.ahead = 0
	if got := used(t, e, who("s"), s); got != 45 {
		t.Fatalf("late reports give nothing back and still charge: %d of 45", got)
	}
	l.move(90 * time.Minute)
	if _, err := settle("quiet", 0); !errors.Is(err, ErrUnknownReservation) {
		t.Fatalf("closed by expiry: %v", err)
	}
	if got := used(t, e, who("s"), s); got != 45 {
		t.Fatalf("what was never settled stays charged: %d of 45", got)
	}
}

// TestSettledOnceHoweverManyReport: one report counts, at one replica, and all hear of it.
func TestSettledOnceHoweverManyReport(t *testing.T) {
	l := newShared()
	s := set(t, cost(1_000))
	first, second := still(t, l), still(t, l)
	reserve(t, first, "1", who("s"), Amounts{CostMicroUSD: 500}, s)
	reserve(t, first, "2", who("s"), Amounts{CostMicroUSD: 100}, s)
	flush(t, first)

	// In the middle of one report comes another.
	var other Settled
	l.once(func() (before, after error) {
		other, before = second.Settle(ctx, s, "t", "1", Amounts{CostMicroUSD: 40})
		return before, nil
	})
	got, err := first.Settle(ctx, s, "t", "1", Amounts{CostMicroUSD: 30})
	if err != nil || !got.AlreadySettled || got.Charged.CostMicroUSD != 40 || other.AlreadySettled || other.Charged.CostMicroUSD != 40 {
		t.Fatalf("%+v, %v; the other: %+v", got, err, other)
	}
	// Many at once.
	var counted atomic.Int64
	var wg sync.WaitGroup
	for i := range int64(20) {
		wg.Go(func() {
			out, err := []*Engine{first, second}[i%2].Settle(ctx, s, "t", "2", Amounts{CostMicroUSD: 10})
			if err != nil {
				t.Error(err)
			}
			if !out.AlreadySettled {
				counted.Add(1)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(first.Close(ctx), second.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	if n := left(t, l); counted.Load() != 1 || n != 50 {
		t.Fatalf("%d reports counted, %d of 50 are charged", counted.Load(), n)
	}
}

// TestARefundMakesUpForNobodyElse: one is given back once, however often it is said, whatever else is in its sub-bucket.
func TestARefundMakesUpForNobodyElse(t *testing.T) {
	for name, between := range map[string]func(*Engine){
		"at once": func(*Engine) {}, "after a report": func(e *Engine) { _ = tellAll(e) },
	} {
		t.Run(name, func(t *testing.T) {
			e, s := still(t, newShared()), set(t, calls(1600))
			holds := make([]Hold, 3)
			for i := range holds {
				if err := e.Reserve(ctx, s, who("s"), &Amounts{Calls: 1}, ReserveOptions{}, &holds[i]); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				between(e)
				e.Refund(&holds[1])
			}
			between(e)
			if got := used(t, e, who("s"), s); got != 2 {
				t.Fatalf("%d count, two of three stand", got)
			}
		})
	}
}

// TestASettlementAfterTheWindowChangedGivesNothingBack: the sub-bucket that it was charged to means another time now, which
// may be somebody else's.
func TestASettlementAfterTheWindowChangedGivesNothingBack(t *testing.T) {
	start := int64(1_000_000_000)
	l := &shared{Model: ledgertest.NewModel(ledgertest.Bounds{}, start, 1), now: start, epoch: 1}
	e, short, long := still(t, l), cost(1_000), cost(1_000)
	short.WindowSeconds, long.WindowSeconds = 2*ledger.Parts, 4*ledger.Parts
	var h Hold
	if err := e.Reserve(ctx, set(t, short), who("s"), &Amounts{CostMicroUSD: 100}, ReserveOptions{}, &h); err != nil {
		t.Fatal(err)
	}
	if err := e.Keep(&h, "1", micros(time.Hour)); err != nil {
		t.Fatal(err)
	}
	flush(t, e)
	l.move(1_000 * time.Second) // now the sub-bucket of the longer window has the number of that one
	changed := set(t, long)
	reserve(t, e, "2", who("s"), Amounts{CostMicroUSD: 100}, changed)
	if err := tellAll(e); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Settle(ctx, changed, "t", "1", Amounts{}); err != nil {
		t.Fatal(err)
	}
	if n := used(t, e, who("s"), changed); n != 100 {
		t.Fatalf("%d of 100 count", n)
	}
}

// TestNobodyIsAskedForWhatIsDeniedAnyway: this replica knows that the limit which asks is full, and has never looked at the
// one that denies.
func TestNobodyIsAskedForWhatIsDeniedAnyway(t *testing.T) {
	soft, hard := calls(5), calls(10)
	soft.Name, soft.Scope, soft.OnExceed = "soft", []Dimension{Agent}, RequireApproval
	hard.Name, hard.Scope = "hard", []Dimension{User}
	l := newShared()
	other, e, both := still(t, l), still(t, l), set(t, soft, hard)
	admit(t, other, set(t, hard), 10, 1)
	_ = other.Close(ctx)
	busy := who("x")
	busy.User = "another"
	var h Hold
	call := func(who *Subject) []Status {
		if err := e.Reserve(ctx, both, who, &Amounts{Calls: 1}, ReserveOptions{}, &h); err != nil {
			t.Fatal(err)
		}
		return h.Statuses()
	}
	for range 7 {
		call(busy)
	}
	if s := call(busy); !s[0].Exceeded || s[1].Exceeded {
		t.Fatalf("the limit that asks is not known to be full: %+v", s)
	}
	if s := call(who("s")); !s[1].Exceeded || s[1].Used != 10 {
		t.Fatalf("a person would be asked in vain: %+v", s)
	}
	third := who("s")
	third.User = "third"
	if s := call(third); !s[0].Exceeded || s[1].Exceeded || s[1].Used != 0 {
		t.Fatalf("what is asked for is charged already: %+v", s)
	}
}

// TestThreat_E8_SumsStayAtTheirEnd: whatever is reported, no counter wraps around, and none comes back from its end.
func TestThreat_E8_SumsStayAtTheirEnd(t *testing.T) {
	l := newShared()
	e, s := still(t, l), set(t, cost(MaxUnits))
	var refunded Hold
	if err := e.Reserve(ctx, s, who("s"), &Amounts{CostMicroUSD: 5}, ReserveOptions{}, &refunded); err != nil {
		t.Fatal(err)
	}
	reserve(t, e, "huge", who("s"), Amounts{CostMicroUSD: 5}, s)
	for i := range 2 { // the second report changes nothing
		out, err := e.Settle(ctx, s, "t", "huge", Amounts{CostMicroUSD: math.MaxInt64})
		if err != nil || out.AlreadySettled != (i == 1) {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	for range 3 {
		if _, err := e.Add(ctx, s, who("s"), &Amounts{CostMicroUSD: math.MaxInt64}); err != nil {
			t.Fatal(err)
		}
	}
	e.Refund(&refunded) // nobody knows how much went over: nothing comes back
	_ = tellAll(e)
	for _, e := range []*Engine{e, still(t, l)} {
		if st := reserve(t, e, "more", who("s"), Amounts{CostMicroUSD: 1}, s)[0]; st.Used != ledger.MaxUnits || !st.Exceeded || st.Remaining != 0 {
			t.Fatalf("%+v", st)
		}
	}
	l.move(2 * time.Hour)
	if st := reserve(t, e, "later", who("s"), Amounts{CostMicroUSD: 1}, s)[0]; st.Exceeded {
		t.Fatalf("the window does not forget: %+v", st)
	}
	negative := Amounts{CostMicroUSD: -1}
	_, settled := e.Settle(ctx, s, "t", "huge", negative)
	_, added := e.Add(ctx, s, who("s"), &negative)
	for _, err := range []error{settled, added, e.Reserve(ctx, s, who("s"), &negative, ReserveOptions{}, new(Hold))} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("a negative amount: %v", err)
		}
	}
}
