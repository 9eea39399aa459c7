package scan

import (
	"cmp"
	_ "embed" // for the table of grams
	"math"
	"math/bits"
	"slices"
	"strings"
)

// How often two bytes follow one another in ordinary text, for the choice of grams: measured over Go and Python
// sources, Markdown, HTML, YAML, JSON and the texts of agents' tools, each kind with the same weight. Only the choice
// depends on it, never what is found. A byte counts as foldByte leaves it; all bytes above ASCII count as one. A character
// c of bigramTable stands for 2^(-(c-'0')/2.2), a share of all pairs.
const bigramTable = "" +
	"7J?EOLLCEIILXDLIEDFHIJKLMMFWFDMXG@CBCDBFEAKJECCBCICB@EFCGGMBFDRHM" +
	"SUTd_oo[R[UboT^^a_ob`coooobh_Kb`^XYVXYX\\YUce\\YWVUcVTS\\[ZacoSUZbb[" +
	"IXHKNQWUTKFS@MNPRMNRPSUVVVAUSVIXQFHGFHHIIHOLJHJJGQHFFIILOORKLHPSS" +
	"E]WI__eX_WR]`\\`O\\SUWVVTSSUYo[aoabSSPUTTUVR_]UUVSS[SQQVVYZc_^^^ohh" +
	"UhTo]^[ZVV[odYT[VVYV\\T_a\\b_a`To^ZYZY^]YW_Yoh_]\\\\[aOXYbZ\\\\hhP\\_``o" +
	"Pc\\XoY`[W[XZY^Yo]ZWX]]_]Z\\oW^`hoe\\__R[\\`^^oo`[hh[UUN[^PZZ_o^\\]eao" +
	"MU\\beoL[Sa[heooaZ\\__ho`aheodh^oo`RTVXYYSYWd]OVUXT]VUT[YZY^c`[][_o" +
	"K[VUZUVPTIGQGUNUXRMTVV[RV[GQVZYTWMNNLMOPPMPQOKNOLVMIJNNNQUUSNKUTG" +
	"TPIPXTRLRGL]cTRUJNPRVXUWX[XaV^[SQKMKMLLOKKTQNLKLKXLIIOKPMTULU[WNX" +
	"EXK[VYUSRBDRHSKIUX\\]Yb^`^`KHNQWTNLLKMOLPTIVVONOPMTIKKPJQOQUGPHYO\\" +
	">WPJU\\XTPBBWWKPJVQSTUVY\\[]Q^GTSZJJNJMNIPQJSSPNOMLUMLIPMOSQ[KMKWQT" +
	"McShV^oRYPTNZUYVSQUXYWWXWWRWYQo\\[RUTURTUSSVWTSSSSURSRTRSUTV^Y[]b\\" +
	"?]CX]\\aQ]RB^hX_`RMNPRPVZ][a^Tcbo^PSPQNQSRP^URONQPXNOKRPVXTZSNWoN`" +
	"DoTo]Z\\WVXLT]D]SKKLRQRVUQQY[VYMc[JLJLKMMOKSRLLNMKSLIKLMNSTSXSTbZ`" +
	"F`I_]ZeMRRFVS\\KPJKMOPPRRSQZaTd]]XHKGJIIIMJOPJKJJGQIHILMLNQSVNS`HY" +
	"FbTTXYaUVQOT[SRETRPRTTSSST[YW]SYSJMHJLMIMKPQMNPKISLJKNNNQTTUU[Z[a" +
	"I_M^oTWNPMKUFPJRDJILMMNMMMKOUY^]URQQQQNQTTSTSSRSRUSRRUTVGSS[NJbL]" +
	"K`L_d[WORLKUGQJQHJHKKJIKKKLRSTZ\\VQQPOOPVTTTURSRTQTSUSQTSUTSWOJoM\\" +
	"KhL]eZ]SMMKVHJKRHKIIKIMMKKLXUTU[URQQRQPSTSVQRRRTQTSSQRSTSUTRTL]MZ" +
	"MhN]o[]QSPMVIPMRLMILLNLLMNMYW[QcSQQQPQRUTTSRURSUSTRTTTTSUTUYTMoP\\" +
	"MbM`^\\cTNNMVJONVLMLNMLNLMLM[WZTcXQRQRQQSURUSSOTSRUTQQSSUSUTNQNoLY" +
	"OoO]oYdQWQQUIQPUKKNNLJKNLNMY\\`ba[RRQSQSVUSVVTSSVRVTVTVUSUUR^TNoPZ" +
	"OhM_o^`SRQPWKSPTMNOOGOOLLOMUXca`YRSRSRQVSSTUSRTVTWSTSTTUTVT_WP_M^" +
	"PoPbo\\_VXRQVKVPVNOLNNMOMMOM]Z_oo]RSSRRSUUUVVVTVVVVUUTUTTUTT_UPoP^" +
	"NdM^o[aTSQQWKSPRLNNONLNONMMYW^_b[RRSRQRSTVVRSTTUSTVTPSTTUVUWWNoN^" +
	"QoPXh[hRYSSWKUOTMOLONOMOOMM\\\\o`a[RSQSRRRSVTUSTSTRTTTVTSSTTU_TOoQ_" +
	"?^J^ZWdRS[De[V\\IMQTPPTXZVZP`WGhdTUUSUVLYQT^ZVWPXPhRTQYXWZ\\_PQR\\]\\" +
	"L_VeoeSUW\\J[hTh]cY]Zcaaoho]aWVha]VURUVP[VLTXVWUVQeORO[MVToa]YI\\oa" +
	"OTZo`_o[]daoaV_FXXYYZ^\\^^ehoRRZcaLSINUXXPO^\\OVVUK\\QNMSY]WYb`a]a_h" +
	"CYHcVU^PRZV_^SXWMQUZXY\\]Yb`oXHWbXPTQRPMUSRYXUOKRO_OOLQSWZ[cNW]_Zc" +
	"H\\S[Y^VRUTFXNWNXTWY[__[o[dUVMPR_UPSPSTQQWP[WSRQUQZPONTSUQXWSVTZYW" +
	"T\\Ob[caXWXTo^\\b\\^]eoooooooTa]_c]]ZYY^[\\o`Yoo]\\X^W\\\\VV^X_a`oXW\\ohb" +
	"I]TZX\\[WVPK]NRNTWW[VX^`b\\^PYW[\\]HOQOPQPLSPOUSRRQOZOMOSRRVRYSWSYU[" +
	"DZJ\\\\^\\QPNMSMNHMPNOQOPQQQQKVRQL^TLECDNJENEOIACAPEOAC@FIJKGMPTS_NY" +
	"L_McZ^YRSOQVPOIMPPOORSSRQQQXVURWVFNMOENMPHHQFOOFOQIJOFQQQHQTSThOX" +
	"H`JYTZZPNNNRNMLOPOOPQPQRQSNURRTVSCOINDMNCGPDFKNANPFICHLPQJQVSQcL^" +
	"BVHV[[YLKLIRJLHNONNQQPQQQRJQQKQTQDMLGAMKODPPJMMENOIHLGNNNJQOQO]IV" +
	"?TDYX[UIHHEQFHFLOPPPQQPRPRFMNKFTMDJCBGDFLIPNCD@LFH?@BMFHDGOMMKaGW" +
	"C^Kb\\][SIMNTLPIRMNPNRROSQQQWSLX_TEONNGGOODQQHLJDNQGLJFQROKQTVSoOd" +
	"EXI[od_PLMKUMNJLNPPRQSSUTQLTSRUWRHOMPCNKIFSRIKHFLNHGJHPPQOOQVOoJ\\" +
	"FZLc]^URMNMTMNKPSSQOQUSTUSKPVQTXSDPPNAQPPDQONLMFPNILGIQQRMPUVToM]" +
	"J`MZY]_PPQPOOLLNQQRRTSQVTTRVPOK^XGHDEEDFPNOLCE?BFOFBBPFPJQHZWNoQX" +
	"SoWoooaUZVXUTWNUSSUTSUTUURY_VV]o_NPRQHRRPPRQRQRKQQQLQMRLRRQYbSoW`" +
	"I\\K\\oc\\QPQMVOOMSTSRUUQTUTTPSTTY\\THPPPEOLPIQPNPMNPQQJPNQNQQQUTReL\\" +
	"D\\HZh`VOMMLSKNJLMMNORRSTRSNRRPPZQDMMFAGNOBRODNNCJQNEEFMMQFPPQOhIY" +
	"GYJa[[WJNNOTNNLJSQRRSSMVSSLTURUYTCINKBPPQFPQKHNEDRPIKGORQIOUSSdM^" +
	"AWF]WXXKHLJTKJINQQSQSTTTVTIPPOQVNCNDBCHBOEOJILHCIPNC@HJOQIPLNO`JV" +
	"DYJYY_YOMOKTOLJLVSTRVTSUUUNQWQZWQIGECKEHMHMJDC@EDRAFDDGFNNPSRThL^" +
	"F^N^V_[ONNOTOOKPSQRRSTSRTULQQQJ[TCLLKBOOJHRLDLPDGQCGEGPPMKRNVShK`" +
	"OePhoaeYUTSVQWRTRRRTSTTUTSTbZU_o[PRQPQQPQRSRLQSRSPQPRFRQRQRSZZoSo" +
	"BVHZX`ZLIJJTJKHNPMPQSRSTUTKRQNPXOCMHG?JFNBPJHGEBLQEDDEINPFQMQNoGX" +
	"AVDV[XUKJJHSHKEHRNOOQSTUUTEONKTTNFMFL@LNFDQIIILFFNKD@ENKOHQJOOeIW" +
	"AUFYeYTKHIHRHJFLRLQKSUISOSGMNMQVNBMHK@KM@@RPIKMBGQBEEEOJMCPJPNhFV" +
	"I^RbodaRVUQSRRRTPSSQUSUTUTV\\[T\\^\\IGHJDJKQFPPCFCOHQCDDQPRJONVWYoV[" +
	"L`O`ed_PTPQWPRJQNMNOQSNSSVSWUTP`UDNLNCOOOGRQONPLLPPMMPOOPQQVSUhK]" +
	"I[NcoaXTPSQUOPLSSRPRUUVVSTRVUTW\\WFPOPHPPHEQNOOJHPQIJMPOKPQRYTVbOh" +
	"H]NdY\\\\PPLJRMNKQMKMOOOQROQJNPQW`TINKNKLROJRRQOPNHSPOHPPROORSVOeN_" +
	"CZH\\c^YMMLLVKLJOSRRSUUTTRUISUPTXRMPNOMPNRLORJILGDRNHIQPLQRORROeK[" +
	"QoNooh`RVSRSWQRSSSTTTTTSUUS]Z\\`WZLRPRHQQQMRRQOQOSQQPRPQQPQNXURoU^" +
	"KSGO\\Y[JW]D[YSRRJJMNQQRROTR[Ud_\\RMPMQOLPSKSPQQMPN[MLLSLUNSUKOITOW" +
	"IYFbYZaUQWI^_TRXOO\\^`ccbddWdUV`_YYXYTYY\\[W``ZYHZVaQSQPYVP^cUKX\\[V" +
	"HZLa^bZSJKCQDTNVdhhoooooooOLSKZYQWOZ\\PX`cR_h]X_\\XhVQUW[e]YaOMG_W]" +
	"U_Y]_ab[WYWh]^UVXTWYYYZZ]a]Z]Ybc][`^Z`Zb^Wech`ha]o_ZX^ba`ooVW\\L^_" +
	"L]So_[`VOMO^M[S`LJNNQTUSQQSWYUodVIKIIIJMMGSNHJIKIQGHHJKORTRUYP^Fa" +
	"N_ThohoG^XToXaW^eZ`Z`]`h]h\\oW`ef\\YZ[W\\Y][V_`]Z[]YcYSVc[c_]dZTV_`D"

// byteKinds is how many bytes foldByte leaves: 64 of ASCII, and one for all others.
const byteKinds = 65

// otherBytes is how many folded bytes the last kind stands for.
const otherBytes = 64

// foldByte makes the letters of ASCII one case. It joins a few other bytes too, which costs a little precision and no match.
func foldByte(b byte) byte { return b | 0x20 }

func kindOf(b byte) int {
	if b >= 0x80 {
		return byteKinds - 1
	}
	return int(b&0x1F) | int(b&0x40)>>1
}

// frequency has the share of each kind, and the share of each kind after each other.
var frequency = func() (f struct {
	one   [byteKinds]float32
	after [byteKinds][byteKinds]float32
},
) {
	total := float32(0)
	for a := range byteKinds {
		for b := range byteKinds {
			p := float32(math.Exp2(-float64(bigramTable[a*byteKinds+b]-'0') / 2.2))
			f.after[a][b] = p
			f.one[a] += p
		}
		total += f.one[a]
	}
	for a := range byteKinds {
		for b := range byteKinds {
			f.after[a][b] /= f.one[a]
		}
		f.one[a] /= total
	}
	return f
}()

// foldedSet is a set of folded bytes, by kind, each with how much of the kind it has.
type foldedSet struct {
	bytes  []byte // the folded bytes themselves
	kinds  []uint8
	set    byteset
	passes float32             // how likely a byte of the set is taken to stand where one is wanted
	number uint16              // the planner's
	at     [gramBytes][]uint64 // see commonAt
	share  [byteKinds]float32
}

func foldSet(s byteset) *foldedSet {
	out := &foldedSet{}
	var seen byteset
	for b := range 256 {
		if f := foldByte(byte(b)); s.has(byte(b)) && !seen.has(f) {
			seen.add(f, f)
			k := kindOf(f)
			if out.share[k] == 0 {
				out.kinds = append(out.kinds, uint8(k))
			}
			if k == byteKinds-1 {
				out.share[k] += 1.0 / otherBytes
			} else {
				out.share[k] = 1
			}
			out.bytes = append(out.bytes, f)
			out.set.add(f, f)
		}
	}
	common := float32(0) // the share of all bytes that are of the set
	for _, k := range out.kinds {
		common += frequency.one[k] * out.share[k]
	}
	out.passes = min(1, 4*common)
	return out
}

// following is how often a byte of one set is followed by one of another.
func following(first, second *foldedSet) float32 {
	both, all := float32(0), float32(0)
	for _, j := range first.kinds {
		weight := frequency.one[j] * first.share[j]
		all += weight
		for _, k := range second.kinds {
			both += weight * frequency.after[j][k] * second.share[k]
		}
	}
	if all == 0 {
		return 0
	}
	return both / all
}

// gramTable are the most frequent grams of the same texts: four folded characters each (`_` as it is) and one that stands
// for 2^(-(c-'0')/4), a share of all places. Grams that are not in it are rarer than commonGram.
//
//go:embed grams.txt
var gramTable string

const commonGram = 3e-5

type gramOften struct {
	word  uint32
	share float32
}

// commonGrams are in the order of their words, so that what is summed over them is the same on every machine.
var commonGrams = func() (grams []gramOften) {
	cells := strings.ReplaceAll(gramTable, "\n", "")
	for ; len(cells) >= 5; cells = cells[5:] {
		grams = append(grams, gramOften{load32(cells) | foldWord, float32(math.Exp2(-float64(cells[4]-'0') / 4))})
	}
	slices.SortFunc(grams, func(a, b gramOften) int { return cmp.Compare(a.word, b.word) })
	return grams
}()

// commonWith has, by place and folded byte, those of the common grams that have the byte there, as bits; nil: none.
var commonWith = func() (with [gramBytes][256][]uint64) {
	for i, g := range commonGrams {
		for at := range with {
			has := &with[at][byte(g.word>>(8*at))]
			if *has == nil {
				*has = make([]uint64, len(commonGrams)/64+1)
			}
			(*has)[i/64] |= 1 << (i % 64)
		}
	}
	return with
}()

// commonAt are those of the common grams that have a byte of the set at a place.
func (f *foldedSet) commonAt(place int) []uint64 {
	if f.at[place] == nil {
		all := make([]uint64, len(commonGrams)/64+1)
		for _, b := range f.bytes {
			for i, w := range commonWith[place][b] {
				all[i] |= w
			}
		}
		f.at[place] = all
	}
	return f.at[place]
}

// gramShare estimates how many of the places of an ordinary text begin with one of the grams.
func gramShare(gram *[gramBytes]*foldedSet) float32 {
	n := spellings(gram)
	first := gram[0].commonAt(0)
	second, third, fourth := gram[1].commonAt(1)[:len(first)], gram[2].commonAt(2)[:len(first)], gram[3].commonAt(3)[:len(first)]
	common, rest := float32(0), n
	for i := range first {
		for both := first[i] & second[i] & third[i] & fourth[i]; both != 0; both &= both - 1 {
			common += commonGrams[64*i+bits.TrailingZeros64(both)].share
			rest--
		}
	}
	if n <= 64 {
		return common + min(bigramShare(gram), float32(rest)*commonGram)
	}
	return max(common, bigramShare(gram))
}

// gramWords are all words of a gram.
func gramWords(gram *[gramBytes]*foldedSet) []uint32 {
	words := []uint32{0}
	for i, s := range gram {
		next := make([]uint32, 0, len(words)*len(s.bytes))
		for _, c := range s.bytes {
			for _, w := range words {
				next = append(next, w|uint32(c)<<(8*i))
			}
		}
		words = next
	}
	return words
}

// bigramShare is the same by pairs alone.
func bigramShare(gram *[gramBytes]*foldedSet) float32 {
	var room [2][byteKinds]float32
	last, now := gram[0], room[0][:len(gram[0].kinds)] // as many as the kinds, and in their order
	for i, k := range last.kinds {
		now[i] = frequency.one[k] * last.share[k]
	}
	for turn, set := range gram[1:] {
		next := room[(turn+1)%2][:len(set.kinds)]
		for i, k := range set.kinds {
			after := float32(0)
			for j, before := range last.kinds {
				after += now[j] * frequency.after[before][k]
			}
			next[i] = after * set.share[k]
		}
		last, now = set, next
	}
	sum := float32(0)
	for _, share := range now {
		sum += share
	}
	return sum
}
