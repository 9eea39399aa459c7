package ledger

import (
	"fmt"
	"time"
)

// Parts is how many sub-buckets a sliding window has. A sub-bucket counts until it has wholly left the window, so that
// Parts+1 of them are live: nothing is counted too short, and a unit counts for at most a 64th of the window too long. A
// caller who keeps asking gets at least max × 64/65, which is above the promised max × (1 − 1/60) by enough to cover what
// the time of a ledger in another process is uncertain by.
const Parts = 64

// PeriodKind is how a cell forgets. Values are part of what stores keep: never change them.
type PeriodKind uint8

const (
	// Sliding is a window of Parts × Width microseconds that ends now.
	Sliding PeriodKind = 1
	// Day is the day in UTC.
	Day PeriodKind = 2
	// Month is the month in UTC.
	Month PeriodKind = 3
	// Whole never forgets, as long as the cell is used at least once in Idle: a session's budget.
	Whole PeriodKind = 4
)

// Period is how one cell forgets.
type Period struct {
	Kind  PeriodKind
	Width int64 // Sliding: microseconds of a sub-bucket, at least 1. Whole: microseconds after which an unused cell is forgotten. Else 0
}

const dayMicros = int64(24 * time.Hour / time.Microsecond)

// SlidingOver is the period of a window of so many seconds. It is rounded up, never shorter.
func SlidingOver(seconds int64) Period {
	return Period{Sliding, (seconds*1_000_000 + Parts - 1) / Parts}
}

// Index is the sub-bucket of a time in microseconds since 1970.
func (p Period) Index(at int64) int64 {
	switch p.Kind {
	case Sliding:
		return at / p.Width
	case Day:
		return at / dayMicros
	case Month:
		return monthOf(at / dayMicros)
	case Whole:
	}
	return 0
}

// Oldest is the oldest sub-bucket that still counts when the newest is current.
func (p Period) Oldest(current int64) int64 {
	if p.Kind == Sliding {
		return current - Parts
	}
	return current
}

// End is when a sub-bucket stops counting, in microseconds; 0 if it never does by itself.
func (p Period) End(index int64) int64 {
	switch p.Kind {
	case Sliding:
		return saturatingMul(index+Parts+1, p.Width)
	case Day:
		return (index + 1) * dayMicros
	case Month:
		y, m := (index+1)/12, (index+1)%12
		return time.Date(int(y), time.Month(m+1), 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	case Whole:
	}
	return 0
}

// Length is how long a cell must be kept after its last change, microseconds.
func (p Period) Length() int64 {
	switch p.Kind {
	case Sliding:
		return saturatingMul(Parts+1, p.Width)
	case Day:
		return dayMicros
	case Month:
		return 31 * dayMicros
	case Whole:
	}
	return p.Width
}

// Validate refuses what no ledger could count.
func (p Period) Validate() error {
	switch {
	case p.Kind < Sliding || p.Kind > Whole:
		return fmt.Errorf("period kind %d is none", p.Kind)
	case (p.Kind == Sliding || p.Kind == Whole) && (p.Width < 1 || p.Width > maxSpan):
		return fmt.Errorf("the width of a period is 1 to %d microseconds, not %d", maxSpan, p.Width)
	}
	return nil
}

// monthOf is year × 12 + month − 1 of a day since 1970, in the proleptic Gregorian calendar. It is plain arithmetic (after
// Howard Hinnant's civil_from_days), because a script in another process must compute the same.
func monthOf(day int64) int64 {
	z := day + 719_468
	era := z / 146_097
	doe := z - era*146_097
	yoe := (doe - doe/1_460 + doe/36_524 - doe/146_096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	m, y := mp+3, yoe+era*400
	if m > 12 {
		m, y = m-12, y+1
	}
	return y*12 + m - 1
}

func saturatingMul(a, b int64) int64 {
	const most = int64(1) << 62
	if a > 0 && b > most/a {
		return most
	}
	return a * b
}

// Add is addition that stops at MaxUnits. Both are not negative.
func Add(a, b int64) int64 {
	if a >= MaxUnits || b >= MaxUnits || a+b >= MaxUnits {
		return MaxUnits
	}
	return a + b
}

// Share is how much of the room in a cell one draw may take on top of what is needed now, so that blocks shrink as a
// limit nears its end and the last units are handed out one by one: a quarter of the room, an eighth of it as soon as
// another holder has a block too, and never more than a sixteenth of max.
func Share(room, max int64, others bool) int64 {
	part := int64(4)
	if others {
		part = 8
	}
	return min(room/part, max/16)
}

// LostAt says whether a cell must count as full because what it was when the ledger lost it may count still, and until when
// that is so: microseconds, or 0 if only an operator can end it. Who held a block when it was lost, and has not heard of it,
// may spend from it until its lease is over: that is waited for first.
func (p Period) LostAt(lost, lease, now int64) (full bool, until int64) {
	lost += lease
	switch p.Kind {
	case Sliding:
		until = lost + p.Length()
	case Day, Month:
		until = p.End(p.Index(lost))
	default:
		return true, 0
	}
	if until <= now {
		return false, 0
	}
	return true, until
}
