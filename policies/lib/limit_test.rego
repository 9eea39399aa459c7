package portcullis.lib.limit_test

import data.portcullis.lib.limit

given(limits) := {"action": {"kind": "TOOL_CALL", "tool": "add"}, "limits": limits}

test_exceeded if {
	limits := [
		{"name": "a", "exceeded": true, "on_exceed": "deny"},
		{"name": "b", "exceeded": false, "on_exceed": "deny"},
		{"name": "c", "exceeded": "true", "on_exceed": "deny"},
	]
	limit.exceeded == {{"name": "a", "on_exceed": "deny"}} with input as given(limits)
}

test_a_counter_that_is_missing_is_not_zero[why] if {
	some why, limits in {
		"none": [],
		"another": [{"name": "b", "exceeded": false}],
		"not a boolean": [{"name": "a", "exceeded": "no"}],
		"no flag": [{"name": "a"}],
	}
	not limit.complete([{"name": "a", "scope": ["session"]}]) with input as given(limits)
}

test_a_counter_that_applies_must_be_there[row] if {
	some row in [
		{"name": "a", "scope": ["tenant", "agent"], "kinds": ["TOOL_CALL"], "tools": ["add"]},
		{"name": "a", "scope": ["session"], "kinds": [], "tools": []},
		{"name": "a"},
	]
	limit.complete([row]) with input as given([{"name": "a", "exceeded": false}])
	not limit.complete([row]) with input as given([])
}

test_what_does_not_apply_need_not_be_counted[row] if {
	some row in [
		{"name": "a", "scope": ["user"]},
		{"name": "a", "scope": ["agent", "tool"]},
		{"name": "a", "scope": ["session"], "kinds": ["MESSAGE"]},
		{"name": "a", "scope": ["session"], "tools": ["other"]},
	]
	limit.complete([row]) with input as given([])
}
