package corpus

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestLiteral(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{}`, `{}`},
		{`{'product_id': 'B08'}`, `{"product_id":"B08"}`},
		{`{'keywords': ['Budget'], 'max_results': 1}`, `{"keywords":["Budget"],"max_results":1}`},
		{`{"who": "don't", 'say': 'a "word"'}`, `{"who":"don't","say":"a \"word\""}`},
		{`{'a': True, 'b': False, 'c': None}`, `{"a":true,"b":false,"c":null}`},
		{`{'n': -1.50, 'big': 12345678901234567890, 'e': 1e-3}`, `{"n":-1.50,"big":12345678901234567890,"e":1e-3}`},
		{`{'t': (1, 2,), 'l': [],}`, `{"t":[1,2],"l":[]}`},
		{`{'s': 'a\nb\'c\\d\x41\u00e9\q'}`, `{"s":"a\nb'c\\dAé\\q"}`},
		{`{'nested': {'deep': [{'x': 1}]}}`, `{"nested":{"deep":[{"x":1}]}}`},
		{` {"plain": "json", "n": 1.0} `, `{"plain": "json", "n": 1.0}`},
	} {
		got, err := fromLiteral(tt.in)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s gives %s, %v; want %s", tt.in, got, err, tt.want)
		}
	}
}

func TestLiteralRefuses(t *testing.T) {
	for _, in := range []string{
		``, `x`, `[1]`, `'a'`, `{'a'}`, `{'a': }`, `{'a': 1`, `{'a': 1} x`, `{'a': 'b}`, `{1: 2}`, `{'a': 1 'b': 2}`, `{,}`,
		`{'a': __import__('os')}`, `{'a': 01}`, `{'a': nan}`, `{'a': '\x4'}`, `{'a': '\ud800'}`, `{'a': '\`,
		`{'a': ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	} {
		if got, err := fromLiteral(in); !errors.Is(err, errLiteral) {
			t.Errorf("%s gives %s, %v; want a refusal", in, got, err)
		}
	}
}

func TestLiteralGivesJSON(t *testing.T) {
	c := excerpt(t, "injecagent")
	for run := range c.Runs(All) {
		for _, s := range run.Steps {
			if !json.Valid(s.Call.Arguments) {
				t.Errorf("%s has arguments that are no JSON", run.ID)
			}
		}
	}
}
