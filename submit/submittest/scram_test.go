package submittest_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xdg-go/scram"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// A scrammer says SCRAM messages over a connection, and believes everything.
type scrammer struct {
	*talker
	conversation *scram.ClientConversation
}

func scramWith(t *testing.T, s *submittest.Server, hash scram.HashGeneratorFcn, user, password, identity string, binding scram.ChannelBinding) *scrammer {
	t.Helper()
	client, err := hash.NewClient(user, password, identity)
	require.NoError(t, err)
	k := talk(t, s)
	k.do("EHLO c", "250")
	client = client.WithMinIterations(1)
	if binding.IsSupported() {
		return &scrammer{k, client.NewConversationWithChannelBinding(binding)}
	}
	return &scrammer{k, client.NewConversation()}
}

func (c *scrammer) step(challenge string) string {
	c.t.Helper()
	message, err := c.conversation.Step(challenge)
	require.NoError(c.t, err)
	return message
}

// ask says a message, and returns the challenge that comes back.
func (c *scrammer) ask(prefix, message string) string {
	c.t.Helper()
	reply := c.do(prefix+encode(message), "334 ")
	challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(reply[4:]))
	require.NoError(c.t, err)
	return string(challenge)
}

// RFC 4954, section 4: the server-final-message is a challenge, and the success
// comes when it was answered with nothing. A client may begin with the command
// or wait to be asked.
func TestSCRAMDialogue(t *testing.T) {
	s := offering(t, "SCRAM-SHA-256")
	for _, asked := range []bool{false, true} {
		c := scramWith(t, s, scram.SHA256, "me", secret, "", scram.ChannelBinding{})
		prefix := "AUTH SCRAM-SHA-256 "
		if asked {
			c.do("AUTH SCRAM-SHA-256", "334 \n")
			prefix = ""
		}
		first := c.ask(prefix, c.step(""))
		require.Contains(t, first, ",i=4096")
		final := c.ask("", c.step(first))
		require.True(t, strings.HasPrefix(final, "v="))
		c.step(final)
		require.True(t, c.conversation.Valid())
		c.do("", "235 2.0.0")
		c.do("MAIL FROM:<a@example.com>", "250")
		c.do("RCPT TO:<b@example.net>", "250")
		c.do("BDAT 2 LAST\r\nhi", "250")
		require.Equal(t, "me", s.Messages()[len(s.Messages())-1].User)
	}
	requireNoSecrets(t, s)
}

// The same user has the same salt, or no client could keep its keys (RFC 7677,
// section 4).
func TestSCRAMSaltStays(t *testing.T) {
	s := offering(t, "SCRAM-SHA-256")
	salt := func(user string) string {
		c := scramWith(t, s, scram.SHA256, user, secret, "", scram.ChannelBinding{})
		return strings.Split(c.ask("AUTH SCRAM-SHA-256 ", c.step("")), ",")[1]
	}
	require.Equal(t, salt("me"), salt("me"))
	require.NotEqual(t, salt("me"), salt("nobody"), "who is none gets a salt all the same")
}

// What a server must not take: RFC 5802, sections 5 to 7. The reason comes as the
// server-final-message, the refusal after it.
func TestSCRAMIsStrict(t *testing.T) {
	s := offering(t, "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")
	without := offering(t, "SCRAM-SHA-256")
	exporter := scram.ChannelBinding{Type: "tls-exporter", Data: []byte("of another connection")}
	endPoint := scram.ChannelBinding{Type: "tls-server-end-point", Data: []byte("of some certificate")}
	none := scram.ChannelBinding{}
	for name, test := range map[string]struct {
		server         *submittest.Server
		mechanism      string
		user, identity string
		binding        scram.ChannelBinding
		flag           string // in place of the client's
		want           string
	}{
		"unknown user":           {s, "SCRAM-SHA-256", "nobody", "", none, "", "invalid-proof"},
		"for somebody else":      {s, "SCRAM-SHA-256", "me", "you", none, "", "other-error"},
		"other connection":       {s, "SCRAM-SHA-256-PLUS", "me", "", exporter, "", "channel-bindings-dont-match"},
		"other kind":             {s, "SCRAM-SHA-256-PLUS", "me", "", endPoint, "", "unsupported-channel-binding-type"},
		"-PLUS without":          {s, "SCRAM-SHA-256-PLUS", "me", "", none, "", "server-does-support-channel-binding"},
		"with, not -PLUS":        {s, "SCRAM-SHA-256", "me", "", exporter, "", "other-error"},
		"with, and none offered": {without, "SCRAM-SHA-256", "me", "", exporter, "", "channel-binding-not-supported"},
		"y, but it is offered":   {s, "SCRAM-SHA-256", "me", "", none, "y", "server-does-support-channel-binding"},
		"y, then another flag":   {without, "SCRAM-SHA-256", "me", "", none, "y", "channel-bindings-dont-match"},
	} {
		t.Run(name, func(t *testing.T) {
			c := scramWith(t, test.server, scram.SHA256, test.user, secret, test.identity, test.binding)
			message := c.step("")
			if test.flag != "" {
				message = test.flag + message[1:]
			}
			first := c.ask("AUTH "+test.mechanism+" ", message)
			require.Regexp(t, `^r=\S+,s=[^,]+,i=4096$`, first, "the place for the reason is the end")
			require.Equal(t, "e="+test.want, c.ask("", c.step(first)))
			c.do("", "535 5.7.8")
			c.do("MAIL FROM:<a@example.com>", "530")
		})
	}
	for name, messages := range map[string][]string{
		"nothing":      {""},
		"no nonce":     {"n,,n=me"},
		"y, no nonce":  {"y,,n=me,x=r"},
		"an extension": {"n,,m=x,n=me,r=abc"},
		"not SCRAM":    {"\x00me\x00" + secret},
	} {
		t.Run(name, func(t *testing.T) {
			c := scramWith(t, s, scram.SHA256, "me", secret, "", none)
			c.do("AUTH SCRAM-SHA-256", "334 ")
			c.do(encode(messages[0]), "535 5.7.8")
		})
	}
	t.Run("words after the signature", func(t *testing.T) {
		c := scramWith(t, s, scram.SHA256, "me", secret, "", none)
		c.ask("", c.step(c.ask("AUTH SCRAM-SHA-256 ", c.step(""))))
		c.do(encode("thanks"), "535 5.7.8")
	})
	t.Run("no final message", func(t *testing.T) {
		c := scramWith(t, s, scram.SHA256, "me", secret, "", none)
		c.ask("AUTH SCRAM-SHA-256 ", c.step(""))
		c.do("", "535 5.7.8")
	})
	t.Run("cancelled", func(t *testing.T) {
		c := scramWith(t, s, scram.SHA256, "me", secret, "", none)
		c.ask("AUTH SCRAM-SHA-256 ", c.step(""))
		c.do("*", "501")
	})
}

// Cheats as they are on the wire: who does not look falls for them, and is seen
// to have.
func TestSCRAMCheatsOnTheWire(t *testing.T) {
	s := offering(t, "SCRAM-SHA-256")
	cheat := func(t *testing.T, do submittest.Action, password string) (c *scrammer, nonce, first string) {
		s.SetFaults(submittest.Fault{Phase: submit.PhaseAuth, Do: do})
		c = scramWith(t, s, scram.SHA256, "me", password, "", scram.ChannelBinding{})
		message := c.step("")
		_, nonce, _ = strings.Cut(message, ",r=")
		return c, nonce, c.ask("AUTH SCRAM-SHA-256 ", message)
	}
	inGoodOrder := func(c *scrammer, first string) {
		c.t.Helper()
		c.step(c.ask("", c.step(first)))
		require.True(c.t, c.conversation.Valid())
		c.do("", "235")
		c.do("MAIL FROM:<a@example.com>", "250")
	}
	t.Run("few iterations", func(t *testing.T) {
		c, _, first := cheat(t, submittest.FewIterations, secret)
		require.Regexp(t, ",i=1$", first)
		inGoodOrder(c, first)
	})
	t.Run("short nonce", func(t *testing.T) {
		c, nonce, first := cheat(t, submittest.ShortNonce, secret)
		require.Contains(t, first, "r="+nonce+",s=")
		final := "c=biws,r=" + nonce + ",p=" + encode(strings.Repeat("x", 32))
		require.Equal(t, "e=invalid-proof", c.ask("", final), "it goes on")
		c.do("", "535")
	})
	t.Run("other nonce", func(t *testing.T) {
		c, nonce, first := cheat(t, submittest.OtherNonce, secret)
		require.NotContains(t, first, nonce)
		require.Regexp(t, "^r=[A-Z0-9]+,s=[^,]+,i=4096$", first)
		_, theirs, _ := strings.Cut(first, "r=")
		theirs, _, _ = strings.Cut(theirs, ",")
		require.Equal(t, "e=other-error", c.ask("", "c=biws,r="+theirs+",p="+encode(strings.Repeat("x", 32))))
		c.do("", "535")
	})
	t.Run("many iterations", func(t *testing.T) {
		_, _, first := cheat(t, submittest.ManyIterations, secret)
		require.Regexp(t, ",i=2147483648$", first)
	})
	t.Run("wrong signature", func(t *testing.T) {
		c, _, first := cheat(t, submittest.WrongSignature, "whatever")
		signature := c.ask("", c.step(first))
		require.Regexp(t, "^v=.{44}$", signature)
		_, err := c.conversation.Step(signature)
		require.Error(t, err)
		c.do("", "235")
		c.do("MAIL FROM:<a@example.com>", "250")
	})
	t.Run("skip signature", func(t *testing.T) {
		c, _, first := cheat(t, submittest.SkipSignature, "whatever")
		c.do(encode(c.step(first)), "235 2.0.0 Authentication succeeded")
		c.do("MAIL FROM:<a@example.com>", "250")
	})
	t.Run("sign late", func(t *testing.T) {
		c, _, first := cheat(t, submittest.SignLate, secret)
		reply := strings.Fields(c.do(encode(c.step(first)), "235 2.7.0 "))
		signature, err := base64.StdEncoding.DecodeString(reply[2])
		require.NoError(t, err)
		c.step(string(signature))
		require.True(t, c.conversation.Valid())
		c.do("MAIL FROM:<a@example.com>", "250")

		c, _, first = cheat(t, submittest.SignLate, "wrong")
		require.Equal(t, "e=invalid-proof", c.ask("", c.step(first)))
		c.do("", "535")
	})
	t.Run("accept early", func(t *testing.T) {
		s.SetFaults(submittest.Fault{Phase: submit.PhaseAuth, Do: submittest.AcceptEarly})
		c := scramWith(t, s, scram.SHA256, "me", "whatever", "", scram.ChannelBinding{})
		c.do("AUTH SCRAM-SHA-256", "334 \n")
		c.do(encode(c.step("")), "235")
		c.do("MAIL FROM:<a@example.com>", "250")
	})
	s.SetFaults()
	c := scramWith(t, s, scram.SHA256, "me", secret, "", scram.ChannelBinding{})
	inGoodOrder(c, c.ask("AUTH SCRAM-SHA-256 ", c.step("")))
	requireNoSecrets(t, s)
}
