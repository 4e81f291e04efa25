//go:build interop && linux

package interop

import (
	"io/fs"
	"strings"

	"github.com/mailport/mailport/submit"
)

// A kind is a sort of server: how it is run, and what it is known to offer and to
// do. That is held against the server, so that a version that does otherwise is
// noticed.
type kind struct {
	name    string
	parts   []string       // names, and the packages whose versions they have: Postfix, postfix
	trees   []string       // below testdata
	values  map[string]any // for their templates
	prepare []string       // commands in the box, once
	start   string
	stop    string                 // in good order
	queue   []string               // folders of what has been taken and not been delivered
	whole   func(fs.FileInfo) bool // whether a file there is that, or was not finished before a crash

	mechanisms map[string][]string // that are offered, sorted; by the beginning of the names of two ports
	extensions []string            // of those that are tried
	oddities   map[string]oddity   // by the names of bodies
	limits     []bound

	// mistakenFor is what implicit TLS fails with at the port that wants STARTTLS.
	// Most servers greet, and so does Postfix, unless the client has spoken first:
	// then it refuses. Either may be.
	mistakenFor []error

	// dies is of a server that ends a session where RCPT stands behind the end of a
	// message, by DATA: Dovecot 2.4.1 has an assertion that fails. So messages that
	// go together may be in doubt.
	dies bool

	// tears is of a server whose mailboxes get a part of a message when it dies:
	// OpenSMTPD's mail.maildir takes that for the end. The whole comes later.
	tears bool

	// vague is what a server says of a message that may have been taken all the same,
	// though RFC 5321, section 4.2.5, forbids: Dovecot relays, and when it has lost the
	// server behind it, it does not know what that has done with the message.
	vague string

	soak int // messages while it is stopped and started
}

// addPasswords makes the database of Cyrus SASL.
const addPasswords = `for u in '` + user + `' '` + odd + `'; do printf %s '` + password + `' | saslpasswd2 -p -c -u example.com "${u%@*}" || exit; done`

const (
	startDovecot = "rm -f /run/dovecot/master.pid; dovecot -F >/dev/null 2>&1 & echo $! >/run/dovecot.pid"
	stopDovecot  = "kill $(cat /run/dovecot.pid); wait $(cat /run/dovecot.pid); true"
)

// startPostfix comes after a crash, too: then the lock of the dead master is gone, and
// its process's number may be anybody's.
const startPostfix = "rm -f /var/spool/postfix/pid/*.pid; postfix start"

var cyrusMechanisms = [...]string{"CRAM-MD5", "LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"}

func postfix() kind {
	return kind{
		name:  "postfix",
		parts: []string{"Postfix", "postfix", "Dovecot SASL", "dovecot-core", "Cyrus SASL", "libsasl2-2"},
		trees: []string{"common", "postfix", "dovecot"},
		prepare: []string{
			addPasswords,
			"chown postfix /etc/sasldb2",
			"mkdir -p /var/lib/postfix /var/spool/postfix/private; chown postfix:postfix /var/lib/postfix; chown postfix /var/spool/postfix/private",
		},
		start: startDovecot + "; " + startPostfix,
		stop:  stopDovecot + "; postfix stop",
		queue: []string{"/var/spool/postfix/incoming", "/var/spool/postfix/active", "/var/spool/postfix/deferred"},
		whole: func(f fs.FileInfo) bool { return f.Mode()&0o100 != 0 }, // set at the end, by cleanup
		mechanisms: map[string][]string{
			"":       {"CRAM-MD5", "LOGIN", "OAUTHBEARER", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2"},
			"cyrus ": cyrusMechanisms[:],
		},
		extensions:  []string{"8BITMIME", "CHUNKING", "DSN", "PIPELINING", "SIZE", "SMTPUTF8"},
		limits:      []bound{{door: "limited ", sessions: 2, reply: "421 4.7.0 mail.example.com Error: too many connections"}},
		mistakenFor: []error{submit.ErrProtocol, submit.ErrRejected},
		soak:        10_000,
	}
}

// dovecot is Dovecot's submission service, which relays to a Postfix in the same box.
func dovecot() kind {
	k := postfix()
	k.name = "dovecot"
	k.parts = []string{"Dovecot submission", "dovecot-submissiond", "Postfix behind it", "postfix"}
	k.values = map[string]any{"Submission": true}
	k.mechanisms = map[string][]string{
		"": {"CRAM-MD5", "EXTERNAL", "LOGIN", "OAUTHBEARER", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "XOAUTH2"},
	}
	k.extensions = []string{"8BITMIME", "CHUNKING", "PIPELINING", "SIZE"} // DSN only after login
	k.mistakenFor = []error{submit.ErrProtocol}
	k.limits = []bound{{sessions: 12, reply: "Maximum number of connections"}}
	k.dies = true
	k.vague = "421 4.4.0 mail.example.com Lost connection to relay server"
	k.soak = 2_000
	return k
}

// stopExim stops the daemon in good order and everything else as in a crash: sessions
// would go on by themselves. They do not get a SIGTERM: Exim 4.98.2 removes a message
// that it has acknowledged, if that comes while it files the message and the client
// goes on to the next within the session.
const stopExim = "kill $(cat /run/exim); wait $(cat /run/exim); while kill -KILL -1; do sleep 0.1; done; wait; true"

func exim() kind {
	return kind{
		name:  "exim",
		parts: []string{"Exim", "exim4-daemon-heavy", "Cyrus SASL", "libsasl2-2"},
		trees: []string{"common", "exim"},
		prepare: []string{
			addPasswords,
			"chown Debian-exim /etc/sasldb2 /etc/key.pem",
			"mkdir -p /var/spool/exim4 /var/log/exim4 /run/exim4; chown Debian-exim:Debian-exim /var/spool/exim4 /var/log/exim4 /run/exim4",
		},
		start:       "exim4 -bdf -q1s -oP /run/exim4/exim.pid & echo $! >/run/exim",
		stop:        stopExim,
		queue:       []string{"/var/spool/exim4/input"},
		whole:       func(f fs.FileInfo) bool { return strings.HasSuffix(f.Name(), "-H") }, // the last to be written
		mechanisms:  map[string][]string{"": {"CRAM-MD5", "EXTERNAL", "LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"}},
		extensions:  []string{"8BITMIME", "CHUNKING", "DSN", "PIPELINING", "SIZE", "SMTPUTF8"},
		limits:      []bound{{door: "limited ", sessions: 3, reply: "421", messages: 10}},
		mistakenFor: []error{submit.ErrProtocol},
		soak:        1_500,
	}
}

func opensmtpd() kind {
	return kind{
		name:  "opensmtpd",
		parts: []string{"OpenSMTPD", "opensmtpd"},
		trees: []string{"common", "opensmtpd"},
		prepare: []string{
			"chgrp opensmtpq /usr/sbin/smtpctl; chmod 2755 /usr/sbin/smtpctl",
			"mkdir -p /etc/ssl/certs; cp /etc/ca.pem /etc/ssl/certs/ca-certificates.crt",
			`for u in '` + user + `' '` + odd + `'; do echo "$u $(smtpctl encrypt '` + password + `')"; done >/etc/creds`,
			"chmod 640 /etc/creds; chgrp opensmtpd /etc/creds",
			"mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty; chmod 711 /var/spool/smtpd",
		},
		start:      "smtpd -d >>/var/log/smtpd.log 2>&1 & echo $! >/run/smtpd.pid",
		stop:       "kill $(cat /run/smtpd.pid); wait $(cat /run/smtpd.pid); true",
		queue:      []string{"/var/spool/smtpd/queue"},
		whole:      func(f fs.FileInfo) bool { return f.Name() != "message" }, // that outlives its envelopes in a crash
		mechanisms: map[string][]string{"": {"LOGIN", "PLAIN"}},
		extensions: []string{"8BITMIME", "DSN", "SIZE"},
		oddities: map[string]oddity{
			"NUL":            {alters: cutAtNUL},
			"100,000 octets": {refuses: "500 5.0.0 Line too long"}, // and hangs up
		},
		limits:      []bound{{messages: 100}}, // 452 to one more
		mistakenFor: []error{submit.ErrProtocol},
		tears:       true,
		soak:        1_500,
	}
}
