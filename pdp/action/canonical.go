package action

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// DigestPrefix names the version of the canonical form. A new form is a new prefix.
const DigestPrefix = "pc1:"

// Canonical returns the canonical action: one JSON object, members sorted by UTF-16 code units and strings
// escaped as RFC 8785 says, numbers as NormaliseNumber spells them. Every field counts but CallID, Estimate
// and ArgumentsBytes.
//
// A field that is absent is left out. The scalar fields of the contract are proto3 strings, which cannot say
// whether an empty one was sent: there empty is absent. Memory, HTTP and Arguments can: `{}` is not the same
// as nothing, and inside the arguments null, missing and empty are three things. U+0000 is refused
// everywhere but in Content and in the body of an HTTP request, invalid UTF-8 everywhere. An error is an
// *Error.
func (a *Action) Canonical() ([]byte, error) {
	if !a.Kind.Valid() {
		return nil, &Error{Field: "kind", Reason: ReasonInvalidKind, Detail: "not a kind of action"}
	}
	w := writer{buf: make([]byte, 0, 256+a.ArgumentsBytes+len(a.Content))}
	// The members in sorted order. A test holds this order against sortKeys.
	w.open('{')
	if a.Arguments != nil {
		w.member(fieldArguments)
		w.field = fieldArguments
		w.arguments(a.Arguments)
	}
	w.optional("content", "content", a.Content, true)
	w.optional("from_agent", "from_agent", a.FromAgent, false)
	if a.HTTP != nil {
		w.member("http")
		w.http(a.HTTP)
	}
	w.optional("in_reply_to", "in_reply_to", a.InReplyTo, false)
	w.optional("kind", "kind", string(a.Kind), false)
	if a.Memory != nil {
		w.member("memory")
		w.open('{')
		w.optional("key", "memory.key", a.Memory.Key, false)
		w.optional("layer", "memory.layer", a.Memory.Layer, false)
		w.optional("seal", "memory.seal", a.Memory.Seal, false)
		w.close('}')
	}
	w.optional("schema_digest", "schema_digest", a.SchemaDigest, false)
	w.optional("server", "server", a.Server, false)
	w.optional("tool", "tool", a.Tool, false)
	w.close('}')
	if w.err != nil {
		return nil, w.err
	}
	return w.buf, nil
}

// Digest returns `pc1:` and the lower-case hex SHA-256 of Canonical.
func (a *Action) Digest() (string, error) {
	text, err := a.Canonical()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return DigestPrefix + hex.EncodeToString(sum[:]), nil
}

// CanonicalArguments returns the canonical text of arguments alone: what Canonical puts in for them. Its
// length is the size of arguments that did not come as text.
func CanonicalArguments(arguments map[string]any) ([]byte, error) {
	w := writer{field: fieldArguments}
	w.arguments(arguments)
	if w.err != nil {
		return nil, w.err
	}
	return w.buf, nil
}

// writer writes canonical JSON. The first error stays, and nothing more is written after it.
type writer struct {
	buf   []byte
	field string // what an error is about
	comma bool   // whether the next member or item needs one before it
	err   *Error
}

func (w *writer) open(c byte)  { w.buf, w.comma = append(w.buf, c), false }
func (w *writer) close(c byte) { w.buf, w.comma = append(w.buf, c), true }

func (w *writer) separate() {
	if w.comma {
		w.buf = append(w.buf, ',')
	}
	w.comma = true
}

func (w *writer) member(name string) {
	w.separate()
	w.buf = appendString(w.buf, name)
	w.buf = append(w.buf, ':')
}

// optional writes a field of the contract, unless it is empty.
func (w *writer) optional(name, field, value string, nulAllowed bool) {
	if value == "" {
		return
	}
	w.member(name)
	w.field = field
	w.text(value, nulAllowed)
}

func (w *writer) fail(reason, detail string) {
	if w.err == nil {
		w.err = &Error{Field: w.field, Reason: reason, Detail: detail}
	}
}

func (w *writer) text(s string, nulAllowed bool) {
	switch {
	case w.err != nil:
	case !utf8.ValidString(s):
		w.fail(ReasonInvalidUTF8, "a string is not valid UTF-8")
	case !nulAllowed && strings.IndexByte(s, 0) >= 0:
		w.fail(ReasonNUL, "a string holds the character U+0000")
	default:
		w.buf = appendString(w.buf, s)
	}
}

func (w *writer) http(h *HTTPRequest) {
	w.open('{')
	w.optional("body", "http.body", h.Body, true)
	if len(h.Headers) > 0 {
		w.member("headers")
		w.open('[')
		for _, header := range h.Headers {
			w.separate()
			w.open('{')
			w.optional("name", "http.headers", header.Name, false)
			w.optional("value", "http.headers", header.Value, false)
			w.close('}')
		}
		w.close(']')
	}
	w.optional("method", "http.method", h.Method, false)
	w.optional("url", "http.url", h.URL, false)
	w.close('}')
}

func (w *writer) arguments(v any) {
	if _, ok := v.(map[string]any); !ok {
		w.fail(ReasonNotAnObject, "the top level is not an object")
		return
	}
	w.value(v, 0)
}

func (w *writer) value(v any, depth int) {
	if w.err != nil {
		return
	}
	if depth > hardDepth {
		w.fail(ReasonTooDeep, "too many levels")
		return
	}
	switch v := v.(type) {
	case nil:
		w.buf = append(w.buf, "null"...)
	case bool:
		if v {
			w.buf = append(w.buf, "true"...)
		} else {
			w.buf = append(w.buf, "false"...)
		}
	case string:
		w.text(v, false)
	case json.Number:
		n, err := NormaliseNumber(string(v))
		if err != nil {
			w.fail(numberReason(err), "a number is out of bounds, or is none")
			return
		}
		w.buf = append(w.buf, n...)
	case []any:
		w.open('[')
		for _, item := range v {
			w.separate()
			w.value(item, depth+1)
		}
		w.close(']')
	case map[string]any:
		w.open('{')
		for _, key := range sortedKeys(v) {
			w.separate()
			w.text(key, false)
			w.buf = append(w.buf, ':')
			w.value(v[key], depth+1)
		}
		w.close('}')
	default:
		w.fail(ReasonUnsupportedType, "a value has a type that JSON does not have")
	}
}

// sortedKeys are the keys of an object in the order of RFC 8785: by UTF-16 code units.
func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareUTF16)
	return keys
}

// compareUTF16 differs from comparing bytes only where a character above U+FFFF, whose code units begin at
// D800, meets one from U+E000 to U+FFFF.
func compareUTF16(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == b[i] {
			continue
		}
		// F0 and up begin a character above U+FFFF; EE and EF one from U+E000 to U+FFFF.
		if x, y := a[i], b[i]; x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
			return int(y) - int(x)
		}
		return int(a[i]) - int(b[i])
	}
	return len(a) - len(b)
}

const hexDigits = "0123456789abcdef"

// appendString writes s as RFC 8785 section 3.2.2.2 does: the short escapes, \u00xx below U+0020, and all
// else as it is.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\r':
			dst = append(dst, `\r`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
