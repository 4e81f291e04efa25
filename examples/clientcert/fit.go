package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// inTime checks what RFC 5280, section 4.1.2.5, has servers check.
func inTime(c *x509.Certificate, now time.Time) error {
	const minute = "2006-01-02 15:04 UTC"
	switch clock := now.UTC().Format(minute); {
	case now.After(c.NotAfter):
		return fmt.Errorf("certificate of %s expired %s; get a new one, unless this machine's clock is wrong: %s",
			c.Subject, c.NotAfter.UTC().Format(minute), clock)
	case now.Before(c.NotBefore):
		return fmt.Errorf("certificate of %s is not valid before %s, and it is %s by this machine's clock",
			c.Subject, c.NotBefore.UTC().Format(minute), clock)
	}
	return nil
}

// forClients checks what RFC 5280, sections 4.2.1.3 and 4.2.1.12, and RFC 8446, section
// 4.4.2.3, have servers check. A certificate that says nothing is good for anything.
func forClients(c *x509.Certificate) error {
	usages := c.ExtKeyUsage
	switch {
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("certificate is not for signatures (key usage), which TLS takes; get another one")
	case len(usages)+len(c.UnknownExtKeyUsage) == 0,
		slices.Contains(usages, x509.ExtKeyUsageClientAuth), slices.Contains(usages, x509.ExtKeyUsageAny):
		return nil
	}
	return errors.New("certificate was not issued for a client (extended key usage); get another one")
}
