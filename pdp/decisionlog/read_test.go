package decisionlog

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// sampleLog is a log of one line of each type, one second apart, in more than one file.
func sampleLog(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	l := mustOpen(t, Config{Dir: dir, MaxFileBytes: 4 << 10}, osDisk{})
	who := Principal{Tenant: "acme", Agent: "bot", Session: "s9"}
	asked := decisionEntry("ask1")
	asked.Decision.Effect, asked.Decision.Principal, asked.Decision.Approval = "require_approval", who, &ApprovalRef{ID: "ap1", State: "pending"}
	for i, e := range []Entry{
		decisionEntry("deny1"),
		asked,
		{Type: TypeApproval, Approval: &Approval{ApprovalID: "ap1", DecisionID: "ask1", Principal: who, Tool: "send_email", Change: "created", State: "pending"}},
		{Type: TypeVerdict, Verdict: &Verdict{ApprovalID: "ap1", DecisionID: "ask1", Principal: who, Tool: "send_email", Verdict: "approve", Applied: true, State: "approved"}},
		{Type: TypeOutcome, Outcome: &Outcome{DecisionID: "ask1", Principal: who, Tool: "send_email", Status: "succeeded", Applied: true}},
		{Type: TypeAdmin, Admin: &Admin{Act: "kill_switch_set", Target: Target{Tenant: "acme", Agent: "bot"}, Applied: true}},
	} {
		e.Time = testTime.Add(time.Duration(i) * time.Second)
		if err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	mustAppend(t, l, numbered("more", 20)...)
	mustClose(t, l)
	if segs, _ := segments(dir); len(segs) < 2 {
		t.Fatal("the sample is one file")
	}
	return dir
}

func TestQueryFilters(t *testing.T) {
	dir := sampleLog(t)
	for name, c := range map[string]struct {
		f    Filter
		want []uint64
	}{
		"type":            {Filter{Type: TypeVerdict}, []uint64{4}},
		"effect":          {Filter{Effect: "require_approval"}, []uint64{2}},
		"tenant":          {Filter{Tenant: "acme"}, []uint64{2, 3, 4, 5, 6}},
		"agent":           {Filter{Agent: "bot", Type: TypeAdmin}, []uint64{6}},
		"session":         {Filter{Session: "s9"}, []uint64{2, 3, 4, 5}},
		"tool":            {Filter{Tool: "send_email", Limit: 5}, []uint64{1, 2, 3, 4, 5}},
		"decision":        {Filter{DecisionID: "ask1"}, []uint64{2, 3, 4, 5}},
		"approval":        {Filter{ApprovalID: "ap1"}, []uint64{2, 3, 4}},
		"since and until": {Filter{Since: testTime.Add(time.Second), Until: testTime.Add(3 * time.Second)}, []uint64{2, 3}},
		"after":           {Filter{AfterSeq: 24}, []uint64{25, 26}},
		"limit":           {Filter{Limit: 2}, []uint64{1, 2}},
		"newest":          {Filter{Limit: 2, Newest: true}, []uint64{25, 26}},
		"newest of few":   {Filter{Limit: 9, Newest: true, Type: TypeVerdict}, []uint64{4}},
		"none":            {Filter{DecisionID: "ask"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []uint64
			for e, err := range Query(dir, c.f) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e.Seq)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got lines %v, want %v", got, c.want)
			}
		})
	}
}

func TestQueryCanBeLeft(t *testing.T) {
	for _, f := range []Filter{{}, {Newest: true, Limit: 5}} {
		n := 0
		for _, err := range Query(sampleLog(t), f) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 2 {
				break
			}
		}
		if n != 2 {
			t.Errorf("%d lines", n)
		}
	}
}

func TestQueryReportsWhatItCannotRead(t *testing.T) {
	line := func(seq uint64) string {
		return string(appendLine(nil, seq, testTime, mustEncode(t, decisionEntry("d"))))
	}
	for name, c := range map[string]struct {
		files map[uint64]string
		want  []uint64
		err   any
	}{
		"torn":            {map[uint64]string{1: line(1) + line(2)[:20]}, []uint64{1}, new(*TornError)},
		"torn before end": {map[uint64]string{1: line(1) + line(2)[:20], 2: line(2)}, []uint64{1, 2}, new(*TornError)},
		"garbage":         {map[uint64]string{1: line(1) + "garbage\n" + line(2)}, []uint64{1, 2}, new(*LineError)},
		"endless line":    {map[uint64]string{1: line(1) + string(make([]byte, 3*maxLineBytes)) + "\n" + line(2)}, []uint64{1, 2}, new(*LineError)},
		"gap":             {map[uint64]string{1: line(1) + line(3)}, []uint64{1, 3}, new(*GapError)},
		"file missing":    {map[uint64]string{1: line(1) + line(2), 5: line(5)}, []uint64{1, 2, 5}, new(*GapError)},
		"swapped":         {map[uint64]string{1: line(2) + line(1)}, []uint64{2, 1}, new(*GapError)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for first, content := range c.files {
				if err := os.WriteFile(segmentPath(dir, first), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var got []uint64
			var errs []error
			for e, err := range Query(dir, Filter{}) {
				if err != nil {
					errs = append(errs, err)
					continue
				}
				got = append(got, e.Seq)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got lines %v, want %v", got, c.want)
			}
			if len(errs) != 1 || !errors.As(errs[0], c.err) {
				t.Errorf("errors are %v, want one %T", errs, c.err)
			}
		})
	}
}

func TestQueryWithoutALog(t *testing.T) {
	for _, err := range Query(t.TempDir()+"/nowhere", Filter{}) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error is %v", err)
		}
	}
}

func TestFollow(t *testing.T) {
	for name, c := range map[string]struct {
		f    Filter
		want []string
	}{
		"from the end":   {Filter{Limit: 30}, numbered("new", 30)},
		"from the start": {Filter{FromStart: true, Limit: 32}, append([]string{"old0", "old1"}, numbered("new", 30)...)},
		"after a line":   {Filter{AfterSeq: 1, Limit: 31}, append([]string{"old1"}, numbered("new", 30)...)},
		"filtered":       {Filter{DecisionID: "new29", Limit: 1}, []string{"new29"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				l, err := open(Config{Dir: dir, MaxFileBytes: 4 << 10}, time.Now, osDisk{})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close(context.Background())
				mustAppend(t, l, numbered("old", 2)...)
				got := make(chan []string)
				go func() {
					var ids []string
					for e, err := range Follow(t.Context(), dir, c.f) {
						if err != nil {
							t.Errorf("follow: %v", err)
						}
						ids = append(ids, factsOf(e).decisionID)
					}
					got <- ids
				}()
				synctest.Wait()
				for i, id := range numbered("new", 30) {
					mustAppend(t, l, id)
					if i%7 == 0 {
						time.Sleep(pollEvery)
					}
				}
				if ids := <-got; !slices.Equal(ids, c.want) {
					t.Errorf("got %v, want %v", ids, c.want)
				}
			})
		})
	}
}

func TestFollowWaitsForTheRestOfALine(t *testing.T) {
	dir := t.TempDir()
	path := segmentPath(dir, 1)
	line := string(appendLine(nil, 1, testTime, mustEncode(t, decisionEntry("d1"))))
	if err := os.WriteFile(path, []byte(line[:30]), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var got []string
		go func() {
			for e, err := range Follow(ctx, dir, Filter{FromStart: true}) {
				if err != nil {
					t.Errorf("follow: %v", err)
				}
				got = append(got, factsOf(e).decisionID)
			}
		}()
		time.Sleep(3 * pollEvery)
		synctest.Wait()
		if len(got) != 0 {
			t.Errorf("half a line was shown: %v", got)
		}
		if err := appendTo(path, line[30:]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(pollEvery)
		synctest.Wait()
		if !slices.Equal(got, []string{"d1"}) {
			t.Errorf("got %v", got)
		}
	})
}
