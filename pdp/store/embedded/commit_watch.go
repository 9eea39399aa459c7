package embedded

import (
	"errors"
	"sync/atomic"
	"time"
)

// errHangs is for what cannot vouch for its disk while a commit takes too long.
var errHangs = errors.New("a commit to the disk hangs")

// commitWatch knows how long the commit under way has taken, by this process's monotonic clock: a ledger's time may jump,
// as after a sleep of the machine, and a disk does not hang for that. One goroutine commits, any may ask.
type commitWatch struct{ began atomic.Pointer[time.Time] }

func (w *commitWatch) start() {
	now := time.Now()
	w.began.Store(&now)
}

func (w *commitWatch) stop() { w.began.Store(nil) }

// hangs says whether a commit has been under way for longer than this.
func (w *commitWatch) hangs(after time.Duration) bool {
	began := w.began.Load()
	return began != nil && time.Since(*began) > after
}
