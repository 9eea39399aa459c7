# METADATA
# title: Who may approve
# description: |
#   Two answers that the engine reads, each by itself and never along with a decision:
#
#     terms   when a person has to be asked: for how long, and who may approve from when on
#     vote    when somebody votes: whether they may, and which stages a yes counts for
#
#   They see `input.review`, and of `input.principal` and `input.action` what the ask holds. Where one of them is
#   undefined, fails, or has another shape, nobody is asked and nobody may vote. What a policy can't change: who asked, or
#   is behind who asked, never approves; a machine never votes; one no ends it; silence is a no; a stage that is not open
#   counts for nothing. All of that the engine holds itself.
#
#   A team changes the table `approvals`; who needs more than rows changes this file.
package portcullis.approval

import data.portcullis.lib.tool

# METADATA
# title: How people are asked
# entrypoint: true
terms := {"ttl_seconds": rule.ttl_seconds, "stages": array.concat(own, fallback)}

# The first row that fits, on top of what the tool's risk level has, on top of the default.
rule := object.union(by_level, rows[0])

rows := array.concat([row | some row in data.tables.approvals.rows; fits(row)], [{}])

by_level := object.union(data.tables.approvals.default, row) if {
	some row in data.tables.approvals.levels
	row.name == tool.level_name
} else := data.tables.approvals.default

# A row fits if all that it names does.
fits(row) if {
	among(row, "tools", tool.name)
	among(row, "risks", tool.level_name)
	among(row, "kinds", input.action.kind)
	among(row, "tenants", input.principal.tenant)
	among(row, "agents", input.principal.agent)
	about(row)
	moves(row)
	costs(row)
}

among(row, field, value) if value in object.get(row, field, [value])

about(row) if not row.rules

about(row) if {
	some reason in input.review.reasons
	reason.rule in row.rules
}

moves(row) if not row.amount_at_least

moves(row) if input.review.amount >= row.amount_at_least

# An amount that cannot be read may be any.
moves(row) if {
	row.amount_at_least
	input.review.amount_unclear
}

costs(row) if input.action.estimate.cost_micro_usd >= object.get(row, "cost_micro_usd_at_least", 0)

# A row without stages has one: of its groups and roles, or of everybody.
own := [stage(s) | some s in rule.stages] if {
	count(rule.stages) > 0
} else := [stage(object.remove(rule, ["after_seconds"]))]

# Who may approve after all others had their time.
fallback := [stage(data.tables.approvals.fallback)] if {
	data.tables.approvals.fallback.after_seconds < rule.ttl_seconds
	data.tables.approvals.fallback.after_seconds >= last_opens
} else := []

last_opens := max([s.after_seconds | some s in own])

stage(s) := {
	"after_seconds": object.get(s, "after_seconds", 0),
	"quorum": object.get(s, "quorum", rule.quorum),
	"groups": object.get(s, "groups", []),
	"roles": object.get(s, "roles", []),
}

# METADATA
# title: Whether this person may give this verdict now
# entrypoint: true
vote := {"may_vote": true, "stages": stages, "code": "", "message": ""} if {
	named
	count(stages) > 0
} else := {"may_vote": true, "stages": [], "code": "", "message": ""} if {
	# A no is safe from everybody who could have said yes later.
	input.review.verdict == "reject"
	named
} else := refused("STAGE_NOT_OPEN", "You may approve this later, if those who are asked first do not answer.") if {
	named
} else := refused("NOT_ASKED", "This is for other approvers than you.")

refused(code, message) := {"may_vote": false, "stages": [], "code": code, "message": message}

# Some stage is for this voter, open or not.
named if {
	"approver" in input.review.voter.roles
	not involved
	some s in input.review.stages
	is_for(s)
}

# The engine refuses those before it asks; a policy that is tested by itself says so too.
involved if input.review.voter.person in {input.review.requested_by, input.review.requested_by_person, input.review.owner}

stages := [i |
	some i, s in input.review.stages
	s.after_seconds <= input.review.elapsed_seconds
	is_for(s)
]

is_for(s) if {
	count(s.groups) == 0
	count(s.roles) == 0
}

is_for(s) if {
	some group in s.groups
	group in input.review.voter.groups
}

is_for(s) if {
	some role in s.roles
	role in input.review.voter.roles
}
