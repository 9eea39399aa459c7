package behaviour

import "container/list"

// shelf is a map of at most so many values. The one that was longest not asked for makes room.
type shelf[V any] struct {
	most  int
	all   map[string]*list.Element
	order *list.List // the one that was used last first
}

type shelved[V any] struct {
	key   string
	value V
}

func newShelf[V any](most int) *shelf[V] {
	return &shelf[V]{most: most, all: map[string]*list.Element{}, order: list.New()}
}

func (s *shelf[V]) get(key string) (value V, there bool) {
	e := s.all[key]
	if e == nil {
		return value, false
	}
	s.order.MoveToFront(e)
	return e.Value.(*shelved[V]).value, true
}

func (s *shelf[V]) put(key string, value V) {
	if e := s.all[key]; e != nil {
		e.Value.(*shelved[V]).value = value
		s.order.MoveToFront(e)
		return
	}
	if len(s.all) >= s.most {
		oldest := s.order.Back()
		s.order.Remove(oldest)
		delete(s.all, oldest.Value.(*shelved[V]).key)
	}
	s.all[key] = s.order.PushFront(&shelved[V]{key, value})
}
