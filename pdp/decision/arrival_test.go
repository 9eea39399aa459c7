package decision

import (
	"strings"
	"testing"
)

func FuzzFieldValues(f *testing.F) {
	f.Add("- body: hello\n  sender: Charlie")
	f.Add(`{"sender": ["a", {"id": "b"}]}`)
	f.Add("a: &a [*a]")
	f.Add("\x00")
	f.Fuzz(func(t *testing.T, text string) {
		for _, v := range fieldValues(text, []string{"sender", "id"}) {
			if strings.ContainsAny(v, "\n\r") {
				t.Errorf("%q has two lines", v)
			}
		}
		if got := fieldValues(text, nil); len(got) > 0 {
			t.Errorf("%q vouches without a name", got)
		}
	})
}
