package portcullis.rules.dlp_test

import data.portcullis.rules.dlp

table(effect) := {"effects": [
	{"name": "credential", "category": "credential", "kinds": ["TOOL_CALL"], "effect": effect},
	{"name": "personal", "category": "personal", "kinds": ["TOOL_CALL"], "effect": effect},
]}

given(category) := {
	"action": {"kind": "TOOL_CALL", "tool": "add"},
	"findings": [{"rule": "found", "category": category, "severity": "high"}],
}

codes(reasons) := {[r.code, r.findings] | some r in reasons}

test_a_table_may_deny[category] if {
	some category, code in {"credential": "CREDENTIAL_FOUND", "personal": "PERSONAL_DATA_FOUND"}
	reasons := dlp.deny with input as given(category) with data.tables.effects as table("deny")
	codes(reasons) == {[code, ["found"]]}
	none := dlp.ask with input as given(category) with data.tables.effects as table("deny")
	none == set()
}

test_a_table_may_ask[category] if {
	some category, code in {"credential": "CREDENTIAL_FOUND", "personal": "PERSONAL_DATA_FOUND"}
	reasons := dlp.ask with input as given(category) with data.tables.effects as table("ask")
	codes(reasons) == {[code, ["found"]]}
	none := dlp.deny with input as given(category) with data.tables.effects as table("ask")
	none == set()
}

test_a_table_may_allow[category] if {
	some category in ["credential", "personal"]
	reasons := dlp.deny | dlp.ask with input as given(category) with data.tables.effects as table("allow")
	reasons == set()
}

test_other_findings_are_for_other_controls[effect] if {
	some effect in ["deny", "ask"]
	reasons := dlp.deny | dlp.ask with input as given("suspicion") with data.tables.effects as table(effect)
	reasons == set()
}

test_passed_whatever_was_found[category] if {
	some category in ["credential", "personal", "suspicion"]
	dlp.passed with input as given(category) with data.tables.effects as table("deny")
}

test_not_passed_without_inspection if {
	not dlp.passed with input as {"action": {"kind": "TOOL_CALL", "tool": "add"}} with data.tables.effects as table("deny")
}

test_not_passed_where_the_table_has_no_word[category] if {
	some category in ["credential", "personal"]
	action := object.union(given(category), {"action": {"kind": "MESSAGE"}})
	not dlp.passed with input as action with data.tables.effects as table("deny")
}
