package limit

import (
	"errors"
	"fmt"
	"time"
)

// Config bounds an Engine. Zero fields take the defaults. How many distinct counters there may be is the ledger's to say.
type Config struct {
	HotCells   int           // cells that the cache holds; 100,000
	MaxPending int           // cells and reservations that may wait to be reported to the ledger; 100,000
	FlushEvery time.Duration // how long what must be reported soon may wait; 5 ms
	// Lease is how long a block lives without news from its holder; 10 s. After a crash, what is out counts as used for as
	// long, and then as spent.
	Lease time.Duration
	// LocalLease is the same for limits that go on while the ledger is gone; 10 minutes.
	LocalLease time.Duration
	// IdleAfter is when a block that nobody spends from is given back; 2 s.
	IdleAfter time.Duration
	// ViewFor is how old what the ledger said last may be where nothing is charged: how many failures there were, whether a
	// threshold is crossed; 250 ms.
	ViewFor time.Duration
}

func (c Config) withDefaults() Config {
	number := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	duration := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	number(&c.HotCells, 100_000)
	number(&c.MaxPending, 100_000)
	duration(&c.FlushEvery, 5*time.Millisecond)
	duration(&c.Lease, 10*time.Second)
	duration(&c.LocalLease, 10*time.Minute)
	duration(&c.IdleAfter, 2*time.Second)
	duration(&c.ViewFor, 250*time.Millisecond)
	return c
}

// Validate refuses a configuration that would not hold a limit or not be bounded.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	for _, f := range []struct {
		name string
		n    int
	}{{"hot cells", c.HotCells}, {"max pending", c.MaxPending}} {
		if f.n < 1 || f.n > 50_000_000 {
			errs = append(errs, fmt.Errorf("%s is 1 to 50,000,000, not %d", f.name, f.n))
		}
	}
	for _, f := range []struct {
		name           string
		d, least, most time.Duration
	}{
		{"flush every", c.FlushEvery, time.Millisecond, time.Second},
		{"lease", c.Lease, time.Second, time.Hour},
		{"local lease", c.LocalLease, c.Lease, 24 * time.Hour},
		{"idle after", c.IdleAfter, 10 * time.Millisecond, c.Lease},
		{"view for", c.ViewFor, 0, 5 * time.Second},
	} {
		if f.d < f.least || f.d > f.most {
			errs = append(errs, fmt.Errorf("%s is %s to %s, not %s", f.name, f.least, f.most, f.d))
		}
	}
	return errors.Join(errs...)
}
