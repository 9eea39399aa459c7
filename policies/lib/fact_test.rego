package portcullis.lib.fact_test

import data.portcullis.lib.fact

facts := {"facts": [
	{"type": "url", "class": "public", "flags": ["port"]},
	{"type": "path", "class": "secret", "flags": []},
	{"type": "command", "class": "", "flags": ["wrapper"]},
]}

rows := [{"name": "public", "effect": "allow"}, {"name": "port", "effect": "deny"}]

test_class_and_flags_count if {
	fact.effects("url", rows) == {"allow", "deny"} with input as facts
}

test_a_mark_without_a_row_asks if {
	fact.effects("path", rows) == {"ask"} with input as facts
}

test_no_class_is_no_mark if {
	fact.effects("command", [{"name": "wrapper", "effect": "deny"}]) == {"deny"} with input as facts
}

test_no_fact_no_effect if {
	fact.effects("amount", rows) == set() with input as facts
}

test_facts_must_be_there if {
	fact.complete with input as {"facts": []}
	not fact.complete with input as {}
}
