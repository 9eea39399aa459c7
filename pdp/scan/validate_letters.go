package scan

import "strings"

// maxLettered is longer than any number with letters that a validator knows.
const maxLettered = 48

// lettered is the ASCII letters, in upper case, digits and `<` of a match, without its separators.
type lettered struct {
	c [maxLettered]byte
	n int
}

func letteredOf(match string) (l lettered) {
	for i := 0; i < len(match) && l.n < maxLettered; i++ {
		c := match[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if isUpper(c) || isDigit(c) || c == '<' {
			l.c[l.n] = c
			l.n++
		}
	}
	return l
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

// shape says whether the characters are of the given kinds: 9 a digit, A a letter, * either.
func (l *lettered) shape(kinds string) bool {
	if l.n != len(kinds) {
		return false
	}
	for i := range l.n {
		switch c := l.c[i]; kinds[i] {
		case '9':
			if !isDigit(c) {
				return false
			}
		case 'A':
			if !isUpper(c) {
				return false
			}
		default:
			if c == '<' {
				return false
			}
		}
	}
	return true
}

// value is the number that the digits from a place to another make.
func (l *lettered) value(from, to int) (v int64) {
	for _, c := range l.c[from:to] {
		v = v*10 + int64(c-'0')
	}
	return v
}

// validNIF checks a Spanish DNI, or NIE: its X, Y or Z stands for 0, 1 or 2.
func validNIF(match string) bool {
	l := letteredOf(match)
	if l.n > 0 && l.c[0] >= 'X' && l.c[0] <= 'Z' {
		l.c[0] -= 'X' - '0'
	}
	return l.shape("99999999A") && "TRWAGMYFPDXBNJZSQVHLCKE"[l.value(0, 8)%23] == l.c[8]
}

// validNIR checks a French social security number: 97 less the rest of the first 13 digits, where 2A and 2B of Corsica
// stand for 19 and 18.
func validNIR(match string) bool {
	l := letteredOf(match)
	if l.n == 15 && l.c[5] == '2' {
		switch l.c[6] {
		case 'A':
			l.c[5], l.c[6] = '1', '9'
		case 'B':
			l.c[5], l.c[6] = '1', '8'
		}
	}
	return l.shape("999999999999999") && 97-l.value(0, 13)%97 == l.value(13, 15)
}

// fiscalOdd is what a character at an odd place of an Italian codice fiscale counts, by its digit or letter from A; at an
// even place it counts as what it is.
var fiscalOdd = [26]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23}

func validCodiceFiscale(match string) bool {
	l := letteredOf(match)
	if !l.shape("AAAAAA**A**A***A") || strings.IndexByte("ABCDEHLMPRST", l.c[8]) < 0 {
		return false
	}
	for _, i := range [7]int{6, 7, 9, 10, 12, 13, 14} { // digits, or the letters that replace them where two people would share a code
		if c := l.c[i]; isUpper(c) && strings.IndexByte("LMNPQRSTUV", c) < 0 {
			return false
		}
	}
	sum := 0
	for i, c := range l.c[:15] {
		v := int(c - '0')
		if isUpper(c) {
			v = int(c - 'A')
		}
		if i%2 == 0 {
			v = fiscalOdd[v]
		}
		sum += v
	}
	return l.c[15] == byte('A'+sum%26)
}

// validHETU checks a Finnish personal code: nine digits modulo 31.
func validHETU(match string) bool {
	l := letteredOf(match)
	if l.n == 11 { // the letter that says the century since 2023; a sign is gone already
		copy(l.c[6:], l.c[7:11])
		l.n = 10
	}
	return l.shape("999999999*") && "0123456789ABCDEFHJKLMNPRSTUVWXY"[l.value(0, 9)%31] == l.c[9]
}

// validCURP checks a Mexican CURP: weights 18 to 2 over digits, letters from 10, those after N one more for the Ñ.
func validCURP(match string) bool {
	l := letteredOf(match)
	if !l.shape("AAAA999999AAAAAA*9") {
		return false
	}
	sum := 0
	for i, c := range l.c[:17] {
		v := int(c - '0')
		if isUpper(c) {
			if v = int(c-'A') + 10; c > 'N' {
				v++
			}
		}
		sum += v * (18 - i)
	}
	return (10-sum%10)%10 == int(l.c[17]-'0')
}

// validResidentID checks a Chinese resident number, ISO 7064 MOD 11-2.
func validResidentID(match string) bool {
	l := letteredOf(match)
	if !l.shape("99999999999999999*") {
		return false
	}
	sum := 0
	for i, w := range [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += w * int(l.c[i]-'0')
	}
	return "10X98765432"[sum%11] == l.c[17]
}

// validNRIC checks an identity or foreign number of Singapore.
func validNRIC(match string) bool {
	l := letteredOf(match)
	if !l.shape("A9999999A") {
		return false
	}
	sum := 0
	for i, w := range [7]int{2, 7, 6, 5, 4, 3, 2} {
		sum += w * int(l.c[i+1]-'0')
	}
	switch l.c[0] {
	case 'S':
		return "JZIHGFEDCBA"[sum%11] == l.c[8]
	case 'T':
		return "JZIHGFEDCBA"[(sum+4)%11] == l.c[8]
	case 'F':
		return "XWUTRQPNMLK"[sum%11] == l.c[8]
	case 'G':
		return "XWUTRQPNMLK"[(sum+4)%11] == l.c[8]
	case 'M':
		return "KLJNPQRTUWX"[10-(sum+3)%11] == l.c[8]
	}
	return false
}

// validTaiwanID checks a Taiwanese identity number: the letter stands for two digits.
func validTaiwanID(match string) bool {
	l := letteredOf(match)
	if !l.shape("A999999999") {
		return false
	}
	two := [26]int{10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33}[l.c[0]-'A']
	sum := two/10 + two%10*9
	for i, w := range [9]int{8, 7, 6, 5, 4, 3, 2, 1, 1} {
		sum += w * int(l.c[i+1]-'0')
	}
	return sum%10 == 0
}

// validHKID checks a Hong Kong identity number; a blank stands before a single letter and counts 36.
func validHKID(match string) bool {
	l := letteredOf(match)
	var sum int
	switch {
	case l.shape("A999999*"):
		sum = 9 * 36
	case l.shape("AA999999*"):
		sum = 9 * int(l.c[0]-'A'+10)
		copy(l.c[:], l.c[1:9])
	default:
		return false
	}
	sum += 8 * int(l.c[0]-'A'+10)
	for i := 1; i < 7; i++ {
		sum += (8 - i) * int(l.c[i]-'0')
	}
	switch c := l.c[7]; {
	case isDigit(c):
		return (sum+int(c-'0'))%11 == 0
	case c == 'A':
		return (sum+10)%11 == 0
	}
	return false
}

// validRUT checks a Chilean RUT, modulo 11 with K for 10.
func validRUT(match string) bool {
	l := letteredOf(match)
	if !l.shape("99999999*") && !l.shape("9999999*") {
		return false
	}
	sum, weight := 0, 2
	for i := l.n - 2; i >= 0; i-- {
		sum += weight * int(l.c[i]-'0')
		if weight++; weight > 7 {
			weight = 2
		}
	}
	return "0K987654321"[sum%11] == l.c[l.n-1]
}

// validPPS checks an Irish PPS number, modulo 23; a second letter counts nine times.
func validPPS(match string) bool {
	l := letteredOf(match)
	sum := 0
	switch {
	case l.shape("9999999A"):
	case l.shape("9999999AA"):
		if l.c[8] != 'W' {
			sum = 9 * int(l.c[8]-'A'+1)
		}
	default:
		return false
	}
	for i := range 7 {
		sum += (8 - i) * int(l.c[i]-'0')
	}
	return "WABCDEFGHIJKLMNOPQRSTUV"[sum%23] == l.c[7]
}

// validVIN checks the number of a vehicle by its ninth character (49 CFR 565), which Europe does not ask for.
func validVIN(match string) bool {
	l := letteredOf(match)
	if l.n != 17 {
		return false
	}
	sum := 0
	for i, w := range [17]int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2} {
		switch c := l.c[i]; {
		case isDigit(c):
			sum += w * int(c-'0')
		case isUpper(c) && c != 'I' && c != 'O' && c != 'Q':
			sum += w * int("12345678.12345.7.923456789"[c-'A']-'0')
		default:
			return false
		}
	}
	return "0123456789X"[sum%11] == l.c[8]
}

// validMRZ checks the second line of a passport's machine-readable zone (ICAO 9303): number, birth, expiry, and all of it.
func validMRZ(match string) bool {
	l := letteredOf(match)
	if l.n != 44 {
		return false
	}
	sum, place := 0, 0
	add := func(from, to int) {
		for _, c := range l.c[from:to] {
			v := 0
			switch {
			case isDigit(c):
				v = int(c - '0')
			case isUpper(c):
				v = int(c-'A') + 10
			}
			sum += v * [3]int{7, 3, 1}[place%3]
			place++
		}
	}
	holds := func(at int) bool {
		ok := l.c[at] == byte('0'+sum%10)
		sum, place = 0, 0
		return ok
	}
	for _, field := range [3][2]int{{0, 9}, {13, 19}, {21, 27}} {
		if add(field[0], field[1]); !holds(field[1]) {
			return false
		}
	}
	add(0, 10)
	add(13, 20)
	add(21, 43)
	return holds(43)
}
