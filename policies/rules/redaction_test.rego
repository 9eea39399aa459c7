package portcullis.rules.redaction_test

import data.portcullis.rules.redaction

finding(rule, pointer) := {"rule": rule, "category": "personal", "severity": "high", "pointer": pointer, "count": 1}

given(findings) := {"action": {"kind": "TOOL_RESULT", "tool": "mail"}, "findings": findings}

row(effect, more) := object.union({"name": "x", "category": "personal", "kinds": ["TOOL_RESULT"], "effect": effect}, more)

obligations(rows, findings) := found if {
	found := redaction.obligation with input as given(findings) with data.tables.effects.effects as rows
}

order(rule, how, pointers) := {
	"id": sprintf("redact.%s.%s", [how, rule]),
	"type": "redact",
	"properties": {"rule": rule, "replace": how, "pointers": pointers},
}

test_a_row_redacts if {
	rows := [row("redact", {"replace": "token"})]
	obligations(rows, [finding("card", "/content"), finding("card", "/a"), finding("ssn", "/content")]) == {
		order("card", "token", `["/a","/content"]`),
		order("ssn", "token", `["/content"]`),
	}
}

test_other_effects_do_not_redact[effect] if {
	some effect in ["allow", "ask", "deny", "erase"]
	obligations([row(effect, {"replace": "token"})], [finding("card", "/content")]) == set()
}

test_nothing_found_nothing_redacted if obligations([row("redact", {})], []) == set()

test_what_shows_least_wins if {
	rows := [
		row("redact", {"replace": "last4", "rules": ["card", "phone"]}),
		row("redact", {"replace": "token", "rules": ["card"]}),
		row("redact", {"replace": "tokne", "rules": ["ssn"]}),
		row("redact", {"rules": ["iban"]}),
	]
	obligations(rows, [finding(rule, "/c") | some rule in ["card", "phone", "ssn", "iban", "other"]]) == {
		order("card", "token", `["/c"]`),
		order("phone", "last4", `["/c"]`),
		order("ssn", "constant", `["/c"]`),
		order("iban", "constant", `["/c"]`),
	}
}

test_passed if redaction.passed with input as given([finding("card", "/c")]) with data.tables.effects.effects as [row("redact", {})]

test_not_passed_without_inspection if {
	not redaction.passed with input as {"action": {"kind": "TOOL_RESULT"}} with data.tables.effects.effects as [row("redact", {})]
}

test_not_passed_where_the_table_has_no_word if {
	not redaction.passed with input as given([finding("card", "/c")]) with data.tables.effects.effects as []
}
