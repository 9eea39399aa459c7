package portcullis.rules.paths_test

import data.portcullis.rules.paths

table := {"marks": [
	{"name": "good", "effect": "allow"},
	{"name": "doubtful", "effect": "ask"},
	{"name": "bad", "effect": "deny"},
]}

given(class, flags) := {"facts": [{"type": "path", "class": class, "flags": flags}]}

verdict(action) := {"deny": denied, "ask": asked} if {
	denied := {r.code | some r in paths.deny} with input as action with data.tables.paths as table
	asked := {r.code | some r in paths.ask} with input as action with data.tables.paths as table
}

nothing := {"deny": set(), "ask": set()}

test_what_the_table_allows if {
	verdict(given("good", [])) == nothing
	verdict(given("good", ["good"])) == nothing
	verdict({"facts": []}) == nothing
}

test_what_the_table_denies if {
	verdict(given("bad", [])) == {"deny": {"PATH_DENIED"}, "ask": set()}
	verdict(given("good", ["good", "bad"])) == {"deny": {"PATH_DENIED"}, "ask": set()}
}

test_what_the_table_asks_about if {
	verdict(given("doubtful", [])) == {"deny": set(), "ask": {"PATH_NEEDS_APPROVAL"}}
	verdict(given("good", ["doubtful"])) == {"deny": set(), "ask": {"PATH_NEEDS_APPROVAL"}}
}

test_what_the_table_does_not_know_asks if {
	verdict(given("new", [])) == {"deny": set(), "ask": {"PATH_NEEDS_APPROVAL"}}
}

test_other_facts_are_for_other_controls if {
	verdict({"facts": [{"type": "other", "class": "bad", "flags": ["bad"]}]}) == nothing
}

test_passed if {
	paths.passed with input as given("bad", []) with data.tables.paths as table
}

test_not_passed_without_facts if {
	not paths.passed with input as {} with data.tables.paths as table
}

test_not_passed_without_a_table if {
	not paths.passed with input as given("good", []) with data.tables as {}
}
