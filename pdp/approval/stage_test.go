package approval

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// staged is a pending record whose stages open after so many seconds, a minute long.
func staged(after ...int) Record {
	a := Approval{ID: "x", Agent: "bot", RequestedBy: "gw", Digest: "pc1:aa", Created: t0, Expires: t0.Add(time.Minute)}
	for _, s := range after {
		a.Stages = append(a.Stages, Stage{After: time.Duration(s) * time.Second, Quorum: 2})
	}
	return begin(a, 1)
}

func (r *Record) times() (out []string) {
	for _, c := range r.Changes {
		out = append(out, fmt.Sprintf("%s %d %.0f", c.State, c.Stage, c.At.Sub(t0).Seconds()))
	}
	return out
}

// TestAStageOpensAtItsMoment, whoever looks, and however late.
func TestAStageOpensAtItsMoment(t *testing.T) {
	for name, looks := range map[string][]int{"at once": {10, 20, 60}, "late": {25, 61}, "far too late": {3600}, "twice": {10, 10, 20, 60, 60}} {
		rec := staged(0, 10, 20, 60, 90)
		if !rec.Due.Equal(t0.Add(10 * time.Second)) {
			t.Errorf("%s: due at %s, not when the next stage opens", name, rec.Due)
		}
		for _, s := range looks {
			rec.settle(t0.Add(time.Duration(s)*time.Second), kept)
		}
		// The stages that would open as it runs out, or later, never do.
		if got, want := rec.times(), []string{"pending 0 0", "pending 1 10", "pending 2 20", "expired 2 60"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		for n := range rec.Changes {
			if a := rec.asOf(uint64(n + 1)); a.Stage != rec.Changes[n].Stage || a.StageOpened.IsZero() != (n == 0 || n == 3) || n == 1 && !a.StageOpened.Equal(t0.Add(10*time.Second)) {
				t.Errorf("%s: change %d is at stage %d, which opened at %s", name, n+1, a.Stage, a.StageOpened)
			}
		}
	}
	rec := staged(0, 10)
	rec.settle(t0.Add(10*time.Second), kept)
	if !rec.Due.Equal(rec.Approval.Expires) {
		t.Errorf("due at %s, with nothing to open any more", rec.Due)
	}
	yes := func(who string) Vote {
		return Vote{Subject: who, Verdict: Approve, Stages: []int{0}, At: t0.Add(5 * time.Second)}
	}
	rec = staged(0, 10)
	_, _, _ = rec.vote(yes("ann"), kept, nil)
	_, _, _ = rec.vote(yes("bob"), kept, nil)
	rec.settle(t0.Add(30*time.Second), kept)
	if !rec.Due.Equal(rec.Approval.Expires) || rec.Approval.Stage != 0 || rec.Approval.State != Approved {
		t.Errorf("approved: due at %s, %s at stage %d", rec.Due, rec.Approval.State, rec.Approval.Stage)
	}
}

// TestAnEditTakesTheStagesAsTheyWouldHaveBeen: those of the edited action, counted from the ask, within its time.
func TestAnEditTakesTheStagesAsTheyWouldHaveBeen(t *testing.T) {
	rec := staged(0, 50)
	e := &Edit{Digest: "pc1:bb", Action: []byte("12345"), Stages: []Stage{{Quorum: 3}, {After: 10 * time.Second, Quorum: 1}, {After: 30 * time.Second, Quorum: 1}, {After: time.Hour, Quorum: 1}}}
	if err := rec.edit(e, []byte("sealed"), "ann", t0.Add(20*time.Second)); err != nil {
		t.Fatal(err)
	}
	a := rec.Approval
	if a.Stage != 1 || a.Quorum != 3 || a.ActionBytes != 5 || rec.ContentBytes != 6 || string(rec.Content) != "sealed" ||
		!rec.Due.Equal(t0.Add(30*time.Second)) || !a.Expires.Equal(t0.Add(time.Minute)) || a.EffectiveDigest() != "pc1:bb" || a.Digest != "pc1:aa" {
		t.Errorf("%+v due at %s", a, rec.Due)
	}
	for n := 1; n < maxEdits; n++ {
		if err := rec.edit(&Edit{Digest: fmt.Sprint("pc1:", n), Stages: e.Stages}, nil, "ann", t0); err != nil {
			t.Fatal(err)
		}
	}
	if err := rec.edit(&Edit{Digest: "pc1:more", Stages: e.Stages}, nil, "ann", t0); !errors.Is(err, ErrTooManyEdits) {
		t.Errorf("edited once more: %v", err)
	}
	rec.Approval.EditedDigest = "pc1:bb"
	for _, digest := range []string{"pc1:bb", "pc1:aa"} {
		if err := rec.edit(&Edit{Digest: digest}, nil, "ann", t0); err == nil {
			t.Errorf("%s changes nothing, and was taken", digest)
		}
	}
}

func TestStagesAreBounded(t *testing.T) {
	one := Stage{Quorum: 1}
	for name, stages := range map[string][]Stage{
		"too many":       slices.Repeat([]Stage{one}, 6),
		"nobody needed":  {{Quorum: 0}},
		"a crowd":        {{Quorum: 11}},
		"late":           {{Quorum: 1, After: time.Second}},
		"out of order":   {one, {Quorum: 1, After: time.Minute}, {Quorum: 1, After: time.Second}},
		"before the ask": {one, {Quorum: 1, After: -time.Second}},
		"far off":        {one, {Quorum: 1, After: 1000 * time.Hour}},
		"nameless":       {{Quorum: 1, Groups: []string{""}}},
		"many names":     {{Quorum: 1, Groups: slices.Repeat([]string{"g"}, 41)}},
	} {
		var refused *Error
		if err := checkStages(stages); !errors.As(err, &refused) || refused.Field != "stages" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := checkStages([]Stage{one, {Quorum: 10, After: time.Second, Groups: []string{"g"}}}); err != nil {
		t.Error(err)
	}
}

// TestAYesThatCountsForNothingIsRefused also where an edit comes with it, and then the edit is not kept.
func TestAYesThatCountsForNothingIsRefused(t *testing.T) {
	rec := staged(0)
	if _, _, err := rec.vote(Vote{Subject: "ann", Verdict: Approve, At: t0}, kept, nil); !errors.Is(err, ErrStage) || len(rec.Approval.Votes) != 0 {
		t.Errorf("%v, %+v", err, rec.Approval.Votes)
	}
	for i := range maxVotes {
		rec.Approval.Votes = append(rec.Approval.Votes, Vote{Subject: fmt.Sprint(i), EditedDigest: "pc1:old", Verdict: Approve, Applied: true})
	}
	if _, _, err := rec.vote(Vote{Subject: "ann", Verdict: Approve, Stages: []int{0}, At: t0}, kept, nil); !errors.Is(err, ErrTooManyEdits) {
		t.Errorf("more votes than are kept: %v", err)
	}
	if applied, _, err := rec.vote(Vote{Subject: "ann", Verdict: Reject, At: t0}, kept, nil); !applied || err != nil {
		t.Errorf("a no finds no room: %v", err)
	}
}
