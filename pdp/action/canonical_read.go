package action

import (
	"bytes"
	"encoding/json"
)

// canonicalAction is the canonical form, to be read back.
type canonicalAction struct {
	Arguments json.RawMessage `json:"arguments"`
	Content   string          `json:"content"`
	FromAgent string          `json:"from_agent"`
	HTTP      *struct {
		Body    string `json:"body"`
		Headers []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"headers"`
		Method string `json:"method"`
		URL    string `json:"url"`
	} `json:"http"`
	InReplyTo string `json:"in_reply_to"`
	Kind      Kind   `json:"kind"`
	Memory    *struct {
		Key   string `json:"key"`
		Layer string `json:"layer"`
		Seal  string `json:"seal"`
	} `json:"memory"`
	SchemaDigest string `json:"schema_digest"`
	Server       string `json:"server"`
	Tool         string `json:"tool"`
}

// readBounds are wide: what is read back was within bounds when it was written.
var readBounds = Bounds{MaxBytes: 64 << 20, MaxDepth: hardDepth, MaxNodes: 1 << 22, MaxStringBytes: 64 << 20}

// ReadCanonical reads what Canonical wrote. The result has the same canonical form, or there is an *Error: nothing else
// passes for the action that was written down. CallID and Estimate are not in it.
func ReadCanonical(text []byte) (*Action, error) {
	damaged := &Error{Field: "action", Reason: ReasonInvalidJSON, Detail: "is not a canonical action"}
	var c canonicalAction
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(&c) != nil {
		return nil, damaged
	}
	a := &Action{
		Kind: c.Kind, Tool: c.Tool, Server: c.Server, SchemaDigest: c.SchemaDigest,
		Content: c.Content, InReplyTo: c.InReplyTo, FromAgent: c.FromAgent,
	}
	if c.Arguments != nil {
		arguments, err := ParseArguments(string(c.Arguments), readBounds)
		if err != nil {
			return nil, err
		}
		a.Arguments, a.ArgumentsBytes = arguments, len(c.Arguments)
	}
	if m := c.Memory; m != nil {
		a.Memory = &MemoryRef{Layer: m.Layer, Key: m.Key, Seal: m.Seal}
	}
	if h := c.HTTP; h != nil {
		a.HTTP = &HTTPRequest{Method: h.Method, URL: h.URL, Body: h.Body}
		for _, header := range h.Headers {
			a.HTTP.Headers = append(a.HTTP.Headers, Header(header))
		}
	}
	again, err := a.Canonical()
	if err != nil || !bytes.Equal(again, text) {
		return nil, damaged
	}
	return a, nil
}
