package event

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatcherHearsWhatComesAfterItBegan(t *testing.T) {
	hub := NewHub(time.Now)
	hub.Publish(Event{Type: Bundle, Message: "before"})
	events, err := hub.Watch(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	hub.Publish(Event{Type: Anomaly, Message: "after"})
	for e, err := range events {
		if err != nil || e.Message != "after" || e.Sequence != 2 {
			t.Fatalf("got %+v, %v; want the event published after Watch", e, err)
		}
		break
	}
}

func TestThreat_E13_SlowWatcherIsCutOffAndNeverBlocks(t *testing.T) {
	hub := NewHub(time.Now)
	events, err := hub.Watch(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range buffer + 1 {
		hub.Publish(Event{Type: Verdict}) // would hang here if it blocked
	}
	seen := 0
	for _, err := range events {
		if err != nil {
			if !errors.Is(err, ErrSlow) {
				t.Fatalf("ended with %v, want ErrSlow", err)
			}
			break
		}
		seen++
	}
	if seen != buffer {
		t.Fatalf("saw %d events before the cut, want %d", seen, buffer)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		events, err := hub.Watch(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			for _, err := range events {
				if err != nil {
					done <- err
				}
			}
		}()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatalf("ended with %v, want context.Canceled", err)
		}
		synctest.Wait()
		if len(hub.subs) != 0 {
			t.Fatal("a watcher that left is still subscribed")
		}
	})
}

func TestWatchersAreCapped(t *testing.T) {
	hub := NewHub(time.Now)
	for range watchers {
		if _, err := hub.Watch(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := hub.Watch(t.Context(), nil); !errors.Is(err, ErrTooMany) {
		t.Fatalf("watcher beyond the cap: %v, want ErrTooMany", err)
	}
}
