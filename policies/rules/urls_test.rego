package portcullis.rules.urls_test

import data.portcullis.rules.urls

table := {"marks": [
	{"name": "good", "effect": "allow"},
	{"name": "doubtful", "effect": "ask"},
	{"name": "bad", "effect": "deny"},
]}

given(class, flags) := {"facts": [{"type": "url", "class": class, "flags": flags}]}

verdict(action) := {"deny": denied, "ask": asked} if {
	denied := {r.code | some r in urls.deny} with input as action with data.tables.urls as table
	asked := {r.code | some r in urls.ask} with input as action with data.tables.urls as table
}

nothing := {"deny": set(), "ask": set()}

test_what_the_table_allows if {
	verdict(given("good", [])) == nothing
	verdict(given("good", ["good"])) == nothing
	verdict({"facts": []}) == nothing
}

test_what_the_table_denies if {
	verdict(given("bad", [])) == {"deny": {"URL_DENIED"}, "ask": set()}
	verdict(given("good", ["good", "bad"])) == {"deny": {"URL_DENIED"}, "ask": set()}
}

test_what_the_table_asks_about if {
	verdict(given("doubtful", [])) == {"deny": set(), "ask": {"URL_NEEDS_APPROVAL"}}
	verdict(given("good", ["doubtful"])) == {"deny": set(), "ask": {"URL_NEEDS_APPROVAL"}}
}

test_what_the_table_does_not_know_asks if {
	verdict(given("new", [])) == {"deny": set(), "ask": {"URL_NEEDS_APPROVAL"}}
}

test_other_facts_are_for_other_controls if {
	verdict({"facts": [{"type": "other", "class": "bad", "flags": ["bad"]}]}) == nothing
}

test_passed if {
	urls.passed with input as given("bad", []) with data.tables.urls as table
}

test_not_passed_without_facts if {
	not urls.passed with input as {} with data.tables.urls as table
}

test_not_passed_without_a_table if {
	not urls.passed with input as given("good", []) with data.tables as {}
}
