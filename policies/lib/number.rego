# METADATA
# title: Numbers with check digits
# description: |
#   Numbers of people, accounts and the like, by their digits alone: what else is in a match, its regex has allowed as
#   separator or label. From the publications of the offices that give the numbers out.
package portcullis.lib.number

digits(match) := [to_number(d) | some d in split(regex.replace(match, `[^0-9]`, ""), "")]

# All digits are one: such numbers satisfy many sums, and nobody has them.
same(ds) if count({d | some d in ds}) < 2

# The number that the digits from a place to another make.
value(ds, from, to) := sum([v | some i, d in array.reverse(array.slice(ds, from, to)); v := d * powers[i]])

powers := [1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000]

# Each check digit is what `expect` has at the weighted sum modulo its length.
by_rule(name, match) if {
	rule := rules[name]
	ds := digits(match)
	count(ds) == rule.length
	not same(ds)
	every c in rule.checks {
		c.expect[weighted(ds, c.weights) % count(c.expect)] == ds[c.at]
	}
}

weighted(ds, weights) := sum([v | some i, w in weights; v := w * ds[i]])

# The names say what is expected of the remainder r; -1 is no digit.
is10 := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

# 10 - r
ten_less := [0, 9, 8, 7, 6, 5, 4, 3, 2, 1]

is11 := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1]

is_or_zero := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]

is_or_one := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1]

# 11 - r, 0 for 11, none for 10
eleven_less := [0, -1, 9, 8, 7, 6, 5, 4, 3, 2, 1]

# 11 - r, 0 for 10 and 11
less_or_zero := [0, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1]

# (11 - r) mod 10
less_mod10 := [1, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1]

rules := {
	"uk_nhs": {"length": 10, "checks": [{"weights": [10, 9, 8, 7, 6, 5, 4, 3, 2], "at": 9, "expect": eleven_less}]},
	"nl_bsn": {"length": 9, "checks": [{"weights": [9, 8, 7, 6, 5, 4, 3, 2], "at": 8, "expect": is11}]},
	"pl_pesel": {"length": 11, "checks": [{"weights": [1, 3, 7, 9, 1, 3, 7, 9, 1, 3], "at": 10, "expect": ten_less}]},
	"no_fnr": {"length": 11, "checks": [
		{"weights": [3, 7, 6, 1, 8, 9, 4, 5, 2], "at": 9, "expect": eleven_less},
		{"weights": [5, 4, 3, 2, 7, 6, 5, 4, 3, 2], "at": 10, "expect": eleven_less},
	]},
	"br_cpf": {"length": 11, "checks": [
		{"weights": [10, 9, 8, 7, 6, 5, 4, 3, 2], "at": 9, "expect": less_or_zero},
		{"weights": [11, 10, 9, 8, 7, 6, 5, 4, 3, 2], "at": 10, "expect": less_or_zero},
	]},
	"br_cnpj": {"length": 14, "checks": [
		{"weights": [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], "at": 12, "expect": less_or_zero},
		{"weights": [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], "at": 13, "expect": less_or_zero},
	]},
	"jp_my_number": {"length": 12, "checks": [{"weights": [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2], "at": 11, "expect": less_or_zero}]},
	"kr_rrn": {"length": 13, "checks": [{"weights": [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5], "at": 12, "expect": less_mod10}]},
	"tr_tckn": {"length": 11, "checks": [
		{"weights": [7, 9, 7, 9, 7, 9, 7, 9, 7], "at": 9, "expect": is10},
		{"weights": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], "at": 10, "expect": is10},
	]},
	"au_tfn": {"length": 9, "checks": [{"weights": [1, 4, 3, 7, 5, 8, 6, 9], "at": 8, "expect": is11}]},
	"au_medicare": {"length": 10, "checks": [{"weights": [1, 3, 7, 9, 1, 3, 7, 9], "at": 8, "expect": is10}]},
	"ch_ahv": {"length": 13, "checks": [{"weights": [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3], "at": 12, "expect": ten_less}]},
	"pt_nif": {"length": 9, "checks": [{"weights": [9, 8, 7, 6, 5, 4, 3, 2], "at": 8, "expect": less_or_zero}]},
	"at_svnr": {"length": 10, "checks": [{"weights": [3, 7, 9, 0, 5, 8, 4, 2, 1, 6], "at": 3, "expect": is11}]},
	"ro_cnp": {"length": 13, "checks": [{"weights": [2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9], "at": 12, "expect": is_or_one}]},
	"bg_egn": {"length": 10, "checks": [{"weights": [2, 4, 8, 5, 10, 9, 7, 3, 6], "at": 9, "expect": is_or_zero}]},
	"cz_rc": {"length": 10, "checks": [{"weights": [1, 10, 1, 10, 1, 10, 1, 10, 1], "at": 9, "expect": is_or_zero}]},
	"si_emso": {"length": 13, "checks": [{"weights": [7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2], "at": 12, "expect": eleven_less}]},
	"th_id": {"length": 13, "checks": [{"weights": [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2], "at": 12, "expect": less_mod10}]},
	"ar_cuit": {"length": 11, "checks": [{"weights": [5, 4, 3, 2, 7, 6, 5, 4, 3, 2], "at": 10, "expect": eleven_less}]},
	"ru_inn": {"length": 12, "checks": [
		{"weights": [7, 2, 4, 10, 3, 5, 9, 4, 6, 8], "at": 10, "expect": is_or_zero},
		{"weights": [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8], "at": 11, "expect": is_or_zero},
	]},
	"us_aba": {"length": 9, "checks": [{"weights": [3, 7, 1, 3, 7, 1, 3, 7], "at": 8, "expect": ten_less}]},
}

# Luhn, whatever the length up to 39.
by_luhn(ds) if {
	count(ds) > 1
	count(ds) < 40
	not same(ds)
	luhn(ds, 0)
}

# From the right, every second digit is doubled, and 9 taken off where that gives more than 9.
luhn(ds, more) if (sum([doubled[i % 2][d] | some i, d in array.reverse(ds)]) + more) % 10 == 0

doubled := [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]]

# Sweden: the last ten digits; the century in front is not part of the sum.
personnummer(ds) if {
	count(ds) in {10, 12}
	not same(ds)
	luhn(array.slice(ds, count(ds) - 10, count(ds)), 0)
}

# US national provider: Luhn as if 80840 stood in front, which comes to 24.
npi(ds) if {
	count(ds) == 10
	not same(ds)
	luhn(ds, 24)
}

# ISO 7064 MOD 11,10 over 11 digits, as Germany and Croatia do.
mod_11_10(ds) if {
	count(ds) == 11
	not same(ds)
	p1 := step(ds[0], 10)
	p2 := step(ds[1], p1)
	p3 := step(ds[2], p2)
	p4 := step(ds[3], p3)
	p5 := step(ds[4], p4)
	p6 := step(ds[5], p5)
	p7 := step(ds[6], p6)
	p8 := step(ds[7], p7)
	p9 := step(ds[8], p8)
	p10 := step(ds[9], p9)
	(11 - p10) % 10 == ds[10]
}

step(d, p) := [9, 2, 4, 6, 8, 10, 1, 3, 5, 7][(d + p) % 10]

# Germany promises of the first ten digits: they do not begin with 0, and exactly one digit comes twice or three times.
steuer_id(ds) if {
	mod_11_10(ds)
	ds[0] != 0
	counts := [n |
		some digit in numbers.range(0, 9)
		n := count([d | some d in array.slice(ds, 0, 10); d == digit])
		n > 1
	]
	counts in {[2], [3]}
}

# India: Verhoeff (1969); no number begins with 0 or 1.
aadhaar(ds) if {
	count(ds) == 12
	ds[0] > 1
	not same(ds)
	c1 := group[0][permuted[0][ds[11]]]
	c2 := group[c1][permuted[1][ds[10]]]
	c3 := group[c2][permuted[2][ds[9]]]
	c4 := group[c3][permuted[3][ds[8]]]
	c5 := group[c4][permuted[4][ds[7]]]
	c6 := group[c5][permuted[5][ds[6]]]
	c7 := group[c6][permuted[6][ds[5]]]
	c8 := group[c7][permuted[7][ds[4]]]
	c9 := group[c8][permuted[0][ds[3]]]
	c10 := group[c9][permuted[1][ds[2]]]
	c11 := group[c10][permuted[2][ds[1]]]
	group[c11][permuted[3][ds[0]]] == 0
}

# The multiplication of the dihedral group D5.
group := [
	[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
	[1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
	[2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
	[3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
	[4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
	[5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
	[6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
	[7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
	[8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
	[9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
]

permuted := [
	[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
	[1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
	[5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
	[8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
	[9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
	[4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
	[2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
	[7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
]

# Belgium: 97 less the rest of the first nine digits, with a 2 in front of them for those born since 2000.
national_number(ds) if {
	count(ds) == 11
	not same(ds)
	n := value(ds, 0, 9)
	some century in [0, 2000000000]
	97 - ((century + n) % 97) == value(ds, 9, 11)
}

# Russia: weights 9 to 1, modulo 101, of which 100 is written 00.
snils(ds) if {
	count(ds) == 11
	not same(ds)
	(weighted(ds, [9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101) % 100 == value(ds, 9, 11)
}

# Estonia and Lithuania; the second weights are for when the first leave 10.
isikukood(ds) if {
	count(ds) == 11
	not same(ds)
	first := weighted(ds, [1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11
	second := weighted(ds, [3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11
	ds[10] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, second % 10][first]
}
