package limit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger/ledgertest"
)

// still is an engine that reports and draws only when the test says so, with leases that outlive a window of a minute.
func still(t *testing.T, l ledger.Ledger) *Engine {
	t.Helper()
	e, err := open(Config{Lease: time.Hour, LocalLease: time.Hour, IdleAfter: time.Hour}, l, fmt.Sprint("still ", engines.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	return e
}

// tellAll reports every cell, due or not, and keeps its block.
func tellAll(e *Engine) error {
	for i := range e.shards {
		for _, c := range e.shards[i].cells {
			e.urge(c)
		}
	}
	return e.report(ctx, false, false)
}

// admit says how many of so many calls were let in.
func admit(t *testing.T, e *Engine, s *Set, n int, each int64) (admitted int64) {
	t.Helper()
	var h Hold
	for range n {
		if err := e.Reserve(ctx, s, who("s"), &Amounts{Calls: each}, ReserveOptions{}, &h); err == nil && !exceeded(h.Statuses()) {
			admitted += each
		}
	}
	return admitted
}

// once runs in the next batch, before it is carried out, and says what goes wrong.
func (s *shared) once(do func() (before, after error)) {
	s.breaks(func(*ledger.Batch) (error, error) {
		s.breaks(nil)
		return do()
	})
}

func (s *shared) loseAnswer() { s.once(func() (error, error) { return nil, errDisk }) }

// answered sends a batch about something else, so that the ledger does not count as gone.
func answered(e *Engine, s *Set) {
	another := who("s")
	another.Tenant = "u"
	_ = e.Reserve(ctx, s, another, &Amounts{Calls: 50}, ReserveOptions{}, new(Hold))
}

// left is what is still in the window of the calls of session s.
func left(t *testing.T, l *shared) int64 {
	t.Helper()
	l.move(0)
	n, _ := booked(t, l)
	return n
}

func TestALostAnswerMovesNothingToAnEarlierTime(t *testing.T) {
	t.Run("spent while the report was under way", func(t *testing.T) {
		l := newShared()
		e, s := still(t, l), set(t, calls(1600))
		admit(t, e, s, 1, 1) // draws four
		admit(t, e, s, 2, 1)
		l.once(func() (error, error) {
			l.move(30 * time.Second)
			admit(t, e, s, 2, 1)
			return nil, errDisk
		})
		_ = tellAll(e)
		_ = tellAll(e)
		l.move(32 * time.Second)
		if n := left(t, l); n < 2 {
			t.Fatalf("%d units count, two are half a minute old", n)
		}
	})
	t.Run("spent after two answers were lost", func(t *testing.T) {
		l := newShared()
		e, s := still(t, l), set(t, calls(1600))
		admit(t, e, s, 1, 2) // draws eight
		for range 2 {
			admit(t, e, s, 1, 2)
			l.move(16 * time.Second)
			l.loseAnswer()
			_ = tellAll(e)
			answered(e, s)
		}
		l.move(16 * time.Second)
		if n := admit(t, e, s, 4, 1); n != 4 {
			t.Fatalf("%d of 4 calls went through", n)
		}
		_ = tellAll(e)
		l.move(46 * time.Second)
		if n := left(t, l); n < 4 {
			t.Fatalf("%d units count, four are less than a minute old", n)
		}
	})
}

func TestAWindowThatChangesDuringAFailedReportForgetsNothing(t *testing.T) {
	long := calls(1600)
	long.WindowSeconds = 86_400
	l := newShared()
	e, s := still(t, l), set(t, long)
	admit(t, e, s, 1, 1)
	admit(t, e, s, 2, 1)
	l.once(func() (error, error) {
		gone, cancel := context.WithCancel(ctx)
		cancel()
		_ = e.Reserve(gone, set(t, calls(1600)), who("s"), &Amounts{}, ReserveOptions{}, new(Hold))
		return errDisk, nil
	})
	if tellAll(e) == nil {
		t.Fatal("the report did not fail")
	}
	admit(t, e, set(t, calls(1600)), 1, 1) // gives back what is left
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := left(t, l); n < 4 {
		t.Fatalf("%d units count of four", n)
	}
}

func TestALowerMaxHoldsWhateverWasDrawn(t *testing.T) {
	for name, lost := range map[string]bool{"in hand": false, "in an answer that was lost": true} {
		t.Run(name, func(t *testing.T) {
			l := newShared()
			e := still(t, l)
			if lost {
				l.loseAnswer()
			}
			before := admit(t, e, set(t, calls(1600)), 1, 2)
			if n := before + admit(t, e, set(t, calls(4)), 100, 1); n > 4 {
				t.Fatalf("%d calls, the limit is 4 now", n)
			}
		})
	}
}

func TestWhatWasGivenBackMayBeSomebodyElses(t *testing.T) {
	l := newShared()
	a, b, s := still(t, l), still(t, l), set(t, calls(64))
	n := admit(t, a, s, 1, 1) // draws four
	l.loseAnswer()
	n += admit(t, a, s, 1, 100) // gives them back, and would be denied
	answered(a, s)
	n += admit(t, b, s, 100, 1) + admit(t, a, s, 100, 1)
	if n > 64 {
		t.Fatalf("%d calls, the limit is 64", n)
	}
}

// TestACallerWhoGivesUpTakesNobodyAlong: others have their units in its batch.
func TestACallerWhoGivesUpTakesNobodyAlong(t *testing.T) {
	l := newShared()
	e, s := still(t, l), set(t, calls(1600))
	admit(t, e, s, 1, 1) // draws four
	admit(t, e, s, 1, 1)
	gone, cancel := context.WithCancel(ctx)
	l.once(func() (error, error) { cancel(); return nil, nil })
	if err := e.Reserve(gone, s, who("s"), &Amounts{Calls: 50}, ReserveOptions{}, new(Hold)); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := left(t, l); n != 52 {
		t.Fatalf("%d units count of 52", n)
	}
}

func TestARefundWhoseAnswerWasLostIsNotToldAgain(t *testing.T) {
	l := newShared()
	e, s := still(t, l), set(t, calls(15)) // too few for blocks
	var holds [3]Hold
	for i := range holds {
		if err := e.Reserve(ctx, s, who("s"), &Amounts{Calls: 1}, ReserveOptions{}, &holds[i]); err != nil {
			t.Fatal(err)
		}
	}
	e.Refund(&holds[0])
	l.loseAnswer()
	_ = tellAll(e)
	_ = tellAll(e)
	_ = e.Close(ctx)
	if n := left(t, l); n != 2 {
		t.Fatalf("%d calls count, two went through", n)
	}
}

func TestABlockIsNotSpentBehindItsLease(t *testing.T) {
	l := newShared()
	e, s := still(t, l), set(t, calls(1600))
	admit(t, e, s, 1, 1) // draws four
	l.move(time.Hour + 50*time.Second)
	if n := admit(t, e, s, 3, 1); n != 3 {
		t.Fatalf("%d of 3", n)
	}
	_ = tellAll(e)
	l.move(15 * time.Second) // what was in the block leaves
	if n := left(t, l); n < 3 {
		t.Fatalf("%d calls count, three are fifteen seconds old", n)
	}
}

func TestThreat_E12_ALedgerThatHasLostItsMemory(t *testing.T) {
	second := calls(160)
	second.WindowSeconds = 1
	t.Run("counts as full until leases of before are over", func(t *testing.T) {
		l := newShared()
		a, b, s := still(t, l), still(t, l), set(t, second)
		admit(t, a, s, 2, 1)
		l.epoch++
		l.Forget(l.epoch)
		l.move(1100 * time.Millisecond)
		if n := admit(t, b, s, 200, 1) + admit(t, a, s, 3, 1); n > 160 {
			t.Fatalf("%d calls at once, the limit is 160", n)
		}
		l.move(time.Hour + 2*time.Second)
		if admit(t, b, s, 1, 1) != 1 {
			t.Fatal("denies for ever")
		}
	})
	t.Run("hands out no blocks", func(t *testing.T) {
		l := newShared()
		e, s := still(t, l), set(t, calls(160))
		admit(t, e, s, 1, 1)
		_, held := booked(t, l)
		l.epoch++
		l.Forget(l.epoch)
		n := int64(0)
		for range 100 {
			n += admit(t, e, s, 1, 1)
			for len(e.refill) > 0 {
				e.draw(ctx, <-e.refill)
			}
		}
		if n > held {
			t.Fatalf("%d calls, %d were held", n, held)
		}
	})
}

func TestWhatIsSpentDuringAReportIsSpentOnce(t *testing.T) {
	l := newShared()
	e, s := still(t, l), set(t, calls(1600))
	n := admit(t, e, s, 1, 1) // draws four
	n += admit(t, e, s, 1, 1)
	l.once(func() (error, error) { n += admit(t, e, s, 2, 1); return nil, nil })
	if err := tellAll(e); err != nil {
		t.Fatal(err)
	}
	n += admit(t, e, s, 4, 1)
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if used := left(t, l); used != n {
		t.Fatalf("%d calls, the ledger counts %d", n, used)
	}
}

func TestThreat_E12_NothingIsSpentWhileTheLedgerIsGone(t *testing.T) {
	l := newShared()
	e, s := still(t, l), set(t, calls(1600))
	admit(t, e, s, 1, 1) // draws four
	l.breaks(func(*ledger.Batch) (error, error) { return errDisk, nil })
	var h Hold
	for _, session := range []string{"another", "s"} {
		if err := e.Reserve(ctx, s, who(session), &Amounts{Calls: 1}, ReserveOptions{}, &h); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("%s: %v", session, err)
		}
	}
	l.breaks(nil)
	if admit(t, e, s, 1, 1) != 1 {
		t.Fatal("does not recover")
	}
}

func TestACallThatFailsOrAsksTakesBackWhatItTook(t *testing.T) {
	soft := calls(1)
	soft.Name, soft.OnExceed, soft.Scope = "soft", RequireApproval, []Dimension{Agent}
	for name, tc := range map[string]struct {
		second Definition
		breaks bool
	}{
		"fails": {cost(100), true},
		"asks":  {soft, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newShared()
			e := still(t, l)
			both := set(t, calls(1600), tc.second)
			admit(t, e, both, 1, 1) // draws calls, and fills the soft one
			l.move(time.Second)     // what was said of that is not believed any more
			if tc.breaks {
				l.once(func() (error, error) { return errDisk, nil })
			}
			var h Hold
			err := e.Reserve(ctx, both, who("s"), &Amounts{Calls: 1, CostMicroUSD: 1}, ReserveOptions{}, &h)
			if (err != nil) != tc.breaks {
				t.Fatal(err)
			}
			if got := used(t, e, who("s"), both); got != 1 {
				t.Fatalf("%d calls count, one went through", got)
			}
		})
	}
}

func TestOneBatchAtATimeForACounter(t *testing.T) {
	l := newShared()
	e := still(t, l)
	s := set(t, cost(1600))
	var h, earlier Hold
	reserve := func() error {
		return e.Reserve(ctx, s, who("s"), &Amounts{CostMicroUSD: 1}, ReserveOptions{}, &h)
	}
	if err := errors.Join(reserve(), e.Keep(&h, "1", micros(time.Hour)), reserve()); err != nil {
		t.Fatal(err)
	}
	if err := tellAll(e); err != nil {
		t.Fatal(err)
	}
	counter := func() (c *cell) {
		for i := range e.shards {
			for _, c = range e.shards[i].cells {
				return c
			}
		}
		return nil
	}
	// giveBack makes the counter owe the ledger something while a batch for it is under way.
	giveBack := func() { e.Refund(&earlier) }
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for name, meanwhile := range map[string]func(){
		"report":     func() { giveBack(); counter().urgent = true; _ = e.report(ctx, true, true) },
		"refund":     func() { giveBack(); _ = e.report(ctx, false, false) },
		"draw":       func() { e.draw(ctx, counter()) },
		"settlement": func() { _, _ = e.Settle(gone, s, "t", "1", Amounts{CostMicroUSD: 1}) },
		"debt":       func() { _, _ = e.Add(gone, s, who("s"), &Amounts{CostMicroUSD: 1}) },
	} {
		ran := false
		if err := e.Reserve(ctx, s, who("s"), &Amounts{CostMicroUSD: 1}, ReserveOptions{}, &earlier); err != nil {
			t.Fatal(err)
		}
		if err := tellAll(e); err != nil {
			t.Fatal(err)
		}
		l.once(func() (error, error) { ran = true; meanwhile(); return nil, nil })
		if err := e.Reserve(ctx, s, who("s"), &Amounts{CostMicroUSD: 110}, ReserveOptions{}, &h); err != nil || !ran {
			t.Fatalf("beside a %s: %v, %v", name, err, ran)
		}
	}
}

func TestADebtThatFindsNoRoomIsNotForgotten(t *testing.T) {
	l := newBounded(ledgertest.Bounds{PerOwner: 1})
	e, s := still(t, l), set(t, cost(100))
	reserve(t, e, "1", who("s"), Amounts{}, s) // its counter is not there yet
	for _, session := range []string{"x", "y"} {
		if _, err := e.Add(ctx, s, who(session), &Amounts{CostMicroUSD: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := e.Settle(ctx, s, "t", "1", Amounts{CostMicroUSD: 500}); err != nil || out.Charged.CostMicroUSD != 500 {
		t.Fatalf("%+v, %v", out, err)
	}
	_ = tellAll(e)        // nor is there room now
	l.move(2 * time.Hour) // the others leave
	_ = e.reportAll(ctx, false)
	if got := used(t, e, who("s"), s); got != 500 {
		t.Fatalf("%d of the debt count", got)
	}
}

// A short window goes through more sub-buckets while the ledger is gone than a batch may name.
func TestManySubBucketsAreReportedAllTheSame(t *testing.T) {
	local := calls(1 << 20)
	local.WindowSeconds, local.OnUnavailable, local.LocalSharePercent = 1, "local", 50
	l := newShared()
	e, s := still(t, l), set(t, local)
	admit(t, e, s, 1, 1)
	for len(e.refill) > 0 {
		e.draw(ctx, <-e.refill)
	}
	l.breaks(func(*ledger.Batch) (error, error) { return errDisk, nil })
	_ = e.Reserve(ctx, set(t, cost(1)), who("s"), &Amounts{CostMicroUSD: 1}, ReserveOptions{}, new(Hold))
	for range 2000 {
		l.move(16 * time.Millisecond)
		if admit(t, e, s, 1, 1) != 1 {
			t.Fatal("the share is not there")
		}
	}
	l.breaks(nil)
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
