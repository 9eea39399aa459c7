package decisionlog

import "fmt"

// FailureReason is why the log refused or failed. Stable, for codes and metrics.
type FailureReason string

// The reasons.
const (
	// Invalid: the entry is malformed, or its input holds values. Nothing is wrong with the log.
	Invalid FailureReason = "INVALID"
	// TooLarge: the line would be longer than a line may be.
	TooLarge FailureReason = "TOO_LARGE"
	// QueueFull: lines arrive faster than the disk takes them, or it takes none.
	QueueFull FailureReason = "QUEUE_FULL"
	// WriteFailed: the disk refused the line. It is not in the log.
	WriteFailed FailureReason = "WRITE_FAILED"
	// TimedOut: the line was not on disk in time. It may still get there if its write had begun.
	TimedOut FailureReason = "TIMED_OUT"
	// Closed: the log is shut.
	Closed FailureReason = "CLOSED"
	// InUse: another process writes this directory.
	InUse FailureReason = "IN_USE"
	// Damaged: the newest file ends in more garbage than a crash leaves.
	Damaged FailureReason = "DAMAGED"
)

// Error is every error of Open, Append and Close.
type Error struct {
	Reason FailureReason
	// Op is what was being done.
	Op  string
	Err error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("decision log: %s: %s", e.Op, e.Reason)
	}
	return fmt.Sprintf("decision log: %s: %s: %v", e.Op, e.Reason, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// TornError reports bytes at the end of a file that are no whole line: a crash in the middle of a write, or,
// in the file that is being written, a line on its way.
type TornError struct {
	File   string
	Offset int64
	Bytes  int64
}

func (e *TornError) Error() string {
	return fmt.Sprintf("decision log: %s: torn line of %d bytes at offset %d", e.File, e.Bytes, e.Offset)
}

// LineError reports a line that can't be read; reading goes on after it.
type LineError struct {
	File   string
	Offset int64
	Err    error
}

func (e *LineError) Error() string {
	return fmt.Sprintf("decision log: %s: unreadable line at offset %d: %v", e.File, e.Offset, e.Err)
}

func (e *LineError) Unwrap() error { return e.Err }

// GapError reports lines that are missing, or out of order, before the line that follows it.
type GapError struct {
	File        string
	After, Next uint64
}

func (e *GapError) Error() string {
	return fmt.Sprintf("decision log: %s: line %d follows line %d", e.File, e.Next, e.After)
}
