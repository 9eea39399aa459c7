package decision

import (
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/review"
)

// TestThreat_A15_NoPasswordHidesARecipient: words in one argument that the shipped rules take for the begin of a secret mask the
// rest of that argument, and no other: a reviewer sees to whom something goes.
func TestThreat_A15_NoPasswordHidesARecipient(t *testing.T) {
	for _, words := range []string{
		"machine h1 login u1 password Sup3rS3cret", "mysql --password Sup3rS3cret", "redis-cli -a Sup3rS3cret", "host=db1 password=Sup3rS3cret",
		`password=Sup3rS3cret\"`, `password=Sup3rS3cret\\`,
	} {
		action := `{"arguments":{"body":"` + words + `","to":"eve@evil.example","then":"redis-cli -a 0therS3cret"}}`
		shown := review.New(builtInSnapshot().Scanner, []byte(action), nil, nil).Page([]byte(action), 0, false).Text
		if !strings.Contains(shown, `","to":"eve@evil.example","then":"`) || strings.Contains(shown, "S3cret") {
			t.Errorf("%s: a reviewer sees %s", words, shown)
		}
		if n := strings.Count(review.LayOut(shown), "\n"); n != 6 {
			t.Errorf("%s is laid out in %d lines:\n%s", words, n, review.LayOut(shown))
		}
	}
}
