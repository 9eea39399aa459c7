package portcullis.rules.descriptions_test

import data.portcullis.rules.descriptions

flows := {"flows": [{"name": "description_mismatched", "effect": "deny"}, {"name": "described_elsewhere", "effect": "ask"}]}

given(state) := {"action": {"role": {"description": state}}}

asks(state) if count(descriptions.ask) == 1 with input as given(state) with data.tables.flows as flows

denies(state) if count(descriptions.deny) == 1 with input as given(state) with data.tables.flows as flows

test_threat_a18_a_tool_of_another_server_asks if asks("elsewhere")

test_threat_a19_a_description_that_changed_asks if asks("changed")

test_threat_a19_a_call_for_another_description_is_denied if {
	denies("mismatched")
	not asks("mismatched")
}

test_a_tool_that_is_as_it_was_passes if {
	every state in {"undescribed", "described"} {
		not asks(state)
		not denies(state)
		descriptions.passed with input as given(state) with data.tables.flows as flows
	}
}

test_not_passed_without_a_state if not descriptions.passed with input as given("") with data.tables.flows as flows
