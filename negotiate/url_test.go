package negotiate_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// login returns what credentials say to LOGIN, which takes any octets but line
// ends and NUL; ok is false if these cannot be said.
func login(t testing.TB, c auth.Credentials) (user, password string, ok bool) {
	t.Helper()
	m, err := c.Exchange(t.Context(), auth.Server{
		Name:       "smtp.example.com",
		Mechanisms: []string{"LOGIN"},
		TLS:        &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true},
	})
	if errors.Is(err, auth.ErrUnsendable) {
		return "", "", false
	}
	require.NoError(t, err)
	first, err := m.Next(nil)
	require.NoError(t, err)
	second, err := m.Next(nil)
	require.NoError(t, err)
	return string(first), string(second), true
}

func TestOpen(t *testing.T) {
	var (
		submissions = negotiate.Policy{FailClosed: true}
		submission  = negotiate.Policy{Prefer: negotiate.STARTTLS, FailClosed: true}
	)
	for _, test := range []struct {
		url            string
		host           string
		port           int
		policy         negotiate.Policy
		user, password string
		localName      string
	}{
		{url: "submit://smtp.example.com", host: "smtp.example.com"},
		{url: "submissions://smtp.example.com", host: "smtp.example.com", policy: submissions},
		{url: "submission://smtp.example.com", host: "smtp.example.com", policy: submission},

		// RFC 3986, section 3.1: schemes are case-insensitive.
		{url: "Submit://smtp.example.com", host: "smtp.example.com"},
		{url: "SUBMISSIONS://smtp.example.com", host: "smtp.example.com", policy: submissions},
		{url: "SubmissioN://smtp.example.com", host: "smtp.example.com", policy: submission},

		// Section 6.2.3: no path and an empty one are the same.
		{url: "submit://smtp.example.com/", host: "smtp.example.com"},
		{url: "submit://me:sesame@smtp.example.com/?remember=never", host: "smtp.example.com",
			user: "me", password: "sesame", policy: negotiate.Policy{Remember: -1}},

		{url: "submit://localhost", host: "localhost"},
		{url: "submit://smtp.example.com.", host: "smtp.example.com."},
		{url: "submit://192.0.2.25", host: "192.0.2.25"},
		{url: "submit://[2001:db8::25]", host: "2001:db8::25"},
		{url: "submit://[2001:db8::25]:2465", host: "2001:db8::25", port: 2465},
		{url: "submit://[fe80::1%25eth0]:2465", host: "fe80::1%eth0", port: 2465},
		{url: "submit://bücher.example", host: "xn--bcher-kva.example"},
		{url: "submit://b%C3%BCcher.example:587", host: "xn--bcher-kva.example", port: 587}, // section 3.2.2
		{url: "submit://xn--bcher-kva.example", host: "xn--bcher-kva.example"},

		{url: "submit://smtp.example.com:1", host: "smtp.example.com", port: 1},
		{url: "submit://smtp.example.com:2525", host: "smtp.example.com", port: 2525},
		{url: "submit://smtp.example.com:65535", host: "smtp.example.com", port: 65535},
		{url: "submissions://smtp.example.com:587", host: "smtp.example.com", port: 587, policy: submissions},
		{url: "submission://smtp.example.com:465", host: "smtp.example.com", port: 465, policy: submission},

		{url: "submit://me:sesame@smtp.example.com", host: "smtp.example.com", user: "me", password: "sesame"},
		{url: "submissions://me:sesame@smtp.example.com:2465", host: "smtp.example.com", port: 2465,
			policy: submissions, user: "me", password: "sesame"},
		{url: "submission://me:sesame@[2001:db8::25]:2587", host: "2001:db8::25", port: 2587,
			policy: submission, user: "me", password: "sesame"},
		{url: "submit://me@example.com:sesame@smtp.example.com", host: "smtp.example.com",
			user: "me@example.com", password: "sesame"},
		{url: "submit://me%40example.com:sesame@smtp.example.com", host: "smtp.example.com",
			user: "me@example.com", password: "sesame"},
		{url: "submit://me:p@ss:w@rd@smtp.example.com", host: "smtp.example.com", user: "me", password: "p@ss:w@rd"},
		{url: "submit://m%3Ae:%2F%3F%23%25%40%3A%20%5B%5D@smtp.example.com", host: "smtp.example.com",
			user: "m:e", password: "/?#%@: []"},
		{url: "submit://me:a+b@smtp.example.com", host: "smtp.example.com", user: "me", password: "a+b"},
		{url: "submit://j%C3%BCrgen:%C3%9F%FF@smtp.example.com", host: "smtp.example.com", user: "jürgen", password: "ß\xff"},

		{url: "submit://smtp.example.com?prefer=implicit-tls", host: "smtp.example.com"},
		{url: "submit://smtp.example.com?prefer=starttls", host: "smtp.example.com",
			policy: negotiate.Policy{Prefer: negotiate.STARTTLS}},
		{url: "submit://smtp.example.com?head-start=500ms", host: "smtp.example.com",
			policy: negotiate.Policy{HeadStart: 500 * time.Millisecond}},
		{url: "submit://smtp.example.com?head-start=until-failure", host: "smtp.example.com",
			policy: negotiate.Policy{HeadStart: -1}},
		{url: "submit://smtp.example.com?remember=1h30m", host: "smtp.example.com",
			policy: negotiate.Policy{Remember: 90 * time.Minute}},
		{url: "submit://smtp.example.com?remember=+10m", host: "smtp.example.com", // a plus is a plus
			policy: negotiate.Policy{Remember: 10 * time.Minute}},
		{url: "submit://smtp.example.com?local-name=client.example.com", host: "smtp.example.com", localName: "client.example.com"},
		{url: "submit://smtp.example.com?local-name=%5B192.0.2.1%5D", host: "smtp.example.com", localName: "[192.0.2.1]"},
		{url: "submit://smtp.example.com?local-name=[IPv6:2001:db8::1]", host: "smtp.example.com", localName: "[IPv6:2001:db8::1]"},
		{url: "submissions://smtp.example.com?local-name=client.example.com", host: "smtp.example.com",
			policy: submissions, localName: "client.example.com"},
		{url: "submission://smtp.example.com?local-name=client.example.com", host: "smtp.example.com",
			policy: submission, localName: "client.example.com"},
		{url: "submit://smtp.example.com?remember=10m&head-start=1.5s&local-name=client.example.com&prefer=st%61rttls",
			host: "smtp.example.com", localName: "client.example.com",
			policy: negotiate.Policy{Prefer: negotiate.STARTTLS, HeadStart: 1500 * time.Millisecond, Remember: 10 * time.Minute}},
	} {
		t.Run(test.url, func(t *testing.T) {
			n, err := negotiate.Open(test.url, submit.Config{})
			require.NoError(t, err)
			require.NoError(t, n.Check())
			require.Equal(t, test.host, n.Host)
			require.Equal(t, test.port, n.Port)
			require.Equal(t, test.policy, n.Policy)
			require.Equal(t, test.localName, n.LocalName)
			if test.user == "" {
				require.Nil(t, n.Credentials)
				return
			}
			user, password, ok := login(t, n.Credentials)
			require.True(t, ok)
			require.Equal(t, test.user, user)
			require.Equal(t, test.password, password)
		})
	}
}

// What is not the URL's business stays as the caller has it.
func TestOpenKeepsTheConfig(t *testing.T) {
	given := auth.Password("me", "sesame")
	c := submit.Config{
		Credentials: given,
		LocalName:   "client.example.com",
		TLS:         &tls.Config{ServerName: "mx.example.com"},
		Without:     []string{"CHUNKING"},
		Timeouts:    submit.Timeouts{Connect: time.Second},
	}
	for _, u := range []string{"submit://smtp.example.com", "submit://me@smtp.example.com", "submit://me@example.com@smtp.example.com"} {
		n, err := negotiate.Open(u, c)
		require.NoError(t, err)
		require.Equal(t, c, n.Config)
		require.Same(t, given, n.Credentials)
	}
}

const noHost = "names no host that could be: a domain name, an IPv4 address or an IPv6 address in square brackets, " +
	"then a colon and a number for a port"

// refused are URLs that are none, and what is said of them.
func refused() map[string]string {
	const (
		unknown  = "begins with none of submit://, submissions:// and submission://"
		empty    = "is the variable set that it comes from?"
		control  = "has a space, a line end or a control character in it; in a user name or password a space is %20"
		torn     = "has an @ behind the host; in a user name or password / is %2F, ? is %3F and # is %23"
		path     = "has a path; in a user name or password / is %2F"
		fragment = "has a fragment; in a user name or password # is %23"
		encode   = "has a character in the user name or the password that must be percent-encoded, as % is %25"
		port     = "has a port that is not between 1 and 65535"
		mode     = "parameter prefer is neither implicit-tls nor starttls"
		local    = "parameter local-name is neither a domain name nor an address literal"
		or       = " is neither a time above zero, such as 1.5s or 10m, nor "
	)
	all := map[string]string{
		"": "is empty; " + empty,

		// Schemes, and what is none.
		"smtp.example.com":         unknown,
		"smtp.example.com:587":     unknown,
		"me:sesame@smtp.example":   unknown,
		"//smtp.example.com":       unknown,
		"://smtp.example.com":      unknown,
		"http://smtp.example.com":  unknown,
		"submit+x://example.com":   unknown,
		"me:sesame://example.com":  unknown,
		"submit":                   "has no // after submit:",
		"submit:":                  "has no // after submit:",
		"submit:smtp.example.com":  "has no // after submit:",
		"submit:/smtp.example.com": "has no // after submit:",
		"submissions:me@host":      "has no // after submissions:",
		"submission:587":           "has no // after submission:",

		// What looks like another part may be a piece of a password.
		"submit://smtp.example.com\n":                control,
		" submit://smtp.example.com":                 control,
		"submit://me:ses ame@smtp.example.com":       control,
		"submit://me:ses\x00ame@smtp.example.com":    control,
		"submit://me:ses\x7fame@smtp.example.com":    control,
		"submit://me:ses\tame@smtp.example.com":      control,
		"submit://me:ses/ame@smtp.example.com":       torn,
		"submit://me:ses?ame@smtp.example.com":       torn,
		"submit://me:ses#ame@smtp.example.com":       torn,
		"submit://me:/sesame@smtp.example.com":       torn,
		"submit://me:123/sesame@smtp.example.com":    torn,
		"submit://me:123?sesame@smtp.example.com":    torn,
		"submit://me:123#sesame@smtp.example.com":    torn,
		"submit://me:1?prefer=sesame@smtp.example":   torn,
		"submit://me:1?local-name=sesame@smtp":       torn,
		"submit://me@example.com:123/x@smtp.example": torn,
		"submit://me:p@ss/sesame@smtp.example.com":   torn,
		"submit:///sesame@smtp.example.com":          torn,
		"submit://smtp.example.com/sesame":           path,
		"submit://me:123/sesame":                     path,
		"submit://smtp.example.com//":                path,
		"submit://smtp.example.com/%":                path,
		"submit://smtp.example.com#sesame":           fragment,
		"submit://smtp.example.com#":                 fragment,
		"submit://smtp.example.com/sesame#":          fragment,
		"submit://smtp.example.com?prefer=starttls#": fragment,
		"submit://me:ses%ame@smtp.example.com":       encode,
		"submit://me:sesame%@smtp.example.com":       encode,
		"submit://m%e:sesame@smtp.example.com":       encode,
		`submit://me:ses"ame@smtp.example.com`:       encode,
		`submit://me:ses\ame@smtp.example.com`:       encode,
		"submit://me:ses[ame@smtp.example.com":       encode,
		"submit://me:ses<ame>@smtp.example.com":      encode,
		"submit://me:ses^ame@smtp.example.com":       encode,
		"submit://mé:sesame@smtp.example.com":        encode,
		"submit://me:ses\xffame@smtp.example.com":    encode,
		"submit://me:%zz@smtp.example.com":           encode,

		// The host.
		"submit://":                                "has no host",
		"submit:///":                               "has no host",
		"submit://:587":                            "has no host",
		"submit://me:sesame@":                      "has no host",
		"submit://me:sesame@:587":                  "has no host",
		"submit://?prefer=starttls":                "has no host",
		"submit://[]":                              noHost,
		"submit://[2001:db8::25":                   noHost,
		"submit://2001:db8::25":                    noHost,
		"submit://1::2:3":                          noHost,
		"submit://[2001:db8::25]x":                 noHost,
		"submit://[192.0.2.25]":                    noHost,
		"submit://[smtp.example.com]":              noHost,
		"submit://smtp.example.com:465:587":        noHost,
		"submit://me:sesame":                       noHost, // and no host
		"submit://me:sesame%40smtp.example.com":    noHost,
		"submit://smtp..example.com":               noHost,
		"submit://smtp,example.com":                noHost,
		"submit://smtp%20.example.com":             noHost,
		"submit://smtp%0A.example.com":             noHost,
		"submit://ß\xff.example.com":               noHost,
		"submit://%C3%9F%FF.example.com":           noHost,
		"submit://a\xff.example.com":               noHost,
		"submit://" + strings.Repeat("x", 64):      noHost,
		"submit://a\u2028b.example":                noHost,
		"submit://<smtp.example.com>":              noHost,
		"submit://smtp.example.com:submission":     noHost,
		"submit://smtp.example.com:-1":             noHost,
		"submit://me:sesame@smtp.example.com:+587": noHost,

		"submit://smtp.example.com:":                     "has a colon after the host and no port; " + empty,
		"submit://[2001:db8::25]:":                       "has a colon after the host and no port; " + empty,
		"submit://smtp.example.com:0":                    port,
		"submit://smtp.example.com:65536":                port,
		"submit://smtp.example.com:99999999999999999999": port,
		"submit://smtp.example.com:25": "has port 25, which is for relays, not for submission " +
			"(RFC 6409, section 3.1)",

		// Who is submitting.
		"submit://@smtp.example.com":        "has an empty user name; " + empty,
		"submit://:@smtp.example.com":       "has an empty user name; " + empty,
		"submit://:sesame@smtp.example.com": "has an empty user name; " + empty,
		"submit://me:@smtp.example.com":     "has an empty password; " + empty,
		"submit://me@smtp.example.com":      "has a user name and no password, and there are no Config.Credentials",
		"submit://me:sesame%":               noHost,

		// Parameters.
		"submit://smtp.example.com?prefer=465":                     mode,
		"submit://smtp.example.com?prefer=STARTTLS":                mode,
		"submit://smtp.example.com?prefer=starttls=":               mode,
		"submit://smtp.example.com?prefer=starttls;remember=never": mode,
		"submit://smtp.example.com?local-name=sesame!":             local,
		"submit://smtp.example.com?local-name=a%20b":               local,
		"submit://smtp.example.com?local-name=a%0D%0ARSET":         local,
		"submit://smtp.example.com?local-name=%40":                 local,
		"submit://smtp.example.com?local-name=%5Bsesame%5D":        local,
		"submit://smtp.example.com?local-name=b%C3%BCcher.example": local,
	}
	for n, query := range map[int]string{1: "", 2: "prefer=starttls&", 3: "prefer=starttls&remember=1h&"} {
		for _, name := range []string{"", "=", "=x", "sesame", "sesame=", "sesame=x", "Prefer=starttls", "%70refer=starttls", "local_name=x"} {
			all["submit://smtp.example.com?"+query+name] = fmt.Sprintf("parameter %d is none of prefer, head-start, remember and local-name", n)
		}
	}
	good := map[string]string{"prefer": "starttls", "head-start": "1s", "remember": "10m", "local-name": "client.example.com"}
	for name, value := range good {
		without := "parameter " + name + " has no value, or one that is not percent-encoded as it should be"
		all["submit://smtp.example.com?"+name] = without
		all["submit://smtp.example.com?"+name+"="] = without
		all["submit://smtp.example.com?"+name+"="+value+"%"] = without
		all["submit://smtp.example.com?"+name+"="+value+"&"+name+"="+value] = "parameter " + name + " stands twice"
		if name == "local-name" {
			continue
		}
		for _, scheme := range []string{"submissions", "submission"} {
			all[scheme+"://smtp.example.com?"+name+"="+value] = "parameter " + name + " is for submit:// alone: with " +
				scheme + ":// there is no choice"
		}
	}
	for _, value := range []string{"0", "0s", "-1s", "5", "1e3s", "sesame", "10 m", "9999999999h", "until-failur", "Never"} {
		value = url.PathEscape(value)
		all["submit://smtp.example.com?head-start="+value] = "parameter head-start" + or + "until-failure"
		all["submit://smtp.example.com?remember="+value] = "parameter remember" + or + "never"
	}
	for scheme, instead := range map[string]string{
		"smtp":          "submit:// finds out which TLS there is, submission:// is STARTTLS or nothing",
		"smtp+tls":      "submit:// finds out which TLS there is, submission:// is STARTTLS or nothing",
		"smtps":         "submissions:// is TLS from the first byte or nothing, submit:// finds out",
		"smtp+ssl":      "submissions:// is TLS from the first byte or nothing, submit:// finds out",
		"ssl":           "submissions:// is TLS from the first byte or nothing, submit:// finds out",
		"tls":           "submissions:// is TLS from the first byte or nothing, submit:// finds out",
		"smtp+starttls": "submission:// is STARTTLS or nothing, submit:// finds out",
		"starttls":      "submission:// is STARTTLS or nothing, submit:// finds out",
	} {
		says := "scheme " + scheme + " is not known here; " + instead
		all[scheme+"://me:sesame@smtp.example.com"] = says
		all[strings.ToUpper(scheme)+"://smtp.example.com"] = says
	}
	return all
}

func TestOpenRefuses(t *testing.T) {
	for u, says := range refused() {
		t.Run(u, func(t *testing.T) {
			n, err := negotiate.Open(u, submit.Config{})
			require.Nil(t, n)
			require.EqualError(t, err, "invalid URL: "+says)
			require.ErrorIs(t, err, submit.ErrInvalid)
			var invalid *submit.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, &submit.InvalidError{Field: "URL", Reason: says}, invalid, "no value and no cause, that could quote")
		})
	}
}

// What the URL says and what the caller says must not contradict each other, and
// what the caller has wrong is not blamed on the URL.
func TestOpenRefusesWithConfig(t *testing.T) {
	credentials := submit.Config{Credentials: auth.Password("me", "sesame")}
	for _, test := range []struct {
		url    string
		config submit.Config
		says   string
	}{
		{"submit://me:sesame@smtp.example.com", credentials,
			"invalid URL: has a password, and there are Config.Credentials; which of them?"},
		{"submit://me:@smtp.example.com", credentials,
			"invalid URL: has an empty password; is the variable set that it comes from?"},
		{"submit://@smtp.example.com", credentials,
			"invalid URL: has an empty user name; is the variable set that it comes from?"},
		{"submit://smtp.example.com?local-name=a.example.com", submit.Config{LocalName: "a.example.com"},
			"invalid URL: has parameter local-name, and there is a Config.LocalName; which of them?"},
		{"submit://smtp.example.com", submit.Config{LocalName: "a b"},
			`invalid Config.LocalName "a b": ' ' in the domain`},
		{"submit://smtp.example.com", submit.Config{TLS: &tls.Config{MaxVersion: tls.VersionTLS11}},
			`invalid Config.TLS.MaxVersion "TLS 1.1": TLS 1.2 is the least that is spoken (RFC 8997)`},
	} {
		n, err := negotiate.Open(test.url, test.config)
		require.Nil(t, n)
		require.EqualError(t, err, test.says)
		require.ErrorIs(t, err, submit.ErrInvalid)
	}
}

// One variable, and the message is there.
func TestOpenSubmits(t *testing.T) {
	const userinfo = "me@example.com:a%2Fb%20%C3%A4@"
	for _, test := range []struct {
		url      string
		endpoint string
	}{
		{"submit://" + userinfo + "mail.example.com", "submissions://mail.example.com:465"},
		{"submit://" + userinfo + "mail.example.com?prefer=starttls", "submission://mail.example.com:587"},
		{"submit://" + userinfo + "mail.example.com:587?head-start=until-failure", "submission://mail.example.com:587"},
		{"submissions://" + userinfo + "mail.example.com", "submissions://mail.example.com:465"},
		{"submission://" + userinfo + "mail.example.com?local-name=client.example.com", "submission://mail.example.com:587"},
		{"submission://" + userinfo + "127.0.0.1", "submission://127.0.0.1:587"},
		{"submissions://" + userinfo + "[::1]", "submissions://[::1]:465"},
	} {
		t.Run(test.url, func(t *testing.T) {
			server := submittest.NewUnstartedServer(t)
			server.Users = map[string]string{"me@example.com": "a/b ä"}
			require.NoError(t, server.Start())
			t.Setenv("SUBMIT_URL", test.url)

			n, err := negotiate.Open(os.Getenv("SUBMIT_URL"), server.Config())
			require.NoError(t, err)
			n.Policy.HeadStart = -1 // how busy this machine is must not decide
			receipt, err := submit.Send(t.Context(), n, "me@example.com", []string{"you@example.net"}, []byte("Subject: Hello\r\n\r\nHello!\r\n"))
			require.NoError(t, err)
			require.Equal(t, test.endpoint, receipt.Endpoint.String())
			require.Len(t, server.Messages(), 1)
		})
	}
}

// Promise 1, and what fail closed means: one transport, or nothing, on whatever
// port the URL says. No other is tried, and no password is shown.
func TestOpenFailsClosed(t *testing.T) {
	for _, test := range []struct {
		url   string
		fault submittest.Fault
		other string // which must not be dialled
	}{
		{"submissions://me:sesame@mail.example.com", submittest.Fault{Service: submit.Submissions, Phase: submit.PhaseConnect, Do: submittest.Refuse}, submit.Submission},
		{"submission://me:sesame@mail.example.com", submittest.Fault{Service: submit.Submission, Phase: submit.PhaseConnect, Do: submittest.Refuse}, submit.Submissions},
		{"submission://me:sesame@mail.example.com", submittest.Fault{Service: submit.Submission, Phase: submit.PhaseHello, Do: submittest.Strip, Text: "STARTTLS"}, submit.Submissions},
		{url: "submissions://me:sesame@mail.example.com:587", other: submit.Submissions}, // speaks SMTP
	} {
		t.Run(test.url, func(t *testing.T) {
			server := submittest.NewUnstartedServer(t)
			server.Users = map[string]string{"me": "sesame"}
			require.NoError(t, server.Start())
			if test.fault.Do != 0 {
				server.SetFaults(test.fault)
			}
			n, err := negotiate.Open(test.url, server.Config())
			require.NoError(t, err)
			_, err = submit.Send(t.Context(), n, "me@example.com", []string{"you@example.net"}, []byte("Subject: Hello\r\n\r\nHello!\r\n"))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "sesame")
			require.Zero(t, server.Connections(test.other))
			require.Zero(t, server.Attempts(""))
			require.Empty(t, server.Messages())
		})
	}
}

// printed is all that a value can be made to show.
func printed(v any) string {
	var all bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&all, verb+"\n", v)
	}
	slog.New(slog.NewTextHandler(&all, nil)).Info("", "value", v)
	slog.New(slog.NewJSONHandler(&all, nil)).Info("", "value", v)
	encoded, err := json.Marshal(v)
	fmt.Fprintf(&all, "%s %v\n", encoded, err)
	return all.String()
}

// core is in every password that FuzzOpen tries, and in nothing else.
const core = "SeSaMeOpEn"

func mustNotShow(t *testing.T, v any) {
	t.Helper()
	all := printed(v)
	require.NotContains(t, all, core)
	require.NotContains(t, all, fmt.Sprintf("%x", core))
	require.NotContains(t, all, strings.Trim(fmt.Sprint([]byte(core)), "[]"))
}

var ofParameter = regexp.MustCompile(`^invalid URL: parameter \d+ `)

// reason is what an error says, but for the place of a parameter.
func reason(err error) string {
	return ofParameter.ReplaceAllString(err.Error(), "invalid URL: parameter N ")
}

// Promise 9: whatever stands around a password, and however it is torn apart
// where nothing is encoded, neither the error nor the Negotiator shows it. An
// error says only what it says of the URLs of refused too: nothing of a URL can be
// in it. An encoded password arrives as it was.
func FuzzOpen(f *testing.F) {
	added := 0 // of which the race detector sees a quarter
	add := func(scheme, user, before, after, host string) {
		if added++; !raced || added%4 == 0 {
			f.Add(scheme, user, before, after, host)
		}
	}
	for _, user := range []string{"me", "me@example.com", "", "m:e", "jürgen", "a/b", "me:1?local-name=x", "\x00", "%", "%40"} {
		for _, around := range []string{"", "/", "?", "#", "%", "@", ":", " ", "\n", "\x00", "+", "&", "[", "1/", "1?prefer=", "@host:1/", "ä", "\xff"} {
			add("submit", user, around, "", "smtp.example.com")
			add("submissions", user, "", around, "smtp.example.com:465")
			add("SUBMISSION", user, around, around, "[2001:db8::25]?local-name=client.example.com")
		}
	}
	for _, host := range []string{"", ":", "/", "@", "a@b", "?prefer=starttls", "h?local-name=x@y", "bücher.example", "b\u2028cher.example", "1:2:3", "h#"} {
		add("smtp", "me", "", "", host)
		add("submit", "me", "?prefer=", "", host)
		add("submit", "me", "1?local-name=", "", host)
	}
	reasons := make(map[string]bool)
	for _, says := range refused() {
		reasons[reason(errors.New("invalid URL: "+says))] = true
	}
	open := func(t *testing.T, rawURL string) (*negotiate.Negotiator, error) {
		n, err := negotiate.Open(rawURL, submit.Config{})
		if err == nil {
			require.NoError(t, n.Check())
			return n, nil
		}
		require.Nil(t, n)
		require.Contains(t, reasons, reason(err))
		mustNotShow(t, err)
		return nil, err
	}
	f.Fuzz(func(t *testing.T, scheme, user, before, after, host string) {
		if strings.Contains(scheme+user+host, core) {
			return // it is no secret then
		}
		password := before + core + after
		userinfo := url.UserPassword(user, password).String()
		for _, rawURL := range []string{
			scheme + "://" + user + ":" + password + "@" + host,
			scheme + "://" + userinfo + "@" + host,
			scheme + ":" + user + ":" + password + "@" + host,
		} {
			if n, err := open(t, rawURL); err == nil {
				mustNotShow(t, n)
			}
		}
		for _, rawURL := range []string{ // a part is missing, and what is there may be another URL
			user + ":" + password + "@" + host,
			scheme + "://" + user + ":" + password,
			scheme + "://" + password,
			password,
		} {
			_, _ = open(t, rawURL) // open has looked at the error
		}
		if user == "" {
			return
		}
		n, err := open(t, "submit://"+userinfo+"@smtp.example.com")
		require.NoError(t, err)
		mustNotShow(t, n)
		if gotUser, gotPassword, ok := login(t, n.Credentials); ok {
			require.Equal(t, user, gotUser)
			require.Equal(t, password, gotPassword)
		}
	})
}
