package portcullis.lib.tool_test

import data.portcullis.lib.tool

tables := {
	"tools": {"tools": [
		{"tool": "add", "risk": "LOW", "external": false},
		{"tool": "bare"},
		{"tool": "odd", "risk": "HIHG", "external": "false"},
	]},
	"risk": {"levels": [{"name": "LOW", "rank": 1}, {"name": "MEDIUM", "rank": 2}], "default_level": "MEDIUM"},
	"profiles": {"profiles": [{"name": "basic", "tools": ["add"]}]},
}

call(name) := {"principal": {"profile": "basic"}, "action": {"kind": "TOOL_CALL", "tool": name}}

test_a_row_gives_the_level if {
	tool.level.rank == 1 with input as call("add") with data.tables as tables
}

test_threat_f2_no_level_is_the_default_level[name] if {
	some name in ["bare", "unheard_of", ""]
	tool.level.name == "MEDIUM" with input as call(name) with data.tables as tables
}

test_a_misspelt_level_is_no_level if {
	not tool.level with input as call("odd") with data.tables as tables
}

test_only_a_row_makes_a_tool_internal if {
	not tool.external with input as call("add") with data.tables as tables
	tool.internal with input as call("add") with data.tables as tables
	every name in ["bare", "odd", "unheard_of"] {
		tool.external with input as call(name) with data.tables as tables
	}
}

test_level_names if {
	tool.level_name == "LOW" with input as call("add") with data.tables as tables
	tool.level_name == "MEDIUM" with input as call("bare") with data.tables as tables
	tool.level_name == "HIHG" with input as call("odd") with data.tables as tables
}

test_an_http_request_is_judged_as_one_whatever_it_claims if {
	http := {"action": {"kind": "HTTP_REQUEST", "tool": "add"}}
	tool.name == "http_request" with input as http
}

test_profiles if {
	tool.profile.tools == ["add"] with input as call("add") with data.tables as tables
	other := {"principal": {"profile": "nobody"}}
	not tool.profile with input as other with data.tables as tables
}
