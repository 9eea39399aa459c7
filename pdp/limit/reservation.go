package limit

import (
	"encoding/binary"
	"hash/maphash"
	"math"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// charge is what one limit of money or tokens holds for an action.
type charge struct {
	key     string
	hash    uint64
	period  ledger.Period
	index   int64 // of the sub-bucket that holds the units
	units   int64
	measure byte
}

func (c *charge) actual(a *Amounts) int64 {
	if c.measure == tokensCode {
		return min(a.Tokens, ledger.MaxUnits)
	}
	return min(a.CostMicroUSD, ledger.MaxUnits)
}

// States of a reservation. Values are part of what stores keep: never change them.
const (
	stateOpen    = 1
	stateSettled = 3
)

// money is what outcomes settle.
type money struct{ cost, tokens int64 }

func (m money) amounts() Amounts { return Amounts{CostMicroUSD: m.cost, Tokens: m.tokens} }

// reservation is what an allowed action holds until its outcome is known. Until the ledger has it, the lock of its id's
// shard guards it.
type reservation struct {
	id            string
	tenant, agent string
	state         byte
	expires       int64 // microseconds of the ledger's time
	reserved      money
	settled       *Settled // nil until it is
	charges       []charge // those that settle
	flight        *flight  // being written
}

func (e *Engine) hashOf(id string) uint64 { return maphash.String(e.seed, id) }

// encode writes the record. The ledger keeps a settled one, so that a second report hears of the first.
func (r *reservation) encode() []byte {
	to := make([]byte, 0, 64+96*len(r.charges))
	to = append(to, format, r.state)
	to = appendInt(to, r.expires)
	to = appendPart(appendPart(to, r.tenant), r.agent)
	to = appendInt(appendInt(to, r.reserved.cost), r.reserved.tokens)
	if r.settled != nil {
		late := byte(0)
		if r.settled.Late {
			late = 1
		}
		to = append(to, late)
		to = appendInt(appendInt(to, r.settled.Charged.CostMicroUSD), r.settled.Charged.Tokens)
	}
	to = appendInt(to, int64(len(r.charges)))
	for i := range r.charges {
		c := &r.charges[i]
		to = append(appendPart(to, c.key), c.measure, byte(c.period.Kind))
		to = appendInt(to, c.period.Width)
		to = appendInt(binary.AppendVarint(to, c.index), c.units)
	}
	return to
}

func (e *Engine) decodeReservation(id string, value []byte) (*reservation, bool) {
	in := reader{rest: value}
	in.bad = in.byte() != format
	r := &reservation{id: id}
	r.state, r.expires, r.tenant, r.agent = in.byte(), in.positive(), in.string(), in.string()
	r.reserved.cost, r.reserved.tokens = in.positive(), in.positive()
	switch r.state {
	case stateOpen:
	case stateSettled:
		r.settled = &Settled{Late: in.byte() == 1, Reserved: r.reserved.amounts()}
		r.settled.Charged.CostMicroUSD, r.settled.Charged.Tokens = in.positive(), in.positive()
	default:
		return nil, false
	}
	for range in.positive() {
		if in.bad || len(r.charges) >= MaxDefinitions {
			return nil, false
		}
		c := charge{key: in.string(), measure: in.byte()}
		c.period = ledger.Period{Kind: ledger.PeriodKind(in.byte()), Width: in.positive()}
		c.index, c.units = in.signed(), in.positive()
		c.hash = maphash.String(e.seed, c.key)
		if c.period.Validate() != nil || c.units > math.MaxInt64/2 {
			return nil, false
		}
		r.charges = append(r.charges, c)
	}
	return r, in.done()
}
