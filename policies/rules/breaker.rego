# METADATA
# title: Circuit breakers
# description: |
#   A tool that failed too often rests; then one call tries whether it works again. What opens a breaker stands in the
#   table `breakers`; the engine counts, and holds an open one whatever is written here.
package portcullis.rules.breaker

import data.portcullis.lib.limit
import data.portcullis.lib.reason

# METADATA
# title: The breaker is open
# custom:
#   id: breaker.open
#   code: BREAKER_OPEN
#   severity: medium
#   threats: [A7, E11]
#   message: This tool failed too often. Wait before trying again.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	some i
	input.breakers[i].state == "open"
}

# METADATA
# title: Another call is already trying
# custom:
#   id: breaker.probing
#   code: BREAKER_OPEN
#   severity: medium
#   threats: [E11]
#   message: This tool failed too often, and another call is trying whether it works again.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	some i
	input.breakers[i].state == "half_open"
	input.breakers[i].probe == false
}

# Every breaker that guards this call is reported, in a state that is known.
passed if {
	every row in data.tables.breakers.breakers {
		settled(row)
	}
}

# A call need not have a user; a breaker for each user does not guard it then.
settled(row) if "user" in row.scope

# Nor does one that is for other kinds of action, or for other tools.
settled(row) if {
	input.action.kind != ""
	not limit.among(input.action.kind, object.get(row, "kinds", []))
}

settled(row) if {
	is_string(tool)
	not limit.among(tool, object.get(row, "tools", []))
}

# An HTTP request is that tool, whatever it says.
tool := "http_request" if input.action.kind == "HTTP_REQUEST"

tool := input.action.tool if input.action.kind != "HTTP_REQUEST"

settled(row) if reported(row.name)

reported(name) if {
	some i
	input.breakers[i].name == name
	input.breakers[i].state in {"closed", "open", "half_open"}
	is_boolean(input.breakers[i].probe)
}
