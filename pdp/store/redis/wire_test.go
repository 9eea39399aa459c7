package redis

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// An answer that no script gives is an error, whatever it says: nothing of it is believed, and nobody trips over it.
func TestThreat_E12_AnswersThatMakeNoSense(t *testing.T) {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redistest.Start(t).Addr}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	batch := &ledger.Batch{Lines: make([]ledger.Line, 1), Reservations: make([]ledger.Reservation, 1)}
	names := []string{
		"what", "now", "epoch", "lost", "seq", "verdict", "dropped", "cells", "reservations",
		"used", "block", "index", "resets", "exceeded", "charged", "amnesia", "record",
	}
	sense := []string{"0", "1800000000000000", "1", "0", "7", "0", "0", "3", "2", "5", "1", "9", "0", "0", "1", "0", "'+x'"}
	decoded := func(values []string) (*ledger.Receipt, error) {
		t.Helper()
		script := "return {" + strings.Join(values, ",") + "}"
		answer, err := client.Do(context.Background(), client.B().Eval().Script(script).Numkeys(0).Build()).ToArray()
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := decode(batch, answer)
		return r, err
	}
	if r, err := decoded(sense); err != nil || r.Lines[0].Used != 5 || string(r.Current[0]) != "x" {
		t.Fatalf("%+v, %v", r, err)
	}
	refused := func(what string, values []string) {
		t.Helper()
		if r, err := decoded(values); !errors.Is(err, ledger.ErrUnavailable) || r != nil {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
	for i, name := range names {
		refused("nothing from "+name+" on", sense[:i])
		for _, value := range []string{"-1", "9007199254740994", "'x'", "{}"} {
			values := append([]string(nil), sense...)
			values[i] = value
			refused(name+" "+value, values)
		}
	}
	refused("too much", append(append([]string(nil), sense...), "0"))
	for what, value := range map[string]string{"another kind of answer": "4", "an endless verdict": "-9007199254740991"} {
		values := append([]string(nil), sense...)
		values[0] = value
		refused(what, values)
	}
}
