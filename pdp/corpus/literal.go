package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLiteralDepth bounds nesting.
const maxLiteralDepth = 64

var (
	errLiteral     = errors.New("is neither JSON nor a Python literal of a dictionary")
	literalNumber  = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`)
	literalEscapes = map[byte]string{
		'\\': "\\", '\'': "'", '"': "\"", 'n': "\n", 't': "\t", 'r': "\r", 'b': "\b", 'f': "\f", '\n': "",
	}
	hexEscapes      = map[byte]int{'x': 2, 'u': 4, 'U': 8}
	literalKeywords = map[string]string{"True": "true", "False": "false", "None": "null"}
)

// fromLiteral rewrites the text of a Python dictionary, as InjecAgent writes arguments, as JSON. Text that is a JSON
// object already is kept.
func fromLiteral(text string) (json.RawMessage, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") && json.Valid([]byte(text)) {
		return json.RawMessage(text), nil
	}
	p := literal{rest: text}
	if !strings.HasPrefix(text, "{") || p.value(0) != nil || p.skip() != "" {
		return nil, fmt.Errorf("%w, at byte %d", errLiteral, len(text)-len(p.rest))
	}
	return json.RawMessage(p.out.String()), nil
}

// literal rewrites as it reads.
type literal struct {
	rest string
	out  strings.Builder
}

// skip passes white space and returns what is left.
func (p *literal) skip() string {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	return p.rest
}

func (p *literal) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.skip(), prefix)
	p.rest = rest
	return ok
}

func (p *literal) value(depth int) error {
	if depth > maxLiteralDepth {
		return errLiteral
	}
	switch {
	case p.take("{"):
		return p.list('{', '}', "}", func() error { return p.pair(depth) })
	case p.take("["):
		return p.list('[', ']', "]", func() error { return p.value(depth + 1) })
	case p.take("("):
		return p.list('[', ']', ")", func() error { return p.value(depth + 1) })
	case strings.HasPrefix(p.rest, "'"), strings.HasPrefix(p.rest, `"`):
		return p.text()
	}
	for python, js := range literalKeywords {
		if p.take(python) {
			p.out.WriteString(js)
			return nil
		}
	}
	number := literalNumber.FindString(p.rest)
	if number == "" {
		return errLiteral
	}
	p.out.WriteString(number)
	p.rest = p.rest[len(number):]
	return nil
}

func (p *literal) pair(depth int) error {
	p.skip()
	if err := p.text(); err != nil {
		return err
	}
	if !p.take(":") {
		return errLiteral
	}
	p.out.WriteByte(':')
	return p.value(depth + 1)
}

// list reads elements up to the end, a comma after the last one being allowed.
func (p *literal) list(open, shut byte, end string, element func() error) error {
	p.out.WriteByte(open)
	for first := true; !p.take(end); first = false {
		if !first {
			p.out.WriteByte(',')
		}
		if err := element(); err != nil {
			return err
		}
		if !p.take(",") && !strings.HasPrefix(p.skip(), end) {
			return errLiteral
		}
	}
	p.out.WriteByte(shut)
	return nil
}

// text reads a string in either kind of quotes.
func (p *literal) text() error {
	if p.rest == "" || p.rest[0] != '\'' && p.rest[0] != '"' {
		return errLiteral
	}
	quote := p.rest[0]
	p.rest = p.rest[1:]
	var s strings.Builder
	for p.rest != "" {
		c := p.rest[0]
		p.rest = p.rest[1:]
		switch c {
		case quote:
			quoted, err := json.Marshal(s.String())
			p.out.Write(quoted)
			return err
		case '\\':
			if err := p.escape(&s); err != nil {
				return err
			}
		default:
			s.WriteByte(c)
		}
	}
	return errLiteral
}

func (p *literal) escape(s *strings.Builder) error {
	if p.rest == "" {
		return errLiteral
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	if plain, ok := literalEscapes[c]; ok {
		s.WriteString(plain)
		return nil
	}
	digits, ok := hexEscapes[c]
	if !ok { // Python keeps a backslash that escapes nothing
		s.WriteByte('\\')
		s.WriteByte(c)
		return nil
	}
	if len(p.rest) < digits {
		return errLiteral
	}
	code, err := strconv.ParseUint(p.rest[:digits], 16, 32)
	if err != nil || !utf8.ValidRune(rune(code)) {
		return errLiteral
	}
	p.rest = p.rest[digits:]
	s.WriteRune(rune(code))
	return nil
}
