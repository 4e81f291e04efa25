package driver

import (
	"context"
	"crypto/tls"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/mailport/mailport/internal/bench/letter"
)

// goSMTP is the client of github.com/emersion/go-smtp.
type goSMTP struct {
	target Target
	tls    *tls.Config
	paper  *paper
	client *smtp.Client
}

func newGoSMTP(t Target, config *tls.Config) Driver {
	return &goSMTP{target: t, tls: config, paper: newPaper(t)}
}

func (d *goSMTP) Open(context.Context) error {
	dial := smtp.DialTLS
	if d.target.Upgrade {
		dial = smtp.DialStartTLS
	}
	var err error
	if d.client, err = dial(d.target.address(), d.tls); err != nil {
		return err
	}
	return d.client.Auth(sasl.NewPlainClient("", d.target.User, d.target.Password))
}

func (d *goSMTP) Send(_ context.Context, first, n int) error {
	for serial := first; serial < first+n; serial++ {
		if err := d.client.SendMail(letter.From, []string{letter.To}, d.paper.read(serial)); err != nil {
			return err
		}
	}
	return nil
}

func (d *goSMTP) SendLarge(_ context.Context, l *letter.Large, serial int) error {
	return d.client.SendMail(letter.From, []string{letter.To}, l.Ready(serial))
}

func (d *goSMTP) Close() error { return d.client.Quit() }
