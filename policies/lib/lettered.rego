# METADATA
# title: Numbers with letters
# description: |
#   Numbers of people and things that hold letters, by their letters and digits alone, in upper case. From the
#   publications of the offices that give the numbers out.
package portcullis.lib.lettered

import data.portcullis.lib.number

# What is left of a match without its separators.
compact(match) := upper(regex.replace(match, `[^A-Za-z0-9<]`, ""))

# The number that the digits from a place to another make.
value(text, from, to) := number.value(number.digits(text), from, to)

digit_at(text, i) := to_number(substring(text, i, 1))

# Digits count themselves, letters from 10, anything else 0.
values := {c: i | some i, c in split("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "")}

# Spain: a DNI, or an NIE, whose X, Y or Z stands for 0, 1 or 2.
nif(text) if {
	plain := concat("", [object.get({"X": "0", "Y": "1", "Z": "2"}, substring(text, 0, 1), substring(text, 0, 1)), substring(text, 1, -1)])
	regex.match(`^[0-9]{8}[A-Z]$`, plain)
	substring("TRWAGMYFPDXBNJZSQVHLCKE", value(plain, 0, 8) % 23, 1) == substring(plain, 8, 1)
}

# France: 97 less the rest of the first 13 digits, where 2A and 2B of Corsica stand for 19 and 18.
nir(text) if {
	department := object.get({"2A": "19", "2B": "18"}, substring(text, 5, 2), substring(text, 5, 2))
	plain := concat("", [substring(text, 0, 5), department, substring(text, 7, -1)])
	regex.match(`^[0-9]{15}$`, plain)
	97 - (((value(plain, 0, 6) * 10000000) + value(plain, 6, 13)) % 97) == value(plain, 13, 15)
}

# Italy: what a character at an odd place counts; at an even place a digit counts itself, a letter from A.
fiscal_odd := [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]

codice_fiscale(text) if {
	regex.match(`^[A-Z]{6}[0-9L-NP-V]{2}[A-EHLMPRST][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z]$`, text)
	counted := sum([v | some i, c in split(substring(text, 0, 15), ""); v := fiscal(i, fiscal_value(c))])
	values[substring(text, 15, 1)] - 10 == counted % 26
}

fiscal_value(c) := values[c] if values[c] < 10

else := values[c] - 10

fiscal(i, v) := fiscal_odd[v] if i % 2 == 0

else := v

# Finland: nine digits modulo 31. A letter that says the century is left out; a sign is gone already.
hetu(text) if {
	plain := regex.replace(text, `^([0-9]{6})[A-Z0-9<]([A-Z0-9<]{4})$`, "$1$2")
	regex.match(`^[0-9]{9}[A-Z0-9]$`, plain)
	substring("0123456789ABCDEFHJKLMNPRSTUVWXY", value(plain, 0, 9) % 31, 1) == substring(plain, 9, 1)
}

# Mexico: weights 18 to 2; letters after N count one more, for the Ñ.
curp(text) if {
	regex.match(`^[A-Z]{4}[0-9]{6}[A-Z]{6}[A-Z0-9][0-9]$`, text)
	counted := sum([v | some i, c in split(substring(text, 0, 17), ""); v := (18 - i) * curp_values[c]])
	(10 - (counted % 10)) % 10 == digit_at(text, 17)
}

curp_values := {c: i | some i, c in split("0123456789ABCDEFGHIJKLMN OPQRSTUVWXYZ", "")}

# China: ISO 7064 MOD 11-2.
resident_id(text) if {
	regex.match(`^[0-9]{17}[A-Z0-9]$`, text)
	counted := number.weighted(number.digits(substring(text, 0, 17)), [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
	substring("10X98765432", counted % 11, 1) == substring(text, 17, 1)
}

# Singapore: the first letter says which letters check, and what is added.
nric(text) if {
	regex.match(`^[A-Z][0-9]{7}[A-Z]$`, text)
	series := nric_series[substring(text, 0, 1)]
	counted := number.weighted(number.digits(text), [2, 7, 6, 5, 4, 3, 2]) + series.add
	substring(series.letters, counted % 11, 1) == substring(text, 8, 1)
}

nric_series := {
	"S": {"add": 0, "letters": "JZIHGFEDCBA"},
	"T": {"add": 4, "letters": "JZIHGFEDCBA"},
	"F": {"add": 0, "letters": "XWUTRQPNMLK"},
	"G": {"add": 4, "letters": "XWUTRQPNMLK"},
	"M": {"add": 3, "letters": "XWUTRQPNJLK"},
}

# Taiwan: the letter stands for two digits.
taiwan_id(text) if {
	regex.match(`^[A-Z][0-9]{9}$`, text)
	two := taiwan_letters[values[substring(text, 0, 1)] - 10]
	counted := number.weighted(number.digits(text), [8, 7, 6, 5, 4, 3, 2, 1, 1])
	((floor(two / 10) + ((two % 10) * 9)) + counted) % 10 == 0
}

taiwan_letters := [
	10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21,
	22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33,
]

# Hong Kong: a blank stands before a single letter and counts 36.
hkid(text) if {
	regex.match(`^[A-Z]{1,2}[0-9]{6}[0-9A]$`, text)
	padded := array.concat([36 | count(text) == 8], [values[c] | some c in split(text, "")])
	number.weighted(padded, [9, 8, 7, 6, 5, 4, 3, 2, 1]) % 11 == 0
}

# Chile: modulo 11, K for 10.
rut(text) if {
	regex.match(`^[0-9]{7,8}[0-9K]$`, text)
	last := count(text) - 1
	counted := number.weighted(array.reverse(number.digits(substring(text, 0, last))), [2, 3, 4, 5, 6, 7, 2, 3])
	substring("0K987654321", counted % 11, 1) == substring(text, last, 1)
}

# Ireland: modulo 23; a second letter counts nine times, W nothing.
pps(text) if {
	regex.match(`^[0-9]{7}[A-Z]{1,2}$`, text)
	second := object.get(pps_letters, substring(text, 8, 1), 0)
	counted := number.weighted(number.digits(text), [8, 7, 6, 5, 4, 3, 2]) + (9 * second)
	substring("WABCDEFGHIJKLMNOPQRSTUV", counted % 23, 1) == substring(text, 7, 1)
}

pps_letters := {c: i | some i, c in split(".ABCDEFGHIJKLMNOPQRSTUV-XYZ", "")}

# Vehicles: 49 CFR 565, which Europe does not ask for.
vin(text) if {
	regex.match(`^[0-9A-HJ-NPR-Z]{17}$`, text)
	read := [vin_values[c] | some c in split(text, "")]
	counted := number.weighted(read, [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2])
	substring("0123456789X", counted % 11, 1) == substring(text, 8, 1)
}

vin_values := object.union(
	{c: i | some i, c in split("0123456789", "")},
	{
		"A": 1, "B": 2, "C": 3, "D": 4, "E": 5, "F": 6, "G": 7, "H": 8,
		"J": 1, "K": 2, "L": 3, "M": 4, "N": 5, "P": 7, "R": 9,
		"S": 2, "T": 3, "U": 4, "V": 5, "W": 6, "X": 7, "Y": 8, "Z": 9,
	},
)

# Passports: the second line of the machine-readable zone (ICAO 9303), its number, birth, expiry, and all of it.
mrz(text) if {
	count(text) == 44
	read := [object.get(values, c, 0) | some c in split(text, "")]
	every field in [[[0, 9]], [[13, 19]], [[21, 27]], [[0, 10], [13, 20], [21, 43]]] {
		at := field[count(field) - 1][1]
		counted := sum([v |
			some i, c in [c | some part in field; some c in array.slice(read, part[0], part[1])]
			v := c * [7, 3, 1][i % 3]
		])
		substring(text, at, 1) == sprintf("%d", [counted % 10])
	}
}
