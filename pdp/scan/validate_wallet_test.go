package scan

import (
	"strings"
	"testing"
)

func TestWalletChecksums(t *testing.T) {
	for name, texts := range map[string][]string{
		"base58check": {
			"1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
			"1111111111111111111114oLvT2", // 20 bytes of zero
			"5JrUR7GBmCDoPNCLMAMoMvryYvzLPGgxKfYVq6DaZkLfQoBRMb1", "KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617",
			"TJRabPrwbZy45sbavfcjinPJC18kjpRTv8",
		},
		"base58check_xrp": {"rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh", "rrrrrrrrrrrrrrrrrrrrrhoLvTp"},
		// From BIP 173 and BIP 350.
		"bech32": {
			"A12UEL5L", "a12uel5l", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
			"11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247j", "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
			"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
			"A1LQFN3A", "a1lqfn3a", "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx", "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
			"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y", "BC1SW50QGDZ25J",
			// From CIP 19: 103 characters.
			"addr1qx2fxv2umyhttkxyxp8x0dlpdt3k6cwng5pxj3jhsydzer3n0d3vllmyqwsx5wktcd8cc3sq835lu7drv2xwl2wywfgse35a3x",
		},
	} {
		for _, text := range texts {
			if !Accepts(name, text, 0) {
				t.Errorf("%s refuses %s", name, text)
			}
			for i := range text {
				changed := text[:i] + string(text[i]^1) + text[i+1:]
				if !strings.EqualFold(changed, text) && Accepts(name, changed, 0) {
					t.Errorf("%s accepts %s for %s", name, changed, text)
				}
			}
			for _, odd := range []string{text[:len(text)-1], text + "q", "1" + text, text[1:], text + text} {
				if Accepts(name, odd, 0) {
					t.Errorf("%s accepts %s", name, odd)
				}
			}
		}
	}
	for name, texts := range map[string][]string{
		"base58check":     {"", "1", "1111", "0", "é", strings.Repeat("z", 52), strings.Repeat("1", 53), "l"},
		"base58check_xrp": {"", "r", "rrrr", "0"},
		"bech32":          {"", "1", "a1", "1qqqqqq", "a1qqqqq", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3T4", "a1é", strings.Repeat("a1q", 50)},
	} {
		for _, text := range texts {
			if Accepts(name, text, 0) {
				t.Errorf("%s accepts %q", name, text)
			}
		}
	}
}
