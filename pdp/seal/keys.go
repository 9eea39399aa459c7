package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sync"
)

// blobVersion begins every blob and MAC. Another layout gets another number.
const blobVersion = 1

// nonceTag is what AES-GCM adds: a random 96-bit nonce and a 128-bit tag.
const nonceTag = 12 + 16

// Keys are the master keys of one key file. They do not change once loaded and are safe for concurrent use. They
// print as nothing but their type.
type Keys struct {
	newest *master
	byID   map[string]*master
	public sync.Map // [2]string of purpose and key id → ed25519.PublicKey: working one out costs as much as a signature
}

type master struct {
	id     string
	secret []byte
}

// Format keeps the keys out of every log and panic text, whatever the verb.
func (k *Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "seal.Keys") }

// Format does the same for one key.
func (m *master) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "seal.key") }

// derive makes the key for one use. The parts are length-prefixed, so that no two uses share an info string.
func (m *master) derive(use string, parts ...string) []byte {
	info := frame([]byte("portcullis/seal/v1"), use)
	for _, p := range parts {
		info = frame(info, p)
	}
	key, err := hkdf.Key(sha256.New, m.secret, nil, string(info), keyBytes)
	if err != nil { // only for a length that SHA-256 cannot give
		panic(fmt.Sprintf("derive key: %v", err))
	}
	return key
}

func (m *master) aead(purpose string) cipher.AEAD {
	block, err := aes.NewCipher(m.derive("aead", purpose))
	if err != nil { // only for a wrong key length
		panic(fmt.Sprintf("make cipher: %v", err))
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil { // only for a cipher that is not AES
		panic(fmt.Sprintf("make cipher: %v", err))
	}
	return gcm
}

// header is the version and the key's id, which stand in clear before what was made with it.
func (m *master) header() []byte {
	return append([]byte{blobVersion, byte(len(m.id))}, m.id...)
}

// Encrypt seals plaintext with AES-256-GCM under the newest key of this purpose. associatedData is not stored: who
// decrypts must know it.
func (k *Keys) Encrypt(purpose string, associatedData, plaintext []byte) ([]byte, error) {
	head := k.newest.header()
	return k.newest.aead(purpose).Seal(head, nil, plaintext, slices.Concat(head, associatedData)), nil
}

// Decrypt opens what Encrypt made for the same purpose and associated data. The error is an *Error: MALFORMED,
// UNKNOWN_KEY or FORGED.
func (k *Keys) Decrypt(purpose string, associatedData, blob []byte) ([]byte, error) {
	m, body, err := k.open(blob)
	if err != nil {
		return nil, err
	}
	if len(body) < nonceTag {
		return nil, ErrMalformed
	}
	plaintext, err := m.aead(purpose).Open(nil, nil, body, slices.Concat(m.header(), associatedData))
	if err != nil {
		return nil, ErrForged
	}
	return plaintext, nil
}

// MAC authenticates data for a purpose, with HMAC-SHA-256 under the newest key.
func (k *Keys) MAC(purpose string, data []byte) []byte {
	m := k.newest
	return append(m.header(), m.mac("mac", purpose, data)...)
}

// Verify says whether MAC made mac for the same purpose and data, in constant time. The error is an *Error:
// MALFORMED, UNKNOWN_KEY or FORGED.
func (k *Keys) Verify(purpose string, data, mac []byte) error {
	m, body, err := k.open(mac)
	if err != nil {
		return err
	}
	if len(body) != sha256.Size {
		return ErrMalformed
	}
	if !hmac.Equal(body, m.mac("mac", purpose, data)) {
		return ErrForged
	}
	return nil
}

// Fingerprint names a text to who holds the key and to nobody else: 16 hex digits, the same for the same text and
// tenant until the key rotates. It is for telling findings apart, not for proving anything.
func (k *Keys) Fingerprint(tenant, text string) string {
	return hex.EncodeToString(k.newest.mac("fingerprint", tenant, []byte(text))[:8])
}

func (m *master) mac(use, purpose string, data []byte) []byte {
	h := hmac.New(sha256.New, m.derive(use, purpose))
	_, _ = h.Write(data)
	return h.Sum(nil)
}

// open reads the header and returns its key and what follows.
func (k *Keys) open(blob []byte) (*master, []byte, error) {
	if len(blob) < 2 || blob[0] != blobVersion {
		return nil, nil, ErrMalformed
	}
	end := 2 + int(blob[1])
	if len(blob) < end || !validID(string(blob[2:end])) {
		return nil, nil, ErrMalformed
	}
	m := k.byID[string(blob[2:end])]
	if m == nil {
		return nil, nil, ErrUnknownKey
	}
	return m, blob[end:], nil
}

func frame(to []byte, part string) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(part))), part...)
}
