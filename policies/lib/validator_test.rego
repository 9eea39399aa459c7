package portcullis.lib.validator_test

import data.portcullis.lib.validator

test_accepted[sprintf("%s %s", [name, match])] if {
	some name, list in {
		"luhn": ["4111 1111-1111.1111"],
		"ssn": ["123-45-6789", "899 99 9999", "SSN: 123456789"],
		"iban": [
			"DE89370400440532013000", "de89 3704 0044 0532 0130 00", "NO9386011117947",
			"MT84MALT011000012345MTLCAST001S", "SA0380000000608010167519", "TR330006100519786457841326",
		],
		"base64_blob": ["aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGQ", "-_-_", "+/+/"],
		"none": ["anything"],
		"entropy": ["anything"],
	}
	some match in list
	validator.accepts(name, match)
}

test_refused[sprintf("%s %s", [name, match])] if {
	some name, list in {
		"luhn": ["4111 1111-1111.1112", ""],
		"ssn": ["000-45-6789", "666-45-6789", "900-45-6789", "123-00-6789", "123-45-0000", "123-45-678"],
		"iban": ["DE98370400440532013000", "1289370400440532013000", "DE89", "DE89_70400440532013000", "DE500123456789", "DE111111111111111111111111111111111"],
		"base64_blob": ["aGVsb", "aGVs bG8", "", "=="],
	}
	some match in list
	not validator.accepts(name, match)
}
