package limit

// Error is a failure with a reason that stays the same across versions.
type Error struct {
	Reason string
	Text   string
}

func (e *Error) Error() string { return e.Text }

// Errors of this package; check with errors.Is.
var (
	// ErrStateFull denies: a bound on counters, reservations in flight or uncommitted changes was reached.
	ErrStateFull = &Error{"LIMIT_STATE_FULL", "too many counters are in use"}
	// ErrUnavailable denies: the ledger cannot be read or written.
	ErrUnavailable = &Error{"STATE_UNAVAILABLE", "the ledger of limits is not available"}
	// ErrUnknownReservation says that there is nothing to settle or refund under an id: it never was, was refunded, or is
	// closed and stays charged in full. A caller who knows the estimate books what went beyond it with Add.
	ErrUnknownReservation = &Error{"RESERVATION_UNKNOWN", "no open reservation has this id"}
	// ErrSettled says that a reservation cannot be refunded, because its outcome was settled.
	ErrSettled = &Error{"RESERVATION_SETTLED", "the reservation is settled"}
	// ErrDuplicate says that an id is in use by another reservation.
	ErrDuplicate = &Error{"RESERVATION_EXISTS", "a reservation with this id exists"}
	// ErrInvalid is a defect of the caller: a negative amount, an empty tenant, an oversized id.
	ErrInvalid = &Error{"LIMIT_CALL_INVALID", "invalid call"}
)
