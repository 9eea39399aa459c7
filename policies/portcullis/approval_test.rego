package portcullis.approval_test

import data.portcullis.approval

tables := {
	"approvals": {
		"default": {"ttl_seconds": 300, "quorum": 1},
		"levels": [{"name": "HIGH", "ttl_seconds": 60, "quorum": 2}],
		"rows": [
			{"name": "payroll", "tools": ["pay"], "rules": ["x.salary"], "groups": ["hr"]},
			{"name": "large", "tools": ["pay", "refund"], "amount_at_least": 1000, "quorum": 2, "groups": ["finance"]},
			{"name": "dear", "cost_micro_usd_at_least": 5000000, "roles": ["admin"]},
			{"name": "abroad", "tenants": ["fr"], "kinds": ["TOOL_CALL"], "agents": ["bot"], "ttl_seconds": 900},
			{
				"name": "on call", "risks": ["CRITICAL"], "quorum": 2,
				"stages": [{"groups": ["first"], "quorum": 1}, {"after_seconds": 120, "groups": ["second"], "roles": ["admin"]}],
			},
		],
	},
	"tools": {"tools": [
		{"tool": "mail", "risk": "HIGH"}, {"tool": "pay", "risk": "HIGH"},
		{"tool": "delete", "risk": "CRITICAL"}, {"tool": "add", "risk": "LOW"},
	]},
	"risk": {"default_level": "LOW"},
}

asking(tool) := {
	"principal": {"tenant": "acme", "agent": "bot"},
	"action": {"kind": "TOOL_CALL", "tool": tool, "estimate": {"cost_micro_usd": 10}},
	"review": {"reasons": [{"rule": "x.risk"}], "amount": 0, "amount_unclear": false},
}

about(tool, review) := object.union(asking(tool), {"review": review})

terms(input_) := t if {
	t := approval.terms with input as input_ with data.tables as tables
}

anybody(quorum) := {"after_seconds": 0, "quorum": quorum, "groups": [], "roles": []}

test_a_tool_of_no_level_has_the_default if {
	terms(asking("add")) == {"ttl_seconds": 300, "stages": [anybody(1)]}
}

test_the_risk_level_says_how_to_ask if {
	terms(asking("mail")) == {"ttl_seconds": 60, "stages": [anybody(2)]}
}

test_the_first_row_that_fits_counts if {
	hr := terms(about("pay", {"reasons": [{"rule": "x.salary"}], "amount": 5000}))
	hr.stages == [{"after_seconds": 0, "quorum": 2, "groups": ["hr"], "roles": []}]
	hr.ttl_seconds == 60
	finance := terms(about("pay", {"amount": 5000}))
	finance.stages == [{"after_seconds": 0, "quorum": 2, "groups": ["finance"], "roles": []}]
}

test_threat_b8_amounts_need_two_people[amount] if {
	some amount, quorum in {999: 1, 1000: 2, 1001: 2}
	terms(about("refund", {"amount": amount})).stages[0].quorum == quorum
}

test_threat_b8_an_amount_that_cannot_be_read_may_be_any if {
	terms(about("refund", {"amount_unclear": true})).stages[0].groups == ["finance"]
}

test_what_is_dear_has_other_approvers if {
	costly := object.union(asking("add"), {"action": {"estimate": {"cost_micro_usd": 5000000}}})
	terms(costly).stages == [{"after_seconds": 0, "quorum": 1, "groups": [], "roles": ["admin"]}]
}

test_all_that_a_row_names_must_fit[change] if {
	abroad := object.union(asking("add"), {"principal": {"tenant": "fr"}})
	terms(abroad).ttl_seconds == 900
	some change in [{"principal": {"agent": "other"}}, {"principal": {"tenant": "de"}}, {"action": {"kind": "MESSAGE"}}]
	terms(object.union(abroad, change)).ttl_seconds == 300
}

test_stages_open_one_after_another if {
	terms(asking("delete")).stages == [
		{"after_seconds": 0, "quorum": 1, "groups": ["first"], "roles": []},
		{"after_seconds": 120, "quorum": 2, "groups": ["second"], "roles": ["admin"]},
	]
}

test_the_fallback_comes_last_and_in_time[after] if {
	some after, n in {120: 3, 299: 3, 119: 2, 300: 2}
	t := approval.terms with input as asking("delete")
		with data.tables as tables
		with data.tables.approvals.fallback as {"after_seconds": after, "groups": ["duty"], "quorum": 1}
	count(t.stages) == n
}

test_terms_are_undefined_without_the_table if {
	not approval.terms with input as asking("add") with data.tables as object.remove(tables, ["approvals"])
}

stages := [
	{"after_seconds": 0, "quorum": 1, "groups": ["first"], "roles": []},
	{"after_seconds": 120, "quorum": 1, "groups": ["second", "duty"], "roles": ["admin"]},
]

ann := {"person": "ann", "roles": ["approver"], "groups": ["first"]}

voting(voter, more) := object.union(
	{
		"stages": stages, "elapsed_seconds": 10, "verdict": "approve", "voter": object.union(ann, voter),
		"requested_by": "gateway", "requested_by_person": "gus", "owner": "olga",
	},
	more,
)

vote(voter, more) := v if {
	v := approval.vote with input as {"review": voting(voter, more)} with data.tables as tables
}

test_a_member_of_an_open_stage_may_vote if {
	vote({}, {}) == {"may_vote": true, "stages": [0], "code": "", "message": ""}
}

test_a_yes_counts_for_every_open_stage if {
	vote({"groups": ["first", "duty"]}, {"elapsed_seconds": 120}).stages == [0, 1]
	vote({"roles": ["admin", "approver"]}, {"elapsed_seconds": 120}).stages == [0, 1]
}

test_threat_b9_a_later_stage_may_not_approve_early if {
	second := {"groups": ["second"]}
	vote(second, {"elapsed_seconds": 119}).code == "STAGE_NOT_OPEN"
	not vote(second, {"elapsed_seconds": 119}).may_vote
	vote(second, {"elapsed_seconds": 120}).stages == [1]
	vote(second, {"elapsed_seconds": 1, "verdict": "reject"}) == {"may_vote": true, "stages": [], "code": "", "message": ""}
}

test_a_stage_without_names_is_for_every_approver if {
	vote({"groups": []}, {"stages": [anybody(1)]}).stages == [0]
}

test_others_may_not_vote[voter] if {
	some voter in [
		{"groups": ["third"]}, {"groups": []}, {"roles": ["admin"]}, {"roles": []},
		{"person": "gus"}, {"person": "gateway"}, {"person": "olga"},
	]
	every verdict in ["approve", "reject"] {
		vote(voter, {"verdict": verdict}).code == "NOT_ASKED"
		vote(voter, {"verdict": verdict}).may_vote == false
		vote(voter, {"verdict": verdict}).stages == []
	}
}

test_nobody_may_vote_on_nothing if {
	v := approval.vote with input as {} with data.tables as tables
	v.may_vote == false
}
