# METADATA
# title: Limits
# description: |
#   Reads only name, `exceeded` and `on_exceed` of a limit: what changes from call to call (used, remaining) would make
#   no two decisions alike, and none could be remembered.
package portcullis.lib.limit

exceeded contains limit if {
	some i
	input.limits[i].exceeded == true
	limit := {"name": input.limits[i].name, "on_exceed": input.limits[i].on_exceed}
}

counted contains input.limits[i].name if {
	some i
	is_boolean(input.limits[i].exceeded)
}

# Every row that applies to this action was counted. A counter that is missing is not zero.
complete(rows) if {
	input.action.kind != ""
	count({row.name | some row in rows; applies(row)} - counted) == 0
}

# A call need not have a user or a tool, or affect anybody; limits for each of them do not apply then.
applies(row) if {
	scope := object.get(row, "scope", [])
	not "user" in scope
	not "tool" in scope
	not "sink" in scope
	among(input.action.kind, object.get(row, "kinds", []))
	among(input.action.tool, object.get(row, "tools", []))
}

# An empty list means all.
among(_, []) := true

among(name, list) if name in list
