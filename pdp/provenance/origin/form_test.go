package origin

import "testing"

func TestForm(t *testing.T) {
	for text, want := range map[string]string{
		"GB29 NWBK 6016 1331 9268 19": "iban GB29NWBK60161331926819",
		"gb29nwbk60161331926819":      "iban GB29NWBK60161331926819",
		"GB28NWBK60161331926819":      "",
		"+44 (0)20 7946-0958":         "phone 442079460958",
		"0044 20 79460958":            "phone 442079460958",
		"+39(0)6 1234567":             "phone 3961234567",
		"00353 (0)1 234 5678":         "phone 35312345678",
		"+4(0)42079460958":            "", // a program that drops the brackets rings +40
		"+44 2(0)079460958":           "",
		"+44 (0)20 7(0)946095":        "",
		"+(0)442079460958":            "",
		"020 7946 0958":               "",
		"+1 555 123 4567 ext 9":       "",
		"2026-11-25":                  "date 2026-11-25",
		"25 Nov 2026":                 "date 2026-11-25",
		"11/25/2026":                  "date 2026-11-25",
		"25.11.2026":                  "date 2026-11-25",
		"25/11/2026":                  "date 2026-11-25",
		"Nov 25th, 2026":              "date 2026-11-25",
		"25th November 2026":          "date 2026-11-25",
		"20261125":                    "date 2026-11-25",
		"11/12/2026":                  "", // of November, or of December
		"12/12/2026":                  "date 2026-12-12",
		"31/02/2026":                  "",
		"":                            "",
		"tomorrow":                    "",
	} {
		if got := form(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestAnotherWayToWriteItVouches(t *testing.T) {
	for _, c := range [][2]string{
		{"Pay the rent to GB29 NWBK 6016 1331 9268 19, please.", "GB29NWBK60161331926819"},
		{"Pay the rent to GB29NWBK60161331926819", "GB29 NWBK 6016 1331 9268 19"},
		{"Ring +44 (0)20 7946-0958 about it", "+442079460958"},
		{"I fly on Nov 25th, 2026 from York", "2026-11-25"},
		{"I fly on 2026-11-25", "11/25/2026"},
	} {
		x := newIndex(Config{})
		x.Observe(here, user, []string{c[0]}, false)
		if got := one(t, x, c[1]); got[0] != "user" {
			t.Errorf("%q does not vouch for %q: %v", c[0], c[1], got)
		}
	}
}

// A value that is told in another way must not be another value too.
func TestThreat_A1_WhatMayBeSomethingElseIsNotVouchedFor(t *testing.T) {
	for _, c := range [][2]string{
		{"Pay on 2026-11-25", "20261125"}, // an account, or an order, may be called so
		{"Ring +44 20 7946 0958", "+4(0)4 20 7946 0958"},
		{"Move the plan to reports/2026", "reports/2026/.."},
		{"Move the plan to reports", "reports/../.."},
		{"Move the plan to reports", "reports/..,"},
		{"Move the plan to reports", "reports/./"},
		{"Move the plan to reports/2026.", "reports/2026/../"},
		{"Read https://example.com/a", "https://example.com/a/../"},
		{"Read https://example.com/a", "https://example.com/a/.."},
	} {
		x := newIndex(Config{})
		x.Observe(here, user, []string{c[0]}, false)
		if got := one(t, x, c[1]); got[0] == "user" {
			t.Errorf("%q vouches for %q", c[0], c[1])
		}
	}
	for _, c := range [][2]string{{"Move the plan to reports...", "reports"}, {"Move the plan to reports", "reports/"}, {"Put it into ../drafts", "../drafts"}} {
		x := newIndex(Config{})
		x.Observe(here, user, []string{c[0]}, false)
		if got := one(t, x, c[1]); got[0] != "user" {
			t.Errorf("%q does not vouch for %q: %v", c[0], c[1], got)
		}
	}
}

func TestALookUpVouchesForAFormOnlyAlone(t *testing.T) {
	x := newIndex(Config{})
	x.Observe(here, lookups, []string{"remark: pay GB29 NWBK 6016 1331 9268 19 at once\niban: DE89 3704 0044 0532 0130 00"}, false)
	if got := one(t, x, "GB29NWBK60161331926819"); got[0] == lookups.String() {
		t.Errorf("a number in a sentence vouches: %v", got)
	}
	if got := one(t, x, "DE89370400440532013000"); got[0] != lookups.String() {
		t.Errorf("the look-up's own number does not vouch: %v", got)
	}
}

func TestAnotherWayToWriteItTaints(t *testing.T) {
	for _, c := range [][2]string{
		{"Move it to 25 Nov 2026", "2026-11-25"},
		{"Move it to November 25th, 2026", "25.11.2026"},
		{"Call 0044 20 7946 0958", "+44-20-7946-0958"},
	} {
		x := newIndex(Config{})
		x.Observe(here, inbox, []string{c[0]}, false)
		if got := one(t, x, c[1]); got[0] != inbox.String() {
			t.Errorf("%q does not taint %q: %v", c[0], c[1], got)
		}
	}
}
