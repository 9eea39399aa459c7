package scan

import (
	"bytes"
	"crypto/sha256"
	"strings"
)

// The alphabets of base 58: that of Bitcoin and most others, and that of the XRP Ledger.
const (
	base58Bitcoin = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	base58XRP     = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
)

// A text in base 58 of more characters is none that is checked here: 52 are a private key of 38 bytes.
const (
	maxBase58      = 52
	base58Checksum = 4 // bytes
)

// validBase58Check says whether a text holds bytes of which the last four are the begin of the double SHA-256 of the others
// (Bitcoin wiki: Base58Check encoding).
func validBase58Check(match, alphabet string) bool {
	var room [maxBase58]byte
	raw := fromBase58(match, alphabet, &room)
	n := len(raw) - base58Checksum
	if n < 1 {
		return false
	}
	once := sha256.Sum256(raw[:n])
	twice := sha256.Sum256(once[:])
	return bytes.Equal(raw[n:], twice[:base58Checksum])
}

// fromBase58 is the bytes that a text stands for; each leading zero is a byte of its own. Nil if it is none.
func fromBase58(text, alphabet string, number *[maxBase58]byte) []byte {
	if len(text) > maxBase58 {
		return nil
	}
	first := len(number) // where the number begins
	for i := range len(text) {
		carry := strings.IndexByte(alphabet, text[i])
		if carry < 0 {
			return nil
		}
		for at := len(number) - 1; at >= first || carry > 0; at-- {
			carry += 58 * int(number[at])
			number[at] = byte(carry)
			carry >>= 8
			first = min(first, at)
		}
	}
	for i := 0; i < len(text) && text[i] == alphabet[0]; i++ {
		first--
	}
	return number[first:]
}

// What bech32 is made of (BIP 173), and the constants that its check and that of bech32m (BIP 350) come to.
const (
	bech32Alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	bech32One      = 1
	bech32mOne     = 0x2bc830a3
	bech32Checksum = 6 // characters
	// maxBech32 is more than BIP 173 allows, as Cardano does.
	maxBech32       = 108
	maxBech32Prefix = 15
)

// validBech32 says whether a text is a prefix of a few letters and digits, a 1, and data with a checksum of either kind; all of it in one case.
func validBech32(match string) bool {
	var room [maxBech32]byte
	lower := room[:copy(room[:], match)]
	small, capital := false, false
	for i, c := range lower {
		small = small || c >= 'a' && c <= 'z'
		if isUpper(c) {
			capital = true
			lower[i] = c - 'A' + 'a'
		}
	}
	one := bytes.LastIndexByte(lower, '1')
	if len(match) > maxBech32 || small && capital || one < 1 || one > maxBech32Prefix || len(lower)-one-1 < bech32Checksum {
		return false
	}
	check := uint32(1)
	step := func(v byte) {
		top := check >> 25
		check = check&0x1ffffff<<5 ^ uint32(v)
		for i, generator := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				check ^= generator
			}
		}
	}
	for i := range one {
		if !isAlnum(lower[i]) {
			return false
		}
		step(lower[i] >> 5)
	}
	step(0)
	for i := range one {
		step(lower[i] & 31)
	}
	for i := one + 1; i < len(lower); i++ {
		v := strings.IndexByte(bech32Alphabet, lower[i])
		if v < 0 {
			return false
		}
		step(byte(v))
	}
	return check == bech32One || check == bech32mOne
}
