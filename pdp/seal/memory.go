package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

const (
	// memoryPrefix names the kind and version of a token.
	memoryPrefix = "pms1."
	// maxTokenBytes is what the contract lets a caller send back.
	maxTokenBytes = 8192
	memoryPurpose = "memory-seal"
)

// MemoryClaims is what a memory seal vouches for: that this PDP allowed exactly this item to be written there.
type MemoryClaims struct {
	Tenant        string    `json:"tenant"`
	Agent         string    `json:"agent"`
	Session       string    `json:"session"`
	Layer         string    `json:"layer"`
	Key           string    `json:"key"`
	ContentDigest string    `json:"content_digest"`
	Labels        []string  `json:"labels,omitempty"` // what the session had seen by then
	Created       time.Time `json:"created"`
	Expires       time.Time `json:"expires"`
	Sequence      uint64    `json:"sequence"`
}

// Expired says whether the item is too old at now. Claims without an expiry have expired.
func (c MemoryClaims) Expired(now time.Time) bool { return !now.Before(c.Expires) }

// b64 takes one spelling of a text only: no padding, no loose bits at the end.
var b64 = base64.RawURLEncoding.Strict()

// SealMemory makes an opaque token of the claims: `pms1.`, the claims and a MAC. It hides nothing; the claims hold
// no content. The error is ErrTooLarge if the token would be longer than the contract lets a caller send back.
func (k *Keys) SealMemory(claims MemoryClaims) (string, error) {
	claims.Created, claims.Expires = claims.Created.UTC(), claims.Expires.UTC()
	raw, err := json.Marshal(claims)
	if err != nil {
		return "", &Error{Malformed, "the claims of a memory item cannot be written"}
	}
	signed := memoryPrefix + b64.EncodeToString(raw)
	token := signed + "." + b64.EncodeToString(k.MAC(memoryPurpose, []byte(signed)))
	if len(token) > maxTokenBytes {
		return "", ErrTooLarge
	}
	return token, nil
}

// OpenMemory returns the claims of a token that this PDP made and nobody changed. Whether it is for this caller,
// place and content, and still good (Expired), is for the caller to compare. The error is an *Error: MALFORMED,
// UNKNOWN_KEY or FORGED.
func (k *Keys) OpenMemory(token string) (MemoryClaims, error) {
	if len(token) > maxTokenBytes || !strings.HasPrefix(token, memoryPrefix) {
		return MemoryClaims{}, ErrMalformed
	}
	dot := strings.LastIndexByte(token, '.')
	signed, tail := token[:dot], token[dot+1:]
	// base64 skips line breaks: a token with one would be a second spelling of the same seal.
	if dot < len(memoryPrefix) || strings.ContainsAny(token, "\r\n") {
		return MemoryClaims{}, ErrMalformed
	}
	mac, err := b64.DecodeString(tail)
	if err != nil {
		return MemoryClaims{}, ErrMalformed
	}
	if err := k.Verify(memoryPurpose, []byte(signed), mac); err != nil {
		return MemoryClaims{}, err
	}
	raw, err := b64.DecodeString(signed[len(memoryPrefix):])
	if err != nil {
		return MemoryClaims{}, ErrMalformed
	}
	var claims MemoryClaims
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields() // a newer version's claim must not be ignored
	if err := dec.Decode(&claims); err != nil {
		return MemoryClaims{}, ErrMalformed
	}
	return claims, nil
}
