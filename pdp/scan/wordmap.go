package scan

// wordMap is a map from words to small values, for the planner, which looks up hundreds of thousands of them: with a map of Go's
// that was a tenth of the time that it takes to load a table. The zero value is ready.
type wordMap[V any] struct {
	cells []wordCell[V] // a power of two of them, at most half of them used
	used  int
	round uint32 // cells of another one are free
}

type wordCell[V any] struct {
	key   uint64
	round uint32
	value V
}

// at is the place of a word's value, and whether it is there already; it is good until the next call.
func (m *wordMap[V]) at(key uint64) (value *V, known bool) {
	if 2*m.used >= len(m.cells) {
		m.grow()
	}
	mask := uint64(len(m.cells) - 1)
	for i := key * 0x9E3779B97F4A7C15 >> 32 & mask; ; i = (i + 1) & mask {
		switch c := &m.cells[i]; {
		case c.round != m.round:
			*c = wordCell[V]{key: key, round: m.round}
			m.used++
			return &c.value, false
		case c.key == key:
			return &c.value, true
		}
	}
}

// reset forgets all words.
func (m *wordMap[V]) reset() {
	m.used = 0
	if m.round++; m.round == 0 {
		clear(m.cells)
		m.round = 1
	}
}

func (m *wordMap[V]) grow() {
	old := *m
	*m = wordMap[V]{cells: make([]wordCell[V], max(2*len(old.cells), 256)), round: 1}
	for i := range old.cells {
		if c := &old.cells[i]; c.round == old.round {
			value, _ := m.at(c.key)
			*value = c.value
		}
	}
}
