package portcullis.lib.validator_test

import data.portcullis.lib.validator

# Examples that the offices, standards and textbooks print themselves.
test_accepted[sprintf("%s %s", [name, match])] if {
	some name, list in {
		"base64_blob": ["aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGQ", "-_-_", "+/+/"],
		"none": ["anything"],
		"entropy": ["anything"],
		"secret": ["api_key = EXAMPLE0EXAMPLE0", "key=Zk3Qw9Xr7Lm2Vb8N", "key=ZkqQwhXrpLmsVbtN"],
		"ar_cuit": ["20-05536168-2"],
		"at_svnr": ["1237 010180"],
		"au_medicare": ["2123 45670 1"],
		"au_tfn": ["123 456 782", "876543210"],
		"be_nrn": ["85.07.30-033.28"],
		"bg_egn": ["7523169263"],
		"br_cnpj": ["11.222.333/0001-81"],
		"br_cpf": ["529.982.247-25", "111.444.777-35"],
		"ch_ahv": ["756.9217.0769.85"],
		"cl_rut": ["12.345.678-5", "12531909-2"],
		"cn_rid": ["11010519491231002X", "440524188001010014"],
		"cz_rc": ["710319/2745"],
		"de_steuer_id": ["86 095 742 719", "47036892816", "65929970489"],
		"ee_isikukood": ["37605030299", "37605030064"],
		"es_nif": ["12345678Z", "X1234567L", "54362315-K"],
		"fi_hetu": ["131052-308T", "131052A308T", "010594Y9021"],
		"fr_nir": ["2 55 08 14 168 025 38"],
		"hk_hkid": ["A123456(3)", "AB987654(3)"],
		"hr_oib": ["69435151530", "33392005961"],
		"iban": ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "FR1420041010050500013M02606", "MT84MALT011000012345MTLCAST001S"],
		"ie_pps": ["1234567T", "1234567FA"],
		"in_aadhaar": ["2341 2341 2346"],
		"it_cf": ["RSSMRA85T10A562S", "RSS MRA 85T10 A562S"],
		"jp_my_number": ["123456789018"],
		"luhn": ["4111 1111 1111 1111", "378282246310005", "5555555555554444", "6011111111111117", "3530111333300000"],
		"luhn_number": ["490154203237518", "046 454 286", "8001015009087"],
		"mrz": ["L898902C36UTO7408122F1204159ZE184226B<<<<<10"],
		"mx_curp": ["BOXW310820HNERXN09", "HEGG560427MVZRRL04"],
		"no_fnr": ["151086 95088"],
		"kr_rrn": ["971013-9019902"],
		"nl_bsn": ["111222333", "1234.56.782"],
		"pl_pesel": ["44051401359", "02070803628"],
		"pt_nif": ["123456789"],
		"ro_cnp": ["1800101221144", "1630615123457"],
		"ru_inn": ["500100732259"],
		"ru_snils": ["112-233-445 95"],
		"se_pnr": ["811218-9876", "19811218-9876"],
		"sg_nric": ["S1234567D", "T1234567J", "F1234567N", "G1234567X"],
		"si_emso": ["0101006500006"],
		"ssn": ["219-09-9998"],
		"th_id": ["1-2345-67890-12-1"],
		"tr_tckn": ["10000000146"],
		"tw_id": ["A123456789"],
		"uk_nhs": ["943 476 5919"],
		"us_aba": ["021000021", "011401533"],
		"us_npi": ["1234567893"],
		"vin": ["1M8GDM9AXKP042788", "1HGCM82633A004352"],
	}
	some match in list
	validator.accepts(name, match)
}

test_accepted_of_all_others if {
	validator.accepts("ssn", "SSN: 899999999")
	validator.accepts("be_nrn", "85.07.30-033.28")
	validator.accepts("fr_nir", "2 55 08 2A 168 025 97")
	validator.accepts("iban", "de89 3704 0044 0532 0130 00")
}

test_refused[sprintf("%s %s", [name, match])] if {
	some name, list in {
		"luhn": ["4111 1111-1111.1112", ""],
		"ssn": ["000-45-6789", "666-45-6789", "900-45-6789", "123-00-6789", "123-45-0000", "123-45-678"],
		"iban": ["DE98370400440532013000", "1289370400440532013000", "DE89", "DE89_70400440532013000", "XX500123456789", "DE893704004405320130"],
		"base64_blob": ["aGVsb", "aGVs bG8", "", "=="],
		"secret": ["api_key = os.environ.get", "token=getAccessTokenFromRequest", "key=short1A", "MY_SECRET_KEY_NAME"],
		"luhn_number": ["490154203237519", "00000000", "0"],
		"de_steuer_id": ["12345678903", "02345678901"],
		"ee_isikukood": ["37605030298", ""],
		"es_nif": ["12345678A"], "hk_hkid": ["A123456(4)"], "in_aadhaar": ["1341 2341 2346"], "it_cf": ["RSSMRA85T10A562T"],
		"mrz": ["L898902C36UTO7408122F1204159ZE184226B<<<<<11"], "vin": ["1M8GDM9AXKP042789"], "sg_nric": ["S1234567A"],
		"uk_nhs": ["943 476 5918"], "br_cpf": ["111.111.111-11"], "no such": ["x"],
	}
	some match in list
	not validator.accepts(name, match)
}

test_addresses_of_wallets if {
	validator.accepts("base58check", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT")
	validator.accepts("base58check_xrp", "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh")
	validator.accepts("bech32", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
}
