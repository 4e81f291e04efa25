// Package dnstest is a name server for tests: a real one, over UDP and TCP, on
// the loopback interface.
//
//	server := dnstest.NewServer(t, dnstest.Zone{
//		"_submissions._tcp.example.com.": {Records: []dnsmessage.ResourceBody{dnstest.SRV(0, 1, 465, "smtp.example.com.")}},
//		"smtp.example.com.":              {Records: []dnsmessage.ResourceBody{dnstest.A("192.0.2.1")}},
//	})
//	resolver := server.Resolver()
//
// It is authoritative for everything: a name that is not in its zone does not
// exist, and one that is has the records that are there and no others. What does
// not fit into a datagram is cut off, so that the client has to come by TCP.
package dnstest

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// A Zone has an answer for each name: in lower case, with its final dot.
type Zone map[string]Answer

// An Answer is what is said to any question about a name.
type Answer struct {
	Records []dnsmessage.ResourceBody
	RCode   dnsmessage.RCode // if not RCodeSuccess there are no records
	Silent  bool             // nothing at all is said
}

// SRV returns a record; its target ends in a dot.
func SRV(priority, weight, port uint16, target string) dnsmessage.ResourceBody {
	return &dnsmessage.SRVResource{Priority: priority, Weight: weight, Port: port, Target: dnsmessage.MustNewName(target)}
}

// A returns the record of an IPv4 address.
func A(address string) dnsmessage.ResourceBody {
	return &dnsmessage.AResource{A: netip.MustParseAddr(address).As4()}
}

// CNAME returns an alias; its target ends in a dot. The server does not follow
// it: put what the target has behind it.
func CNAME(target string) dnsmessage.ResourceBody {
	return &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target)}
}

// A Question is what a client wanted to know.
type Question struct {
	Network string // "udp" or "tcp"
	Type    dnsmessage.Type
	Name    string // in lower case, with its final dot
}

// A Server is a running name server.
type Server struct {
	zone Zone
	udp  net.PacketConn
	tcp  net.Listener
	wg   sync.WaitGroup // serving

	mu    sync.Mutex // guards the fields below
	ended bool
	conns map[net.Conn]struct{}
	asked []Question
}

// NewServer returns a server that ends with the test.
func NewServer(t testing.TB, zone Zone) *Server {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		_ = udp.Close() // it was never used
		t.Fatal(err)
	}
	s := &Server{zone: zone, udp: udp, tcp: tcp, conns: make(map[net.Conn]struct{})}
	s.wg.Go(s.serveDatagrams)
	s.wg.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

// Resolver returns a resolver that asks this server alone.
func (s *Server) Resolver() *net.Resolver {
	r := &net.Resolver{PreferGo: true}
	r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		address := s.udp.LocalAddr()
		if strings.HasPrefix(network, "tcp") {
			address = s.tcp.Addr()
		}
		var d net.Dialer
		return d.DialContext(ctx, network, address.String())
	}
	return r
}

// Asked returns the questions so far.
func (s *Server) Asked() []Question {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// close returns when everything that the server started has ended.
func (s *Server) close() {
	_ = s.udp.Close() // those who read from it notice
	_ = s.tcp.Close()
	s.mu.Lock()
	s.ended = true
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// answer returns the reply to a query, or nil for none. limit is in octets.
func (s *Server) answer(network string, query []byte, limit int) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || m.Response || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	name := strings.ToLower(q.Name.String())
	s.mu.Lock()
	s.asked = append(s.asked, Question{network, q.Type, name})
	s.mu.Unlock()
	said, known := s.zone[name]
	if said.Silent {
		return nil
	}
	for _, extra := range m.Additionals {
		if extra.Header.Type == dnsmessage.TypeOPT && network == "udp" { // RFC 6891, section 6.2.3
			limit = max(limit, int(extra.Header.Class))
		}
	}
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionDesired: m.RecursionDesired,
			RecursionAvailable: true, RCode: said.RCode},
		Questions: m.Questions,
	}
	switch {
	case !known:
		reply.RCode = dnsmessage.RCodeNameError
	case said.RCode == dnsmessage.RCodeSuccess:
		reply.Answers = said.resources(q)
	}
	packed, err := reply.Pack()
	if err == nil && len(packed) > limit {
		reply.Truncated, reply.Answers = true, nil
		packed, err = reply.Pack()
	}
	if err != nil {
		return nil
	}
	return packed
}

// resources are the records of the type that is asked for, behind an alias if
// there is one.
func (a Answer) resources(q dnsmessage.Question) (list []dnsmessage.Resource) {
	name := q.Name
	for _, body := range a.Records {
		header := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 60}
		switch body := body.(type) {
		case *dnsmessage.SRVResource:
			header.Type = dnsmessage.TypeSRV
		case *dnsmessage.AResource:
			header.Type = dnsmessage.TypeA
		case *dnsmessage.CNAMEResource:
			header.Type = dnsmessage.TypeCNAME
			name = body.CNAME
		}
		if header.Type == q.Type || header.Type == dnsmessage.TypeCNAME {
			list = append(list, dnsmessage.Resource{Header: header, Body: body})
		}
	}
	return list
}
