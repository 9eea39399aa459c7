package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

func TestStatusShowsTheLedger(t *testing.T) {
	for name, c := range map[string]struct {
		ledger *pb.LedgerStatus
		want   string
	}{
		"an older server": {nil, ""},
		"embedded":        {&pb.LedgerStatus{Kind: "embedded", Reachable: true}, "ledger     embedded, 0 counters\n"},
		"redis": {
			&pb.LedgerStatus{Kind: "redis", Reachable: true, Cells: -1, Reservations: -1, RoundTrips: 12},
			"ledger     redis, 12 round trips\n",
		},
		"gone": {
			&pb.LedgerStatus{Kind: "redis", Cells: 3, Reservations: 2, Error: "dial \x1b[2J"},
			"ledger     redis, 3 counters, 2 reservations\n           UNREACHABLE: dial \\u001b[2J\n",
		},
		"lost": {
			&pb.LedgerStatus{Kind: "redis", Reachable: true, Cells: -1, Amnesia: true, TenantsInAmnesia: 3},
			"ledger     redis\n           LOST ITS MEMORY: limits count as full until what was lost has ended, or `portcullis limits recover`\n",
		},
		"lost of others, and a clock that is behind": {
			&pb.LedgerStatus{Kind: "redis", Reachable: true, Cells: -1, TenantsInAmnesia: 3, ClockBehind: durationpb.New(90 * time.Second)},
			"ledger     redis\n           lost its memory of 3 other tenants: their operators have to accept that\n" +
				"           this machine's clock is 1m30s behind the time by which limits are counted\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			printLedger(&b, c.ledger)
			if b.String() != c.want {
				t.Errorf("got\n%s\nwant\n%s", b.String(), c.want)
			}
		})
	}
}

// TestStatusTellsDegradedFromFailing: a part without which the server serves is not shown like one that stops it.
func TestStatusTellsDegradedFromFailing(t *testing.T) {
	var b strings.Builder
	err := printStatus(&b, &pb.GetStatusResponse{Serving: true, Components: []*pb.ComponentStatus{
		{Name: "bundle", Ok: true},
		{Name: "limits", Tolerated: true, Message: "the store is gone"},
		{Name: "state", Message: "the disk is full\n\x1b[1Aok"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bundle     ok\n", "limits     DEGRADED: the store is gone\n", "state      FAILING: the disk is full\\u000a\\u001b[1Aok\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
