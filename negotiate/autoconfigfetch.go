package negotiate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxRedirects = 5
	maxHeader    = 64 << 10 // octets of a response's header
)

// A fetcher gets files over HTTPS.
type fetcher struct {
	client   http.Client
	redirect func(next *http.Request, via []*http.Request) error // the caller's, or nil
}

func newFetcher(d *Discovery, c *connections, r *net.Resolver) *fetcher {
	var f fetcher
	var transport http.RoundTripper = &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Resolver: r}).DialContext,
	}
	if d.Client != nil {
		f.client, f.redirect = *d.Client, d.Client.CheckRedirect
		transport = d.Client.Transport
	}
	if transport == nil {
		transport = http.DefaultTransport
	}
	if t, ok := transport.(*http.Transport); ok {
		transport = strict(t, c)
	}
	f.client.Transport = transport
	// Redirects are followed by get, which looks at each answer on the way.
	f.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &f
}

// strict returns a copy of t that verifies certificates, and whose connections
// end with the call.
func strict(t *http.Transport, c *connections) *http.Transport {
	t = t.Clone()
	t.MaxResponseHeaderBytes = maxHeader
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.InsecureSkipVerify = false // the address is in the first request
	}
	plain, overTLS := dialers(t)
	t.DialContext = c.keep(plain)
	if overTLS != nil {
		t.DialTLSContext = c.keep(overTLS)
	}
	return t
}

// dialers returns what t dials with, as package http has it: Dial and DialTLS are
// deprecated, but who has them means them. They may be what keeps a program from
// dialling what it should not.
func dialers(t *http.Transport) (plain, overTLS dialFunc) {
	plain, overTLS = t.DialContext, t.DialTLSContext
	//lint:ignore SA1019 see above
	if dial := t.Dial; plain == nil && dial != nil { //nolint:staticcheck // see above
		plain = abandonable(dial)
	}
	//lint:ignore SA1019 see above
	if dial := t.DialTLS; overTLS == nil && dial != nil { //nolint:staticcheck // see above
		overTLS = abandonable(dial)
	}
	return plain, overTLS
}

// askFile returns how to ask for the file at a URL.
func (s *search) askFile(f *fetcher, source Source, from string) func(context.Context) answer {
	return func(ctx context.Context) (a answer) {
		file, at, err := f.get(ctx, from)
		if err == nil {
			a.found, err = s.box.fromFile(file)
		}
		if err != nil {
			a.reasons = []SourceError{{source, withoutQuery(from), reason(ctx, err)}}
		}
		for i := range a.found {
			a.found[i].Source, a.found[i].From = source, at
		}
		return a
	}
}

// get returns a file, and where it was found.
func (f *fetcher) get(ctx context.Context, from string) (file []byte, at string, err error) {
	var via []*http.Request
	for range maxRedirects + 1 {
		req, err := request(ctx, from)
		if err == nil && len(via) > 0 && f.redirect != nil {
			err = f.redirect(req, via)
		}
		if err != nil && len(via) > 0 {
			err = fmt.Errorf("redirect not followed: %w", err)
		}
		if err != nil {
			return nil, "", err
		}
		file, next, err := f.step(req)
		if err != nil || next == "" {
			return file, withoutQuery(from), err
		}
		via = append(via, req)
		from = next
	}
	return nil, "", fmt.Errorf("more than %d redirects", maxRedirects)
}

func request(ctx context.Context, from string) (*http.Request, error) {
	u, err := secureURL(from)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.New("is no URL")
	}
	req.Close = true // no connection is kept
	// What is read is what was sent.
	req.Header.Set("Accept-Encoding", "identity")
	return req, nil
}

// step makes one request: it returns a file, or where to look instead.
func (f *fetcher) step(req *http.Request) (file []byte, next string, err error) {
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, "", withoutURL(err)
	}
	defer resp.Body.Close()
	if err := checkVerified(resp, req.URL.Hostname()); err != nil {
		return nil, "", err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		file, err := body(resp)
		return file, "", err
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		to, err := resp.Location()
		if err != nil {
			return nil, "", errors.New("redirect to nowhere")
		}
		return nil, to.String(), nil
	}
	return nil, "", fmt.Errorf("HTTP status %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
}

// checkVerified refuses what did not come over verified TLS from that very host,
// whatever made the connection.
func checkVerified(resp *http.Response, host string) error {
	if resp.TLS == nil || len(resp.TLS.VerifiedChains) == 0 {
		return errors.New("answer did not come over verified TLS")
	}
	return resp.TLS.PeerCertificates[0].VerifyHostname(host)
}

func body(resp *http.Response) ([]byte, error) {
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, errors.New("file is compressed, which was not asked for")
	}
	file, err := io.ReadAll(io.LimitReader(resp.Body, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(file) > maxFile:
		return nil, fmt.Errorf("file is longer than %d octets", maxFile)
	}
	return file, nil
}

// secureURL takes https and nothing else. Its errors have nothing of the URL in
// them.
func secureURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("is no URL")
	case u.Scheme != "https":
		return nil, errors.New("is no https URL; nothing is asked without TLS")
	case u.Hostname() == "":
		return nil, errors.New("has no host")
	}
	return u, nil
}

// withoutURL returns what is in an error of package http: the URL has the address
// in it.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// withoutQuery leaves out what is nobody's business in a log: the address, or a
// password.
func withoutQuery(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
