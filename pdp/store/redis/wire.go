package redis

import (
	"fmt"

	"github.com/redis/rueidis"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// encode writes a batch as lua/batch.lua reads it.
func (l *Ledger) encode(b *ledger.Batch, caller []string, elsewhere int64) (keys, args []string) {
	k := l.keys(b.Tenant)
	keys = make([]string, 0, 3+2*len(b.Lines)+2*len(b.Reservations))
	keys = append(keys, k.tenant(), k.cells(), k.reservations())
	a := arguments(append(make([]string, 0, 20+22*len(b.Lines)+5*len(b.Reservations)), caller...))
	a.text(b.Holder)
	a.int(b.Seq)
	a.flag(b.Overdraw)
	a.int(int64(l.cfg.MaxCellsPerTenant), int64(l.cfg.MaxCellsPerOwner), elsewhere, int64(l.cfg.MaxCells))
	a.int(int64(l.cfg.MaxReservations), int64(l.cfg.MaxReservationsPerOwner))
	a.text(k.prefix)
	a.int(int64(len(b.Lines)))
	for i := range b.Lines {
		line := &b.Lines[i]
		id, payer := name(line.Key), name(line.Owner)
		keys = append(keys, k.cell(id), k.cellsOf(payer))
		a.text(id, string(line.Key), line.Owner, payer)
		a.int(int64(line.Period.Kind), line.Period.Width)
		a.int(line.Held, line.Epoch, line.Returned, line.Want, line.Max, int64(line.Class))
		a.flag(line.Attempts)
		a.int(line.Need, line.Block, line.Lease)
		a.stamps(line.Spent)
		a.stamps(line.Refunds)
	}
	a.int(int64(len(b.Reservations)))
	for i := range b.Reservations {
		r := &b.Reservations[i]
		id, payer := name(r.ID), name(r.Owner)
		keys = append(keys, k.reservation(id), k.reservationsOf(payer))
		a.text(id, payer)
		a.int(r.ExpiresAt)
		a.record(r.Old)
		a.record(r.New)
	}
	return keys, a
}

// arguments are those of a script, one after another.
type arguments []string

func (a *arguments) text(texts ...string) { *a = append(*a, texts...) }

func (a *arguments) int(numbers ...int64) {
	for _, n := range numbers {
		*a = append(*a, digits(n))
	}
}

func (a *arguments) flag(on bool) { *a = append(*a, flag(on)) }

func (a *arguments) stamps(stamps []ledger.Stamp) {
	a.int(int64(len(stamps)))
	for _, s := range stamps {
		a.int(s.Index, s.Units)
	}
}

// record tells none from an empty one.
func (a *arguments) record(r []byte) {
	if r == nil {
		*a = append(*a, "-")
		return
	}
	*a = append(*a, "+"+string(r))
}

// reader takes an answer apart.
type reader struct {
	rest []rueidis.RedisMessage
	err  error
}

func (r *reader) next() (m rueidis.RedisMessage) {
	if len(r.rest) == 0 {
		r.fail(fmt.Errorf("it is too short"))
		return m
	}
	m, r.rest = r.rest[0], r.rest[1:]
	return m
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: an answer of redis makes no sense: %w", ledger.ErrUnavailable, err)
	}
}

func (r *reader) int() int64 {
	if r.err != nil {
		return 0
	}
	m := r.next()
	if r.err != nil {
		return 0
	}
	n, err := m.AsInt64()
	if err != nil {
		r.fail(err)
	}
	return n
}

// count is a number of what there are at most so many of: a script says nothing else, so what is outside is not from one.
func (r *reader) count(most int64) int64 {
	n := r.int()
	if n < 0 || n > most {
		r.fail(fmt.Errorf("%d is not 0 to %d", n, most))
		return 0
	}
	return n
}

func (r *reader) flag() bool { return r.count(1) == 1 }

func (r *reader) text() string {
	if r.err != nil {
		return ""
	}
	m := r.next()
	if r.err != nil {
		return ""
	}
	s, err := m.ToString()
	if err != nil {
		r.fail(err)
	}
	return s
}

func (r *reader) record() []byte {
	s := r.text()
	switch {
	case r.err != nil || s == "-":
		return nil
	case s == "" || s[0] != '+':
		r.fail(fmt.Errorf("a record begins with %q", s[:min(len(s), 1)]))
		return nil
	}
	return []byte(s[1:])
}

// What lua/batch.lua says first.
const (
	done = iota
	conflict
	stale
	unfit
)

// decode reads the answer of lua/batch.lua. With a conflict there are both, a receipt and an error.
func decode(b *ledger.Batch, answer []rueidis.RedisMessage) (*ledger.Receipt, seen, error) {
	in := reader{rest: answer}
	what := in.count(unfit)
	if in.err == nil && what == unfit {
		return nil, seen{}, fmt.Errorf("%w: redis does not say who it is (run_id and master_replid in INFO)", ledger.ErrUnavailable)
	}
	number := func() int64 { return in.count(ledger.MaxUnits) }
	r := &ledger.Receipt{Now: number(), Epoch: number()}
	state := seen{epoch: r.Epoch, lost: number(), seq: number()}
	r.Verdict, r.Dropped = ledger.Verdict(in.count(int64(ledger.Full))), in.flag()
	state.cells, state.held = number(), number()
	r.Order = state.seq
	if what == done {
		r.Lines = make([]ledger.LineReceipt, len(b.Lines))
		for i := range r.Lines {
			r.Lines[i] = ledger.LineReceipt{
				Used: number(), Block: number(), Index: number(), ResetsAt: number(),
				Exceeded: in.flag(), Charged: in.flag(), Amnesia: in.flag(),
			}
		}
	}
	r.Current = make([][]byte, len(b.Reservations))
	for i := range r.Current {
		r.Current[i] = in.record()
	}
	if n := len(in.rest); n > 0 {
		in.fail(fmt.Errorf("%d values too many", n))
	}
	switch {
	case in.err != nil:
		return nil, seen{}, in.err
	case what == conflict:
		return r, state, ledger.ErrConflict
	case what == stale:
		return r, state, ledger.ErrStale
	}
	return r, state, nil
}
