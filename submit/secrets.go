package submit

import (
	"encoding/base64"
	"strings"
)

// secretsIn are the parts of a response that are to be kept, where it is known which
// they are by the name of the mechanism: a username and the host are none, and to mask
// them would maim the text. Where they are the password, too, they are masked as that.
func secretsIn(name string, first bool, response string) []string {
	switch {
	case name == "EXTERNAL", name == "LOGIN" && first:
		return nil
	case name == "PLAIN": // RFC 4616, section 2
		response = response[strings.LastIndexByte(response, 0)+1:]
	case name == "CRAM-MD5": // RFC 2195, section 2
		response = response[strings.LastIndexByte(response, ' ')+1:]
	case strings.HasPrefix(name, "SCRAM-") && first: // RFC 5802, section 7: a nonce
		_, response, _ = strings.Cut(response, ",r=")
	}
	var secrets []string
	for _, part := range strings.FieldsFunc(response, func(r rune) bool { return r <= 1 }) {
		if name != "OAUTHBEARER" && name != "XOAUTH2" {
			secrets = append(secrets, part)
		}
		_, token, _ := strings.Cut(part, "Bearer ") // RFC 7628, section 3.1
		secrets = append(secrets, token)
	}
	return secrets
}

// forms are a secret, and the characters of base64 that are its own wherever it is in
// something longer: there are three ways in which its octets can meet those of the
// encoding. A server may quote another response than the one that was sent.
func forms(secret string) []string {
	if len(secret) < leastSecret {
		return nil
	}
	all := []string{secret}
	for before := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + secret))
		all = append(all, encoded[(8*before+5)/6:8*(before+len(secret))/6])
	}
	return all
}
