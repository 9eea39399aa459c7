package decisionlog

import (
	"errors"
	"fmt"
	"time"
)

// Mode says what happens to a line that the disk does not take.
type Mode string

// The modes.
const (
	// ModeBlock: Append returns once the line is written, or with an error. The caller fails closed.
	ModeBlock Mode = "block"
	// ModeSpool: Append returns at once and the line waits in a bounded queue; a full queue is an error. A crash
	// loses what waits.
	ModeSpool Mode = "spool"
	// ModeDrop: Append never fails for the disk's sake; lines that can't be written are counted and gone.
	ModeDrop Mode = "drop"
)

// Bounds that are not configurable.
const (
	// maxLineBytes bounds one line. A decision at all its own bounds without its input stays well below.
	maxLineBytes = 1 << 20
	// batchBytes is about how much one write and one fsync take: many small lines, or one long one.
	batchBytes = 256 << 10
	// retryEvery is how often a failing disk is tried without a caller asking for it.
	retryEvery = time.Second
	// pollEvery is how often Follow looks for new lines.
	pollEvery = 200 * time.Millisecond
)

// Config says where the log lives and what it may lose. Zero values stand for the defaults.
type Config struct {
	// Dir holds the files. Created with mode 0700. Required.
	Dir string
	// MaxFileBytes is the size at which a new file is begun. Default 64 MiB, at least 4 KiB.
	MaxFileBytes int64
	// MaxFiles and MaxTotalBytes bound what is kept; the oldest files go first, and are counted. Defaults 256 and 16 GiB.
	MaxFiles      int
	MaxTotalBytes int64
	// Mode is block, spool or drop. Default block.
	Mode Mode
	// SpoolEntries and SpoolBytes bound the lines that wait in memory, in every mode. Defaults 10,000 and 64 MiB.
	SpoolEntries int
	SpoolBytes   int64
	// Sync makes each write durable against a power cut before Append returns in block mode; writes that are
	// waiting share one fsync. Without it a line survives the death of the process, and SyncEvery bounds what a
	// power cut takes.
	Sync bool
	// SyncEvery is how often written lines are made durable if Sync is off. Default 1 s.
	SyncEvery time.Duration
	// AppendTimeout bounds how long Append waits for a disk that hangs, beside the caller's own deadline. Default 5 s.
	AppendTimeout time.Duration
}

// DefaultConfig is a blocking log in dir.
func DefaultConfig(dir string) Config { return Config{Dir: dir}.withDefaults() }

func (c Config) withDefaults() Config {
	c.MaxFileBytes = orDefault(c.MaxFileBytes, 64<<20)
	c.MaxFiles = orDefault(c.MaxFiles, 256)
	c.MaxTotalBytes = orDefault(c.MaxTotalBytes, 16<<30)
	c.Mode = orDefault(c.Mode, ModeBlock)
	c.SpoolEntries = orDefault(c.SpoolEntries, 10_000)
	c.SpoolBytes = orDefault(c.SpoolBytes, 64<<20)
	c.SyncEvery = orDefault(c.SyncEvery, time.Second)
	c.AppendTimeout = orDefault(c.AppendTimeout, 5*time.Second)
	return c
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Validate names every field that is wrong.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("decision log: "+format, args...))
		}
	}
	bad(c.Dir != "", "dir is empty")
	bad(c.MaxFileBytes >= 4<<10, "max_file_bytes is %d, at least 4096 is needed", c.MaxFileBytes)
	bad(c.MaxFiles >= 2, "max_files is %d, at least 2 are needed", c.MaxFiles)
	bad(c.MaxTotalBytes >= 2*c.MaxFileBytes, "max_total_bytes is %d, at least twice max_file_bytes is needed", c.MaxTotalBytes)
	bad(c.Mode == ModeBlock || c.Mode == ModeSpool || c.Mode == ModeDrop, "mode %q is none of block, spool, drop", c.Mode)
	bad(c.SpoolEntries > 0, "spool_entries is %d", c.SpoolEntries)
	bad(c.SpoolBytes >= maxLineBytes, "spool_bytes is %d, at least %d is needed", c.SpoolBytes, maxLineBytes)
	bad(c.SyncEvery > 0, "sync_every is %s", c.SyncEvery)
	bad(c.AppendTimeout > 0, "append_timeout is %s", c.AppendTimeout)
	return errors.Join(errs...)
}
