package seal

// Reason is a stable name for what is wrong.
type Reason string

// The reasons.
const (
	// Malformed: not something that this package made, or too long.
	Malformed Reason = "MALFORMED"
	// UnknownKey: made with a key that is not in the file (any more).
	UnknownKey Reason = "UNKNOWN_KEY"
	// Forged: changed since it was made, or made for another purpose, place or person.
	Forged Reason = "FORGED"
	// TooLarge: more than may be sealed.
	TooLarge Reason = "TOO_LARGE"
	// FileMode: others than the owner may read or write the key file.
	FileMode Reason = "FILE_MODE"
	// BadFile: the key file cannot be understood.
	BadFile Reason = "BAD_FILE"
)

// Error is every error about what was given to this package. Its text holds no key, plaintext or token.
type Error struct {
	Reason Reason
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// Is matches any Error of the same reason, so that errors.Is(err, seal.ErrForged) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Reason == e.Reason
}

// The errors to compare with errors.Is.
var (
	ErrMalformed  = &Error{Malformed, "not a seal of this server"}
	ErrUnknownKey = &Error{UnknownKey, "sealed with a key that is not in the key file"}
	ErrForged     = &Error{Forged, "the seal does not match what it is said to cover"}
	ErrTooLarge   = &Error{TooLarge, "too large to be sealed"}
	ErrFileMode   = &Error{FileMode, "the key file is open to others"}
	ErrBadFile    = &Error{BadFile, "the key file cannot be understood"}
)
