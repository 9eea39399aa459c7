package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// amount shows units of a measure to a person, without the unit's name where a sign says it. Money and counts are exact;
// bytes are rounded down to a tenth.
func amount(measure string, n int64) string {
	switch measure {
	case "cost_micro_usd":
		return dollars(n)
	case "bytes":
		return binaryBytes(n)
	}
	return thousands(n)
}

// unitOf is what stands behind the amounts.
func unitOf(measure string) string {
	switch measure {
	case "cost_micro_usd", "bytes":
		return ""
	}
	return " " + name(measure)
}

// dollars shows micro-USD exactly, with two to six decimals.
func dollars(micro int64) string {
	sign := ""
	if micro < 0 {
		sign = "-"
	}
	whole, rest := magnitude(micro)/1_000_000, magnitude(micro)%1_000_000
	decimals := strings.TrimRight(fmt.Sprintf("%06d", rest), "0")
	return sign + "$" + group(strconv.FormatUint(whole, 10)) + "." + decimals + strings.Repeat("0", max(2-len(decimals), 0))
}

func binaryBytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	size, i := magnitude(n), 0
	rest := uint64(0)
	for size >= 1024 && i < len(units)-1 {
		rest = size % 1024 * 10 / 1024
		size /= 1024
		i++
	}
	out := group(strconv.FormatUint(size, 10))
	if rest > 0 {
		out += "." + strconv.FormatUint(rest, 10)
	}
	if n < 0 {
		out = "-" + out
	}
	return out + " " + units[i]
}

func thousands(n int64) string {
	sign := ""
	if n < 0 {
		sign = "-"
	}
	return sign + group(strconv.FormatUint(magnitude(n), 10))
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// group puts a comma before every three digits from the end.
func group(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// fraction is how full a counter is: 0 to 1, and above for debts and for what people approved. Nothing fits into a max of 0.
func fraction(used, limit int64) float64 {
	if limit <= 0 {
		return 1
	}
	return float64(max(used, 0)) / float64(limit)
}

// percent is rounded down, so that only what is full shows 100%.
func percent(used, limit int64) string {
	share := math.Floor(fraction(used, limit) * 100)
	if used < limit {
		share = min(share, 99)
	}
	if share > 999 {
		return ">999%"
	}
	return fmt.Sprintf("%.0f%%", share)
}

// periodOf says how a limit forgets.
func periodOf(s *pb.LimitStatus) string {
	switch s.GetPeriod() {
	case "window", "":
		return length(time.Duration(min(max(s.GetWindowSeconds(), 0), 1<<33)) * time.Second)
	case "session":
		return "session"
	}
	return name(s.GetPeriod()) + " UTC"
}

// resetsIn is the time until the oldest units leave.
func resetsIn(s *pb.LimitStatus, now time.Time) string {
	at, err := time.Parse(time.RFC3339Nano, s.GetResetsAt())
	if err != nil {
		return "-"
	}
	if left := at.Sub(now); left > 0 {
		return length(left)
	}
	return "now"
}

// length shows a duration by its two largest parts, rounded up to a second.
func length(d time.Duration) string {
	seconds := int64((d + time.Second - 1) / time.Second)
	var parts []string
	for _, unit := range []struct {
		size int64
		sign string
	}{{86_400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}} {
		n := seconds / unit.size
		seconds %= unit.size
		if n > 0 {
			parts = append(parts, strconv.FormatInt(n, 10)+unit.sign)
		} else if len(parts) > 0 {
			break
		}
		if len(parts) == 2 {
			break
		}
	}
	if len(parts) == 0 {
		return "0s"
	}
	return strings.Join(parts, " ")
}

// name shows a name that somebody else chose. One that is made of anything but plain ASCII letters, digits and a few signs
// is quoted and escaped: it can't move the cursor, turn the line around, look like another name or like two.
func name(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._:@/-()+", r))
	}) < 0
	if plain {
		return s
	}
	return strconv.QuoteToASCII(s)
}
