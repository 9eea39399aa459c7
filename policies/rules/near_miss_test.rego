package portcullis.rules.near_miss_test

import data.portcullis.rules.near_miss

tables := {
	"tools": {"tools": [{"tool": "send_email"}]},
	"profiles": {"profiles": [{"name": "p", "tools": ["read_file"]}]},
}

given(type, near) := {"facts": [{"type": type, "near_miss_of": near}]}

test_threat_a17_a_near_miss_is_denied[near] if {
	some near in ["send_email", "read_file"]
	reasons := near_miss.deny with input as given("tool_name", near) with data.tables as tables
	{r.code | some r in reasons} == {"TOOL_NEAR_MISS"}
	{r.message | some r in reasons} == {sprintf("The tool's name resembles %s and is another one.", [near])}
}

test_other_names_are_not_denied[why] if {
	some why, action in {
		"no fact": {"facts": []},
		"nothing near": given("tool_name", ""),
		"another type": given("path", "send_email"),
		"not of the tables": given("tool_name", "evil"),
	}
	reasons := near_miss.deny with input as action with data.tables as tables
	reasons == set()
}

test_passed if {
	near_miss.passed with input as {"facts": []}
	not near_miss.passed with input as {}
}
