package portcullis.rules.agents_test

import data.portcullis.rules.agents

tables := {
	"agents": {"default_profile": "strict", "agents": [
		{"agent": "reader", "profile": "reading", "trust": "low"},
		{"agent": "writer", "profile": "writing"},
		{"agent": "planner", "profile": "reading", "trust": "medium"},
		{"agent": "owner", "profile": "reading", "trust": "high"},
		{"agent": "elsewhere", "tenant": "other", "profile": "writing", "trust": "high"},
		{"agent": "here", "tenant": "acme", "profile": "writing"},
	]},
	"profiles": {"profiles": [
		{"name": "strict", "tools": ["add"]},
		{"name": "reading", "tools": ["add", "read"]},
		{"name": "writing", "tools": ["add", "read", "write"]},
	]},
}

asks(tool, trust, senders) if {
	count(agents.ask) == 1 with input as {
		"principal": {"tenant": "acme", "agent": "writer", "trust": trust},
		"action": {"kind": "TOOL_CALL", "tool": tool},
		"session": {"labels": array.concat(["seen:tool_result"], [concat("", ["message:", s]) | some s in senders])},
	}
		with data.tables.agents as tables.agents
		with data.tables.profiles as tables.profiles
}

test_no_message_does_not_ask if not asks("write", "low", [])

test_a_sender_without_the_tool_asks if asks("write", "low", ["reader"])

test_a_sender_with_the_tool_does_not if not asks("read", "low", ["reader"])

test_an_equal_of_low_trust_asks if asks("write", "high", ["reader"])

test_a_sender_of_the_same_profile_does_not if not asks("write", "low", ["writer"])

test_a_less_trusted_sender_asks if asks("write", "high", ["planner"])

test_as_trusted_does_not if not asks("write", "medium", ["planner"])

test_more_trusted_does_not if not asks("write", "medium", ["owner"])

test_an_unknown_sender_has_the_default_profile if {
	asks("read", "low", ["(unknown)"])
	not asks("add", "low", ["(unknown)"])
}

test_one_of_several_is_enough if asks("write", "medium", ["owner", "writer", "reader"])

test_another_tenants_row_is_not_this_sender if asks("write", "low", ["elsewhere"])

test_this_tenants_row_is if not asks("write", "low", ["here"])

test_passed if {
	agents.passed with input as {"principal": {"trust": "low"}, "session": {"labels": []}}
		with data.tables.agents as tables.agents
}

test_not_passed_without_trust if {
	not agents.passed with input as {"principal": {"trust": "x"}, "session": {"labels": []}}
		with data.tables.agents as tables.agents
}
