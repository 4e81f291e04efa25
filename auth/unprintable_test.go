package auth_test

import (
	"bytes"
	"context"
	"encoding"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

const (
	username = "tim@example.com"
	password = `tanstaaf"47\11€` // with what %q and JSON escape
	response = "\x00" + username + "\x00" + password
	token    = "ya29.tanstaafl/token==" // which JSON and URLs may escape
	bearer   = "user=" + username + "\x01auth=Bearer " + token + "\x01\x01"
)

// disguises are the forms in which a secret gets into a log unnoticed.
func disguises() []string {
	var forms []string
	for _, secret := range []string{password, response, token, bearer} {
		forms = append(forms,
			secret,
			strings.Trim(fmt.Sprintf("%q", secret), `"`),
			strings.Trim(fmt.Sprintf("%+q", secret), `"`),
			base64.StdEncoding.EncodeToString([]byte(secret)),
			base64.RawURLEncoding.EncodeToString([]byte(secret)),
			hex.EncodeToString([]byte(secret)),
			fmt.Sprintf("%X", secret),
			fmt.Sprintf("% x", secret),
			fmt.Sprintf("% #x", secret),
			strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]"),
			strings.ReplaceAll(fmt.Sprintf("% #x", secret), " ", ", "), // %#v of octets
		)
	}
	forms = append(forms, "tanstaaf", hex.EncodeToString([]byte("tanstaaf")), "TANSTAAF")
	for i, form := range forms {
		forms[i] = form[max(0, len(form)-60):] // what is longer takes far longer to find
	}
	return forms
}

var forms = disguises()

// givenAway returns the disguise of the secret that is in text, if there is one.
func givenAway(text string) string {
	for _, form := range forms {
		if strings.Contains(text, form) {
			return form
		}
	}
	return ""
}

type holder struct {
	Seen   any
	unseen any
	auth.Credentials
}

type embedder struct {
	*holder
	hidden holder
	list   []any
	byName map[string]any
	Public map[string]any
	ask    func(context.Context, auth.Server) (auth.Mechanism, error)
}

// around returns v and what people put it into.
func around(v any) map[string]any {
	c, _ := v.(auth.Credentials)
	h := holder{Seen: v, unseen: v, Credentials: c}
	e := embedder{holder: &h, hidden: h, list: []any{v}, byName: map[string]any{"v": v}, Public: map[string]any{"v": v}}
	if c != nil {
		e.ask = c.Exchange
	}
	return map[string]any{
		"itself": v, "pointer": &v, "slice": []any{v}, "array": [1]any{v}, "key": map[any]int{v: 1},
		"struct": h, "pointer to struct": &h, "deep": e, "pointer to deep": &e,
	}
}

// secretive returns everything here that knows a password, in every state.
func secretive(t *testing.T) map[string]any {
	c := auth.Password(username, password)
	values := map[string]any{
		"Password":   c,
		"Only":       auth.Only(c, "PLAIN"),
		"Only twice": auth.Only(auth.Only(c, "PLAIN"), "PLAIN"),
		"Only other": auth.Only(&asked{err: errors.New(password)}, "PLAIN"), // that take no such care
	}
	for _, mechanism := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"} {
		for challenges := range 4 {
			m := begun(t, auth.Only(c, mechanism), mechanism)
			values[fmt.Sprintf("%s before %d", mechanism, challenges)] = begun(t, auth.Only(c, mechanism), mechanism)
			_, _, err := m.Start()
			require.NoError(t, err)
			for range challenges {
				if _, err := m.Next([]byte(password)); err != nil { // a server that echoes
					values[fmt.Sprintf("%s error %d", mechanism, challenges)] = err
				}
			}
			values[fmt.Sprintf("%s after %d", mechanism, challenges)] = m
		}
	}
	proved(t, c, values)
	tokened(t, values)
	return values
}

// begun starts an exchange. SCRAM keeps the context, and a test's holds the whole test.
func begun(t *testing.T, c auth.Credentials, mechanism string) auth.Mechanism {
	t.Helper()
	m, err := c.Exchange(context.Background(), offering(mechanism))
	require.NoError(t, err)
	return m
}

// proved adds SCRAM as it goes well, and not quite: by then there are keys.
func proved(t *testing.T, c auth.Credentials, values map[string]any) {
	for _, h := range hashes {
		for _, lies := range []bool{false, true} {
			m := begun(t, auth.Only(c, h.name), h.name)
			server := scramServerOf(t, h.name, username, password)
			_, response, err := m.Start()
			require.NoError(t, err)
			for range 2 {
				challenge, err := server.Step(string(response))
				require.NoError(t, err)
				if lies && strings.HasPrefix(challenge, "v=") {
					challenge = "v=" + base64.StdEncoding.EncodeToString([]byte(password))
				}
				if response, err = m.Next([]byte(challenge)); err != nil {
					values[h.name+" lies"] = err
				}
			}
			require.Equal(t, lies, !m.Complete())
			values[fmt.Sprint(h.name, " proved ", !lies)] = m
		}
	}
	values["Password used"] = c
}

// tokened adds all that knows a token, refused or not, renewed or not.
func tokened(t *testing.T, values map[string]any) {
	for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
		for how, answer := range map[string]auth.TokenSource{
			"renewed":  func(_ context.Context, refused string) (string, error) { return token + refused, nil },
			"no other": always(token),
		} {
			c := auth.Token(username, answer)
			m := begun(t, c, mechanism)
			values[mechanism+" begun"] = m
			_, _, err := m.Start()
			require.NoError(t, err)
			_, err = m.Next(fmt.Appendf(nil, `{"status":%q,"scope":%q}`, token, base64.StdEncoding.EncodeToString([]byte(bearer))))
			require.NoError(t, err)
			values[mechanism+" refused"] = m
			values[mechanism+" refusal"] = m.(auth.Refuser).Refusal()
			_, err = m.Next([]byte(token))
			values[mechanism+" error"] = err
			fresh, err := m.(auth.Renewer).Renew(t.Context())
			if how == "renewed" {
				require.NoError(t, err)
				values[mechanism+" renewed"] = fresh
			} else {
				require.Error(t, err)
				values[mechanism+" not renewed"] = err
			}
			values[mechanism+" credentials "+how] = c
			values[mechanism+" Only "+how] = auth.Only(c, mechanism)
		}
		_, err := auth.Token(username, always(token+" ")).Exchange(t.Context(), offering(mechanism))
		require.Error(t, err)
		values[mechanism+" unsendable"] = err
		m := begun(t, auth.Token(token+username, always(token)), mechanism)
		values[mechanism+" has a username with the token"] = m
	}
}

// anyGivenAway returns the disguise that is in one of the texts, and which that is.
func anyGivenAway(texts map[string]string) (how, form string) {
	var all strings.Builder
	for _, text := range texts {
		all.WriteString(text)
	}
	if givenAway(all.String()) == "" { // the rule, and faster than one by one
		return "", ""
	}
	for how, text := range texts {
		if form := givenAway(text); form != "" {
			return how, form
		}
	}
	return "", ""
}

// printed returns v in all the ways there are to print it.
func printed(v any) map[string]string {
	all := map[string]string{"Sprint": fmt.Sprint(v), "Sprintln": fmt.Sprintln("x", v), "Errorf": fmt.Errorf("at %v", v).Error()}
	for _, verb := range "vTtbcdoOqxXUeEfFgGspw" {
		for _, flags := range []string{"", "+", "#", "-", " ", "0", " #", "+#", "40.30", "1.2"} {
			format := "%" + flags + string(verb)
			all[format] = fmt.Sprintf(format, v)
		}
	}

	var text bytes.Buffer
	taken := func(name string) { all[name] = text.String(); text.Reset() }
	log.New(&text, "", 0).Print(v)
	taken("log")
	everything := &slog.HandlerOptions{Level: slog.LevelDebug}
	for name, h := range map[string]slog.Handler{
		"slog text": slog.NewTextHandler(&text, everything),
		"slog JSON": slog.NewJSONHandler(&text, everything),
	} {
		logger := slog.New(h)
		logger.With("with", v).WithGroup("group").Info("m", "v", v, slog.Group("g", "v", v), "list", []any{v})
		taken(name)
	}

	// An error is as good as nothing here, but is printed as well.
	b, err := json.Marshal(v)
	all["json"] = fmt.Sprint(string(b), err)
	b, err = xml.Marshal(v)
	all["xml"] = fmt.Sprint(string(b), err)
	err = gob.NewEncoder(&text).Encode(v)
	taken("gob")
	all["gob error"] = fmt.Sprint(err)

	var failed failure
	assert.Equal(&failed, v, "something else") // goes through values by itself
	assert.Equal(&failed, struct{ a, B any }{v, v}, struct{ a, B any }{})
	all["testify"] = string(failed)
	return all
}

type failure string

func (f *failure) Errorf(format string, args ...any) { *f += failure(fmt.Sprintf(format, args...)) }

func TestSecretsCannotBePrinted(t *testing.T) {
	values := secretive(t)
	for i, name := range slices.Sorted(maps.Keys(values)) {
		places := around(values[name])
		for j, where := range slices.Sorted(maps.Keys(places)) {
			if raced && (i+j)%4 != 0 {
				continue // each of them, and each place, but not each with each
			}
			v := places[where]
			texts := printed(v)
			if how, form := anyGivenAway(texts); form != "" {
				t.Errorf("%s in %s by %s shows %q: %s", name, where, how, form, texts[how])
			}
		}
	}
}

// The test above can fail: it finds a secret in a value that does not mind.
func TestDisguisesAreSeenThrough(t *testing.T) {
	type careless struct{ Password, Response string }
	type carelessOctets struct{ Response []byte }
	found := make(map[string]bool)
	for _, v := range []any{careless{password, response}, carelessOctets{[]byte(response)}} {
		for how, text := range printed(v) {
			found[how] = found[how] || givenAway(text) != ""
		}
	}
	for _, how := range []string{
		"Sprint", "Errorf", "%v", "%+v", "%#v", "%s", "%q", "%+q", "%x", "% x", "%X", "% #x", "%d",
		"log", "slog text", "slog JSON", "json", "xml", "gob", "testify",
	} {
		assert.True(t, found[how], "not seen through: %s", how)
	}
}

func TestShown(t *testing.T) {
	c := auth.Password(username, password)
	plain, _, _ := start(t, c, "PLAIN")
	login, _, _ := start(t, c, "LOGIN")
	scram, _, _ := start(t, c, "SCRAM-SHA-256")
	cram, _, _ := start(t, auth.Only(c, "CRAM-MD5"), "CRAM-MD5")
	tokens := auth.Token(username, always(token))
	shown, _, _ := start(t, tokens, "OAUTHBEARER")
	for _, test := range []struct {
		value any
		want  string
	}{
		{c, `auth.Password("tim@example.com", ***)`},
		{auth.Only(c, "PLAIN", "login"), `auth.Only(auth.Password("tim@example.com", ***), "PLAIN", "login")`},
		{auth.Only(&asked{err: errors.New(password)}, "PLAIN"), `auth.Only(*auth_test.asked, "PLAIN")`},
		{plain, `PLAIN as "tim@example.com"`},
		{login, `LOGIN as "tim@example.com"`},
		{scram, `SCRAM-SHA-256 as "tim@example.com"`},
		{cram, `CRAM-MD5 as "tim@example.com"`},
		{tokens, `auth.Token("tim@example.com", ***)`},
		{auth.Only(tokens, "XOAUTH2"), `auth.Only(auth.Token("tim@example.com", ***), "XOAUTH2")`},
		{shown, `OAUTHBEARER as "tim@example.com"`},
		{auth.Password("t\nim", password), `auth.Password("t\nim", ***)`},
		{auth.Password("token", "token"), `auth.Password(***, ***)`},
		{auth.Password("me:token", "token"), `auth.Password(***, ***)`},
		{auth.Password("tim", ""), `auth.Password("tim", ***)`},
	} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			assert.Equal(t, test.want, fmt.Sprintf(format, test.value))
		}
		b, err := json.Marshal(map[string]any{"v": test.value})
		require.NoError(t, err)
		want, err := json.Marshal(map[string]string{"v": test.want})
		require.NoError(t, err)
		assert.Equal(t, string(want), string(b))
		require.Implements(t, (*encoding.TextMarshaler)(nil), test.value)
		require.Implements(t, (*json.Marshaler)(nil), test.value)
		require.Implements(t, (*slog.LogValuer)(nil), test.value)
		assert.Equal(t, test.want, test.value.(slog.LogValuer).LogValue().String())
	}
}

// A service that has one token for both would show it by its other name.
func TestUsernameThatIsThePassword(t *testing.T) {
	c := auth.Password(password, password)
	for _, mechanism := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-1"} {
		m := begun(t, c, mechanism)
		for _, value := range []any{c, auth.Only(c, mechanism), m} {
			for where, v := range around(value) {
				how, form := anyGivenAway(printed(v))
				assert.Empty(t, form, "in %s by %s", where, how)
			}
		}
	}
}

func TestErrorsDoNotShowWhatIsUnsendable(t *testing.T) {
	for _, flaw := range []string{"\x00", "\xff", "\n", "\u0007"} {
		for _, mechanism := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-512"} {
			for _, c := range []auth.Credentials{
				auth.Password(username, password+flaw),
				auth.Password(password+flaw, password),
			} {
				_, err := c.Exchange(t.Context(), offering(mechanism))
				how, form := anyGivenAway(printed(err))
				assert.Empty(t, form, how)
			}
		}
	}
}

const dying = "MAILPORT_TEST_PANIC" // names what this very test program is to panic with

func TestPanic(t *testing.T) {
	if name := os.Getenv(dying); name != "" {
		values := secretive(t)
		for _, v := range around(values[name]) {
			defer panic(v) // each after the other: the last words list them all
		}
		panic(fmt.Sprintf("%+v", around(values[name])))
	}

	for _, name := range []string{
		"Password", "Only", "PLAIN after 0", "LOGIN after 2", "CRAM-MD5 after 1",
		"Password used", "SCRAM-SHA-256 proved true", "XOAUTH2 renewed", "OAUTHBEARER refused", "OAUTHBEARER credentials renewed",
	} {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanic$") //nolint:gosec // ourselves
		child.Env = append(os.Environ(), dying+"="+name, "GOTRACEBACK=all")
		last, err := child.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(last), "panic: ")
		assert.Contains(t, string(last), username, "it was printed")
		assert.Empty(t, givenAway(string(last)), name)
	}
}
