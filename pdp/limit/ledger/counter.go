package ledger

import (
	"cmp"
	"slices"
)

// Block is what one holder has booked in a cell and not reported yet.
type Block struct {
	Holder    string
	Units     int64
	ExpiresAt int64 // microseconds; then it counts as spent
	Seq       int64 // of the holder's last batch for this cell
}

// Counter is the state of one cell. The functions on it are what a batch means, in one process or in a script.
type Counter struct {
	Owner   string
	Period  Period
	Buckets []Stamp // by index, none empty
	Blocks  []Block // by holder; one without units stays until its lease is over, for its Seq
}

// current is the sub-bucket of now, or of the newest units if those are later.
func (c *Counter) current(now int64) int64 {
	i := c.Period.Index(now)
	if n := len(c.Buckets); n > 0 {
		i = max(i, c.Buckets[n-1].Index)
	}
	return i
}

// Advance brings a counter to now: blocks that are over count as spent when they expired, and what has left the period is
// dropped.
func (c *Counter) Advance(now int64) {
	c.Blocks = slices.DeleteFunc(c.Blocks, func(b Block) bool {
		if b.ExpiresAt > now {
			return false
		}
		c.spend(c.Period.Index(b.ExpiresAt), b.Units)
		return true
	})
	oldest := c.Period.Oldest(c.current(now))
	c.Buckets = slices.DeleteFunc(c.Buckets, func(s Stamp) bool { return s.Index < oldest })
}

// spend adds units to a sub-bucket.
func (c *Counter) spend(index, units int64) {
	if units <= 0 {
		return
	}
	i, there := slices.BinarySearchFunc(c.Buckets, index, func(s Stamp, index int64) int { return cmp.Compare(s.Index, index) })
	if there {
		c.Buckets[i].Units = Add(c.Buckets[i].Units, units)
		return
	}
	c.Buckets = slices.Insert(c.Buckets, i, Stamp{index, units})
}

// Used is all that counts now.
func (c *Counter) Used() (used int64) {
	for _, s := range c.Buckets {
		used = Add(used, s.Units)
	}
	return Add(used, c.Booked())
}

// Booked is what is in blocks.
func (c *Counter) Booked() (booked int64) {
	for _, b := range c.Blocks {
		booked = Add(booked, b.Units)
	}
	return booked
}

// ResetsAt is when the oldest units leave, or 0.
func (c *Counter) ResetsAt() int64 {
	if len(c.Buckets) == 0 {
		return 0
	}
	return c.Period.End(c.Buckets[0].Index)
}

// ForgetAt is when nothing of it counts any more, whatever happens to its blocks.
func (c *Counter) ForgetAt(now int64) int64 {
	at := now
	for _, b := range c.Blocks {
		at = max(at, b.ExpiresAt)
	}
	if n := len(c.Buckets); n > 0 || c.Booked() > 0 {
		at += c.Period.Length()
	}
	return at
}

// Idle says whether nothing is in the counter that a store would have to keep.
func (c *Counter) Idle(now int64) bool {
	return c.Used() == 0 && !slices.ContainsFunc(c.Blocks, func(b Block) bool { return b.ExpiresAt > now })
}

// Resize changes the width of sub-buckets, after a bundle changed the window's length. Units are put at the end of where
// they may have been: they may count too long, never too short. What the old window would drop is kept if the new one is
// longer, so that it makes no difference whether a cell was looked at when the bundle changed.
func (c *Counter) Resize(p Period, now int64) {
	if p == c.Period {
		return
	}
	old := *c
	c.Period, c.Buckets = p, nil
	latest := p.Index(now)
	for _, s := range old.Buckets {
		index := latest
		if end := old.Period.lastMicro(s.Index); end > 0 && old.Period.Kind == Sliding {
			index = min(p.Index(end), latest)
		}
		c.spend(index, s.Units)
	}
}

// lastMicro is the last microsecond of a sliding sub-bucket, or 0 if it is out of reach.
func (p Period) lastMicro(index int64) int64 {
	if p.Width == 0 || index > MaxUnits/p.Width-1 {
		return 0
	}
	return (index+1)*p.Width - 1
}

// block finds the sender's block.
func (c *Counter) block(holder string) *Block {
	for i := range c.Blocks {
		if c.Blocks[i].Holder == holder {
			return &c.Blocks[i]
		}
	}
	return nil
}

// Knows says whether a holder has a block here, or had one until a moment ago.
func (c *Counter) Knows(holder string) bool { return c.block(holder) != nil }

// Stale says whether the counter has seen a later batch of the holder.
func (c *Counter) Stale(holder string, seq int64) bool {
	b := c.block(holder)
	return b != nil && b.Seq >= seq
}

// report carries out what has happened: all of a line before its check. The counter is at now already.
func (c *Counter) report(b *Batch, l *Line, now, epoch int64) {
	c.Resize(l.Period, now)
	c.Advance(now) // the new width may have moved units out
	mine := c.block(b.Holder)
	if l.Epoch != epoch && l.Held > 0 {
		if mine == nil {
			mine = c.open(b.Holder)
			mine.ExpiresAt = now + max(l.Lease, 1)
		}
		mine.Units = max(mine.Units, min(l.Held, MaxUnits))
	}
	latest := c.Period.Index(now)
	if mine != nil {
		for _, s := range l.Spent {
			units := min(s.Units, mine.Units)
			mine.Units -= units
			c.spend(min(s.Index, latest), units)
		}
		mine.Units -= min(l.Returned, mine.Units)
	}
	for _, s := range l.Refunds {
		c.refund(s)
	}
	// What was reported may be over already.
	oldest := c.Period.Oldest(c.current(now))
	c.Buckets = slices.DeleteFunc(c.Buckets, func(s Stamp) bool { return s.Index < oldest })
}

// refund takes units out of the sub-bucket that they were charged to. What is not there any more is not given back; nor is
// anything from a bucket that is at its cap, since nobody knows how much went over it.
func (c *Counter) refund(s Stamp) {
	for i := range c.Buckets {
		b := &c.Buckets[i]
		if b.Index != s.Index || b.Units >= MaxUnits {
			continue
		}
		b.Units -= min(s.Units, b.Units)
		if b.Units == 0 {
			c.Buckets = slices.Delete(c.Buckets, i, i+1)
		}
		return
	}
}

// open makes an empty block.
func (c *Counter) open(holder string) *Block {
	i, _ := slices.BinarySearchFunc(c.Blocks, holder, func(b Block, h string) int { return cmp.Compare(b.Holder, h) })
	c.Blocks = slices.Insert(c.Blocks, i, Block{Holder: holder})
	return &c.Blocks[i]
}

// charge books what a line wants, if it is to be charged, and what of a block there is room for.
func (c *Counter) charge(b *Batch, l *Line, now int64, charged, granted bool) (index int64) {
	index = c.current(now)
	if charged {
		c.spend(index, l.Want)
	}
	grant := int64(0)
	if granted && (l.Need > 0 || l.Block > 0) {
		room := max(l.Max-c.Used(), 0)
		grant = min(l.Need, room)
		others := slices.ContainsFunc(c.Blocks, func(o Block) bool { return o.Holder != b.Holder && o.Units > 0 })
		grant += max(min(l.Block-grant, Share(room-grant, l.Max, others)), 0)
	}
	mine := c.block(b.Holder)
	if mine == nil && grant > 0 && l.Lease > 0 {
		mine = c.open(b.Holder)
	}
	if mine != nil {
		if grant > 0 && (l.Lease > 0 || mine.ExpiresAt > now) {
			mine.Units = Add(mine.Units, grant)
		}
		mine.Seq = b.Seq
		if l.Lease > 0 {
			mine.ExpiresAt = now + l.Lease
		}
	}
	return index
}

// held is how many units of the sender's block there are.
func (c *Counter) held(holder string) int64 {
	if b := c.block(holder); b != nil {
		return b.Units
	}
	return 0
}

// exceeded says whether Want would go past Max.
func (l *Line) exceeded(used int64) bool { return used > l.Max || l.Want > l.Max-used }

// Terms are what a store knows besides the counters.
type Terms struct {
	Now, Epoch int64
	// Amnesia says whether a cell counts as full because what it was is lost, and until when (0: until an operator acts).
	// nil: nothing was lost.
	Amnesia func(l *Line) (full bool, until int64)
	// Room says whether an owner may have so many new cells. nil: yes.
	Room func(fresh map[string]int) bool
}

// Carry carries out the lines of a batch. cells has the counter of each line, nil where there is none; where a line makes
// one, it is put there. Counters without units stay: it is the store that drops them. Stale batches and reservations are
// looked at before.
func Carry(b *Batch, cells []*Counter, t Terms) *Receipt {
	r := &Receipt{Now: t.Now, Epoch: t.Epoch, Lines: make([]LineReceipt, len(b.Lines))}
	fresh := map[string]int{}
	for i := range b.Lines {
		l := &b.Lines[i]
		if cells[i] == nil {
			if l.Epoch != t.Epoch && l.Held > 0 { // has happened: it is not refused
				cells[i] = &Counter{Owner: l.Owner, Period: l.Period}
			} else if l.Want > 0 || l.Need > 0 || l.Block > 0 {
				fresh[l.Owner]++
			}
		}
		if c := cells[i]; c != nil {
			c.Advance(t.Now)
			c.report(b, l, t.Now, t.Epoch)
		}
	}
	r.Verdict = r.check(b, cells, t)
	if r.Verdict != Denied && len(fresh) > 0 && t.Room != nil && !t.Room(fresh) {
		r.Verdict = Full
	}
	for i := range b.Lines {
		r.settle(b, i, &cells[i], t.Now)
	}
	return r
}

// check looks at all lines before anything is charged.
func (r *Receipt) check(b *Batch, cells []*Counter, t Terms) Verdict {
	verdict := Allowed
	for i := range b.Lines {
		l, out := &b.Lines[i], &r.Lines[i]
		used := int64(0)
		if cells[i] != nil {
			used = cells[i].Used()
		}
		out.Exceeded = l.exceeded(used)
		if t.Amnesia != nil && (l.Class != Free || l.Need > 0 || l.Block > 0) {
			if full, until := t.Amnesia(l); full {
				out.Exceeded, out.Amnesia, out.ResetsAt = true, true, until
			}
		}
		switch {
		case !out.Exceeded || l.Class == Free:
		case l.Class == Hard:
			verdict = Denied
		case verdict == Allowed:
			verdict = Asked
		}
	}
	return verdict
}

// settle charges one line as far as the verdict lets it, and says where its cell stands.
func (r *Receipt) settle(b *Batch, i int, cell **Counter, now int64) {
	l, out := &b.Lines[i], &r.Lines[i]
	switch r.Verdict {
	case Allowed:
		out.Charged = true
	case Asked:
		out.Charged = l.Attempts && (l.Class != Soft || !out.Exceeded)
	case Denied, Full:
	}
	granted := r.Verdict == Allowed && !out.Amnesia
	if *cell == nil && (out.Charged && l.Want > 0 || granted && (l.Need > 0 || l.Block > 0)) {
		*cell = &Counter{Owner: l.Owner, Period: l.Period}
	}
	out.Charged = out.Charged && l.Want > 0
	c := *cell
	if c == nil {
		return
	}
	out.Index = c.charge(b, l, now, out.Charged, granted)
	out.Used, out.Block = c.Used(), c.held(b.Holder)
	if !out.Amnesia {
		out.ResetsAt = c.ResetsAt()
	}
}
