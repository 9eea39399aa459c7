package main

import (
	"errors"
	"slices"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// TestLedgerEvents: a change is told once, and to whom it concerns.
func TestLedgerEvents(t *testing.T) {
	gone, lost := ledger.Status{Err: errors.New("gone")}, ledger.Status{Amnesia: []string{"acme", "beta"}}
	for name, c := range map[string]struct {
		before, now ledger.Status
		want        []string // tenant and state
	}{
		"nothing happens":   {ledger.Status{}, ledger.Status{}, nil},
		"it goes":           {ledger.Status{}, gone, []string{" unreachable"}},
		"it stays away":     {gone, ledger.Status{Err: errors.New("still")}, nil},
		"it comes back":     {gone, ledger.Status{}, []string{" reachable"}},
		"it comes back new": {gone, lost, []string{" reachable", "acme amnesia", "beta amnesia"}},
		"it stays lost":     {lost, lost, nil},
		"one more":          {ledger.Status{Amnesia: []string{"acme"}}, lost, []string{"beta amnesia"}},
		"one recovers":      {lost, ledger.Status{Amnesia: []string{"acme"}}, nil},
	} {
		var got []string
		for _, e := range ledgerEvents(c.before, c.now) {
			got = append(got, e.Tenant+" "+e.Attributes["state"])
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
