package auth_test

import (
	"crypto/tls"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// inOrder are the mechanisms as the documentation of Password has them.
var inOrder = []string{
	"SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS",
	"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1",
	"PLAIN", "LOGIN", "CRAM-MD5",
}

// Whatever a server offers, and in which order it does, the strongest is chosen: of
// what it offers, of what was named, and of what the connection allows.
func TestStrongestOfAny(t *testing.T) {
	bound, _ := newSite(tls.VersionTLS13).connect(t)
	const seed1, seed2 = 4954, 5802
	dice := rand.New(rand.NewPCG(seed1, seed2))
	others := []string{"XOAUTH2", "OAUTHBEARER", "EXTERNAL", "GSSAPI", "NTLM", "SCRAM-SHA3-512", "SCRAM-SHA-256-PLU", "DIGEST-MD5", "ANONYMOUS", "", "PLAINER"}
	subset := func(of []string) []string {
		var some []string
		for _, m := range of {
			if dice.IntN(3) == 0 {
				if dice.IntN(4) == 0 {
					m = strings.ToLower(m)
				}
				some = append(some, m)
			}
		}
		dice.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		return some
	}
	has := func(list []string, m string) bool {
		return slices.ContainsFunc(list, func(o string) bool { return strings.EqualFold(o, m) })
	}
	password := auth.Password("tim", "tanstaaftanstaaf")
	for range 2000 {
		offered := subset(append(slices.Clone(inOrder), others...))
		before := slices.Clone(offered)
		server := auth.Server{Mechanisms: offered, TLS: offering().TLS}
		if dice.IntN(2) == 0 {
			server.TLS = bound
		}
		c, named := password, inOrder[:len(inOrder)-1] // all but CRAM-MD5
		if dice.IntN(2) == 0 {
			named = subset(inOrder)
			c = auth.Only(password, named...)
		}
		want := ""
		for _, m := range inOrder {
			if has(offered, m) && has(named, m) && (server.TLS == bound || !strings.HasSuffix(m, "-PLUS")) {
				want = m
				break
			}
		}

		m, err := c.Exchange(t.Context(), server)
		require.Equal(t, before, offered)
		if want == "" {
			require.ErrorIs(t, err, auth.ErrNoMechanism, "%q of %q", named, offered)
			continue
		}
		require.NoError(t, err, "%q of %q", named, offered)
		name, response, err := m.Start()
		require.NoError(t, err)
		require.Equal(t, want, name, "%q of %q", named, offered)
		require.False(t, strings.HasPrefix(name, "SCRAM-") && m.Complete())
		switch flag, _, _ := strings.Cut(string(response), ","); {
		case strings.HasSuffix(name, "-PLUS"):
			require.Equal(t, "p=tls-exporter", flag)
		case strings.HasPrefix(name, "SCRAM-"):
			isPlus := func(o string) bool { return strings.HasSuffix(strings.ToUpper(o), "-PLUS") }
			plus := slices.ContainsFunc(offered, isPlus) || !slices.ContainsFunc(named, isPlus)
			require.Equal(t, map[bool]string{true: "y", false: "n"}[server.TLS == bound && !plus], flag, "%q of %q", named, offered)
		}
	}
}
