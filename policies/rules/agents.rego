# METADATA
# title: Agents that talk to agents
# description: |
#   An agent can't gain by asking another. The session keeps who has sent it a message; from then on, a tool that the sender
#   may not use itself needs a person's approval, unless the sender is trusted: the table `agents` says how far. A sender
#   that the table does not know, or that nobody who is believed has named, is not trusted and has the default profile. What
#   was delegated (tokens) the engine holds by itself.
package portcullis.rules.agents

import data.portcullis.lib.reason
import data.portcullis.lib.tool

# METADATA
# title: The sender of a message may not use the tool
# custom:
#   id: agents.deputy
#   code: SENDER_LACKS_TOOL
#   severity: high
#   threats: [A12]
#   message: Another agent, which may not use this tool itself, has sent a message in this session; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	some sender in senders
	taints(sender)
	not may_use(sender)
}

# Who has sent a message in this session. `(unknown)` stands for all that nobody vouches for.
senders contains name if {
	some label in input.session.labels
	startswith(label, "message:")
	name := substring(label, count("message:"), -1)
}

row(agent) := r if {
	some r in data.tables.agents.agents
	r.agent == agent
	object.get(r, "tenant", input.principal.tenant) in {"", input.principal.tenant}
}

trust(agent) := t if {
	t := row(agent).trust
} else := "low"

profile_name(agent) := p if {
	p := row(agent).profile
} else := data.tables.agents.default_profile

rank := {"low": 1, "medium": 2, "high": 3}

# A sender of low trust always does: nobody has said anything for it.
taints(sender) if trust(sender) == "low"

taints(sender) if rank[trust(sender)] < rank[input.principal.trust]

may_use(sender) if {
	some p in data.tables.profiles.profiles
	p.name == profile_name(sender)
	tool.name in p.tools
}

passed if {
	is_array(input.session.labels)
	rank[input.principal.trust]
	is_string(data.tables.agents.default_profile)
}
