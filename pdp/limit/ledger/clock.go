package ledger

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Source is where a Clock gets its readings. Tests step them.
type Source struct {
	Wall    func() time.Time     // the clock that people set
	Elapsed func() time.Duration // since some moment of this process; never steps
	// Boot is the time since the machine started, and a name of that start, "" where they are not known. It never steps
	// either, and goes on from one process to the next.
	Boot func() (name string, since time.Duration)
}

// System is the machine's own clocks.
func System() Source {
	begin := time.Now()
	return Source{Wall: time.Now, Elapsed: func() time.Duration { return time.Since(begin) }, Boot: bootTime}
}

// Clock is the time of a ledger that is in this process, in microseconds since 1970. It exists because a window that sees
// time go back would free what it holds twice, and one that sees it jump would free it early. Within a process it follows
// the monotonic clock, so that setting the wall clock moves nothing. From one process to the next it goes on by the
// boot-time clock; only where the machine itself was restarted, and nothing else can tell how long that took, is the wall
// clock believed, and never backwards. Safe for concurrent use: it does not change.
type Clock struct {
	source Source
	origin int64 // the ledger's time where Elapsed is zero
}

// NewClock goes on from what Mark wrote, or begins at the wall clock's time if there is no mark.
func NewClock(s Source, mark []byte) (*Clock, error) {
	now := max(s.Wall().UnixMicro(), 0)
	if mark != nil {
		last, err := readMark(mark)
		if err != nil {
			return nil, err
		}
		now = max(now, last.now)
		if name, since := s.Boot(); name != "" && name == last.boot && since >= last.since {
			now = last.now + (since - last.since).Microseconds()
		}
	}
	return &Clock{source: s, origin: now - s.Elapsed().Microseconds()}, nil
}

// Now is the ledger's time.
func (c *Clock) Now() int64 { return c.origin + int64(c.source.Elapsed()/time.Microsecond) }

// Behind is how far the wall clock is behind the ledger's time, microseconds; negative if it is ahead.
func (c *Clock) Behind() int64 { return c.Now() - c.source.Wall().UnixMicro() }

// markFormat is the first byte of a mark.
const markFormat = 1

type mark struct {
	now   int64
	boot  string
	since time.Duration
}

// Mark is what the next process needs to go on. It belongs into each commit, and is worth one now and then.
func (c *Clock) Mark() []byte {
	boot, since := c.source.Boot()
	to := binary.BigEndian.AppendUint64([]byte{markFormat}, uint64(c.Now()))
	to = binary.BigEndian.AppendUint64(to, uint64(since))
	return append(to, boot...)
}

func readMark(b []byte) (mark, error) {
	if len(b) < 17 || b[0] != markFormat {
		return mark{}, fmt.Errorf("the ledger's clock cannot be read: %d bytes of format %x", len(b), b[:min(len(b), 1)])
	}
	m := mark{int64(binary.BigEndian.Uint64(b[1:])), string(b[17:]), time.Duration(binary.BigEndian.Uint64(b[9:]))}
	if m.now < 0 || m.since < 0 {
		return mark{}, fmt.Errorf("the ledger's clock cannot be read: %d, %d", m.now, m.since)
	}
	return m, nil
}
