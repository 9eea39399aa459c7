package portcullis.rules.steering_test

import data.portcullis.rules.steering

flows(effect) := {"flows": [{"name": "steering", "effect": effect}]}

given(state) := {"action": {"steering": state}}

test_threat_a13_a_strangers_text_that_is_kept_asks if {
	count(steering.ask) == 1 with input as given("tainted") with data.tables.flows as flows("ask")
}

test_the_table_may_deny if {
	count(steering.deny) == 1 with input as given("tainted") with data.tables.flows as flows("deny")
}

test_own_words_do_not_ask if {
	every state in {"none", "own"} {
		count(steering.ask) == 0 with input as given(state) with data.tables.flows as flows("ask")
	}
}

test_passed if {
	steering.passed with input as given("own") with data.tables.flows as flows("ask")
	not steering.passed with input as given("") with data.tables.flows as flows("ask")
}
