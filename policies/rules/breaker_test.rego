package portcullis.rules.breaker_test

import data.portcullis.rules.breaker

table := {"breakers": [{"name": "failures", "scope": ["agent", "tool"]}]}

given(state, probe) := {"action": {"kind": "TOOL_CALL"}, "breakers": [{"name": "failures", "state": state, "probe": probe}]}

codes(action) := found if {
	found := {r.rule | some r in breaker.deny} with input as action
}

test_a_closed_breaker_lets_pass if {
	codes(given("closed", false)) == set()
	codes({"breakers": []}) == set()
}

test_an_open_breaker_denies if {
	codes(given("open", false)) == {"breaker.open"}
	codes(given("open", true)) == {"breaker.open"}
}

test_threat_e11_only_the_probe_passes_a_half_open_breaker if {
	codes(given("half_open", true)) == set()
	codes(given("half_open", false)) == {"breaker.probing"}
}

test_passed[state] if {
	some state in ["closed", "open", "half_open"]
	breaker.passed with input as given(state, false) with data.tables.breakers as table
}

test_not_passed_without_a_known_state[why] if {
	some why, action in {
		"none": {"action": {"kind": "TOOL_CALL"}, "breakers": []},
		"unknown": given("ajar", false),
		"no probe": {"action": {"kind": "TOOL_CALL"}, "breakers": [{"name": "failures", "state": "closed"}]},
		"another": {"action": {"kind": "TOOL_CALL"}, "breakers": [{"name": "other", "state": "closed", "probe": false}]},
	}
	not breaker.passed with input as action with data.tables.breakers as table
}

test_a_breaker_for_other_kinds_need_not_guard_a_call if {
	rows := [{"name": "h", "scope": ["agent"], "kinds": ["HTTP_REQUEST"]}]
	breaker.passed with input as {"action": {"kind": "TOOL_CALL"}, "breakers": []} with data.tables.breakers.breakers as rows
	not breaker.passed with input as {"action": {"kind": "HTTP_REQUEST"}, "breakers": []} with data.tables.breakers.breakers as rows
}

test_a_breaker_for_other_tools_need_not_guard_a_call if {
	rows := [{"name": "h", "scope": ["agent"], "tools": ["mail"]}]
	breaker.passed with input as {"action": {"kind": "TOOL_CALL", "tool": "search"}, "breakers": []} with data.tables.breakers.breakers as rows
	not breaker.passed with input as {"action": {"kind": "TOOL_CALL", "tool": "mail"}, "breakers": []} with data.tables.breakers.breakers as rows
	breaker.passed with input as {"action": {"kind": "HTTP_REQUEST", "tool": "mail"}, "breakers": []} with data.tables.breakers.breakers as rows
	not breaker.passed with input as {"action": {"kind": "TOOL_CALL"}, "breakers": []} with data.tables.breakers.breakers as rows
}

test_a_breaker_for_requests_guards_them_whatever_they_say if {
	rows := [{"name": "h", "scope": ["agent"], "tools": ["http_request"]}]
	not breaker.passed with input as {"action": {"kind": "HTTP_REQUEST", "tool": "search"}, "breakers": []} with data.tables.breakers.breakers as rows
}

test_a_breaker_with_empty_lists_guards_all if {
	rows := [{"name": "h", "kinds": [], "tools": []}]
	not breaker.passed with input as {"action": {"kind": "TOOL_CALL", "tool": "mail"}, "breakers": []} with data.tables.breakers.breakers as rows
}

test_a_breaker_of_users_need_not_guard_a_call_without_one if {
	breaker.passed with input as {"breakers": []} with data.tables.breakers.breakers as [{"name": "u", "scope": ["user", "tool"]}]
}

test_not_passed_without_a_table if {
	not breaker.passed with input as given("closed", false) with data.tables as {}
}
