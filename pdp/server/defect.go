package server

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What can be wrong with bytes that should be a message.
const (
	problemTruncated = "the message is cut short or is no protobuf"
	problemUTF8      = "the text is not valid UTF-8"
	problemDeep      = "nested too deep"
	problemJSON      = "is not the JSON of this message"
	problemUnknown   = "there is no such field"
	problemTwice     = "is set twice"
)

// wireDefect finds the first field of a message that proto.Unmarshal refuses. It runs only after a refusal,
// reads the bytes once, and names fields, never values; what is inside a Struct is named by the Struct.
func wireDefect(md protoreflect.MessageDescriptor, data []byte) defect {
	stack := []wireFrame{{md: md, rest: data}}
	for len(stack) > 0 {
		if len(stack) > maxRecursion {
			return defect{stack[len(stack)-1].path, problemDeep}
		}
		top := &stack[len(stack)-1]
		if len(top.rest) == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		inner, problem := top.next()
		if problem != "" {
			return defect{top.at, problem}
		}
		if inner != nil {
			stack = append(stack, *inner)
		}
	}
	return defect{problem: problemTruncated}
}

// wireFrame is one message on the way down.
type wireFrame struct {
	md   protoreflect.MessageDescriptor
	path string // of the message
	at   string // of the field that was read last
	rest []byte
	seen map[protowire.Number]int // elements of lists so far
}

// next reads one field. It returns the message in it, or what is wrong with it.
func (f *wireFrame) next() (inner *wireFrame, problem string) {
	f.at = f.path
	number, kind, n := protowire.ConsumeTag(f.rest)
	if n < 0 {
		return nil, problemTruncated
	}
	fd := f.md.Fields().ByNumber(number)
	if fd != nil && !opaque(f.md) {
		f.at = f.name(fd)
	}
	body := f.rest[n:]
	size := protowire.ConsumeFieldValue(number, kind, body)
	if size < 0 {
		return nil, problemTruncated
	}
	f.rest = body[size:]
	if fd == nil || kind != protowire.BytesType {
		return nil, ""
	}
	value, _ := protowire.ConsumeBytes(body)
	switch {
	case fd.Kind() == protoreflect.StringKind && !utf8.Valid(value):
		return nil, problemUTF8
	case fd.Message() != nil:
		return &wireFrame{md: fd.Message(), path: f.at, at: f.at, rest: value}, ""
	}
	return nil, ""
}

func (f *wireFrame) name(fd protoreflect.FieldDescriptor) string {
	at := join(f.path, string(fd.Name()))
	if fd.IsList() {
		if f.seen == nil {
			f.seen = map[protowire.Number]int{}
		}
		at += "[" + strconv.Itoa(f.seen[fd.Number()]) + "]"
		f.seen[fd.Number()]++
	}
	return at
}

// opaque is true of the messages whose inside is the caller's own and is not named.
func opaque(md protoreflect.MessageDescriptor) bool {
	name := md.FullName()
	if md.IsMapEntry() {
		name = md.Parent().FullName()
	}
	switch name {
	case "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue":
		return true
	}
	return false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

var jsonPosition = regexp.MustCompile(`\(line (\d+):(\d+)\)`)

// jsonDefect says where JSON text does not fit its message. Of protojson's own error only the position and the
// sort of problem are used: its text quotes the value.
func jsonDefect(md protoreflect.MessageDescriptor, data []byte, err error) defect {
	d := defect{problem: problemJSON}
	text := err.Error()
	switch {
	case strings.Contains(text, "recursion depth"):
		d.problem = problemDeep
	case strings.Contains(text, "unknown field"):
		d.problem = problemUnknown
	case strings.Contains(text, "duplicate"):
		d.problem = problemTwice
	case strings.Contains(text, "UTF-8"):
		d.problem = problemUTF8
	}
	offset := len(data)
	if at := jsonPosition.FindStringSubmatch(text); at != nil {
		line, _ := strconv.Atoi(at[1])
		column, _ := strconv.Atoi(at[2])
		offset = byteOffset(data, line, column)
		d.problem += fmt.Sprintf(" (line %d, column %d)", line, column)
	}
	d.field = jsonField(md, data, offset)
	return d
}

// byteOffset turns protojson's position, counted from 1 in lines and characters, into an offset.
func byteOffset(data []byte, line, column int) int {
	offset := 0
	for range line - 1 {
		i := bytes.IndexByte(data[offset:], '\n')
		if i < 0 {
			return len(data)
		}
		offset += i + 1
	}
	for range column - 1 {
		_, n := utf8.DecodeRune(data[offset:])
		offset = min(offset+n, len(data))
	}
	return offset
}

// jsonField names the field that stands at an offset, as the contract spells it.
func jsonField(md protoreflect.MessageDescriptor, data []byte, offset int) string {
	dec := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for dec.InputOffset() <= int64(offset) {
		if _, err := dec.ReadToken(); err != nil {
			break
		}
	}
	path := ""
	for token := range dec.StackPointer().Tokens() {
		if _, err := strconv.Atoi(token); err == nil && path != "" {
			path += "[" + token + "]"
			continue
		}
		if md == nil {
			break
		}
		fd := md.Fields().ByJSONName(token)
		if fd == nil {
			fd = md.Fields().ByTextName(token)
		}
		if fd == nil {
			if plainName.MatchString(token) {
				path = join(path, token)
			}
			break
		}
		path = join(path, string(fd.Name()))
		if md = fd.Message(); md != nil && (opaque(md) || fd.IsMap()) {
			break
		}
	}
	return path
}

// plainName is what a misspelt field may look like to be repeated in an error.
var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)
