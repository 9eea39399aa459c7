//go:build !linux

package ledger

import "time"

func bootTime() (string, time.Duration) { return "", 0 }
