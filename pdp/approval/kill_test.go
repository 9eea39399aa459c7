package approval_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/seal"
	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

const (
	deskVariable = "PORTCULLIS_TEST_DESK"      // the data directory, and where Redis is, if it is in one
	deskAgain    = "PORTCULLIS_TEST_DESK_IDS"  // approvals of earlier runs
	deskKeys     = "PORTCULLIS_TEST_DESK_KEYS" // the key file
)

// proof is how often: a few times in a test, many times as a proof.
func proof(few, many int) int {
	if os.Getenv("PORTCULLIS_PROVE") == "1" {
		return many
	}
	return few
}

// openDesk is a queue on the store that a variable names.
func openDesk(where, keyFile string) (q *approval.Queue, closing func(), err error) {
	keys, err := seal.LoadOrCreate(keyFile)
	if err != nil {
		return nil, nil, err
	}
	cfg := approval.Config{MaxPendingPerAgent: 5000, DefaultTTL: 24 * time.Hour, Retention: 24 * time.Hour}
	if strings.HasPrefix(where, "redis://") {
		l, err := redis.Open(redis.Config{URL: where, Timeout: 2 * time.Second, Durable: true, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, nil, err
		}
		store, err := l.OpenApprovals(approval.ReplayWindow)
		if err != nil {
			return nil, nil, err
		}
		ready, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for l.Status().Err != nil && ready.Err() == nil {
			<-tick.C
		}
		q, err = approval.New(cfg, store, keys, time.Now)
		return q, func() { _ = l.Close() }, err
	}
	db, err := embedded.Open(where)
	if err != nil {
		return nil, nil, err
	}
	store, err := db.OpenApprovals(approval.ReplayWindow)
	if err != nil {
		return nil, nil, err
	}
	q, err = approval.New(cfg, store, keys, time.Now)
	return q, func() { _ = db.Close() }, err
}

// desk is the process that is killed. It asks, votes and redeems, and says what it is about to do and what was done, a line
// each: "?what id" before, "!what id" after it was acknowledged. First it tries everything again with what earlier runs left.
func desk(where string) {
	fail := func(err error) {
		if err != nil {
			_, _ = fmt.Fprintln(os.Stdout, "x", err)
			os.Exit(1)
		}
	}
	q, _, err := openDesk(where, os.Getenv(deskKeys))
	fail(err)
	ctx := context.Background()
	say := func(mark, what, id string) { _, _ = os.Stdout.WriteString(mark + what + " " + id + "\n") }
	redeem := func(id string) {
		say("?", "used", id)
		switch err := q.Redeem(ctx, id, redemption(), fmt.Sprint(os.Getpid(), "-", time.Now().UnixNano())); {
		case err == nil:
			say("!", "used", id)
		case !errors.Is(err, approval.ErrUsed) && !errors.Is(err, approval.ErrPending) && !errors.Is(err, approval.ErrRejected):
			fail(err)
		}
	}
	vote := func(id string, v approval.Verdict) {
		say("?", string(v), id)
		result, err := q.SubmitVerdict(ctx, id, person("ann"), approval.Ballot{Verdict: v})
		fail(err)
		if result.Applied {
			say("!", string(v), id)
		}
	}
	for id := range strings.FieldsSeq(os.Getenv(deskAgain)) {
		redeem(id)
		vote(id, approval.Approve)
		redeem(id)
	}
	for i := 0; ; i++ {
		a, err := q.Create(ctx, ask())
		if errors.Is(err, approval.ErrTooManyPending) {
			break
		}
		fail(err)
		say("!", "asked", a.ID)
		switch i % 4 {
		case 0: // it stays pending
		case 1:
			vote(a.ID, approval.Approve)
		case 2:
			vote(a.ID, approval.Approve)
			redeem(a.ID)
		case 3:
			vote(a.ID, approval.Reject)
		}
	}
	_, _ = io.ReadAll(os.Stdin) // until it is killed
}

// said is what the processes have said of one approval.
type said struct {
	done, maybe map[string]int
}

// TestProveKill9 kills a process that asks, votes and redeems, again and again, wherever it happens to be (I6, I7, B2, B15): what
// was acknowledged is there, nothing is used twice, and what was refused stays so.
func TestProveKill9(t *testing.T) {
	t.Run("embedded", func(t *testing.T) { killDesk(t, t.TempDir(), proof(4, 500)) })
	t.Run("redis", func(t *testing.T) {
		s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
		killDesk(t, s.URL(), proof(4, 100))
	})
}

func killDesk(t *testing.T, where string, kills int) {
	t.Helper()
	keyFile := filepath.Join(t.TempDir(), "keys.json")
	all := map[string]*said{}
	var order []string
	checked := 0
	for range kills {
		killOneDesk(t, where, keyFile, all, &order)
		q, closing, err := openDesk(where, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		recent := order[max(len(order)-60, 0):]
		for _, id := range recent { // what earlier runs left was tried again and again before
			checkSaid(t, q, id, all[id])
			checked++
		}
		closing()
	}
	q, closing, err := openDesk(where, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	defer closing()
	states := map[string]int{}
	for _, id := range order {
		states[checkSaid(t, q, id, all[id])]++
	}
	t.Logf("%d kills, %d approvals, %d looks; at the end %v", kills, len(order), checked, states)
}

// checkSaid compares what is stored of an approval with what was said of it.
func checkSaid(t *testing.T, q *approval.Queue, id string, s *said) string {
	t.Helper()
	a, err := q.Get(context.Background(), id)
	if err != nil {
		t.Fatalf("%s was acknowledged, and is lost: %v", id, err)
	}
	bad := func(what string) {
		t.Fatalf("%s %s: done %v, tried %v; stored %s %q, %d votes", id, what, s.done, s.maybe, a.State, a.Use, len(a.Votes))
	}
	switch {
	case s.done["used"] > 1:
		bad("was used twice")
	case s.done["used"] == 1 && (a.State != approval.Approved || a.Use != approval.Redeemed):
		bad("was used, and this is forgotten")
	case s.done["approve"] > 0 && a.State != approval.Approved, s.done["reject"] > 0 && a.State != approval.Rejected:
		bad("lost its verdict")
	case a.State == approval.Approved && s.maybe["approve"] == 0, a.State == approval.Rejected && s.maybe["reject"] == 0:
		bad("has a verdict that nobody gave")
	case a.Use == approval.Redeemed && s.maybe["used"] == 0:
		bad("is used, and nobody did so")
	case a.State == approval.Expired || a.State == approval.Cancelled:
		bad("ended by itself")
	}
	return strings.TrimSpace(string(a.State) + " " + string(a.Use))
}

// killOneDesk runs the process for a random while and notes what it says.
func killOneDesk(t *testing.T, where, keyFile string, all map[string]*said, order *[]string) {
	t.Helper()
	again := slices.Clone((*order)[max(len(*order)-12, 0):])
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // should it run out of asks
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), deskVariable+"="+where, deskKeys+"="+keyFile, deskAgain+"="+strings.Join(again, " "))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe() // ends with this process
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n, last := 0, rand.IntN(120); lines.Scan(); n++ {
		mark, rest := lines.Text()[:1], lines.Text()[1:]
		what, id, _ := strings.Cut(rest, " ")
		if mark == "x" {
			t.Error(rest)
			break
		}
		if what == "asked" {
			*order = append(*order, id)
			all[id] = &said{map[string]int{}, map[string]int{}}
		}
		if s := all[id]; mark == "!" {
			s.done[what]++
		} else {
			s.maybe[what]++
		}
		if n == last {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
