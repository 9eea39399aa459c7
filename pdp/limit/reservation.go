package limit

// charge is what one limit holds for a reservation.
type charge struct {
	key          string
	hash         uint64
	width, index int64 // of the sub-bucket that holds the units
	units        int64
	measure      byte
	attempts     bool // not given back by a refund
}

func (c *charge) settles() bool {
	return c.measure == measureCode(CostMicroUSD) || c.measure == measureCode(Tokens)
}

// States of a reservation.
const (
	stateOpen     = 1
	stateRefunded = 2
	stateSettled  = 3
)

// money is what outcomes settle.
type money struct{ cost, tokens int64 }

func (m money) amounts() Amounts { return Amounts{CostMicroUSD: m.cost, Tokens: m.tokens} }

// reservation is what a decision holds until its outcome is known. The lock of its id's shard guards it; it may be
// reused for another id once it is neither recent nor waiting for a commit.
type reservation struct {
	mark
	id            string
	tenant, agent string
	state         byte
	expires       int64
	reserved      money
	settled       *Settled // nil until it is
	charges       []charge
	durable       bool // has a place in the ledger, paid by the agent's quota
	stored        bool // was given to a commit
	dead          bool // expired: the ledger's record is being deleted
}

// encode writes the record. The ledger keeps a settled one, so that a second report hears of the first.
func (r *reservation) encode() []byte {
	r.stored = true
	if r.dead {
		return nil
	}
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
		attempts := byte(0)
		if c.attempts {
			attempts = 1
		}
		to = append(appendPart(to, c.key), c.measure, attempts)
		to = appendInt(appendInt(appendInt(to, c.width), c.index), c.units)
	}
	return to
}

func decodeReservation(id string, value []byte) (*reservation, bool) {
	in := reader{rest: value}
	in.bad = in.byte() != format
	r := &reservation{id: id, durable: true, stored: true}
	r.state, r.expires, r.tenant, r.agent = in.byte(), in.positive(), in.string(), in.string()
	r.reserved.cost, r.reserved.tokens = in.positive(), in.positive()
	if r.state == stateSettled {
		r.settled = &Settled{Late: in.byte() == 1, Reserved: r.reserved.amounts()}
		r.settled.Charged.CostMicroUSD, r.settled.Charged.Tokens = in.positive(), in.positive()
	}
	for range in.positive() {
		if in.bad || len(r.charges) >= MaxDefinitions {
			return nil, false
		}
		c := charge{key: in.string(), measure: in.byte(), attempts: in.byte() == 1}
		c.width, c.index, c.units = in.positive(), in.positive(), in.positive()
		r.charges = append(r.charges, c)
	}
	return r, in.done()
}

// decodeHolder reads only whose reservation it is and until when.
func decodeHolder(value []byte) (tenant, agent string, expires int64, ok bool) {
	in := reader{rest: value}
	in.bad = in.byte() != format
	in.byte()
	expires, tenant, agent = in.positive(), in.string(), in.string()
	return tenant, agent, expires, !in.bad
}
