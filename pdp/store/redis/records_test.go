package redis

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// record is what a replica sees.
func record(t *testing.T, r *replica, key string) string {
	t.Helper()
	all, err := r.Records(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return string(all[key])
}

func swap(t *testing.T, r *replica, key string, old, to []byte) bool {
	t.Helper()
	_, swapped, err := r.Swap(t.Context(), "acme", key, old, to, time.Hour.Microseconds())
	if err != nil {
		t.Fatal(err)
	}
	return swapped
}

// TestRecordsAreSeenEverywhere by other replicas soon, by oneself at once, and after Redis was emptied, too.
func TestRecordsAreSeenEverywhere(t *testing.T) {
	s := redistest.Start(t)
	one, two := join(t, Config{URL: s.URL()}), join(t, Config{URL: s.URL()})
	var last []byte
	for i := range 50 {
		next := fmt.Append(nil, i)
		if !swap(t, one, "breaker", last, next) || record(t, one, "breaker") != string(next) {
			t.Fatalf("%d: its own change is not seen", i)
		}
		redistest.Until(t, "the other sees it", func() bool { return record(t, two, "breaker") == string(next) })
		last = next
	}
	s.Do("FLUSHALL")
	redistest.Until(t, "it is gone", func() bool { return record(t, two, "breaker") == "" })
	if !swap(t, two, "breaker", nil, []byte("new")) {
		t.Fatal("not swapped")
	}
	redistest.Until(t, "the other sees it", func() bool { return record(t, one, "breaker") == "new" })
}

// TestRecordsCostNoRoundTrip while nothing changes, within the second for which they may be old.
func TestRecordsCostNoRoundTrip(t *testing.T) {
	r := join(t, Config{URL: redistest.Start(t).URL()})
	swap(t, r, "breaker", nil, []byte("open"))
	record(t, r, "breaker")
	before := r.Status().RoundTrips
	for range 1000 {
		record(t, r, "breaker")
	}
	if sent := r.Status().RoundTrips - before; sent > 100 {
		t.Fatalf("%d round trips for 1,000 reads", sent)
	}
}

// TestRecordsAreNotVouchedForWithoutRedis: what is in memory may be old.
func TestRecordsAreNotVouchedForWithoutRedis(t *testing.T) {
	s := redistest.Start(t)
	r := join(t, Config{URL: s.URL()})
	swap(t, r, "breaker", nil, []byte("open"))
	record(t, r, "breaker")
	s.Kill()
	redistest.Until(t, "it says so", func() bool {
		_, err := r.Records(context.Background(), "acme")
		return err != nil
	})
}

// TestRecordsEnd when nobody changes them, and are so many at most.
func TestRecordsEnd(t *testing.T) {
	r := join(t, Config{URL: redistest.Start(t).URL(), MaxRecords: 3})
	for i := range 3 {
		swap(t, r, fmt.Sprint(i), nil, []byte("open"))
	}
	if _, swapped, err := r.Swap(t.Context(), "acme", "one more", nil, []byte("open"), 1); swapped || err == nil {
		t.Fatalf("%v, %v", swapped, err)
	}
	r.advance(2 * time.Hour)
	if !swap(t, r, "1", nil, []byte("anew")) || record(t, r, "1") != "anew" || record(t, r, "2") != "" {
		t.Fatal("records that ended are there")
	}
}
