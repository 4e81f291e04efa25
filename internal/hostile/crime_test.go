package hostile

import (
	"context"
	"crypto/tls"
	"strings"
	"time"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// A crime is what a server does, and what must come of it.
type crime struct {
	row
	setting
}

// A row is a crime as it stands in a table.
type row struct {
	name string
	on   ports
	does does
	want want
}

// usual are crimes in the usual setting.
func usual(rows ...row) []crime { return under(setting{}, rows...) }

// under are crimes in a setting.
func under(s setting, rows ...row) []crime {
	crimes := make([]crime, len(rows))
	for i, r := range rows {
		crimes[i] = crime{r, s}
	}
	return crimes
}

// Ports are where a crime makes sense.
type ports int

const (
	on465 ports = 1 << iota
	on587
	onBoth = on465 | on587
)

// services are those of p, each for itself.
func (p ports) services() (list []string) {
	if p&on465 != 0 {
		list = append(list, submit.Submissions)
	}
	if p&on587 != 0 {
		list = append(list, submit.Submission)
	}
	return list
}

// A setting is what else there is to a crime. The zero setting is the usual one.
type setting struct {
	host        string           // what is dialled
	offers      []string         // in the reply to EHLO
	shows       *tls.Certificate // in place of the right one
	trusted     bool             // for there is nothing wrong with it
	tls         func(*tls.Config)
	credentials func() auth.Credentials
	message     func(*submit.Message)
	client      client
	garbled     bool // it says more than one thing, of which the first counts
	kind        kind // how much of it is played
	logins      int  // that are allowed, of each connection; 0: 1
	messages    int  // that are sent; 0: 1
	connections int  // that may see a login; 0: 1
}

// A kind says how alike the crimes of a table are.
type kind int

const (
	oneOfAll   kind = iota // it is played alone, and in one more way, another one each time
	oneOfAKind             // in every way that there is
	oneOfMany              // alone
)

// A client does what is to be done to the servers of a trial.
type client func(ctx context.Context, t submit.Transport) (*submit.Receipt, error)

const (
	usualHost = "smtp.example.com"
	user      = "me@example.com"
	friend    = "you@example.net"
	password  = "tanstaaf, tanstaafl"
	token     = "tanstaaft.a-token.4711"
	marker    = "nobody else's business"
)

// usualOffers are the extensions of a good server.
var usualOffers = [...]string{"PIPELINING", "8BITMIME", "AUTH PLAIN LOGIN"}

func (s setting) usualHost() string {
	if s.host == "" {
		return usualHost
	}
	return s.host
}

func (s setting) usualOffers() []string {
	if s.offers == nil {
		return usualOffers[:]
	}
	return s.offers
}

func (s setting) usualCredentials() auth.Credentials {
	if s.credentials == nil {
		return auth.Password(user, password)
	}
	return s.credentials()
}

// letter is the message that is sent.
func (s setting) letter() submit.Message {
	m := submit.Message{From: user, To: []string{friend}, Body: strings.NewReader(body)}
	if s.message != nil {
		s.message(&m)
	}
	return m
}

const body = "From: me@example.com\r\nSubject: a matter of trust\r\n\r\nThis is " + marker + ".\r\n"

// A want is what must come of a crime where no other port is tried.
type want struct {
	outcome outcome
	other   other        // may be tried
	phase   submit.Phase // in which it fails
	means   []error      // sentinels that the error matches
	takes   time.Duration

	upgraded bool // after STARTTLS it is an injection
	unsent   bool // the end of the message was not sent
}

// An outcome is one of three.
type outcome int

const (
	failure outcome = iota
	receipt
	doubt
)

// Other says what may follow a failure.
type other int

const (
	stops        other = iota // nothing
	implicitOnly              // a port with TLS from the first octet
	goesOn                    // any other port
)

// Phases that depend on the port.
const (
	firstOverTLS submit.Phase = -1 - iota // the greeting, or EHLO again
	helloOverTLS                          // EHLO, or EHLO again
)

// at is w for a service.
func (w want) at(service string) want {
	switch {
	case w.upgraded && service == submit.Submission:
		return fails(stops, w.phase, submit.ErrInjection, submit.ErrInsecure)
	case w.phase >= 0:
	case service == submit.Submission:
		w.phase = submit.PhaseHelloAgain
	case w.phase == firstOverTLS:
		w.phase = submit.PhaseGreeting
	default:
		w.phase = submit.PhaseHello
	}
	return w
}

// injected is w, but where STARTTLS was said: what comes in cleartext then has been
// put there.
func (w want) injected() want {
	w.upgraded = true
	return w
}

// fails is an error in a phase.
func fails(o other, phase submit.Phase, means ...error) want {
	return want{other: o, phase: phase, means: means}
}

// taken is a receipt.
func taken() want { return want{outcome: receipt} }

// doubtful is an outcome that is uncertain.
func doubtful() want {
	return want{outcome: doubt, phase: submit.PhaseVerdict, means: []error{submit.ErrUncertain}}
}

// in is w, after so long. Without, it takes less than a second.
func (w want) in(d time.Duration) want {
	w.takes = d
	return w
}

// withoutEnd is w, and nobody has heard the end of the message.
func (w want) withoutEnd() want {
	w.unsent = true
	return w
}

// slow reports whether the other port, if that is a good one, is ready before.
func (w want) slow() bool { return w.takes > 0 && w.phase < submit.PhaseAuth && w.outcome == failure }
