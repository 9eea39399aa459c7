package policy

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/maphash"

	"github.com/dgraph-io/ristretto/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
)

// maxKeyBytes is the largest projection that is worth remembering.
const maxKeyBytes = 16 << 10

// Evaluator answers questions on snapshots and remembers answers. The memo exists because a policy looks at few
// fields of `input`, so that most decisions have been made before; evaluation is pure (I3), so the projection of
// `input` on what the policy can read, and the snapshot, determine the answer. Losing an entry costs time, never
// truth: ristretto may drop what it likes. Nothing invalidates an entry: another snapshot has another generation, and
// its entries age out. Answers are shared between callers and must not be changed. Safe for concurrent use.
type Evaluator struct {
	memo *ristretto.Cache[uint64, *remembered]
	seed maphash.Seed
}

type remembered struct {
	key    []byte // the whole key, compared on a hit: a collision of hashes is a miss, never a wrong answer
	answer proto.Message
}

// NewEvaluator makes an evaluator that remembers up to entries answers; 0 remembers none.
func NewEvaluator(entries int64) (*Evaluator, error) {
	e := &Evaluator{seed: maphash.MakeSeed()}
	if entries == 0 {
		return e, nil
	}
	memo, err := ristretto.NewCache(&ristretto.Config[uint64, *remembered]{
		NumCounters: 10 * entries, MaxCost: entries, BufferItems: 64, IgnoreInternalCost: true, Metrics: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make memo: %w", err)
	}
	e.memo = memo
	return e, nil
}

// Close ends the memo's worker.
func (e *Evaluator) Close() {
	if e.memo != nil {
		e.memo.Close()
	}
}

// MemoStats returns hits and misses since the start.
func (e *Evaluator) MemoStats() (hits, misses uint64) {
	if e.memo == nil {
		return 0, 0
	}
	return e.memo.Metrics.Hits(), e.memo.Metrics.Misses()
}

// Evaluate gives the decision of s on in, or a *Failure. The result must not be changed.
func (e *Evaluator) Evaluate(ctx context.Context, s *Snapshot, in Input) (*policyv1.Decision, error) {
	anew := func() (*policyv1.Decision, error) { return s.evaluate(ctx, in) }
	if e.memo == nil || s.readsArgs {
		return anew()
	}
	return recall(e, s.paths.key(s.generation, in.Input), anew)
}

// Vote says what Snapshot.Vote does. The result must not be changed.
func (e *Evaluator) Vote(ctx context.Context, s *Snapshot, in *policyv1.Input) (*policyv1.VoteRuling, error) {
	anew := func() (*policyv1.VoteRuling, error) { return s.Vote(ctx, in) }
	if e.memo == nil {
		return anew()
	}
	return recall(e, s.voteKey(in), anew)
}

// recall returns the answer that is remembered under a key, or finds and remembers it.
func recall[T proto.Message](e *Evaluator, key []byte, anew func() (T, error)) (T, error) {
	if len(key) > maxKeyBytes {
		return anew()
	}
	hash := maphash.Bytes(e.seed, key)
	if r, hit := e.memo.Get(hash); hit && bytes.Equal(r.key, key) {
		if answer, ok := r.answer.(T); ok {
			return answer, nil
		}
	}
	answer, err := anew()
	if err != nil {
		return answer, err // failures are not remembered: a deadline may hold next time
	}
	e.memo.Set(hash, &remembered{key: key, answer: answer}, 1)
	return answer, nil
}

// projection is a tree of the fields of `input` that a policy can read.
type projection struct {
	whole    bool // everything below here
	children []projectedField
}

type projectedField struct {
	field protoreflect.FieldDescriptor
	below projection
}

// newProjection builds the tree from dotted paths. A path that leaves the contract's messages reads nothing: there
// is never a value.
func newProjection(paths [][]string) projection {
	return project((&policyv1.Input{}).ProtoReflect().Descriptor(), paths)
}

func project(message protoreflect.MessageDescriptor, paths [][]string) projection {
	byField := map[protoreflect.Name][][]string{}
	for _, p := range paths {
		if len(p) == 0 || p[0] == "*" {
			return projection{whole: true}
		}
		byField[protoreflect.Name(p[0])] = append(byField[protoreflect.Name(p[0])], p[1:])
	}
	out := projection{}
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		rest, read := byField[field.Name()]
		if !read {
			continue
		}
		below := projection{whole: true}
		if field.Kind() == protoreflect.MessageKind {
			if field.IsList() {
				rest = belowElements(rest)
			}
			below = project(field.Message(), rest)
		}
		out.children = append(out.children, projectedField{field, below})
	}
	return out
}

// belowElements strips the element step of paths into a list. A path that ends at the list reads all of it.
func belowElements(paths [][]string) [][]string {
	out := make([][]string, len(paths))
	for i, p := range paths {
		if len(p) > 0 {
			out[i] = p[1:]
		}
	}
	return out
}

// voteKey is the projection of in on what any module can read: the approver policy leans on others. No snapshot has the
// generation 0, with which it begins: it is the key of no decision.
func (s *Snapshot) voteKey(in *policyv1.Input) []byte {
	key := binary.AppendUvarint(make([]byte, 0, 512), 0)
	key = binary.AppendUvarint(key, s.generation)
	return s.votePaths.appendMessage(key, in.ProtoReflect())
}

// key is the projection of in, every part with its length, so that no two inputs share one.
func (p projection) key(generation uint64, in *policyv1.Input) []byte {
	key := binary.AppendUvarint(make([]byte, 0, 512), generation)
	return p.appendMessage(key, in.ProtoReflect())
}

func (p projection) appendMessage(key []byte, m protoreflect.Message) []byte {
	if p.whole {
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			key = projectedField{fields.Get(i), projection{whole: true}}.append(key, m)
		}
		return key
	}
	for _, c := range p.children {
		key = c.append(key, m)
	}
	return key
}

func (f projectedField) append(key []byte, m protoreflect.Message) []byte {
	if !f.field.IsList() {
		return f.appendValue(key, m.Get(f.field))
	}
	list := m.Get(f.field).List()
	key = binary.AppendUvarint(key, uint64(list.Len()))
	for i := range list.Len() {
		key = f.appendValue(key, list.Get(i))
	}
	return key
}

func (f projectedField) appendValue(key []byte, v protoreflect.Value) []byte {
	switch f.field.Kind() {
	case protoreflect.MessageKind:
		if f.field == argumentsField { // never read here: Evaluate does not memoise such policies
			return key
		}
		return f.below.appendMessage(key, v.Message())
	case protoreflect.StringKind:
		key = binary.AppendUvarint(key, uint64(len(v.String())))
		return append(key, v.String()...)
	case protoreflect.BoolKind:
		if v.Bool() {
			return append(key, 1)
		}
		return append(key, 0)
	default:
		return binary.AppendVarint(key, v.Int())
	}
}

func encodeJSON(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode decision: %w", err)
	}
	return raw, nil
}

func emptyInput() *policyv1.Input {
	return &policyv1.Input{Findings: []*policyv1.Finding{}}
}
