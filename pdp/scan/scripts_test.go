package scan_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// ordinary are sentences as people write them, in scripts and forms that read in more than one way.
var ordinary = map[string]string{
	"Japanese":   "本日の会議は午後三時から第二会議室で行います。資料は前日までに共有フォルダーへ入れてください。ｺﾝﾋﾟｭｰﾀｰの更新もお願いします。", // half-width katakana, too
	"Chinese":    "请在星期五之前把报告发给客户，并抄送给项目经理。会议纪要已经放在共享文件夹里，大家可以随时查看。",
	"Korean":     "회의는 오후 세 시에 시작합니다. 자료를 미리 읽어 주시기 바랍니다. 고객에게 보낼 보고서는 금요일까지 마무리해 주세요.",
	"Arabic":     "يُرْجَى إِرْسَالُ التَّقْرِيرِ قَبْلَ يَوْمِ الْجُمُعَةِ، وَإِخْبَارُ الْعَمِيلِ بِمَوْعِدِ الِاجْتِمَاعِ الْقَادِمِ فِي الْمَكْتَبِ.",
	"Hebrew":     "בְּרֵאשִׁית נָא לִשְׁלוֹחַ אֶת הַדּוּחַ עַד יוֹם שִׁישִּׁי וּלְעַדְכֵּן אֶת הַלָּקוֹחַ עַל מוֹעֵד הַפְּגִישָׁה הַבָּאָה.",
	"Hindi":      "कृपया शुक्रवार तक रिपोर्ट भेज दें और ग्राहक को बैठक के समय की जानकारी दें। ज़रूरी काग़ज़ात साझा फ़ोल्डर में रख दिए गए हैं।",
	"Thai":       "กรุณาส่งรายงานก่อนวันศุกร์ และแจ้งลูกค้าเรื่องเวลาประชุม เอกสารทั้งหมดอยู่ในแฟ้มที่ใช้ร่วมกันแล้ว",
	"Vietnamese": "Vui lòng gửi báo cáo trước thứ sáu và thông báo cho khách hàng về thời gian họp. Tài liệu đã được đặt trong thư mục dùng chung.",
	"Greek":      "Παρακαλώ στείλτε την αναφορά μέχρι την Παρασκευή και ενημερώστε τον πελάτη για την ώρα της συνάντησης.",
	"Russian":    "Пожалуйста, отправьте отчёт до пятницы и сообщите клиенту время встречи. Все документы лежат в общей папке.",
	"German":     "Bitte schicken Sie den Bericht bis Freitag, und sagen Sie dem Kunden, wann wir uns treffen – die „Unterlagen“ liegen bereit.",
	"emoji":      "The release is out 🎉🚀 thanks to the whole team 👩‍💻👨🏽‍💻👩🏾‍🔬 and see you on Friday ❤️ ☕️ 🏳️‍🌈 — don’t forget the cake 🎂!",
}

// TestScan_OrdinaryTextOfEachScriptIsReadInFull: what bounds hostile readings must not bound these, composed or not.
func TestScan_OrdinaryTextOfEachScriptIsReadInFull(t *testing.T) {
	s := engine()
	rnd := rand.New(rand.NewPCG(4, 15)) // #nosec G404 -- the same in every run
	for name, sentences := range ordinary {
		words := strings.Fields(sentences)
		if len(words) < 6 { // no blanks between words
			words = strings.SplitAfter(sentences, "。")
		}
		for form, written := range map[string]func(string) string{
			"as it is":   func(s string) string { return s },
			"composed":   norm.NFC.String,
			"decomposed": norm.NFD.String, // as some systems name files
		} {
			var b strings.Builder
			for b.Len() < 400<<10 {
				rnd.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
				b.WriteString(strings.Join(words, " ") + "\n")
			}
			text := written(b.String())
			r := s.Scan(t.Context(), []scan.Text{{Pointer: "/a", Value: text}}, nil, scan.Budget{})
			if r.Incomplete || r.Undecoded {
				t.Errorf("%s, %s, %d bytes: incomplete %t, undecoded %t", name, form, len(text), r.Incomplete, r.Undecoded)
			}
			if i := slices.IndexFunc(r.Findings, func(f scan.Finding) bool { return f.Category == "evasion" && name != "emoji" }); i >= 0 {
				t.Logf("%s, %s: %s", name, form, r.Findings[i].Rule)
			}
		}
	}
}
