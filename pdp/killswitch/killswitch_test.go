package killswitch

import (
	"context"
	"errors"
	"testing"
	"time"
)

type memory struct {
	saved []Switch
	err   error
}

func (m *memory) LoadSwitches(context.Context) ([]Switch, error) { return m.saved, m.err }

func (m *memory) SaveSwitches(_ context.Context, list []Switch) error {
	if m.err == nil {
		m.saved = list
	}
	return m.err
}

func open(t *testing.T, store Store) *Board {
	t.Helper()
	b, err := Open(t.Context(), store, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMatch(t *testing.T) {
	target := Target{Tenant: "acme", Agent: "a1", Session: "s1", Tool: "send_email"}
	for name, tc := range map[string]struct {
		on   Switch
		want bool
	}{
		"tool":                 {Switch{Tenant: "acme", Tool: "send_email"}, true},
		"tool in another case": {Switch{Tenant: "acme", Tool: "Send_Email"}, true},
		"other tool":           {Switch{Tenant: "acme", Tool: "search"}, false},
		"agent":                {Switch{Tenant: "acme", Agent: "a1"}, true},
		"session":              {Switch{Tenant: "acme", Session: "s1"}, true},
		"agent and other tool": {Switch{Tenant: "acme", Agent: "a1", Tool: "search"}, false},
		"whole tenant":         {Switch{Tenant: "acme", WholeTenant: true}, true},
		"other tenant":         {Switch{Tenant: "other", WholeTenant: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, &memory{})
			if _, err := b.Set(t.Context(), tc.on, true); err != nil {
				t.Fatal(err)
			}
			if _, got := b.Match(target); got != tc.want {
				t.Fatalf("stopped = %v, want %v", got, tc.want)
			}
			if _, err := b.Set(t.Context(), tc.on, false); err != nil {
				t.Fatal(err)
			}
			if _, got := b.Match(target); got {
				t.Fatal("still stopped after it was let go")
			}
		})
	}
}

func TestSetRefusesAnEmptySwitch(t *testing.T) {
	b := open(t, &memory{})
	if _, err := b.Set(t.Context(), Switch{Tenant: "acme"}, true); !errors.Is(err, ErrNothing) {
		t.Fatalf("got %v, want ErrNothing", err)
	}
	if _, err := b.Set(t.Context(), Switch{WholeTenant: true}, true); !errors.Is(err, ErrNoTenant) {
		t.Fatalf("got %v, want ErrNoTenant", err)
	}
}

func TestSwitchSurvivesARestart(t *testing.T) {
	store := &memory{}
	if _, err := open(t, store).Set(t.Context(), Switch{Tenant: "acme", Agent: "a1"}, true); err != nil {
		t.Fatal(err)
	}
	if _, stopped := open(t, store).Match(Target{Tenant: "acme", Agent: "a1"}); !stopped {
		t.Fatal("switch was forgotten")
	}
}

func TestStoppingWorksEvenIfItCannotBeSaved(t *testing.T) {
	store := &memory{}
	b := open(t, store)
	store.err = errors.New("disk full")
	if _, err := b.Set(t.Context(), Switch{Tenant: "acme", Agent: "a1"}, true); err == nil {
		t.Fatal("the failed write was not reported")
	}
	if _, stopped := b.Match(Target{Tenant: "acme", Agent: "a1"}); !stopped {
		t.Fatal("not stopped")
	}
}

func TestLettingGoNeedsTheWrite(t *testing.T) {
	store := &memory{}
	b := open(t, store)
	on := Switch{Tenant: "acme", Agent: "a1"}
	if _, err := b.Set(t.Context(), on, true); err != nil {
		t.Fatal(err)
	}
	store.err = errors.New("disk full")
	if _, err := b.Set(t.Context(), on, false); err == nil {
		t.Fatal("the failed write was not reported")
	}
	if _, stopped := b.Match(Target{Tenant: "acme", Agent: "a1"}); !stopped {
		t.Fatal("let go without a durable record")
	}
}

func TestSwitchesAreCapped(t *testing.T) {
	b := open(t, &memory{})
	for i := range Max {
		if _, err := b.Set(t.Context(), Switch{Tenant: "acme", Session: string(rune('a'+i%26)) + time.Duration(i).String()}, true); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Set(t.Context(), Switch{Tenant: "acme", Agent: "a1"}, true); !errors.Is(err, ErrTooMany) {
		t.Fatalf("got %v, want ErrTooMany", err)
	}
}
