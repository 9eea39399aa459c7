package portcullis.lib.inspection_test

import data.portcullis.lib.inspection

tables := {
	"effects": {"effects": [
		{"name": "a", "category": "credential", "kinds": ["TOOL_CALL"], "effect": "deny"},
		{"name": "b", "category": "personal", "kinds": ["TOOL_CALL", "MESSAGE"], "effect": "ask", "tools": "external"},
		{"name": "c", "category": "evasion", "kinds": ["TOOL_CALL"], "effect": "ask", "severities": ["high"]},
		{"name": "d", "category": "credential", "kinds": ["TOOL_RESULT"], "effect": "allow"},
	]},
	"tools": {"tools": [{"tool": "add", "external": false}, {"tool": "mail", "external": true}]},
}

given(kind, tool, findings) := {"action": {"kind": kind, "tool": tool}, "findings": findings}

finding(rule, category, severity) := {"rule": rule, "category": category, "severity": severity}

secret := finding("key", "credential", "high")

person := finding("ssn", "personal", "high")

test_a_row_gives_findings_their_effect if {
	inspection.found("credential", "deny") == {"key"} with input as given("TOOL_CALL", "add", [secret]) with data.tables as tables
	inspection.found("credential", "ask") == set() with input as given("TOOL_CALL", "add", [secret]) with data.tables as tables
	inspection.found("credential", "deny") == set() with input as given("TOOL_RESULT", "add", [secret]) with data.tables as tables
	inspection.found("personal", "deny") == set() with input as given("TOOL_CALL", "add", [secret]) with data.tables as tables
}

test_external_tools_only if {
	inspection.found("personal", "ask") == {"ssn"} with input as given("TOOL_CALL", "mail", [person]) with data.tables as tables
	inspection.found("personal", "ask") == {"ssn"} with input as given("TOOL_CALL", "unheard_of", [person]) with data.tables as tables
	inspection.found("personal", "ask") == set() with input as given("TOOL_CALL", "add", [person]) with data.tables as tables
	inspection.found("personal", "ask") == {"ssn"} with input as given("MESSAGE", "add", [person]) with data.tables as tables
}

test_severities_narrow_a_row if {
	hidden := given("TOOL_CALL", "add", [finding("bidi", "evasion", "high"), finding("zw", "evasion", "low")])
	inspection.found("evasion", "ask") == {"bidi"} with input as hidden with data.tables as tables
}

test_complete if {
	inspection.complete({"credential"}) with input as given("TOOL_CALL", "add", [secret]) with data.tables as tables
	inspection.complete({"credential"}) with input as given("TOOL_CALL", "add", []) with data.tables as tables
	inspection.complete({"personal"}) with input as given("TOOL_RESULT", "add", [secret]) with data.tables as tables
}

test_a_finding_without_a_row_is_not_complete if {
	not inspection.complete({"credential"}) with input as given("MESSAGE", "add", [secret]) with data.tables as tables
}

test_no_inspection_is_not_complete if {
	not inspection.complete({"credential"}) with input as {"action": {"kind": "TOOL_CALL", "tool": "add"}} with data.tables as tables
}

test_no_table_is_not_complete if {
	not inspection.complete({"credential"}) with input as given("TOOL_CALL", "add", []) with data.tables as {}
}

test_a_slip_of_the_pen_does_not_allow if {
	row := {"category": "credential", "kinds": ["TOOL_CALL"]}
	every slip in [{}, {"effect": "dney"}, {"effect": "ask", "severities": ["hihg"]}] {
		inspection.found("credential", "ask") == {"key"} with input as given("TOOL_CALL", "add", [secret])
			with data.tables.effects.effects as [object.union(row, slip)]
	}
}
