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

# Account numbers are for the fields of account numbers.
iban(pointer, n) := {"rule": "personal.iban", "category": "personal", "severity": "low", "pointer": pointer, "count": n}

account_tables := {
	"effects": {"effects": [{
		"name": "accounts", "category": "personal", "kinds": ["TOOL_CALL", "MESSAGE"], "rules": ["personal.iban*", "personal.other"],
		"fields": "unmeant", "origins": "not_user", "effect": "ask",
	}]},
	"meant": {"meant": [{"name": "accounts", "rules": ["personal.iban"], "fields": ["recipient"]}]},
}

asked(findings, provenance) := ids if {
	action := object.union(given("TOOL_CALL", "mail", findings), {"provenance": provenance})
	ids := inspection.found("personal", "ask") with input as action with data.tables as account_tables
}

test_a_field_that_is_meant_for_it_is_spared if {
	asked([iban("/arguments/recipient", 1)], []) == set()
	asked([iban("/arguments/payees/0/Recipient/1", 1)], []) == set()
	asked([iban("/arguments/subject", 1)], []) == {"personal.iban"}
	asked([iban("/arguments/recipient", 2)], []) == {"personal.iban"}
	asked([iban("/arguments/recipient#key", 1)], []) == {"personal.iban"}
	asked([iban("/arguments/0", 1)], []) == {"personal.iban"}
	asked([iban("/content", 1)], []) == {"personal.iban"}
	asked([iban("", 1)], []) == {"personal.iban"}
	asked([iban("/arguments/recipient", 1), iban("/arguments/subject", 1)], []) == {"personal.iban"}
}

from(origins) := [{"pointer": "/arguments/subject", "sink": false, "origins": origins}]

test_what_the_user_gave_is_spared if {
	asked([iban("/arguments/subject", 1)], from(["user"])) == set()
	asked([iban("/arguments/subject", 1)], from(["user", "untrusted:mail"])) == {"personal.iban"}
	asked([iban("/arguments/subject", 1)], from(["nowhere"])) == {"personal.iban"}
	asked([iban("/arguments/subject", 1)], from([])) == {"personal.iban"}
	asked([iban("/arguments/body", 1)], from(["user"])) == {"personal.iban"}
}

other(rule) := object.union(iban("/content", 1), {"rule": rule})

test_rules_narrow_a_row if {
	asked([other("personal.iban-spaced"), other("personal.other"), other("personal.others"), other("x.personal.iban")], []) == {
		"personal.iban-spaced",
		"personal.other",
	}
}

test_tools_narrow_a_row if {
	table := [{"name": "x", "category": "credential", "kinds": ["TOOL_CALL"], "tool_names": ["mail"], "effect": "deny"}]
	inspection.found("credential", "deny") == {"key"} with input as given("TOOL_CALL", "mail", [secret]) with data.tables.effects.effects as table
	inspection.found("credential", "deny") == set() with input as given("TOOL_CALL", "add", [secret]) with data.tables.effects.effects as table
}

test_a_row_for_both_spares_only_what_the_user_gave_there if {
	row := object.union(account_tables.effects.effects[0], {"fields": "unmeant_or_not_user", "origins": ""})
	subject := [iban("/arguments/subject", 1)]
	recipient := [iban("/arguments/recipient", 1)]
	said := [{"pointer": "/arguments/recipient", "sink": true, "origins": ["user"]}]
	every c in [[subject, from(["user"]), {"personal.iban"}], [recipient, [], {"personal.iban"}], [recipient, said, set()]] {
		action := object.union(given("TOOL_CALL", "mail", c[0]), {"provenance": c[1]})
		inspection.found("personal", "ask") == c[2] with input as action
			with data.tables as account_tables
			with data.tables.effects.effects as [row]
	}
}
