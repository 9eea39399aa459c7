package limit

import (
	"errors"
	"fmt"
	"time"
)

// Config bounds an Engine. Zero fields take the defaults.
type Config struct {
	HotCells   int           // cells that the cache holds; 100,000
	MaxPending int           // records that may wait for the disk; 100,000
	FlushEvery time.Duration // how long a change may wait; 5 ms
	StallAfter time.Duration // a commit that takes longer denies until it ends; 5 s
	// Distinct live counters: of all, of one tenant, of one tenant and agent. 1,000,000, 250,000, 50,000. At a bound, an
	// action that needs a new counter is denied; counters that exist go on.
	MaxKeys, MaxKeysPerTenant, MaxKeysPerTenantAgent int
	// Reservations kept in the ledger until they are settled or expire: of all, of one tenant and agent. 1,000,000,
	// 100,000. Beyond, a reservation can be refunded or settled only while it is among the recent ones in memory, and is
	// charged in full after.
	MaxReservations, MaxReservationsPerTenantAgent int
	RecentReservations                             int // reservations in memory; 16,384
}

func (c Config) withDefaults() Config {
	count := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	count(&c.HotCells, 100_000)
	count(&c.MaxPending, 100_000)
	count(&c.MaxKeys, 1_000_000)
	count(&c.MaxKeysPerTenant, max(c.MaxKeys/4, 1))
	count(&c.MaxKeysPerTenantAgent, max(c.MaxKeys/20, 1))
	count(&c.MaxReservations, 1_000_000)
	count(&c.MaxReservationsPerTenantAgent, max(c.MaxReservations/10, 1))
	count(&c.RecentReservations, 16_384)
	if c.FlushEvery == 0 {
		c.FlushEvery = 5 * time.Millisecond
	}
	if c.StallAfter == 0 {
		c.StallAfter = 5 * time.Second
	}
	return c
}

// Validate refuses a configuration that would not hold a limit or not be bounded.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	for name, n := range map[string]int{
		"hot cells": c.HotCells, "max pending": c.MaxPending, "max keys": c.MaxKeys,
		"max keys per tenant": c.MaxKeysPerTenant, "max keys per tenant and agent": c.MaxKeysPerTenantAgent,
		"max reservations": c.MaxReservations, "max reservations per tenant and agent": c.MaxReservationsPerTenantAgent,
		"recent reservations": c.RecentReservations,
	} {
		if n < 1 || n > 50_000_000 {
			errs = append(errs, fmt.Errorf("%s is 1 to 50,000,000, not %d", name, n))
		}
	}
	if c.FlushEvery < time.Millisecond || c.FlushEvery > 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("flush every is 1 ms to 100 ms, not %s: a kill loses what waits", c.FlushEvery))
	}
	if c.StallAfter < c.FlushEvery || c.StallAfter > time.Minute {
		errs = append(errs, fmt.Errorf("stall after is at least flush every and at most a minute, not %s", c.StallAfter))
	}
	return errors.Join(errs...)
}
