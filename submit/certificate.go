package submit

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailport/mailport/internal/wire"
)

// cause gives a certificate that was not accepted its meaning.
func (e *notAccepted) cause(name string) error {
	var verify *tls.CertificateVerificationError
	text := ErrCertificate.Error() + ": " + e.err.Error()
	switch {
	case errors.As(e.err, &verify) && len(verify.UnverifiedCertificates) > 0:
		text = certificateText(verify, name, time.Now())
	case e.leaf != nil:
		text = fmt.Sprintf("%s (%s; %s)", text, names(e.leaf, name), origin(e.leaf))
	}
	return &cause{meaning: ErrInsecure, text: text, err: errors.Join(ErrCertificate, e.err), whole: true}
}

// isOfCertificate knows what package x509 has to say about a certificate, where
// it was called by who made the connection.
func isOfCertificate(err error) bool {
	var (
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
	)
	return errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &unknown)
}

// isUnreadable reports whether the server's certificate was none that can be parsed. Of
// that crypto/tls has nothing to say but words. Should it change them, a connection fails
// as before, and only what is told of it, and whether another port may be tried, is that of
// a handshake that failed.
func isUnreadable(err error) bool {
	return strings.HasPrefix(err.Error(), "tls: failed to parse certificate from server")
}

// certificateText says on one line what is wrong with a certificate and what to
// do about it, and then what is in it, which is all that is needed to look for
// the right one: the name that was wanted and those it has, who issued it, and
// when it is valid.
func certificateText(err *tls.CertificateVerificationError, wanted string, now time.Time) string {
	leaf := err.UnverifiedCertificates[0]
	var host x509.HostnameError
	if errors.As(err, &host) {
		return fmt.Sprintf("%s (%s)", otherName(leaf, cmp.Or(wanted, host.Host)), origin(leaf))
	}
	return fmt.Sprintf("%s (%s; %s)", fault(err, leaf, now), names(leaf, wanted), origin(leaf))
}

// names says for whom a certificate is, and for whom it should be.
func names(leaf *x509.Certificate, wanted string) string {
	has := certificateNames(leaf)
	switch {
	case has == wanted || wanted == "":
		return "for " + has
	case leaf.VerifyHostname(wanted) != nil:
		return fmt.Sprintf("for %s, not for %s either", has, wanted)
	}
	return fmt.Sprintf("for %s; wanted for %s", has, wanted)
}

func otherName(leaf *x509.Certificate, wanted string) string {
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		return fmt.Sprintf("certificate names no host, and so not %s; it takes a subject alternative name, as a common name does not count", wanted)
	}
	return fmt.Sprintf("certificate is valid for %s, not for %s", certificateNames(leaf), wanted)
}

// fault is what is wrong with a certificate other than its name.
func fault(err *tls.CertificateVerificationError, leaf *x509.Certificate, now time.Time) string {
	var (
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return outOfDate(invalid.Cert, leaf, now)
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return "certificate was not issued for a server (extended key usage); the server needs another one"
	case errors.As(err, &unknown) && isSelfSigned(leaf):
		return "certificate is self-signed; if it is the right one, put it into Config.TLS.RootCAs"
	case errors.As(err, &unknown):
		return "certificate is from an issuer that is not trusted; if it is the right one, " +
			"the server lacks an intermediate certificate, or Config.TLS.RootCAs the issuer's"
	}
	return ErrCertificate.Error() + ": " + shortened(err.Err.Error(), 200)
}

// outOfDate also names what is as often to blame, this machine's clock.
func outOfDate(c, leaf *x509.Certificate, now time.Time) string {
	const minute = "2006-01-02 15:04 UTC"
	whose, remedy := "certificate", "the server needs a new one"
	if !c.Equal(leaf) {
		whose = fmt.Sprintf("certificate of the issuer %q", shortened(c.Subject.String(), 100))
		remedy = "the server must send a newer one, or Config.TLS.RootCAs must have it"
	}
	clock := now.UTC().Format(minute)
	if now.Before(c.NotBefore) {
		return fmt.Sprintf("%s is not valid before %s, and it is %s by this machine's clock, which may be wrong",
			whose, c.NotBefore.UTC().Format(minute), clock)
	}
	return fmt.Sprintf("%s expired %s; %s, unless this machine's clock is wrong: %s",
		whose, c.NotAfter.UTC().Format(minute), remedy, clock)
}

// origin says who issued c and when it is valid.
func origin(c *x509.Certificate) string {
	issued := "issued by"
	if isSelfSigned(c) {
		issued = "self-signed by"
	}
	return fmt.Sprintf("%s %q; valid %s to %s", issued, shortened(c.Issuer.String(), 100),
		c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
}

// isSelfSigned reports whether c signed itself. Names do not tell: holder and
// issuer may both have none.
func isSelfSigned(c *x509.Certificate) bool {
	return c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// certificateNames lists what a certificate is for, the first few of many.
func certificateNames(c *x509.Certificate) string {
	const first = 5
	list := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	if len(list) == 0 {
		return "no host"
	}
	if more := len(list) - first; more > 0 {
		list = append(list[:first], fmt.Sprintf("%d more", more))
	}
	for i, name := range list {
		list[i] = shortened(name, 64)
	}
	return strings.Join(list, ", ")
}

// shortened is a text by others, fit to be printed, and its first n characters
// if it has more: a certificate can be as long as it likes.
func shortened(s string, n int) string {
	s = strings.ReplaceAll(wire.Printable(s), "\n", " ")
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}
