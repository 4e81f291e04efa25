package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// An outcome is what became of one message, as -json has it.
type outcome struct {
	Report  *negotiate.Report `json:"report"`
	Receipt *receipt          `json:"receipt"`
	Error   *string           `json:"error"`
	Exit    int               `json:"exit"`
}

type receipt struct {
	Endpoint string `json:"endpoint"`
	reply
	TLS     string    `json:"tls"`
	Refused []refused `json:"refused"`
}

type refused struct {
	Recipient string `json:"recipient"`
	reply
}

type reply struct {
	Code     int    `json:"code"`
	Enhanced string `json:"enhanced"`
	Text     string `json:"text"`
}

// tell says what became of the message, the nth time.
func (m *mailer) tell(n int, r *submit.Receipt, err error) {
	name := "sendmail"
	if m.repeat > 1 {
		name = fmt.Sprintf("sendmail: message %d", n)
	}
	if m.verbose && m.report != nil {
		fmt.Fprintln(m.stderr, m.report)
	}
	if err != nil {
		fmt.Fprintf(m.stderr, "%s: %s\n", name, oneLine(err))
	} else {
		m.tellReceipt(name, r)
	}
	if m.json {
		encoder := json.NewEncoder(m.stdout)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(m.outcome(r, err)); err != nil {
			fmt.Fprintf(m.stderr, "%s: standard output: %v\n", name, err) // the message is on its way all the same
		}
	}
}

func (m *mailer) tellReceipt(name string, r *submit.Receipt) {
	if m.verbose {
		fmt.Fprintf(m.stderr, "%s: accepted by %v: %v\n", name, r.Endpoint, r.Reply)
	}
	for _, e := range r.Refused {
		fmt.Fprintf(m.stderr, "%s: left out: %s\n", name, oneLine(e))
	}
}

// oneLine is for logs, that go by lines.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", " / ") }

func (m *mailer) outcome(r *submit.Receipt, err error) outcome {
	o := outcome{Report: m.report, Exit: exitCode(err)}
	if err != nil {
		text := oneLine(err)
		o.Error = &text
		return o
	}
	o.Receipt = &receipt{
		Endpoint: r.Endpoint.String(),
		reply:    newReply(r.Reply),
		TLS:      tls.VersionName(r.TLS.Version),
		Refused:  []refused{},
	}
	for _, e := range r.Refused {
		o.Receipt.Refused = append(o.Receipt.Refused, refused{e.Recipient, newReply(*e.Reply)})
	}
	return o
}

func newReply(r submit.Reply) reply {
	text := reply{Code: r.Code, Text: r.Text()}
	if e := r.Enhanced; e != [3]int{} {
		text.Enhanced = fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])
	}
	return text
}
