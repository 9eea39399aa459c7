package limit

// record is what a table holds until it is committed. encode returns nil to delete the record.
type record interface {
	stamp() *mark
	encode() []byte
}

// mark is a record's place in its table.
type mark struct {
	epoch  uint64 // of the table, when the record was last put among the dirty
	image  []byte // what the record was when it was frozen, if it has changed since
	imaged bool
}

func (m *mark) stamp() *mark { return m }

// table holds changed records strongly until they are committed: no cache may lose them. Freezing sets the changes made
// so far apart, in time that does not depend on how many they are; a frozen record that changes before it is collected
// leaves an image of what it was. So all tables, frozen under all locks, make a consistent cut: a reservation is never
// committed without its charges, nor a charge given back without its reservation saying so. Its shard's lock guards it.
type table[R record] struct {
	epoch         uint64
	dirty, frozen map[string]R
	collected     bool // the frozen are encoded: no more images
}

func newTable[R record]() table[R] { return table[R]{epoch: 2, dirty: map[string]R{}} }

// get returns the record if it is not committed.
func (t *table[R]) get(key []byte) (R, bool) {
	if r, ok := t.dirty[string(key)]; ok {
		return r, true
	}
	r, ok := t.frozen[string(key)]
	return r, ok
}

// touch must be called before a record changes. It returns 1 if the record was not among the dirty, else 0.
func (t *table[R]) touch(key string, r R) int64 {
	m := r.stamp()
	if m.epoch == t.epoch {
		return 0
	}
	if t.frozen != nil && m.epoch == t.epoch-1 && !t.collected && !m.imaged {
		m.image, m.imaged = r.encode(), true
	}
	m.epoch = t.epoch
	t.dirty[key] = r
	return 1
}

// drop forgets a record that was never given to a commit and need not be.
func (t *table[R]) drop(key string, r R) int64 {
	if m := r.stamp(); m.epoch == t.epoch {
		m.epoch = 0
		delete(t.dirty, key)
		return 1
	}
	return 0
}

// freeze sets the dirty apart. Only one set is frozen at a time.
func (t *table[R]) freeze() {
	if len(t.dirty) == 0 {
		return
	}
	t.frozen, t.dirty, t.collected = t.dirty, make(map[string]R, min(len(t.dirty), 64)), false
	t.epoch++
}

// collect appends what the frozen were.
func (t *table[R]) collect(space Space, to []Change) []Change {
	for key, r := range t.frozen {
		m := r.stamp()
		value := m.image
		if !m.imaged {
			value = r.encode()
		}
		m.image, m.imaged = nil, false
		to = append(to, Change{Space: space, Key: []byte(key), Value: value})
	}
	t.collected = true
	return to
}

// thaw ends a commit. If it failed, the frozen are dirty again. It returns how many records no longer wait.
func (t *table[R]) thaw(committed bool) (freed int64) {
	if committed {
		freed = int64(len(t.frozen))
	} else {
		for key, r := range t.frozen {
			m := r.stamp()
			m.image, m.imaged = nil, false
			if m.epoch == t.epoch { // changed meanwhile: it is there already
				freed++
				continue
			}
			m.epoch = t.epoch
			t.dirty[key] = r
		}
	}
	t.frozen = nil
	return freed
}
