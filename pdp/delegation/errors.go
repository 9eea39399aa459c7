package delegation

import "errors"

// Cause is a stable name for what is wrong with a chain. It is for operators: an agent only hears that its chain is not valid.
type Cause string

// The causes.
const (
	Malformed  Cause = "malformed"   // no token of this server
	UnknownKey Cause = "unknown_key" // signed with a key that is not in the key file (any more)
	Forged     Cause = "forged"      // changed since it was signed
	Order      Cause = "order"       // a token does not follow from the one before it
	TooDeep    Cause = "too_deep"    // more links than the table or a token admits
	Widens     Cause = "widens"      // a link says more than the one before it
	NotYet     Cause = "not_yet"
	Expired    Cause = "expired"
	Revoked    Cause = "revoked"
	Tenant     Cause = "tenant"  // of another tenant
	Holder     Cause = "holder"  // who presents it is not its last holder
	Session    Cause = "session" // bound to another session
	User       Cause = "user"    // bound to another user, or nobody who is believed says who it is
	Risk       Cause = "risk"    // names a risk level that the bundle lacks
	Refused    Cause = "refused" // may not be minted: the detail says why
)

// Error is a chain that does not hold, or a token that may not be made. Its text holds no token.
type Error struct {
	Cause  Cause
	Link   int // which token, from 1 on; 0: all of them
	Detail string
}

func (e *Error) Error() string { return "delegation: " + e.Detail }

func fail(cause Cause, link int, detail string) error {
	return &Error{Cause: cause, Link: link, Detail: detail}
}

// CauseOf is why a chain does not hold.
func CauseOf(err error) Cause {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Cause
	}
	return Malformed
}
