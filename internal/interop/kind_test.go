//go:build interop && linux

package interop

// A kind is a sort of server: how it is run, and what it is known to offer and to
// do. That is held against the server, so that a version that does otherwise is
// noticed.
type kind struct {
	name    string
	trees   []string       // below testdata
	values  map[string]any // for their templates
	prepare []string       // commands in the box, once
	start   string
	stop    string   // in good order
	queue   []string // folders of what has been taken and not been delivered

	mechanisms map[string][]string // that are offered, sorted; by the beginning of the names of two ports
	extensions []string            // of those that are tried
	soak       int                 // messages while it is stopped and started
}

// addPasswords makes the database of Cyrus SASL.
const addPasswords = `for u in '` + user + `' '` + odd + `'; do printf %s '` + password + `' | saslpasswd2 -p -c -u example.com "${u%@*}" || exit; done`

const startDovecot = "rm -f /run/dovecot/master.pid; dovecot"

// startPostfix comes after a crash, too: then the lock of the dead master is gone, and
// its process's number may be anybody's.
const startPostfix = "rm -f /var/spool/postfix/pid/*.pid; postfix start"

var cyrusMechanisms = [...]string{"CRAM-MD5", "LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"}

func postfix() kind {
	return kind{
		name:  "postfix",
		trees: []string{"common", "postfix", "dovecot"},
		prepare: []string{
			addPasswords,
			"chown postfix /etc/sasldb2",
			"mkdir -p /var/lib/postfix /var/spool/postfix/private; chown postfix:postfix /var/lib/postfix; chown postfix /var/spool/postfix/private",
		},
		start: startDovecot + "; " + startPostfix,
		stop:  "postfix stop; doveadm stop",
		queue: []string{"/var/spool/postfix/incoming", "/var/spool/postfix/active", "/var/spool/postfix/deferred"},
		mechanisms: map[string][]string{
			"":       {"CRAM-MD5", "LOGIN", "OAUTHBEARER", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2"},
			"cyrus ": cyrusMechanisms[:],
		},
		extensions: []string{"8BITMIME", "CHUNKING", "DSN", "PIPELINING", "SIZE", "SMTPUTF8"},
		soak:       10_000,
	}
}

// dovecot is Dovecot's submission service, which relays to a Postfix in the same box.
func dovecot() kind {
	k := postfix()
	k.name = "dovecot"
	k.values = map[string]any{"Submission": true}
	k.mechanisms = map[string][]string{
		"": {"CRAM-MD5", "EXTERNAL", "LOGIN", "OAUTHBEARER", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "XOAUTH2"},
	}
	k.extensions = []string{"8BITMIME", "CHUNKING", "DSN", "PIPELINING", "SIZE"}
	k.soak = 2_000
	return k
}

func exim() kind {
	return kind{
		name:  "exim",
		trees: []string{"common", "exim"},
		prepare: []string{
			addPasswords,
			"chown Debian-exim /etc/sasldb2 /etc/key.pem",
			"mkdir -p /var/spool/exim4 /var/log/exim4 /run/exim4; chown Debian-exim:Debian-exim /var/spool/exim4 /var/log/exim4 /run/exim4",
		},
		start:      "exim4 -bdf -q2s -oP /run/exim4/exim.pid & echo $! >/run/exim",
		stop:       "kill $(cat /run/exim); wait $(cat /run/exim)",
		queue:      []string{"/var/spool/exim4/input"},
		mechanisms: map[string][]string{"": {"CRAM-MD5", "EXTERNAL", "LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"}},
		extensions: []string{"8BITMIME", "CHUNKING", "DSN", "PIPELINING", "SIZE", "SMTPUTF8"},
		soak:       2_000,
	}
}

func opensmtpd() kind {
	return kind{
		name:  "opensmtpd",
		trees: []string{"common", "opensmtpd"},
		prepare: []string{
			"chgrp opensmtpq /usr/sbin/smtpctl; chmod 2755 /usr/sbin/smtpctl",
			"mkdir -p /etc/ssl/certs; cp /etc/ca.pem /etc/ssl/certs/ca-certificates.crt",
			`for u in '` + user + `' '` + odd + `'; do echo "$u $(smtpctl encrypt '` + password + `')"; done >/etc/creds`,
			"chmod 640 /etc/creds; chgrp opensmtpd /etc/creds",
			"mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty; chmod 711 /var/spool/smtpd",
		},
		start:      "smtpd -d >>/var/log/smtpd.log 2>&1 & echo $! >/run/smtpd.pid",
		stop:       "kill $(cat /run/smtpd.pid); wait $(cat /run/smtpd.pid)",
		queue:      []string{"/var/spool/smtpd/queue", "/var/spool/smtpd/incoming"},
		mechanisms: map[string][]string{"": {"LOGIN", "PLAIN"}},
		extensions: []string{"8BITMIME", "DSN", "SIZE"},
		soak:       2_000,
	}
}
