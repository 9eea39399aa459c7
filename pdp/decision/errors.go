package decision

// Problem says what kind of failure an Error is. pdp/server turns it into a gRPC code in one place.
type Problem int

// The problems that a caller can have. A policy that says no is none of them.
const (
	Invalid            Problem = iota + 1 // the request is malformed
	PermissionDenied                      // the credential may not do this
	NotFound                              // an id is unknown
	FailedPrecondition                    // the approval or decision is in another state
	ResourceExhausted                     // admission control
	Unavailable                           // starting, draining, or no bundle
)

// Error is a request that could not be decided. Reason is stable and in upper snake case; Detail never
// holds a value of the request.
type Error struct {
	Problem Problem
	Reason  string
	Field   string
	Detail  string
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Detail
	}
	return e.Field + ": " + e.Detail
}
