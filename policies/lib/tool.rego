# METADATA
# title: The tool
# description: Which tool an action uses, and what the tables say about it.
package portcullis.lib.tool

# A request that the agent makes by itself is judged as the tool http_request, whatever tool it claims to be.
name := "http_request" if {
	input.action.kind == "HTTP_REQUEST"
} else := input.action.tool

row := r if {
	some r in data.tables.tools.tools
	r.tool == name
}

# What has no row, or a row without a level, has the default level.
level_name := row.risk if {
	row.risk
} else := data.tables.risk.default_level

# Undefined for a level that the table `risk` does not have: then the control `risk` stays silent, which denies.
level := l if {
	some l in data.tables.risk.levels
	l.name == level_name
}

# A tool is taken to reach beyond the machine unless its row says that it does not.
external if not internal

internal if row.external == false

# The agent's profile. Undefined if the bundle has none of that name.
profile := p if {
	some p in data.tables.profiles.profiles
	p.name == input.principal.profile
}
