package limit

import (
	"cmp"
	"slices"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// cell is what this engine knows and owes of one counter: the block that it may spend from, what it has spent since it
// last told the ledger, and what the ledger said then. The truth is the ledger's: a cell that is not here means that
// nobody has asked it yet, never that nothing is used. Its shard's lock guards it. While flight is set a batch with its
// reports is under way, and no other may be sent for it.
type cell struct {
	key    string
	hash   uint64
	tenant string
	owner  string // agent whose action first needed the counter; its quota pays for it
	period ledger.Period

	left    int64 // of the block: what may still be spent, before expires
	expires int64 // by the ledger's clock, microseconds
	lease   int64 // for which the block was leased
	epoch   int64 // of the ledger, when it last told
	spent   []ledger.Stamp
	since   int64 // when the oldest of spent was, by the ledger's clock
	owed    int64 // to be charged behind, past the limit: it only alerts
	refunds []ledger.Stamp

	used, resetsAt, seen int64 // what the ledger said, and when
	order                int64 // of the batch that it said it to
	full                 int64 // it had no room for so many units then; 0: it had
	amnesia              bool
	recall               bool // what is left of the block goes back with the next report, and is not spent

	most, term int64 // of the limit: how many units may be in use, and for how long its blocks are leased
	table      int64 // the number of the table that most is from, and the block was drawn for
	size       int64 // of the next block
	drawn      int64 // when the last was
	touched    int64 // when anybody last spent from it
	waiting    int64 // units that callers wait for
	share      int64 // what a limit that goes on without the ledger wants to hold; 0: none

	flight *flight
	pinned bool // stands in its shard's table
	urgent bool // stands in its shard's list of what must be reported soon
	queued bool // waits for its next block to be drawn

	index, until int64 // the sub-bucket of the last units spent, and its end
}

// flight is a batch under way.
type flight struct{ done chan struct{} }

// total is all that is used but what is left of the own block.
func (c *cell) total() int64 { return ledger.Add(max(c.used-c.left, 0), c.owed) }

// shown is total, less what is on its way back.
func (c *cell) shown() int64 {
	n := c.total()
	for _, s := range c.refunds {
		n -= s.Units
	}
	return max(n, 0)
}

// has says whether the block has as many units for a limit. One that was drawn for another table, whose max may have been
// higher, must go back first; where the ledger can't be asked, a max that is no higher will do.
func (c *cell) has(units, now int64, r *rule, alone bool) bool {
	return c.left >= units && now < c.expires && !c.recall && (c.table == r.table || alone && c.most <= r.most)
}

// take spends units that the block has.
func (c *cell) take(now, units int64) (index int64) {
	c.left -= units
	c.touched = now
	return c.spend(now, units)
}

// spend notes units at now, or later if what is known of the ledger's time has become more exact since: too late counts
// too long, too early would count too short.
func (c *cell) spend(now, units int64) (index int64) {
	if now >= c.until {
		c.index, c.until = c.period.Index(now), 0
		if c.period.Kind == ledger.Sliding {
			c.until = (c.index + 1) * c.period.Width
		}
	}
	n := len(c.spent)
	if n == 0 {
		c.since = now
	}
	if n > 0 && c.spent[n-1].Index >= c.index {
		c.spent[n-1].Units += units
		return c.spent[n-1].Index
	}
	c.spent = append(c.spent, ledger.Stamp{Index: c.index, Units: units})
	c.spent = squeezed(c.spent)
	return c.index
}

// mostStamps is how many sub-buckets may wait to be reported: more than a window has.
const mostStamps = 4 * ledger.Parts

// squeezed moves the oldest units on to the next sub-bucket where there are too many: while the ledger is gone, a short
// window goes through many. They count too long then, never too short.
func squeezed(stamps []ledger.Stamp) []ledger.Stamp {
	n := len(stamps) - mostStamps
	if n <= 0 {
		return stamps
	}
	stamps[n].Units = ledger.Add(stamps[n].Units, sumOf(stamps[:n]))
	return slices.Delete(stamps, 0, n)
}

// resize follows a bundle that changed the window's length. What is not reported yet counts as spent now, and is not
// refunded: its sub-buckets mean something else in the new window.
func (c *cell) resize(p ledger.Period, now int64) {
	if c.period == p {
		return
	}
	units := sumOf(c.spent)
	c.period, c.until, c.spent, c.refunds, c.seen = p, 0, nil, nil, 0
	if units > 0 {
		c.spend(now, units)
	}
}

// unspent is the opposite of take: units go back into the block, unless they were reported since; then the ledger is told
// to take them out of where it has booked them. It says whether that is needed.
func (c *cell) unspent(index, booked, units int64) (tell bool) {
	for i := range c.spent {
		if s := &c.spent[i]; s.Index == index && s.Units >= units {
			if s.Units -= units; s.Units == 0 {
				c.spent = slices.Delete(c.spent, i, i+1)
			}
			c.left += units
			return false
		}
	}
	if c.owed >= units {
		c.owed -= units
		return false
	}
	c.refunds = addStamp(c.refunds, ledger.Stamp{Index: booked, Units: units})
	return true
}

// addStamp keeps stamps in the order of time, so that there are never more than the window has sub-buckets.
func addStamp(to []ledger.Stamp, s ledger.Stamp) []ledger.Stamp {
	i, there := slices.BinarySearchFunc(to, s.Index, func(e ledger.Stamp, index int64) int { return cmp.Compare(e.Index, index) })
	if there {
		to[i].Units = ledger.Add(to[i].Units, s.Units)
		return to
	}
	return slices.Insert(to, i, s)
}

func sumOf(stamps []ledger.Stamp) (n int64) {
	for _, s := range stamps {
		n = ledger.Add(n, s.Units)
	}
	return n
}

// owes says whether the ledger must hear of the cell, sooner or later.
func (c *cell) owes() bool { return c.left > 0 || len(c.spent) > 0 || c.owed > 0 || len(c.refunds) > 0 }

// report moves what has happened into a line, which the ledger carries out before the line's check. The newest comes first:
// if an earlier report arrived after all, its units are taken out of the block again, and what was spent since must not
// find it empty.
func (c *cell) report(l *ledger.Line, giveBack bool) {
	l.Key, l.Owner, l.Period = []byte(c.key), c.owner, c.period
	l.Held, l.Epoch = ledger.Add(c.left, sumOf(c.spent)), c.epoch
	l.Spent, c.spent = squeezed(c.spent), nil
	slices.Reverse(l.Spent)
	// What is too much to tell stays charged.
	l.Refunds, c.refunds = c.refunds[max(len(c.refunds)-mostStamps, 0):], nil
	if giveBack || c.recall { // all that there is: the answer to an earlier draw may have been lost
		l.Returned, c.left, c.recall = ledger.MaxUnits, 0, false
	}
}

// heard takes what the ledger answered. What was spent since the line was written is still to be reported.
func (c *cell) heard(r *ledger.Receipt, i int, lease int64) {
	c.sees(r, i)
	c.left, c.epoch = max(r.Lines[i].Block-sumOf(c.spent), 0), r.Epoch
	if lease > 0 {
		c.expires, c.lease = r.Now+lease, lease
	}
}

// sees notes where the ledger says that the cell stands, unless it has said something later.
func (c *cell) sees(r *ledger.Receipt, i int) {
	if r.Order < c.order && r.Epoch == c.epoch {
		return
	}
	out := &r.Lines[i]
	c.order, c.used, c.resetsAt, c.seen, c.amnesia = r.Order, out.Used, out.ResetsAt, r.Now, out.Amnesia
}

// unheard takes a report back that may or may not have arrived, unless it is certain that it has not. Told twice, what was
// spent leaves the block twice at worst, and so there is less of it left. What was to be refunded is told again only if it is
// certain that nothing has arrived: else it might be given back twice. If a bundle has changed the window meanwhile, nobody
// knows the sub-buckets of it: what was spent counts as spent now, and nothing is refunded.
func (c *cell) unheard(l *ledger.Line, certain bool, now int64) {
	told, same := sumOf(l.Spent), l.Period == c.period
	switch {
	case same:
		for _, s := range l.Spent {
			c.spent = addStamp(c.spent, s)
		}
	case told > 0:
		c.spend(now, told)
	}
	switch {
	case !certain:
		c.left = max(c.left-told, 0)
	case same:
		for _, s := range l.Refunds {
			c.refunds = addStamp(c.refunds, s)
		}
	}
	if certain && l.Returned > 0 {
		c.left += l.Held - told
	}
	c.seen, c.full = 0, 0
}
