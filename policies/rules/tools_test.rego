package portcullis.rules.tools_test

import data.portcullis.rules.tools

tables := {
	"blocked": {"tools": ["shell", "drop"]},
	"profiles": {"profiles": [
		{"name": "basic", "tools": ["add", "shell"]},
		{"name": "wide", "tools": ["add", "mail", "shell"], "exempt_from_block": ["shell"]},
		{"name": "plain", "tools": ["add"]},
		{"name": "odd", "tools": "add"},
	]},
}

given(profile, tool) := {"principal": {"profile": profile}, "action": {"kind": "TOOL_CALL", "tool": tool}}

codes(action) := found if {
	found := {r.code | some r in tools.deny} with input as action with data.tables as tables
}

test_a_listed_tool_is_not_denied if {
	codes(given("basic", "add")) == set()
	codes(given("wide", "mail")) == set()
}

test_threat_f2_a_tool_on_nobodys_list_is_denied[tool] if {
	some tool in ["unheard_of", "ADD", "add ", "send_emaiI", ""]
	codes(given("wide", tool)) == {"TOOL_UNKNOWN"}
}

test_a_tool_on_another_profile_is_denied if {
	codes(given("basic", "mail")) == {"TOOL_NOT_ALLOWED"}
}

test_a_blocked_tool_is_denied_whatever_the_profile_lists if {
	codes(given("basic", "shell")) == {"TOOL_BLOCKED"}
	codes(given("basic", "drop")) == {"TOOL_BLOCKED"}
	codes(given("wide", "drop")) == {"TOOL_BLOCKED"}
	codes(given("plain", "shell")) == {"TOOL_BLOCKED"}
}

test_a_profile_may_be_exempt_from_a_block if {
	codes(given("wide", "shell")) == set()
}

test_an_unknown_profile_is_denied if {
	codes(given("nobody", "add")) == {"PROFILE_UNKNOWN", "TOOL_NOT_ALLOWED"}
	"PROFILE_UNKNOWN" in codes(given("", "add"))
	not "PROFILE_UNKNOWN" in codes(given("basic", "unheard_of"))
}

test_the_message_names_tools_of_the_tables_only if {
	reasons := tools.deny with input as given("basic", "<b>evil</b>") with data.tables as tables
	every r in reasons {
		not contains(r.message, "evil")
	}
	named := tools.deny with input as given("basic", "mail") with data.tables as tables
	{r.message | some r in named} == {"The tool mail is not on the allowlist of this agent's profile."}
}

test_passed if {
	tools.passed with input as given("basic", "add") with data.tables as tables
	tools.passed with input as given("basic", "unheard_of") with data.tables as tables
}

test_not_passed_without_what_it_needs[why] if {
	some why, action in {
		"no tool": given("basic", ""),
		"no profile": given("nobody", "add"),
		"a profile without a list": given("odd", "add"),
	}
	not tools.passed with input as action with data.tables as tables
}

test_not_passed_without_tables if {
	not tools.passed with input as given("basic", "add") with data.tables as {"profiles": tables.profiles}
	not tools.passed with input as given("basic", "add") with data.tables as {"blocked": tables.blocked}
}
