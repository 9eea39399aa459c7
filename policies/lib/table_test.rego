package portcullis.lib.table_test

import data.portcullis.lib.table

rows := [{"name": "a", "effect": "allow"}, {"name": "b", "effect": "deny"}]

test_a_row_gives_the_effect if {
	table.effect(rows, "a") == "allow"
	table.effect(rows, "b") == "deny"
}

test_a_name_without_a_row_asks if {
	table.effect(rows, "c") == "ask"
	table.effect([], "a") == "ask"
	table.effect([{"name": "a"}], "a") == "ask"
}

test_a_row_without_a_known_effect_asks if {
	table.said({"effect": "deny"}) == "deny"
	table.said({"effect": "alow"}) == "ask"
	table.said({}) == "ask"
	table.effect([{"name": "a", "effect": "alow"}], "a") == "ask"
}
