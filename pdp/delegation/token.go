package delegation

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Token is one link: that Issuer lets Holder act for it, within Rights.
type Token struct {
	Version int    `json:"v"`
	ID      string `json:"jti"`
	Tenant  string `json:"ten"`
	Issuer  string `json:"iss"`           // the agent that delegates
	Holder  string `json:"sub"`           // the agent that may act
	Parent  string `json:"par,omitempty"` // digest of the token before; empty for the first
	Rights
	IssuedAt  int64 `json:"iat"` // seconds since 1970
	NotBefore int64 `json:"nbf,omitempty"`
	Expires   int64 `json:"exp"`
}

// ExpiresAt is when the token ends.
func (t *Token) ExpiresAt() time.Time { return time.Unix(t.Expires, 0).UTC() }

const (
	version = 1
	// MaxTokenBytes is what the contract takes.
	MaxTokenBytes = 8 << 10
	purpose       = "delegation"
	tokenType     = "portcullis-delegation"
)

// Keys sign and know their public halves: pdp/seal.
type Keys interface {
	SigningKey() string
	Sign(purpose string, data []byte) (keyID string, signature []byte)
	PublicKey(purpose, keyID string) (ed25519.PublicKey, error)
}

// opaque lets go-jose have a signature made without having the key.
type opaque struct{ keys Keys }

func (o opaque) Public() *jose.JSONWebKey {
	return &jose.JSONWebKey{KeyID: o.keys.SigningKey()}
}

func (opaque) Algs() []jose.SignatureAlgorithm { return []jose.SignatureAlgorithm{jose.EdDSA} }

func (o opaque) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	_, signature := o.keys.Sign(purpose, payload)
	return signature, nil
}

// sign writes a token in compact form.
func sign(keys Keys, t *Token) (string, error) {
	payload, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("encode delegation: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: opaque{keys}}, (&jose.SignerOptions{}).WithType(tokenType))
	if err != nil {
		return "", fmt.Errorf("make the signer of delegations: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign delegation: %w", err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("write delegation: %w", err)
	}
	if len(raw) > MaxTokenBytes {
		return "", fail(Refused, 0, "the token would have more than 8 KiB: name fewer tools")
	}
	return raw, nil
}

// open reads a token and checks its signature, and nothing else.
func open(keys Keys, raw string) (*Token, error) {
	if len(raw) > MaxTokenBytes {
		return nil, fail(Malformed, 0, "more than 8 KiB")
	}
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil || len(signed.Signatures) != 1 {
		return nil, fail(Malformed, 0, "no JWS in compact form with EdDSA")
	}
	header := signed.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != tokenType {
		return nil, fail(Malformed, 0, "not of the type of a delegation")
	}
	public, err := keys.PublicKey(purpose, header.KeyID)
	if err != nil {
		return nil, fail(UnknownKey, 0, "signed with a key that is not in the key file")
	}
	payload, err := signed.Verify(public)
	if err != nil {
		return nil, fail(Forged, 0, "the signature does not fit")
	}
	t := &Token{}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields() // a later version may have said something that narrows
	if err := decoder.Decode(t); err != nil || t.Version != version {
		return nil, fail(Malformed, 0, "written by another version")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fail(Malformed, 0, "something follows the claims")
	}
	return t, nil
}

// Peek reads a token without checking anything: for people who want to see what stands in it.
func Peek(raw string) (*Token, error) {
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return nil, fail(Malformed, 0, "no JWS in compact form with EdDSA")
	}
	t := &Token{}
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), t); err != nil {
		return nil, fail(Malformed, 0, "no claims of a delegation")
	}
	return t, nil
}

// digest names a token as it was signed.
func digest(raw string) string {
	sum := sha256.Sum256([]byte(raw))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
