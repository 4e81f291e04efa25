package main

import "math"

// A contender is a client as the tables name it.
type contender struct {
	name  string // to the drivers
	label string
	ours  bool // mailport, or the floor
	ready bool // it sends messages as they are, so that their size is known
	batch int  // messages that are under way at once; 0: one at a time

	// It keeps connections open only after STARTTLS.
	upgrades bool
}

// Those that are spoken of by name.
const (
	floor      = "floor"
	goMail     = "go-mail"
	negotiator = "mailport-negotiate"
	soaking    = "mailport-soak"
)

const unbounded = math.MaxInt

var contenders = [...]contender{
	{name: floor, label: "*floor*", ours: true, ready: true, batch: unbounded},
	{name: "mailport", label: "mailport Submit", ours: true, ready: true},
	{name: "mailport-all", label: "mailport SubmitAll", ours: true, ready: true, batch: 16},
	{name: "mailport-unbounded", label: "mailport SubmitAll, any window", ours: true, ready: true, batch: unbounded},
	{name: goMail, label: "go-mail"},
	{name: "go-smtp", label: "go-smtp", ready: true},
	{name: "net-smtp", label: "net/smtp", ready: true},
	{name: "gomail", label: "gomail.v2"},
	{name: "email", label: "email", upgrades: true},
	{name: "mox", label: "mox smtpclient", ready: true},
	{name: nodemailer, label: nodemailer},
}
