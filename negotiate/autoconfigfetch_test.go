package negotiate_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// onlyAutoconfig is what is said by autoconfig.example.com and nobody else.
func onlyAutoconfig(t *testing.T, w *world, change func(*negotiate.Discovery)) ([]negotiate.Found, error) {
	d := w.discovery()
	d.Without = []negotiate.Source{negotiate.SourceSRV, negotiate.SourceWellKnown, negotiate.SourceGuess}
	if change != nil {
		change(&d)
	}
	return negotiate.Discover(t.Context(), "me@example.com", d)
}

const nothingFrom = "no submission server found for example.com: autoconfig: "

// good is a file with one server in it.
func good() http.HandlerFunc { return file(smtp("smtp.example.net", 465, "SSL")) }

// What comes over HTTPS, and what is made of it.
func TestFetch(t *testing.T) {
	const here = "https://autoconfig.example.com"
	hops := func(n int) pages { // a chain of redirects to a file
		p := pages{autoconfigOf: redirect(here + "/1"), fmt.Sprintf("autoconfig.example.com/%d", n): good()}
		for i := 1; i < n; i++ {
			p[fmt.Sprintf("autoconfig.example.com/%d", i)] = redirect(fmt.Sprintf("/%d", i+1))
		}
		return p
	}
	for name, c := range map[string]struct {
		pages pages
		from  string
		err   string
	}{
		"a file":                    {pages{autoconfigOf: good()}, "https://autoconfig.example.com/mail/config-v1.1.xml", ""},
		"elsewhere, over https":     {pages{autoconfigOf: redirect("https://www.example.org/m.xml?who=me"), "www.example.org/m.xml": good()}, "https://www.example.org/m.xml", ""},
		"five redirects":            {hops(5), here + "/5", ""},
		"six redirects":             {hops(6), "", "more than 5 redirects"},
		"a circle":                  {pages{autoconfigOf: redirect("config-v1.1.xml")}, "", "more than 5 redirects"},
		"a redirect out of TLS":     {pages{autoconfigOf: redirect("http://autoconfig.example.com/1"), "autoconfig.example.com/1": good()}, "", "redirect not followed: is no https URL; nothing is asked without TLS"},
		"out of TLS, on the way":    {pages{autoconfigOf: redirect(here + "/1"), "autoconfig.example.com/1": redirect("http://autoconfig.example.com/2"), "autoconfig.example.com/2": good()}, "", "redirect not followed: is no https URL; nothing is asked without TLS"},
		"to a file of this machine": {pages{autoconfigOf: redirect("file:///etc/passwd")}, "", "redirect not followed: is no https URL; nothing is asked without TLS"},
		"redirect to nowhere":       {pages{autoconfigOf: status(http.StatusFound)}, "", "redirect to nowhere"},
		"redirect to who is not":    {pages{autoconfigOf: redirect("https://www.example.org/")}, "", "lookup www.example.org: no such host"},
		"no file":                   {pages{wellKnownOf: good(), "autoconfig.example.com/": good()}, "", "HTTP status 404 Not Found"},
		"a secret":                  {pages{autoconfigOf: status(http.StatusUnauthorized)}, "", "HTTP status 401 Unauthorized"},
		"an odd status":             {pages{autoconfigOf: status(299)}, "", "HTTP status 299 "},
		"a web page":                {pages{autoconfigOf: text("<!DOCTYPE html><html><head><title>example.com</title></head></html>")}, "", "no autoconfig file: it begins with <html>"},
		"as long as it may be":      {pages{autoconfigOf: padded(256 << 10)}, "https://autoconfig.example.com/mail/config-v1.1.xml", ""},
		"an octet longer":           {pages{autoconfigOf: padded(256<<10 + 1)}, "", "file is longer than 262144 octets"},
		"endless":                   {pages{autoconfigOf: endless}, "", "file is longer than 262144 octets"},
		"compressed, asked or not":  {pages{autoconfigOf: bomb}, "", "file is compressed, which was not asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := onlyAutoconfig(t, newWorld(t, nil, c.pages), nil)
			if c.err != "" {
				require.EqualError(t, err, nothingFrom+c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []string{"submissions://smtp.example.net:465 autoconfig, trusted"}, lines(found))
			require.Equal(t, c.from, found[0].From)
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) }
}

// padded is a good file of so many octets.
func padded(octets int) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		good()(bodyOnly{rw, &b}, r)
		fmt.Fprint(rw, strings.Repeat(" ", octets-b.Len()))
		_, _ = rw.Write(b.Bytes()[len(`<?xml version="1.0"?>`):]) // which has to stand in front
		fmt.Fprint(rw, strings.Repeat("\n", len(`<?xml version="1.0"?>`)))
	}
}

// bodyOnly keeps what is written.
type bodyOnly struct {
	http.ResponseWriter
	io.Writer
}

func (b bodyOnly) Write(p []byte) (int, error) { return b.Writer.Write(p) }

func endless(rw http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := rw.Write(make([]byte, 1<<16)); err != nil {
			return // the client has had enough
		}
	}
}

func bomb(rw http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Accept-Encoding") != "identity" {
		rw.WriteHeader(http.StatusTeapot)
		return
	}
	rw.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(rw)
	_, _ = z.Write(make([]byte, 1<<16))
	_ = z.Close()
}

func longHeader(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("X-Long", strings.Repeat("x", 128<<10))
}

// Promise 10: not even of a header more is read than is bearable.
func TestFetchLongHeader(t *testing.T) {
	_, err := onlyAutoconfig(t, newWorld(t, nil, pages{autoconfigOf: longHeader}), nil)
	require.ErrorContains(t, err, "exceeded 65536 bytes")
}

// Promise 1, for what says where the password goes: nothing is believed that did
// not come over TLS verified for that host, and the address is sent to nobody
// else, whatever the client's configuration says.
func TestFetchVerifies(t *testing.T) {
	ca := testcert.New()
	trust := func(change func(*http.Transport)) func(*negotiate.Discovery) {
		return func(d *negotiate.Discovery) {
			transport := d.Client.Transport.(*http.Transport)
			transport.TLSClientConfig.RootCAs = ca.Pool()
			if change != nil {
				change(transport)
			}
		}
	}
	insecure := func(t *http.Transport) { t.TLSClientConfig.InsecureSkipVerify = true }
	for name, c := range map[string]struct {
		certificate tls.Certificate
		change      func(*http.Transport)
		err         string // "" if it is well
		asked       bool   // for a file
	}{
		"good":                              {ca.Leaf("autoconfig.example.com"), nil, "", true},
		"good, though it need not":          {ca.Leaf("autoconfig.example.com"), insecure, "", true},
		"another name":                      {ca.Leaf("www.example.com"), nil, "certificate is valid for www.example.com, not autoconfig.example.com", false},
		"another name, unverified":          {ca.Leaf("www.example.com"), insecure, "certificate is valid for www.example.com, not autoconfig.example.com", false},
		"expired":                           {ca.Expired("autoconfig.example.com"), nil, "certificate has expired", false},
		"unknown, unverified":               {testcert.UnknownRoot("autoconfig.example.com"), insecure, "unknown authority", false},
		"self-signed, unverified":           {testcert.SelfSigned("autoconfig.example.com"), insecure, "unknown authority", false},
		"valid for what the client demands": {ca.Leaf("www.example.com"), func(t *http.Transport) { t.TLSClientConfig.ServerName = "www.example.com" }, "valid for www.example.com, not autoconfig.example.com", true},
		"TLS of the client's own, good": {ca.Leaf("autoconfig.example.com"), func(t *http.Transport) {
			t.DialTLSContext = dialTLS(t, &tls.Config{RootCAs: ca.Pool(), ServerName: "autoconfig.example.com"})
		}, "", true},
		"TLS of the client's own, unverified": {ca.Leaf("autoconfig.example.com"), func(t *http.Transport) {
			t.DialTLSContext = dialTLS(t, &tls.Config{InsecureSkipVerify: true})
		}, "answer did not come over verified TLS", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil, pages{autoconfigOf: good()}, c.certificate)
			found, err := onlyAutoconfig(t, w, trust(c.change))
			if c.err == "" {
				require.NoError(t, err)
				require.True(t, found[0].Trusted)
			} else {
				require.ErrorContains(t, err, c.err)
			}
			require.Equal(t, c.asked, len(w.requested()) > 0)
		})
	}
}

func dialTLS(t *http.Transport, config *tls.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := t.DialContext
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return tls.Client(conn, config), nil
	}
}

// A redirect is a host of its own, with a certificate of its own to show.
func TestFetchVerifiesRedirects(t *testing.T) {
	ca := testcert.New()
	w := newWorld(t, nil, pages{autoconfigOf: redirect("https://www.example.org/m.xml"), "www.example.org/m.xml": good()}, ca.Leaf("autoconfig.example.com"))
	_, err := onlyAutoconfig(t, w, func(d *negotiate.Discovery) {
		d.Client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: ca.Pool(), InsecureSkipVerify: true}
	})
	require.ErrorContains(t, err, "certificate is valid for autoconfig.example.com, not www.example.org")
	var invalid *tls.CertificateVerificationError
	require.ErrorAs(t, err, &invalid)
}

// roundTripper is a client's own way to make requests.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What does not say that it was verified was not.
func TestFetchByOtherMeans(t *testing.T) {
	w := newWorld(t, nil, pages{autoconfigOf: good()})
	own := func(change func(*http.Response)) func(*negotiate.Discovery) {
		transport := w.client.Transport
		return func(d *negotiate.Discovery) {
			d.Client = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				require.True(t, r.Close)
				resp, err := transport.RoundTrip(r)
				if err == nil {
					change(resp)
				}
				return resp, err
			})}
		}
	}
	found, err := onlyAutoconfig(t, w, own(func(*http.Response) {}))
	require.NoError(t, err)
	require.True(t, found[0].Trusted)
	_, err = onlyAutoconfig(t, w, own(func(r *http.Response) { r.TLS = nil }))
	require.EqualError(t, err, nothingFrom+"answer did not come over verified TLS")
	_, err = onlyAutoconfig(t, w, own(func(r *http.Response) { r.TLS.VerifiedChains = nil }))
	require.EqualError(t, err, nothingFrom+"answer did not come over verified TLS")
}

// The caller's client is read and never written, and how it dials is kept to,
// also in the deprecated form: it may be what keeps a program from dialling what
// it should not.
func TestFetchKeepsToTheClient(t *testing.T) {
	w := newWorld(t, nil, pages{autoconfigOf: good()})
	transport := w.client.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = nil
	var dialled int
	//lint:ignore SA1019 deprecated is the point
	transport.Dial = func(network, address string) (net.Conn, error) { //nolint:staticcheck // deprecated is the point
		dialled++
		return dial(context.Background(), network, address)
	}
	_, err := onlyAutoconfig(t, w, nil)
	require.NoError(t, err)
	require.Equal(t, 1, dialled)
	require.Same(t, transport, w.client.Transport)
	require.Nil(t, transport.DialContext)
	require.False(t, transport.DisableKeepAlives)
	require.Nil(t, w.client.CheckRedirect)
}

// The caller's client may object to a redirect.
func TestFetchAsksBeforeRedirects(t *testing.T) {
	w := newWorld(t, nil, pages{autoconfigOf: redirect("/1"), "autoconfig.example.com/1": redirect("/2"), "autoconfig.example.com/2": good()})
	objection := errors.New("not there")
	var chain []string
	w.client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		chain = append(chain, fmt.Sprint(len(via), next.URL.Path))
		if next.URL.Path == "/2" {
			return objection
		}
		return nil
	}
	_, err := onlyAutoconfig(t, w, nil)
	require.EqualError(t, err, nothingFrom+"redirect not followed: not there")
	require.ErrorIs(t, err, objection)
	require.Equal(t, []string{"1/1", "2/2"}, chain)
	require.NotContains(t, w.requested(), "autoconfig.example.com/2")
}

// Promise 9: what the URL of a database has in it is not printed back.
func TestFetchKeepsSecrets(t *testing.T) {
	for _, page := range []http.HandlerFunc{good(), status(http.StatusForbidden)} {
		var user, password string
		w := newWorld(t, nil, pages{databaseOf: func(rw http.ResponseWriter, r *http.Request) {
			user, password, _ = r.BasicAuth()
			page(rw, r)
		}})
		d := w.discovery()
		d.Without = []negotiate.Source{negotiate.SourceSRV, negotiate.SourceAutoconfig, negotiate.SourceWellKnown, negotiate.SourceGuess}
		d.Database = "https://me:sesame@db.example.org/v1.1/"
		found, err := negotiate.Discover(t.Context(), "me@example.com", d)
		require.Equal(t, "me:sesame", user+":"+password)
		require.NotContains(t, fmt.Sprintf("%+v %v %#v", found, err, err), "sesame")
		if err == nil {
			require.Equal(t, "https://db.example.org/v1.1/example.com", found[0].From)
		}
	}
}

// Promise 6: of the caller's client no connection is kept.
func TestFetchLeavesNoConnection(t *testing.T) {
	w := newWorld(t, nil, pages{autoconfigOf: redirect("/1"), "autoconfig.example.com/1": good()})
	transport := w.client.Transport.(*http.Transport)
	dial := transport.DialContext
	var conns []net.Conn
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		conns = append(conns, conn)
		return conn, err
	}
	found, err := onlyAutoconfig(t, w, nil)
	require.NoError(t, err)
	require.Equal(t, submit.Submissions, found[0].Endpoint.Service)
	require.Len(t, conns, 2)
	for _, conn := range conns {
		_, err := conn.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
	}
}
