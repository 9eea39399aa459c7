# METADATA
# title: Validators
# description: |
#   Say whether a match of a pattern is one: check digits, ranges and shapes. The names stand in the column `validator` of
#   the table `patterns`. `entropy` is the engine's alone: here such a match is taken as it is, so that none is lost.
package portcullis.lib.validator

import data.portcullis.lib.card
import data.portcullis.lib.iban
import data.portcullis.lib.lettered
import data.portcullis.lib.number
import data.portcullis.lib.wallet

accepts("luhn", match) if card.valid(digits(match))

accepts("ssn", match) if {
	regex.match(`^\d{9}$`, digits(match))
	not regex.match(`^(?:000|666|9)|^\d{3}00|0000$`, digits(match))
}

accepts("iban", match) if iban.valid(match)

accepts("base64_blob", match) if {
	text := trim_right(strings.replace_n({"-": "+", "_": "/"}, match), "=")
	text != ""
	base64.is_valid(concat("", [text, substring("===", 0, (4 - (count(text) % 4)) % 4)]))
}

accepts("secret", match) if looks_random(match)

accepts("luhn_number", match) if number.by_luhn(number.digits(match))

accepts("be_nrn", match) if number.national_number(number.digits(match))

accepts("de_steuer_id", match) if number.steuer_id(number.digits(match))

accepts("ee_isikukood", match) if number.isikukood(number.digits(match))

accepts("hr_oib", match) if number.mod_11_10(number.digits(match))

accepts("in_aadhaar", match) if number.aadhaar(number.digits(match))

accepts("ru_snils", match) if number.snils(number.digits(match))

accepts("se_pnr", match) if number.personnummer(number.digits(match))

accepts("us_npi", match) if number.npi(number.digits(match))

accepts("cl_rut", match) if lettered.rut(lettered.compact(match))

accepts("cn_rid", match) if lettered.resident_id(lettered.compact(match))

accepts("es_nif", match) if lettered.nif(lettered.compact(match))

accepts("fi_hetu", match) if lettered.hetu(lettered.compact(match))

accepts("fr_nir", match) if lettered.nir(lettered.compact(match))

accepts("hk_hkid", match) if lettered.hkid(lettered.compact(match))

accepts("ie_pps", match) if lettered.pps(lettered.compact(match))

accepts("it_cf", match) if lettered.codice_fiscale(lettered.compact(match))

accepts("mrz", match) if lettered.mrz(lettered.compact(match))

accepts("mx_curp", match) if lettered.curp(lettered.compact(match))

accepts("sg_nric", match) if lettered.nric(lettered.compact(match))

accepts("tw_id", match) if lettered.taiwan_id(lettered.compact(match))

accepts("vin", match) if lettered.vin(lettered.compact(match))

accepts("base58check", match) if wallet.base58check(match, wallet.bitcoin)

accepts("base58check_xrp", match) if wallet.base58check(match, wallet.xrp)

accepts("bech32", match) if wallet.bech32(match)

accepts(name, match) if number.by_rule(name, match)

accepts("none", _)

accepts("entropy", _)

digits(match) := regex.replace(match, `[^0-9]`, "")

# The value of a match, what stands behind its last separator, looks made by chance rather than written: its letters and
# digits change their kind often. Words, camelCase, names with underscores and dates do not; keys do. A capital before
# small letters is part of their run; other characters are left out first.
looks_random(match) if {
	value := regex.replace(trim_right(match, "="), "(?s)^.*[=: \\t\\n\\f\\r\"'`>]", "")
	kept := regex.replace(value, `[^A-Za-z0-9]`, "")
	count(kept) >= 8
	runs := count(regex.find_n(`[A-Z]?[a-z]+|[A-Z]+|[0-9]+`, kept, -1))
	runs * least_runs(kept) >= count(kept)
}

# A run for every four characters, and for every three where there is no digit.
least_runs(kept) := 4 if regex.match(`[0-9]`, kept)

else := 3
