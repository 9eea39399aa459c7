package redis

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// TestKeysEndByThemselves, all but the tenant's and the clock's: what these say must not be forgotten. Names in them are digests.
func TestKeysEndByThemselves(t *testing.T) {
	s := redistest.Start(t)
	r := join(t, Config{URL: s.URL()})
	draw := hard("cell\x00{of} a session", anHour, 1, 100)
	draw.Need = 5
	b := batch(draw)
	b.Reservations = []ledger.Reservation{{ID: "r", Owner: "owner", New: []byte("held"), ExpiresAt: time.Now().Add(time.Hour).UnixMicro()}}
	if _, err := r.Do(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	swap(t, r, "breaker", nil, []byte("open"))
	all := strings.Split(s.Do("KEYS", "*"), "\n")
	if len(all) != 11 {
		t.Errorf("%d keys: %v", len(all), all)
	}
	for _, key := range all {
		stays := strings.HasSuffix(key, "}:t") || strings.HasSuffix(key, ":{clock}")
		if ttl := s.Do("PTTL", key); (ttl == "-1") != stays {
			t.Errorf("%s lives for %s", key, ttl)
		}
		if strings.ContainsAny(strings.TrimPrefix(key, "portcullis:{"), "\x00 {") {
			t.Errorf("%q has somebody's name in it", key)
		}
	}
}

// TestWhatIsOverIsClearedAway by those who come after, a little each time.
func TestWhatIsOverIsClearedAway(t *testing.T) {
	s := redistest.Start(t)
	r := join(t, Config{URL: s.URL()})
	for i := range 100 {
		do(t, r, free(strings.Repeat("x", i+1), 1))
	}
	r.advance(2 * time.Hour)
	for range 10 {
		do(t, r, free("another", 1))
	}
	if n := s.Do("ZCARD", r.keys("acme").cells()); n != "1" {
		t.Errorf("%s cells in the index", n)
	}
	if n := s.Do("ZCARD", r.keys("acme").cellsOf(name("owner"))); n != "1" {
		t.Errorf("%s cells of the owner", n)
	}
	if n := s.Do("DBSIZE"); n != "5" { // clock, tenant, index, owner, cell
		t.Errorf("%s keys: %s", n, s.Do("KEYS", "*"))
	}
	lost(t, r, false)
}

// TestAUserWithFewRightsIsEnough has what docs/limits.md asks operators to grant.
func TestAUserWithFewRightsIsEnough(t *testing.T) {
	s := redistest.Start(t)
	s.Do("ACL", "SETUSER", "portcullis", "on", ">secret", "resetchannels", "~portcullis:*",
		"-@all", "+@read", "+@write", "+@connection", "+eval", "+evalsha", "+time", "+multi", "+exec", "-@dangerous", "+info")
	cfg := Config{URL: "redis://portcullis@" + s.Addr, Password: "secret"}
	cfg.Log = slog.New(slog.DiscardHandler)
	l, err := Open(cfg) // not as other tests do: the script that they run reads a key of theirs
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{Ledger: l}
	t.Cleanup(func() { _ = l.Close() })
	redistest.Until(t, "the ledger is reached", func() bool { return r.Status().Err == nil })
	do(t, r, free("cell", 1))
	swap(t, r, "breaker", nil, []byte("open"))
	if record(t, r, "breaker") != "open" {
		t.Error("the record is not there")
	}
	if _, err := r.Recover(t.Context(), "acme"); err != nil {
		t.Error(err)
	}
	if err := r.Cells(t.Context(), "acme", 10, func(ledger.Cell) bool { return true }); err != nil {
		t.Error(err)
	}
	a := openApprovals(t, l)
	if err := a.Insert(t.Context(), anAsk("id1"), []byte("abc"), noCaps); err != nil {
		t.Error(err)
	}
	if _, content, err := a.Content(t.Context(), "id1"); err != nil || string(content) != "abc" {
		t.Errorf("%q, %v", content, err)
	}
	if _, _, err := a.Snapshot(t.Context()); err != nil {
		t.Error(err)
	}
	if _, _, err := a.Due(t.Context(), time.Now(), 9); err != nil {
		t.Error(err)
	}
	if ids, _, err := a.listen(t.Context(), "0"); err != nil || len(ids) != 1 {
		t.Errorf("%v, %v", ids, err)
	}
}
