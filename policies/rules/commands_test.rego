package portcullis.rules.commands_test

import data.portcullis.rules.commands

table := {"marks": [
	{"name": "good", "effect": "allow"},
	{"name": "doubtful", "effect": "ask"},
	{"name": "bad", "effect": "deny"},
]}

given(class, flags) := {"facts": [{"type": "command", "class": class, "flags": flags}]}

verdict(action) := {"deny": denied, "ask": asked} if {
	denied := {r.code | some r in commands.deny} with input as action with data.tables.commands as table
	asked := {r.code | some r in commands.ask} with input as action with data.tables.commands as table
}

nothing := {"deny": set(), "ask": set()}

test_what_the_table_allows if {
	verdict(given("good", [])) == nothing
	verdict(given("good", ["good"])) == nothing
	verdict({"facts": []}) == nothing
}

test_what_the_table_denies if {
	verdict(given("bad", [])) == {"deny": {"COMMAND_DENIED"}, "ask": set()}
	verdict(given("good", ["good", "bad"])) == {"deny": {"COMMAND_DENIED"}, "ask": set()}
}

test_what_the_table_asks_about if {
	verdict(given("doubtful", [])) == {"deny": set(), "ask": {"COMMAND_NEEDS_APPROVAL"}}
	verdict(given("good", ["doubtful"])) == {"deny": set(), "ask": {"COMMAND_NEEDS_APPROVAL"}}
}

test_what_the_table_does_not_know_asks if {
	verdict(given("new", [])) == {"deny": set(), "ask": {"COMMAND_NEEDS_APPROVAL"}}
}

test_other_facts_are_for_other_controls if {
	verdict({"facts": [{"type": "other", "class": "bad", "flags": ["bad"]}]}) == nothing
}

test_passed if {
	commands.passed with input as given("bad", []) with data.tables.commands as table
}

test_not_passed_without_facts if {
	not commands.passed with input as {} with data.tables.commands as table
}

test_not_passed_without_a_table if {
	not commands.passed with input as given("good", []) with data.tables as {}
}
