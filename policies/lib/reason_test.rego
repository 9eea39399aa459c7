package portcullis.lib.reason_test

import data.portcullis.lib.reason

metadata := {"custom": {"id": "a.b", "code": "A_B", "severity": "low", "message": "{x} and {y}"}}

test_a_reason_is_its_metadata if {
	reason.of(metadata, {"{x}": "one", "{y}": "two"}, {"z", "a"}) == {
		"rule": "a.b", "code": "A_B", "severity": "low", "message": "one and two", "findings": ["a", "z"],
	}
}

test_a_slot_is_filled_once_only if {
	reason.of(metadata, {"{x}": "{y}", "{y}": "two"}, []).message == "{y} and two"
}
