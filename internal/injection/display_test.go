package injection

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// requireOneLine holds that a text can go into a log as it is, or to a terminal.
func requireOneLine(t *testing.T, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	for _, r := range text {
		require.False(t, unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Cf, r), "%q in %q", r, text)
	}
}

// What is said of an address that was not sent is one line, without what the address
// would have done to it, and not long.
func TestInvalidAddressIsShownHarmless(t *testing.T) {
	w := newWitness(t)
	s := w.session(t)
	n := 0
	addresses(func(address string) {
		if n++; raced && n%10 != 0 {
			return
		}
		_, err := s.Submit(t.Context(), letter(friend, address))
		if err == nil || !errors.Is(err, submit.ErrInvalid) {
			return // it was sent, or needs SMTPUTF8
		}
		requireOneLine(t, err.Error())
		require.Less(t, len(err.Error()), 1000)
	})
}

// A recipient that the server refuses is named in the error, as a part of one line
// that neither the address nor the server can leave.
func TestRefusedRecipientIsShownHarmless(t *testing.T) {
	for _, address := range []string{
		friend, `"a>: 250 2.0.0 queued as 4711 / "@example.com`, "\u202etxt.exe@example.com", "\u200b@example.com", "\ufeffa@example.com", "\u2066a@example.com",
	} {
		for _, reply := range []string{
			"550 5.1.1 no such user", "550 \x1b[2J\x1b]0;owned\x07", "550-a\n550-\tb\n550 c", "550 \u202egnikcah", "550 \u2028550 x", "550 \xff\xfe", "550 \x00", "550 " + strings.Repeat("x", 10000),
			"550-" + strings.Repeat("x\n550-", 100) + "\n550 y",
		} {
			w := newWitness(t, "PIPELINING", "SMTPUTF8", "8BITMIME")
			w.answer = func(line string) string {
				if strings.HasPrefix(line, "RCPT") {
					return reply
				}
				return ""
			}
			_, err := w.transport(w.config()).Submit(t.Context(), letter(address))
			var e *submit.Error
			require.ErrorAs(t, err, &e)
			shown := []string{err.Error(), fmt.Sprintf("%+v", e)}
			if e.Reply != nil { // or what it said is no reply at all
				require.Equal(t, address, e.Recipient)
				shown = append(shown, e.Reply.String())
			} else {
				require.ErrorIs(t, err, submit.ErrProtocol)
			}
			for _, shown := range shown {
				requireOneLine(t, shown)
			}
			require.Less(t, len(err.Error()), 2500)
		}
	}
}
