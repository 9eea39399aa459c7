package scan

import (
	"slices"
	"testing"
)

// published are numbers that the offices themselves, standards and textbooks print as examples of valid ones, so that an
// error in a table of weights cannot hide behind a generator that has it too.
var published = map[string][]string{
	"ar_cuit":         {"20-05536168-2"},
	"at_svnr":         {"1237 010180"},
	"au_medicare":     {"2123 45670 1"},
	"au_tfn":          {"123 456 782", "876543210"},
	"base58check":     {"1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"},
	"base58check_xrp": {"rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh"},
	"bech32":          {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "BC1SW50QGDZ25J", "A1LQFN3A"},
	"be_nrn":          {"85.07.30-033.28"},
	"bg_egn":          {"7523169263"},
	"br_cnpj":         {"11.222.333/0001-81"},
	"br_cpf":          {"529.982.247-25", "111.444.777-35"},
	"ch_ahv":          {"756.9217.0769.85"},
	"cl_rut":          {"12.345.678-5", "12531909-2"},
	"cn_rid":          {"11010519491231002X", "440524188001010014"},
	"cz_rc":           {"710319/2745"},
	"de_steuer_id":    {"86 095 742 719", "47036892816", "65929970489"},
	"ee_isikukood":    {"37605030299", "37605030064"},
	"es_nif":          {"12345678Z", "X1234567L", "54362315-K"},
	"fi_hetu":         {"131052-308T", "131052A308T", "010594Y9021"},
	"fr_nir":          {"2 55 08 14 168 025 38", "2 55 08 2A 168 025 97"},
	"hk_hkid":         {"A123456(3)", "AB987654(3)"},
	"hr_oib":          {"69435151530", "33392005961"},
	"iban":            {"GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "FR1420041010050500013M02606", "MT84MALT011000012345MTLCAST001S"},
	"ie_pps":          {"1234567T", "1234567FA"},
	"in_aadhaar":      {"2341 2341 2346"},
	"it_cf":           {"RSSMRA85T10A562S", "RSS MRA 85T10 A562S"},
	"jp_my_number":    {"123456789018"},
	"luhn":            {"4111 1111 1111 1111", "378282246310005", "5555555555554444", "6011111111111117", "3530111333300000"},
	"luhn_number":     {"490154203237518", "046 454 286", "8001015009087"},
	"mrz":             {"L898902C36UTO7408122F1204159ZE184226B<<<<<10"},
	"mx_curp":         {"BOXW310820HNERXN09", "HEGG560427MVZRRL04"},
	"no_fnr":          {"151086 95088"},
	"kr_rrn":          {"971013-9019902"},
	"nl_bsn":          {"111222333", "1234.56.782"},
	"pl_pesel":        {"44051401359", "02070803628"},
	"pt_nif":          {"123456789"},
	"ro_cnp":          {"1800101221144", "1630615123457"},
	"ru_inn":          {"500100732259"},
	"ru_snils":        {"112-233-445 95"},
	"se_pnr":          {"811218-9876", "19811218-9876"},
	"sg_nric":         {"S1234567D", "T1234567J", "F1234567N", "G1234567X"},
	"si_emso":         {"0101006500006"},
	"ssn":             {"219-09-9998"},
	"th_id":           {"1-2345-67890-12-1"},
	"tr_tckn":         {"10000000146"},
	"tw_id":           {"A123456789"},
	"uk_nhs":          {"943 476 5919"},
	"us_aba":          {"021000021", "011401533"},
	"us_npi":          {"1234567893"},
	"vin":             {"1M8GDM9AXKP042788", "1HGCM82633A004352"},
}

func TestValidators_AcceptPublishedExamples(t *testing.T) {
	for name, texts := range published {
		for _, text := range texts {
			if !Accepts(name, text, 0) {
				t.Errorf("%s refuses %s", name, text)
			}
		}
	}
}

// A changed digit must be noticed: that is what check digits are for. Some sums are blind to a few changes, and the
// century of a Swedish number is not part of the sum.
func TestValidators_NoticeAChangedDigit(t *testing.T) {
	for name, texts := range published {
		if name == "ssn" { // it has none
			continue
		}
		for _, text := range texts {
			changed, noticed := 0, 0
			for i := range len(text) {
				if !isDigit(text[i]) {
					continue
				}
				for d := byte('0'); d <= '9'; d++ {
					if d != text[i] {
						changed++
						if !Accepts(name, text[:i]+string(d)+text[i+1:], 0) {
							noticed++
						}
					}
				}
			}
			if 100*noticed < 80*changed {
				t.Errorf("%s: of %d changes of one digit of %s only %d are noticed", name, changed, text, noticed)
			}
		}
	}
}

func TestValidators_Refuse(t *testing.T) {
	for name, texts := range map[string][]string{
		"cl_rut": {"11.111.111-K"}, "de_steuer_id": {"02345678901", "12345678903", "11145678903"},
		"es_nif": {"12345678A", "A1234567L", "Z"}, "fi_hetu": {"131052-308U"}, "fr_nir": {"255081416802539", "2550814168025"},
		"hk_hkid": {"A123456(4)", "ABC123456"}, "ie_pps": {"1234567A", "1234567TT"}, "in_aadhaar": {"1341 2341 2346", "234123412345"},
		"luhn_number": {"0", "00000000", "1111111111111111111111111111111111111111111111", "490154203237519"},
		"br_cpf":      {"111.111.111-11"},
		"mrz":         {"L898902C36UTO7408122F1204159ZE184226B<<<<<11", "L898902C3<UTO"},
		"sg_nric":     {"S1234567A", "A1234567D"}, "tw_id": {"A123456788", "1123456789"}, "vin": {"1M8GDM9AXKP04278I", "1M8GDM9AXKP042789"},
		"iban": {"XX89370400440532013000", "DE893704004405320130", "DE89 3704 0044 0532 0130 00 0", "D", ""},
	} {
		for _, text := range texts {
			if Accepts(name, text, 0) {
				t.Errorf("%s accepts %s", name, text)
			}
		}
	}
	for _, name := range Validators() {
		accepted := Accepts(name, "", 0)
		if name != "none" && accepted {
			t.Errorf("%s accepts nothing", name)
		}
		if _, known := published[name]; !known && !slices.Contains([]string{"none", "entropy", "base64_blob", "secret"}, name) {
			t.Errorf("%s has no published example", name)
		}
	}
	if Accepts("no such", "x", 0) {
		t.Error("an unknown validator accepts")
	}
}

func TestValidators_Secret(t *testing.T) {
	for text, want := range map[string]bool{
		"api_key = EXAMPLE0EXAMPLE0":                   true,
		`"token": "9f86d081884c7d659a2feaa0c55ad015`:   true,
		"key=Zk3Qw9Xr7Lm2Vb8N":                         true,
		"secret: aGVsbG8gd29ybGQgMTIz==":               true,
		"id 3f2504e0-4f89-41d3-9a0c-0305e82c3301":      true,
		"api_key = os.environ.get":                     false,
		"token: documentation-and-examples":            false,
		"token=getAccessTokenFromRequest":              false,
		"secret_key = MY_VERY_SECRET_KEY_NAME":         false,
		"token=oauth2_client_credentials_v2":           false,
		"key: 2024-01-15":                              false,
		"key=short1A":                                  false,
		"key=":                                         false,
		"client_secret: your-client-secret-goes-here1": false,
		"GITHUB_TOKEN: xxxxxxxxxxxxxxxxxxxxxxxxxxx":    false,
	} {
		if Accepts("secret", text, 0) != want {
			t.Errorf("%s: want %t", text, want)
		}
	}
}

func TestValidatorsDoNotAllocate(t *testing.T) {
	for name, texts := range published {
		v := validators[name]
		if n := testing.AllocsPerRun(20, func() { v(texts[0], 0) }); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if n := testing.AllocsPerRun(20, func() { looksRandom("api_key = EXAMPLE0EXAMPLE0") }); n > 0 {
		t.Errorf("secret allocates %v times", n)
	}
}

// The tables are what Verhoeff's scheme makes of the group D5 and one permutation.
func TestVerhoeffTables(t *testing.T) {
	for i := range int8(10) {
		for j := range int8(10) {
			want := (i + j) % 5
			switch {
			case i < 5 && j >= 5:
				want = 5 + (i+j)%5
			case i >= 5 && j < 5:
				want = 5 + (i-j)%5
			case i >= 5:
				want = (i - j + 5) % 5
			}
			if got := verhoeffD[i][j]; got != want {
				t.Errorf("%d·%d = %d, want %d", i, j, got, want)
			}
		}
	}
	for i := 1; i < 8; i++ {
		for j := range 10 {
			if got, want := verhoeffP[i][j], verhoeffP[1][verhoeffP[i-1][j]]; got != want {
				t.Errorf("permutation %d of %d is %d, want %d", i, j, got, want)
			}
		}
	}
}
