package limit_test

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

func TestThreat_E6_LimitsAgreeHoweverManyChargeAndGiveBack(t *testing.T) {
	r := attack(t, limit.Config{HotCells: 4})
	byAgent, bySession := callsPer("agent", 1_000_000, 60), callsPer("session", 30, 60, limit.Session)
	byTenant := callsPer("tenant", 150, 60, limit.Tenant)
	cost := moneyPer("money", 400, 60)
	defs := []limit.Definition{byAgent, bySession, byTenant, cost}
	var kept atomic.Int64
	together(400, func(i int) {
		id, ok := r.try(session("bot", i%20), limit.Amounts{Calls: 1, CostMicroUSD: 3}, defs...)
		switch {
		case !ok:
		case i%3 == 0:
			if err := r.Refund(ctx, id); err != nil {
				t.Error(err)
			}
		default:
			kept.Add(1)
		}
	})
	used := func(who limit.Subject, d limit.Definition) int64 {
		_, list, err := r.reserve(who, limit.Amounts{}, d)
		r.do(err)
		return list[0].Used
	}
	var sessions int64
	for i := range 20 {
		sessions += used(session("bot", i), bySession)
	}
	for name, got := range map[string]int64{
		"agent": used(bot, byAgent), "tenant": used(bot, byTenant), "money": used(bot, cost) / 3, "sessions": sessions,
	} {
		if got != kept.Load() {
			t.Errorf("%s counts %d, %d are kept", name, got, kept.Load())
		}
	}
	if kept.Load() > 133 { // 400 / 3
		t.Errorf("%d kept, the money is for 133", kept.Load())
	}
}

func TestThreat_E5_AFloodCostsVictimsNothing(t *testing.T) {
	flood, victims, most := 100_000, 20, int64(1000)
	if testing.Short() {
		flood = 10_000
	}
	r := attack(t, limit.Config{HotCells: 500, MaxPending: 400_000})
	d, floods := callsPer("calls", most, 3600), callsPer("sessions", 10, 3600, limit.Session)
	allowed := make([]int64, victims)
	together(victims+2, func(i int) {
		if i >= victims {
			for n := range flood / 2 {
				_, _, err := r.reserve(limit.Subject{Tenant: "evil", Agent: "flooder", Session: fmt.Sprintf("%d-%d", i, n)}, call, floods)
				if err != nil && !errors.Is(err, limit.ErrStateFull) {
					t.Error(err)
				}
			}
			return
		}
		for range 2 * most {
			if _, ok := r.try(session(fmt.Sprintf("victim%d", i), 1), call, d); ok {
				allowed[i]++
			}
		}
	})
	for i, n := range allowed {
		if n != most {
			t.Errorf("victim %d was admitted %d times, want exactly %d", i, n, most)
		}
		r.deny(session(fmt.Sprintf("victim%d", i), 1), call, d)
	}
	if got := r.Stats().Keys; got > 50_000+int64(victims) {
		t.Errorf("%d counters, the flooder may have 50,000", got)
	}
}

func TestThreat_E5_CountersOfAnAgentAreCappedExactly(t *testing.T) {
	cfg := limit.Config{MaxKeysPerTenantAgent: 50}
	r := attack(t, cfg)
	defs := []limit.Definition{callsPer("a", 5, 60, limit.Session), callsPer("b", 5, 60, limit.Session)}
	var allowed atomic.Int64
	together(300, func(i int) {
		switch _, _, err := r.reserve(session("bot", i), call, defs...); {
		case err == nil:
			allowed.Add(1)
		case !errors.Is(err, limit.ErrStateFull):
			t.Errorf("got %v, want ErrStateFull", err)
		}
	})
	if allowed.Load() != 25 || r.Stats().Keys != 50 {
		t.Fatalf("%d sessions with %d counters, want 25 and 50", allowed.Load(), r.Stats().Keys)
	}
	r.allow(session("other", 1), call, defs...)
	r.allow(limit.Subject{Tenant: "umbrella", Agent: "bot", Session: "1"}, call, defs...)
	r.restart()
	if _, _, err := r.reserve(session("bot", 1000), call, defs...); !errors.Is(err, limit.ErrStateFull) {
		t.Fatalf("after a restart: %v, want ErrStateFull", err)
	}
}

func TestThreat_E5_DeniedRequestsTakeNoRoom(t *testing.T) {
	r := attack(t, limit.Config{MaxKeysPerTenantAgent: 10})
	free, none := callsPer("free", 5, 60, limit.Session), callsPer("none", 0, 60)
	for i := range 100 {
		r.deny(session("bot", i), call, free, none)
	}
	for i := range 100 { // given back at once
		id := r.allow(session("bot", i), call, free)
		r.do(r.Refund(ctx, id))
	}
	for i := range 10 {
		r.allow(session("bot", i), call, free)
	}
	if got := r.Stats().Keys; got != 10 {
		t.Fatalf("%d counters, want 10", got)
	}
}

func TestAFailingLedgerDeniesAndNeverForgets(t *testing.T) {
	r := attack(t, limit.Config{HotCells: 1})
	d := moneyPer("money", 10, 60)
	r.allow(bot, money(6), d)
	r.do(r.Flush(ctx))

	r.ledger.fail(nil, errFire)
	id, _, err := r.reserve(bot, money(1), d) // may be let in before the first commit fails, and then counts
	if err == nil {
		if err := r.Flush(ctx); !errors.Is(err, limit.ErrUnavailable) {
			t.Fatalf("flush: %v", err)
		}
	}
	for range 20 {
		if _, _, err := r.reserve(bot, money(1), d); !errors.Is(err, limit.ErrUnavailable) || !errors.Is(err, errFire) {
			t.Fatalf("got %v, want ErrUnavailable and its cause", err)
		}
	}
	if err := r.Refund(ctx, id); !errors.Is(err, limit.ErrUnavailable) {
		t.Fatalf("refund: %v", err)
	}
	r.ledger.fail(nil, nil)
	r.do(r.Flush(ctx))
	r.wantUsed(7, bot, d) // what was denied is not counted, what was let in is
	r.restart()
	r.wantUsed(7, bot, d)

	r.restart()
	r.ledger.fail(errFire, nil)
	if _, _, err := r.reserve(bot, money(1), d); !errors.Is(err, limit.ErrUnavailable) {
		t.Fatalf("reads fail: %v", err)
	}
	if _, err := limit.New(r.cfg, r.ledger, r.clock.now); !errors.Is(err, errFire) {
		t.Fatalf("start: %v", err)
	}
	r.ledger.fail(nil, nil)
	r.wantUsed(7, bot, d)
}

func TestThreat_E8_CountersStayAtTheirEnd(t *testing.T) {
	r := attack(t, limit.Config{})
	d := moneyPer("money", limit.MaxUnits, 60)
	a, b := r.allow(bot, money(5), d), r.allow(bot, money(5), d)
	_, err := r.Settle(ctx, b, money(math.MaxInt64))
	r.do(err)
	r.wantUsed(math.MaxInt64, bot, d)
	r.do(r.Refund(ctx, a)) // nobody knows how much went over: nothing comes back
	r.wantUsed(math.MaxInt64, bot, d)
	r.restart()
	r.deny(bot, money(0), d) // debt blocks even what costs nothing
	r.clock.pass(62 * time.Second)
	r.allow(bot, money(1), d)
}

func TestOutcomesCountOnceAndOutliveARestart(t *testing.T) {
	r := attack(t, limit.Config{})
	d := moneyPer("money", 100, 60)
	settled, refunded := r.allow(bot, money(30), d), r.allow(bot, money(20), d)
	r.do(r.Flush(ctx))
	for i := range 3 {
		s, err := r.Settle(ctx, settled, money(10+int64(i)))
		r.do(err)
		if s.AlreadySettled != (i > 0) || s.Charged.CostMicroUSD != 10 {
			t.Fatalf("report %d: %+v", i, s)
		}
		if err := r.Refund(ctx, refunded); err != nil && !errors.Is(err, limit.ErrUnknownReservation) {
			t.Fatal(err) // unknown is as good: nothing was given back twice
		}
		if err := r.Refund(ctx, settled); !errors.Is(err, limit.ErrSettled) {
			t.Fatalf("refund of what is settled: %v", err)
		}
		r.wantUsed(10, bot, d)
		r.restart()
		r.wantUsed(10, bot, d)
	}
}
