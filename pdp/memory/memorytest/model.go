package memorytest

import (
	"bytes"
	"context"
	"maps"
	"sync"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/memory"
)

// Model is a store in memory, easily seen to be right. Fail, if it is set, is what every call returns.
type Model struct {
	mu     sync.Mutex
	owners map[memory.Owner]*shelf
	Fail   error
}

type shelf struct {
	head    []byte
	records map[string][]byte
	ends    time.Time
}

var _ memory.Store = (*Model)(nil)

// NewModel makes an empty one.
func NewModel() *Model { return &Model{owners: map[memory.Owner]*shelf{}} }

func (m *Model) shelf(of memory.Owner) *shelf {
	if s := m.owners[of]; s != nil {
		return s
	}
	return &shelf{records: map[string][]byte{}}
}

// Get returns a head and a record.
func (m *Model) Get(_ context.Context, of memory.Owner, item string) (head, record []byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shelf(of)
	return s.head, s.records[item], m.Fail
}

// All returns a head and all records.
func (m *Model) All(_ context.Context, of memory.Owner) (head []byte, records map[string][]byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shelf(of)
	return s.head, maps.Clone(s.records), m.Fail
}

// Swap sets them if the head is still what it was.
func (m *Model) Swap(_ context.Context, of memory.Owner, old, head []byte, records map[string][]byte, ends time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shelf(of)
	if m.Fail != nil || !bytes.Equal(s.head, old) || (s.head == nil) != (old == nil) {
		return false, m.Fail
	}
	m.owners[of] = s
	s.head, s.ends = head, ends
	for name, record := range records {
		if s.records[name] = record; record == nil {
			delete(s.records, name)
		}
	}
	return true, nil
}

// Sweep forgets what has ended.
func (m *Model) Sweep(_ context.Context, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.owners, func(_ memory.Owner, s *shelf) bool { return s.ends.Before(now) })
	return m.Fail
}
