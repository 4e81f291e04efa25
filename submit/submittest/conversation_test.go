package submittest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit/submittest"
)

func TestConversation(t *testing.T) {
	s := started(t, func(s *submittest.Server) {
		s.Users = map[string]string{"me": "Gr8 secret"}
	})
	k := talk(t, s)
	k.do("EHLO client.example.org", "250")
	k.do("AUTH PLAIN "+plain("me", "a wrong one"), "535")
	k.do("AUTH "+plain("me", "Gr8 secret"), "504")
	k.do("auth login", "334")
	k.do("bWU=", "334")
	k.do("R3I4IHNlY3JldA==", "235")
	k.do("Gr8 secret", "501")
	k.send("MAIL FROM:<me@example.com>", "RCPT TO:<you@example.net>", "DATA")
	k.expect("250", "250", "354")
	k.send("Subject: private", "", "nobody's business", "..", ".", "QUIT")
	k.expect("250", "221")
	k.end()

	c := cleartext(t, s)
	c.do("EHLO client.example.org", "250")
	c.do("AUTH PLAIN "+plain("me", "Gr8 secret"), "530")
	c.do("NOOP \x1b[2J", "250")
	c.do("QUIT", "221")
	c.end()

	golden(t, "conversation.txt", s.Conversation())
	require.NotContains(t, s.Conversation(), "Gr8")
	require.NotContains(t, s.Conversation(), "R3I4")
	require.Equal(t, 4, s.Attempts(""), "AUTH in cleartext counts as well")
}

func TestConversationIsBounded(t *testing.T) {
	s := submittest.NewServer(t)
	k := talk(t, s)
	for range 80 {
		k.do("NOOP "+string(make([]byte, 8000)), "250")
	}
	require.NoError(t, k.conn.Close())
	s.Close()
	require.Less(t, len(s.Conversation()), 2<<20)
	require.Contains(t, s.Conversation(), "-- and so on --\n")
}
