package negotiate_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/mailport/mailport/internal/dnstest"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/negotiate"
)

// A world is what Discover asks, on the loopback interface: a name server, and
// web servers in one, over TLS.
type world struct {
	dns    *dnstest.Server
	client *http.Client

	mu       sync.Mutex
	requests []string // host, path and query of each
}

// pages are files by host and path; hosts without one do not exist.
type pages map[string]http.HandlerFunc

// newWorld has a certificate for each host of pages, unless there is one given.
func newWorld(t *testing.T, zone dnstest.Zone, p pages, certificate ...tls.Certificate) *world {
	w := &world{dns: dnstest.NewServer(t, zone)}
	var hosts []string
	for place := range p {
		host, _, _ := strings.Cut(place, "/")
		hosts = append(hosts, host)
	}
	ca := testcert.New()
	if certificate == nil {
		certificate = []tls.Certificate{ca.Leaf(hosts...)}
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, r.Host+r.URL.RequestURI())
		w.mu.Unlock()
		page := p[r.Host+r.URL.Path]
		if page == nil {
			page = http.NotFound
		}
		page(rw, r)
	}))
	server.TLS = &tls.Config{Certificates: certificate}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	w.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: ca.Pool()},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil || !slices.Contains(hosts, host) {
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}}
	return w
}

// discovery asks this world and no other.
func (w *world) discovery() negotiate.Discovery {
	return negotiate.Discovery{Resolver: w.dns.Resolver(), Client: w.client}
}

func (w *world) requested() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(slices.Values(w.requests))
}

// The records and files of most tests.

func srv(records ...dnsmessage.ResourceBody) dnstest.Answer { return dnstest.Answer{Records: records} }

func there() dnstest.Answer { return srv(dnstest.A("192.0.2.1")) }

// none is the record of a service that there decidedly is not.
func none() dnstest.Answer { return srv(dnstest.SRV(0, 0, 0, ".")) }

const (
	submissionsOf = "_submissions._tcp.example.com."
	submissionOf  = "_submission._tcp.example.com."

	autoconfigOf = "autoconfig.example.com/mail/config-v1.1.xml"
	wellKnownOf  = "example.com/.well-known/autoconfig/mail/config-v1.1.xml"
	databaseOf   = "db.example.org/v1.1/example.com"
	database     = "https://db.example.org/v1.1/"
)

// file is an autoconfig file with these servers in it.
func file(servers ...string) http.HandlerFunc {
	return text(`<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="example.com">` +
		strings.Join(servers, "") + `</emailProvider></clientConfig>`)
}

func text(s string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, s) }
}

func redirect(to string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, to, http.StatusFound) }
}

func smtp(host string, port int, socketType string) string {
	return fmt.Sprintf(`<outgoingServer type="smtp"><hostname>%s</hostname><port>%d</port><socketType>%s</socketType></outgoingServer>`,
		host, port, socketType)
}

// lines are what was found, one a line.
func lines(found []negotiate.Found) (all []string) {
	for _, f := range found {
		trust := "trusted"
		if !f.Trusted {
			trust = "not trusted"
		}
		all = append(all, fmt.Sprintf("%v %v, %s", f.Endpoint, f.Source, trust))
	}
	return all
}
