# METADATA
# title: Names that pass for others
# description: A name that looks like a known tool and is none, such as send_emaiI, is a mistake or a trap.
package portcullis.rules.near_miss

import data.portcullis.lib.fact
import data.portcullis.lib.reason

# METADATA
# title: The name resembles a known tool
# custom:
#   id: near_miss.name
#   code: TOOL_NEAR_MISS
#   severity: high
#   threats: [A17, A18]
#   message: The tool's name resembles {tool} and is another one.
deny contains reason.of(rego.metadata.rule(), {"{tool}": name}, []) if {
	some f in input.facts
	f.type == "tool_name"
	some name in ({row.tool | some row in data.tables.tools.tools} | {t | some t in data.tables.profiles.profiles[_].tools})
	name == f.near_miss_of
}

passed if fact.complete
