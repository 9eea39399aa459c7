# METADATA
# title: Tool allowlists
# description: A tool may be used if the agent's profile lists it and it is not blocked everywhere.
package portcullis.rules.tools

import data.portcullis.lib.reason
import data.portcullis.lib.tool

# METADATA
# title: The tool is blocked everywhere
# description: Wins over every allowlist, unless the profile says `exempt_from_block` for this very tool.
# custom:
#   id: tools.blocked
#   code: TOOL_BLOCKED
#   severity: critical
#   threats: [A17, A20]
#   message: The tool {tool} is blocked for all agents.
deny contains reason.of(rego.metadata.rule(), {"{tool}": name}, []) if {
	some name in blocked
}

# METADATA
# title: The tool is on nobody's allowlist
# custom:
#   id: tools.unknown
#   code: TOOL_UNKNOWN
#   severity: high
#   threats: [A17, F2, F8]
#   message: No profile allows this tool.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	count(blocked) == 0
	count(listed) == 0
}

# METADATA
# title: The tool is not on this agent's allowlist
# custom:
#   id: tools.not_allowed
#   code: TOOL_NOT_ALLOWED
#   severity: high
#   threats: [A17]
#   message: The tool {tool} is not on the allowlist of this agent's profile.
deny contains reason.of(rego.metadata.rule(), {"{tool}": name}, []) if {
	count(blocked) == 0
	some name in listed
	not allowed(name)
}

# METADATA
# title: The agent's profile is not in the bundle
# custom:
#   id: tools.profile
#   code: PROFILE_UNKNOWN
#   severity: high
#   threats: [F2, F8]
#   message: This agent has a profile that does not exist, so it may use no tool.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	not tool.profile
}

# The tool of the action, if it is blocked and the agent is not exempt. One element or none, like `listed`.
blocked contains name if {
	some name in data.tables.blocked.tools
	name == tool.name
	not exempt(name)
}

allowed(name) if name in tool.profile.tools

exempt(name) if name in tool.profile.exempt_from_block

# The tool of the action, if any profile has it.
listed contains name if {
	some name in data.tables.profiles.profiles[_].tools
	name == tool.name
}

passed if {
	tool.name != ""
	is_array(data.tables.blocked.tools)
	is_array(tool.profile.tools)
}
