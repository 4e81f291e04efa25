package negotiate_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/mailport/mailport/internal/dnstest"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// What is found where, and in which order.
func TestDiscover(t *testing.T) {
	guesses := dnstest.Zone{"smtp.example.com.": there(), "mail.example.com.": there()}
	inside := dnstest.Zone{submissionsOf: srv(dnstest.SRV(0, 1, 465, "smtp.example.com.")), "mail.example.com.": there()}
	outside := dnstest.Zone{submissionsOf: srv(dnstest.SRV(0, 1, 465, "smtp.example.net.")), "mail.example.com.": there()}

	for name, c := range map[string]struct {
		zone  dnstest.Zone
		pages pages
		found []string
		err   string
	}{
		"SRV inside the domain ends the search": {inside,
			pages{autoconfigOf: file(smtp("a.example.net", 465, "SSL"))},
			[]string{"submissions://smtp.example.com:465 SRV, trusted"}, ""},
		"the domain itself": {dnstest.Zone{submissionOf: srv(dnstest.SRV(0, 1, 587, "EXAMPLE.com."))}, nil,
			[]string{"submission://example.com:587 SRV, trusted"}, ""},
		"a name that only looks inside (RFC 6186, section 6)": {dnstest.Zone{submissionsOf: srv(dnstest.SRV(0, 1, 465, "smtp.notexample.com."))}, nil,
			[]string{"submissions://smtp.notexample.com:465 SRV, not trusted"}, ""},
		"SRV outside stays in front": {outside, pages{autoconfigOf: file(smtp("a.example.net", 465, "SSL"))},
			[]string{"submissions://smtp.example.net:465 SRV, not trusted", "submissions://a.example.net:465 autoconfig, trusted"}, ""},
		"SRV outside, confirmed over HTTPS": {
			dnstest.Zone{submissionsOf: srv(dnstest.SRV(0, 1, 465, "a.example.net."), dnstest.SRV(1, 1, 465, "b.example.net."))},
			pages{autoconfigOf: file(smtp("b.example.net", 465, "SSL"), smtp("B.example.net.", 587, "STARTTLS"), smtp("a.EXAMPLE.net", 465, "SSL"))},
			[]string{"submissions://a.example.net:465 autoconfig, trusted", "submissions://b.example.net:465 autoconfig, trusted",
				"submission://b.example.net:587 autoconfig, trusted"}, ""},
		"no guess beside what was found, trusted or not": {outside, nil,
			[]string{"submissions://smtp.example.net:465 SRV, not trusted"}, ""},
		"priorities rank across services (RFC 6186, section 3.4)": {dnstest.Zone{
			submissionsOf: srv(dnstest.SRV(10, 0, 465, "a.example.com."), dnstest.SRV(30, 0, 465, "c.example.com.")),
			submissionOf:  srv(dnstest.SRV(20, 0, 587, "b.example.com."), dnstest.SRV(5, 0, 587, "first.example.com."))}, nil,
			[]string{"submission://first.example.com:587 SRV, trusted", "submissions://a.example.com:465 SRV, trusted",
				"submission://b.example.com:587 SRV, trusted", "submissions://c.example.com:465 SRV, trusted"}, ""},
		"TLS from the start first where they are equal (RFC 8314, section 3)": {dnstest.Zone{
			submissionsOf: srv(dnstest.SRV(0, 0, 465, "mail.example.com.")),
			submissionOf:  srv(dnstest.SRV(0, 65535, 587, "mail.example.com."))}, nil,
			[]string{"submissions://mail.example.com:465 SRV, trusted", "submission://mail.example.com:587 SRV, trusted"}, ""},
		"one service is not there (RFC 6186, section 3.4)": {dnstest.Zone{submissionsOf: none(),
			submissionOf: srv(dnstest.SRV(0, 0, 587, "mail.example.com."))}, nil,
			[]string{"submission://mail.example.com:587 SRV, trusted"}, ""},
		"a service that is not there is not guessed": {dnstest.Zone{submissionsOf: none(), "smtp.example.com.": there()}, nil,
			[]string{"submission://smtp.example.com:587 guess, trusted"}, ""},
		"what cannot be used is left out": {dnstest.Zone{submissionsOf: srv(dnstest.SRV(0, 0, 25, "a.example.com."),
			dnstest.SRV(1, 0, 0, "b.example.com."), dnstest.SRV(2, 0, 465, "192.0.2.1."), dnstest.SRV(3, 0, 465, "d.example.com."))}, nil,
			[]string{"submissions://d.example.com:465 SRV, trusted"}, ""},
		"an alias":               {dnstest.Zone{submissionsOf: srv(dnstest.CNAME("srv.example.com."), dnstest.SRV(0, 0, 465, "smtp.example.com."))}, nil, []string{"submissions://smtp.example.com:465 SRV, trusted"}, ""},
		"the domain's web site":  {guesses, pages{wellKnownOf: file(smtp("a.example.net", 465, "SSL"))}, []string{"submissions://a.example.net:465 well-known, trusted"}, ""},
		"autoconfig before that": {guesses, pages{wellKnownOf: file(smtp("a.example.net", 465, "SSL")), autoconfigOf: file(smtp("b.example.net", 465, "SSL"))}, []string{"submissions://b.example.net:465 autoconfig, trusted"}, ""},
		"the database comes last": {guesses, pages{databaseOf: file(smtp("c.example.net", 587, "STARTTLS"))},
			[]string{"submission://c.example.net:587 database, trusted"}, ""},
		"and not before the domain": {guesses, pages{databaseOf: file(smtp("c.example.net", 587, "STARTTLS")), wellKnownOf: file(smtp("a.example.net", 465, "SSL"))},
			[]string{"submissions://a.example.net:465 well-known, trusted"}, ""},
		"guesses": {guesses, nil, []string{"submissions://smtp.example.com:465 guess, trusted", "submission://smtp.example.com:587 guess, trusted",
			"submissions://mail.example.com:465 guess, trusted", "submission://mail.example.com:587 guess, trusted"}, ""},
		"a guess is not there": {dnstest.Zone{"mail.example.com.": there()}, nil,
			[]string{"submissions://mail.example.com:465 guess, trusted", "submission://mail.example.com:587 guess, trusted"}, ""},
		"a file without anything to use": {guesses, pages{autoconfigOf: file(smtp("a.example.net", 25, "plain"))},
			[]string{"submissions://smtp.example.com:465 guess, trusted", "submission://smtp.example.com:587 guess, trusted",
				"submissions://mail.example.com:465 guess, trusted", "submission://mail.example.com:587 guess, trusted"}, ""},

		"neither service is there": {dnstest.Zone{submissionsOf: none(), submissionOf: none(), "smtp.example.com.": there()},
			pages{autoconfigOf: file(smtp("a.example.net", 465, "SSL"))}, nil,
			"no submission server found for example.com: the domain says that it offers no mail submission (RFC 6186, section 3.4)"},
		"nothing": {nil, nil, nil,
			"no submission server found for example.com: SRV: no SRV records; autoconfig: lookup autoconfig.example.com: no such host; " +
				"well-known: lookup example.com: no such host; database: lookup db.example.org: no such host; " +
				"guess: no smtp.example.com; guess: no mail.example.com"},
		"nothing that could be used": {dnstest.Zone{submissionsOf: srv(dnstest.SRV(0, 0, 25, "a.example.com.")), submissionOf: none()},
			pages{autoconfigOf: file(smtp("a.example.net", 25, "plain"), smtp("b.example.net", 25, "STARTTLS")), wellKnownOf: file(), databaseOf: text("<html></html>")}, nil,
			"no submission server found for example.com: " +
				`SRV: no usable record for submissions: a.example.com: invalid Port "25": is for relays, not for submission (RFC 6409, section 3.1); ` +
				"SRV: no submission, says the domain (RFC 6186, section 3.4); " +
				`autoconfig: names no server that can be used: "a.example.net:25" is without TLS, ` +
				`b.example.net: invalid Port "25": is for relays, not for submission (RFC 6409, section 3.1); ` +
				"well-known: names no outgoing server for SMTP; database: no autoconfig file: it begins with <html>; " +
				"guess: no smtp.example.com; guess: no mail.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.zone, c.pages)
			d := w.discovery()
			d.Database = database
			found, err := negotiate.Discover(t.Context(), "me@example.com", d)
			require.Equal(t, c.found, lines(found))
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.err)
			var e *negotiate.DiscoveryError
			require.ErrorAs(t, err, &e)
			require.Equal(t, "example.com", e.Domain)
		})
	}
}

// Each result says who said so, whether that can be trusted, and why not.
func TestDiscoverSaysWhy(t *testing.T) {
	w := newWorld(t, dnstest.Zone{submissionsOf: srv(dnstest.SRV(0, 0, 465, "smtp.example.net."))}, pages{autoconfigOf: file(
		`<outgoingServer type="smtp"><hostname>smtp.%EMAILDOMAIN%</hostname><port>587</port><socketType>STARTTLS</socketType>` +
			`<authentication>OAuth2</authentication><authentication>password-cleartext</authentication><username>%EMAILLOCALPART%</username></outgoingServer>`)})
	found, err := negotiate.Discover(t.Context(), "Me+%EMAILDOMAIN%@Example.COM", w.discovery())
	require.NoError(t, err)
	require.Equal(t, []negotiate.Found{
		{
			Endpoint: submit.Endpoint{Service: "submissions", Host: "smtp.example.net", Port: 465},
			Source:   negotiate.SourceSRV,
			From:     "_submissions._tcp.example.com",
			Reason: "smtp.example.net is not in example.com, and nothing proves that example.com is who said so: " +
				"the answer from DNS is not signed (RFC 6186, section 6)",
			Username: "Me+%EMAILDOMAIN%@Example.COM", // RFC 6186, section 4
		},
		{
			Endpoint:       submit.Endpoint{Service: "submission", Host: "smtp.example.com", Port: 587},
			Source:         negotiate.SourceAutoconfig,
			From:           "https://autoconfig.example.com/mail/config-v1.1.xml",
			Trusted:        true,
			Username:       "Me+%EMAILDOMAIN%",
			Authentication: []string{"OAuth2", "password-cleartext"},
		},
	}, found)
	require.Contains(t, w.requested(), "autoconfig.example.com/mail/config-v1.1.xml?emailaddress=Me%2B%25EMAILDOMAIN%25%40Example.COM")
}

// The database learns the domain and not the address, and so does everybody but
// autoconfig.D.
func TestWhoLearnsTheAddress(t *testing.T) {
	w := newWorld(t, dnstest.Zone{"smtp.example.com.": there()}, pages{autoconfigOf: file(), wellKnownOf: file(), databaseOf: file()})
	d := w.discovery()
	d.Database = database
	found, err := negotiate.Discover(t.Context(), "me@example.com", d)
	require.NoError(t, err)
	require.NotEmpty(t, found)
	require.Equal(t, []string{autoconfigOf + "?emailaddress=me%40example.com", databaseOf, wellKnownOf}, w.requested())
}

// Without a database URL none is asked, nor what is in Without.
func TestDiscoverWithout(t *testing.T) {
	zone := dnstest.Zone{submissionsOf: srv(dnstest.SRV(0, 0, 465, "smtp.example.com.")), "mail.example.com.": there()}
	all := pages{autoconfigOf: file(smtp("a.example.net", 465, "SSL")), wellKnownOf: file(smtp("b.example.net", 465, "SSL")), databaseOf: file(smtp("c.example.net", 465, "SSL"))}
	sources := []negotiate.Source{negotiate.SourceSRV, negotiate.SourceAutoconfig, negotiate.SourceWellKnown, negotiate.SourceDatabase, negotiate.SourceGuess}
	w := newWorld(t, zone, all)
	d := w.discovery()
	d.Database = database
	for i, source := range sources {
		d.Without = sources[:i]
		found, err := negotiate.Discover(t.Context(), "me@example.com", d)
		require.NoError(t, err)
		require.Equal(t, source, found[0].Source)
	}
	d.Without = sources
	_, err := negotiate.Discover(t.Context(), "me@example.com", d)
	require.EqualError(t, err, "no submission server found for example.com: no source was asked")

	w = newWorld(t, zone, all)
	d = w.discovery()
	d.Without = []negotiate.Source{negotiate.SourceSRV, negotiate.SourceAutoconfig, negotiate.SourceWellKnown}
	found, err := negotiate.Discover(t.Context(), "me@example.com", d)
	require.NoError(t, err)
	require.Equal(t, []string{"submissions://mail.example.com:465 guess, trusted", "submission://mail.example.com:587 guess, trusted"}, lines(found))
	require.Empty(t, w.requested())
	for _, q := range w.dns.Asked() {
		require.NotEqual(t, dnsmessage.TypeSRV, q.Type)
	}
}

// Names are asked for as they are: no search list turns the domain into another.
func TestDiscoverAsksRootedNames(t *testing.T) {
	w := newWorld(t, nil, nil)
	d := w.discovery()
	_, err := negotiate.Discover(t.Context(), "me@example.com", d)
	require.Error(t, err)
	require.NotEmpty(t, w.dns.Asked())
	for _, q := range w.dns.Asked() {
		require.Contains(t, []string{submissionsOf, submissionOf, "smtp.example.com.", "mail.example.com."}, q.Name)
	}

	var names []string
	d.LookupSRV = func(_ context.Context, service, proto, name string) ([]*net.SRV, bool, error) {
		if service == submit.Submissions {
			names = append(names, proto, name)
		}
		return nil, false, nil
	}
	_, err = negotiate.Discover(t.Context(), "me@example.com", d)
	require.Error(t, err)
	require.Equal(t, []string{"tcp", "example.com."}, names)
}

// RFC 8314, section 5.1, and RFC 6186, section 6: an answer that DNSSEC proves may
// point anywhere.
func TestDiscoverSecureSRV(t *testing.T) {
	for _, secure := range []bool{false, true} {
		d := newWorld(t, nil, nil).discovery()
		d.LookupSRV = func(_ context.Context, service, _, _ string) ([]*net.SRV, bool, error) {
			if service == submit.Submission {
				return nil, false, &net.DNSError{IsNotFound: true}
			}
			return []*net.SRV{{Target: "b.example.net.", Port: 465, Priority: 1}, nil, {Target: "a.example.net.", Port: 465}, {Target: "."}}, secure, nil
		}
		found, err := negotiate.Discover(t.Context(), "me@example.com", d)
		require.NoError(t, err)
		require.Len(t, found, 2)
		require.Equal(t, "a.example.net", found[0].Endpoint.Host) // priorities hold here as well
		require.Equal(t, secure, found[0].Trusted)
		require.Equal(t, secure, found[1].Trusted)
		require.Equal(t, secure, found[0].Reason == "")
	}
}

// The causes can be asked for, and a domain that denies is told from one that
// says nothing.
func TestDiscoveryErrorIs(t *testing.T) {
	w := newWorld(t, dnstest.Zone{submissionsOf: {RCode: dnsmessage.RCodeServerFailure}}, nil)
	_, err := negotiate.Discover(t.Context(), "me@example.com", w.discovery())
	var dns *net.DNSError
	require.ErrorAs(t, err, &dns)
	require.NotErrorIs(t, err, negotiate.ErrNoSubmission)
	require.ErrorContains(t, err, "SRV: lookup _submissions._tcp.example.com. on ")
	var source *negotiate.SourceError
	require.ErrorAs(t, err, &source)
	require.Equal(t, negotiate.SourceSRV, source.Source)
	require.Equal(t, "_submissions._tcp.example.com", source.From)

	w = newWorld(t, dnstest.Zone{submissionsOf: none(), submissionOf: none()}, nil)
	_, err = negotiate.Discover(t.Context(), "me@example.com", w.discovery())
	require.ErrorIs(t, err, negotiate.ErrNoSubmission)
	require.False(t, errors.As(err, &dns))
}

// Many records do not fit into a datagram (RFC 7766, section 5), and few of them
// are of use.
func TestDiscoverManyRecords(t *testing.T) {
	var many dnstest.Answer
	for i := range 100 {
		many.Records = append(many.Records, dnstest.SRV(uint16(i), 0, uint16(1000+i), "smtp.example.com."))
	}
	w := newWorld(t, dnstest.Zone{submissionsOf: many}, nil)
	found, err := negotiate.Discover(t.Context(), "me@example.com", w.discovery())
	require.NoError(t, err)
	require.Len(t, found, 20)
	require.Equal(t, 1000, found[0].Endpoint.Port)
	require.Equal(t, 1019, found[19].Endpoint.Port)
	require.Contains(t, w.dns.Asked(), dnstest.Question{Network: "tcp", Type: dnsmessage.TypeSRV, Name: submissionsOf})
}

// Only ASCII is asked for; the user's name stays as the user writes it.
func TestDiscoverInternationalised(t *testing.T) {
	w := newWorld(t, dnstest.Zone{"_submissions._tcp.xn--bcher-kva.example.": srv(dnstest.SRV(0, 0, 465, "smtp.xn--bcher-kva.example."))}, nil)
	found, err := negotiate.Discover(t.Context(), "jürgen@Bücher.example", w.discovery())
	require.NoError(t, err)
	require.Equal(t, []string{"submissions://smtp.xn--bcher-kva.example:465 SRV, trusted"}, lines(found))
	require.Equal(t, "jürgen@Bücher.example", found[0].Username)

	w = newWorld(t, nil, pages{"autoconfig.xn--bcher-kva.example/mail/config-v1.1.xml": file(`<outgoingServer type="smtp">` +
		`<hostname>smtp.%EMAILDOMAIN%</hostname><port>465</port><socketType>SSL</socketType><username>%EMAILADDRESS%</username></outgoingServer>`)})
	found, err = negotiate.Discover(t.Context(), "jürgen@Bücher.example", w.discovery())
	require.NoError(t, err)
	require.Equal(t, []string{"submissions://smtp.xn--bcher-kva.example:465 autoconfig, trusted"}, lines(found))
	require.Equal(t, "jürgen@Bücher.example", found[0].Username)
}

// Nothing is asked about what is no address.
func TestDiscoverInvalid(t *testing.T) {
	for address, text := range map[string]string{
		"":                         `invalid address: has no @; the whole mail address is wanted`,
		"example.com":              `invalid address "example.com": has no @; the whole mail address is wanted`,
		"@example.com":             `invalid address "@example.com": has nothing before the @`,
		"me@":                      `invalid address "me@": no host given`,
		"me@localhost":             `invalid address "me@localhost": is no fully qualified domain name`,
		"me@[192.0.2.1]":           `invalid address "me@[192.0.2.1]": has a port, a scheme or brackets in it; the host is a name or an address alone`,
		"me@192.0.2.1":             `invalid address "me@192.0.2.1": is an IP address, where a domain name is wanted`,
		"me@0x7f.0x1":              `invalid address "me@0x7f.0x1": is an IP address, where a domain name is wanted`,
		"me@example.com:465":       `invalid address "me@example.com:465": has a port, a scheme or brackets in it; the host is a name or an address alone`,
		"me@example.com.":          `invalid address "me@example.com.": ends in a dot`,
		"me@example..com":          `invalid address "me@example..com": empty label in the domain`,
		"me@exa mple.com":          ``,
		"me@xn--\u00fc.example":    `invalid address "me@xn--ü.example": is no internationalised domain name (RFC 5891)`,
		"Me <me@example.com>":      `invalid address "Me <me@example.com>": has a display name or angle brackets; the address alone is wanted`,
		"Me me@example.com":        `invalid address "Me me@example.com": has something before the @ that needs quotes; the address alone is wanted`,
		"you@example.net@x.com":    `invalid address "you@example.net@x.com": has something before the @ that needs quotes; the address alone is wanted`,
		"me@example.com\r\nX: y":   ``,
		"submit://me:pw@a.example": `invalid address "a.example": has something before the @ that needs quotes; the address alone is wanted`,
		"me\xff@example.com":       ``,
	} {
		t.Run(address, func(t *testing.T) {
			d := negotiate.Discovery{LookupSRV: func(context.Context, string, string, string) ([]*net.SRV, bool, error) {
				t.Error("asked")
				return nil, false, nil
			}}
			found, err := negotiate.Discover(t.Context(), address, d)
			require.Nil(t, found)
			var invalid *submit.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, "address", invalid.Field)
			require.ErrorIs(t, err, submit.ErrInvalid)
			if text != "" {
				require.EqualError(t, err, text)
			}
		})
	}

	for _, address := range []string{`"me@home"@example.com`, `"a b"@example.com`, "a.b+c@example.com"} {
		w := newWorld(t, dnstest.Zone{"smtp.example.com.": there()}, nil)
		found, err := negotiate.Discover(t.Context(), address, w.discovery())
		require.NoError(t, err)
		require.Equal(t, address, found[0].Username)
	}

	for _, url := range []string{"http://db.example.org/", "https:///v1.1/", "db.example.org", "https://me:secret@%/"} {
		_, err := negotiate.Discover(t.Context(), "me@example.com", negotiate.Discovery{Database: url})
		require.ErrorIs(t, err, submit.ErrInvalid)
		require.ErrorContains(t, err, "Discovery.Database")
		require.NotContains(t, err.Error(), "secret")
	}
}
