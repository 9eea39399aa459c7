package portcullis.lib.wallet_test

import data.portcullis.lib.wallet

test_base58check_of_known_addresses[address] if {
	some address in [
		"1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "1111111111111111111114oLvT2",
		"KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8",
	]
	wallet.base58check(address, wallet.bitcoin)
	not wallet.base58check(address, wallet.xrp)
}

test_base58check_of_the_xrp_ledger if {
	wallet.base58check("rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh", wallet.xrp)
	not wallet.base58check("rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTi", wallet.xrp)
}

test_base58check_refuses[text] if {
	some text in [
		"", "1", "1111", "0", "z", "1BoatSLRHtKNngkdXEeobR76b53LETtpyU", "11BoatSLRHtKNngkdXEeobR76b53LETtpyT",
		"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
	]
	not wallet.base58check(text, wallet.bitcoin)
}

# From BIP 173, BIP 350 and CIP 19.
test_bech32_of_known_texts[text] if {
	some text in [
		"A12UEL5L", "a12uel5l", "A1LQFN3A", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
		"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
		"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
		"addr1qx2fxv2umyhttkxyxp8x0dlpdt3k6cwng5pxj3jhsydzer3n0d3vllmyqwsx5wktcd8cc3sq835lu7drv2xwl2wywfgse35a3x",
	]
	wallet.bech32(text)
}

test_bech32_refuses[text] if {
	some text in [
		"", "1", "a1", "a12uel5m", "A12uel5l", "1qqqqqq", "a1qqqqq", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
		"bc1bw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "toolongaprefixxx1qqqqqq",
	]
	not wallet.bech32(text)
}
