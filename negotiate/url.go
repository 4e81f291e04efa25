package negotiate

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// Open returns a Negotiator for the server that a URL names, so that one
// environment variable is all the configuration there is:
//
//	server, err := negotiate.Open(os.Getenv("SUBMIT_URL"), submit.Config{})
//
// A URL is, in the notation of RFC 5234 with the parts of RFC 3986,
//
//	scheme "://" [user [":" password] "@"] host [":" port] ["/"] ["?" parameter *("&" parameter)]
//
// for example
//
//	submit://smtp.example.com                       465 with TLS, then 587 with STARTTLS
//	submit://me:sesame@smtp.example.com             as me, with the password sesame
//	submit://me@example.com:a%2Fb@smtp.example.com  as me@example.com, with the password a/b
//	submit://me@smtp.example.com                    as Config.Credentials say
//	submissions://smtp.example.com                  465 or nothing
//	submission://smtp.example.com                   587 or nothing
//	submit://smtp.example.com:2525                  port 2525, in both modes
//	submissions://[2001:db8::25]:2465               port 2465 of an address, TLS from the first byte
//	submit://smtp.example.com?prefer=starttls       587, then 465
//
// The scheme is the policy, in any case of letters:
//
//	submit       Policy{}
//	submissions  Policy{FailClosed: true}
//	submission   Policy{Prefer: STARTTLS, FailClosed: true}
//
// The host is a name, in any script, an IPv4 address, or an IPv6 address in
// square brackets. The port is [Negotiator].Port: 1 to 65535 and not 25; without
// one it is 465, 587, or both. It has no say in the mode:
// submissions://smtp.example.com:587 is TLS from the first byte on port 587, and
// works where a server does that.
//
// User name and password are percent-encoded as [url.UserPassword] does it; an @
// may stand as it is, and a plus is a plus. If there are both, they become
// [auth.Password], and c has no Credentials. If there is a user name alone, c has
// the Credentials, and the name is for those who read the URL. If there is
// neither, the Credentials are those of c, and nil means not to authenticate. An
// empty user name or password is an error.
//
// The parameters, each at most once:
//
//	prefer      implicit-tls (the default) or starttls: Policy.Prefer
//	head-start  a time such as 500ms, or until-failure: Policy.HeadStart
//	remember    a time such as 10m, or never: Policy.Remember
//	local-name  a domain name or an address literal: Config.LocalName, which is then empty in c
//
// The first three are for submit alone, where there is a choice. Times are as
// [time.ParseDuration] takes them, and above zero. What is not described here is
// an error: another parameter, one without a value, a path, a fragment. No URL
// means cleartext, or to go on after a bad certificate.
//
// The error is a [*submit.InvalidError]. Of the URL it shows a scheme and the
// name of a parameter, where they are well known, and nothing else: a password
// whose slash is not encoded reads as a port and a path, or as a host. (The errors
// of [url.Parse] do show it: do not print them.) The Negotiator does not show the
// password either, however it is printed.
//
// # Who can read the URL
//
// An environment variable can be read by whoever may look into the process or at
// what started it (/proc/PID/environ, the settings of a service or a container),
// and is inherited by the programs it runs; an argument can be read by every user
// of the machine. To keep the password elsewhere, leave it out of the URL:
//
//	password, err := os.ReadFile("/run/secrets/smtp")
//	...
//	server, err := negotiate.Open("submit://me@example.com@smtp.example.com", submit.Config{
//		Credentials: auth.Password("me@example.com", strings.TrimSuffix(string(password), "\n")),
//	})
//
// If the user name is to come from the URL as well, [url.Parse] finds it, in
// User.Username.
func Open(rawURL string, c submit.Config) (*Negotiator, error) {
	u, err := splitURL(rawURL)
	if err != nil {
		return nil, err
	}
	n := &Negotiator{Policy: u.policy(), Config: c}
	if n.Host, n.Port, err = u.server(); err != nil {
		return nil, err
	}
	if n.Credentials, err = u.credentials(c.Credentials); err != nil {
		return nil, err
	}
	if err := u.parameters(n); err != nil {
		return nil, err
	}
	if err := n.Check(); err != nil {
		return nil, u.unquoted(err, c)
	}
	return n, nil
}

// errURL is all that is said of a URL. The reason must not quote it: where a
// password is not encoded, any part of the URL may be a part of the password.
func errURL(reason string) error { return &submit.InvalidError{Field: "URL", Reason: reason} }

const (
	schemeSubmit      = "submit"
	schemeSubmissions = submit.Submissions
	schemeSubmission  = submit.Submission
)

// A submitURL is a URL in pieces, none of which is decoded.
type submitURL struct {
	scheme   string // one of the three
	userinfo string
	hasUser  bool // there is an @
	hostport string
	query    string
	hasQuery bool // there is a ?
}

// splitURL finds the pieces.
func splitURL(rawURL string) (*submitURL, error) {
	if rawURL == "" {
		return nil, errURL("is empty; is the variable set that it comes from?")
	}
	if strings.ContainsFunc(rawURL, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, errURL("has a space, a line end or a control character in it; in a user name or password a space is %20")
	}
	scheme, rest, _ := strings.Cut(rawURL, ":")
	scheme = strings.ToLower(scheme)
	if err := checkScheme(scheme); err != nil {
		return nil, err
	}
	rest, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return nil, errURL("has no // after " + scheme + ":")
	}
	end := strings.IndexAny(rest+"/", "/?#")
	authority, after := rest[:end], rest[end:]
	if err := checkAfterAuthority(after); err != nil {
		return nil, err
	}
	at := strings.LastIndex(authority, "@")
	u := &submitURL{scheme: scheme, hasUser: at >= 0, userinfo: authority[:max(at, 0)], hostport: authority[at+1:]}
	_, u.query, u.hasQuery = strings.Cut(after, "?")
	return u, nil
}

// checkAfterAuthority looks at what comes after the authority before anything is taken
// for what it seems to be. A password that is torn apart leaves its @ there,
// where no valid URL has one.
func checkAfterAuthority(rest string) error {
	path, _, _ := strings.Cut(rest, "?")
	switch {
	case strings.Contains(rest, "@"):
		return errURL("has an @ behind the host; in a user name or password / is %2F, ? is %3F and # is %23")
	case strings.Contains(rest, "#"):
		return errURL("has a fragment; in a user name or password # is %23")
	case path != "" && path != "/":
		return errURL("has a path; in a user name or password / is %2F")
	}
	return nil
}

// checkScheme knows what other programs call the same things.
func checkScheme(scheme string) error {
	instead := func(text string) error { return errURL("scheme " + scheme + " is not known here; " + text) }
	switch scheme {
	case schemeSubmit, schemeSubmissions, schemeSubmission:
		return nil
	case "smtp", "smtp+tls":
		return instead("submit:// finds out which TLS there is, submission:// is STARTTLS or nothing")
	case "smtps", "smtp+ssl", "ssl", "tls":
		return instead("submissions:// is TLS from the first byte or nothing, submit:// finds out")
	case "smtp+starttls", "starttls":
		return instead("submission:// is STARTTLS or nothing, submit:// finds out")
	}
	return errURL("begins with none of submit://, submissions:// and submission://")
}

func (u *submitURL) policy() Policy {
	switch u.scheme {
	case schemeSubmissions:
		return Policy{FailClosed: true}
	case schemeSubmission:
		return Policy{Prefer: STARTTLS, FailClosed: true}
	}
	return Policy{}
}

const noHost = "names no host that could be: a domain name, an IPv4 address or an IPv6 address in square brackets, then a colon and a number for a port"

// server returns the host, without brackets, and the port or 0.
func (u *submitURL) server() (host string, port int, err error) {
	parsed, err := url.Parse("submit://" + u.hostport)
	if err != nil {
		return "", 0, errURL(noHost) // and not err, which quotes
	}
	host = parsed.Hostname()
	switch {
	case strings.Contains(host, ":") != strings.HasPrefix(u.hostport, "["):
		return "", 0, errURL(noHost) // without brackets the end of an IPv6 address would be the port
	case host == "":
		return "", 0, errURL("has no host")
	case strings.HasSuffix(u.hostport, ":"):
		return "", 0, errURL("has a colon after the host and no port; is the variable set that it comes from?")
	case !utf8.ValidString(host):
		return "", 0, errURL(noHost)
	}
	if host, err = asciiHost("URL", host); err != nil {
		return "", 0, errURL(noHost)
	}
	port, err = portNumber(parsed.Port())
	return host, port, err
}

// portNumber returns 0 for no port. The text is digits, or empty.
func portNumber(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil || port == 0:
		return 0, errURL("has a port that is not between 1 and 65535")
	case port == 25:
		return 0, errURL("has port 25, which is for relays, not for submission (RFC 6409, section 3.1)")
	}
	return int(port), nil
}

// credentials are those of the URL or those of the caller.
func (u *submitURL) credentials(given auth.Credentials) (auth.Credentials, error) {
	if !u.hasUser {
		return given, nil
	}
	parsed, err := url.Parse("submit://" + u.userinfo + "@host")
	if err != nil {
		return nil, errURL("has a character in the user name or the password that must be percent-encoded, as % is %25")
	}
	user := parsed.User.Username()
	password, hasPassword := parsed.User.Password()
	switch {
	case user == "":
		return nil, errURL("has an empty user name; is the variable set that it comes from?")
	case !hasPassword && given == nil:
		return nil, errURL("has a user name and no password, and there are no Config.Credentials")
	case !hasPassword:
		return given, nil
	case password == "":
		return nil, errURL("has an empty password; is the variable set that it comes from?")
	case given != nil:
		return nil, errURL("has a password, and there are Config.Credentials; which of them?")
	}
	return auth.Password(user, password), nil
}

// The parameters there are.
const (
	paramPrefer    = "prefer"
	paramHeadStart = "head-start"
	paramRemember  = "remember"
	paramLocalName = "local-name"
)

// parameters gives n what the query says.
func (u *submitURL) parameters(n *Negotiator) error {
	if !u.hasQuery {
		return nil
	}
	seen := make(map[string]bool)
	for i, text := range strings.Split(u.query, "&") {
		name, value, _ := strings.Cut(text, "=")
		if !slices.Contains([]string{paramPrefer, paramHeadStart, paramRemember, paramLocalName}, name) {
			return errURL(fmt.Sprintf("parameter %d is none of prefer, head-start, remember and local-name", i+1))
		}
		if seen[name] {
			return errURL("parameter " + name + " stands twice")
		}
		seen[name] = true
		if name != paramLocalName && n.Policy.FailClosed {
			return errURL("parameter " + name + " is for submit:// alone: with " + u.scheme + ":// there is no choice")
		}
		value, err := url.PathUnescape(value)
		if err != nil || value == "" {
			return errURL("parameter " + name + " has no value, or one that is not percent-encoded as it should be")
		}
		if err := n.setParameter(name, value); err != nil {
			return err
		}
	}
	return nil
}

// setParameter leaves it to Check whether a local name is one.
func (n *Negotiator) setParameter(name, value string) (err error) {
	switch name {
	case paramPrefer:
		n.Policy.Prefer, err = parseMode(value)
	case paramHeadStart:
		n.Policy.HeadStart, err = parseTime(name, value, "until-failure")
	case paramRemember:
		n.Policy.Remember, err = parseTime(name, value, "never")
	case paramLocalName:
		if n.LocalName != "" {
			return errURL("has parameter local-name, and there is a Config.LocalName; which of them?")
		}
		n.LocalName = value
	}
	return err
}

func parseMode(value string) (Mode, error) {
	switch value {
	case "implicit-tls":
		return ImplicitTLS, nil
	case "starttls":
		return STARTTLS, nil
	}
	return 0, errURL("parameter prefer is neither implicit-tls nor starttls")
}

// parseTime returns a negative time for a word. Zero would mean the default,
// which is hardly what it says.
func parseTime(name, value, word string) (time.Duration, error) {
	if value == word {
		return -1, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return 0, errURL("parameter " + name + " is neither a time above zero, such as 1.5s or 10m, nor " + word)
	}
	return d, nil
}

// unquoted is what Check found, without the value where that is the URL's.
func (u *submitURL) unquoted(err error, c submit.Config) error {
	var invalid *submit.InvalidError
	switch {
	case !errors.As(err, &invalid), !strings.HasPrefix(invalid.Field, "Config."):
		return errURL(noHost)
	case invalid.Field == "Config.LocalName" && c.LocalName == "":
		return errURL("parameter local-name is neither a domain name nor an address literal")
	}
	return err
}
