package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// inBoundedTime is how long a refusal may take on a busy machine.
const inBoundedTime = 5 * time.Second

// frame is a message as bytes, whatever they are.
type frame []byte

// frames sends them as they are.
type frames struct{}

func (frames) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*frame))}, nil
}

func (frames) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*frame) = data.Materialize()
	return nil
}
func (frames) Name() string { return "proto" }

// door is one method and how to get in.
type door struct {
	method string // service and method
	stream bool
	conn   *grpc.ClientConn
	token  string
	p      *pdp
}

// send gives one message to a method and takes the first answer.
func (d door) send(t *testing.T, message []byte) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), inBoundedTime)
	defer cancel()
	in, out := frame(message), frame{}
	if !d.stream {
		return d.conn.Invoke(ctx, "/portcullis.v1."+d.method, &in, &out, grpc.ForceCodecV2(frames{}))
	}
	stream, err := d.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/portcullis.v1."+d.method, grpc.ForceCodecV2(frames{}))
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&in); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(&out)
}

// post sends JSON as curl would, and gives code and message of the error, or nothing.
func (d door) post(t *testing.T, body string) (code, message string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), inBoundedTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.p.addr+"/portcullis.v1."+d.method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+d.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", d.method, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Code, Message string }
	if resp.StatusCode != http.StatusOK && json.Unmarshal(raw, &answer) != nil {
		t.Fatalf("%s: HTTP %d without an error in JSON: %s", d.method, resp.StatusCode, raw)
	}
	return answer.Code, answer.Message
}

// names demands INVALID_ARGUMENT about a field.
func names(t *testing.T, err error, field string) {
	t.Helper()
	st := status.Convert(err)
	var violations []string
	for _, d := range st.Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				violations = append(violations, v.GetField())
			}
		}
	}
	if st.Code() != codes.InvalidArgument || len(violations) == 0 || !strings.HasPrefix(violations[0], field) || !strings.Contains(st.Message(), field) {
		t.Errorf("%s about %v: %q, want INVALID_ARGUMENT about %s", st.Code(), violations, st.Message(), field)
	}
}

// doors are all methods of the contract, with a full and valid request for each.
func doors(t *testing.T, p *pdp) map[door]proto.Message {
	t.Helper()
	const id = "01890000-0000-7000-8000-000000000000"
	decide := email("s")
	decide.RequestId, decide.ApprovalId = "r1", id
	decide.Principal.Delegation = []string{"token"}
	decide.Action.Estimate = &pb.Usage{CostMicroUsd: 1, Tokens: 1}
	decide.Action.Memory = &pb.MemoryRef{Layer: "shared", Key: "k", Seal: "s"}
	decide.Action.Http = &pb.HttpRequest{Method: "GET", Url: "https://example.com/", Headers: []*pb.HttpHeader{{Name: "a", Value: "b"}}}
	by := map[string]string{"DecisionService": p.agentToken(), "ApprovalService": p.approverToken(), "AdminService": p.adminToken()}
	out := map[door]proto.Message{}
	conns := map[string]*grpc.ClientConn{}
	for method, request := range map[string]proto.Message{
		"DecisionService/Decide":        decide,
		"DecisionService/ReportOutcome": &pb.ReportOutcomeRequest{DecisionId: id, Status: pb.OutcomeStatus_OUTCOME_STATUS_FAILED, Actual: &pb.Usage{}},
		"DecisionService/WatchVerdict":  &pb.WatchVerdictRequest{ApprovalId: id},
		"ApprovalService/ListApprovals": &pb.ListApprovalsRequest{States: []pb.ApprovalState{pending}},
		"ApprovalService/GetApproval":   &pb.GetApprovalRequest{ApprovalId: id},
		"ApprovalService/SubmitVerdict": &pb.SubmitVerdictRequest{ApprovalId: id, Verdict: pb.Verdict_VERDICT_REJECT, Grant: &pb.Grant{}},
		"AdminService/GetUsage":         &pb.GetUsageRequest{},
		"AdminService/ResetBreaker":     &pb.ResetBreakerRequest{Agent: "a"},
		"AdminService/SetKillSwitch":    &pb.SetKillSwitchRequest{Agent: "a"},
	} {
		service, _, _ := strings.Cut(method, "/")
		if conns[service] == nil {
			conns[service] = p.dial(t, by[service])
		}
		out[door{method, strings.Contains(method, "/Watch"), conns[service], strings.TrimSpace(mustRead(t, by[service])), p}] = request
	}
	return out
}

// place is one field of a request.
type place struct {
	path string // as errors name it
	fd   protoreflect.FieldDescriptor
	at   func(root protoreflect.Message) protoreflect.Message // the message that holds it
}

// places lists every field of a message, the nested ones too; what is inside a Struct is the caller's own.
func places(md protoreflect.MessageDescriptor, prefix string, at func(protoreflect.Message) protoreflect.Message) []place {
	var out []place
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		path := strings.TrimPrefix(prefix+"."+string(fd.Name()), ".")
		out = append(out, place{path, fd, at})
		if fd.Message() == nil || strings.HasPrefix(string(fd.Message().FullName()), "google.protobuf.") {
			continue
		}
		if fd.IsList() {
			path += "[0]"
		}
		out = append(out, places(fd.Message(), path, func(root protoreflect.Message) protoreflect.Message {
			m := at(root)
			if !fd.IsList() {
				return m.Mutable(fd).Message()
			}
			list := m.Mutable(fd).List()
			if list.Len() == 0 {
				list.AppendMutable()
			}
			return list.Get(0).Message()
		})...)
	}
	return out
}

// put sets the field in a copy of the request.
func (pl place) put(request proto.Message, v protoreflect.Value) proto.Message {
	out := proto.Clone(request)
	m := pl.at(out.ProtoReflect())
	if !pl.fd.IsList() {
		m.Set(pl.fd, v)
		return out
	}
	list := m.Mutable(pl.fd).List()
	list.Truncate(0)
	list.Append(v)
	return out
}

const marker = "QQQQQQQQ"

// TestEveryField spoils each field of each request in each way that its type allows: it is INVALID_ARGUMENT, and the field
// is named.
func TestEveryField(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	for d, request := range doors(t, p) {
		for _, pl := range places(request.ProtoReflect().Descriptor(), "", func(m protoreflect.Message) protoreflect.Message { return m }) {
			t.Run(d.method+"/"+pl.path, func(t *testing.T) {
				t.Parallel()
				spoil(t, d, request, pl)
			})
		}
	}
}

func spoil(t *testing.T, d door, request proto.Message, pl place) {
	t.Helper()
	binary := func(m proto.Message) []byte {
		raw, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	// JSON with another text in the place of the value.
	wrong := func(v protoreflect.Value, was, is string) {
		t.Helper()
		if d.stream {
			return // JSON is for calls; streams are the same messages
		}
		raw, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(pl.put(request, v))
		if err != nil {
			t.Fatal(err)
		}
		body := strings.Replace(string(raw), was, is, 1)
		if body == string(raw) {
			t.Fatalf("no %s in %s", was, raw)
		}
		if code, message := d.post(t, body); code != "invalid_argument" || !strings.Contains(message, pl.path) {
			t.Errorf("%s: %s %q, want invalid_argument about %s", is, code, message, pl.path)
		}
	}
	switch kind := pl.fd.Kind(); kind {
	case protoreflect.StringKind:
		names(t, d.send(t, binary(pl.put(request, protoreflect.ValueOfString(strings.Repeat("x", 1_100_000))))), pl.path)
		marked := protoreflect.ValueOfString(marker)
		raw := bytes.Replace(binary(pl.put(request, marked)), []byte(marker), bytes.Repeat([]byte{0xff}, len(marker)), 1)
		names(t, d.send(t, raw), pl.path)
		wrong(marked, `"`+marker+`"`, `{"x": 1}`)
		wrong(marked, `"`+marker+`"`, `12`)
	case protoreflect.EnumKind:
		names(t, d.send(t, binary(pl.put(request, protoreflect.ValueOfEnum(99)))), pl.path)
		value := pl.fd.Enum().Values().Get(1)
		wrong(protoreflect.ValueOfEnum(value.Number()), `"`+string(value.Name())+`"`, `"NO_SUCH_NAME"`)
		wrong(protoreflect.ValueOfEnum(value.Number()), `"`+string(value.Name())+`"`, `{}`)
	case protoreflect.Int64Kind:
		names(t, d.send(t, binary(pl.put(request, protoreflect.ValueOfInt64(-1)))), pl.path)
		names(t, d.send(t, binary(pl.put(request, protoreflect.ValueOfInt64(1<<62)))), pl.path)
		wrong(protoreflect.ValueOfInt64(86_399), `"86399"`, `1.5`)
		wrong(protoreflect.ValueOfInt64(86_399), `"86399"`, `"many"`)
	case protoreflect.Int32Kind:
		names(t, d.send(t, binary(pl.put(request, protoreflect.ValueOfInt32(-1)))), pl.path)
		names(t, d.send(t, binary(pl.put(request, protoreflect.ValueOfInt32(1<<30)))), pl.path)
		wrong(protoreflect.ValueOfInt32(199), `199`, `"many"`)
		wrong(protoreflect.ValueOfInt32(199), `199`, `99999999999`)
	case protoreflect.BoolKind:
		wrong(protoreflect.ValueOfBool(true), `true`, `"yes"`)
	case protoreflect.MessageKind:
		m := pl.at(proto.Clone(request).ProtoReflect())
		if pl.fd.IsList() || d.stream {
			return // its elements are spoilt one by one
		}
		wrong(m.NewField(pl.fd), `"`+string(pl.fd.Name())+`":{}`, `"`+string(pl.fd.Name())+`":"text"`)
	case protoreflect.Uint64Kind: // a cursor: any is well-formed
	default:
		t.Fatalf("how is a %s spoilt?", kind)
	}
}
