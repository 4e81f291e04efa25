package negotiate

import "time"

// DefaultHeadStart is how long a transport may try to connect before the next
// one joins; the Connection Attempt Delay of RFC 8305, section 5, with a margin.
const DefaultHeadStart = 300 * time.Millisecond

// A Policy says which transport is tried first, and when another may follow.
// The zero Policy is the one to use. Whatever it says, every transport is TLS
// with a verified certificate, and none follows one that showed a bad one.
type Policy struct {
	// Prefer is the transport to try first. The zero value is ImplicitTLS (RFC
	// 8314, section 3; RFC 9325, section 3.2).
	Prefer Mode

	// FailClosed uses the preferred transport or none.
	FailClosed bool

	// HeadStart is how long a transport may try alone before the next one joins:
	// to connect, and, since a healthy server takes about four more round trips
	// until it is ready, again for the rest or six times as long as connecting
	// took, whichever is longer. Zero means DefaultHeadStart; negative means to
	// wait until it failed, for as long as Config.Timeouts let it.
	HeadStart time.Duration

	// Remember is how long a choice stands: what won is tried first, and with a
	// head start of three times the connect time that it had then, if that is
	// longer than HeadStart. Zero means DefaultRemember; negative means to choose
	// afresh every time.
	Remember time.Duration
}

func (p Policy) headStart() time.Duration {
	if p.HeadStart == 0 {
		return DefaultHeadStart
	}
	return p.HeadStart
}

// rememberedHeadStart is that of a transport that took so long to connect when it
// won, name and dead addresses included. Nothing is that far away that it takes longer than ten seconds.
func (p Policy) rememberedHeadStart(connect time.Duration) time.Duration {
	return max(p.headStart(), min(3*connect, 10*time.Second))
}

func (p Policy) remember() time.Duration {
	if p.Remember == 0 {
		return DefaultRemember
	}
	return p.Remember
}

// readyWithin is the head start of a transport that took so long to connect.
func (p Policy) readyWithin(connect time.Duration) time.Duration {
	return max(p.headStart(), 6*connect)
}

// A Mode is how a connection becomes secure.
type Mode int

const (
	ImplicitTLS Mode = iota // TLS from the first byte: submissions, 465
	STARTTLS                // upgraded after a cleartext greeting: submission, 587
)

// String returns "implicit TLS" or "STARTTLS".
func (m Mode) String() string {
	if m == STARTTLS {
		return "STARTTLS"
	}
	return "implicit TLS"
}

// A verdict is what follows from a failure.
type verdict int

const (
	stop         verdict = iota // nothing may be tried after this
	nextImplicit                // only a transport with TLS from the start
	next                        // the next one
)

func (v verdict) String() string {
	return [...]string{stop: "stop", nextImplicit: "next, implicit TLS only", next: "next"}[v]
}

// may decides whether another transport may be tried after a failure. There is
// one rule: before authentication any failure lets the next one try, but for a
// sign of attack; from then on nothing does. The table in the package
// documentation says the same, row by row.
func may(p Policy, f failure) verdict {
	if p.FailClosed {
		return stop
	}
	switch f {
	case unreachable, speaksSMTP, otherService, expectsTLS, handshake, unwelcome, authNotOffered:
		return next
	case noSTARTTLS:
		return nextImplicit
	case noSuchName, certificate, injection, authRefused, transaction, ended, invalid:
		return stop
	}
	return stop // when in doubt, no
}
