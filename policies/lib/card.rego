# METADATA
# title: Payment cards
# description: ISO/IEC 7812 numbers with an issuer's range, the length that goes with it, and the check digit of Luhn.
package portcullis.lib.card

valid(number) if {
	some range in ranges
	head := substring(number, 0, count(range.from))
	head >= range.from
	head <= range.to
	count(number) >= range.min
	count(number) <= range.max
	luhn(number)
}

# From the right, every second digit is doubled, and 9 taken off where that gives more than 9.
luhn(number) if {
	last := count(number) - 1
	sum([v |
		some i, digit in split(number, "")
		v := doubled[(last - i) % 2][to_number(digit)]
	]) % 10 == 0
}

doubled := [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]]

# Leading digits, from and to inclusive, and how many digits a number has. From the networks' published ranges.
ranges := [
	{"from": "34", "to": "34", "min": 15, "max": 15}, # American Express
	{"from": "37", "to": "37", "min": 15, "max": 15},
	{"from": "4", "to": "4", "min": 13, "max": 19}, # Visa
	{"from": "51", "to": "55", "min": 16, "max": 16}, # Mastercard
	{"from": "2221", "to": "2720", "min": 16, "max": 16},
	{"from": "2200", "to": "2204", "min": 16, "max": 19}, # Mir
	{"from": "300", "to": "305", "min": 14, "max": 19}, # Diners Club
	{"from": "3095", "to": "3095", "min": 14, "max": 19},
	{"from": "36", "to": "36", "min": 14, "max": 19},
	{"from": "38", "to": "39", "min": 14, "max": 19},
	{"from": "3528", "to": "3589", "min": 16, "max": 19}, # JCB
	{"from": "60", "to": "60", "min": 16, "max": 19}, # Discover, RuPay
	{"from": "64", "to": "65", "min": 16, "max": 19},
	{"from": "81", "to": "82", "min": 16, "max": 19},
	{"from": "62", "to": "62", "min": 16, "max": 19}, # UnionPay
	{"from": "50", "to": "50", "min": 13, "max": 19}, # Maestro
	{"from": "56", "to": "59", "min": 13, "max": 19},
	{"from": "61", "to": "61", "min": 13, "max": 19},
	{"from": "63", "to": "63", "min": 13, "max": 19},
	{"from": "66", "to": "69", "min": 13, "max": 19},
	{"from": "9792", "to": "9792", "min": 16, "max": 16}, # Troy
]
