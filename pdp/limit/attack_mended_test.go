package limit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// What the ledger holds must not depend on what the cache dropped: a reload that lengthens a window keeps what is in it.
func TestAReloadThatChangesTheWindowMakesNoRoom(t *testing.T) {
	for name, tt := range map[string]struct{ is, look, again int64 }{
		"shorter":                           {is: 10, look: 15, again: 15},
		"longer":                            {is: 3600, look: 15, again: 59},
		"longer, old window over":           {is: 3600, look: 15, again: 70},
		"longer, seen after the old window": {is: 3600, look: 70, again: 71},
	} {
		for _, how := range []string{"in memory", "evicted", "restarted"} {
			t.Run(name+", "+how, func(t *testing.T) {
				r := attack(t, limit.Config{HotCells: 1})
				r.allow(bot, money(10), moneyPer("money", 10, 60))
				r.do(r.Flush(ctx))
				is := moneyPer("money", 10, tt.is)
				for _, at := range []int64{tt.look, tt.again} {
					r.clock.pass(time.Duration(at)*time.Second - r.clock.real)
					if at < tt.is {
						r.deny(bot, money(1), is)
					}
					switch how {
					case "evicted":
						r.evict()
					case "restarted":
						r.restart()
					}
				}
			})
		}
	}
}

func TestThreat_E9_AClockThatWasFarAheadDoesNotBlockForever(t *testing.T) {
	r := attack(t, limit.Config{})
	d := callsPer("calls", 3, 60)
	r.clock.turn(365 * 24 * time.Hour)
	r.restart()
	for range 3 {
		r.allow(bot, call, d)
	}
	r.clock.turn(-365 * 24 * time.Hour) // somebody sets it right, and restarts
	r.restart()
	r.deny(bot, call, d)
	r.clock.pass(62 * time.Second)
	r.allow(bot, call, d)
}

// Each bit of a stored counter is turned over once. None of that may make room.
func TestADamagedCounterMakesNoRoom(t *testing.T) {
	d := moneyPer("money", 10, 60)
	r := attack(t, limit.Config{HotCells: 1})
	r.allow(bot, money(10), d)
	r.do(r.Close(ctx))
	var key string
	var whole []byte
	for k, v := range r.ledger.records[limit.CellSpace] { // there is one
		key, whole = k, v
	}
	for bit := range 8 * len(whole) {
		raw := append([]byte(nil), whole...)
		raw[bit/8] ^= 1 << (bit % 8)
		r.ledger.records[limit.CellSpace][key] = raw
		r.clock.boot()
		e, err := limit.New(r.cfg, r.ledger, r.clock.now)
		if err != nil {
			continue // refuses to start: closed
		}
		list, err := e.Reserve(ctx, "id", []limit.Definition{d}, bot, money(1), r.clock.now(), limit.ReserveOptions{})
		if err == nil && !hard(list) {
			t.Errorf("bit %d of byte %d of %x: allowed", bit%8, bit/8, whole)
		}
		_ = e.Close(ctx)
	}
}

func TestNamesLongerThanAStoreTakesAreRefused(t *testing.T) {
	for _, n := range []int{32_769, 1 << 16} { // more than a bbolt key: the commit of everybody would fail, for ever
		r := attack(t, limit.Config{})
		who := bot
		who.Session = strings.Repeat("x", n)
		if _, _, err := r.reserve(who, call, callsPer("a", 5, 60, limit.Session)); !errors.Is(err, limit.ErrInvalid) {
			t.Errorf("%d bytes: %v, want ErrInvalid", n, err)
		}
	}
}

// Who has filled the table must not go on where failures can't be counted.
func TestThreat_E5_AFullTableHidesNoFailures(t *testing.T) {
	r := attack(t, limit.Config{MaxKeysPerTenantAgent: 2})
	failures := callsPer("failures", 1, 3600, limit.Session)
	failures.Measure = limit.Failures
	for i := range 20 {
		_, list, err := r.reserve(session("bot", i), call, failures)
		if err != nil || hard(list) {
			return // held back
		}
		_, _ = r.Add(ctx, []limit.Definition{failures}, session("bot", i), limit.Amounts{Failures: 1})
		if _, list, err := r.reserve(session("bot", i), call, failures); err == nil && !hard(list) {
			t.Fatalf("session %d failed, which is not counted, and goes on", i)
		}
	}
	t.Fatal("never held back")
}

func TestOneLimitTwiceIsNotChargedPastItsMax(t *testing.T) {
	r := attack(t, limit.Config{})
	d := callsPer("calls", 3, 60)
	for range 5 {
		_, _, _ = r.reserve(bot, call, d, d)
	}
	_, list, err := r.reserve(bot, limit.Amounts{}, d)
	if err == nil && list[0].Used > 3 {
		t.Fatalf("holds %d, the limit is 3", list[0].Used)
	}
}
