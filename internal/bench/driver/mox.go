package driver

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"

	"github.com/mjl-/mox/dns"
	"github.com/mjl-/mox/sasl"
	"github.com/mjl-/mox/smtpclient"

	"github.com/mailport/mailport/internal/bench/letter"
)

// mox is github.com/mjl-/mox/smtpclient.
type mox struct {
	target Target
	tls    *tls.Config
	paper  *paper
	client *smtpclient.Client
}

func newMox(t Target, config *tls.Config) Driver {
	return &mox{target: t, tls: config, paper: newPaper(t)}
}

func (d *mox) Open(ctx context.Context) error {
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.target.address())
	if err != nil {
		return err
	}
	mode := smtpclient.TLSImmediate
	if d.target.Upgrade {
		mode = smtpclient.TLSRequiredStartTLS
	}
	options := smtpclient.Opts{
		TLSConfig: d.tls,
		Auth: func([]string, *tls.ConnectionState) (sasl.Client, error) {
			return sasl.NewClientPlain(d.target.User, d.target.Password), nil
		},
	}
	d.client, err = smtpclient.New(ctx, slog.New(slog.DiscardHandler), nc, mode, true,
		dns.Domain{ASCII: "localhost"}, dns.Domain{ASCII: Host}, options)
	return err
}

func (d *mox) Send(ctx context.Context, first, n int) error {
	for serial := first; serial < first+n; serial++ {
		r := d.paper.read(serial)
		if err := d.send(ctx, r, r.Size()); err != nil {
			return err
		}
	}
	return nil
}

func (d *mox) send(ctx context.Context, r io.Reader, size int64) error {
	return d.client.Deliver(ctx, letter.From, letter.To, size, r, false, false, false)
}

func (d *mox) SendLarge(ctx context.Context, l *letter.Large, serial int) error {
	return d.send(ctx, l.Ready(serial), int64(l.Size()))
}

func (d *mox) Close() error { return d.client.Close() }
