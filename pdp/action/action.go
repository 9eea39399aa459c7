package action

// Kind says what sort of thing the agent is about to do.
type Kind string

// The kinds, spelt as in the contract without its prefix.
const (
	KindToolCall     Kind = "TOOL_CALL"
	KindToolResult   Kind = "TOOL_RESULT"
	KindModelOutput  Kind = "MODEL_OUTPUT"
	KindMemoryWrite  Kind = "MEMORY_WRITE"
	KindMemoryRead   Kind = "MEMORY_READ"
	KindMemoryDelete Kind = "MEMORY_DELETE"
	KindMessage      Kind = "MESSAGE"
	KindHTTPRequest  Kind = "HTTP_REQUEST"
)

// Valid reports whether k is one of the kinds above.
func (k Kind) Valid() bool {
	switch k {
	case KindToolCall, KindToolResult, KindModelOutput, KindMemoryWrite,
		KindMemoryRead, KindMemoryDelete, KindMessage, KindHTTPRequest:
		return true
	}
	return false
}

// Usage is money in millionths of a US dollar, and tokens: all together, and those that the model reads and writes.
type Usage struct {
	CostMicroUSD, Tokens      int64
	Model                     string // whose tokens these are; empty if nobody says
	InputTokens, OutputTokens int64
}

// MemoryRef names the memory item that a memory action is about. Seal is the token that the write returned.
type MemoryRef struct{ Layer, Key, Seal string }

// Header is one HTTP header, as it was sent.
type Header struct{ Name, Value string }

// HTTPRequest is a request that the agent makes by itself.
type HTTPRequest struct {
	Method, URL string
	Headers     []Header
	Body        string
}

// Action is one proposed action.
type Action struct {
	Kind         Kind
	CallID       string // the caller's own; not part of the digest
	Tool         string
	Server       string
	SchemaDigest string

	// Arguments is nil where none were sent, else a map[string]any as ParseArguments or FromMap returns it:
	// leaves are string, bool, nil and json.Number, branches []any and map[string]any.
	Arguments any
	// ArgumentsBytes is the size that limits count. It says how the arguments were spelt, so it is not part
	// of the digest.
	ArgumentsBytes int

	Content   string
	Estimate  Usage // what it is expected to cost; not part of the digest, since it may shrink
	Memory    *MemoryRef
	InReplyTo string
	FromAgent string
	HTTP      *HTTPRequest
}

// The reasons of an Error. They are stable: callers and tests may rely on them.
const (
	ReasonEmpty           = "EMPTY"            // no text at all
	ReasonTooLarge        = "TOO_LARGE"        // more bytes than Bounds.MaxBytes
	ReasonTooDeep         = "TOO_DEEP"         // more levels than Bounds.MaxDepth
	ReasonTooManyNodes    = "TOO_MANY_NODES"   // more values than Bounds.MaxNodes
	ReasonStringTooLong   = "STRING_TOO_LONG"  // a string or key above Bounds.MaxStringBytes
	ReasonPathTooLong     = "PATH_TOO_LONG"    // the keys that lead to a value are too long together
	ReasonByteOrderMark   = "BYTE_ORDER_MARK"  // the text begins with U+FEFF
	ReasonInvalidUTF8     = "INVALID_UTF8"     // bytes that are no UTF-8
	ReasonLoneSurrogate   = "LONE_SURROGATE"   // an escaped half of a surrogate pair
	ReasonNUL             = "NUL_CHARACTER"    // U+0000, escaped or not
	ReasonDuplicateKey    = "DUPLICATE_KEY"    // an object names a member twice
	ReasonInvalidJSON     = "INVALID_JSON"     // not RFC 8259
	ReasonTrailingText    = "TRAILING_TEXT"    // more than one value
	ReasonNotAnObject     = "NOT_AN_OBJECT"    // the top level is something else
	ReasonNumberTooLong   = "NUMBER_TOO_LONG"  // more than 40 significant digits
	ReasonNumberRange     = "NUMBER_RANGE"     // magnitude outside 10^-400 to 10^401
	ReasonNotANumber      = "NOT_A_NUMBER"     // NaN, an infinity, or text that is no JSON number
	ReasonUnsupportedType = "UNSUPPORTED_TYPE" // a Go value that JSON does not have
	ReasonInvalidKind     = "INVALID_KIND"     // not one of the kinds
)

// Error says which field of an action is malformed, and how. It never holds a value.
type Error struct {
	Field  string // name in the contract, such as `arguments` or `http.url`
	Reason string // one of the constants above
	Detail string // for people; safe to log
}

func (e *Error) Error() string { return e.Field + ": " + e.Detail }
