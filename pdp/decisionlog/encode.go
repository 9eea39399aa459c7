package decisionlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// headerBytes is more than the part of a line that only the writer knows: version, number and time.
const headerBytes = 128

// body is a line without what only the writer knows. It is encoded by the caller of Append, so that the one
// writer only copies bytes.
type body struct {
	Type     Type      `json:"type"`
	Decision *Decision `json:"decision,omitempty"`
	Verdict  *Verdict  `json:"verdict,omitempty"`
	Outcome  *Outcome  `json:"outcome,omitempty"`
	Approval *Approval `json:"approval,omitempty"`
	Admin    *Admin    `json:"admin,omitempty"`

	Observation *Observation `json:"observation,omitempty"`
}

// encode checks an entry and gives the line from its type on, newline included.
func encode(e Entry) ([]byte, error) {
	if err := check(e); err != nil {
		return nil, &Error{Reason: Invalid, Op: "append", Err: err}
	}
	b := body{e.Type, e.Decision, e.Verdict, e.Outcome, e.Approval, e.Admin, e.Observation}
	line, err := marshal(b)
	if err != nil {
		return nil, &Error{Reason: Invalid, Op: "append", Err: err}
	}
	if len(line) > maxLineBytes-headerBytes && e.Decision != nil && e.Decision.Input != nil {
		// A decision without its input still explains itself; no line at all would explain nothing.
		short := *e.Decision
		short.Input, short.InputOmitted = nil, true
		b.Decision = &short
		if line, err = marshal(b); err != nil {
			return nil, &Error{Reason: Invalid, Op: "append", Err: err}
		}
	}
	if len(line) > maxLineBytes-headerBytes {
		return nil, &Error{Reason: TooLarge, Op: "append", Err: fmt.Errorf("%d bytes, at most %d", len(line), maxLineBytes-headerBytes)}
	}
	return line, nil
}

func marshal(b body) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(b); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func check(e Entry) error {
	set := map[Type]bool{
		TypeDecision: e.Decision != nil, TypeVerdict: e.Verdict != nil, TypeOutcome: e.Outcome != nil,
		TypeApproval: e.Approval != nil, TypeAdmin: e.Admin != nil,
		TypeObservation: e.Observation != nil,
	}
	if _, known := set[e.Type]; !known {
		return fmt.Errorf("unknown type %q", e.Type)
	}
	for t, is := range set {
		if is != (t == e.Type) {
			return fmt.Errorf("an entry of type %s must hold exactly that", e.Type)
		}
	}
	if e.Decision != nil {
		return checkInput(e.Decision.Input)
	}
	return nil
}

// checkInput refuses an input that the pipeline forgot to mask (I9). Only what can hold an argument as it was
// sent is looked for; whether a derived fact says too much is for whoever masks.
func checkInput(input json.RawMessage) error {
	if input == nil {
		return nil
	}
	var held struct {
		Action struct {
			Arguments     json.RawMessage `json:"arguments"`
			ArgumentsJSON json.RawMessage `json:"arguments_json"`
			Content       json.RawMessage `json:"content"`
			HTTP          json.RawMessage `json:"http"`
		} `json:"action"`
		Views json.RawMessage `json:"views"`
	}
	if err := json.Unmarshal(input, &held); err != nil {
		return errors.New("input is not a policy input")
	}
	a := held.Action
	for name, v := range map[string]json.RawMessage{
		"action.arguments": a.Arguments, "action.arguments_json": a.ArgumentsJSON, "action.content": a.Content,
		"action.http": a.HTTP, "views": held.Views,
	} {
		switch string(v) {
		case "", "null", "{}", "[]", `""`:
		default:
			return fmt.Errorf("input.%s holds values", name)
		}
	}
	return nil
}

// appendLine puts the header before a body that encode gave.
func appendLine(dst []byte, seq uint64, at time.Time, rest []byte) []byte {
	dst = append(dst, `{"v":`...)
	dst = strconv.AppendInt(dst, Version, 10)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, `,"time":"`...)
	dst = at.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, `",`...)
	return append(dst, rest[1:]...)
}

// decode reads one line, without its newline.
func decode(line []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return Entry{}, fmt.Errorf("not a log line: %w", err)
	}
	if e.Version < 1 || e.Version > Version {
		return Entry{}, fmt.Errorf("version %d, this program reads up to %d", e.Version, Version)
	}
	if e.Seq == 0 {
		return Entry{}, errors.New("no sequence number")
	}
	return e, nil
}
