package testcert

import "crypto/tls"

// Expired returns a server's certificate that was valid in 1999 only: expired by
// the real clock as well as by a bubble's.
func (ca *CA) Expired(names ...string) tls.Certificate {
	template := server(names)
	template.NotAfter = newYear(2000).AddDate(0, 0, -1)
	return ca.issue(template, newKey())
}

// NotYetValid returns a server's certificate that is valid from 2090.
func (ca *CA) NotYetValid(names ...string) tls.Certificate {
	template := server(names)
	template.NotBefore = newYear(2090)
	return ca.issue(template, newKey())
}

// SelfSigned returns a server's certificate that no authority signed.
func SelfSigned(names ...string) tls.Certificate {
	key, template := newKey(), server(names)
	return pair(sign(template, template, key, key), key)
}

// UnknownRoot returns a server's certificate in good order, but signed by an
// authority that is in nobody's pool.
func UnknownRoot(names ...string) tls.Certificate {
	return New().Leaf(names...)
}
