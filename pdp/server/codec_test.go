package server

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func text(number protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), s)
}

func message(number protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), bytes.Join(parts, nil))
}

// deepStruct is a Struct of so many levels, as bytes: {"a": {"a": ...}}.
func deepStruct(levels int) []byte {
	var heads [][]byte // innermost first
	size := 0
	wrap := func(number protowire.Number, before []byte) {
		head := protowire.AppendTag(slices.Clone(before), number, protowire.BytesType)
		head = protowire.AppendVarint(head, uint64(size))
		heads, size = append(heads, head), size+len(head)
	}
	for range levels {
		wrap(5, nil)          // Value.struct_value
		wrap(2, text(1, "a")) // the entry's value, after its key
		wrap(1, nil)          // Struct.fields
	}
	slices.Reverse(heads)
	return bytes.Join(heads, nil)
}

// TestUndecodableMessages sends bytes that are no message and looks at what comes back over the wire. grpc alone
// would answer INTERNAL.
func TestUndecodableMessages(t *testing.T) {
	const bad = "\xff\xfe"
	const secret = "hunter2"
	whole, err := proto.Marshal(toolCall())
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, field string
		body        []byte
	}{
		{"invalid UTF-8 at the top", "request_id", text(1, bad)},
		{"in a principal", "principal.tenant", message(2, text(1, bad))},
		{"in a list of texts", "principal.delegation[1]", message(2, text(6, "ok"), text(6, bad))},
		{"in arguments_json", "action.arguments_json", message(3, text(7, `{"password":"`+secret+bad+`"}`))},
		{"in a header of a list", "action.http.headers[2].value", message(3, message(13, message(3), message(3), message(3, text(2, secret+bad))))},
		{"in a Struct's value", "action.arguments", message(3, message(6, message(1, text(1, secret), message(2, text(3, bad)))))},
		{"in a Struct's key", "action.arguments", message(3, message(6, message(1, text(1, secret+bad))))},
		{"cut short", "action", whole[:len(whole)-2]},
		{"no protobuf at all", "", []byte("GET / HTTP/1.1\r\n\xff\xff\xff")},
		{"10,000 levels", "action.arguments", message(3, message(6, deepStruct(10_000)))},
	}
	r := start(t, nil)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var answer []byte
			err := r.conn.Invoke(r.as("agent"), "/portcullis.v1.DecisionService/Decide", &c.body, &answer, grpc.ForceCodecV2(rawCodec{}))
			wantWire(t, err, codes.InvalidArgument, "MALFORMED_MESSAGE", c.field)
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error repeats a value: %v", err)
			}
		})
	}
	t.Run("on a stream", func(t *testing.T) {
		body, answer := text(1, bad), []byte(nil)
		stream, err := r.conn.NewStream(r.as("agent"), &grpc.StreamDesc{ServerStreams: true}, "/portcullis.v1.DecisionService/WatchVerdict", grpc.ForceCodecV2(rawCodec{}))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.SendMsg(&body)
		_ = stream.CloseSend()
		wantWire(t, stream.RecvMsg(&answer), codes.InvalidArgument, "MALFORMED_MESSAGE", "approval_id")
	})
	t.Run("without a credential", func(t *testing.T) {
		body, answer := text(1, bad), []byte(nil)
		err := r.conn.Invoke(r.as(""), "/portcullis.v1.DecisionService/Decide", &body, &answer, grpc.ForceCodecV2(rawCodec{}))
		wantWire(t, err, codes.Unauthenticated, "NO_CREDENTIAL", "")
	})
}

func TestAMarkIsOnlyOurs(t *testing.T) {
	m := &portcullisv1.DecideRequest{}
	if _, bad := marked(m); bad {
		t.Error("a message without unknown fields counts as marked")
	}
	m.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, markNumber, protowire.BytesType), []byte("guess\x00a\x00b")))
	if _, bad := marked(m); bad {
		t.Error("a mark without the nonce counts")
	}
	mark(m, defect{"a.b", "is odd"})
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	again := &portcullisv1.DecideRequest{}
	if err := proto.Unmarshal(raw, again); err != nil {
		t.Fatal(err)
	}
	if d, bad := marked(again); !bad || d != (defect{"a.b", "is odd"}) {
		t.Errorf("a mark does not survive encoding: %v %v", d, bad)
	}
}

func TestOversizedMessage(t *testing.T) {
	r := start(t, func(c *Config, _ *rig) { c.MaxMessageBytes = 1 << 16 })
	q := toolCall()
	q.Action.Content = strings.Repeat("x", 1<<17)
	_, err := r.decisions().Decide(r.as("agent"), q)
	if code, _, _ := wire(err); code != codes.ResourceExhausted {
		t.Errorf("a frame over the limit: %v", err)
	}
}

func TestDeepStructIsNamed(t *testing.T) {
	r := start(t, nil)
	s := &structpb.Struct{}
	for range 200 {
		s = &structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewStructValue(s)}}
	}
	q := toolCall()
	q.Action.Args = &portcullisv1.Action_Arguments{Arguments: s}
	_, err := r.decisions().Decide(r.as("agent"), q)
	wantWire(t, err, codes.InvalidArgument, "TOO_DEEP", "action.arguments")

	q = toolCall()
	q.Context = s
	_, err = r.decisions().Decide(r.as("agent"), q)
	wantWire(t, err, codes.InvalidArgument, "TOO_DEEP", "context")
}

func TestDeepJSONText(t *testing.T) {
	r := start(t, nil)
	q := toolCall()
	q.Action.Args = &portcullisv1.Action_ArgumentsJson{ArgumentsJson: strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)}
	_, err := r.decisions().Decide(r.as("agent"), q)
	wantWire(t, err, codes.InvalidArgument, "TOO_DEEP", "action.arguments_json")
}
