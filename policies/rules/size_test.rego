package portcullis.rules.size_test

import data.portcullis.rules.size

table := {"max_arguments_bytes": 100, "max_tokens": 10}

given(bytes, tokens) := {"action": {"arguments_bytes": bytes, "estimate": {"tokens": tokens}}}

codes(action) := found if {
	found := {r.code | some r in size.deny} with input as action with data.tables.size as table
}

test_at_the_bound_passes if {
	codes(given(100, 10)) == set()
	codes(given(0, 0)) == set()
	size.passed with input as given(100, 10) with data.tables.size as table
}

test_above_the_bound_is_denied if {
	codes(given(101, 10)) == {"ARGUMENTS_TOO_LARGE"}
	codes(given(100, 11)) == {"TOO_MANY_TOKENS"}
}

test_not_passed_without_numbers[why] if {
	some why, action in {
		"no bytes": {"action": {"estimate": {"tokens": 1}}},
		"no tokens": {"action": {"arguments_bytes": 1, "estimate": {}}},
		"text": given("1", 1),
	}
	not size.passed with input as action with data.tables.size as table
}

test_not_passed_without_bounds[bounds] if {
	some bounds in [{}, {"max_tokens": 10}, {"max_arguments_bytes": 100}, {"max_arguments_bytes": "100", "max_tokens": 10}]
	not size.passed with input as given(1, 1) with data.tables.size as bounds
}
