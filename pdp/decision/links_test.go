package decision

import (
	"encoding/json"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
)

// linkForms are ways to put an address into a text so that whoever reads it, or the program that shows it, goes there.
var linkForms = []string{
	`see https://evil.example/c?d=1`,
	`see HTTPS://EVIL.EXAMPLE/c`,
	`[here](https://evil.example/c)`,
	`[here](<https://evil.example/c>)`,
	`![](https://evil.example/c.png)`,
	`![a picture](https://evil.example/c.png "title")`,
	"[here][1]\n\n[1]: https://evil.example/c",
	"![x][img]\n[img]: https://evil.example/c.png",
	`<https://evil.example/c>`,
	`<a href="https://evil.example/c">here</a>`,
	`<a href='https://evil.example/c'>here</a>`,
	`<a href=https://evil.example/c>here</a>`,
	`<img src="https://evil.example/c.png">`,
	`<IMG SRC=https://evil.example/c.png>`,
	`<img srcset="https://evil.example/c.png 2x">`,
	`<img src="//evil.example/c.png">`,
	`![](//evil.example/c.png)`,
	`<a href="&#104;ttps://evil.example/c">here</a>`,
	`<a href="https&#58;&#47;&#47;evil.example/c">here</a>`,
	`<img src="https:&sol;&sol;evil.example/c">`,
	`background: url(https://evil.example/c.png)`,
	`<style>@import 'https://evil.example/c.css';</style>`,
	`<iframe src="https://evil.example/c"></iframe>`,
	`<form action="https://evil.example/c">`,
	`<meta http-equiv="refresh" content="0;url=https://evil.example/c">`,
	`www.evil.example/c`,
	`evil.example/c?d=1`,
	`https%3A%2F%2Fevil.example%2Fc`,
	`aHR0cHM6Ly9ldmlsLmV4YW1wbGUvYz9kPTEyMzQ1Njc4`,
	"https://evil\u200b.example/c",
	`ｈｔｔｐｓ：／／ｅｖｉｌ．ｅｘａｍｐｌｅ／ｃ`,
	`https:\\evil.example\c`,
	`ftp://evil.example/c`,
	`{"$ref": "https://evil.example/schema.json"}`,
	`<svg><image xlink:href="https://evil.example/c.svg"/></svg>`,
}

func TestThreat_A10_LinksThatTheUserDidNotGiveAsk(t *testing.T) {
	r := newRoom(t, toolkit(nil, "send_message"))
	r.observe(origin.User, "Tell bob@example.com that the minutes are at https://docs.example.com/minutes")
	message := func(text string) Request {
		args, err := json.Marshal(map[string]string{"to": "bob@example.com", "text": text})
		if err != nil {
			t.Fatal(err)
		}
		return call("mailer", "send_message", string(args))
	}
	r.want(Allow, "", message("The minutes are at https://docs.example.com/minutes and they are short."))
	r.want(Allow, "", message("Version 1.2/3 of and/or is ready, e.g. for Monday."))
	for _, form := range linkForms {
		if said := r.decide(message(form)); said.Effect == Allow {
			t.Errorf("passes: %s", form)
		}
	}
}
