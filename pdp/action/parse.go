package action

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds is what arguments may be at most. A field that is zero or less takes its default.
type Bounds struct {
	MaxBytes       int // of the whole text
	MaxDepth       int // levels of objects and arrays; the top level is 1
	MaxNodes       int // values of any sort, the top level included
	MaxStringBytes int // of one string or key, unescaped
}

// The hard bounds. No setting lifts them: the code below, and what reads the values later, recurses, and
// one pointer is built for each value.
const (
	hardDepth       = 512
	maxPointerBytes = 1024 // of all keys that lead to one value, escaped
)

const fieldArguments = "arguments"

// DefaultBounds are 1 MiB, 64 levels, 50,000 values and strings as long as the text.
func DefaultBounds() Bounds {
	return Bounds{MaxBytes: 1 << 20, MaxDepth: 64, MaxNodes: 50_000, MaxStringBytes: 1 << 20}
}

func (b Bounds) withDefaults() Bounds {
	d := DefaultBounds()
	for _, f := range []struct{ have, def *int }{
		{&b.MaxBytes, &d.MaxBytes},
		{&b.MaxDepth, &d.MaxDepth},
		{&b.MaxNodes, &d.MaxNodes},
		{&b.MaxStringBytes, &d.MaxStringBytes},
	} {
		if *f.have <= 0 {
			*f.have = *f.def
		}
	}
	b.MaxDepth = min(b.MaxDepth, hardDepth)
	return b
}

// ParseArguments reads the arguments of an action. It is stricter than RFC 8259 wherever two readers could
// differ: the top level is an object; empty text, a byte-order mark, duplicate keys, NaN, lone surrogates,
// invalid UTF-8, text after the object, and numbers above the bounds of NormaliseNumber are refused. So is
// U+0000, in keys and values: a tool written in C stops reading there, and what would be inspected is not
// what would be done.
//
// Numbers come back in their one spelling, so that FromMap gives an equal result for an equal value. Any
// error is an *Error.
func ParseArguments(text string, b Bounds) (map[string]any, error) {
	b = b.withDefaults()
	switch {
	case len(text) > b.MaxBytes:
		return nil, refuse(ReasonTooLarge, fmt.Sprintf("more than %d bytes", b.MaxBytes))
	case strings.HasPrefix(text, "\ufeff"):
		return nil, refuse(ReasonByteOrderMark, "the text begins with a byte-order mark")
	case !utf8.ValidString(text):
		return nil, refuse(ReasonInvalidUTF8, "the text is not valid UTF-8")
	case strings.Trim(text, " \t\r\n") == "":
		return nil, refuse(ReasonEmpty, "the text is empty")
	}
	r := reader{dec: jsontext.NewDecoder(bytes.NewBuffer([]byte(text))), budget: budget{b: b}}
	if kind := r.dec.PeekKind(); kind != '{' {
		if _, err := r.dec.ReadToken(); err != nil {
			return nil, r.syntax(err)
		}
		return nil, refuse(ReasonNotAnObject, "the top level is not an object")
	}
	v, err := r.value(0, 0)
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, refuse(ReasonTrailingText, "there is text after the object")
	}
	return v.(map[string]any), nil
}

func refuse(reason, detail string) *Error {
	return &Error{Field: fieldArguments, Reason: reason, Detail: detail}
}

// budget counts what both ways of reading arguments have in common.
type budget struct {
	b     Bounds
	nodes int
}

// node accounts for one value at a depth (0 is the top level itself), behind keys of so many bytes.
func (g *budget) node(depth, pointer int) *Error {
	g.nodes++
	switch {
	case g.nodes > g.b.MaxNodes:
		return refuse(ReasonTooManyNodes, fmt.Sprintf("more than %d values", g.b.MaxNodes))
	case depth > g.b.MaxDepth:
		return refuse(ReasonTooDeep, fmt.Sprintf("more than %d levels", g.b.MaxDepth))
	case pointer > maxPointerBytes:
		return refuse(ReasonPathTooLong, fmt.Sprintf("the keys that lead to a value have more than %d bytes", maxPointerBytes))
	}
	return nil
}

func (g *budget) text(s string) *Error {
	switch {
	case len(s) > g.b.MaxStringBytes:
		return refuse(ReasonStringTooLong, fmt.Sprintf("a string has more than %d bytes", g.b.MaxStringBytes))
	case strings.IndexByte(s, 0) >= 0:
		return refuse(ReasonNUL, "a string holds the character U+0000")
	}
	return nil
}

// keyBytes is what a key adds to a pointer: a slash, and one more byte for each character to escape.
func keyBytes(key string) int {
	return 1 + len(key) + strings.Count(key, "~") + strings.Count(key, "/")
}

func indexBytes(i int) int { return 1 + len(strconv.Itoa(i)) }

type reader struct {
	dec *jsontext.Decoder
	budget
}

func (r *reader) value(depth, pointer int) (any, error) {
	tok, err := r.dec.ReadToken()
	if err != nil {
		return nil, r.syntax(err)
	}
	kind := tok.Kind()
	if kind == '{' || kind == '[' {
		depth++
	}
	if err := r.node(depth, pointer); err != nil {
		return nil, err
	}
	switch kind {
	case 'n':
		return nil, nil
	case 't', 'f':
		return kind == 't', nil
	case '"':
		s := tok.String()
		if err := r.text(s); err != nil {
			return nil, err
		}
		return s, nil
	case '0':
		n, err := NormaliseNumber(tok.String())
		if err != nil {
			return nil, asArgument(err)
		}
		return n, nil
	case '[':
		return r.array(depth, pointer)
	default:
		return r.object(depth, pointer)
	}
}

func (r *reader) array(depth, pointer int) (any, error) {
	list := []any{}
	for r.dec.PeekKind() != ']' {
		v, err := r.value(depth, pointer+indexBytes(len(list)))
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, r.syntax(err)
	}
	return list, nil
}

func (r *reader) object(depth, pointer int) (any, error) {
	members := map[string]any{}
	for r.dec.PeekKind() != '}' {
		tok, err := r.dec.ReadToken()
		if err != nil {
			return nil, r.syntax(err)
		}
		key := tok.String()
		if err := r.text(key); err != nil {
			return nil, err
		}
		v, err := r.value(depth, pointer+keyBytes(key))
		if err != nil {
			return nil, err
		}
		members[key] = v
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, r.syntax(err)
	}
	return members, nil
}

// syntax names what the tokeniser found. Its own message is dropped: it may quote the text.
func (r *reader) syntax(err error) *Error {
	offset := r.dec.InputOffset()
	var at *jsontext.SyntacticError
	if errors.As(err, &at) {
		offset = at.ByteOffset
	}
	where := fmt.Sprintf(" near byte %d", offset)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return refuse(ReasonDuplicateKey, "an object names a member twice"+where)
	case at != nil && at.Err != nil && strings.Contains(at.Err.Error(), "surrogate"):
		return refuse(ReasonLoneSurrogate, "a surrogate half is escaped alone"+where)
	}
	return refuse(ReasonInvalidJSON, "the text is not JSON"+where)
}

// asArgument lays an error about a number at the door of the arguments.
func asArgument(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return refuse(e.Reason, e.Detail)
	}
	return err
}

// FromMap reads arguments that came as a Struct: the same checks and, for the same value, the same result as
// ParseArguments, in a copy. Leaves may be string, bool, nil, float64 and json.Number. A float64 becomes the
// shortest decimal that reads back as it. The bytes that count are those of the compact JSON text. A nil map
// is an empty object: where none was sent there is nothing to call this with.
func FromMap(m map[string]any, b Bounds) (map[string]any, error) {
	c := copier{budget: budget{b: b.withDefaults()}}
	v, err := c.value(m, 0, 0)
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}

type copier struct {
	budget
	bytes int
}

// spend counts bytes of the compact text as they are met, so that a refusal costs no more than the bound.
func (c *copier) spend(n int) *Error {
	if c.bytes += n; c.bytes > c.b.MaxBytes {
		return refuse(ReasonTooLarge, fmt.Sprintf("more than %d bytes", c.b.MaxBytes))
	}
	return nil
}

func (c *copier) str(s string) *Error {
	if err := c.spend(len(s) + 2); err != nil {
		return err
	}
	if !utf8.ValidString(s) {
		return refuse(ReasonInvalidUTF8, "a string is not valid UTF-8")
	}
	return c.text(s)
}

func (c *copier) value(v any, depth, pointer int) (any, error) {
	switch v.(type) {
	case map[string]any, []any:
		depth++
	}
	if err := c.node(depth, pointer); err != nil {
		return nil, err
	}
	if err := c.spend(1); err != nil { // a comma or a bracket
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return nil, orNil(c.spend(4))
	case bool:
		return v, orNil(c.spend(4))
	case string:
		return v, orNil(c.str(v))
	case float64:
		n, err := numberFromFloat(v)
		return c.number(n, err)
	case json.Number:
		n, err := NormaliseNumber(string(v))
		return c.number(n, err)
	case []any:
		list := make([]any, 0, len(v))
		for i, item := range v {
			w, err := c.value(item, depth, pointer+indexBytes(i))
			if err != nil {
				return nil, err
			}
			list = append(list, w)
		}
		return list, nil
	case map[string]any:
		return c.object(v, depth, pointer)
	}
	return nil, refuse(ReasonUnsupportedType, "a value has a type that JSON does not have")
}

func (c *copier) number(n json.Number, err error) (any, error) {
	if err != nil {
		return nil, asArgument(err)
	}
	return n, orNil(c.spend(len(n)))
}

func (c *copier) object(v map[string]any, depth, pointer int) (any, error) {
	// A map that is over the bound is refused before its keys are sorted.
	if c.nodes+len(v) > c.b.MaxNodes {
		return nil, refuse(ReasonTooManyNodes, fmt.Sprintf("more than %d values", c.b.MaxNodes))
	}
	keys := make([]string, 0, len(v))
	for k := range v {
		keys = append(keys, k)
	}
	slices.Sort(keys) // which of two faults is named must not depend on the order of a map
	members := make(map[string]any, len(v))
	for _, key := range keys {
		if err := c.str(key); err != nil {
			return nil, err
		}
		w, err := c.value(v[key], depth, pointer+keyBytes(key))
		if err != nil {
			return nil, err
		}
		members[key] = w
	}
	return members, nil
}

// orNil keeps a nil *Error from becoming an error that is not nil.
func orNil(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}
