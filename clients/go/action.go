package portcullis

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// maxArgumentBytes and maxDepth are the contract's bounds. What is over them is refused here instead of being sent.
const (
	maxArgumentBytes = 1 << 20
	maxDepth         = 64
)

// ErrArguments is why arguments could not be sent: they are not exactly representable as a JSON object. Its text never holds a value.
var ErrArguments = errors.New("arguments must be a JSON object of at most 1 MiB and 64 levels, without NaN, infinities, invalid UTF-8, duplicate names or cycles")

// Principal says who is acting. Each field must agree with the credential.
type Principal struct {
	Tenant, Agent, Session, Run, User string
	Delegation                        []string
}

func (p Principal) proto() *portcullisv1.Principal {
	return &portcullisv1.Principal{
		Tenant: p.Tenant, Agent: p.Agent, Session: p.Session, Run: p.Run, User: p.User, Delegation: p.Delegation,
	}
}

// Action is one thing that an agent wants to do. The fields mean what the contract says of them.
type Action struct {
	// Kind is a tool call by default.
	Kind                               portcullisv1.ActionKind
	Tool, Server, SchemaDigest, CallID string
	// Arguments is anything that encoding/json writes as an object; numbers stay exact (use json.Number, *big.Int or json.RawMessage
	// where a float64 is too coarse). Nil sends none.
	Arguments            any
	Content              string
	Estimate             *portcullisv1.Usage
	Memory               *portcullisv1.MemoryRef
	InReplyTo, FromAgent string
	HTTP                 *portcullisv1.HttpRequest
}

// ToolCall is the common case.
func ToolCall(tool string, arguments any) Action {
	return Action{Tool: tool, Arguments: arguments}
}

// String leaves arguments and content out, so that printing or logging an action by mistake gives nothing away.
func (a Action) String() string { return fmt.Sprintf("%v %q", a.kind(), a.Tool) }

// GoString is String: %#v gives nothing away either.
func (a Action) GoString() string { return a.String() }

// LogValue is String, for slog.
func (a Action) LogValue() slog.Value { return slog.StringValue(a.String()) }

func (a Action) kind() portcullisv1.ActionKind {
	if a.Kind == portcullisv1.ActionKind_ACTION_KIND_UNSPECIFIED {
		return portcullisv1.ActionKind_ACTION_KIND_TOOL_CALL
	}
	return a.Kind
}

func (a Action) proto(arguments []byte) *portcullisv1.Action {
	out := &portcullisv1.Action{
		Kind: a.kind(), CallId: a.CallID, Tool: a.Tool, Server: a.Server, SchemaDigest: a.SchemaDigest, Content: a.Content,
		Estimate: a.Estimate, Memory: a.Memory, InReplyTo: a.InReplyTo, FromAgent: a.FromAgent, Http: a.HTTP,
	}
	if arguments != nil {
		out.Args = &portcullisv1.Action_ArgumentsJson{ArgumentsJson: string(arguments)}
	}
	return out
}

// strict is encoding/json as people know it, except that it refuses what would reach the PDP as something else than what then
// runs: invalid UTF-8 (replaced, otherwise) and duplicate names. Map keys are sorted, so the same arguments give the same text.
var strict = json.JoinOptions(
	jsonv1.DefaultOptionsV1(),
	jsontext.AllowInvalidUTF8(false),
	jsontext.AllowDuplicateNames(false),
	json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, n stdjson.Number) error {
		if v := jsontext.Value(n); v.Kind() == '0' {
			return enc.WriteValue(v)
		}
		return ErrArguments
	})),
)

// encode writes arguments down, exactly, or refuses. Nil gives nil.
func encode(arguments any) ([]byte, error) {
	if arguments == nil {
		return nil, nil
	}
	text, err := json.Marshal(arguments, strict)
	if err != nil || len(text) > maxArgumentBytes || text[0] != '{' || depth(text) > maxDepth {
		// The cause's own text could quote a value.
		return nil, ErrArguments
	}
	return text, nil
}

// depth counts the levels of valid JSON.
func depth(text []byte) int {
	level, most, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			level++
			most = max(most, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return most
}
