package seal

import "crypto/ed25519"

// Sign signs data for a purpose with Ed25519 under the newest key, and names that key. What is signed can be checked by
// whoever has the public key; what only this server has to check, MAC does for less.
func (k *Keys) Sign(purpose string, data []byte) (keyID string, signature []byte) {
	return k.newest.id, ed25519.Sign(k.newest.signer(purpose), data)
}

// SigningKey is the id of the key that Sign uses now.
func (k *Keys) SigningKey() string { return k.newest.id }

// PublicKey is what Sign's signatures are checked with, for the same purpose and the key that they name. The error is
// ErrUnknownKey.
func (k *Keys) PublicKey(purpose, keyID string) (ed25519.PublicKey, error) {
	m := k.byID[keyID]
	if m == nil {
		return nil, ErrUnknownKey
	}
	use := [2]string{purpose, keyID}
	if known, there := k.public.Load(use); there {
		return known.(ed25519.PublicKey), nil //nolint:forcetypeassert // nothing else is stored
	}
	public, _ := m.signer(purpose).Public().(ed25519.PublicKey)
	k.public.Store(use, public)
	return public, nil
}

func (m *master) signer(purpose string) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(m.derive("ed25519", purpose))
}
