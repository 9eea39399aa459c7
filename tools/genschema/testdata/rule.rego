# Reads every part of input once, so that the schema is tried on all of it.
package portcullis.rules.everything

deny contains finding.rule if {
	some finding in input.findings
	finding.count > 0
	input.action.kind == "TOOL_CALL"
}

deny contains limit.name if {
	some limit in input.limits
	limit.exceeded
	limit.on_exceed == "deny"
}

deny contains fact.pointer if {
	some fact in input.facts
	"wrapper" in fact.flags
}

deny contains "unproven" if {
	some argument in input.provenance
	argument.sink
	"nowhere" in argument.origins
}

ask contains name if {
	some name, value in input.action.arguments
	value == "anything"
}

passed if {
	every breaker in input.breakers { breaker.state == "closed" }
	input.action.estimate.cost_micro_usd < 1000
	input.approval.state == "none"
	input.session.repeats == 0
	input.now.ns > 0
	count(input.degraded) == 0
	count(input.views) == 0
	input.principal.profile == "basic"
}
