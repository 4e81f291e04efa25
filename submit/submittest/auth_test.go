package submittest_test

import (
	"crypto/tls"
	"encoding/base64"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit/submittest"
)

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestAuthentication(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.Users = map[string]string{"me": "secret", "empty": "", "a=b,c": "other"}
		s.Mechanisms = []string{"PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2", "X-TRUST", "X-NONE", "CRAM-MD5"}
		s.SASL = func(mechanism string, _ *tls.ConnectionState, authenticated func(string)) sasl.Server {
			if mechanism != "X-TRUST" {
				return nil
			}
			return sasl.NewExternalServer(func(identity string) error {
				authenticated(identity)
				return nil
			})
		}
	})
	bearer := func(token string) string { return "n,a=me,\x01auth=Bearer " + token + "\x01\x01" }
	google := func(token string) string { return "user=me\x01auth=Bearer " + token + "\x01\x01" }
	for name, lines := range map[string][]string{
		"plain":              {"AUTH PLAIN " + plain("me", "secret"), "235"},
		"lower case":         {"auth plain " + plain("me", "secret"), "235"},
		"plain, asked":       {"AUTH PLAIN", "334 ", plain("me", "secret"), "235"},
		"as someone else":    {"AUTH PLAIN " + encode("you\x00me\x00secret"), "535"},
		"wrong":              {"AUTH PLAIN " + plain("me", "Secret"), "535 5.7.8"},
		"unknown":            {"AUTH PLAIN " + plain("you", ""), "535 5.7.8"},
		"malformed":          {"AUTH PLAIN " + encode("me"), "535"},
		"no base64":          {"AUTH PLAIN !", "501 5.5.2"},
		"cancelled":          {"AUTH PLAIN", "334 ", "*", "501"},
		"login":              {"AUTH LOGIN", "334 VXNlcm5hbWU6", encode("me"), "334 UGFzc3dvcmQ6", encode("secret"), "235"},
		"login at once":      {"AUTH LOGIN " + encode("me"), "334 UGFzc3dvcmQ6", encode("secret"), "235"},
		"login, empty":       {"AUTH LOGIN " + encode("empty"), "334", "", "235"},
		"login, wrong":       {"AUTH LOGIN " + encode("me"), "334", encode("x"), "535"},
		"oauthbearer":        {"AUTH OAUTHBEARER " + encode(bearer("secret")), "235"},
		"oauthbearer, old":   {"AUTH OAUTHBEARER " + encode(bearer("old")), "334 ey", encode("\x01"), "535"},
		"oauthbearer, mute":  {"AUTH OAUTHBEARER " + encode(bearer("old")), "334 ey", "", "535"},
		"oauthbearer, asked": {"AUTH OAUTHBEARER", "334 \n", encode(bearer("secret")), "235"},
		"oauthbearer, name":  {"AUTH OAUTHBEARER " + encode("y,a=a=3Db=2Cc,\x01host=h\x01port=1\x01auth=bearer other\x01\x01"), "235"},
		"oauthbearer, bound": {"AUTH OAUTHBEARER " + encode("p=x,a=me,\x01auth=Bearer secret\x01\x01"), "334 ey", "*", "501"},
		"oauthbearer, n=":    {"AUTH OAUTHBEARER " + encode("n,n=me,\x01auth=Bearer secret\x01\x01"), "334 ey", encode("\x01"), "535"},
		"oauthbearer, short": {"AUTH OAUTHBEARER " + encode("n,a=me,\x01auth=Bearer secret\x01"), "334 ey", encode("\x01"), "535"},
		"oauthbearer, basic": {"AUTH OAUTHBEARER " + encode("n,a=me,\x01auth=Basic secret\x01\x01"), "334 ey", encode("\x01"), "535"},
		"oauthbearer, empty": {"AUTH OAUTHBEARER " + encode("n,a=empty,\x01auth=Bearer  \x01\x01"), "334 ey", encode("\x01"), "535"},
		"oauthbearer, none":  {"AUTH OAUTHBEARER " + encode("n,a=empty,\x01host=h\x01\x01"), "334 ey", encode("\x01"), "535"},
		"xoauth2, short":     {"AUTH XOAUTH2 " + encode("user=me\x01auth=Bearer secret\x01"), "334 ey", "", "535"},
		"xoauth2, basic":     {"AUTH XOAUTH2 " + encode("user=me\x01auth=Basic secret\x01\x01"), "334 ey", "", "535"},
		"xoauth2, nobody":    {"AUTH XOAUTH2 " + encode("user=me"), "334 ey", "", "535"},
		"cram-md5":           {"AUTH CRAM-MD5", "334 P", encode("me 00112233445566778899aabbccddeeff"), "535 5.7.8"},
		"cram-md5, no hex":   {"AUTH CRAM-MD5", "334 P", encode("me x"), "535 5.7.8"},
		"cram-md5, no name":  {"AUTH CRAM-MD5", "334 P", encode("me"), "535 5.7.8"},
		"cram-md5, at once":  {"AUTH CRAM-MD5 " + encode("me x"), "501 5.7.0"},
		"xoauth2":            {"AUTH XOAUTH2 " + encode(google("secret")), "235"},
		"xoauth2, old":       {"AUTH XOAUTH2 " + encode(google("old")), "334 ey", "", "535"},
		"own":                {"AUTH X-TRUST " + encode("me"), "235"},
		"not known":          {"AUTH X-NONE", "504 5.7.4"},
		"not offered":        {"AUTH DIGEST-MD5", "504 5.7.4"},
	} {
		t.Run(name, func(t *testing.T) {
			k := talk(t, s)
			require.Contains(t, k.do("EHLO c", "250"), "AUTH PLAIN LOGIN OAUTHBEARER XOAUTH2 X-TRUST X-NONE CRAM-MD5\n")
			k.do("MAIL FROM:<a@example.com>", "530 5.7.0")
			for i := 0; i < len(lines); i += 2 {
				k.do(lines[i], lines[i+1])
			}
			if lines[len(lines)-1] == "235" {
				k.do("AUTH PLAIN", "503")
				k.do("MAIL FROM:<a@example.com>", "250")
			} else {
				k.do("MAIL FROM:<a@example.com>", "530 5.7.0")
			}
		})
	}
	require.NotContains(t, s.Conversation(), encode("secret"))
	require.NotContains(t, s.Conversation(), plain("me", "secret"))
}
