package identity

import (
	"errors"
	"fmt"
)

// The errors of authentication. No caller is told which part of a credential was wrong.
var (
	// ErrNoCredential: the request carries none.
	ErrNoCredential = errors.New("identity: no credential")
	// ErrBadCredential: it carries one that is malformed, unknown or past its time.
	ErrBadCredential = errors.New("identity: credential is not valid")
)

// rejected is ErrBadCredential with a reason for the server's own log. Reasons are fixed texts: nothing of what was presented
// goes into them, and callers are not told.
func rejected(reason string) error { return fmt.Errorf("%w: %s", ErrBadCredential, reason) }

// ErrMismatch matches every *MismatchError.
var ErrMismatch = errors.New("identity: request does not agree with the credential")

// MismatchError says which field of a principal does not agree with the credential. It holds no value.
type MismatchError struct{ Field string }

func (e *MismatchError) Error() string { return ErrMismatch.Error() + ": " + e.Field }

// Is makes errors.Is(err, ErrMismatch) true.
func (e *MismatchError) Is(target error) bool { return target == ErrMismatch }
