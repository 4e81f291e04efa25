package negotiate_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// RFC 5891, section 5: names are looked up, and certificates compared, in A-labels.
func TestInternationalisedHost(t *testing.T) {
	for _, test := range []struct{ host, want string }{
		{"smtp.bücher.example", "submissions://smtp.xn--bcher-kva.example:465"},
		{"SMTP.BÜCHER.example", "submissions://smtp.xn--bcher-kva.example:465"},
		{"smtp.xn--bcher-kva.example", "submissions://smtp.xn--bcher-kva.example:465"},
		{"例え.テスト", "submissions://xn--r8jz45g.xn--zckzah:465"},
		{"smtp。example。com", "submissions://smtp.example.com:465"}, // the full stop of UTS 46
	} {
		synctest.Test(t, func(t *testing.T) {
			network := fakenet.New(ms)
			n := &negotiate.Negotiator{Host: test.host, Config: submit.Config{DialContext: network.DialContext}}
			require.Equal(t, test.want, n.Endpoint().String())
			_, err := n.Dial(t.Context()) // nobody listens
			require.ErrorContains(t, err, test.want+": connect: ")
		})
	}
	for _, host := range []string{"bücher example", "ß\xff.example.com", "ü\n.example", "-ü.example", "ü\x00", "ü.example\u202e"} {
		n := &negotiate.Negotiator{Host: host}
		_, err := n.Dial(t.Context())
		require.ErrorIs(t, err, submit.ErrInvalid, "%q", host)
		require.ErrorContains(t, err, "internationalised domain name")
	}
	// What is no host at all is told as with any other, without its password.
	_, err := (&negotiate.Negotiator{Host: "submit://me:sécret@smtp.example.com"}).Dial(t.Context())
	require.ErrorIs(t, err, submit.ErrInvalid)
	require.NotContains(t, err.Error(), "cret")
}
