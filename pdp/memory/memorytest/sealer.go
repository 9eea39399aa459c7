package memorytest

import (
	"bytes"
	"errors"
)

// Sealer hides nothing, and opens only what it has made for the same purpose and owner.
type Sealer struct{}

// Encrypt marks a text with what it is for.
func (Sealer) Encrypt(purpose string, associatedData, plaintext []byte) ([]byte, error) {
	return bytes.Join([][]byte{[]byte(purpose), associatedData, plaintext}, []byte("|")), nil
}

// Decrypt takes the mark off.
func (Sealer) Decrypt(purpose string, associatedData, blob []byte) ([]byte, error) {
	text, ours := bytes.CutPrefix(blob, bytes.Join([][]byte{[]byte(purpose), associatedData, nil}, []byte("|")))
	if !ours {
		return nil, errors.New("not sealed for this")
	}
	return text, nil
}
