package scan

// maxNumber is more digits than any number that a validator knows has.
const maxNumber = 40

// number is the ASCII digits of a match, without what the regex has allowed as separators or label.
type number struct {
	d [maxNumber]int8
	n int
}

// numberOf takes the digits of a match; of too many, as many as tell that they are too many.
func numberOf(match string) (num number) {
	for i := 0; i < len(match) && num.n < maxNumber; i++ {
		if c := match[i]; c >= '0' && c <= '9' {
			num.d[num.n] = int8(c - '0')
			num.n++
		}
	}
	return num
}

// same says whether all digits are one: such numbers satisfy many sums, and nobody has them.
func (num *number) same() bool {
	for _, d := range num.d[:num.n] {
		if d != num.d[0] {
			return false
		}
	}
	return true
}

// checkDigit says what the digit at a place must be: expect[Σ weight·digit mod len(expect)]; -1 where no number has that
// remainder.
type checkDigit struct {
	weights []int16
	at      int
	expect  []int8
}

// numberRule is a number of fixed length with one or two check digits.
type numberRule struct {
	length int
	checks []checkDigit
}

// What check digits are made of remainders. The names say it for the remainder r.
var (
	is10       = []int8{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}     // r, modulo 10
	tenLess    = []int8{0, 9, 8, 7, 6, 5, 4, 3, 2, 1}     // 10 - r
	is11       = []int8{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1} // r, modulo 11
	isOrZero   = []int8{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0}  // r, and 0 for 10
	isOrOne    = []int8{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1}  // r, and 1 for 10
	elevenLess = []int8{0, -1, 9, 8, 7, 6, 5, 4, 3, 2, 1} // 11 - r, 0 for 11, none for 10
	lessOrZero = []int8{0, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1}  // 11 - r, 0 for 10 and 11
	lessMod10  = []int8{1, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1}  // (11 - r) mod 10
)

// numberRules by the name of the validator, from the publications of the offices that give the numbers out. The Rego
// reference has the same table.
var numberRules = map[string]numberRule{
	"uk_nhs":       {10, []checkDigit{{[]int16{10, 9, 8, 7, 6, 5, 4, 3, 2}, 9, elevenLess}}},
	"nl_bsn":       {9, []checkDigit{{[]int16{9, 8, 7, 6, 5, 4, 3, 2}, 8, is11}}},
	"pl_pesel":     {11, []checkDigit{{[]int16{1, 3, 7, 9, 1, 3, 7, 9, 1, 3}, 10, tenLess}}},
	"no_fnr":       {11, []checkDigit{{[]int16{3, 7, 6, 1, 8, 9, 4, 5, 2}, 9, elevenLess}, {[]int16{5, 4, 3, 2, 7, 6, 5, 4, 3, 2}, 10, elevenLess}}},
	"br_cpf":       {11, []checkDigit{{[]int16{10, 9, 8, 7, 6, 5, 4, 3, 2}, 9, lessOrZero}, {[]int16{11, 10, 9, 8, 7, 6, 5, 4, 3, 2}, 10, lessOrZero}}},
	"br_cnpj":      {14, []checkDigit{{[]int16{5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2}, 12, lessOrZero}, {[]int16{6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2}, 13, lessOrZero}}},
	"jp_my_number": {12, []checkDigit{{[]int16{6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2}, 11, lessOrZero}}},
	"kr_rrn":       {13, []checkDigit{{[]int16{2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5}, 12, lessMod10}}},
	"tr_tckn":      {11, []checkDigit{{[]int16{7, 9, 7, 9, 7, 9, 7, 9, 7}, 9, is10}, {[]int16{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 10, is10}}},
	"au_tfn":       {9, []checkDigit{{[]int16{1, 4, 3, 7, 5, 8, 6, 9}, 8, is11}}},
	"au_medicare":  {10, []checkDigit{{[]int16{1, 3, 7, 9, 1, 3, 7, 9}, 8, is10}}},
	"ch_ahv":       {13, []checkDigit{{[]int16{1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3}, 12, tenLess}}},
	"pt_nif":       {9, []checkDigit{{[]int16{9, 8, 7, 6, 5, 4, 3, 2}, 8, lessOrZero}}},
	"at_svnr":      {10, []checkDigit{{[]int16{3, 7, 9, 0, 5, 8, 4, 2, 1, 6}, 3, is11}}},
	"ro_cnp":       {13, []checkDigit{{[]int16{2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9}, 12, isOrOne}}},
	"bg_egn":       {10, []checkDigit{{[]int16{2, 4, 8, 5, 10, 9, 7, 3, 6}, 9, isOrZero}}},
	"cz_rc":        {10, []checkDigit{{[]int16{1, 10, 1, 10, 1, 10, 1, 10, 1}, 9, isOrZero}}},
	"si_emso":      {13, []checkDigit{{[]int16{7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2}, 12, elevenLess}}},
	"th_id":        {13, []checkDigit{{[]int16{13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2}, 12, lessMod10}}},
	"ar_cuit":      {11, []checkDigit{{[]int16{5, 4, 3, 2, 7, 6, 5, 4, 3, 2}, 10, elevenLess}}},
	"ru_inn":       {12, []checkDigit{{[]int16{7, 2, 4, 10, 3, 5, 9, 4, 6, 8}, 10, isOrZero}, {[]int16{3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8}, 11, isOrZero}}},
	"us_aba":       {9, []checkDigit{{[]int16{3, 7, 1, 3, 7, 1, 3, 7}, 8, tenLess}}},
}

func (r numberRule) accepts(match string) bool {
	num := numberOf(match)
	if num.n != r.length || num.same() {
		return false
	}
	for i := range r.checks {
		c := &r.checks[i]
		sum := 0
		for j, w := range c.weights {
			sum += int(w) * int(num.d[j])
		}
		if c.expect[sum%len(c.expect)] != num.d[c.at] {
			return false
		}
	}
	return true
}

// validLuhn checks a number by Luhn, whatever its length up to 39.
func validLuhn(match string) bool {
	num := numberOf(match)
	return num.n > 1 && num.n < maxNumber && !num.same() && num.luhn(0)
}

// luhn says whether the digits from a place on satisfy Luhn: from the right, every second digit is doubled, and 9 taken
// off where that gives more than 9.
func (num *number) luhn(from int) bool {
	sum := 0
	for i := num.n - 1; i >= from; i-- {
		v := int(num.d[i])
		if (num.n-1-i)%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// validPersonnummer is Luhn over the last ten digits: the century in front is not part of the sum.
func validPersonnummer(match string) bool {
	num := numberOf(match)
	return (num.n == 10 || num.n == 12) && !num.same() && num.luhn(num.n-10)
}

// validMod1110 checks 11 digits by ISO 7064 MOD 11,10, as Germany and Croatia do.
func validMod1110(match string) bool {
	num := numberOf(match)
	if num.n != 11 || num.same() {
		return false
	}
	p := 10
	for _, d := range num.d[:10] {
		s := (int(d) + p) % 10
		if s == 0 {
			s = 10
		}
		p = s * 2 % 11
	}
	return (11-p)%10 == int(num.d[10])
}

// validSteuerID adds to MOD 11,10 what the German office promises of the first ten digits: they do not begin with 0, and
// exactly one digit comes twice or three times.
func validSteuerID(match string) bool {
	num := numberOf(match)
	if num.n != 11 || num.d[0] == 0 {
		return false
	}
	var counts [10]int
	for _, d := range num.d[:10] {
		counts[d]++
	}
	repeated := 0
	for _, c := range counts {
		if c > 3 {
			return false
		}
		if c > 1 {
			repeated++
		}
	}
	return repeated == 1 && validMod1110(match)
}

// verhoeff is the multiplication of the dihedral group D5, and its permutations (Verhoeff 1969).
var (
	verhoeffD = [10][10]int8{
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		{1, 2, 3, 4, 0, 6, 7, 8, 9, 5},
		{2, 3, 4, 0, 1, 7, 8, 9, 5, 6},
		{3, 4, 0, 1, 2, 8, 9, 5, 6, 7},
		{4, 0, 1, 2, 3, 9, 5, 6, 7, 8},
		{5, 9, 8, 7, 6, 0, 4, 3, 2, 1},
		{6, 5, 9, 8, 7, 1, 0, 4, 3, 2},
		{7, 6, 5, 9, 8, 2, 1, 0, 4, 3},
		{8, 7, 6, 5, 9, 3, 2, 1, 0, 4},
		{9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
	}
	verhoeffP = [8][10]int8{
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		{1, 5, 7, 6, 2, 8, 3, 0, 9, 4},
		{5, 8, 0, 3, 7, 9, 6, 1, 4, 2},
		{8, 9, 1, 6, 0, 4, 3, 5, 2, 7},
		{9, 4, 5, 3, 1, 2, 6, 8, 7, 0},
		{4, 2, 8, 6, 5, 7, 3, 9, 0, 1},
		{2, 7, 9, 3, 8, 0, 6, 4, 1, 5},
		{7, 0, 4, 6, 9, 1, 3, 2, 5, 8},
	}
)

// validAadhaar checks the 12 digits of an Indian Aadhaar number by Verhoeff; none begins with 0 or 1.
func validAadhaar(match string) bool {
	num := numberOf(match)
	if num.n != 12 || num.d[0] < 2 || num.same() {
		return false
	}
	c := int8(0)
	for i := range 12 {
		c = verhoeffD[c][verhoeffP[i%8][num.d[11-i]]]
	}
	return c == 0
}

// validNPI checks a US national provider identifier: Luhn as if 80840 stood in front, which comes to 24.
func validNPI(match string) bool {
	num := numberOf(match)
	if num.n != 10 || num.same() {
		return false
	}
	sum := 24
	for i, d := range num.d[:10] {
		v := int(d)
		if i%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// validNationalNumber checks a Belgian national number: 97 less the rest of the first nine digits, with a 2 in front of
// them for those born since 2000.
func validNationalNumber(match string) bool {
	num := numberOf(match)
	if num.n != 11 || num.same() {
		return false
	}
	n := num.value(0, 9)
	check := num.value(9, 11)
	return 97-n%97 == check || 97-(2_000_000_000+n)%97 == check
}

// value is the number that the digits from a place to another make.
func (num *number) value(from, to int) (v int64) {
	for _, d := range num.d[from:to] {
		v = v*10 + int64(d)
	}
	return v
}

// validSNILS checks a Russian insurance number: weights 9 to 1, modulo 101, of which 100 is written 00.
func validSNILS(match string) bool {
	num := numberOf(match)
	if num.n != 11 || num.same() {
		return false
	}
	sum := int64(0)
	for i, d := range num.d[:9] {
		sum += int64(9-i) * int64(d)
	}
	return sum%101%100 == num.value(9, 11)
}

// isikukood weights of the Estonian and Lithuanian personal code; the second are for when the first leave 10.
var isikukoodFirst, isikukoodSecond = [10]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 1}, [10]int{3, 4, 5, 6, 7, 8, 9, 1, 2, 3}

func validIsikukood(match string) bool {
	num := numberOf(match)
	if num.n != 11 || num.same() {
		return false
	}
	rest := func(weights [10]int) (sum int) {
		for i, w := range weights {
			sum += w * int(num.d[i])
		}
		return sum % 11
	}
	r := rest(isikukoodFirst)
	if r == 10 {
		r = rest(isikukoodSecond) % 10
	}
	return r == int(num.d[10])
}
