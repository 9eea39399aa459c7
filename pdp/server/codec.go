package server

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// maxRecursion bounds the nesting of messages. One level of a Struct takes two of them.
const maxRecursion = 2000

// A message that can't be decoded must be INVALID_ARGUMENT, but grpc turns an error of a codec into INTERNAL
// before any interceptor runs. So the codecs here never fail on a request: they empty the message and leave
// a mark in its unknown fields, and the validation step, which runs after authentication, refuses it. The
// mark begins with a nonce of this process, so that a client can't send one by accident; one that did would
// only refuse itself.
var markNonce = func() []byte {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails since Go 1.24
	return nonce
}()

// markNumber is the highest field number that protobuf has.
const markNumber = protowire.MaxValidNumber

// defect says what is wrong with a message, and where. Neither part holds a value of the message.
type defect struct{ field, problem string }

func mark(m proto.Message, d defect) {
	proto.Reset(m)
	payload := bytes.Join([][]byte{markNonce, []byte(d.field), []byte(d.problem)}, []byte{0})
	unknown := protowire.AppendTag(nil, markNumber, protowire.BytesType)
	m.ProtoReflect().SetUnknown(protowire.AppendBytes(unknown, payload))
}

// marked returns the defect of a message that could not be decoded.
func marked(m proto.Message) (defect, bool) {
	unknown := m.ProtoReflect().GetUnknown()
	if len(unknown) == 0 {
		return defect{}, false
	}
	number, kind, n := protowire.ConsumeTag(unknown)
	if number != markNumber || kind != protowire.BytesType {
		return defect{}, false
	}
	payload, _ := protowire.ConsumeBytes(unknown[n:])
	rest, ok := bytes.CutPrefix(payload, append(bytes.Clone(markNonce), 0))
	if !ok {
		return defect{}, false
	}
	field, problem, _ := bytes.Cut(rest, []byte{0})
	return defect{field: string(field), problem: string(problem)}, true
}

// protoCodec is grpc's own codec, but for what it does with a request that can't be decoded.
type protoCodec struct{ encoding.CodecV2 }

func newProtoCodec() protoCodec { return protoCodec{encoding.GetCodecV2(grpcproto.Name)} }

func (protoCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("decode a message: %T is no protobuf message", v)
	}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	if err := (proto.UnmarshalOptions{RecursionLimit: maxRecursion}).Unmarshal(buf.ReadOnlyData(), m); err != nil {
		mark(m, wireDefect(m.ProtoReflect().Descriptor(), buf.ReadOnlyData()))
	}
	return nil
}

// jsonCodec is the JSON of the contract as vanguard wants it. Unknown fields are refused: a misspelt
// `approval_id` that is ignored would be another question than the one that was meant.
type jsonCodec struct {
	marshal   protojson.MarshalOptions
	unmarshal protojson.UnmarshalOptions
}

func newJSONCodec() jsonCodec {
	return jsonCodec{
		// `applied: false` must be seen, so defaults are written.
		marshal:   protojson.MarshalOptions{EmitDefaultValues: true},
		unmarshal: protojson.UnmarshalOptions{RecursionLimit: maxRecursion},
	}
}

func (jsonCodec) Name() string   { return "json" }
func (jsonCodec) IsBinary() bool { return false }

func (c jsonCodec) MarshalAppend(b []byte, m proto.Message) ([]byte, error) {
	return c.marshal.MarshalAppend(b, m)
}

func (c jsonCodec) MarshalAppendStable(b []byte, m proto.Message) ([]byte, error) {
	return c.marshal.MarshalAppend(b, m)
}

func (c jsonCodec) Unmarshal(data []byte, m proto.Message) error {
	if m == nil {
		return errors.New("decode JSON: no message")
	}
	if err := c.unmarshal.Unmarshal(data, m); err != nil {
		mark(m, jsonDefect(m.ProtoReflect().Descriptor(), data, err))
	}
	return nil
}
