package portcullis.rules.limits_test

import data.portcullis.rules.limits

tables := {"limits": {"limits": [
	{"name": "calls", "scope": ["session"], "on_exceed": "deny"},
	{"name": "cost", "scope": ["session"], "on_exceed": "require_approval"},
]}}

given(calls, cost) := {
	"action": {"kind": "TOOL_CALL", "tool": "add"},
	"limits": [
		{"name": "calls", "exceeded": calls, "on_exceed": "deny"},
		{"name": "cost", "exceeded": cost, "on_exceed": "require_approval"},
	],
}

test_a_hard_limit_denies if {
	reasons := limits.deny with input as given(true, false) with data.tables as tables
	{r.message | some r in reasons} == {"The limit calls is used up."}
	limits.ask == set() with input as given(true, false) with data.tables as tables
}

test_a_soft_limit_asks if {
	reasons := limits.ask with input as given(false, true) with data.tables as tables
	{r.code | some r in reasons} == {"LIMIT_NEEDS_APPROVAL"}
	limits.deny == set() with input as given(false, true) with data.tables as tables
}

test_within_the_limits if {
	count(limits.deny | limits.ask) == 0 with input as given(false, false) with data.tables as tables
	limits.passed with input as given(false, false) with data.tables as tables
}

test_a_missing_counter_does_not_pass if {
	one := {"action": {"kind": "TOOL_CALL", "tool": "add"}, "limits": [{"name": "calls", "exceeded": false}]}
	not limits.passed with input as one with data.tables as tables
	not limits.passed with input as object.union(one, {"limits": []}) with data.tables as tables
}

test_an_action_of_no_kind_does_not_pass if {
	full := given(false, false)
	not limits.passed with input as {"limits": full.limits} with data.tables as tables
	not limits.passed with input as object.union(full, {"action": {"kind": ""}}) with data.tables as tables
}

test_a_missing_table_does_not_pass if {
	not limits.passed with input as given(false, false) with data.tables as {}
}
