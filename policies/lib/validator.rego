# METADATA
# title: Validators
# description: |
#   Say whether a match of a pattern is one: check digits and ranges. The names stand in the column `validator` of the
#   table `patterns`. `entropy` is the engine's alone: here such a match is taken as it is, so that none is lost.
package portcullis.lib.validator

import data.portcullis.lib.card

accepts("luhn", match) if card.valid(digits(match))

accepts("ssn", match) if {
	regex.match(`^\d{9}$`, digits(match))
	not regex.match(`^(?:000|666|9)|^\d{3}00|0000$`, digits(match))
}

accepts("iban", match) if {
	compact := upper(regex.replace(match, `[ -]`, ""))
	regex.match(`^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$`, compact)
	moved := concat("", [substring(compact, 4, -1), substring(compact, 0, 4)])
	number := concat("", [n | some c in split(moved, ""); n := letter_values[c]])
	to_number(trim_left(number, "0")) % 97 == 1
}

accepts("base64_blob", match) if {
	text := trim_right(strings.replace_n({"-": "+", "_": "/"}, match), "=")
	text != ""
	base64.is_valid(concat("", [text, substring("===", 0, (4 - (count(text) % 4)) % 4)]))
}

accepts(name, _) if not name in {"luhn", "ssn", "iban", "base64_blob"}

digits(match) := regex.replace(match, `[^0-9]`, "")

# ISO 13616: A is 10, Z is 35, a digit is itself.
letter_values := {c: sprintf("%d", [i]) | some i, c in split("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "")}
