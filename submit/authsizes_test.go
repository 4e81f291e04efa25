package submit_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// filled are credentials whose first message by mechanism is long as n is long.
func filled(mechanism string, n int) auth.Credentials {
	filler := strings.Repeat("x", n)
	switch mechanism {
	case "OAUTHBEARER", "XOAUTH2":
		return auth.Token(user, always(filler))
	case "EXTERNAL":
		return certified{auth.External(filler)}
	case "PLAIN":
		return auth.Password(user, filler)
	}
	return auth.Only(auth.Password(filler, password), mechanism)
}

// heardFirst is what credentials say first, by one mechanism, and whether it came with
// the command.
func heardFirst(t *testing.T, mechanism string, credentials auth.Credentials) (message string, withCommand bool) {
	t.Helper()
	withClerk(t, all(only("AUTH "+mechanism), dialogue("334 ", "501 5.7.0 enough")), func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = credentials
		err := c.session(config).Auth(t.Context())
		asError(t, err)
		command := c.heard()[1]
		require.LessOrEqual(t, len(command)+len("\r\n"), 512)
		message, withCommand = strings.CutPrefix(command, "AUTH "+mechanism+" ")
		if !withCommand {
			require.Equal(t, "AUTH "+mechanism, command)
			message = c.heard()[2]
		}
	})
	octets, err := base64.StdEncoding.DecodeString(message)
	require.NoError(t, err)
	return string(octets), withCommand
}

// RFC 4954, section 4, and RFC 5321, section 4.5.3.1.4: the first message of each
// mechanism goes with the command as long as that has 512 octets at most, to the octet.
func TestInitialResponseOfEveryMechanism(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{
		"PLAIN", "OAUTHBEARER", "XOAUTH2", "EXTERNAL",
		"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS",
	} {
		short, withCommand := heardFirst(t, mechanism, filled(mechanism, 10))
		require.True(t, withCommand, mechanism)
		room := (512 - len("AUTH \r\n ") - len(mechanism)) / 4 * 3 // for what is encoded
		most := 10 + room - len(short)

		longest, withCommand := heardFirst(t, mechanism, filled(mechanism, most))
		require.True(t, withCommand, mechanism)
		require.Len(t, longest, room)
		longer, withCommand := heardFirst(t, mechanism, filled(mechanism, most+1))
		require.False(t, withCommand, mechanism)
		require.Len(t, longer, room+1)
	}
	// Those that are as long as the line can be.
	require.Zero(t, (512-len("AUTH EXTERNAL \r\n"))%4)
	require.Zero(t, (512-len("AUTH SCRAM-SHA-1-PLUS \r\n"))%4)

	// RFC 4954, section 4: an empty one is "=", none at all is none.
	withClerk(t, only("AUTH EXTERNAL"), func(t *testing.T, c *clerk) {
		config := c.config()
		config.Credentials = certified{auth.External("")}
		require.NoError(t, c.session(config).Auth(t.Context()))
		require.Equal(t, []string{"AUTH EXTERNAL ="}, c.heard("AUTH"))
	})
}

// RFC 4954, section 4: a line of an exchange has 12,288 octets at most, in either
// direction. A token of some kilobytes goes over, in whole; one that no line can hold
// is not cut off.
func TestLongTokens(t *testing.T) {
	t.Parallel()
	const most = (12288 - len("\r\n")) / 4 * 3
	for _, mechanism := range bearers {
		short, _ := heardFirst(t, mechanism, filled(mechanism, 10))
		n := 10 + most - len(short)
		for _, size := range []int{600, 4096, 8192, n} {
			withClerk(t, all(only("AUTH "+mechanism), dialogue("334 ", "235 2.7.0 ok")), func(t *testing.T, c *clerk) {
				config := c.config()
				config.Credentials = filled(mechanism, size)
				_, err := c.session(config).Submit(t.Context(), letter())
				require.NoError(t, err)
				message, err := base64.StdEncoding.DecodeString(c.heard()[2])
				require.NoError(t, err)
				require.Contains(t, string(message), "Bearer "+strings.Repeat("x", size)+"\x01\x01")
			})
		}
		withClerk(t, all(only("AUTH "+mechanism), dialogue("334 ", "501 5.7.0 cancelled")), func(t *testing.T, c *clerk) {
			config := c.config()
			config.Credentials = filled(mechanism, n+1)
			_, err := c.session(config).Submit(t.Context(), letter())
			requireMeans(t, err, "Credentials")
			require.Contains(t, asError(t, err).Error(), "longer than 12288")
			require.Equal(t, []string{"AUTH " + mechanism, "*"}, c.heard()[1:])
		})
	}
}

// The same for challenges: one of 12,288 octets is read, whatever limit other replies
// have. More than that is no reply, and nothing more is said.
func TestLongChallenges(t *testing.T) {
	t.Parallel()
	const most = (12288 - len("334 \r\n")) / 4 * 4
	for octets, means := range map[int]string{4088: "", 4092: "", most: "", most + 4: "Protocol", 1 << 20: "Protocol"} {
		withClerk(t, all(only("AUTH LOGIN"), dialogue("334 "+strings.Repeat("A", octets), "334 ", "235 2.7.0 ok")), func(t *testing.T, c *clerk) {
			_, err := c.session(c.withPassword()).Submit(t.Context(), letter())
			if means == "" {
				require.NoError(t, err, octets)
				return
			}
			requireMeans(t, err, means)
			require.Equal(t, submit.PhaseAuth, asError(t, err).Phase)
			require.Less(t, len(err.Error()), 200)
			require.Equal(t, []string{"AUTH LOGIN"}, c.heard()[1:])
			require.Zero(t, c.net.Open())
		})
	}
}
