package portcullis.lib.scan_test

import data.portcullis.lib.scan

patterns := [
	{"id": "key", "category": "credential", "severity": "high", "confidence": "high", "regex": `k_[a-z]{4}`, "keywords": ["k_"]},
	{"id": "card", "category": "personal", "severity": "low", "confidence": "low", "regex": `\d{16}`, "validator": "luhn"},
]

view(pointer, chain, text) := {"pointer": pointer, "chain": chain, "text": text}

# What is found, as [rule, pointer, count].
seen(views) := [[f.rule, f.pointer, f.count] |
	some f in scan.findings with input as {"views": views} with data.tables.patterns as {"patterns": patterns}
]

test_a_finding_says_what_and_where if {
	scan.findings == [{
		"rule": "key", "category": "credential", "severity": "high", "confidence": "high",
		"pointer": "/a", "count": 1, "fingerprint": "",
	}] with input as {"views": [view("/a", "raw", "a k_abcd")]} with data.tables.patterns as {"patterns": patterns}
}

test_clean_text_has_no_finding if {
	seen([view("/a", "raw", "nothing here"), view("/b", "raw", "")]) == []
	seen([]) == []
}

test_matches_do_not_overlap if {
	seen([view("/a", "raw", "k_abcdk_efgh k_ij")]) == [["key", "/a", 2]]
}

test_the_count_is_the_largest_of_the_views_of_a_pointer if {
	seen([
		view("/a", "raw", "k_abcd"),
		view("/a", "normalised", "k_abcd k_efgh"),
		view("/b", "raw", "k_abcd"),
	]) == [["key", "/a", 2], ["key", "/b", 1]]
}

test_sorted_by_pointer_then_rule if {
	seen([view("/b", "raw", "k_abcd"), view("/a", "raw", "4111111111111111 k_abcd")]) == [
		["card", "/a", 1],
		["key", "/a", 1],
		["key", "/b", 1],
	]
}

test_keywords_are_looked_for_in_lower_case if {
	upper_case := [object.union(patterns[0], {"regex": `K_[A-Z]{4}`})]
	found := scan.findings with input as {"views": [view("/a", "raw", "K_ABCD")]} with data.tables.patterns as {"patterns": upper_case}
	count(found) == 1
	without := [object.union(patterns[0], {"keywords": ["other"]})]
	none := scan.findings with input as {"views": [view("/a", "raw", "k_abcd")]} with data.tables.patterns as {"patterns": without}
	none == []
}

test_the_validator_has_its_say if {
	seen([view("/a", "raw", "4111111111111111 4111111111111112")]) == [["card", "/a", 1]]
	seen([view("/a", "raw", "4111111111111112")]) == []
}

test_threat_d7_a_value_split_over_two_texts if {
	split := [view("/a", "raw", "k_a"), view("/b", "raw", "bcd"), view("", "concat", "k_abcd")]
	seen(split) == [["key", "", 1]]
}

test_a_pattern_without_keywords_leaves_the_concatenation_alone if {
	seen([view("/a", "raw", "41111111"), view("/b", "raw", "11111111"), view("", "concat", "4111111111111111")]) == []
}

test_threat_d7_a_split_value_beside_a_whole_one if {
	both := [view("/a", "raw", "k_wxyz k_a"), view("/b", "raw", "bcd"), view("", "concat", "k_wxyz k_abcd")]
	seen(both) == [["key", "", 1], ["key", "/a", 1]]
}

test_the_concatenation_repeats_nothing if {
	whole := [view("/a", "raw", "k_abcd"), view("/b", "raw", "x"), view("", "concat", "k_abcdx")]
	seen(whole) == [["key", "/a", 1]]
}

test_the_concatenation_finds_no_longer_or_shorter_reading[readings] if {
	some readings in [["k_abcd", "k_ab"], ["k_ab", "k_abcd"]]
	loose := [object.union(patterns[0], {"regex": `k_[a-z]+`})]
	views := [view("/a", "raw", readings[0]), view("", "concat", readings[1])]
	found := scan.findings with input as {"views": views} with data.tables.patterns as {"patterns": loose}
	[f.pointer | some f in found] == ["/a"]
}

test_findings_of_the_engine_stand if {
	views := [view("/a", "raw", "k_abcd")]
	["native"] == [f.rule | some f in scan.findings] with input as {"findings": [{"rule": "native"}], "views": views}
	count(scan.findings) == 0 with input as {"findings": [], "views": views}
}

test_nothing_inspected_is_not_clean if {
	not scan.findings with input as {}
	not scan.findings with input as {"findings": "none"}
	not scan.findings with input as {"views": "none"}
}

near := [{
	"id": "near", "category": "personal", "severity": "low", "confidence": "low", "regex": `\b\d{9}\b`,
	"context": {"words": ["ssn", "social security", "tax-id*", "номер"], "within": 16},
}]

seen_near(text) := [f.count |
	some f in scan.findings with input as {"views": [view("/a", "raw", text)]} with data.tables.patterns as {"patterns": near}
]

test_a_context_word_stands_near if {
	every text in [
		"SSN: 123456789", "123456789 is his SSN", "social security 123456789", "tax-ids: 123456789", "номер 123456789",
		"ssn 123456789", "123456789\nssn", "é ssn é é é é é é 123456789",
	] {
		seen_near(text) == [1]
	}
}

test_a_word_elsewhere_or_within_another_does_not_count if {
	every text in [
		"123456789", "class ssn1 123456789", "classn 123456789", "ssn but far away 123456789", "taxid 123456789",
		"123456789 far away from ssn", "a tax_id 123456789",
	] {
		seen_near(text) == []
	}
}

test_each_match_has_its_own_context if {
	seen_near("ssn 123456789 and much later, by itself, 123456789") == [1]
	seen_near("ssn 123456789 123456780 and much later, by itself, 123456789") == [2]
}

tame := [object.union(patterns[0], {"allow": [`k_x+`, `k_a|k_abcd`]})]

seen_tame(text) := [f.count |
	some f in scan.findings with input as {"views": [view("/a", "raw", text)]} with data.tables.patterns as {"patterns": tame}
]

test_what_is_allowed_is_no_match if {
	seen_tame("k_xxxx k_abcd") == []
	seen_tame("k_xxxx k_xxxy k_abce") == [2]
}

test_threat_d16_only_check_digits_look_at_numbers_without_separators if {
	loose := {"id": "any", "category": "personal", "severity": "low", "confidence": "low", "regex": `\d{16}`}
	found := [f.rule |
		some f in scan.findings with input as {"views": [
			view("/a", "raw", "4111/1111/1111/1111"),
			view("/a", "base64>joined", "4111111111111111"),
		]}
			with data.tables.patterns as {"patterns": array.concat(patterns, [loose])}
	]
	found == ["card"]
}

test_a_chain_that_only_passes_by_numbers_is_for_all if {
	seen([view("/a", "joined>base64", "k_abcd"), view("/b", "dashed", "k_abcd")]) == [["key", "/a", 1]]
}
