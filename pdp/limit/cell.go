package limit

// cell is one counter: what one limit counts for one subject. At most one live object stands for a key, because only the
// holder of its shard's lock looks it up, makes it, changes it or drops it.
type cell struct {
	mark
	window
	key   string
	owner string // agent whose action made the counter; its quota pays for it
	hash  uint64
	// dead is set where the ledger's record is being deleted. A dead cell is nothing until it is charged again.
	dead bool
}

// encode writes the record, or nil to delete it.
func (c *cell) encode() []byte {
	if c.dead {
		return nil
	}
	to := make([]byte, 0, 16+len(c.owner)+10*len(c.buckets))
	to = appendPart(append(to, format), c.owner)
	return seal(c.append(to))
}

func decodeCell(value []byte) (owner string, w window, ok bool) {
	whole, ok := unseal(value)
	if !ok {
		return "", window{}, false
	}
	r := reader{rest: whole}
	r.bad = r.byte() != format
	owner, w = r.string(), r.window()
	return owner, w, r.done()
}
