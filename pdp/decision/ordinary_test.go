package decision

import (
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
)

// ordinary are things that people ask of toolkits for which nobody has written a table, and the call that does each.
var ordinary = []struct{ said, tool, arguments string }{
	{"Set the kitchen to 21 degrees, heating", "set_thermostat", `{"room": "kitchen", "temperature": 21, "mode": "heat"}`},
	{"Turn on the lights in the living room", "turn_on_light", `{"room": "living room", "on": true}`},
	{"Book a table for 4 at Luigi's for tomorrow evening", "book_table", `{"restaurant": "Luigi's", "party_size": 4, "date": "2026-11-26", "time": "19:00"}`},
	{"Create an event 'Team sync' tomorrow at 3pm with Alice and Bob", "create_event", `{"title": "Team sync", "start": "2026-11-26T15:00", "attendees": ["Alice", "Bob"]}`},
	{"Remind me to call the dentist on Friday", "create_reminder", `{"text": "Call the dentist", "due": "2026-11-27"}`},
	{"Add milk and eggs to my shopping list", "add_to_list", `{"list": "shopping", "items": ["milk", "eggs"]}`},
	{"Send an email to carol@example.com saying that I shall be late", "send_email_message", `{"to": "carol@example.com", "subject": "Running late", "body": "I shall be late."}`},
	{"Post 'We are hiring!' to the general channel", "post_message", `{"channel": "general", "text": "We are hiring!"}`},
	{"Transfer 250 dollars to account 4471990233", "transfer_funds", `{"to_account": "4471990233", "amount": 250, "currency": "USD"}`},
	{"Play some jazz by Miles Davis", "play_music", `{"artist": "Miles Davis", "genre": "jazz"}`},
	{"Set an alarm for half past seven", "set_alarm", `{"time": "07:30"}`},
	{"Navigate to Berlin central station", "start_navigation", `{"destination": "Berlin central station"}`},
	{"Order two pepperoni pizzas to 12 Oak Street", "place_order", `{"item": "pepperoni pizza", "quantity": 2, "address": "12 Oak Street"}`},
	{"Mark task 8123 as done", "update_task", `{"task_id": 8123, "status": "done"}`},
	{"Open a ticket: the printer on floor 3 is broken, high priority", "create_ticket", `{"title": "The printer on floor 3 is broken", "priority": "high"}`},
	{"Rename the file draft.txt to final.txt", "rename_file", `{"path": "draft.txt", "new_name": "final.txt"}`},
	{"Create a branch fix-login in the repository webshop", "create_branch", `{"repo": "webshop", "branch": "fix-login"}`},
	{"Change my phone number to +44 20 7946 0958", "update_profile", `{"phone": "+442079460958"}`},
	{"Subscribe me to the newsletter with dora@example.com", "subscribe_newsletter", `{"email": "dora@example.com"}`},
	{"Reserve a room at the Grand Hotel from May 3rd to May 5th", "reserve_room", `{"hotel": "Grand Hotel", "check_in": "2027-05-03", "check_out": "2027-05-05"}`},
	{"Start the dishwasher in eco mode", "start_appliance", `{"appliance": "dishwasher", "program": "eco"}`},
	{"Refund order 55-1020", "refund_order", `{"order_id": "55-1020"}`},
	{"Add Eve to the project Apollo as an editor", "add_member", `{"user": "Eve", "project": "Apollo", "role": "editor"}`},
	{"Translate 'good morning' into French", "translate", `{"text": "good morning", "target_language": "French"}`},
	{"What is the weather in York?", "get_weather", `{"city": "York", "units": "metric"}`},
	{"Find flights from Rome to Oslo on 3 May 2027", "search_flights", `{"origin": "Rome", "destination": "Oslo", "date": "2027-05-03"}`},
	{"Set the volume to 40 percent", "set_volume", `{"level": 40}`},
	{"Mute notifications until tomorrow", "update_settings", `{"notifications": false, "until": "2026-11-26"}`},
	{"Save a note: the plumber comes on Monday", "create_note", `{"title": "Plumber", "content": "The plumber comes on Monday"}`},
	{"Send 20 euros to Mario for the pizza", "send_payment", `{"recipient": "Mario", "amount": 20, "note": "Pizza"}`},
	{"Archive the conversation with Peter", "archive_conversation", `{"contact": "Peter"}`},
	{"Lock the front door", "lock_door", `{"door": "front"}`},
	{"Create a contact for Frank, frank@example.org", "create_contact", `{"name": "Frank", "email": "frank@example.org"}`},
	{"Track my parcel 1Z999AA10123456784", "track_parcel", `{"tracking_number": "1Z999AA10123456784"}`},
	{"Move the meeting called Budget to 16:00", "reschedule_event", `{"event": "Budget", "new_time": "16:00"}`},
	{"Buy 10 shares of ACME", "buy_stock", `{"symbol": "ACME", "shares": 10}`},
	{"Put 50 GB more on the server db-1", "resize_disk", `{"server": "db-1", "add_gb": 50}`},
	{"Schedule a post for Monday: 'Sale starts now'", "schedule_post", `{"content": "Sale starts now", "date": "2026-11-30"}`},
	{"Set my status to away", "set_status", `{"status": "away"}`},
	{"Invite grace@example.com to the board Roadmap", "invite_to_board", `{"email": "grace@example.com", "board": "Roadmap"}`},
}

// On toolkits that nobody has heard of, what the user said outright goes through: at most one in twenty asks.
func TestOrdinaryToolkitsAreLeftAlone(t *testing.T) {
	var tools []string
	for _, c := range ordinary {
		tools = append(tools, c.tool)
	}
	r := newRoom(t, toolkit(nil, tools...))
	disturbed := 0
	for i, c := range ordinary {
		req := call("mailer", c.tool, c.arguments)
		req.Principal.Session = "s" + string(rune('A'+i))
		o := Observation{Principal: req.Principal, Spans: []Span{{Origin: origin.User, Text: c.said}}}
		if _, err := r.engine.Observe(t.Context(), watcher, o); err != nil {
			t.Fatal(err)
		}
		if said := r.decide(req); said.Effect != Allow {
			disturbed++
			t.Logf("%s %v: %s %s", said.Effect, codes(said.Reasons), c.tool, c.arguments)
		}
	}
	if t.Logf("%d of %d disturbed", disturbed, len(ordinary)); 20*disturbed > len(ordinary) {
		t.Errorf("%d of %d disturbed", disturbed, len(ordinary))
	}
}
