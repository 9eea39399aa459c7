package approval

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const kept = time.Hour

// states in which a record can be, by name, made the way they come about.
func recordIn(t *testing.T, name string) Record {
	t.Helper()
	rec := begin(Approval{ID: "x", Agent: "bot", RequestedBy: "gw", Quorum: 1, Created: t0, Expires: t0.Add(time.Minute)}, 1)
	yes := Vote{Subject: "ann", Verdict: Approve, Stages: []int{0}, At: t0.Add(time.Second)}
	no := Vote{Subject: "ann", Verdict: Reject, At: t0.Add(time.Second)}
	switch name {
	case "pending":
	case "approved", "redeemed", "lapsed", "revoked":
		_, _, _ = rec.vote(yes, kept, nil)
		switch name {
		case "redeemed":
			if err := rec.redeem(t0.Add(2*time.Second), Redemption{Agent: "bot", RequestedBy: "gw"}, "d1", kept); err != nil {
				t.Fatal(err)
			}
		case "lapsed":
			rec.settle(t0.Add(time.Minute), kept)
		case "revoked":
			rec.cancel(t0.Add(2*time.Second), "stop", kept)
		}
	case "rejected":
		_, _, _ = rec.vote(no, kept, nil)
	case "expired":
		rec.settle(t0.Add(time.Minute), kept)
	case "cancelled":
		rec.cancel(t0.Add(2*time.Second), "stop", kept)
	}
	if got := nameOf(&rec); got != name {
		t.Fatalf("made %s, want %s", got, name)
	}
	return rec
}

func nameOf(rec *Record) string {
	if rec.Approval.Use != Unused {
		return string(rec.Approval.Use)
	}
	return string(rec.Approval.State)
}

// Every state against everything that can happen to it.
func TestStateMachine(t *testing.T) {
	want := Redemption{Agent: "bot", RequestedBy: "gw"}
	inTime, late := t0.Add(5*time.Second), t0.Add(time.Minute)
	events := map[string]func(*Record) (string, error){
		"approve": func(r *Record) (string, error) {
			_, why, _ := r.vote(Vote{Subject: "bob", Verdict: Approve, Stages: []int{0}, At: inTime}, kept, nil)
			return why, nil
		},
		"reject": func(r *Record) (string, error) {
			_, why, _ := r.vote(Vote{Subject: "bob", Verdict: Reject, At: inTime}, kept, nil)
			return why, nil
		},
		"approve late": func(r *Record) (string, error) {
			_, why, _ := r.vote(Vote{Subject: "bob", Verdict: Approve, Stages: []int{0}, At: late}, kept, nil)
			return why, nil
		},
		"cancel":      func(r *Record) (string, error) { _, why := r.cancel(inTime, "c", kept); return why, nil },
		"redeem":      func(r *Record) (string, error) { return "", r.redeem(inTime, want, "d2", kept) },
		"redeem late": func(r *Record) (string, error) { return "", r.redeem(late, want, "d2", kept) },
		"time":        func(r *Record) (string, error) { r.settle(late, kept); return "", nil },
	}
	type outcome struct {
		to  string
		why string
		err error
	}
	final := func(name, why string, err error) map[string]outcome {
		return map[string]outcome{
			"approve": {name, why, nil}, "reject": {name, why, nil}, "approve late": {name, why, nil},
			"cancel": {name, why, nil}, "redeem": {name, "", err}, "redeem late": {name, "", err}, "time": {name, "", nil},
		}
	}
	table := map[string]map[string]outcome{
		"pending": {
			"approve": {"approved", "", nil}, "reject": {"rejected", "", nil}, "approve late": {"expired", "APPROVAL_EXPIRED", nil},
			"cancel": {"cancelled", "", nil}, "redeem": {"pending", "", ErrPending}, "redeem late": {"expired", "", ErrExpired},
			"time": {"expired", "", nil},
		},
		"approved": {
			"approve": {"approved", "APPROVAL_APPROVED", nil}, "reject": {"approved", "APPROVAL_APPROVED", nil},
			"approve late": {"lapsed", "APPROVAL_APPROVED", nil}, "cancel": {"revoked", "", nil},
			"redeem": {"redeemed", "", nil}, "redeem late": {"lapsed", "", ErrExpired}, "time": {"lapsed", "", nil},
		},
		"rejected":  final("rejected", "APPROVAL_REJECTED", ErrRejected),
		"expired":   final("expired", "APPROVAL_EXPIRED", ErrExpired),
		"cancelled": final("cancelled", "APPROVAL_CANCELLED", ErrCancelled),
		"redeemed":  final("redeemed", "APPROVAL_APPROVED", ErrUsed),
		"lapsed":    final("lapsed", "APPROVAL_APPROVED", ErrExpired),
		"revoked":   final("revoked", "APPROVAL_APPROVED", ErrCancelled),
	}
	// What cancelling says of an approval that was approved and is over.
	for name, why := range map[string]string{"redeemed": "APPROVAL_USED", "lapsed": "APPROVAL_EXPIRED", "revoked": "APPROVAL_CANCELLED"} {
		table[name]["cancel"] = outcome{name, why, nil}
	}
	for from, row := range table {
		for event, want := range row {
			t.Run(from+"/"+event, func(t *testing.T) {
				rec := recordIn(t, from)
				before := rec
				why, err := events[event](&rec)
				if got := nameOf(&rec); got != want.to {
					t.Errorf("went to %s, want %s", got, want.to)
				}
				if why != want.why || !errors.Is(err, want.err) {
					t.Errorf("said %q, %v; want %q, %v", why, err, want.why, want.err)
				}
				if rec.Approval.Sequence != uint64(len(rec.Changes)) {
					t.Errorf("sequence %d with %d changes", rec.Approval.Sequence, len(rec.Changes))
				}
				if ended := before.Approval.State != Pending; ended && !rec.Approval.EndedAt.Equal(before.Approval.EndedAt) {
					t.Error("a final state ended again")
				}
				if want.to != from && len(rec.Changes) == len(before.Changes) {
					t.Error("a transition without a change")
				}
			})
		}
	}
}

func TestAsOfShowsWhatWas(t *testing.T) {
	rec := begin(Approval{ID: "x", Agent: "bot", RequestedBy: "gw", Quorum: 2, Created: t0, Expires: t0.Add(time.Minute)}, 1)
	_, _, _ = rec.vote(Vote{Subject: "ann", Verdict: Approve, Stages: []int{0}, At: t0.Add(1)}, kept, nil)
	_, _, _ = rec.vote(Vote{Subject: "bob", Verdict: Approve, Stages: []int{0}, At: t0.Add(2)}, kept, nil)
	_, _, _ = rec.vote(Vote{Subject: "cal", Verdict: Reject, At: t0.Add(3)}, kept, nil)
	if err := rec.redeem(t0.Add(4), Redemption{Agent: "bot", RequestedBy: "gw"}, "d", kept); err != nil {
		t.Fatal(err)
	}
	var got []string
	for n := range rec.Changes {
		a := rec.asOf(uint64(n + 1))
		got = append(got, fmt.Sprintf("%d %s %d ended=%v missing=%d redeemed=%q", a.Sequence, a.State, len(a.Votes), !a.EndedAt.IsZero(), a.Missing(), a.RedeemedBy))
	}
	want := `1 pending 0 ended=false missing=2 redeemed=""
2 pending 1 ended=false missing=1 redeemed=""
3 approved 2 ended=true missing=0 redeemed=""
4 approved 3 ended=true missing=0 redeemed=""
5 approved 3 ended=true missing=0 redeemed="d"`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if rec.final() != 3 {
		t.Errorf("final at %d, want 3", rec.final())
	}
}

func TestLateVotesAreBounded(t *testing.T) {
	rec := recordIn(t, "rejected")
	for i := range 10 * maxVotes {
		_, _, _ = rec.vote(Vote{Subject: fmt.Sprint("voter", i), Verdict: Approve, Stages: []int{0}, At: t0.Add(2 * time.Second)}, kept, nil)
	}
	if n := len(rec.Approval.Votes); n != maxVotes {
		t.Fatalf("%d votes are kept, want %d", n, maxVotes)
	}
}

func TestThreat_B4_ClockNeverGoesBackNorStandsStill(t *testing.T) {
	for _, tc := range []struct {
		name  string
		floor time.Duration
		steps []time.Duration // of the wall clock
		want  []time.Duration // of ours, since t0
	}{
		{"goes along", 0, []time.Duration{time.Second, time.Second}, []time.Duration{time.Second, 2 * time.Second}},
		{"an hour back, then on", 0, []time.Duration{-time.Hour, time.Second, time.Minute}, []time.Duration{0, time.Second, 61 * time.Second}},
		{"an hour forward", 0, []time.Duration{time.Hour, time.Second}, []time.Duration{time.Hour, time.Hour + time.Second}},
		{"forward and back", 0, []time.Duration{time.Hour, -time.Hour, time.Second}, []time.Duration{time.Hour, time.Hour, time.Hour + time.Second}},
		{"set back while down", time.Hour, []time.Duration{0, time.Second}, []time.Duration{time.Hour, time.Hour + time.Second}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := t0
			c := newClock(func() time.Time { return now }, t0.Add(tc.floor))
			for i, step := range tc.steps {
				now = now.Add(step)
				if got := c.read().Sub(t0); got != tc.want[i] {
					t.Errorf("step %d: %s, want %s", i, got, tc.want[i])
				}
			}
		})
	}
}

func TestThreat_B7_SamePerson(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"alice", "Alice", true},
		{"alice", " ALICE ", true},
		{"ａｌｉｃｅ", "alice", true},
		{"straße", "STRASSE", true},
		{"Ångström", "ångström", true},
		{"alice", "alice2", false},
		{"alice", "bob", false},
		{"", "alice", false},
	} {
		if got := samePerson(tc.a, tc.b); got != tc.want {
			t.Errorf("samePerson(%q, %q) = %v", tc.a, tc.b, got)
		}
	}
}

func TestCleanMakesOneBoundedLine(t *testing.T) {
	for in, want := range map[string]string{
		"fine, go on":                   "fine, go on",
		"a\nb\tc\x1b[31mred":            "a b c [31mred",
		"right\u202eleft\u200bzero":     "rightleftzero",
		"bad \xff byte":                 "bad \uFFFD byte",
		strings.Repeat("ä", 1005):       strings.Repeat("ä", 1000),
		"\u0000":                        "",
		"tag\U000E0041":                 "tag",
		"  " + strings.Repeat(" ", 2e3): "",
	} {
		if got := clean(in, 1000); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}
