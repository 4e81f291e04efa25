package negotiate_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// probed is the report of a probe in virtual time, of a server 100 ms away.
func probed(t *testing.T, setUp func(*place)) *negotiate.Report {
	t.Helper()
	p := newPlace(t, 100*ms)
	if setUp != nil {
		setUp(p)
	}
	report, _ := p.negotiator(negotiate.Policy{}).Probe(t.Context())
	require.NotNil(t, report)
	for i := range report.Attempts { // which suite it is depends on the processor
		if a := &report.Attempts[i]; a.TLS != nil {
			state := *a.TLS
			state.CipherSuite = tls.TLS_AES_128_GCM_SHA256
			a.TLS = &state
		}
	}
	return report
}

func page(t *testing.T, r *negotiate.Report, terminal negotiate.Terminal) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, r.Print(&b, terminal))
	return b.String()
}

// sameAsFile compares got with a file, or writes it.
func sameAsFile(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "report", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run the test with -update, and read the difference")
}

func refuse465(p *place) { p.Refuse(at465) }

// What a person sees, in what there is to see it with.
func TestReportOnATerminal(t *testing.T) {
	for _, test := range []struct {
		file     string
		setUp    func(*place)
		terminal negotiate.Terminal
	}{
		{"healthy.txt", nil, negotiate.Terminal{}},
		{"healthy-narrow.txt", nil, negotiate.Terminal{Width: 1, Unicode: true}},
		{"healthy-wide.txt", nil, negotiate.Terminal{Width: 1000, Unicode: true}},
		{"refused.txt", refuse465, negotiate.Terminal{}},
		{"refused-colour.txt", refuse465, negotiate.Terminal{Width: 72, Color: true}},
	} {
		t.Run(test.file, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sameAsFile(t, test.file, page(t, probed(t, test.setUp), test.terminal))
			})
		})
	}
}

// What a program reads.
func TestReportAsJSON(t *testing.T) {
	for file, setUp := range map[string]func(*place){"healthy.json": nil, "refused.json": refuse465} {
		synctest.Test(t, func(t *testing.T) {
			data, err := json.MarshalIndent(probed(t, setUp), "", "\t")
			require.NoError(t, err)
			sameAsFile(t, file, string(data)+"\n")
			readBack(t, data)
		})
	}
}

// A jsonReport is the schema that the documentation promises, once more.
type jsonReport struct {
	Probe     bool
	Diagnosis string
	Chosen    string
	Took      float64 `json:"took_ms"`
	Attempts  []struct {
		Endpoint, Address, Outcome, Phase string
		Began                             float64  `json:"began_ms"`
		Took                              float64  `json:"took_ms"`
		TLS                               string   `json:"tls"`
		Names                             []string `json:"certificate_names"`
		Error                             string
		Works, Authenticated              bool
		Diagnosis                         string
		Steps                             []struct {
			Phase string
			Began float64 `json:"began_ms"`
			Took  float64 `json:"took_ms"`
			Error string
		}
		Cipher     string    `json:"cipher_suite"`
		Issuer     string    `json:"certificate_issuer"`
		NotBefore  time.Time `json:"certificate_not_before"`
		NotAfter   time.Time `json:"certificate_not_after"`
		Extensions []string
		InClear    bool `json:"extensions_in_clear"`
		Mechanisms []string
		MaxSize    int64          `json:"max_size"`
		LeftOut    map[string]int `json:"left_out"`
	}
}

func readBack(t *testing.T, data []byte) (r jsonReport) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&r))
	return r
}

func jsonOf(t *testing.T, r *negotiate.Report) (string, jsonReport) {
	t.Helper()
	data, err := json.Marshal(r)
	require.NoError(t, err)
	return string(data), readBack(t, data)
}

func logOf(r *negotiate.Report) string {
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("probed", "report", r)
	return b.String()
}

// A log gets one record, with the steps in a group of their own.
func TestReportInALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var record struct {
			Report struct {
				Diagnosis, Chosen  string
				Attempt1, Attempt2 struct {
					Endpoint, Outcome, Address, TLS, Mechanisms, Error string
					Until                                              string `json:"certificate_until"`
					Steps                                              map[string]time.Duration
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(logOf(probed(t, refuse465))), &record))
		r := record.Report
		require.Equal(t, "submission://mail.example.com:587", r.Chosen)
		require.Equal(t, map[string]time.Duration{"connect": 100 * ms}, r.Attempt1.Steps)
		require.Equal(t, "submissions://mail.example.com:465: connect: connection refused (198.51.100.1:465)", r.Attempt1.Error)
		require.Equal(t, map[string]time.Duration{"connect": 100 * ms, "greeting": 100 * ms, "hello": 100 * ms,
			"starttls": 100 * ms, "handshake": 100 * ms, "hello_again": 100 * ms}, r.Attempt2.Steps)
		require.Equal(t, "2100-01-01", r.Attempt2.Until)
		require.Equal(t, "PLAIN LOGIN", r.Attempt2.Mechanisms)
		require.Equal(t, "TLS 1.3", r.Attempt2.TLS)
		require.Empty(t, r.Attempt2.Error)
	})
}

// A certificate that was refused is the one that an operator wants to see.
func TestReportShowsARefusedCertificate(t *testing.T) {
	for do, says := range map[submittest.Action]string{
		submittest.WrongName: "26[0-9]+ days left|36[0-9]+ days left",
		submittest.Expired:   `valid +1999-01-01 to 1999-12-31, EXPIRED 1 day ago`,
		submittest.Untrusted: "issued by",
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Hour) // of the first day of 2000
			r := probed(t, fault(submit.Submissions, submit.PhaseHandshake, do))
			text := page(t, r, negotiate.Terminal{})
			require.Regexp(t, says, text)
			require.Regexp(t, "submissions://mail.example.com:465  fails, decides  -", text)
			require.Regexp(t, "submission://mail.example.com:587   works, unused   1.3", text)
			require.Contains(t, text, "then the next port is no safer")
			require.Contains(t, text, "\n! handshake ")
			_, read := jsonOf(t, r)
			refused := read.Attempts[0]
			require.False(t, refused.Works)
			require.NotEmpty(t, refused.Names)
			require.NotEmpty(t, refused.Issuer)
			require.False(t, refused.NotAfter.IsZero())
			require.True(t, read.Attempts[1].Works)
		})
	}
}

// Who reads that a certificate expires has some days left to do something.
func TestReportWarnsOfDates(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		from, until time.Duration
		says        string
	}{
		{-time.Hour, 15*24*time.Hour + time.Hour, ", 15 days left"},
		{-time.Hour, 14*24*time.Hour + time.Hour, ", 14 days left"},
		{-time.Hour, 13*24*time.Hour + time.Hour, ", EXPIRES in 13 days"},
		{-time.Hour, 24*time.Hour + time.Hour, ", EXPIRES in 1 day\n"},
		{-time.Hour, -49 * time.Hour, ", EXPIRED 2 days ago"},
		{time.Hour, 48 * time.Hour, ", NOT YET VALID"},
	} {
		r := &negotiate.Report{Attempts: []negotiate.Attempt{{Outcome: negotiate.Won, TLS: &tls.ConnectionState{
			PeerCertificates: []*x509.Certificate{{NotBefore: now.Add(test.from), NotAfter: now.Add(test.until)}}}}}}
		require.Contains(t, page(t, r, negotiate.Terminal{}), test.says)
		require.Contains(t, page(t, r, negotiate.Terminal{}), "for no host")
	}
}

// What a server said before TLS is not what it offers (RFC 3207, section 4.2).
func TestReportTellsCleartextFromOffers(t *testing.T) {
	for phase, do := range map[submit.Phase]submittest.Action{
		submit.PhaseHello: submittest.Strip, submit.PhaseHandshake: submittest.WrongName, submit.PhaseHelloAgain: submittest.Refuse,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := probed(t, fault(submit.Submission, phase, do))
			require.Regexp(t, `EHLO +in cleartext, and not to be believed:`, page(t, r, negotiate.Terminal{}))
			_, read := jsonOf(t, r)
			i := 1
			require.True(t, read.Attempts[i].InClear)
			require.NotEmpty(t, read.Attempts[i].Extensions)
			require.Empty(t, read.Attempts[i].Mechanisms)
			require.False(t, read.Attempts[1-i].InClear)
			require.NotEmpty(t, read.Attempts[1-i].Mechanisms)
		})
	}
}

// A negotiation's report has the words of one.
func TestReportOfANegotiation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, 100*ms)
		p.BlackHole(at465)
		_, err := p.dial(t, negotiate.Policy{})
		require.NoError(t, err)
		text := page(t, p.report, negotiate.Terminal{})
		require.Regexp(t, `\n  submissions://mail.example.com:465  not awaited  - +900ms`, text)
		require.Regexp(t, `\n  submission://mail.example.com:587   used         1.3 +600ms`, text)
		data, read := jsonOf(t, p.report)
		require.False(t, read.Probe)
		require.Contains(t, data, "steps")

		p.Restore(at465)
		_, err = p.dial(t, negotiate.Policy{HeadStart: -1})
		require.NoError(t, err)
		require.Regexp(t, `587   not tried  - +-  -`, page(t, p.report, negotiate.Terminal{}))
	})
}

const badText = "x\x1b[31m\r\n\t\x00\x7f\u009b2J\u202egro\u2028\u200b\xff\xfeü中é\u0301…"

// hostileReport has bad text wherever somebody else has a word in it.
func hostileReport(t *testing.T) *negotiate.Report {
	r := probed(t, nil)
	c := &x509.Certificate{DNSNames: []string{badText, "b" + badText}, NotAfter: time.Now(),
		Issuer: pkix.Name{CommonName: badText, Organization: []string{badText}}}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		a.Address = badText + ":465"
		a.Extensions = []string{"AUTH PLAIN " + badText, "SIZE 10", badText}
		a.TLS = &tls.ConnectionState{Version: tls.VersionTLS12, PeerCertificates: []*x509.Certificate{c}}
	}
	bad := errors.New(badText)
	r.Attempts[1].Outcome, r.Attempts[1].Err = negotiate.Failed, bad
	r.Attempts[1].Steps[0].Err = bad
	r.Attempts = append(r.Attempts, negotiate.Attempt{Outcome: negotiate.Fatal, Err: bad,
		Endpoint: submit.Endpoint{Service: badText, Host: badText, Port: 1}})
	return r
}

// A server, its certificate, or a transport of the caller's own can put nothing
// into a report that ends a line, moves a cursor, or hides.
func TestHostileTextIsLegible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := hostileReport(t)
		ascii := func(s string) {
			t.Helper()
			for _, c := range s {
				require.True(t, c == '\n' || ' ' <= c && c <= '~', "%q in %q", c, s)
			}
			require.Contains(t, s, `x\x1b[31m\r\n\t\x00\x7f\u009b2J\u202egro\u2028\u200b\xff\xfe\u00fc\u4e2d\u00e9\u0301...`)
		}
		ascii(r.String())
		require.Equal(t, len(r.Attempts), strings.Count(r.String(), "\n"), "a line for each")
		wide := page(t, r, negotiate.Terminal{Width: 120})
		ascii(wide)

		for width := range 130 {
			for _, terminal := range []negotiate.Terminal{{Width: width}, {Width: width, Unicode: true}, {Width: width, Unicode: true, Color: true}} {
				text := page(t, r, terminal)
				require.True(t, utf8.ValidString(text))
				if terminal.Color {
					text = withoutColour(text)
				}
				for _, not := range []string{"\x1b", "\r", "\t", "\x00", "\x7f", "\u009b", "\u202e", "\u2028", "\u200b", "中", "\u0301"} {
					if strings.Contains(text, not) {
						require.NotContains(t, text, not, "%+v", terminal)
					}
				}
				for line := range strings.Lines(text) {
					fits := max(width, 40)
					if width == 0 {
						fits = 80
					}
					line = strings.TrimSuffix(line, "\n")
					if utf8.RuneCountInString(line) > fits {
						t.Fatalf("%q, %+v", line, terminal)
					}
					if !terminal.Color && strings.HasSuffix(line, " ") {
						t.Fatalf("%q, %+v", line, terminal)
					}
				}
			}
		}
		require.Contains(t, page(t, r, negotiate.Terminal{Width: 120, Unicode: true}), "ü")

		data, _ := jsonOf(t, r)
		for _, text := range []string{r.Diagnosis(), data, logOf(r)} {
			for _, not := range []string{"\x1b", `\u001b`, "\r", "\x7f", "\u009b", "\u202e", "\u2028", "\u200b"} {
				require.NotContains(t, strings.TrimSpace(text), not)
			}
		}
		require.NotContains(t, r.Diagnosis(), "\n")
	})
}

// Also where it is short enough for a table, and where nothing was chosen.
func TestShortHostileTextIsLegible(t *testing.T) {
	r := &negotiate.Report{Attempts: []negotiate.Attempt{{Outcome: negotiate.Failed, Err: errors.New("\x1b"), Address: "\x1b:1",
		Endpoint: submit.Endpoint{Service: "s", Host: "\x1b", Port: 1}}}}
	require.Regexp(t, `  s://\\x1b:1  fails   -    0.0ms  \\x1b:1\n`, page(t, r, negotiate.Terminal{}))
	for _, text := range []string{page(t, r, negotiate.Terminal{}), r.Diagnosis(), r.String()} {
		require.NotContains(t, text, "\x1b")
	}
}

// withoutColour takes the colours away that a page may have.
func withoutColour(s string) string {
	for _, n := range []int{0, 1, 2, 31, 32, 33} {
		s = strings.ReplaceAll(s, fmt.Sprintf("\x1b[%dm", n), "")
	}
	return s
}

// Colour is more than plain text, and nothing else.
func TestColourChangesNoText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := probed(t, refuse465)
		plain, coloured := page(t, r, negotiate.Terminal{}), page(t, r, negotiate.Terminal{Color: true})
		require.NotEqual(t, plain, coloured)
		require.Equal(t, plain, withoutColour(coloured))
	})
}

// Promise 9: no form of a report has a secret, whatever the outcome.
func TestReportHasNoSecrets(t *testing.T) {
	const secret = "Xyzzy-4711-plugh"
	for _, known := range []string{secret, "another"} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlaceOf(t, 100*ms, known)
			n := p.negotiator(negotiate.Policy{})
			n.Credentials = auth.Password(user, secret)
			r, err := n.ProbeAuth(t.Context())
			require.Equal(t, known == secret, err == nil)
			require.Equal(t, 1, p.server.Attempts(""))
			data, _ := jsonOf(t, r)
			for _, text := range []string{r.String(), r.Diagnosis(), data, logOf(r), page(t, r, negotiate.Terminal{}),
				fmt.Sprint(err), fmt.Sprintf("%v %+v %#v", r, r, r)} {
				require.NotContains(t, text, secret)
				require.NotContains(t, text, "AFh5enp5LTQ3MTE", "in base64") // NUL, and how the password begins
			}
		})
	}
}

// The error of who is written to is returned.
func TestPrintReturnsWriteErrors(t *testing.T) {
	full := errors.New("no space left on device")
	reader, w := io.Pipe()
	reader.CloseWithError(full)
	require.ErrorIs(t, (&negotiate.Report{}).Print(w, negotiate.Terminal{}), full)
}

// The README shows a report as it is.
func TestReadmeShowsAReport(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	report, err := os.ReadFile("testdata/report/refused.txt")
	require.NoError(t, err)
	require.True(t, strings.Contains(string(readme), "```\n"+string(report)+"```\n"), "the README has another report than %s", report)
}
