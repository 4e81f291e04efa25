package negotiate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// bounded requires that no form of a report, nor its error, is longer than those
// who read it can take, and that what is left is whole characters.
func bounded(t *testing.T, r *negotiate.Report, most int) {
	t.Helper()
	data, _ := jsonOf(t, r)
	for form, text := range map[string]string{
		"diagnosis": r.Diagnosis(), "error": (&negotiate.Error{Report: r}).Error(), "string": r.String(), "log": logOf(r),
		"page": page(t, r, negotiate.Terminal{}), "wide page": page(t, r, negotiate.Terminal{Width: 120, Unicode: true}), "JSON": data,
	} {
		require.LessOrEqual(t, len(text), most, form)
		require.True(t, utf8.ValidString(text), form)
		require.NotContains(t, text, "\ufffd", form)
	}
}

// Promise 10: a server that talks without end does not fill a log either. Who
// wants all of its reply finds it in the error.
func TestLongReplyFillsNoReport(t *testing.T) {
	greeting := strings.Repeat("554-"+strings.Repeat("gö away ", 9)+"\r\n", 700) + "554 bye"
	synctest.Test(t, func(t *testing.T) {
		r := probed(t, func(p *place) {
			p.server.SetFaults(submittest.Fault{Phase: submit.PhaseGreeting, Do: submittest.Garbage, Text: greeting})
		})
		bounded(t, r, 8000)
		require.Contains(t, r.Diagnosis(), "greeting: 554 gö away gö away ")
		require.NotContains(t, r.Diagnosis(), "bye")
		var e *submit.Error
		require.ErrorAs(t, r.Attempts[0].Err, &e)
		require.Len(t, e.Reply.Lines, 701)
	})
}

// Nor does a transport of the caller's own, nor what EHLO or a certificate say.
func TestLongTextsFillNoReport(t *testing.T) {
	long := strings.Repeat("ö", 60_000)
	many := make([]string, 6000)
	for i := range many {
		many[i] = fmt.Sprintf("host-number-%d.example.com", i)
	}
	mechanisms := "AUTH " + strings.Repeat("PLAIN-ER ", 3000)
	state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{
		DNSNames: many, Issuer: pkix.Name{CommonName: long}, NotAfter: time.Now()}}}
	r := &negotiate.Report{Attempts: []negotiate.Attempt{
		{Outcome: negotiate.Failed, Err: errors.New(long), Address: long, Steps: []negotiate.Step{{Err: errors.New(long)}}},
		{Outcome: negotiate.Won, TLS: state, Extensions: append([]string{mechanisms}, many...)},
		{Outcome: negotiate.Lost, TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{DNSNames: []string{long, long, long}}}}},
	}}
	bounded(t, r, 50_000) // characters may take six in ASCII
	_, read := jsonOf(t, r)
	require.Equal(t, strings.Repeat("ö", 300)+"…", read.Attempts[2].Names[0])
}

// Of a certificate for thousands of names, and of a server that offers as much,
// there are the first, and how many more.
func TestReportCountsWhatItLeavesOut(t *testing.T) {
	names := make([]string, 6000)
	for i := range names {
		names[i] = fmt.Sprintf("host-number-%d.example.com", i)
	}
	r := &negotiate.Report{Attempts: []negotiate.Attempt{{Outcome: negotiate.Won,
		TLS:        &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{DNSNames: names}}},
		Extensions: append([]string{"AUTH" + strings.Repeat(" X", 101)}, names[:120]...),
	}}}
	text := strings.Join(strings.Fields(page(t, r, negotiate.Terminal{Unicode: true})), " ")
	require.Contains(t, text, "host-number-18.example.com, host-number-19.example.com, … and 5980 more valid ")
	require.Contains(t, text, "X, … and 81 more")
	require.Contains(t, text, "host-number-18.example.com, … and 101 more")
	require.NotContains(t, text, "host-number-20.example.com")
	require.Contains(t, r.String(), "host-number-0.example.com, host-number-1.example.com, 5998 more")
	require.Len(t, names, 6000)

	_, read := jsonOf(t, r)
	require.Equal(t, names[:100], read.Attempts[0].Names)
	require.Len(t, read.Attempts[0].Extensions, 100)
	require.Len(t, read.Attempts[0].Mechanisms, 100)
	require.Equal(t, map[string]int{"certificate_names": 5900, "extensions": 21, "mechanisms": 1}, read.Attempts[0].LeftOut)

	state := r.Attempts[0].TLS
	state.PeerCertificates[0].DNSNames = names[:20]
	r.Attempts[0].Extensions = nil
	require.NotContains(t, page(t, r, negotiate.Terminal{}), "more")
	_, read = jsonOf(t, r)
	require.Nil(t, read.Attempts[0].LeftOut)
}

// A proxy's words, or those of a transport of the caller's own, end no line in the
// error of a negotiation, and move no cursor.
func TestErrorIsLegible(t *testing.T) {
	dialer := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New(badText) }
	for _, n := range []*negotiate.Negotiator{
		{Transports: []submit.Transport{ownTransport{}}},
		{Host: "mail.example.com", Config: submit.Config{DialContext: dialer}},
	} {
		_, err := n.Dial(t.Context())
		var e *negotiate.Error
		require.ErrorAs(t, err, &e)
		for _, text := range []string{err.Error(), e.Report.Diagnosis()} {
			for _, not := range []string{"\x1b", "\r", "\n", "\t", "\x00", "\x7f", "\u009b", "\u202e", "\u2028", "\u200b", "\xff"} {
				require.NotContains(t, text, not)
			}
			require.Contains(t, text, "ü中")
		}
	}
}

// An ownTransport fails with words of others.
type ownTransport struct{ submit.Transport }

func (ownTransport) Endpoint() submit.Endpoint {
	return submit.Endpoint{Service: "own", Host: "h", Port: 1}
}

func (ownTransport) Dial(context.Context) (*submit.Session, error) { return nil, errors.New(badText) }

// An Error that somebody made for a test of theirs has no report.
func TestErrorWithoutReport(t *testing.T) {
	for _, e := range []*negotiate.Error{{}, {Report: &negotiate.Report{}}} {
		require.EqualError(t, e, "no session")
		require.Empty(t, e.Unwrap())
		require.NotErrorIs(t, e, submit.ErrTemporary)
	}
}

// So is what DNS and the web say, where Discover has found nothing.
func TestDiscoveryErrorIsLegible(t *testing.T) {
	for _, e := range []error{
		&negotiate.SourceError{Source: negotiate.SourceSRV, Err: errors.New(badText)},
		&negotiate.DiscoveryError{Domain: "example.com", Sources: []negotiate.SourceError{{Err: errors.New(badText)}}},
	} {
		require.ErrorContains(t, e, `x\x1b[31m\r\n\t\x00\x7f\u009b2J\u202egro\u2028\u200b\xff\xfeü中é`)
	}
	long := &negotiate.SourceError{Source: negotiate.SourceSRV, Err: errors.New(strings.Repeat("ö", 60_000))}
	require.EqualError(t, long, "SRV: "+strings.Repeat("ö", 247)+"…") // 500 octets, and no half of a character
}
