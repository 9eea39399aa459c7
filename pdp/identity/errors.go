package identity

import "errors"

// The errors of authentication. None says which part of a credential was wrong.
var (
	// ErrNoCredential: the request carries none.
	ErrNoCredential = errors.New("identity: no credential")
	// ErrBadCredential: it carries one that is malformed, unknown or past its time.
	ErrBadCredential = errors.New("identity: credential is not valid")
)

// ErrMismatch matches every *MismatchError.
var ErrMismatch = errors.New("identity: request does not agree with the credential")

// MismatchError says which field of a principal does not agree with the credential. It holds no value.
type MismatchError struct{ Field string }

func (e *MismatchError) Error() string { return ErrMismatch.Error() + ": " + e.Field }

// Is makes errors.Is(err, ErrMismatch) true.
func (e *MismatchError) Is(target error) bool { return target == ErrMismatch }
