package document

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// batch is how many bytes of leaves are looked at together, and so how far apart the parts of one secret may be.
const batch = 128 << 10

// IsJSON says whether a document is one JSON value: a list or an object. Members that stand there twice are no reason
// against it, as one of them is what somebody reads.
func IsJSON(document []byte) bool {
	text := bytes.TrimSpace(document)
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return false
	}
	return jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// JSON inspects every string, number and name of a JSON document. The error says that it is none.
func (s *Scanner) JSON(ctx context.Context, document []byte) (Report, error) {
	report := Report{Bytes: int64(len(document))}
	d := jsontext.NewDecoder(bytes.NewReader(document), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	var texts []scan.Text
	size := 0
	flush := func() {
		found := s.look(ctx, texts, &report)
		if s.options.Suspicions {
			found = scan.Merge(found, scan.Suspicions(texts))
		}
		for _, f := range found {
			report.add(told(f))
		}
		s.progress(d.InputOffset())
		texts, size = texts[:0], 0
	}
	for {
		token, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return report, err
		}
		t, ok := leaf(d, token)
		if !ok {
			continue
		}
		texts = append(texts, t)
		if size += len(t.Value); size >= batch {
			flush()
		}
	}
	flush()
	hideNames(report.Findings)
	slices.SortStableFunc(report.Findings, func(a, b Finding) int { return cmp.Compare(a.Pointer, b.Pointer) })
	return report, ctx.Err()
}

// hideNames takes names out of pointers in which something was found: they would show it.
func hideNames(findings []Finding) {
	secret := map[string]bool{}
	for _, f := range findings {
		if pointer, isName := strings.CutSuffix(f.Pointer, nameSuffix); isName {
			secret[pointer[strings.LastIndexByte(pointer, '/')+1:]] = true
		}
	}
	if len(secret) == 0 {
		return
	}
	for i := range findings {
		pointer, isName := strings.CutSuffix(findings[i].Pointer, nameSuffix)
		names := strings.Split(pointer, "/")
		for j := range names {
			if secret[names[j]] {
				names[j] = "***"
			}
		}
		findings[i].Pointer = strings.Join(names, "/")
		if isName {
			findings[i].Pointer += nameSuffix
		}
	}
}

// nameSuffix ends the pointer of what a member is called.
const nameSuffix = "#key"

// leaf is the text of a token, if it has one.
func leaf(d *jsontext.Decoder, token jsontext.Token) (t scan.Text, ok bool) {
	if kind := token.Kind(); kind != '"' && kind != '0' {
		return scan.Text{}, false
	}
	pointer := d.StackPointer()
	t = scan.Text{Pointer: string(pointer), Value: token.String()}
	if kind, n := d.StackIndex(d.StackDepth()); kind == '{' && n%2 == 1 { // a name has just been read
		t.Pointer += nameSuffix
		t.Name = true
		return t, true
	}
	t.Key = key(string(pointer))
	return t, true
}

// key is what the value at a pointer is called: an item as its list. A name that would need escaping is none.
func key(pointer string) string {
	for _, name := range slices.Backward(strings.Split(pointer, "/")) {
		if _, err := strconv.Atoi(name); err == nil {
			continue
		}
		if strings.Contains(name, "~") || len(name) > 64 {
			return ""
		}
		return name
	}
	return ""
}
