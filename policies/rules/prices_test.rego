package portcullis.rules.prices_test

import data.portcullis.rules.prices

given(price) := {"action": {"price": price}}

rows := [{"name": "unknown", "effect": "deny"}, {"name": "unnamed", "effect": "allow"}]

test_a_known_price_passes if {
	every price in {"none", "known", "stated"} {
		prices.deny == set() with input as given(price) with data.tables.prices.unpriced as rows
		prices.ask == set() with input as given(price) with data.tables.prices.unpriced as rows
		prices.passed with input as given(price) with data.tables.prices.unpriced as rows
	}
}

test_what_the_table_denies if {
	{r.code | some r in prices.deny} == {"PRICE_UNKNOWN"} with input as given("unknown") with data.tables.prices.unpriced as rows
	prices.ask == set() with input as given("unknown") with data.tables.prices.unpriced as rows
	prices.passed with input as given("unknown") with data.tables.prices.unpriced as rows
}

test_what_the_table_allows if {
	prices.deny == set() with input as given("unnamed") with data.tables.prices.unpriced as rows
	prices.ask == set() with input as given("unnamed") with data.tables.prices.unpriced as rows
}

test_what_no_row_names_is_asked_about if {
	{r.rule | some r in prices.ask} == {"prices.ask"} with input as given("unknown") with data.tables.prices.unpriced as []
	prices.deny == set() with input as given("unknown") with data.tables.prices.unpriced as []
}

test_a_slip_of_the_pen_is_asked_about if {
	count(prices.ask) == 1 with input as given("unknown") with data.tables.prices.unpriced as [{"name": "unknown", "effect": "alow"}]
}

test_without_table_or_price_it_does_not_pass if {
	not prices.passed with input as {"action": {}} with data.tables.prices.unpriced as rows
	not prices.passed with input as given("cheap") with data.tables.prices.unpriced as rows
	not prices.passed with input as given("known") with data.tables.prices.unpriced as null
}
