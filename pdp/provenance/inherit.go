package provenance

import (
	"context"
	"fmt"
)

// shared is the session of an agent that no caller can name: it has the labels of all sessions that the agent opened by
// itself. A new one begins when the last has ended.
func (id ID) shared() ID { return ID{Tenant: id.Tenant, Agent: id.Agent, Session: "\x00shared"} }

// Inherited are the labels that an agent carries from one of its sessions into the next: those that Bequeath was given
// within the time that a session lasts. Who names its own sessions cleans nothing by naming another (threat A6).
func (s *Sessions) Inherited(_ context.Context, id ID) ([]string, error) {
	key := id.shared().key()
	mu := s.lock(key)
	mu.Lock()
	defer mu.Unlock()
	r, err := s.read(key)
	if err != nil || r == nil || s.ended(r, s.now()) {
		return nil, err
	}
	return sorted(r.Labels), nil
}

// Bequeath adds labels to those that the agent's next sessions inherit.
func (s *Sessions) Bequeath(_ context.Context, id ID, labels []string) error {
	shared := id.shared()
	key := shared.key()
	mu := s.lock(key)
	mu.Lock()
	defer mu.Unlock()
	now := s.now()
	r, err := s.read(key)
	if err != nil {
		return err
	}
	if r == nil || s.ended(r, now) {
		if len(labels) == 0 {
			return nil
		}
		s.cache.Del(key)
		s.cache.Wait()
		r = &record{Started: now, Last: now, fresh: true}
	}
	if len(labels) > 0 { // what comes late in a day must not go with its end
		r.Started = now
	}
	if !s.add(r, Step{Labels: labels}) && !r.fresh && now.Sub(r.stored) < storedWithin {
		return nil
	}
	if err := s.put(shared, key, r, now); err != nil {
		return fmt.Errorf("bequeath labels: %w", err)
	}
	return nil
}
