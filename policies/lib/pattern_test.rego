package portcullis.lib.pattern_test

import data.portcullis.lib.pattern

test_the_list_and_the_groups_are_one if {
	pattern.all == [{"id": "a"}, {"id": "b"}, {"id": "c"}] with data.tables.patterns as {
		"patterns": [{"id": "a"}],
		"cloud": {"patterns": [{"id": "b"}]},
		"payments": {"patterns": [{"id": "c"}]},
	}
}

test_a_list_alone if pattern.all == [{"id": "a"}] with data.tables.patterns as {"patterns": [{"id": "a"}]}

test_groups_alone if pattern.all == [{"id": "b"}] with data.tables.patterns as {"cloud": {"patterns": [{"id": "b"}]}}

test_none if pattern.all == [] with data.tables.patterns as {}
